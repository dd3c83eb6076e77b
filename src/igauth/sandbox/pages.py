"""HTML of the sandbox: templates, scripts and styles, and what the control panel shows."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import get_args
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from igauth.sandbox.control.callbacks import Callbacks, Delivery, Tamper
from igauth.sandbox.control.faults import ENDPOINTS, KINDS, PRESET_MENU, PRESETS
from igauth.sandbox.control.instagram import account_json
from igauth.sandbox.control.people import summary_of
from igauth.sandbox.state import SandboxConfig, State
from igauth.sandbox.world.people import ExpiryVariant, GranularVariant, Person

Json = dict[str, object]
# No form-action: the dialog's form ends in a redirect to the app's own origin, and a browser holds
# form-action against that redirect as well.
_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "content-security-policy": _CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with no-referrer, a form's Origin would be null
    "cache-control": "no-store",
}
STATIC_FILES = {
    "sandbox.css": "text/css",
    "panel.css": "text/css",
    "panel.js": "text/javascript",
    "dialog.js": "text/javascript",
}
_SHOWN_CALLS = 60
_SHOWN_PAGES = 8
_SHOWN_ACCOUNTS = 50
_SHOWN_DELIVERIES = 10
_PRESET_LABELS = {
    preset: f"{title}: {label}"
    for title, buttons in PRESET_MENU.items()
    for preset, label in buttons.items()
}
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


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


async def static_file(request: Request) -> Response:
    """A file of this package; revalidated, so that an upgrade doesn't meet an old script."""
    name: str = request.url.path.rpartition("/")[2]
    content = files("igauth.sandbox").joinpath("static", name).read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"cache-control": "no-cache", "etag": tag, "x-content-type-options": "nosniff"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=STATIC_FILES[name])


# --- the control panel ---


def panel_context(state: State, callbacks: Callbacks) -> Json:
    """People, faults with what is left of them, the newest calls and callbacks first."""
    calls, ahead = list(state.calls), state.clock.seconds_ahead
    planned = [(fault, state.faults.left(fault)) for fault in state.faults]
    return {
        "counted": counted,
        "mark": state.mark,
        "accounts": [account_json(state, each) for each in state.instagram.accounts.values()],
        "people": [_panel_person(state, member.key) for member in state.world.cast],
        "names": _names(state),
        "faults": planned,
        "planned": {fault.preset for fault, _ in planned},
        "preset_menu": PRESET_MENU,
        "preset_labels": _PRESET_LABELS,
        "presets": sorted(PRESETS),
        "endpoints": ENDPOINTS,
        "kinds": KINDS,
        "tampers": get_args(Tamper),
        "granular_variants": get_args(GranularVariant),
        "expiry_variants": get_args(ExpiryVariant),
        "calls": [call.public() for call in calls[: -_SHOWN_CALLS - 1 : -1]],
        "total_calls": len(calls),
        "deliveries": _deliveries(callbacks),
        "now": state.clock().strftime("%Y-%m-%d %H:%M"),
        "ahead": ahead,
        "ahead_words": spoken(abs(ahead)),
        "latency_seconds": state.latency_seconds,
        "app_url": _app_url(state.config),
    }


def _names(state: State) -> dict[str, str]:
    """Whose id it is that a callback named."""
    accounts = state.instagram.accounts.values()
    named = {each.user_id: each.key for each in accounts if each.user_id is not None}
    people = {member.id: member.key for member in state.world.cast}
    return people | named | {each.id: each.key for each in accounts}


def _panel_person(state: State, key: str) -> Json:
    """A person with the first few Pages, and what can be linked to them."""
    person = state.world.person(key)
    pages, accounts = list(person.pages.values()), list(person.accounts.values())
    nodes = [
        node for held in person.assets.values() for node in list(held.values())[:_SHOWN_ACCOUNTS]
    ]
    return {
        **summary_of(state, person),
        "number": person.number,
        "quirks": person.quirks,
        "page_list": [
            {
                "id": page.id,
                "name": page.name or page.id,
                "instagram": _linked(person, page.instagram),
            }
            for page in pages[:_SHOWN_PAGES]
        ],
        "more_pages": max(0, len(pages) - _SHOWN_PAGES),
        "linkable": [(one.id, one.username or one.id) for one in accounts[:_SHOWN_ACCOUNTS]],
        "nodes": [(one.id, one.name or one.id) for one in nodes],
    }


def _linked(person: Person, account_id: str | None) -> str | None:
    account = person.accounts.get(account_id or "")
    return account.username or account.id if account else account_id


def _deliveries(callbacks: Callbacks) -> list[Json]:
    """The newest signed callbacks, numbered, so that a page can tell them apart."""
    numbered = list(enumerate(callbacks.deliveries))[::-1][:_SHOWN_DELIVERIES]
    return [
        {**asdict(one), "number": number, "status_page": _link(one)} for number, one in numbered
    ]


def _link(delivery: Delivery) -> str | None:
    """Where a deletion's progress can be seen, if the app gave a web address (facts 13.3)."""
    try:
        content = json.loads(delivery.body or "")
        url = str(content["url"])
    except (ValueError, TypeError, KeyError):
        return None
    return url if url.startswith(("http://", "https://")) else None


def _app_url(config: SandboxConfig) -> str | None:
    """The front door of the app under test, as far as its configured addresses tell."""
    known = (*config.redirect_uris, config.deauthorize_url)
    origins = [urlsplit(url) for url in known if url]
    return f"{origins[0].scheme}://{origins[0].netloc}/" if origins else None


def counted(number: int, name: str) -> str:
    """A number with its noun, e.g. `1,000 Pages`."""
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def spoken(seconds: float) -> str:
    """A duration in its two largest units, e.g. `2 days 3 hours`."""
    left, words = round(seconds), []
    for size, name in _UNITS:
        count, left = divmod(left, size)
        if count:
            words.append(counted(count, name))
    return " ".join(words[:2]) or "0 seconds"
