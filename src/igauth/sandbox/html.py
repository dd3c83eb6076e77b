"""HTML of the sandbox: autoescaped templates, strict headers, text that can always be encoded."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from igauth.sandbox.config import SandboxConfig

# No form-action: the dialog's form ends in a redirect to the app's own origin, and a browser holds
# form-action against that redirect as well.
_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "content-security-policy": _CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


@dataclass(slots=True)
class Pages:
    """Renders templates for one sandbox."""

    config: SandboxConfig
    environment: Environment

    def show(
        self, request: Request, template: str, context: Mapping[str, object], status: int = 200
    ) -> Response:
        """A page; a lone surrogate in a hostile name is shown as a question mark."""
        text = self.environment.get_template(template).render(
            {"root": root_of(request, self.config), "config": self.config, **context}
        )
        content = text.encode("utf-8", "replace")
        return Response(content, status, SECURITY_HEADERS, "text/html; charset=utf-8")


def make_pages(config: SandboxConfig) -> Pages:
    """The renderer, with the templates of this package."""
    environment = Environment(
        loader=PackageLoader("igauth.sandbox", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return Pages(config, environment)


def root_of(request: Request, config: SandboxConfig) -> str:
    """The path prefix under which the browser reaches the sandbox, without a trailing slash."""
    mounted: str = request.scope.get("root_path", "")
    return (mounted or urlsplit(config.root).path).rstrip("/")
