"""Sessions: who is logged in, where, and for how long (contract §4)."""

import hashlib

import pytest

from tests.stage import KEY, OLDER_KEY, Browser, Stage, error_of, make_settings, open_stage, replica


async def _log_in(stage: Stage, person: str = "ada") -> Browser:
    browser = stage.browser()
    assert error_of(await browser.log_in(person)) is None
    return browser


async def _is_in(browser: Browser) -> bool:
    return (await browser.get("/me")).status_code == 200


async def _hashes(stage: Stage) -> list[str]:
    return [id_hash for (id_hash,) in await stage.sql("SELECT id_hash FROM sessions")]


async def test_a_planted_session_is_never_adopted(stage: Stage, browser: Browser) -> None:
    """Fixation: the id that was there before the login is not the id after it (R-26, R-27)."""
    planted = "A" * 43
    browser.http.cookies.set("igauth_session", planted, domain="localhost.local")

    await browser.log_in("ada")

    thief = stage.browser()
    assert (await thief.get("/me", cookie=f"igauth_session={planted}")).status_code == 401
    assert browser.cookie() != planted


async def test_a_login_ends_the_session_it_came_with(stage: Stage) -> None:
    """The old id is dead, the person has one session again (security R-26)."""
    browser, copy = await _log_in(stage), stage.browser()
    copy.take_jar_of(browser)

    await browser.log_in("ada")

    assert not await _is_in(copy)
    assert await stage.count("sessions") == 1


async def test_switching_people_ends_the_first(stage: Stage) -> None:
    """Another Facebook person in the same browser: no merge, no leftover (security F-27)."""
    browser, copy = await _log_in(stage, "ada"), stage.browser()
    copy.take_jar_of(browser)

    await browser.log_in("ben")

    assert not await _is_in(copy)
    assert (await browser.user() or {})["name"] == "Ben Bare"
    assert await stage.count("people") == 2


@pytest.mark.parametrize("value", ["x", "", "A" * 43, "A" * 5_000, "%00", "ü", "a b", '"q"'])
async def test_an_unknown_id_is_nobody(stage: Stage, value: str) -> None:
    """401, never a 500, and no row is made."""
    cookie = f"igauth_session={value}".encode("latin-1")

    answer = await stage.browser().http.get(
        f"{stage.settings.base_url}/me", headers=[(b"cookie", cookie)]
    )

    assert answer.status_code == 401
    assert answer.json()["code"] == "not_authenticated"
    assert await stage.count("sessions") == 0


async def test_logout_kills_the_copy_on_every_replica(stage: Stage) -> None:
    """A stolen cookie is dead at once, elsewhere too (security R-31, P-28)."""
    browser = await _log_in(stage)
    async with replica(stage) as other:
        thief = other.browser()
        thief.take_jar_of(browser)
        assert await _is_in(thief)

        answer = await browser.send("POST", "/auth/logout")

        assert answer.status_code == 204
        assert browser.cookie() is None
        assert not await _is_in(thief)


async def test_logout_twice_is_logout(stage: Stage) -> None:
    """Idempotent, without a session too."""
    browser = await _log_in(stage)
    for _ in range(2):
        assert (await browser.send("POST", "/auth/logout")).status_code == 204
    assert (await stage.browser().send("POST", "/auth/logout")).status_code == 204


async def test_nothing_of_the_id_is_stored(stage: Stage) -> None:
    """Neither the id nor its plain hash is in the database (security R-25)."""
    browser = await _log_in(stage)
    session = browser.cookie() or ""

    assert len(session) == 43
    (stored,) = await _hashes(stage)
    assert stored not in (session, hashlib.sha256(session.encode()).hexdigest())


async def test_a_session_idles_out(stage: Stage) -> None:
    """SESSION_IDLE_DAYS without a visit end it; a visit keeps it."""
    idle = stage.settings.session_idle_days
    browser = await _log_in(stage)
    for _ in range(2):
        stage.clock.advance(days=idle - 1)
        assert await _is_in(browser)

    stage.clock.advance(days=idle, seconds=1)

    assert not await _is_in(browser)
    assert (await browser.get("/auth/session")).json()["authenticated"] is False


