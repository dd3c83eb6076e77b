"""Open redirects, judged by the parser that counts: Chromium's own (contract §3, security R-16)."""

import random
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from playwright.async_api import Browser as Chromium

from tests.attacks.corpus import OTHER, TRUSTED, landing_of, read_corpus
from tests.stage import BASE_URL, FRONTEND, Stage, make_settings, open_stage

pytestmark = pytest.mark.browser
CALLBACK = f"{BASE_URL}/auth/facebook/callback?state=x&code=y"
ORIGINS = """(pairs) => pairs.map(([address, base]) => {
  try { return new URL(address, base).origin } catch { return null }
})"""
MUTANTS = 1_500
PIECES = [
    *("/", "\\", "//", "/\\", "@", ":", "#", "?", "%", ".", ";", "&", "[", "]", " ", "'"),
    *("\t", "\n", "\r", "\0", "\x0b", "\x85", "\xa0", "\xad", "\u2028", "\u3002", "\uff0f"),
    *("%2f", "%5c", "%09", "%00", "%40", "%252f", "http:", "https:", "javascript:", "evil.example"),
]


@pytest.fixture
async def stage(sqlite_template: Path, tmp_path: Path) -> AsyncGenerator[Stage]:
    """A service with two allowed origins."""
    path = tmp_path / "igauth.db"
    shutil.copy(sqlite_template, path)
    settings = make_settings(
        f"sqlite+aiosqlite:///{path}",
        allowed_origins=(FRONTEND, OTHER),
        rate_limit_login="100000/minute",
    )
    async with open_stage(settings) as opened:
        yield opened


async def _origins(chromium: Chromium, pairs: list[tuple[str, str]]) -> list[str | None]:
    """The origin of each address on its base, as `new URL` finds it; None where it refuses."""
    context = await chromium.new_context()
    try:
        found: list[str | None] = await (await context.new_page()).evaluate(ORIGINS, pairs)
    finally:
        await context.close()
    return found


async def _foreign(stage: Stage, chromium: Chromium, addresses: list[str]) -> list[str]:
    """Accepted addresses that Chromium takes somewhere else: as given, and as answered."""
    browser = stage.browser()
    landings = {each: await landing_of(browser, each) for each in addresses}
    accepted = {address: landing for address, landing in landings.items() if landing is not None}
    assert accepted
    sent = await _origins(chromium, [(landing, CALLBACK) for landing in accepted.values()])
    given = await _origins(chromium, [(address, f"{FRONTEND}/") for address in accepted])
    return [
        ascii(address)
        for address, *origins in zip(accepted, sent, given, strict=True)
        if not set(origins) <= TRUSTED
    ]


async def test_the_corpus_never_leads_away(stage: Stage, chromium: Chromium) -> None:
    """No accepted line has a foreign origin, neither by itself nor in the Location."""
    assert await _foreign(stage, chromium, [line.address for line in read_corpus()]) == []


async def test_the_refused_lines_are_dangerous(chromium: Chromium) -> None:
    """Chromium would have followed many of them elsewhere: the corpus can tell good from bad."""
    refused = [line.address for line in read_corpus() if line.verdict == "refuse"]

    origins = await _origins(chromium, [(address, f"{FRONTEND}/") for address in refused])

    assert sum(1 for origin in origins if origin not in TRUSTED) > 150


async def test_mutants_of_the_corpus_never_lead_away(stage: Stage, chromium: Chromium) -> None:
    """The same for addresses that nobody thought of: two parsers, one verdict."""
    chance = random.Random(20261128)  # noqa: S311  # the same mutants every time
    addresses = [line.address for line in read_corpus()]
    mutants = sorted({_mutant(chance, addresses) for _ in range(MUTANTS)})

    assert await _foreign(stage, chromium, mutants) == []


def _mutant(chance: random.Random, addresses: list[str]) -> str:
    text = chance.choice(addresses)
    for _ in range(chance.randint(1, 3)):
        start = chance.randint(0, min(len(text), 40))
        end = start + chance.choice((0, 0, 0, 1, 2))
        text = text[:start] + chance.choice(PIECES) + text[end:]
    return text
