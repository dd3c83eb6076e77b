"""Which routes a path belongs to, for answers that were given before or instead of routing."""

from collections.abc import Iterator

from fastapi.routing import RouteContext, iter_route_contexts
from starlette.types import Scope


def template_of(scope: Scope) -> str:
    """The path template of a request that no route answered; never the path itself."""
    return next((str(route.path) for route in _matching(scope)), "unmatched")


def methods_of(scope: Scope) -> list[str]:
    """Every method that the request's path answers to (RFC 9110 §15.5.6)."""
    return sorted({method for route in _matching(scope) for method in route.methods or ()})


def _matching(scope: Scope) -> Iterator[RouteContext]:
    app = scope.get("app")
    for route in iter_route_contexts(app.router.routes) if app is not None else ():
        pattern = getattr(route, "path_regex", None)
        if pattern is not None and pattern.match(scope["path"]):
            yield route
