"""For those who run the service: rotation, status, metrics, readiness (contract §1, §9)."""

import asyncio
from dataclasses import replace

import pytest
from pydantic import SecretStr

from igauth.bootstrap import Wiring, open_services
from igauth.domain import ConnectionStatus
from igauth.settings import RootKey, SettingsRefused
from igauth.upkeep.rotation import KeyRotation
from tests.stage import (
    KEY,
    Browser,
    FakeClock,
    Stage,
    error_of,
    make_sandbox,
    make_settings,
    open_stage,
    replica,
)

NEWER = RootKey("k2", bytes(range(50, 82)))


def rotation(stage: Stage) -> KeyRotation:
    """What `igauth keys rotate` runs."""
    app_ids = {provider: door.app_id for provider, door in stage.services.doors.items()}
    return KeyRotation(stage.services.ring, stage.services.database, stage.clock, app_ids)


async def kids(stage: Stage) -> set[str]:
    """Ids of the keys that sealed tokens lie under."""
    rows = await stage.sql("SELECT sealed_token FROM connections")
    return {str(sealed).split(".")[1] for (sealed,) in rows if sealed is not None}


async def test_rotation_reseals_everything(stage: Stage, browser: Browser) -> None:
    """Every value lies under the newest key; the old one isn't needed any more (§1)."""
    await browser.log_in("ada")
    stage.sandbox.faults.preset("unavailable", endpoint="revoke")
    other = stage.browser()
    await other.log_in("ben")
    await other.send("DELETE", "/me")

    async with replica(stage, keys=(NEWER, KEY)) as newer:
        done = await rotation(newer).rotate()
        again = await rotation(newer).rotate()
        assert await kids(newer) == {"k2"}

    assert (done.resealed, done.unreadable, done.unused) == (2, 0, ["k1"])
    assert (again.resealed, again.unused) == (0, ["k1"])
    async with replica(stage, keys=(NEWER,)) as only_newer:
        late = only_newer.browser()
        assert error_of(await late.log_in("ada")) is None
        assert (await late.accounts(refresh="true")).status_code == 200


async def test_rotation_under_load(stage: Stage) -> None:
    """Logins and listings go on while keys rotate; no request fails (§1)."""
    async with replica(stage, keys=(NEWER, KEY)) as newer:
        ended = asyncio.Event()

        async def use(each: Stage, person: str) -> int:
            rounds, browser = 0, each.browser()
            while not ended.is_set() or rounds < 3:
                assert error_of(await browser.log_in(person)) is None
                asked = {"refresh": "true"} if rounds < 3 else {}  # more is over the limit
                assert (await browser.accounts(**asked)).status_code == 200
                rounds += 1
            return rounds

        async def rotate() -> None:
            for _ in range(5):
                assert (await rotation(newer).rotate()).unreadable == 0
            ended.set()

        used = await asyncio.gather(
            use(newer, "ada"), use(newer, "ben"), use(newer, "gus"), rotate()
        )
        await rotation(newer).rotate()

        assert min(rounds for rounds in used if rounds is not None) >= 3
        assert await kids(newer) == {"k2"}


async def test_a_missing_key_that_rows_need_is_refused(stage: Stage, browser: Browser) -> None:
    """A ring without a key that readable rows lie under doesn't start, and says which (§2)."""
    await browser.log_in("ada")

    with pytest.raises(SettingsRefused, match="KEYS: key id k1 is missing"):
        async with replica(stage, keys=(NEWER,)):
            pass


async def test_another_key_under_a_known_id_is_refused(stage: Stage) -> None:
    """A replica with a wrong ring refuses to serve (security F-42)."""
    with pytest.raises(SettingsRefused, match="KEYS: key id k1 has other bytes"):
        async with replica(stage, keys=(replace(NEWER, kid="k1"),)):
            pass


async def test_what_cannot_be_opened_holds_no_key_back(stage: Stage, browser: Browser) -> None:
    """Unreadable rows are counted and left, or emptied on demand (§1)."""
    await browser.log_in("ada")
    await stage.sql("UPDATE connections SET sealed_token = sealed_token || 'AAAA'")

    async with replica(stage, keys=(NEWER, KEY)) as newer:
        left = await rotation(newer).rotate()
        dropped = await rotation(newer).rotate(drop_unreadable=True)

    assert (left.resealed, left.unreadable, left.dropped, left.unused) == (0, 1, 0, ["k1"])
    assert (dropped.unreadable, dropped.dropped) == (1, 1)
    async with replica(stage, keys=(NEWER,)) as newest:
        assert await kids(newest) == set()


