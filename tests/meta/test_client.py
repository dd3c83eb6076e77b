"""One call to Graph: budget, retries, pauses, bounded bodies, usage, secrets."""

import asyncio
import gzip
import json
import traceback
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from igauth.meta.calls import Budgets, GraphCall, Purpose, Request
from igauth.meta.client import GraphClient, Timing
from igauth.meta.door import UserToken
from igauth.meta.errors import (
    GraphError,
    GraphRefusal,
    GraphThrottled,
    GraphTimeout,
    GraphUnavailable,
    Meaning,
)
from igauth.meta.pauses import MemoryPauseBook
from igauth.meta.sending import GraphHost
from igauth.meta.transport import LISTINGS_AT_ONCE, LOGINS_AT_ONCE, CertificateRefused, Lanes
from tests.meta.scripted import (
    APP_SECRET,
    TOKEN,
    TOKEN_TEXT,
    VERSION,
    Always,
    Answer,
    Facebook,
    FakeTime,
    Script,
    answer,
    check,
    client_of,
    raw,
    refusal,
)

ME = check(query={"fields": "id,name"})
AT_LOGIN = check(purpose=Purpose.LOGIN)
WALKED = check(purpose=Purpose.LISTING)
EXCHANGE = Request(
    "oauth/access_token",
    "oauth/access_token",
    Purpose.EXCHANGE,
    method="POST",
    form={"code": "c"},
)
GOOD = answer({"id": "1"})
BUSY = refusal(2, status=503, is_transient=True)
BUC = "x-business-use-case-usage"


def regain(node: str, minutes: float) -> dict[str, str]:
    record = {"type": "instagram", "call_count": 100, "estimated_time_to_regain_access": minutes}
    return {BUC: json.dumps({node: [record]})}


async def test_a_good_answer() -> None:
    """The body, asked at the version and with the token in its header (contract §7)."""
    graph, script = client_of(GOOD)

    assert (await graph.fetch(ME)).body == {"id": "1"}
    assert script.last.url.host == "graph.facebook.com"
    assert script.last.url.path == f"/{VERSION}/me"
    assert script.query().keys() == {"fields", "appsecret_proof"}
    assert script.last.headers["Authorization"] == f"Bearer {TOKEN_TEXT}"


# -- faces that aren't good


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ConnectError("x"),
        httpx.ConnectTimeout("x"),
        httpx.ReadError("x"),
        httpx.WriteError("x"),
        httpx.RemoteProtocolError("x"),
        raw(b"<html>Sorry, something went wrong.</html>", 502),
        raw(b"", 500),
        raw(b"null", 503),
        BUSY,
        refusal(1, status=500),
        refusal(77777, is_transient=True),
    ],
)
async def test_a_passing_fault_is_repeated_twice_at_most(fault: Answer) -> None:
    """Connection errors, 5xx without a permanent code, codes 1 and 2 (contract §8, 10.8)."""
    graph, script = client_of(fault, fault, GOOD)
    await graph.fetch(ME)
    assert len(script.requests) == 3

    graph, script = client_of(fault, fault, fault, GOOD)
    with pytest.raises(GraphError):
        await graph.fetch(ME)
    assert len(script.requests) == 3


@pytest.mark.parametrize(
    "fault",
    [
        CertificateRefused("x"),
        httpx.LocalProtocolError("x"),
        httpx.UnsupportedProtocol("x"),
        raw(b"<html></html>"),
        raw(b""),
        raw(b"not found", 404),
        refusal(100, 33),
        refusal(190, 463),
        refusal(100, message="The ids query parameter is deprecated in v26.0+", status=500),
        refusal(1, message="Please reduce the amount of data", status=500),
        refusal(4, status=403, is_transient=True),
        raw(b"", 302, {"Location": "https://evil.test/"}),
    ],
)
async def test_a_lasting_fault_is_not_repeated(fault: Answer) -> None:
    """A 500 may be permanent, a throttle isn't transient (trap 31, graph-facts 10.5, 10.8)."""
    graph, script = client_of(fault)

    with pytest.raises(GraphError):
        await graph.fetch(ME)
    assert len(script.requests) == 1


