"""A replica that dies or freezes in the midst of something holds nobody up for longer than its
lease (defects C2, C4, C12; F-38, F-46), and one that is told to stop loses nothing (F-39)."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.faults.facebook import Facebook
from tests.faults.replicas import PATIENCE_SECONDS, open_replica, session_of

REFRESH = "/me/instagram-accounts?refresh=true"
STUCK = (
    b"POST /auth/facebook/deauthorize HTTP/1.1\r\nHost: localhost:8000\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nsigned"
)
LONGEST_GOODBYE_SECONDS = 20
"""Less than the grace of 25 s that a stuck upload used up, also on a busy machine."""
ADA, BEN, GUS = 1, 2, 3


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_replica_dies_in_the_midst(
    database_url: str, facebook: Facebook, tmp_path: Path, fault: signal.Signals
) -> None:
    """Within a login, after the exchange: a reload at another replica is `state_used`, and a new
    login succeeds. Within a refresh: the other replica's goes on when the lease has run out, about
    when its first answer is due."""
    young = {"ACCOUNTS_MAX_AGE": "0"}
    async with (
        open_replica(database_url, facebook, tmp_path, **young) as dying,
        open_replica(database_url, facebook, tmp_path, **young) as living,
    ):
        ben = await dying.log_in(BEN)
        await dying.ask(REFRESH, cookies=ben)  # joins what the login left under way
        attempt = await dying.approach(ADA)
        login, refresh = facebook.hold("me", ADA), facebook.hold("me/accounts", BEN)
        visits = [
            asyncio.create_task(dying.finish(attempt)),
            asyncio.create_task(dying.ask(REFRESH, cookies=ben)),
        ]
        async with asyncio.timeout(PATIENCE_SECONDS):
            await login.reached.wait()
            await refresh.reached.wait()
        dying.process.send_signal(fault)
        login.go_on.set()
        refresh.go_on.set()
        reload, first = await asyncio.gather(
            living.finish(attempt), living.ask(REFRESH, cookies=ben)
        )
        second = await living.ask(REFRESH, cookies=ben)
        for visit in visits:
            visit.cancel()
        again = await living.finish(await living.approach(ADA))
        user = await living.ask("/me", cookies=session_of(again))

    assert reload.error == "state_used"
    assert first.status in (200, 504)
    assert second.status == 200
    assert again.error is None
    assert user.status == 200
    assert facebook.calls["exchange", ADA] == 2


async def test_a_replica_that_is_told_to_stop_finishes(
    database_url: str, facebook: Facebook, tmp_path: Path
) -> None:
    """SIGTERM with a login at Facebook and an upload that is stuck: the login is kept, its session
    works at another replica, and the process leaves as soon as that is done (26 s once)."""
    async with (
        open_replica(database_url, facebook, tmp_path) as leaving,
        open_replica(database_url, facebook, tmp_path) as staying,
    ):
        held = facebook.hold("me", ADA)
        visit = asyncio.create_task(leaving.finish(await leaving.approach(ADA)))
        _, upload = await asyncio.open_connection("127.0.0.1", leaving.port)
        upload.write(STUCK)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await held.reached.wait()
        leaving.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await _is_closed(leaving.port)
        held.go_on.set()
        answer = await visit
        async with asyncio.timeout(LONGEST_GOODBYE_SECONDS):
            status = await leaving.ended()
        user = await staying.ask("/me", cookies=session_of(answer))
        upload.close()

    assert (answer.error, user.status) == (None, 200)
    assert status in (0, -signal.SIGTERM)
    assert "Traceback" not in leaving.said()


async def test_a_login_begun_on_one_is_finished_on_another(
    database_url: str, facebook: Facebook, tmp_path: Path
) -> None:
    """Also by two at once, over both: one exchange, one session (F-24, F-41)."""
    async with (
        open_replica(database_url, facebook, tmp_path) as one,
        open_replica(database_url, facebook, tmp_path) as other,
    ):
        attempt = await one.approach(GUS)
        first, second = await asyncio.gather(other.finish(attempt), one.finish(attempt))
        await one.ask("/auth/logout", method="POST", cookies=session_of(first))
        after = await other.ask("/me", cookies=session_of(second))

    assert first.error is second.error is None
    assert session_of(first) == session_of(second)
    assert facebook.calls["exchange", GUS] == 1
    assert after.status == 401


async def _is_closed(port: int) -> None:
    """Until nobody takes connections there."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:
            return
        writer.close()
        await asyncio.sleep(0.02)
