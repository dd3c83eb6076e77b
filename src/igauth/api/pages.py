"""The few HTML pages that people meet: the operator's own in look and words.

Rendered with autoescape, each under a policy of its own; in the language of the browser.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from igauth.api.languages import Texts
from igauth.settings import Settings, origin_of

_environment = Environment(
    loader=PackageLoader("igauth.api"), autoescape=True, undefined=StrictUndefined
)


@dataclass(frozen=True, slots=True)
class Brand:
    """Whose pages these are, and where a person gets back or gets help."""

    name: str | None
    logo_url: str | None
    support_url: str | None
    home_url: str

    @classmethod
    def of(cls, settings: Settings) -> "Brand":
        """As the operator set it."""
        return cls(
            settings.brand_name,
            settings.brand_logo_url,
            settings.support_url,
            settings.frontend,
        )


class Pages:
    """Makes pages for one operator."""

    def __init__(self, brand: Brand) -> None:
        self._brand = brand

    def page(
        self, template: str, texts: Texts, *, status: int = 200, script: bool = False, **values: Any
    ) -> HTMLResponse:
        """A page. Styles (and, if `script`, one script) run by a nonce; nothing else does.

        A page with a script has just met a code, so it loads nothing, the logo included.
        """
        nonce = secrets.token_urlsafe(16)
        logo_url = None if script else self._brand.logo_url
        html = _environment.get_template(template).render(
            nonce=nonce,
            brand=self._brand,
            logo_url=logo_url,
            texts=texts,
            words=texts.words,
            **values,
        )
        response = HTMLResponse(html, status_code=status)
        response.headers["Content-Security-Policy"] = _policy(nonce, logo_url, script=script)
        response.headers["Content-Language"] = texts.tag
        response.headers["Vary"] = "Accept-Language"
        return response


def _policy(nonce: str, logo_url: str | None, *, script: bool) -> str:
    return (
        "default-src 'none'; "
        + (f"script-src 'nonce-{nonce}'; " if script else "")
        + (f"img-src {origin_of(logo_url)}; " if logo_url else "")
        + f"style-src 'nonce-{nonce}'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