async def test_waits_are_full_jitter_within_the_cap() -> None:
    """0.2 s doubling, at most 2 s, times a random number (contract §8)."""
    fake = Facebook(Always(BUSY), chance=0.5, budgets=Budgets(call=60.0, repeats=6))
    with pytest.raises(GraphRefusal):
        await fake.client().fetch(ME)

    assert fake.time.slept == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])


async def test_retries_stay_within_the_budget() -> None:
    """The budget is the wall clock of the whole call, waits included (contract §8)."""
    script = Always(BUSY)
    fake = Facebook(script, budgets=Budgets(call=0.5))
    with pytest.raises(GraphRefusal):
        await fake.client().fetch(ME)

    assert fake.time.slept == [0.2]
    assert len(script.requests) == 2


@pytest.mark.parametrize(
    "fault", [BUSY, httpx.ReadError("x"), httpx.ConnectError("x"), raw(b"", 502)]
)
async def test_the_exchange_is_never_repeated(fault: Answer) -> None:
    """One HTTP attempt, whatever comes (security.md R-10)."""
    graph, script = client_of(fault)

    with pytest.raises(GraphError):
        await graph.fetch(EXCHANGE)
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    "fault", [raw(b""), raw(b"<html>"), raw(b"[]"), httpx.ReadTimeout("x"), httpx.ReadError("x")]
)
async def test_a_logins_reads_are_tried_again(fault: Answer) -> None:
    """A single hang or garbage after the exchange loses no login (contract §8, C18)."""
    graph, script = client_of(fault, fault, GOOD)

    assert (await graph.fetch(AT_LOGIN)).body == {"id": "1"}
    assert len(script.requests) == 3


async def test_a_logins_hanging_read_is_tried_again_within_the_callback() -> None:
    """Each attempt has the call's budget, all of them the callback's (C18)."""
    script = Script(*(lambda _: httpx.Response(200, stream=Drip()) for _ in range(3)))
    fake = Facebook(script, budgets=Budgets(call=0.02, callback=9.0))

    with pytest.raises(GraphTimeout):
        await fake.client().fetch(AT_LOGIN)
    assert len(script.requests) == 3


@pytest.mark.parametrize("fault", [refusal(190, 463), refusal(4), refusal(10), raw(b"", 404)])
async def test_a_logins_reads_are_not_repeated_for_what_lasts(fault: Answer) -> None:
    """A refusal is an answer (contract §8)."""
    graph, script = client_of(fault)

    with pytest.raises(GraphError):
        await graph.fetch(AT_LOGIN)
    assert len(script.requests) == 1


LOCALIZED = refusal(1, message="Bitte reduziere die Datenmenge", status=500)


async def test_an_unknown_text_of_code_1_may_mean_too_much_data() -> None:
    """Who can ask for less does so at once; for others it is an outage (10.2, B25)."""
    graph, script = client_of(LOCALIZED)
    with pytest.raises(GraphRefusal) as caught:
        await graph.fetch(check(purpose=Purpose.LISTING, shrinks=True))
    assert caught.value.meaning is Meaning.PERHAPS_TOO_MUCH
    assert len(script.requests) == 1

    graph, script = client_of(LOCALIZED, LOCALIZED, GOOD)
    await graph.fetch(ME)
    assert len(script.requests) == 3


