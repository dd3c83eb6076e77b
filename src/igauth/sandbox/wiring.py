"""The sandbox's routes: dialog, pictures, control, and all the rest is Graph."""

import hashlib
from collections.abc import Awaitable, Callable
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from igauth.sandbox.callbacks import Callbacks
from igauth.sandbox.control import control_routes
from igauth.sandbox.desk import Desk
from igauth.sandbox.graph import Graph, spoil
from igauth.sandbox.html import make_pages, root_of
from igauth.sandbox.pictures import draw
from igauth.sandbox.replies import Reply
from igauth.sandbox.state import State

_STATIC = {
    "sandbox.css": "text/css",
    "panel.css": "text/css",
    "panel.js": "text/javascript",
    "dialog.js": "text/javascript",
}
_ALL_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def build_app(state: State, callbacks: Callbacks) -> ASGIApp:
    """Everything under one roof: dialog host, graph host, pictures, control API."""
    pages = make_pages(state.config)
    desk = Desk(state, pages)
    graph = Graph(state, callbacks.deauthorize_soon)
    front = _Front(state, graph)
    routes = [
        *(Route(f"/_static/{name}", _static(name, kind)) for name, kind in _STATIC.items()),
        Route("/_pictures/{name}", front.picture),
        Route("/favicon.ico", _no_icon),
        *control_routes(state, callbacks, pages),
        Route("/dialog/oauth", desk.__call__, methods=["GET", "POST"]),
        Route("/{version}/dialog/oauth", desk.__call__, methods=["GET", "POST"]),
        Route("/{path:path}", front.anything, methods=_ALL_METHODS),
    ]
    return Router(routes, redirect_slashes=False)


class _Front:
    """What doesn't need a class of its own."""

    def __init__(self, state: State, graph: Graph) -> None:
        self._state = state
        self._graph = graph

    async def anything(self, request: Request) -> Response:
        """Graph; but a person who opens the bare address in a browser is shown the panel."""
        is_page_view = "text/html" in request.headers.get("accept", "")
        if request.method == "GET" and not request.path_params["path"] and is_page_view:
            return RedirectResponse(f"{root_of(request, self._state.config)}/_control/", 303)
        return await self._graph(request)

    async def picture(self, request: Request) -> Response:
        """A profile picture by its signed link (facts 8.5)."""
        fault = self._state.faults.take({"picture"}, None)
        if fault is not None:
            if fault.delay_seconds:
                await self._state.sleep(fault.delay_seconds)
            if fault.kind not in ("delay", "drip"):
                answer = spoil(fault, None, self._state.config.default_version)
                return Reply(answer, self._state.sleep)
        query = request.query_params
        drawing = draw(
            request.path_params["name"],
            query.get("oh", ""),
            query.get("oe", ""),
            self._state.clock.unix(),
        )
        headers = {
            "cross-origin-resource-policy": "cross-origin",
            "content-security-policy": "default-src 'none'",
            "cache-control": "max-age=1209600, no-transform",
            "x-content-type-options": "nosniff",
        }
        return Response(drawing.content, drawing.status, headers, drawing.content_type)


def _static(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    """A file of this package; revalidated, so that an upgrade doesn't meet an old script."""

    async def serve(request: Request) -> Response:
        content = files("igauth.sandbox").joinpath("static", name).read_bytes()
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        headers = {"cache-control": "no-cache", "etag": tag, "x-content-type-options": "nosniff"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=kind)

    return serve


async def _no_icon(_request: Request) -> Response:
    return Response(status_code=204)
