"""Logging in and out over HTTP (contract §3, §5)."""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from igauth.api.deps import (
    ClientKey,
    CookieJar,
    Edge,
    EdgeDep,
    OptionalViewer,
    ServicesDep,
    SessionId,
)
from igauth.api.documented import problems
from igauth.api.pages import page
from igauth.api.presenting import person_out
from igauth.api.problems import login_failure_address
from igauth.api.redirects import check_navigation, redirect, way_home
from igauth.api.schemas import SessionState
from igauth.domain import Provider
from igauth.errors import (
    CodeRejected,
    CsrfFailed,
    InvalidRequest,
    NotANavigation,
    RateLimited,
    ReturnToNotAllowed,
)
from igauth.login.flow import Arrival, LoginEnd
from igauth.observability import REQUEST_ID
from igauth.settings import origin_of

router = APIRouter(tags=["login"])
_SINGLE = ("return_to", "mode", "prompt", "reconnect")


@router.get(
    "/auth/facebook",
    summary="Start a login",
    status_code=302,
    response_class=Response,
    responses={
        302: {"description": "To Facebook's login dialog"},
        307: {"description": "To the same address at BASE_URL, from another loopback name"},
        **problems(ReturnToNotAllowed, NotANavigation, RateLimited),
    },
)
async def start_login(
    request: Request,
    edge: EdgeDep,
    services: ServicesDep,
    client: ClientKey,
    jar: CookieJar,
    return_to: Annotated[
        str | None, Query(description="Where the login ends; an allowed URL or a path")
    ] = None,
    mode: Annotated[Literal["redirect", "popup"], Query()] = "redirect",
    prompt: Annotated[Literal["select", "reauthorize"] | None, Query()] = None,
    reconnect: Annotated[
        str | None, Query(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")
    ] = None,
) -> Response:
    """Send the browser itself here (a link, not a fetch); it comes back to `return_to`."""
    check_navigation(request)
    _refuse_repeated(request)
    if (elsewhere := way_home(request, services.settings.base_url)) is not None:
        return elsewhere
    edge.login_limit.hit(client)
    started = services.logins[Provider.FACEBOOK].start(
        return_to=return_to,
        popup=mode == "popup",
        prompt=prompt,
        reconnect=reconnect,
        cookies=jar,
    )
    response = redirect(302, started.location)
    for name in started.dropped_cookies:
        edge.cookies.clear(response, name)
    edge.cookies.set_attempt(response, started.cookie_name, started.cookie_value)
    return response


@router.get(
    "/auth/facebook/callback",
    summary="End a login",
    status_code=303,
    response_class=Response,
    responses={
        303: {"description": "To `return_to`, with a session or with `error`"},
        200: {"description": "In `popup` mode: a page that tells its opener, and closes"},
        **problems(RateLimited),
    },
)
async def complete_login(
    request: Request,
    edge: EdgeDep,
    services: ServicesDep,
    client: ClientKey,
    jar: CookieJar,
    session_id: SessionId,
    user_agent: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Facebook sends the browser here; nobody else should."""
    end = await services.logins[Provider.FACEBOOK].complete(
        _arrival(request, jar, session_id, user_agent)
    )
    _limit(edge, client, end)
    outcome = "ok" if end.failure is None else end.failure.code
    services.metrics.logins.labels(outcome).inc()
    response = _popup_page(end) if end.popup else _redirect(end)
    if end.session_id is not None:
        edge.cookies.set_session(response, end.session_id)
    if end.spent_cookie is not None:
        edge.cookies.clear(response, end.spent_cookie)
    return response


@router.get("/auth/session", summary="Who is logged in", responses=problems())
async def get_session(viewer: OptionalViewer, services: ServicesDep) -> SessionState:
    """Whether this browser is logged in. Never 401."""
    return SessionState(
        authenticated=viewer is not None,
        user=None if viewer is None else person_out(viewer.person),
        login_url=f"{services.settings.base_url}/auth/facebook",
    )


@router.post(
    "/auth/logout",
    summary="Log out",
    status_code=204,
    response_class=Response,
    responses=problems(CsrfFailed),
)
async def log_out(edge: EdgeDep, services: ServicesDep, session_id: SessionId) -> Response:
    """Ends this browser's session on every replica. Idempotent."""
    await services.sessions.log_out(session_id)
    response = Response(status_code=204)
    if session_id is not None:  # else a foreign form could log this browser out
        edge.cookies.clear_session(response)
    return response


def _refuse_repeated(request: Request) -> None:
    """RFC 6749 §3.1: a parameter must not be there twice."""
    for name in _SINGLE:
        if len(request.query_params.getlist(name)) > 1:
            raise InvalidRequest(f"The parameter {name} must not be repeated.")


def _limit(edge: Edge, client: str, end: LoginEnd) -> None:
    """Refuses what no attempt stands behind; a real one whose code was rejected only counts."""
    if isinstance(end.failure, CodeRejected):
        edge.login_limit.count(client)
    elif end.counts:
        edge.login_limit.hit(client)


def _arrival(
    request: Request, jar: Mapping[str, str], session_id: str | None, user_agent: str | None
) -> Arrival:
    query = request.query_params
    return Arrival(
        states=query.getlist("state"),
        codes=query.getlist("code"),
        error=query.get("error"),
        error_code=query.get("error_code"),
        refused=any(name in query for name in ("error", "error_code", "error_message")),
        cookies=jar,
        session_id=session_id,
        user_agent=user_agent,
    )


def _final_address(end: LoginEnd) -> str:
    if end.failure is None:
        return end.return_to
    return login_failure_address(end.return_to, end.failure)


def _redirect(end: LoginEnd) -> Response:
    return redirect(303, _final_address(end))


def _popup_page(end: LoginEnd) -> Response:
    """Tells the opener, at exactly the origin of `return_to`, and nobody else."""
    message: dict[str, object] = {"source": "igauth", "ok": end.failure is None}
    if end.failure is not None:
        message |= {"error": end.failure.code, "request_id": REQUEST_ID.get() or ""}
    return page(
        "popup.html",
        script=True,
        message=message,
        target_origin=origin_of(end.return_to),
        return_to=_final_address(end),
        detail="" if end.failure is None else end.failure.public_detail,
    )