class Drip(httpx.AsyncByteStream):
    """A body that comes a byte at a time, for ever."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.005)
            yield b" "


async def test_a_dripping_body_ends_at_the_budget() -> None:
    """httpx limits each read only; the budget is on the whole (security.md §0.6, F-03)."""
    script = Script(lambda _: httpx.Response(200, stream=Drip()))
    fake = Facebook(script, budgets=Budgets(call=0.05))

    with pytest.raises(GraphTimeout):
        await fake.client().fetch(ME)
    assert [call.outcome for call in fake.calls] == ["timeout"]


async def test_an_outside_cancellation_is_no_timeout() -> None:
    """Whoever cancels us gets CancelledError, and the hook still hears of the call."""
    fake = Facebook(Script(lambda _: httpx.Response(200, stream=Drip())))
    task = asyncio.create_task(fake.client().fetch(ME))
    await asyncio.sleep(0.02)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert [call.outcome for call in fake.calls] == ["cancelled"]


# -- nonsense bodies

HOSTILE_BODIES = {
    "empty": b"",
    "html": b"<!doctype html><title>Error</title>",
    "null": b"null",
    "list": b"[]",
    "text": b'"x"',
    "number": b"7",
    "truncated": b'{"id":"1',
    "nan": b'{"id":NaN}',
    "infinity": b'{"id":-Infinity}',
    "deep list": b"[" * 100_000 + b"]" * 100_000,
    "deep object": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "huge number": b'{"id":' + b"9" * 5_000 + b"}",
    "bad utf-8": b'{"id":"\xff"}',
    "utf-16": '{"id":"1"}'.encode("utf-16"),
    "form": b"access_token=EAA&expires=5183944",
}


@pytest.mark.parametrize("body", HOSTILE_BODIES.values(), ids=HOSTILE_BODIES.keys())
@pytest.mark.parametrize("status", [200, 400, 502])
async def test_nonsense_is_unavailable(body: bytes, status: int) -> None:
    """Never another exception than GraphError (security.md F-05 to F-07)."""
    graph = Facebook(Always(raw(body, status))).client()

    with pytest.raises(GraphUnavailable):
        await graph.fetch(ME)


@pytest.mark.parametrize("body", [b'\xef\xbb\xbf{"id":"1"}', b'{"id":"0","id":"1"}'])
async def test_harmless_oddities_are_read(body: bytes) -> None:
    """A byte-order mark and repeated keys don't lose an answer (F-06, F-07)."""
    graph, _ = client_of(raw(body, headers={"Content-Type": "text/javascript"}))

    assert (await graph.fetch(ME)).body == {"id": "1"}


@pytest.mark.parametrize("error", ["text", {}, [], 7, True, {"message": "no code"}, ""])
async def test_an_error_key_at_200_is_a_refusal(error: object) -> None:
    """Graph-facts 10.1: an `error` key is an error whatever the status."""
    graph, _ = client_of(answer({"id": "1", "error": error}))

    with pytest.raises(GraphRefusal):
        await graph.fetch(ME)


async def test_a_null_error_is_none() -> None:
    """An absent error may be spelled null."""
    graph, _ = client_of(answer({"id": "1", "error": None}))

    assert (await graph.fetch(ME)).body["id"] == "1"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["error", "data", "code", "message", "id"]), inner)
    ),
    max_leaves=12,
)
HEADERS = st.dictionaries(
    st.sampled_from(["x-app-usage", BUC, "facebook-api-version", "content-encoding"]),
    st.text(st.characters(codec="latin-1", exclude_characters="\r\n\x00"), max_size=30)
    | JSON_VALUES.map(json.dumps),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=JSON_VALUES, status=st.integers(200, 599), headers=HEADERS)
async def test_arbitrary_answers_raise_only_graph_errors(
    body: Any, status: int, headers: dict[str, str]
) -> None:
    """Any JSON with any status and any usage headers (security.md F-06, F-07)."""
    pairs = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    script = Always(
        lambda _: httpx.Response(
            status, stream=httpx.ByteStream(json.dumps(body).encode()), headers=pairs
        )
    )
    try:
        found = await Facebook(script).client().fetch(ME)
    except GraphError:
        return
    assert isinstance(found.body, dict)


# -- size and packing


async def test_two_megabytes_are_the_most() -> None:
    """Bodies are capped (contract §8, F-05)."""
    body = b'{"a":"' + b"x" * 2_000_000 + b'"}'
    graph, _ = client_of(raw(body))

    with pytest.raises(GraphUnavailable, match="too large"):
        await graph.fetch(ME)


