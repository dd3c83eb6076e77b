"""Open redirects: every line of the corpus by its verdict (contract §3, security R-16, P-16).

What a browser makes of the accepted ones is asked of a real one in `test_return_to_chromium.py`.
"""

import re
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from tests.attacks.corpus import OTHER, TRUSTED, Line, landing_of, read_corpus
from tests.stage import FRONTEND, Browser, Stage, make_settings, open_stage

CORPUS = read_corpus()


@pytest.fixture(scope="module")
async def stage(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> AsyncGenerator[Stage]:
    """One service for the whole corpus: no database has a say in this."""
    path = tmp_path_factory.mktemp("return_to") / "igauth.db"
    shutil.copy(sqlite_template, path)
    settings = make_settings(
        f"sqlite+aiosqlite:///{path}",
        allowed_origins=(FRONTEND, OTHER),
        rate_limit_login="100000/minute",
    )
    async with open_stage(settings) as opened:
        yield opened


def lines(*verdicts: str) -> list[Line]:
    """The part of the corpus with these verdicts."""
    return [line for line in CORPUS if line.verdict in verdicts]


def test_the_corpus_is_large_and_says_what_it_means() -> None:
    """At least 150 addresses, none twice, each with one of the three verdicts."""
    addresses = [line.address for line in CORPUS]

    assert len(set(addresses)) == len(addresses) >= 150
    assert {line.verdict for line in CORPUS} == {"accept", "refuse", "either"}


@pytest.mark.parametrize("line", lines("refuse"), ids=lambda line: ascii(line.address))
async def test_a_hostile_address_is_refused(browser: Browser, line: Line) -> None:
    """400 `return_to_not_allowed`, with neither cookie nor redirect."""
    assert await landing_of(browser, line.address) is None


@pytest.mark.parametrize("line", lines("accept"), ids=lambda line: ascii(line.address))
async def test_a_good_address_is_where_it_ends(browser: Browser, line: Line) -> None:
    """Accepted, and the login ends there: the guard is not a wall."""
    landing = await landing_of(browser, line.address)

    assert landing is not None
    home = FRONTEND if line.address.startswith("/") else _origin(line.address)
    assert _origin(landing) == home
    assert urlsplit(line.address).path in landing or not line.address.isascii()
    _assert_harmless(landing)


@pytest.mark.parametrize("line", lines("either"), ids=lambda line: ascii(line.address))
async def test_whatever_is_accepted_is_harmless(browser: Browser, line: Line) -> None:
    """An address about which nothing is promised still never leads away."""
    landing = await landing_of(browser, line.address)

    if landing is not None:
        _assert_harmless(landing)


@pytest.mark.parametrize("length", [1_400, 1_600, 8_000])
async def test_a_long_address_is_refused(browser: Browser, length: int) -> None:
    """Over 1,500 characters: 400, since browsers drop cookies of more than 4 kB."""
    landing = await landing_of(browser, "/" + "a" * (length - 1))

    assert (landing is None) is (length > 1_500)


@pytest.mark.parametrize("name", ["return_to", "mode", "prompt", "reconnect"])
async def test_a_parameter_twice_is_refused(browser: Browser, name: str) -> None:
    """422: no parser's choice between the first and the last decides anything (R-22)."""
    value = {"return_to": "/", "mode": "popup", "prompt": "select", "reconnect": "x"}[name]
    query = urlencode([(name, value), (name, value)])

    answer = await browser.get(f"/auth/facebook?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    "name", ["redirect", "redirect_uri", "redirect_to", "next", "url", "continue", "returnTo"]
)
async def test_no_other_name_chooses_the_end(browser: Browser, name: str) -> None:
    """Only `return_to` does; a foreign address under another name is ignored."""
    started = await browser.start(**{name: "https://evil.example/"})

    assert started.status_code == 302
    assert "evil.example" not in started.headers["location"]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port
    shown = "" if port in (None, {"http": 80, "https": 443}[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{parts.hostname}{shown}"


def _assert_harmless(landing: str) -> None:
    """At an allowed origin, in plain ASCII, with no backslash that a browser would turn."""
    assert _origin(landing) in TRUSTED
    assert re.fullmatch(r"[\x21-\x7e]+", landing)
    assert "\\" not in landing.partition("?")[0].partition("#")[0]
