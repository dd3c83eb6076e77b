"""Logging in and out over HTTP (contract §3, §5)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request
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
from igauth.api.languages import texts_for
from igauth.api.presenting import person_out
from igauth.api.problems import login_failure_address
from igauth.api.redirects import check_navigation, redirect, way_home
from igauth.api.schemas import Anonymous, Authenticated, SessionState
from igauth.domain import Provider
from igauth.errors import (
    CodeRejected,
    ConnectSessionExpired,
    CsrfFailed,
    InvalidRequest,
    NotANavigation,
    RateLimited,
    ReturnToNotAllowed,
)
from igauth.login.arrivals import Arrival, LoginEnd
from igauth.login.flow import StartedLogin, StartWish
from igauth.observability import REQUEST_ID
from igauth.settings import origin_of

router = APIRouter(tags=["login"])
facebook_router = APIRouter(tags=["login"])
instagram_router = APIRouter(tags=["login"])
ROUTERS = {Provider.FACEBOOK: facebook_router, Provider.INSTAGRAM: instagram_router}
"""The routes of each door; those of a closed one aren't there."""

_SINGLE = ("return_to", "mode", "prompt", "reconnect", "link")
_STARTED: dict[int | str, dict[str, Any]] = {
    302: {"description": "To Meta's login dialog"},
    307: {"description": "To the same address at BASE_URL, from another loopback name"},
    **problems(ReturnToNotAllowed, NotANavigation, RateLimited),
}
_ENDED: dict[int | str, dict[str, Any]] = {
    303: {"description": "To `return_to`, with a session or with `error`"},
    200: {"description": "In `popup` mode: a page that tells its opener, and closes"},
    **problems(RateLimited),
}


@dataclass(frozen=True, slots=True)
class Visit:
    """What every step of a login is told by the request itself."""

    request: Request
    edge: Edge
    client: str
    jar: Mapping[str, str] = field(repr=False)
    session_id: str | None = field(repr=False)


async def _visit(
    request: Request, edge: EdgeDep, client: ClientKey, jar: CookieJar, session_id: SessionId
) -> Visit:
    return Visit(request, edge, client, jar, session_id)


