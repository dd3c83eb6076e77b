"""Two processes, one database, everything at once (contract §3, §4, §5; P-21, F-26, A8, A9, S18).

The same on one SQLite file and on PostgreSQL. Each race is run several times, and its promise is
one that holds whoever wins.
"""

import asyncio
import shutil
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Iterable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.attacks.processes import Fleet, open_fleet
from tests.attacks.signing import claims_of, sign
from tests.postgres import PostgresServer
from tests.stage import Browser, Stage, error_of, replica

ROUNDS = 8
FINE = {200, 204, 202, 303, 401, 404, 409}
"""Statuses of a race in which nothing broke: done, gone, or no longer allowed."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def fleet(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    sqlite_template: Path,
) -> Iterator[Fleet]:
    """Two replicas on either engine; both must live to the end."""
    folder = tmp_path_factory.mktemp("races")
    if request.param == "sqlite":
        shutil.copy(sqlite_template, folder / "igauth.db")
        url = f"sqlite:///{folder}/igauth.db"
    else:
        server: PostgresServer | None = request.getfixturevalue("postgres")
        if server is None:
            pytest.skip("PostgreSQL IS NOT TESTED: no server binaries, no TEST_POSTGRES_URL")
        name = f"t{uuid.uuid4().hex}"
        server.create_database(name, template="igauth_template")
        url = server.url(name)
    with open_fleet(folder, url, LOG_LEVEL="DEBUG") as opened:
        yield opened
        opened.assert_alive()


@pytest.fixture
async def crowd(fleet: Fleet) -> AsyncGenerator["Crowd"]:
    """Browsers at both replicas, before a Facebook that takes a moment for each answer."""
    await fleet.control("POST", "reset")
    await fleet.control("POST", "delay", {"seconds": 0.02})
    async with AsyncExitStack() as stack:
        yield Crowd(fleet, stack)


class Crowd:
    """Makes browsers, and lets them act at the same time."""

    def __init__(self, fleet: Fleet, stack: AsyncExitStack) -> None:
        self.fleet = fleet
        self._stack = stack

    async def browser(self, replica: int = 0) -> Browser:
        """A new browser at one of the replicas."""
        return await self._stack.enter_async_context(self.fleet.browser(replica))

    async def copy(self, of: Browser, replica: int) -> Browser:
        """The same jar at another replica."""
        made = await self.browser(replica)
        made.take_jar_of(of)
        return made

    async def logged_in(self, person: str, replica: int = 0) -> Browser:
        """A browser in which somebody is logged in, with the first listing done."""
        browser = await self.browser(replica)
        callback = await browser.approach(person)
        ended = await browser.http.get(self.fleet.at(replica, callback))
        assert error_of(ended) is None
        assert (await browser.accounts()).status_code == 200
        return browser


async def _at_once(work: Iterable[Awaitable[httpx.Response]]) -> list[httpx.Response]:
    answers = await asyncio.gather(*work)
    for answer in answers:
        assert answer.status_code in FINE, (answer.status_code, answer.text)
    return answers


async def test_one_state_twenty_arrivals(crowd: Crowd) -> None:
    """Over both processes: one exchange at Facebook, one session, the same for all (§3, P-21)."""
    first = await crowd.browser()
    callback = await first.approach("ada")
    copies = [await crowd.copy(first, number % 2) for number in range(20)]

    ended = await _at_once(
        copy.http.get(crowd.fleet.at(number % 2, callback)) for number, copy in enumerate(copies)
    )

    assert [error_of(each) for each in ended] == [None] * 20
    assert len({each.cookies["igauth_session"] for each in ended}) == 1
    assert await crowd.fleet.calls("exchange") == 1
    assert len((await copies[0].get("/me/sessions")).json()["data"]) == 1


async def test_one_state_twenty_arrivals_and_a_rejected_code(crowd: Crowd) -> None:
    """One is told why; no other sends the code again (§3)."""
    await crowd.fleet.control("POST", "faults", {"preset": "code_expired"})
    first = await crowd.browser()
    callback = await first.approach("ada")
    copies = [await crowd.copy(first, number % 2) for number in range(20)]

    ended = await _at_once(
        copy.http.get(crowd.fleet.at(number % 2, callback)) for number, copy in enumerate(copies)
    )

    errors = [error_of(each) for each in ended]
    assert set(errors) <= {"code_rejected", "state_used"}
    assert "code_rejected" in errors
    assert await crowd.fleet.calls("exchange") == 1
    assert not [each for each in ended if "igauth_session" in each.cookies]


async def test_a_thief_beside_the_owner(crowd: Crowd) -> None:
    """Code and state without the cookie, at the same instant: nothing for the thief (§3, P-04)."""
    for number in range(ROUNDS):
        owner, thief = await crowd.browser(), await crowd.browser(1)
        callback = await owner.approach("ada")
        mine, theirs = await _at_once(
            [
                owner.http.get(crowd.fleet.at(number % 2, callback)),
                thief.http.get(crowd.fleet.at(1 - number % 2, callback)),
            ]
        )
        assert error_of(mine) is None
        assert error_of(theirs) == "state_mismatch"
        assert "igauth_session" not in theirs.cookies


async def test_login_beside_disconnect_beside_refresh(crowd: Crowd) -> None:
    """Whoever wins: no 5xx; a session that lives has its connection, and that its grant (S18)."""
    for number in range(ROUNDS):
        here = await crowd.logged_in("ada", number % 2)
        elsewhere = await crowd.browser(1)
        callback = crowd.fleet.at(1, await elsewhere.approach("ada"))

        await _at_once(
            [
                elsewhere.http.get(callback),
                here.send("DELETE", "/me"),
                here.accounts(refresh="true"),
                here.accounts(),
            ]
        )

        assert await here.user() is None
        await _assert_whole(crowd, elsewhere)


async def test_a_login_right_behind_a_disconnect(crowd: Crowd) -> None:
    """Nobody's `active` hides a grant that the old disconnect revoked, at any distance (S18)."""
    for number in range(ROUNDS):
        here = await crowd.logged_in("ada", number % 2)
        elsewhere = await crowd.browser(1)
        callback = crowd.fleet.at(1, await elsewhere.approach("ada"))

        async def leave(browser: Browser = here, wait: float = number * 0.01) -> httpx.Response:
            await asyncio.sleep(wait)
            return await browser.send("DELETE", "/me")

        await _at_once([leave(), elsewhere.http.get(callback)])

        await _assert_whole(crowd, elsewhere)


