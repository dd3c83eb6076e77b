"""The example single-page app, from the package's own files, under a strict CSP (contract §5)."""

import hashlib
from html import escape
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import Response

from igauth.api.deps import ServicesDep
from igauth.errors import NotFound
from igauth.settings import FACEBOOK_DIALOG_URL, Settings, origin_of

router = APIRouter(include_in_schema=False)
_FILES = files("igauth") / "example"
_PAGE = "index.html"
_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_OFFLINE = '<meta name="offline-facebook" content="{}">'


@router.get("/")
async def get_example(
    services: ServicesDep, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """The page; it knows of the offline Facebook's control panel where there is one."""
    html = (_FILES / _PAGE).read_text("utf-8")
    panel = _OFFLINE.format(escape(_panel_url(services.settings)))
    response = _fresh(html.replace(_OFFLINE.format(""), panel).encode(), "text/html", if_none_match)
    response.headers["Content-Security-Policy"] = _policy(services.settings)
    return response


@router.get("/example/{name}")
async def get_example_file(
    name: str, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """One of the app's modules, its style or its icon."""
    media_type = _MEDIA_TYPES.get(PurePosixPath(name).suffix)
    if media_type is None or name not in {file.name for file in _FILES.iterdir()}:
        raise NotFound
    return _fresh((_FILES / name).read_bytes(), media_type, if_none_match)


def _fresh(content: bytes, media_type: str, if_none_match: str | None) -> Response:
    """The content, or 304 where the browser's copy is the same (RFC 9110 §13.1.2)."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"Cache-Control": "no-cache", "ETag": etag}
    if if_none_match is not None and etag in if_none_match:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


def _policy(settings: Settings) -> str:
    """No inline script or style, no string ever becomes markup; pictures also from a sandbox."""
    sandbox = origin_of(settings.facebook_dialog_url)
    pictures = f" {sandbox}" if sandbox.startswith("http:") else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        f"img-src 'self' https: data:{pictures}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    )


def _panel_url(settings: Settings) -> str:
    real = settings.facebook_dialog_url == FACEBOOK_DIALOG_URL
    return "" if real else f"{settings.facebook_dialog_url}/_control/"