async def test_a_body_just_below_the_cap_is_read() -> None:
    """The cap is 2 MB, not less."""
    body = json.dumps({"a": "x" * 1_999_900}).encode()
    graph, _ = client_of(raw(body))

    assert len((await graph.fetch(ME)).body["a"]) == 1_999_900


class Packed(httpx.AsyncByteStream):
    """A body in pieces, which counts how many were taken."""

    def __init__(self, body: bytes, size: int = 1_000) -> None:
        self.pieces = [body[at : at + size] for at in range(0, len(body), size)]
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            self.taken += 1
            yield piece


def gzipped(stream: httpx.AsyncByteStream, encoding: str = "gzip") -> Answer:
    return lambda _: httpx.Response(200, headers={"Content-Encoding": encoding}, stream=stream)


async def test_gzip_is_unpacked_in_pieces() -> None:
    """Graph gzips bodies of some size (graph-facts 0.9)."""
    body = json.dumps({"a": list(range(5_000))}).encode()
    graph, script = client_of(gzipped(Packed(gzip.compress(body), 100)))

    assert (await graph.fetch(ME)).body == json.loads(body)
    assert script.last.headers["Accept-Encoding"] == "gzip"


async def test_a_gzip_bomb_stops_at_the_cap() -> None:
    """The cap is on the unpacked body, while it is unpacked (F-05)."""
    bomb = Packed(gzip.compress(b"0" * 100_000_000), 1_000)
    graph, _ = client_of(gzipped(bomb))

    with pytest.raises(GraphUnavailable, match="too large"):
        await graph.fetch(ME)
    assert bomb.taken < len(bomb.pieces) / 10


HALF = gzip.compress(json.dumps(list(range(999))).encode())[:200]


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(b"no gzip", "gzip"), (HALF, "gzip"), (b"{}", "br"), (b"{}", "x, gzip")],
    ids=["not packed", "cut", "unasked", "twice"],
)
async def test_broken_packing_is_unavailable(body: bytes, encoding: str) -> None:
    """A broken or unasked encoding is an unreadable body, not a crash (F-05)."""
    graph, _ = client_of(gzipped(Packed(body), encoding))

    with pytest.raises(GraphUnavailable):
        await graph.fetch(ME)


# -- throttles


@pytest.mark.parametrize("code", [4, 17, 32, 341, 613, 80000, 80002, 80014])
async def test_a_throttle_stops_the_next_call(code: int) -> None:
    """For a minute where no header says more, and without a call (contract §8)."""
    graph, script = client_of(refusal(code, status=403))

    for _ in range(3):
        with pytest.raises(GraphThrottled) as caught:
            await graph.fetch(ME)
        assert caught.value.retry_after_seconds == 60
    assert len(script.requests) == 1


@pytest.mark.parametrize("purpose", [Purpose.LOGIN, Purpose.EXCHANGE])
async def test_what_a_login_cannot_do_without_ignores_pauses(purpose: Purpose) -> None:
    """One throttle of the app doesn't lose every login meanwhile (contract §8, C17)."""
    graph, script = client_of(refusal(4), GOOD)
    with pytest.raises(GraphThrottled):
        await graph.fetch(ME)

    assert (await graph.fetch(check(purpose=purpose))).body == {"id": "1"}
    with pytest.raises(GraphThrottled):
        await graph.fetch(WALKED)
    assert len(script.requests) == 2


async def test_after_the_pause_calls_go_out_again() -> None:
    """A pause ends by itself."""
    fake = Facebook(Script(refusal(4), GOOD))
    graph = fake.client()
    with pytest.raises(GraphThrottled):
        await graph.fetch(ME)
    fake.time.now += 60

    assert (await graph.fetch(ME)).body == {"id": "1"}


async def test_doubling_until_a_success() -> None:
    """60, 120, then a success, then 60 again (contract §8)."""
    throttle = refusal(4)
    fake = Facebook(Script(throttle, throttle, GOOD, throttle))
    graph, pauses = fake.client(), []
    for _ in range(4):
        try:
            await graph.fetch(ME)
        except GraphThrottled as error:
            pauses.append(error.retry_after_seconds)
            fake.time.now += error.retry_after_seconds

    assert pauses == [60, 120, 60]


