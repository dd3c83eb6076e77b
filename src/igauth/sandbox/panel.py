"""What the HTML panel of `/_control/` shows."""

import json
from dataclasses import asdict
from typing import get_args
from urllib.parse import urlsplit

from igauth.sandbox import menu
from igauth.sandbox.callbacks import Callbacks, Delivery
from igauth.sandbox.config import SandboxConfig
from igauth.sandbox.faults import ENDPOINTS, KINDS
from igauth.sandbox.people import summarised
from igauth.sandbox.presets import PRESETS
from igauth.sandbox.signed import Tamper
from igauth.sandbox.state import State
from igauth.sandbox.world import ExpiryVariant, GranularVariant, Page, Person

Json = dict[str, object]
_SHOWN_CALLS = 60
_SHOWN_PAGES = 8
_SHOWN_ACCOUNTS = 50
_SHOWN_DELIVERIES = 10
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def panel_context(state: State, callbacks: Callbacks) -> Json:
    """People, faults with what is left of them, the newest calls and callbacks first."""
    calls = list(state.calls)
    return {
        "menu": menu,
        "counted": counted,
        "mark": state.mark,
        "people": [_person(state, casting.key) for casting in state.world.castings],
        "names": {casting.id: casting.key for casting in state.world.castings},
        "faults": [(fault, state.faults.left(fault)) for fault in state.faults],
        "planned": {fault.preset for fault in state.faults},
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
        "ahead": state.clock.seconds_ahead,
        "ahead_words": spoken(abs(state.clock.seconds_ahead)),
        "latency_seconds": state.latency_seconds,
        "app_url": _app_url(state.config),
    }


def _person(state: State, key: str) -> Json:
    """A person with the first few Pages, and what can be linked to them."""
    person = state.world.person(key)
    pages, accounts = list(person.pages.values()), list(person.accounts.values())
    return {
        **summarised(state, person),
        "number": person.number,
        "quirks": person.quirks,
        "page_list": [_page(person, page) for page in pages[:_SHOWN_PAGES]],
        "more_pages": max(0, len(pages) - _SHOWN_PAGES),
        "linkable": [(one.id, one.username or one.id) for one in accounts[:_SHOWN_ACCOUNTS]],
    }


def _page(person: Person, page: Page) -> Json:
    account = person.accounts.get(page.instagram or "")
    linked = account.username or account.id if account else page.instagram
    return {"id": page.id, "name": page.name or page.id, "instagram": linked}


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
