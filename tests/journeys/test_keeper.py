"""The keeper: each due connection once, whoever sweeps; nothing dies by a passing fault."""

import asyncio
from datetime import timedelta

import pytest
from pydantic import SecretStr

from igauth.domain import ConnectionStatus, Provider, SessionHash, Subject
from igauth.errors import DatabaseUnavailable, NotFound
from igauth.grants.vault import Vault
from igauth.meta.door import IssuedToken
from igauth.security.keyring import KeyRing
from igauth.security.sealing import Sealer
from igauth.store import logins
from igauth.store.connections import ConnectionRow, Grant
from igauth.store.leases import Lease
from igauth.store.new_logins import IntoSession, NewLogin, NewSession
from igauth.upkeep.keeper import BATCH
from igauth.upkeep.pruning import Pruning
from tests.journeys.test_custody import happens, row_of
from tests.stage import KEY, Browser, Stage, error_of, no_wait, replica

TWO_KEEPERS = {"sqlite": 60, "postgresql": 1_000}


async def seed_due(stage: Stage, number: int) -> None:
    """People with a long-lived token whose daily check is due."""
    for index in range(number):
        person = stage.sandbox.world.add_person(f"due{index}", f"Due {index}")
        stage.sandbox.authorize(person.key, redirect_uri=stage.settings.redirect_uri)
        token = stage.sandbox.ledger.add_token(
            "USER",
            person.key,
            issued_at=stage.clock(),
            expires_at=stage.clock() + timedelta(days=50),
            long_lived=True,
        )
        login = due_login(stage, Subject(person.id), token.text)
        await logins.record(stage.services.database, login, patience_seconds=5.0)


def due_login(stage: Stage, subject: Subject, token: str) -> NewLogin:
    """A login whose connection wants its check."""
    now, app_id, name = stage.clock(), stage.sandbox.config.app_id, f"seed-{subject}"
    vault = Vault(Sealer(KeyRing((KEY,))), stage.services.database, stage.clock)
    issued = IssuedToken(SecretStr(token), None)
    return NewLogin(
        provider=Provider.FACEBOOK,
        app_id=app_id,
        subject=subject,
        other_subject=None,
        name=None,
        picture_url=None,
        grant=due_grant(stage),
        seal=lambda row, person: vault.seal(
            issued, row, person, provider=Provider.FACEBOOK, app_id=app_id
        ),
        consent=lambda _: {},
        listing=lambda _tx, _known, _id: None,
        into=IntoSession(
            NewSession(SessionHash(name), None, expires_at=now, ends_at=now),
            state_hash=name,
            ended_sessions=(),
            adding_under=(),
            idle_since=now,
        ),
        cancelled_revocations=(),
        reconnect=None,
        request_id=None,
        now=now,
    )


def due_grant(stage: Stage) -> Grant:
    """A healthy grant that wants its check."""
    now = stage.clock()
    return Grant(
        status=ConnectionStatus.ACTIVE,
        cause=None,
        upgrade_pending=False,
        token_expires_at=now + timedelta(days=50),
        data_access_expires_at=None,
        granted_scopes=frozenset({"pages_show_list"}),
        declined_scopes=frozenset(),
        granular=None,
        verified_at=now - timedelta(days=1),
        next_check_at=now - timedelta(minutes=1),
    )


async def test_two_keepers_share_the_work(stage: Stage) -> None:
    """Two keepers on one database: each due connection is checked exactly once (§7)."""
    number = TWO_KEEPERS[stage.services.database.url.get_backend_name()]
    await seed_due(stage, number)
    async with replica(stage) as other:
        swept = await asyncio.gather(stage.services.keeper.sweep(), other.services.keeper.sweep())

    assert sum(sweep.checked for sweep in swept) == number
    assert stage.graph_calls.count("debug_token") == number
    asked = [call.person for call in stage.sandbox.calls.of("permissions")]
    assert len(asked) == len(set(asked)) == number