async def test_a_key_that_came_back_opens_again(stage: Stage, browser: Browser) -> None:
    """A rotation by a ring that lost a key wipes nothing: with the key back, all is well again."""
    await browser.log_in("ada")
    settings = stage.settings.model_copy(update={"keys": (NEWER,)})
    async with open_services(
        settings, Wiring(transport=stage.sandbox.transport(), clock=stage.clock), rotating=True
    ) as lost:
        app_ids = {provider: door.app_id for provider, door in stage.services.doors.items()}
        wrong = KeyRotation(lost.ring, lost.database, stage.clock, app_ids)
        assert (await wrong.rotate()).unreadable == 1
    assert (await browser.connection())["status"] == "reconnect_required"

    assert (await rotation(stage).rotate()).unreadable == 0

    assert (await browser.connection())["status"] == "active"
    assert (await browser.accounts(refresh="true")).status_code == 200


async def test_a_service_that_has_not_the_new_key_yet(stage: Stage, browser: Browser) -> None:
    """Rotated before every replica has the key: refused here for now, but nothing is spoilt."""
    await browser.log_in("ada")
    await browser.accounts()
    async with replica(stage, keys=(NEWER, KEY)) as newer:
        await rotation(newer).rotate()
        refused = await browser.accounts(refresh="true")
        elsewhere = newer.browser()
        elsewhere.take_jar_of(browser)
        served = await elsewhere.accounts(refresh="true")

    assert (refused.status_code, served.status_code) == (409, 200)
    assert served.json()["meta"]["connections"][0]["status"] == "active"


async def test_status_counts(stage: Stage, browser: Browser) -> None:
    """People, connections by state, sessions, queued revocations (§1)."""
    await browser.log_in("ada")
    other = stage.browser()
    await other.log_in("ben")
    stage.sandbox.faults.preset("unavailable", endpoint="revoke")
    await other.send("DELETE", "/me")

    found = await stage.services.counting.count()

    assert (found.people, found.sessions, found.queued_revocations) == (1, 1, 1)
    assert found.connections[ConnectionStatus.ACTIVE] == 1
    assert found.oldest_check == stage.clock()


async def test_metrics_tell_what_happened(stage: Stage, browser: Browser) -> None:
    """Requests by template, Graph calls by endpoint, logins, connections, usage (§9)."""
    await browser.log_in("ada")
    await browser.accounts(refresh="true")

    answer = await browser.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    for line in (
        'igauth_logins_total{outcome="ok"} 1.0',
        'igauth_connections{status="active"} 1.0',
        'igauth_http_requests_total{method="GET",route="/auth/facebook/callback",status="303"} 1.0',
    ):
        assert line in answer.text
    for name in ("igauth_graph_calls_total", "igauth_graph_seconds", "igauth_facebook_usage"):
        assert name in answer.text
    assert stage.sandbox.world.person("ada").id not in answer.text


async def test_metrics_can_be_locked(database_url: str) -> None:
    """With METRICS_TOKEN, only its Bearer reads the metrics (§2)."""
    settings = make_settings(database_url, metrics_token=SecretStr("open-sesame"))
    async with open_stage(settings) as stage:
        browser = stage.browser()

        answers = [
            await browser.get("/metrics"),
            await browser.get("/metrics", authorization="Bearer wrong"),
            await browser.get("/metrics", authorization="Bearer open-sesame"),
        ]

    assert [answer.status_code for answer in answers] == [401, 401, 200]
    assert answers[0].headers["content-type"] == "application/problem+json"


async def test_readiness_follows_the_database(stage: Stage, browser: Browser) -> None:
    """503 while the database is away, 200 when it is back, without a restart (§9)."""
    async with stage.database_down():
        away = await browser.get("/readyz")
        alive = await browser.get("/healthz")
        session = await browser.get("/auth/session", cookie="igauth_session=x")
    back = await browser.get("/readyz")

    assert (away.status_code, alive.status_code, back.status_code) == (503, 200, 200)
    assert (session.status_code, session.json()["code"]) == (503, "database_unavailable")
    assert session.headers["retry-after"]


async def test_readiness_wants_the_head(stage: Stage, browser: Browser) -> None:
    """A database that another program migrated isn't ready for this one (§5)."""
    await stage.sql("UPDATE alembic_version SET version_num = 'later'")

    answer = await browser.get("/readyz")

    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")


async def test_a_system_user_configuration_is_named(database_url: str) -> None:
    """A Login configuration that yields system-user tokens: `service_misconfigured` (§3)."""
    settings = make_settings(database_url, facebook_config_id="700000000000001")
    clock = FakeClock()
    sandbox = make_sandbox(
        settings, clock, config={"config_system_user": True, "login_for_business": True}
    )
    async with open_stage(settings, sandbox=sandbox, clock=clock) as stage:
        assert error_of(await stage.browser().log_in("ada")) == "service_misconfigured"
