"""For those who run the service: health, readiness, metrics, documentation (contract §5, §9)."""

import hmac
from contextlib import suppress
from importlib.metadata import version
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from igauth.api.deps import ServicesDep
from igauth.api.documented import problems
from igauth.api.schemas import Health, Readiness
from igauth.errors import (
    NOT_KEPT,
    MetricsTokenRequired,
    NotFound,
    NotReady,
)

router = APIRouter(tags=["operations"])
docs_router = APIRouter(include_in_schema=False)
_VERSION = version("igauth")
_SWAGGER = files("fastapi_swagger") / "resources"
_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
_DOCS_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_DOCS_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>igauth: the API</title>
<link rel="icon" href="/docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/start.js"></script>
</body>
</html>
"""
_DOCS_START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  withCredentials: true,
  validatorUrl: null,
});
"""


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="Is the process up")
async def get_health() -> Health:
    """200 while the process is up."""
    return Health(status="ok", version=_VERSION)


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", summary="Can it serve", responses=problems(NotReady))
async def get_readiness(services: ServicesDep) -> Readiness:
    """200 when a login could be kept: database at head and writable, keys that fit it."""
    await services.readiness.check()
    return Readiness(status="ready")


@router.get(
    "/metrics",
    summary="Metrics in Prometheus' text format",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {}}, "description": "Prometheus text"},
        **problems(MetricsTokenRequired),
    },
)
async def get_metrics(
    services: ServicesDep, authorization: Annotated[str | None, Header()] = None
) -> Response:
    """Requests, Graph calls, logins, connections by state, usage percentages."""
    wanted = services.settings.metrics_token
    if wanted is not None:
        expected = f"Bearer {wanted.get_secret_value()}".encode()
        if not hmac.compare_digest((authorization or "").encode(), expected):
            raise MetricsTokenRequired
    with suppress(*NOT_KEPT):  # the rest is told all the same
        found = await services.counting.recent()
        for status, number in found.connections.items():
            services.metrics.connections.labels(status).set(number)
    return Response(
        services.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8"
    )


@docs_router.get("/docs")
async def get_docs() -> HTMLResponse:
    """Swagger UI from a package's files: works offline, under a strict CSP."""
    return HTMLResponse(_DOCS_PAGE, headers={"Content-Security-Policy": _DOCS_CSP})


@docs_router.get("/docs/assets/start.js")
async def get_docs_start() -> Response:
    """The one line that starts Swagger UI; a file, because inline scripts are refused."""
    return Response(_DOCS_START, media_type="text/javascript")


@docs_router.get("/docs/assets/{name}")
async def get_docs_asset(name: str) -> Response:
    """Swagger UI's own files."""
    if name not in _ASSETS:
        raise NotFound
    return Response(
        (_SWAGGER / name).read_bytes(),
        media_type=_ASSETS[name],
        headers={"Cache-Control": "public, max-age=86400"},
    )


@docs_router.get("/openapi.json")
async def get_openapi(request: Request) -> Response:
    """The OpenAPI document."""
    return JSONResponse(request.app.openapi(), headers={"Cache-Control": "public, max-age=300"})
