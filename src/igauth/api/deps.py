"""What routes ask for: each an `Annotated` alias, resolved from the process's services."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Request

from igauth.api.cookies import Cookies, cookies_of
from igauth.api.ids import ConnectionIdInPath
from igauth.api.limiting import Limiter, client_key
from igauth.api.pages import Brand, Pages
from igauth.bootstrap import Services
from igauth.errors import NotAuthenticated
from igauth.login.sessions import Viewer
from igauth.rates import Rate
from igauth.store.connections import ConnectionRow

BAD_KEYS = Rate(30, 60)
"""Service keys that are none, from one address (contract §11)."""


class Edge:
    """What the HTTP side keeps for a process: cookies and rate limits."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.cookies = Cookies.of(services.settings)
        self.pages = Pages(Brand.of(services.settings))
        self.login_limit = Limiter(services.settings.login_rate)
        self.refresh_limit = Limiter(services.settings.refresh_rate)
        self.service_limit = Limiter(services.settings.service_rate)
        self.bad_key_limit = Limiter(BAD_KEYS)


async def _edge(request: Request) -> Edge:
    edge: Edge = request.state.edge
    return edge


EdgeDep = Annotated[Edge, Depends(_edge)]


async def _services(edge: EdgeDep) -> Services:
    return edge.services


ServicesDep = Annotated[Services, Depends(_services)]


async def _client(request: Request) -> str:
    return client_key(request.client.host if request.client else None)


ClientKey = Annotated[str, Depends(_client)]


async def _cookie_jar(request: Request) -> Mapping[str, str]:
    return cookies_of(request.scope)


CookieJar = Annotated[Mapping[str, str], Depends(_cookie_jar)]


async def _session_id(jar: CookieJar, edge: EdgeDep) -> str | None:
    return jar.get(edge.cookies.session_name)


SessionId = Annotated[str | None, Depends(_session_id)]


async def _optional_viewer(session_id: SessionId, services: ServicesDep) -> Viewer | None:
    return await services.sessions.resolve(session_id)


OptionalViewer = Annotated[Viewer | None, Depends(_optional_viewer)]


async def _viewer(viewer: OptionalViewer) -> Viewer:
    if viewer is None:
        raise NotAuthenticated
    return viewer


ViewerDep = Annotated[Viewer, Depends(_viewer)]


async def _own_connection(
    connection_id: ConnectionIdInPath, viewer: ViewerDep, services: ServicesDep
) -> ConnectionRow:
    return await services.connections.get_own(viewer.person.id, connection_id)


OwnConnection = Annotated[ConnectionRow, Depends(_own_connection)]
