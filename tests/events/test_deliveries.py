"""Deliveries: at least once, on schedule, nobody held up by anybody (contract §12)."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import pytest

from igauth.domain import EventType, Provider
from igauth.errors import NotFound
from igauth.events.addresses import AddressRefused
from igauth.events.deliveries import PROBE_WAITS, WAITS
from igauth.events.endpoints import Endpoint, Endpoints
from igauth.meta.door import Door
from igauth.security.keyring import KeyRing
from igauth.settings import Settings
from igauth.store import webhooks
from igauth.store.database import Database
from igauth.upkeep.doctor import examine
from igauth.upkeep.findings import Verdict
from igauth.upkeep.rotation import KeyRotation
from tests.events.receivers import Receivers, message_of, signature_fits
from tests.events.test_feed import write
from tests.events.told import told
from tests.stage import KEY, OLDER_KEY, FakeClock, Stage, make_settings, open_stage, quick, replica

HOST, URL = "8.8.8.8", "https://8.8.8.8/in"
MINUTE = timedelta(minutes=1)


@dataclass
class Post:
    """A stage whose receivers are played."""

    stage: Stage
    receivers: Receivers

    @property
    def endpoints(self) -> Endpoints:
        """What the commands do."""
        return self.stage.services.events.endpoints

    async def round(self) -> int:
        """One round, waited for; how many messages it sent."""
        before = len(self.receivers.got)
        await self.stage.services.events.deliveries.round()
        await self.stage.services.events.deliveries.settle()
        return len(self.receivers.got) - before

    async def after(self, wait: timedelta) -> int:
        """The same, that much later and a fifth more: no jitter is longer."""
        self.stage.clock.now += wait * 1.2 + timedelta(seconds=1)
        return await self.round()

    async def endpoint(self) -> Endpoint:
        """The one there is."""
        (found,) = await self.endpoints.list()
        return found


@asynccontextmanager
async def opened(database_url: str, **more: Any) -> AsyncGenerator[Post]:
    """A stage on this database."""
    receivers = Receivers()
    wiring = quick(receivers=receivers)
    async with open_stage(make_settings(database_url, **more), wiring=wiring) as stage:
        yield Post(stage, receivers)


@pytest.fixture
async def post(database_url: str) -> AsyncGenerator[Post]:
    """A stage with receivers, and no endpoint yet."""
    async with opened(database_url) as made:
        yield made


async def test_an_event_arrives_signed_under_its_own_id(post: Post) -> None:
    """At once, once; `webhook-id` is the event's id, the body the feed's event."""
    _, secret = await post.endpoints.add(URL, None)
    await post.stage.browser().log_in("ada")
    first, again = await post.round(), await post.round()
    (event,) = await told(post.stage)
    (request,) = post.receivers.got

    assert (first, again) == (1, 0)
    assert request.headers["webhook-id"] == event["id"]
    assert message_of(request) == event
    assert signature_fits(request, secret)


async def test_only_what_happens_after_it_was_added_and_only_what_it_asked_for(post: Post) -> None:
    """`--events`, and no flood of thirty days."""
    await write(post.stage, 1)
    await post.endpoints.add(URL, None)
    await post.endpoints.add("https://9.9.9.9/in", [EventType.CREATED])
    await write(post.stage, 2)

    assert await post.round() == 1
    assert post.receivers.ids("9.9.9.9") == []


async def test_attempts_follow_the_schedule_and_then_end(post: Post) -> None:
    """At once, then 5 s, 5 min, 30 min, 2, 5, 10, 14, 20, 24 h later, ±20 %, under one id."""
    hours = [timedelta(hours=each) for each in (2, 5, 10, 14, 20, 24)]
    assert list(WAITS) == [timedelta(seconds=5), 5 * MINUTE, 30 * MINUTE, *hours]
    assert list(PROBE_WAITS) == [MINUTE] * 10 + [30 * MINUTE, *hours]
    await post.endpoints.add(URL, None)
    await write(post.stage, 1)
    post.receivers.answer(HOST, 500)
    assert await post.round() == 1
    for wait in WAITS:
        await post.stage.sql("UPDATE webhook_endpoints SET failures = 0, failing_since = NULL")
        post.stage.clock.now += wait * 0.79
        assert await post.round() == 0
        post.stage.clock.now += wait * 0.42
        assert await post.round() == 1

    assert await post.after(timedelta(days=2)) == 0
    assert len(set(post.receivers.ids())) == 1
    assert (await post.endpoint()).pending == 0


async def test_retry_after_is_honoured(post: Post) -> None:
    """Longer than the schedule's wait."""
    await post.endpoints.add(URL, None)
    await write(post.stage, 1)
    post.receivers.answer(HOST, 503, 204, **{"retry-after": "3600"})
    await post.round()
    post.stage.clock.advance(seconds=3_599)

    assert await post.round() == 0
    post.stage.clock.advance(seconds=2)
    assert await post.round() == 1


