"""The corpus of `return_to.txt`, and where the service lets a login end."""

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.stage import BASE_URL, FRONTEND, Browser

OTHER = "https://app.example.test"
TRUSTED = {BASE_URL, FRONTEND, OTHER}
"""The only origins at which a login may end here; tests compare them with what parsers find."""


@dataclass(frozen=True)
class Line:
    """One address, and what is promised about it: `accept`, `refuse` or `either`."""

    verdict: str
    address: str


def read_corpus() -> list[Line]:
    """Every line of the file, without its comments."""
    text = (Path(__file__).parent / "return_to.txt").read_text("utf-8")
    split = (line.partition(" ") for line in text.splitlines() if line and line[0] != "#")
    return [Line(verdict, json.loads(address)) for verdict, _, address in split]


async def landing_of(browser: Browser, address: str) -> str | None:
    """The Location in which a login to that address ends, by a refusal; None: not allowed.

    The front door's two answers to a bad address are the only ones that count as a no.
    """
    started = await browser.get(f"/auth/facebook?{urlencode({'return_to': address})}")
    if started.status_code != 302:
        assert (started.status_code, started.json()["code"]) == (400, "return_to_not_allowed")
        assert not {"location", "set-cookie"} & set(started.headers)
        return None
    (state,) = parse_qs(urlsplit(started.headers["location"]).query)["state"]
    ended = await browser.get(f"/auth/facebook/callback?error=access_denied&state={state}")
    assert ended.status_code == 303
    location: str = ended.headers["location"]
    return location
