"""Arbitrary JSON at every Graph answer of a listing: never a 500, never unbounded (§6)."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from igauth.bootstrap import Wiring
from igauth.meta.calls import Budgets
from tests.stage import FakeClock, make_sandbox, make_settings, no_wait, open_stage

ALLOWED = {200, 403, 409, 502, 503, 504}
WORDS = st.sampled_from(
    [
        "data",
        "paging",
        "cursors",
        "after",
        "next",
        "id",
        "name",
        "error",
        "code",
        "error_subcode",
        "message",
        "instagram_business_account",
        "is_valid",
        "granular_scopes",
        "scope",
        "target_ids",
        "body",
        "tasks",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["17841400000000021", "100000000000011", "https://x.test/", 190, 4, 100, 200])
)
NONSENSE = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=25,
)


class Nonsense(httpx.AsyncBaseTransport):
    """Facebook itself, until it is told to talk nonsense; then each answer is the next in turn."""

    def __init__(self, facebook: httpx.AsyncBaseTransport) -> None:
        self._facebook = facebook
        self.answers: list[tuple[int, Any]] = []
        self.asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One answer."""
        if not self.answers:
            return await self._facebook.handle_async_request(request)
        status, body = self.answers[self.asked % len(self.answers)]
        self.asked += 1
        content = json.dumps(body).encode(errors="surrogatepass")
        return httpx.Response(status, content=content)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(
        st.tuples(st.sampled_from([200, 200, 200, 400, 500]), NONSENSE), min_size=1, max_size=5
    )
)
async def test_nonsense_is_survived(database_url: str, answers: list[tuple[int, Any]]) -> None:
    """Every answer is one of the contract's statuses, well formed, after a bounded effort."""
    config, clock = make_settings(database_url, rate_limit_refresh="100000/minute"), FakeClock()
    sandbox = make_sandbox(config, clock)
    nonsense = Nonsense(sandbox.transport())
    wiring = Wiring(transport=nonsense, sleep=no_wait, budgets=Budgets(backoff=0.0))
    async with open_stage(config, sandbox=sandbox, clock=clock, wiring=wiring) as stage:
        browser = stage.browser()
        await browser.log_in("ada")
        await browser.accounts()
        nonsense.answers = answers

        answer = await browser.accounts(refresh="true")

        assert answer.status_code in ALLOWED, answer.text
        assert isinstance(answer.json(), dict)
        assert len(answer.content) < 2_000_000
        assert nonsense.asked < 2_500