async def test_five_failures_hold_the_queue_behind_one_probe(post: Post) -> None:
    """Each minute for ten minutes, then ever more rarely; the first success lets all of it go."""
    await post.endpoints.add(URL, None)
    post.receivers.answer(HOST, 500)
    await write(post.stage, *range(5))
    assert await post.round() == 5
    await write(post.stage, *range(5, 30))
    assert (await post.endpoint()).status == "held"
    assert await post.round() == 0
    probes = [await post.after(MINUTE) for _ in range(10)]
    assert probes == [1] * 10
    assert await post.after(5 * MINUTE) == 0
    assert len(set(post.receivers.ids()[5:])) == 1
    post.receivers.answer(HOST, 204)
    assert await post.after(30 * MINUTE) == 30
    assert (await post.endpoint()).status == "enabled"
    assert Counter(post.receivers.ids()[-30:]).most_common(1)[0][1] == 1


async def test_a_held_queue_loses_nothing_by_waiting(post: Post) -> None:
    """A probe is no attempt: after four days of probes the event still arrives."""
    await post.endpoints.add(URL, None)
    post.receivers.answer(HOST, 500)
    await write(post.stage, *range(5))
    await post.round()
    for wait in PROBE_WAITS:
        assert await post.after(wait) == 1
    post.receivers.answer(HOST, 204)

    assert await post.after(timedelta(hours=24)) == 5
    assert (await post.endpoint()).pending == 0


async def test_failing_for_five_days_disables_loudly(
    post: Post, capsys: pytest.CaptureFixture[str]
) -> None:
    """Log, metric, `list`; nothing is sent any more, until it is enabled: then what waited is."""
    endpoint_id, _ = await post.endpoints.add(URL, None)
    post.receivers.answer(HOST, 500)
    await write(post.stage, *range(5))
    await post.round()
    for wait in PROBE_WAITS:
        await post.after(wait)
    assert (await post.endpoint()).status == "held"
    await post.after(timedelta(days=2))
    said = capsys.readouterr()
    await write(post.stage, 6)

    findings = [each async for each in examine(*examined(post.stage))]
    (finding,) = [each for each in findings if each.subject == f"webhook {endpoint_id}"]

    assert (finding.verdict, "five days" in finding.text) == (Verdict.NOT_WELL, True)
    assert "webhook.disabled" in said.out + said.err
    assert b'igauth_webhooks_disabled_total{cause="failing"} 1.0' in metrics(post.stage)
    assert ((await post.endpoint()).status, await post.after(MINUTE)) == ("disabled", 0)
    post.receivers.answer(HOST, 204)
    await post.endpoints.enable(endpoint_id)
    assert await post.round() == 5


async def test_410_disables_at_once(post: Post) -> None:
    """The receiver wants nothing more."""
    await post.endpoints.add(URL, None)
    post.receivers.answer(HOST, 410)
    await write(post.stage, 1)

    assert await post.round() == 1
    assert ((await post.endpoint()).status, await post.after(timedelta(days=1))) == ("disabled", 0)


async def test_a_success_ends_the_count_of_failures(post: Post) -> None:
    """Four failures, a success, four failures: never held."""
    await post.endpoints.add(URL, None)
    for status in (500, 204, 500):
        post.receivers.answer(HOST, status)
        await write(post.stage, *range(4 if status == 500 else 1))
        await post.round()

    assert (await post.endpoint()).status == "enabled"


async def test_a_slow_receiver_delays_nobody_else(post: Post) -> None:
    """While one hangs, another gets everything, logins work, and the round itself ends."""
    gate = asyncio.Event()

    async def hang(_request: httpx.Request) -> httpx.Response:
        await gate.wait()
        return httpx.Response(204)

    post.receivers.acts[HOST] = hang
    await post.endpoints.add(URL, None)
    await post.endpoints.add("https://9.9.9.9/in", None)
    await write(post.stage, *range(30))
    deliveries = post.stage.services.events.deliveries
    await deliveries.round()
    await post.receivers.until("9.9.9.9", 30)
    await post.stage.browser().log_in("ada")
    await deliveries.round()
    await post.receivers.until("9.9.9.9", 31)
    hung = len(post.receivers.ids(HOST))
    gate.set()
    await deliveries.settle()

    assert hung == 10
    assert len(set(post.receivers.ids(HOST))) == 31