async def _assert_whole(crowd: Crowd, browser: Browser) -> None:
    """What a connection says is so once it is checked: a grant that a revocation took along with
    the old one is called `revoked`, or is gone."""
    found = await browser.get("/me/connections")
    if found.status_code == 401:
        return
    assert found.status_code == 200, found.text
    (connection,) = found.json()["data"]
    if connection["status"] != "active":
        return
    checked = await browser.send("POST", f"/me/connections/{connection['id']}/verify")
    assert checked.status_code == 200, checked.text
    has_grant = await crowd.fleet.grant_of("ada") is not None
    assert checked.json()["status"] == ("active" if has_grant else "revoked")


async def test_logout_beside_visits(crowd: Crowd) -> None:
    """A session that was ended is not revived by a visit that came at the same moment (§4)."""
    for number in range(ROUNDS):
        browser = await crowd.logged_in("ada", number % 2)
        other = await crowd.copy(browser, 1 - number % 2)
        thief = await crowd.copy(browser, number % 2)

        answers = await _at_once(
            [
                *(other.get("/me") for _ in range(5)),
                browser.send("POST", "/auth/logout"),
                *(other.get("/auth/session") for _ in range(5)),
            ]
        )

        assert answers[5].status_code == 204
        for copy in (other, thief):
            assert await copy.user() is None
            assert (await copy.get("/me")).status_code == 401


async def test_all_sessions_ended_beside_logins(crowd: Crowd) -> None:
    """`DELETE /me/sessions` beside logins of one's own: each ends alive or dead, none in a 5xx."""
    for number in range(ROUNDS):
        here = await crowd.logged_in("ada", number % 2)
        others = [await crowd.browser(each % 2) for each in range(4)]
        callbacks = [await each.approach("ada") for each in others]

        await _at_once(
            [
                here.send("DELETE", "/me/sessions"),
                *(
                    other.http.get(crowd.fleet.at(place % 2, callback))
                    for place, (other, callback) in enumerate(zip(others, callbacks, strict=True))
                ),
            ]
        )

        assert await here.user() is not None
        alive = len((await here.get("/me/sessions")).json()["data"])
        assert alive == 1 + sum([await other.user() is not None for other in others])