async def test_a_session_ends_in_any_case(stage: Stage) -> None:
    """SESSION_MAX_DAYS, however busy it is."""
    browser = await _log_in(stage)
    for _ in range(stage.settings.session_max_days // 10 - 1):
        stage.clock.advance(days=10)
        assert await _is_in(browser)

    stage.clock.advance(days=10)

    assert not await _is_in(browser)


async def test_twenty_browsers_and_no_more(stage: Stage) -> None:
    """The twenty-first login ends this person's oldest session, nobody else's (R-34)."""
    ben = await _log_in(stage, "ben")
    browsers = []
    for _ in range(21):
        browsers.append(await _log_in(stage))
        stage.clock.advance(seconds=1)

    assert await stage.count("sessions") == 21
    assert await _is_in(ben)
    assert not await _is_in(browsers[0])
    assert await _is_in(browsers[1])
    assert await _is_in(browsers[20])


async def test_the_list_of_sessions(stage: Stage) -> None:
    """Each browser that is logged in, and which one this is."""
    one = stage.browser()
    one.http.headers["user-agent"] = "Invented/1.0"
    await one.log_in("ada")
    stage.clock.advance(minutes=1)
    await _log_in(stage)

    body = (await one.get("/me/sessions")).json()

    assert body.keys() == {"data", "meta"}
    assert len(body["data"]) == 2
    (current,) = [session for session in body["data"] if session["current"]]
    assert current["user_agent"] == "Invented/1.0"
    assert current["created_at"] == "2026-11-23T12:00:00Z"
    assert current.keys() == {"id", "created_at", "last_seen_at", "user_agent", "current"}


async def test_ending_another_browsers_session(stage: Stage) -> None:
    """By its public id: 204, dead; again: 404 (security R-33)."""
    one = await _log_in(stage)
    other = await _log_in(stage)
    (other_id,) = [
        session["id"]
        for session in (await one.get("/me/sessions")).json()["data"]
        if not session["current"]
    ]

    assert (await one.send("DELETE", f"/me/sessions/{other_id}")).status_code == 204
    assert not await _is_in(other)
    again = await one.send("DELETE", f"/me/sessions/{other_id}")
    assert (again.status_code, again.json()["code"]) == (404, "not_found")


async def test_nobody_ends_a_strangers_session(stage: Stage) -> None:
    """404 for an id that isn't one's own; the stranger stays logged in (security R-44)."""
    ada, ben = await _log_in(stage, "ada"), await _log_in(stage, "ben")
    (bens,) = (await ben.get("/me/sessions")).json()["data"]

    answer = await ada.send("DELETE", f"/me/sessions/{bens['id']}")

    assert answer.status_code == 404
    assert await _is_in(ben)


async def test_ending_all_others(stage: Stage) -> None:
    """This browser stays, all other ones of this person go, other people's stay."""
    here, there, ben = await _log_in(stage), await _log_in(stage), await _log_in(stage, "ben")

    assert (await here.send("DELETE", "/me/sessions")).status_code == 204

    assert [await _is_in(each) for each in (here, there, ben)] == [True, False, True]


async def test_ending_ones_own_session(stage: Stage) -> None:
    """The current session by its id: logged out here."""
    browser = await _log_in(stage)
    (own,) = (await browser.get("/me/sessions")).json()["data"]

    assert (await browser.send("DELETE", f"/me/sessions/{own['id']}")).status_code == 204
    assert not await _is_in(browser)


async def test_a_new_first_key_keeps_everybody_in(database_url: str) -> None:
    """A session is re-hashed under the newest key when next seen; then the old one may go."""
    async with open_stage(make_settings(database_url, keys=(OLDER_KEY,))) as before:
        browser = await _log_in(before)
        old = await _hashes(before)
        async with replica(before, keys=(KEY, OLDER_KEY)) as after:
            visitor = after.browser()
            visitor.take_jar_of(browser)

            assert await _is_in(visitor)
            assert await _hashes(after) != old
            assert await _is_in(visitor)
            assert await after.count("sessions") == 1


async def test_both_orders_of_the_ring_understand_each_other(database_url: str) -> None:
    """While replicas restart one by one, a session works on each of them."""
    async with (
        open_stage(make_settings(database_url, keys=(OLDER_KEY, KEY))) as old,
        replica(old, keys=(KEY, OLDER_KEY)) as new,
    ):
        browser = await _log_in(old)
        visitor = new.browser()
        visitor.take_jar_of(browser)
        for each in (visitor, browser, visitor):
            assert await _is_in(each)
        assert (await browser.send("POST", "/auth/logout")).status_code == 204
        assert not await _is_in(visitor)


@pytest.mark.parametrize("keys", [(KEY, OLDER_KEY), (OLDER_KEY, KEY)])
async def test_an_attempt_survives_a_rotation(database_url: str, keys: tuple[object, ...]) -> None:
    """Begun under one key, ended under a ring that leads with another: PKCE still fits."""
    async with open_stage(make_settings(database_url, keys=(OLDER_KEY,))) as before:
        browser = before.browser()
        callback = await browser.approach("ada")
        async with replica(before, keys=keys) as after:
            visitor = after.browser()
            visitor.take_jar_of(browser)

            assert error_of(await visitor.http.get(callback)) is None
            assert await _is_in(visitor)


async def test_one_callback_across_a_rotation_is_one_session(database_url: str) -> None:
    """The same attempt on replicas with different first keys: one session, one exchange."""
    async with (
        open_stage(make_settings(database_url, keys=(OLDER_KEY, KEY))) as old,
        replica(old, keys=(KEY, OLDER_KEY)) as new,
    ):
        browser, again = old.browser(), new.browser()
        callback = await browser.approach("ada")
        again.take_jar_of(browser)

        assert error_of(await browser.http.get(callback)) is None
        assert error_of(await again.http.get(callback)) is None
        assert browser.cookie() == again.cookie()
        assert old.calls.count("exchange") == 1


async def test_an_attempt_under_a_key_that_is_gone(database_url: str) -> None:
    """`state_mismatch`, not a 500."""
    async with open_stage(make_settings(database_url, keys=(OLDER_KEY,))) as before:
        browser = before.browser()
        callback = await browser.approach("ada")
        async with replica(before, keys=(KEY,)) as after:
            visitor = after.browser()
            visitor.take_jar_of(browser)

            assert error_of(await visitor.http.get(callback)) == "state_mismatch"