VisitDep = Annotated[Visit, Depends(_visit)]
ReturnTo = Annotated[
    str | None, Query(description="Where the login ends; an allowed URL or a path")
]
Mode = Literal["redirect", "popup"]
Reconnect = Annotated[str | None, Query(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]


@facebook_router.get(
    "/auth/facebook",
    summary="Start a login with Facebook",
    status_code=302,
    response_class=Response,
    responses=_STARTED,
)
async def start_facebook_login(
    visit: VisitDep,
    return_to: ReturnTo = None,
    mode: Mode = "redirect",
    prompt: Literal["select", "reauthorize"] | None = None,
    reconnect: Reconnect = None,
    link: Annotated[
        bool, Query(description="Add Facebook to the person who is logged in, if they have none")
    ] = False,
) -> Response:
    """Send the browser itself here (a link, not a fetch); it comes back to `return_to`."""
    adding_to = visit.session_id if link else None
    wish = StartWish(return_to, mode == "popup", prompt, reconnect, adding_to)
    return _start(visit, Provider.FACEBOOK, wish)


@instagram_router.get(
    "/auth/instagram",
    summary="Start a login with Instagram",
    status_code=302,
    response_class=Response,
    responses=_STARTED,
)
async def start_instagram_login(
    visit: VisitDep,
    return_to: ReturnTo = None,
    mode: Mode = "redirect",
    prompt: Literal["select"] | None = None,
    reconnect: Reconnect = None,
) -> Response:
    """The same for an Instagram account without a Page. Whoever is logged in adds it."""
    wish = StartWish(return_to, mode == "popup", prompt, reconnect, visit.session_id)
    return _start(visit, Provider.INSTAGRAM, wish)


@facebook_router.get(
    "/auth/facebook/callback",
    summary="End a login with Facebook",
    status_code=303,
    response_class=Response,
    responses=_ENDED,
)
async def complete_facebook_login(
    visit: VisitDep, user_agent: Annotated[str | None, Header(include_in_schema=False)] = None
) -> Response:
    """Facebook sends the browser here; nobody else should."""
    return await _complete(visit, Provider.FACEBOOK, user_agent)


@instagram_router.get(
    "/auth/instagram/callback",
    summary="End a login with Instagram",
    status_code=303,
    response_class=Response,
    responses=_ENDED,
)
async def complete_instagram_login(
    visit: VisitDep, user_agent: Annotated[str | None, Header(include_in_schema=False)] = None
) -> Response:
    """Instagram sends the browser here; nobody else should."""
    return await _complete(visit, Provider.INSTAGRAM, user_agent)


def _start(visit: Visit, door: Provider, wish: StartWish) -> Response:
    services, edge = visit.edge.services, visit.edge
    check_navigation(visit.request)
    _refuse_repeated(visit.request)
    if (elsewhere := way_home(visit.request, services.settings.base_url)) is not None:
        return elsewhere
    edge.login_limit.hit(visit.client)
    return _to_dialog(edge, services.logins[door].start(wish, visit.jar))


def _to_dialog(edge: Edge, started: StartedLogin) -> Response:
    """Sends the browser to Meta with the cookie of its attempt."""
    response = redirect(302, started.location)
    for name in started.dropped_cookies:
        edge.cookies.clear(response, name)
    edge.cookies.set_attempt(response, started.cookie_name, started.cookie_value)
    return response


async def _complete(visit: Visit, door: Provider, user_agent: str | None) -> Response:
    edge, services = visit.edge, visit.edge.services
    arrival = _arrival(visit.request, visit.jar, visit.session_id, user_agent)
    end = await services.logins[door].complete(arrival)
    _limit(edge, visit.client, end)
    outcome = "ok" if end.failure is None else end.failure.code
    services.metrics.logins.labels(outcome).inc()
    response = _popup_page(end, visit.request, edge) if end.popup else _redirect(end)
    if end.session_id is not None:
        edge.cookies.set_session(response, end.session_id)
    if end.spent_cookie is not None:
        edge.cookies.clear(response, end.spent_cookie)
    return response


@router.get(
    "/connect/{link}",
    summary="Start a connect session",
    status_code=302,
    response_class=Response,
    responses={
        302: {"description": "To Meta's login dialog"},
        307: {"description": "To the same address at BASE_URL, from another loopback name"},
        **problems(NotANavigation, RateLimited, ConnectSessionExpired),
    },
)
async def start_connecting(link: str, visit: VisitDep) -> Response:
    """Where one of your users goes with the link that your server made; consumes nothing."""
    services = visit.edge.services
    check_navigation(visit.request)
    if (elsewhere := way_home(visit.request, services.settings.base_url)) is not None:
        return elsewhere
    visit.edge.login_limit.hit(visit.client)
    row = await services.connect_sessions.visit(link)
    flow = services.logins[row.provider]
    started = flow.start_connecting(row.id, row.return_to, row.prompt, visit.jar)
    return _to_dialog(visit.edge, started)


@router.get("/auth/session", summary="Who is logged in", responses=problems())
async def get_session(viewer: OptionalViewer, services: ServicesDep) -> SessionState:
    """Whether this browser is logged in. Never 401."""
    urls = {door: f"{services.settings.base_url}/auth/{door}" for door in services.logins}
    first = next(iter(urls.values()))
    if viewer is None:
        return SessionState(Anonymous(login_url=first, login_urls=urls))
    user = person_out(viewer.person)
    return SessionState(Authenticated(user=user, login_url=first, login_urls=urls))


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
        error_description=query.get("error_description"),
        refused=any(name in query for name in ("error", "error_code", "error_message")),
        cookies=jar,
        session_id=session_id,
        user_agent=user_agent,
    )


def _final_address(end: LoginEnd) -> str:
    if end.failure is None:
        return end.return_to
    return login_failure_address(end.return_to, end.failure, described=not end.connecting)


def _redirect(end: LoginEnd) -> Response:
    return redirect(303, _final_address(end))


def _popup_page(end: LoginEnd, request: Request, edge: Edge) -> Response:
    """Tells the opener, at exactly the origin of `return_to`, and nobody else."""
    message: dict[str, object] = {"source": "igauth", "ok": end.failure is None}
    if end.failure is not None:
        message |= {"error": end.failure.code, "request_id": REQUEST_ID.get() or ""}
    texts = texts_for(request.headers.get("accept-language", ""))
    told = texts.words["popup"]
    title, sentence = told["title"], told["text"]
    if end.failure is not None:
        title, sentence = texts.of(end.failure.code)
    return edge.pages.page(
        "popup.html",
        texts,
        script=True,
        message=message,
        title=title,
        sentence=sentence,
        target_origin=origin_of(end.return_to),
        return_to=_final_address(end),
    )
