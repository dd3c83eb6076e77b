"""What a logged-in person can see and do (contract §5, §6)."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from igauth.api.deps import Edge, EdgeDep, OwnConnection, ServicesDep, SessionId, ViewerDep
from igauth.api.documented import problems
from igauth.api.ids import InstagramAccountIdInPath, SessionIdInPath
from igauth.api.presenting import connection_out, person_out, session_out
from igauth.api.redirects import redirect
from igauth.api.schemas import (
    ConnectionList,
    ConnectionOut,
    HandoffCode,
    InstagramAccountOut,
    ListingOut,
    PersonOut,
    SessionList,
)
from igauth.bootstrap import Services
from igauth.errors import (
    CheckpointRequired,
    CsrfFailed,
    FacebookRateLimited,
    FacebookRefused,
    FacebookTimeout,
    FacebookUnavailable,
    NotAuthenticated,
    NotFound,
    PermissionMissing,
    RateLimited,
    ReconnectRequired,
)
from igauth.listing.answer import ListingView, answer
from igauth.store.views import Viewed

router = APIRouter(tags=["me"])
_FACEBOOK = (
    FacebookRefused,
    FacebookRateLimited,
    FacebookUnavailable,
    FacebookTimeout,
    ReconnectRequired,
    CheckpointRequired,
    RateLimited,
)
_ENDED: dict[int | str, dict[str, Any]] = {
    204: {"description": "Facebook confirmed the revocation"},
    202: {"description": "All is deleted here; the revocation at Facebook is queued"},
}
_PRIVATE = {"Cache-Control": "private, no-cache"}


@router.get("/me", summary="The person", responses=problems(NotAuthenticated))
async def get_me(viewer: ViewerDep) -> PersonOut:
    """Who is logged in."""
    return person_out(viewer.person)


@router.get(
    "/me/instagram-accounts",
    summary="The Instagram accounts",
    response_model=ListingOut,
    responses={
        304: {"description": "Nothing changed since the `ETag` in `If-None-Match`"},
        **problems(NotAuthenticated, PermissionMissing, *_FACEBOOK),
    },
)
async def list_instagram_accounts(
    edge: EdgeDep,
    services: ServicesDep,
    session_id: SessionId,
    refresh: Annotated[bool, Query(description="Ask Facebook now")] = False,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Every Instagram professional account that the person let this application use."""
    viewed = await services.sessions.resolve_with_grants(
        session_id, with_accounts=if_none_match is None
    )
    if viewed is None:
        raise NotAuthenticated
    if refresh:
        edge.refresh_limit.hit(viewed.person.id)
    view = await _view(services, viewed, refresh=refresh, known_tag=if_none_match)
    found = answer(view, services.rules, services.clock())
    headers = {**_PRIVATE, "ETag": found.etag}
    if _matches(if_none_match, found.etag):
        return Response(status_code=304, headers=headers)
    return Response(found.body, media_type="application/json", headers=headers)


async def _view(
    services: Services, viewed: Viewed, *, refresh: bool, known_tag: str | None
) -> ListingView:
    """What is shown. A front end that knows a tag is first asked to prove it wrong: only then
    are the accounts read."""
    if refresh or not services.listings.is_young(viewed.grants):
        return await services.listings.get(viewed.grants, refresh=refresh)
    view = ListingView(viewed.grants)
    if known_tag is None:
        return view
    if _matches(known_tag, answer(view, services.rules, services.clock()).etag):
        return view
    return await services.listings.read(viewed.person.id)


@router.get(
    "/me/instagram-accounts/{account_id}",
    summary="One Instagram account",
    response_model=InstagramAccountOut,
    responses=problems(NotAuthenticated, NotFound, PermissionMissing, *_FACEBOOK),
)
async def get_instagram_account(
    account_id: InstagramAccountIdInPath, services: ServicesDep, viewer: ViewerDep
) -> Response:
    """One account of the listing."""
    body = await services.accounts.get((viewer.person.id,), account_id)
    return Response(body, media_type="application/json", headers=_PRIVATE)


@router.get(
    "/me/instagram-accounts/{account_id}/picture",
    summary="The picture of an Instagram account",
    status_code=302,
    response_class=Response,
    responses={
        302: {"description": "To a live picture"},
        **problems(NotAuthenticated, NotFound, PermissionMissing, *_FACEBOOK),
    },
)
async def get_picture(
    account_id: InstagramAccountIdInPath, services: ServicesDep, viewer: ViewerDep
) -> Response:
    """Leads to a live picture: Facebook's links expire, this address doesn't."""
    url = await services.accounts.live_picture(viewer.person.id, account_id)
    response = redirect(302, url)
    response.headers["Cache-Control"] = "private, max-age=300"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@router.get("/me/connections", summary="The connections", responses=problems(NotAuthenticated))
