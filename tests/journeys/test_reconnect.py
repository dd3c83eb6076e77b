"""Reconnecting: the login must end as the same Facebook person (contract §3)."""

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.stage import BASE_URL, FRONTEND, Browser, Stage, error_of, query_of


async def _token_of(stage: Stage) -> list[tuple[str, str]]:
    """Every connection's id and sealed token."""
    rows = await stage.sql("SELECT id, sealed_token FROM connections ORDER BY id")
    return [(row[0], row[1]) for row in rows]


async def test_the_same_person_reconnects(stage: Stage, browser: Browser) -> None:
    """By the connection's own `reconnect_url`, with nobody else's help."""
    await browser.log_in("ada")
    connection = await browser.connection()
    link = urlsplit(connection["reconnect_url"])
    assert f"{link.scheme}://{link.netloc}{link.path}" == f"{BASE_URL}/auth/facebook"
    assert parse_qs(link.query)["reconnect"] == [connection["id"]]
    before = await _token_of(stage)

    ended = await browser.log_in("ada", reconnect=connection["id"])

    assert error_of(ended) is None
    assert (await browser.connection())["id"] == connection["id"]
    assert await _token_of(stage) != before


async def test_another_person_overwrites_nothing(stage: Stage, browser: Browser) -> None:
    """`account_switched`: Ada's grant, Ben's absence and the session stay as they were."""
    await browser.log_in("ada")
    connection, before = await browser.connection(), await _token_of(stage)
    session = browser.cookie()

    ended = await browser.log_in("ben", reconnect=connection["id"], return_to="/back")

    assert error_of(ended) == "account_switched"
    assert ended.headers["location"].startswith(f"{FRONTEND}/back?error=")
    assert await _token_of(stage) == before
    assert await stage.count("people") == 1
    assert browser.cookie() == session
    assert (await browser.user() or {})["name"] == "Ada Invented"


async def test_a_known_other_person_is_not_touched_either(stage: Stage) -> None:
    """Ben is known already: his token and his last login stay, too."""
    ada, ben = stage.browser(), stage.browser()
    await ada.log_in("ada")
    await ben.log_in("ben")
    connection, before = await ada.connection(), await _token_of(stage)
    last_login = (await ben.user() or {})["last_login_at"]
    stage.clock.advance(minutes=1)

    ended = await ada.log_in("ben", reconnect=connection["id"])

    assert error_of(ended) == "account_switched"
    assert await _token_of(stage) == before
    assert (await ben.user() or {})["last_login_at"] == last_login
    assert await stage.count("sessions") == 2


@pytest.mark.parametrize("unknown", ["x", "00000000-0000-0000-0000-000000000000", "'--", "1" * 64])
async def test_an_unknown_id(stage: Stage, browser: Browser, unknown: str) -> None:
    """Looked up at the callback only: `account_switched`, nothing is made."""
    assert (await browser.start(reconnect=unknown)).status_code == 302

    assert error_of(await browser.log_in("ada", reconnect=unknown)) == "account_switched"
    assert await stage.count("people") == 0


async def test_a_foreign_id_says_no_more_than_an_unknown_one(stage: Stage) -> None:
    """Somebody else's connection can't be told from none."""
    ada, ben = stage.browser(), stage.browser()
    await ada.log_in("ada")
    foreign = (await ada.connection())["id"]

    ended = [query_of(await ben.log_in("ben", reconnect=each)) for each in (foreign, "unknown")]

    for query in ended:
        del query["request_id"]
    assert ended[0] == ended[1]
    assert ended[0]["error"] == ["account_switched"]


async def test_a_person_without_a_session_can_reconnect(stage: Stage) -> None:
    """The id is enough of a wish: whose login it is, Facebook says."""
    browser, elsewhere = stage.browser(), stage.browser()
    await browser.log_in("ada")
    connection = await browser.connection()

    assert error_of(await elsewhere.log_in("ada", reconnect=connection["id"])) is None


async def test_a_dead_connection_is_revived_under_its_id(stage: Stage, browser: Browser) -> None:
    """App removed, then logged in again: same person, same connection, active."""
    await browser.log_in("ada")
    connection = await browser.connection()
    stage.sandbox.state.remove_app(stage.sandbox.world.person("ada"))
    await browser.send("POST", f"/me/connections/{connection['id']}/verify")
    assert (await browser.connection())["status"] == "revoked"

    assert error_of(await browser.log_in("ada", reconnect=connection["id"])) is None

    revived = await browser.connection()
    assert revived["id"] == connection["id"]
    assert revived["status"] == "active"
    assert (await browser.accounts()).json()["meta"]["stale"] is False


async def test_what_was_lost_and_added_is_told(stage: Stage, browser: Browser) -> None:
    """`last_consent` in Instagram ids: the first all added, the next by comparison."""
    await browser.log_in("ada")
    first = (await browser.connection())["last_consent"]
    world = stage.sandbox.world.person("ada")
    kept = sorted(world.accounts)[0]

    await browser.log_in("ada", prompt="select", form={"instagram_accounts": kept, "asked": "1"})

    second = (await browser.connection())["last_consent"]
    assert (first["kept"], first["lost"]) == ([], [])
    assert len(first["added"]) == 3
    assert set(second["kept"]) | set(second["lost"]) == set(first["added"])