async def test_a_killed_keeper_leaves_the_rest_to_others(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A keeper that dies midway holds its rows until the lease ends, then others finish (§7)."""
    monkeypatch.setattr(Lease, "release", lambda *_: None)  # as kill -9 would
    await seed_due(stage, BATCH + 15)
    reached = asyncio.Event()

    async def stuck(_row: ConnectionRow, *_held: object) -> ConnectionStatus:
        reached.set()
        return await asyncio.Future()

    monkeypatch.setattr(stage.services.checks, "renew", stuck)
    dying = asyncio.create_task(stage.services.keeper.sweep())
    await reached.wait()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)

    async with replica(stage) as other:
        assert (await other.services.keeper.sweep()).checked == 15
        assert (await other.services.keeper.sweep()).checked == 0
        stage.clock.advance(seconds=11)
        assert (await other.services.keeper.sweep()).checked == BATCH
    assert stage.graph_calls.count("debug_token") == BATCH + 15


async def test_a_missed_upgrade_is_made_up_for(stage: Stage, browser: Browser) -> None:
    """A login on the short-lived token ends long-lived by the keeper (§3, §7)."""
    fault = stage.sandbox.faults.preset("unavailable", endpoint="upgrade")
    assert error_of(await browser.log_in("ada")) is None
    short = await row_of(stage, browser)
    assert short.upgrade_pending
    assert short.token_expires_at == stage.clock() + timedelta(seconds=5127)
    stage.sandbox.faults.remove(fault.id)

    assert (await stage.services.keeper.renew()).checked == 1

    long = await row_of(stage, browser)
    assert not long.upgrade_pending
    assert long.token_expires_at is not None
    assert long.token_expires_at > stage.clock() + timedelta(days=50)
    assert (await browser.accounts(refresh="true")).status_code == 200


async def test_a_re_exchange_is_believed_only_by_debug_token(
    stage: Stage, browser: Browser
) -> None:
    """Near its end a token is exchanged again; one that doesn't last longer is dropped (3.3)."""
    await browser.log_in("ada")
    await browser.accounts()
    before = await row_of(stage, browser)
    assert before.token_expires_at is not None
    stage.clock.now = before.token_expires_at - timedelta(days=3)

    await stage.services.keeper.sweep()

    after = await stage.connection(before.id)
    assert after is not None
    assert "upgrade" in stage.graph_calls[5:]
    assert after.token_expires_at == before.token_expires_at
    assert after.sealed_token == before.sealed_token


@pytest.mark.parametrize("preset", ["unavailable", "unknown_error", "throttled_app"])
async def test_a_passing_fault_kills_nothing(stage: Stage, browser: Browser, preset: str) -> None:
    """A transient failure never marks a connection dead; it is tried again later (§7)."""
    await browser.log_in("ada")
    await browser.accounts()
    stage.clock.advance(hours=30)
    fault = stage.sandbox.faults.preset(preset)

    swept = await stage.services.keeper.sweep()

    assert (swept.checked, swept.postponed) == (0, 1)
    assert (await browser.connection())["status"] == "active"
    stage.sandbox.faults.remove(fault.id)
    stage.clock.advance(hours=7)
    assert (await stage.services.keeper.sweep()).checked == 1


async def test_a_dead_row_leaves_the_sweep(stage: Stage, browser: Browser) -> None:
    """A dead grant is found once by the sweep, and not asked about again (§7)."""
    await browser.log_in("ada")
    await happens(stage, "ada", "change_password")
    stage.clock.advance(hours=30)

    assert (await stage.services.keeper.sweep()).checked == 1
    assert (await browser.connection())["status"] == "reconnect_required"
    stage.clock.advance(hours=30)
    assert (await stage.services.keeper.sweep()).checked == 0


async def test_a_checkpoint_is_looked_at_again(stage: Stage, browser: Browser) -> None:
    """A person at a checkpoint stays in the daily sweep, and recovers by it (190/459)."""
    await browser.log_in("ada")
    await happens(stage, "ada", "checkpoint")
    stage.clock.advance(hours=30)
    assert (await stage.services.keeper.sweep()).checked == 1
    assert (await browser.connection())["status"] == "checkpoint_required"

    await happens(stage, "ada", "clear_checkpoint")
    stage.clock.advance(hours=30)
    await stage.services.keeper.sweep()

    assert (await browser.connection())["status"] == "active"


async def test_a_renewal_never_resurrects(stage: Stage, browser: Browser) -> None:
    """A connection deleted while its renewal is under way stays deleted (security F-47)."""
    fault = stage.sandbox.faults.preset("unavailable", endpoint="upgrade")
    await browser.log_in("ada")
    stage.sandbox.faults.remove(fault.id)
    stale = await row_of(stage, browser)
    assert (await browser.send("DELETE", "/me")).status_code == 204
    stage.sandbox.authorize("ada", redirect_uri=stage.settings.redirect_uri)

    with pytest.raises(NotFound):
        await stage.services.checks.verify(stale)
    await stage.services.checks.renew(stale, [])

    assert [await stage.count("people"), await stage.count("connections")] == [0, 0]


async def test_all_is_re_checked_on_demand(stage: Stage, browser: Browser) -> None:
    """`igauth renew` checks what is due, `--all` checks every connection (§1)."""
    await browser.log_in("ada")

    assert (await stage.services.keeper.renew()).checked == 0
    assert (await stage.services.keeper.renew(everything=True)).checked == 1


async def test_what_has_expired_is_pruned(stage: Stage, browser: Browser) -> None:
    """Overdue sessions, spent states and old events leave the database (§7)."""
    await browser.log_in("ada")
    stage.clock.advance(days=120)

    await Pruning(stage.services.database, clock=stage.clock, sleep=no_wait).prune()

    for table in ("sessions", "spent_states"):
        assert await stage.count(table) == 0, table


async def test_a_sweep_outlives_a_database_outage(stage: Stage, browser: Browser) -> None:
    """The database's absence ends one sweep, not the keeper (§9)."""
    await browser.log_in("ada")
    stage.clock.advance(hours=30)

    async with stage.database_down():
        with pytest.raises(DatabaseUnavailable):
            await stage.services.keeper.sweep()

    assert (await stage.services.keeper.sweep()).checked == 1


async def test_altered_tokens_are_never_used(stage: Stage, browser: Browser) -> None:
    """Swapped between rows, cut or altered: `reconnect_required`, kept, never a 500 (§7)."""
    other = stage.browser()
    await browser.log_in("ada")
    await other.log_in("ben")
    first, second = await row_of(stage, browser), await row_of(stage, other)
    assert first.sealed_token is not None
    assert second.sealed_token is not None
    await reseal(stage, first, second.sealed_token)
    await reseal(stage, second, second.sealed_token[:-9])
    asked = len(stage.graph_calls)

    for victim in (browser, other):
        answer = await victim.accounts(refresh="true")
        assert (answer.status_code, answer.json()["code"]) == (409, "reconnect_required")
        assert (await victim.connection())["status"] == "reconnect_required"

    assert stage.graph_calls[asked:] == []
    assert (await row_of(stage, browser)).sealed_token == second.sealed_token


async def reseal(stage: Stage, row: ConnectionRow, sealed: str) -> None:
    """Somebody who can write the database puts another sealed text into a row."""
    await stage.sql(
        "UPDATE connections SET sealed_token = :sealed WHERE id = :id", sealed=sealed, id=row.id
    )