async def list_connections(viewer: ViewerDep, services: ServicesDep) -> ConnectionList:
    """The person's connections: what they let this application use, and through which door."""
    rows = await services.connections.list_own(viewer.person.id)
    now = services.clock()
    return ConnectionList(data=[connection_out(row, services.rules, now) for row in rows])


@router.get(
    "/me/connections/{connection_id}",
    summary="One connection",
    responses=problems(NotAuthenticated, NotFound),
)
async def get_connection(row: OwnConnection, services: ServicesDep) -> ConnectionOut:
    """Its state, its permissions, and when it ends."""
    return connection_out(row, services.rules, services.clock())


@router.post(
    "/me/connections/{connection_id}/verify",
    summary="Check a connection at Meta now",
    responses=problems(NotAuthenticated, NotFound, CsrfFailed, *_FACEBOOK),
)
async def verify_connection(
    row: OwnConnection, edge: EdgeDep, services: ServicesDep, viewer: ViewerDep
) -> ConnectionOut:
    """The connection as Meta sees it at this moment."""
    edge.refresh_limit.hit(viewer.person.id)
    latest = await services.checks.verify(row)
    return connection_out(latest, services.rules, services.clock())


@router.delete(
    "/me/connections/{connection_id}",
    summary="Disconnect",
    status_code=204,
    response_class=Response,
    responses={**_ENDED, **problems(NotAuthenticated, NotFound, CsrfFailed)},
)
async def disconnect(row: OwnConnection, edge: EdgeDep, services: ServicesDep) -> Response:
    """Ends the connection; everything that the person has here, where it is the last or the only
    one that signs them in."""
    ended, confirmed = await services.ending.end_connection(row)
    return _ended(edge, everything=ended.everything, confirmed=confirmed)


@router.delete(
    "/me",
    summary="Delete everything",
    status_code=204,
    response_class=Response,
    responses={**_ENDED, **problems(NotAuthenticated, NotFound, CsrfFailed)},
)
async def delete_me(viewer: ViewerDep, edge: EdgeDep, services: ServicesDep) -> Response:
    """Ends every connection and deletes everything that the person has here."""
    confirmed = await services.ending.end_person(viewer.person.id)
    return _ended(edge, everything=True, confirmed=confirmed)


@router.post(
    "/me/handoff",
    summary="Hand over to the operator's server",
    status_code=201,
    responses=problems(NotAuthenticated, CsrfFailed),
)
async def offer_handoff(viewer: ViewerDep, services: ServicesDep) -> HandoffCode:
    """A code that names this person to the operator's server, once, for a minute."""
    code, expires_at = await services.handoffs.offer(viewer.person.id)
    return HandoffCode(code=code, expires_at=expires_at)


@router.get("/me/sessions", summary="The sessions", responses=problems(NotAuthenticated))
async def list_sessions(viewer: ViewerDep, services: ServicesDep) -> SessionList:
    """Every browser that is logged in as this person."""
    rows = await services.sessions.list_live(viewer)
    return SessionList(data=[session_out(row, viewer) for row in rows])


@router.delete(
    "/me/sessions",
    summary="End all other sessions",
    status_code=204,
    response_class=Response,
    responses=problems(NotAuthenticated, CsrfFailed),
)
async def end_other_sessions(viewer: ViewerDep, services: ServicesDep) -> Response:
    """Logs every other browser out."""
    await services.sessions.end_others(viewer)
    return Response(status_code=204)


@router.delete(
    "/me/sessions/{session_id}",
    summary="End one session",
    status_code=204,
    response_class=Response,
    responses=problems(NotAuthenticated, NotFound, CsrfFailed),
)
async def end_session(
    session_id: SessionIdInPath, viewer: ViewerDep, services: ServicesDep
) -> Response:
    """Logs one browser out."""
    await services.sessions.end_one(viewer, session_id)
    return Response(status_code=204)


def _ended(edge: Edge, *, everything: bool, confirmed: bool) -> Response:
    response = Response(status_code=204 if confirmed else 202)
    if everything:
        edge.cookies.clear_session(response)
    return response


def _matches(if_none_match: str | None, etag: str) -> bool:
    """RFC 9110 §13.1.2, by weak comparison."""
    if if_none_match is None:
        return False
    known = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in known or etag.removeprefix("W/") in known
