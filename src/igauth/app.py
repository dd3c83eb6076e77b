"""`create_app`: middleware, routers, problem handlers, lifespan. Nothing happens at import."""

import gc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from igauth.api import callbacks, example, login, me, operations
from igauth.api.boundary import Boundary, Rules
from igauth.api.cookies import Cookies
from igauth.api.deps import Edge
from igauth.api.matching import methods_of
from igauth.api.openapi import document_of
from igauth.api.pages import Brand, Pages
from igauth.api.problems import (
    ProblemWriter,
    from_http_exception,
    from_validation_error,
    is_navigation,
)
from igauth.api.v1 import routers as v1
from igauth.api.v1.gate import Gate
from igauth.bootstrap import Wiring, open_services
from igauth.domain import Provider
from igauth.observability import Metrics, configure_logging, silence_access_log
from igauth.settings import ServeSettings, Settings, load
from igauth.upkeep import loops
from igauth.upkeep.findings import warn_at_start

_DESCRIPTION = (
    "Connects people's Instagram professional accounts to your application. "
    "Send the browser to `GET /auth/facebook`; then call the rest with its cookie "
    '(`credentials: "include"`). Failures are RFC 9457 problems with a stable `code`.'
)


def create_app(settings: Settings | None = None, wiring: Wiring | None = None) -> FastAPI:
    """The service as an ASGI application.

    Without `settings` they are read from outside, as `igauth serve` demands them; raises
    SettingsRefused with every fault.
    """
    if settings is None:
        settings = load(ServeSettings)
        configure_logging(settings.log_format, settings.log_level)
        warn_at_start(settings)
    silence_access_log()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
        async with open_services(settings, wiring, metrics) as services:
            if wiring is None or wiring.keeper:
                loops.start(services.chores, services.background)
            if wiring is None:
                _spare_the_collector()
            yield {"edge": Edge(services)}

    app = FastAPI(
        title="igauth",
        version=version("igauth"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,  # its redirect would be built from the Host header, code included
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        telemetry={"exclude": lambda scope: scope["path"].startswith(("/auth/", "/connect/"))},
    )
    first_door = next(iter(settings.open_doors), Provider.FACEBOOK)
    problems = ProblemWriter(settings.base_url, Pages(Brand.of(settings)), first_door)
    _add_routes(app, settings)
    _add_problem_handlers(app, problems)
    app.add_middleware(Gate)
    app.add_middleware(Boundary, rules=_rules(settings), problems=problems, metrics=metrics)
    if settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))
    app.openapi = partial(document_of, app, Cookies.of(settings).session_name)  # type: ignore[method-assign]
    return app


def _spare_the_collector() -> None:
    """What start-up made lives as long as the process: a full collection that looks at all of it
    stood for 60 ms in the midst of requests (record 13)."""
    gc.collect()
    gc.freeze()


def _add_routes(app: FastAPI, settings: Settings) -> None:
    for router in (login.router, callbacks.router, me.router, operations.router, *v1.ROUTERS):
        app.include_router(router)
    for door in settings.open_doors or tuple(Provider):  # none: only to be documented
        app.include_router(login.ROUTERS[door])
        app.include_router(callbacks.door_router(door))
    if settings.api_docs:
        app.include_router(operations.docs_router)
    if settings.example_app:
        app.include_router(example.router)


def _rules(settings: Settings) -> Rules:
    return Rules(
        base_url=settings.base_url,
        allowed_origins=frozenset(settings.allowed_origins),
        session_cookie=Cookies.of(settings).session_name,
        cookieless_paths=callbacks.PATHS,
    )


def _add_problem_handlers(app: FastAPI, problems: ProblemWriter) -> None:
    """The framework's own refusals become problems; ours rise to the boundary by themselves."""

    async def refuse_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101  # registered for it
        response = problems.response(
            from_http_exception(error),
            accept=request.headers.get("accept", ""),
            navigation=is_navigation(request),
            language=request.headers.get("accept-language", ""),
        )
        response.headers.update(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = ", ".join(methods_of(request.scope))
        return response

    async def refuse_parameters(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for it
        return problems.response(
            from_validation_error(error),
            accept=request.headers.get("accept", ""),
            navigation=is_navigation(request),
            language=request.headers.get("accept-language", ""),
        )

    app.add_exception_handler(HTTPException, refuse_http)
    app.add_exception_handler(RequestValidationError, refuse_parameters)


def _operation_id(route: APIRoute) -> str:
    return route.name