OTHER_TOKEN = UserToken(TOKEN.secret, person="2")
OTHER_PERSON = check(token=OTHER_TOKEN)
NODE = check("{instagram}", "178", about=("178",))
SAME_NODE = check("{instagram}", "178", token=OTHER_TOKEN, about=("178",))


@pytest.mark.parametrize(
    ("request_", "throttle", "stopped", "free"),
    [
        (ME, refusal(4), [ME, OTHER_PERSON], []),
        (ME, refusal(341), [ME, OTHER_PERSON], []),
        (ME, raw(b"Too many requests", 429), [ME, OTHER_PERSON], []),
        (ME, refusal(17), [ME], [OTHER_PERSON]),
        (ME, refusal(613), [ME], [OTHER_PERSON]),
        (ME, refusal(32), [ME], [OTHER_PERSON]),
        (ME, refusal(80002, headers=regain("178", 9)), [ME, NODE, SAME_NODE], [OTHER_PERSON]),
        (NODE, refusal(80002, headers=regain("178", 9)), [NODE, SAME_NODE], [ME]),
        (NODE, refusal(80002), [NODE, SAME_NODE], [ME]),
    ],
)
async def test_a_throttle_stops_whom_it_is_about(
    request_: Request, throttle: Answer, stopped: list[Request], free: list[Request]
) -> None:
    """4 and 341: the app; 17 and 613: the person; 32 and 8000x: Page or account (11.6)."""
    script = Script(throttle, *(GOOD for _ in free))
    graph = Facebook(script).client()
    with pytest.raises(GraphThrottled):
        await graph.fetch(request_)

    for each in stopped:
        with pytest.raises(GraphThrottled):
            await graph.fetch(each)
    for each in free:
        await graph.fetch(each)
    assert len(script.requests) == 1 + len(free)


async def test_the_hint_is_minutes() -> None:
    """estimated_time_to_regain_access is minutes, not seconds (trap 34)."""
    graph, _ = client_of(refusal(80002, headers=regain("178", 12)))

    with pytest.raises(GraphThrottled) as caught:
        await graph.fetch(NODE)
    assert caught.value.retry_after_seconds == 720


SENSELESS: list[object] = [0, -5, "x", {}, None, True]


@pytest.mark.parametrize(
    "header",
    [
        *("", "no json", "[]", "{}", '{"178":{}}', '{"178":[7]}', '{"x":[{}]}'),
        *(json.dumps({"178": [{"estimated_time_to_regain_access": odd}]}) for odd in SENSELESS),
        pytest.param("[" * 5_000, id="deep"),
        pytest.param("7" * 40_000, id="long"),
    ],
)
async def test_a_senseless_hint_is_a_minute(header: str) -> None:
    """Headers are as hostile as bodies (security.md F-07)."""
    graph, _ = client_of(refusal(80002, headers={BUC: header}))

    with pytest.raises(GraphThrottled) as caught:
        await graph.fetch(NODE)
    assert caught.value.retry_after_seconds == 60


async def test_a_person_throttle_at_login_pauses_nobody_else() -> None:
    """No person is known at login, and one person's limit is not the app's."""
    graph, script = client_of(refusal(17), GOOD)
    with pytest.raises(GraphThrottled):
        await graph.fetch(check(token=UserToken(TOKEN.secret)))

    await graph.fetch(ME)
    assert len(script.requests) == 2


async def test_the_exchange_is_tried_in_spite_of_a_pause() -> None:
    """It is tried even then; a throttle of its own says how long to wait (contract §8, B5)."""
    graph, script = client_of(refusal(4), refusal(4))
    with pytest.raises(GraphThrottled):
        await graph.fetch(ME)

    with pytest.raises(GraphThrottled) as caught:
        await graph.fetch(EXCHANGE)
    assert caught.value.meaning is Meaning.APP_THROTTLED
    assert caught.value.retry_after_seconds == 60
    assert len(script.requests) == 2