@pytest.mark.parametrize("kind", ["deauthorize", "data_deletion"])
async def test_metas_callback_beside_a_new_login(crowd: Crowd, kind: str) -> None:
    """Issued before the login began: whichever commits first, the new login's grant stays (S18)."""
    for number in range(ROUNDS):
        old = await crowd.logged_in("ada", number % 2)
        issued_at = int(time.time()) - 120 - number
        elsewhere = await crowd.browser(1)
        callback = crowd.fleet.at(1, await elsewhere.approach("ada"))
        wanted = {"kind": kind, "person": "ada", "issued_at": issued_at}

        told, ended = await asyncio.gather(
            crowd.fleet.control("POST", "signed-requests", wanted), elsewhere.http.get(callback)
        )

        assert told["status"] == 200
        assert error_of(ended) is None
        assert await elsewhere.user() is not None
        assert await old.user() is not None
        await _assert_whole(crowd, elsewhere)


@pytest.mark.parametrize("path", ["deauthorize", "data-deletion"])
async def test_metas_callback_of_an_older_grant_beside_a_new_login(stage: Stage, path: str) -> None:
    """Said minutes ago about the grant before: whichever commits first, the new login is whole.

    By a clock that can be moved, since only what is older than 60 s is meant to be ignored.
    """
    async with replica(stage) as other:
        for number in range(ROUNDS):
            old, elsewhere = stage.browser(), other.browser()
            await old.log_in("ada")
            stage.clock.advance(minutes=5)
            person = stage.sandbox.world.person("ada").id
            claims = claims_of(person, stage.clock().timestamp() - 120 - number)
            signed = sign(claims, stage.sandbox.config.app_secret)
            callback = await elsewhere.approach("ada")

            told, ended = await asyncio.gather(
                stage.browser().http.post(
                    f"{stage.settings.base_url}/auth/facebook/{path}",
                    data={"signed_request": signed},
                ),
                elsewhere.http.get(callback),
            )

            assert told.status_code == 200
            assert error_of(ended) is None
            assert await elsewhere.user() is not None
            assert (await elsewhere.connection())["status"] == "active"


async def test_one_signed_request_many_times_at_once(crowd: Crowd) -> None:
    """Delivered ten times at once over both replicas: one code, and it is carried out (S9, A15)."""
    browser = await crowd.logged_in("ada")
    wanted = {"kind": "data_deletion", "person": "ada", "issued_at": int(time.time()) + 1}

    told = await asyncio.gather(
        *(crowd.fleet.control("POST", "signed-requests", wanted) for _ in range(10))
    )

    assert {each["status"] for each in told} == {200}
    assert await browser.user() is None
    paths = {urlsplit(code).path for code in (_url_in(each["body"]) for each in told)}
    assert len(paths) == 1


def _url_in(body: str) -> str:
    url: str = httpx.Response(200, content=body).json()["url"]
    return url


async def test_two_devices_of_somebody_new(crowd: Crowd) -> None:
    """One person, one connection, two sessions; on two replicas at the same instant (F-26)."""
    for person in ("ben", "cleo", "gus", "oli"):
        devices = [await crowd.browser(0), await crowd.browser(1)]
        callbacks = [await device.approach(person) for device in devices]
        ended = await _at_once(
            device.http.get(crowd.fleet.at(place, callback))
            for place, (device, callback) in enumerate(zip(devices, callbacks, strict=True))
        )

        assert [error_of(each) for each in ended] == [None, None]
        people = {(await device.user() or {})["id"] for device in devices}
        assert len(people) == 1
        assert len((await devices[0].get("/me/sessions")).json()["data"]) == 2
        await devices[0].connection()


async def test_two_disconnects_at_once(crowd: Crowd) -> None:
    """One revokes, the other finds nothing: neither is a 5xx, and the grant is gone (§5)."""
    for number in range(ROUNDS):
        browser = await crowd.logged_in("ada", number % 2)
        other = await crowd.copy(browser, 1 - number % 2)

        answers = await _at_once([browser.send("DELETE", "/me"), other.send("DELETE", "/me")])

        assert {202, 204} & {each.status_code for each in answers}
        assert await browser.user() is await other.user() is None
        assert await crowd.fleet.grant_of("ada") is None


async def test_twenty_refreshes_are_one_walk(crowd: Crowd) -> None:
    """Both replicas, one person, at once: Facebook is asked for one listing (§6)."""
    browser = await crowd.logged_in("ada")
    other = await crowd.copy(browser, 1)
    before = await crowd.fleet.calls("debug_token")

    answers = await _at_once(each.accounts(refresh="true") for each in [browser, other] * 10)

    assert {each.status_code for each in answers} == {200}
    assert await crowd.fleet.calls("debug_token") - before <= 2