async def test_a_replica_that_dies_in_a_delivery_loses_nothing(post: Post) -> None:
    """Its lease runs out, within 60 s; the event arrives under the same id, at most twice."""
    await post.endpoints.add(URL, None)
    await write(post.stage, 1)
    reached = asyncio.Event()

    async def die(_request: httpx.Request) -> httpx.Response:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    post.receivers.acts[HOST] = die
    await post.stage.services.events.deliveries.round()
    await reached.wait()
    (work,) = post.stage.services.events.deliveries._serving.values()
    work.cancel()  # as kill -9 does: nothing more is written
    await asyncio.wait((work,))
    post.receivers.answer(HOST, 204)

    assert await post.round() == 0
    assert timedelta(seconds=60) >= webhooks.LEASE
    post.stage.clock.now += webhooks.LEASE
    assert await post.round() == 1
    assert len(set(post.receivers.ids())) == 1


async def test_two_replicas_bring_every_event_to_a_receiver_that_fails_half_of_the_time(
    post: Post,
) -> None:
    """1,000 events: each id arrives; both replicas took part, and none was sent twice at once."""
    dice = random.Random(7)  # noqa: S311  # a reproducible receiver

    async def moody(_request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        return httpx.Response(204 if dice.random() < 0.5 else 500)

    await post.endpoints.add(URL, None)
    post.receivers.acts[HOST] = moody
    other_receivers = Receivers({HOST: moody})
    other_wiring = quick(receivers=other_receivers)
    async with open_stage(
        post.stage.settings, sandbox=post.stage.sandbox, clock=post.stage.clock, wiring=other_wiring
    ) as other:
        await asyncio.gather(
            *(
                write(place, *range(start, 500, 10))
                for start in range(10)
                for place in (post.stage, other)
            )
        )
        for _ in range(200):
            for stage in (post.stage, other):
                await stage.services.events.deliveries.round()
            for stage in (post.stage, other):
                await stage.services.events.deliveries.settle()
            if (await post.endpoint()).pending == 0:
                break
            post.stage.clock.advance(minutes=10)
        wanted = {event["id"] for event in await told(post.stage)}
    tried = Counter([*post.receivers.ids(), *other_receivers.ids()])
    print(  # noqa: T201  # counts, for whoever runs it with -s
        f"events {len(wanted)}, attempts {tried.total()}, by each {len(post.receivers.got)}"
    )

    assert len(wanted) == 1_000
    assert set(tried) == wanted
    ((arrived,),) = await post.stage.sql(
        "SELECT count(*) FROM deliveries WHERE delivered_at IS NOT NULL"
    )
    ((given_up,),) = await post.stage.sql(
        "SELECT count(*) FROM deliveries WHERE delivered_at IS NULL"
    )
    assert (arrived + given_up, given_up <= 5) == (1_000, True)


async def test_after_rotate_both_secrets_sign_for_a_day(post: Post) -> None:
    """Two valid for 24 h, then the fresh one alone."""
    endpoint_id, old = await post.endpoints.add(URL, None)
    new = await post.endpoints.rotate(endpoint_id)
    await post.endpoints.test(endpoint_id)
    post.stage.clock.advance(hours=24)
    await post.endpoints.test(endpoint_id)
    during, after = post.receivers.got

    assert [signature_fits(during, each) for each in (old, new)] == [True, True]
    assert [signature_fits(after, each) for each in (old, new)] == [False, True]
    assert old.startswith("whsec_")
    assert old != new


async def test_secrets_are_sealed_and_follow_the_ring(database_url: str) -> None:
    """None in the database in clear; a rotation re-seals them, and counts their keys as used."""
    async with opened(database_url, keys=(OLDER_KEY,)) as post:
        endpoint_id, secret = await post.endpoints.add(URL, None)
        stored = await post.stage.sql("SELECT sealed_secret, kid FROM webhook_secrets")
        ring = KeyRing((KEY, OLDER_KEY))
        rotation = KeyRotation(ring, post.stage.services.database, post.stage.clock, {})
        report = await rotation.rotate()

    assert secret not in stored[0][0]
    assert stored[0][0].startswith("v1.k0.")
    assert (report.resealed, report.unused) == (1, ["k0"])
    async with opened(database_url) as post:
        assert (await post.endpoints.test(endpoint_id)).failure is None
        assert signature_fits(post.receivers.got[0], secret)


async def test_a_test_takes_the_way_of_a_delivery(post: Post) -> None:
    """`webhook.test`, to this endpoint alone and not into the feed; refusals are told."""
    endpoint_id, secret = await post.endpoints.add(URL, [EventType.DELETED])
    arrived = await post.endpoints.test(endpoint_id)
    post.receivers.answer(HOST, 302, 410)
    refused = [await post.endpoints.test(endpoint_id) for _ in range(2)]

    assert (arrived.failure, arrived.status) == (None, 204)
    assert message_of(post.receivers.got[0])["type"] == "webhook.test"
    assert signature_fits(post.receivers.got[0], secret)
    assert [each.failure for each in refused] == ["status 302", "status 410"]
    assert await told(post.stage) == []


async def test_replay_sends_again_under_the_same_ids(post: Post) -> None:
    """All since then, or with `failed` only what was given up."""
    endpoint_id, _ = await post.endpoints.add(URL, None)
    await write(post.stage, 1, 2)
    await post.round()
    post.stage.clock.advance(days=3)
    await write(post.stage, 3)
    await post.round()
    first = post.receivers.ids()

    assert await post.endpoints.replay(endpoint_id, timedelta(days=2)) == 1
    await post.round()
    assert post.receivers.ids()[3:] == first[2:]
    assert await post.endpoints.replay(endpoint_id, timedelta(days=9)) == 3
    await post.round()
    assert sorted(post.receivers.ids()[4:]) == sorted(first)
    assert await post.endpoints.replay(endpoint_id, timedelta(days=9), failed=True) == 0
    await post.stage.sql("UPDATE deliveries SET delivered_at = NULL WHERE attempts > 0")
    assert await post.endpoints.replay(endpoint_id, timedelta(days=2), failed=True) == 1


async def test_a_removed_endpoint_gets_nothing_more(post: Post) -> None:
    """Its secrets and what waited for it go, too; unknown ids are told apart."""
    endpoint_id, _ = await post.endpoints.add(URL, None)
    await write(post.stage, 1)
    await post.endpoints.remove(endpoint_id)

    assert await post.round() == 0
    assert [await post.stage.count(each) for each in ("webhook_secrets", "deliveries")] == [0, 0]
    for act in (post.endpoints.remove, post.endpoints.enable, post.endpoints.rotate):
        with pytest.raises(NotFound):
            await act(endpoint_id)


async def test_a_url_that_may_not_be_called_is_not_added(post: Post) -> None:
    """Credentials, plain http, inner addresses."""
    for url in ("https://u:p@8.8.8.8/", "http://hooks.example.com/", "https://10.0.0.1/"):
        with pytest.raises(AddressRefused):
            await post.endpoints.add(url, None)

    assert await post.endpoints.list() == []


async def test_what_waits_is_measured_off_the_scrape(post: Post) -> None:
    """Number and age for each endpoint, counted by a chore: a scrape asks for nothing of it."""
    endpoint_id, _ = await post.endpoints.add(URL, None)
    post.receivers.answer(HOST, 500)
    await write(post.stage, 1, 2)
    await post.round()
    post.stage.clock.advance(seconds=4)
    await post.stage.services.events.deliveries.measure()
    text = metrics(post.stage)
    waits = (await post.endpoint()).oldest_pending_seconds

    assert f'deliveries_pending{{endpoint="{endpoint_id}"}} 2.0'.encode() in text
    assert f'oldest_pending_seconds{{endpoint="{endpoint_id}"}} 4.0'.encode() in text
    assert b'igauth_webhook_attempts_total{outcome="failed"} 2.0' in text
    assert waits == 4


async def test_what_was_told_of_an_erased_person_is_not_delivered(post: Post) -> None:
    """Events that were still on their way go with the person; the deletion arrives."""
    await post.endpoints.add(URL, None)
    browser = post.stage.browser()
    await browser.log_in("ada")
    await told(post.stage)
    await browser.send("DELETE", "/me")
    await post.round()

    assert [message_of(each)["type"] for each in post.receivers.got] == ["connection.deleted"]


async def test_two_replicas_number_and_queue_once(post: Post) -> None:
    """Whoever looks first; each event is on its way once."""
    await post.endpoints.add(URL, None)
    await write(post.stage, *range(40))
    async with replica(post.stage) as other:
        feeds = [place.services.events.feed for place in (post.stage, other) for _ in range(4)]
        await asyncio.gather(*(each.read(after=None, types=None, limit=9) for each in feeds))

    assert await post.stage.count("deliveries") == 40
    found = await post.stage.services.database.read(partial(webhooks.count_pending))
    assert [each.number for each in found.values()] == [40]


def examined(stage: Stage) -> tuple[Settings, Database, dict[Provider, Door], FakeClock]:
    """What `doctor` looks at, without asking Facebook."""
    return stage.settings, stage.services.database, {}, stage.clock


def metrics(stage: Stage) -> bytes:
    """What a scrape reads."""
    return stage.services.metrics.render()