async def test_a_throttled_exchange_stops_others() -> None:
    """The pause counts wherever it was learned."""
    graph, script = client_of(refusal(4))
    with pytest.raises(GraphRefusal):
        await graph.fetch(EXCHANGE)

    with pytest.raises(GraphThrottled):
        await graph.fetch(ME)
    assert len(script.requests) == 1


async def test_an_old_call_that_succeeds_does_not_forget_the_strike() -> None:
    """A success during a pause leaves it; the first one after it ends the doubling."""
    time = FakeTime()
    fake = Facebook(
        Script(refusal(17), GOOD, GOOD), time=time, pauses=MemoryPauseBook(time.monotonic)
    )
    graph = fake.client()
    with pytest.raises(GraphThrottled):
        await graph.fetch(ME)
    await graph.fetch(OTHER_PERSON)
    assert fake.pauses is not None
    assert await fake.pauses.remaining(["person:10200000000000001"]) == 60.0
    time.now += 60
    await graph.fetch(ME)

    assert await fake.pauses.throttled({"person:10200000000000001": None}) == 60.0


# -- taking turns


class Slow:
    """Answers when it is let; counts how many calls are under way."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.now = 0
        self.most = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.now += 1
        self.most = max(self.most, self.now)
        await self.open.wait()
        self.now -= 1
        return httpx.Response(200, json={"id": "1"})


async def test_listings_are_bounded_in_flight_and_never_hold_a_login() -> None:
    """A walk of any size leaves logins their connections (A6, C1)."""
    slow = Slow()
    graph = client_over(Lanes.over(httpx.MockTransport(slow)))
    walks = [asyncio.create_task(graph.fetch(WALKED)) for _ in range(110)]
    await settle()
    assert slow.now == LISTINGS_AT_ONCE

    login = asyncio.create_task(graph.fetch(AT_LOGIN))
    await settle()
    assert slow.now == LISTINGS_AT_ONCE + 1
    slow.open.set()
    await asyncio.gather(login, *walks)
    assert slow.most == LISTINGS_AT_ONCE + 1


async def test_waiting_for_a_turn_costs_no_budget() -> None:
    """The budget begins with the connection: who queues loses nothing (C0)."""
    lanes, time = Lanes.over(httpx.MockTransport(Script(GOOD))), FakeTime()
    graph = client_over(lanes, time)
    for _ in range(LOGINS_AT_ONCE):
        await lanes.logins.slots.acquire()
    call = asyncio.create_task(graph.fetch(check()))
    await settle()
    time.now += 100.0
    assert not call.done()

    lanes.logins.slots.release()
    assert (await call).body == {"id": "1"}


async def test_who_leaves_the_queue_takes_no_turn() -> None:
    """A browser that went away frees its place."""
    slow = Slow()
    graph = client_over(Lanes.over(httpx.MockTransport(slow)))
    calls = [asyncio.create_task(graph.fetch(WALKED)) for _ in range(LISTINGS_AT_ONCE + 5)]
    await settle()
    for call in calls[:-1]:
        call.cancel()
    await asyncio.gather(*calls[:-1], return_exceptions=True)
    slow.open.set()

    assert (await calls[-1]).body == {"id": "1"}


async def settle() -> None:
    """Lets everybody run until nobody can."""
    for _ in range(20):
        await asyncio.sleep(0)


def client_over(lanes: Lanes, time: FakeTime | None = None) -> GraphClient:
    host = GraphHost("https://graph.facebook.com", VERSION)
    return GraphClient(lanes, host, timing=Timing((time or FakeTime()).monotonic))


# -- what is told of a call


async def test_the_hook_hears_of_every_exchange() -> None:
    """Endpoint, outcome, time, the highest usage, the served version; nothing secret."""
    headers = {
        "x-app-usage": '{"call_count":28,"total_cputime":25,"total_time":99}',
        BUC: '{"1":[{"call_count":1}],"2":[{"total_cputime":40,"type":"x"}]}',
        "x-ad-account-usage": '{"acc_id_util_pct":9.67,"reset_time_duration":100}',
        "facebook-api-version": VERSION,
    }
    fake = Facebook(Script(BUSY, answer({"id": "1"}, headers=headers)))
    await fake.client().fetch(ME)

    assert fake.calls == [
        GraphCall("me", "transient", 0.0),
        GraphCall(
            "me", "ok", 0.0, {"app": 99, "business_use_case": 40, "ad_account": 9.67}, VERSION
        ),
    ]


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (refusal(190, 458), "app_removed"),
        (refusal(100, 33), "not_visible"),
        (refusal(17), "person_throttled"),
        (raw(b"", 200), "unavailable"),
        (httpx.ReadTimeout("x"), "timeout"),
    ],
)
async def test_outcomes(fault: Answer, outcome: str) -> None:
    """`ok`, the meaning, `unavailable` or `timeout`."""
    fake = Facebook(Always(fault), budgets=Budgets(repeats=0))
    with pytest.raises(GraphError):
        await fake.client().fetch(ME)

    assert [call.outcome for call in fake.calls] == [outcome]


async def test_another_version_is_told_once() -> None:
    """Trap 1: an expired version gives no error, only the header tells."""
    graph, _ = client_of(*(answer({}, headers={"facebook-api-version": "v21.0"}) for _ in range(3)))
    with capture_logs() as logs:
        for _ in range(3):
            await graph.fetch(ME)

    assert [entry["event"] for entry in logs] == ["graph.version_differs"]
    assert logs[0]["asked"] == VERSION
    assert logs[0]["served"] == graph.served_version == "v21.0"


async def test_the_same_version_is_no_news() -> None:
    """Nothing is logged when all is well, or the header is nonsense."""
    headers = [{"facebook-api-version": VERSION}, {"facebook-api-version": "x\ty"}, {}]
    graph, _ = client_of(*(answer({}, headers=each) for each in headers))
    with capture_logs() as logs:
        for _ in headers:
            await graph.fetch(ME)

    assert logs == []
    assert graph.served_version == VERSION


# -- secrets

SECRETS = (TOKEN_TEXT, APP_SECRET, "inventedcode0001", "inventedverifier0001")
LOUD = "https://graph.facebook.com/debug_token?input_token=" + "&".join(SECRETS)


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ConnectError(LOUD),
        httpx.ReadTimeout(LOUD),
        httpx.UnsupportedProtocol(LOUD),
        raw(LOUD.encode()),
        refusal(190, 463, LOUD),
        refusal(4, None, LOUD),
        refusal(100, 33, LOUD, error_user_title=LOUD, error_user_msg=LOUD),
        raw(b"", 302, {"Location": LOUD}),
    ],
)
async def test_no_secret_in_any_error(fault: Answer) -> None:
    """Not in text, repr, cause, context or traceback, even when Facebook echoes it (§7)."""
    graph = Facebook(Always(fault)).client()
    request = check(
        "debug_token",
        "debug_token",
        method="POST",
        form={"code": SECRETS[2], "code_verifier": SECRETS[3], "client_secret": APP_SECRET},
    )
    with pytest.raises(GraphError) as caught:
        await graph.fetch(request)
    error = caught.value
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))

    assert error.__cause__ is None
    assert error.__context__ is None
    for secret in (*SECRETS, "input_token"):
        assert secret not in shown
        assert secret not in repr(request)


async def test_redirects_are_not_followed() -> None:
    """A second listener sees nothing (security.md R-19)."""
    location = {"Location": "https://evil.test/"}
    graph, script = client_of(
        *(raw(b"{}", status, location) for status in (301, 302, 303, 307, 308))
    )
    for _ in range(5):
        with pytest.raises(GraphUnavailable):
            await graph.fetch(ME)

    assert {request.url.host for request in script.requests} == {"graph.facebook.com"}


async def test_a_hostile_location_is_no_crash() -> None:
    """httpx parses Location even when it doesn't follow."""
    graph = Facebook(Always(raw(b"", 302, {"Location": "https://[broken"}))).client()

    with pytest.raises(GraphUnavailable):
        await graph.fetch(ME)
