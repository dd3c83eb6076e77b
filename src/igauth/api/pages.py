"""The few HTML pages that people see: rendered with autoescape, each under a CSP of its own."""

import secrets
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

_environment = Environment(
    loader=PackageLoader("igauth.api"), autoescape=True, undefined=StrictUndefined
)


def page(template: str, *, status: int = 200, script: bool = False, **values: Any) -> HTMLResponse:
    """A page. Styles (and, if `script`, one script) run by a nonce; nothing else does."""
    nonce = secrets.token_urlsafe(16)
    html = _environment.get_template(template).render(nonce=nonce, **values)
    response = HTMLResponse(html, status_code=status)
    script_source = f" script-src 'nonce-{nonce}';" if script else ""
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none';{script_source} style-src 'nonce-{nonce}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return response
