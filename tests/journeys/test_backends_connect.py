"""A backend connects one of its users by a link (contract §11), and what attackers get of it."""

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx import AsyncClient, Response

from igauth.domain import Provider, ServiceScope
from igauth.upkeep.rotation import KeyRotation
from tests.stage import (
    BASE_URL,
    FACEBOOK,
    FRONTEND,
    KEY,
    OLDER_KEY,
    Browser,
    FakeClock,
    Stage,
    make_sandbox,
    make_settings,
    open_stage,
    query_of,
    replica,
)

BACK = f"{FRONTEND}/connected"
SESSIONS = "/v1/connect-sessions"
CRITICAL_PATH = ("exchange", "upgrade", "debug_token", "me")


async def begin(backend: AsyncClient, external_id: str = "u1", **more: Any) -> dict[str, Any]:
    """A new connect session."""
    asked = {"external_id": external_id, "return_to": BACK, **more}
    made = await backend.post(SESSIONS, json=asked)
    assert made.status_code == 201, made.text
    session: dict[str, Any] = made.json()
    return session


async def visit(browser: Browser, session: dict[str, Any]) -> Response:
    """A browser goes to the link."""
    return await browser.http.get(session["url"])


async def come_back(
    browser: Browser, session: dict[str, Any], person: str = "ada", **more: Any
) -> Response:
    """A person consents, and their browser comes to the callback; returns its answer."""
    dialog = await visit(browser, session)
    assert dialog.status_code == 302, dialog.text
    callback = await browser.consent(dialog.headers["location"], person, **more)
    return await browser.http.get(callback)


def brought(answer: Response) -> dict[str, str]:
    """The parameters that the browser brings to the operator's page."""
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith(f"{BACK}?"), answer.headers["location"]
    return {name: value for name, (value,) in query_of(answer).items()}


async def complete(
    backend: AsyncClient, session: dict[str, Any], code: str, external_id: str = "u1"
) -> Response:
    """The operator's server completes a session for the user of its own session."""
    asked = {"connect_code": code, "external_id": external_id}
    return await backend.post(f"{SESSIONS}/{session['id']}/complete", json=asked)


async def status(backend: AsyncClient, session: dict[str, Any]) -> tuple[str, str | None]:
    """Status and error of a session."""
    answer = (await backend.get(f"{SESSIONS}/{session['id']}")).json()
    return answer["status"], answer["error"]


def refusal(answer: Response) -> tuple[int, str]:
    """Status and code of a problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


@pytest.fixture
async def backend(stage: Stage) -> AsyncClient:
    """The operator's server, with a key that may do everything."""
    return await stage.backend()


async def test_a_user_connects(stage: Stage, backend: AsyncClient, browser: Browser) -> None:
    """Link, consent, code, completion: the accounts are there, and no session of ours is."""
    session = await begin(backend, state="of mine & yours")

    assert session["id"].startswith("cs_")
    assert session["url"].startswith(f"{BASE_URL}/connect/igcl_")
    assert session["status"] == "open"
    assert session["expires_at"] == "2026-11-23T12:15:00Z"
    assert set(session) == {"id", "url", "status", "expires_at"}
    returned = await come_back(browser, session)
    back = brought(returned)
    assert set(back) == {"connect_session", "connect_code", "state"}
    assert (back["connect_session"], back["state"]) == (session["id"], "of mine & yours")
    assert await status(backend, session) == ("returned", None)
    assert "exchange" not in stage.graph_calls

    done = await complete(backend, session, back["connect_code"])

    assert done.status_code == 200, done.text
    body = done.json()
    assert set(body) == {"external_id", "connection", "data", "meta"}
    assert body["external_id"] == "u1"
    assert body["connection"]["status"] == "active"
    assert body["connection"]["external_ids"] == ["u1"]
    assert [each["username"] for each in body["data"]] == [
        "ada.quiet",
        "invented.bakery",
        "invented_flowers",
    ]
    assert body["data"][0]["connection_ids"] == [body["connection"]["id"]]
    assert body["meta"]["complete"] is True
    assert await status(backend, session) == ("completed", None)
    assert (browser.cookie(), browser.attempt_cookies()) == (None, [])
    assert await stage.count("sessions") == 0


async def test_a_link_consumes_nothing(stage: Stage, backend: AsyncClient) -> None:
    """It opens the dialog for whoever comes, as often as they come, with a cookie of its own."""
    session = await begin(backend)
    for _ in range(3):
        browser = stage.browser()
        answer = await visit(browser, session)
        assert answer.status_code == 302
        assert answer.headers["location"].startswith(f"{FACEBOOK}/")
        assert len(browser.attempt_cookies()) == 1

    assert await status(backend, session) == ("open", None)


async def test_a_link_is_for_navigations_only(backend: AsyncClient, browser: Browser) -> None:
    """As a login is; HEAD is 405, so that a messenger's preview starts nothing."""
    session = await begin(backend)
    fetched = await browser.http.get(session["url"], headers={"sec-fetch-dest": "image"})

    assert refusal(fetched) == (403, "not_a_navigation")
    assert (await browser.http.head(session["url"])).status_code == 405


@pytest.mark.parametrize("path", ["igcl_" + "a" * 43, "igcl_", "x", "igcl_%00", "%F0%28"])
async def test_an_unknown_link_is_a_page(browser: Browser, path: str) -> None:
    """410, in words for a person."""
    answer = await browser.get(f"/connect/{path}", accept="text/html")

    assert answer.status_code == 410
    assert answer.headers["content-type"].startswith("text/html")
    assert refusal(await browser.get(f"/connect/{path}")) == (410, "connect_session_expired")


async def test_a_session_expires(stage: Stage, backend: AsyncClient, browser: Browser) -> None:
    """After fifteen minutes: its link is a page, and nothing completes it."""
    session = await begin(backend)
    dialog = await visit(browser, session)
    stage.clock.advance(minutes=15)

    assert await status(backend, session) == ("expired", None)
    assert (await visit(browser, session)).status_code == 410
    assert refusal(await complete(backend, session, "igcc_x")) == (410, "connect_session_expired")
    late = await browser.http.get(await browser.consent(dialog.headers["location"]))
    assert set(brought(late)) == {"error", "request_id"}
    assert brought(late)["error"] == "connect_session_expired"


async def test_a_code_lies_for_five_minutes(
    stage: Stage, backend: AsyncClient, browser: Browser
) -> None:
    """Then it is gone, from the database, too."""
    session = await begin(backend)
    code = brought(await come_back(browser, session))["connect_code"]
    stage.clock.advance(minutes=5)

    assert refusal(await complete(backend, session, code)) == (410, "connect_session_expired")
    assert await status(backend, session) == ("expired", None)
    pruning = next(each for each in stage.services.chores if each.name == "pruning")
    await pruning.do()
    assert await stage.sql("SELECT sealed_code, kid FROM parked_codes") == [(None, None)]
    assert "exchange" not in stage.graph_calls


async def test_a_forwarded_link_brings_nothing(
    stage: Stage, backend: AsyncClient, browser: Browser
) -> None:
    """Mallory's link, a victim's consent: the operator's server knows who came back. Nothing is
    exchanged, the code is destroyed, and the trail tells."""
    session = await begin(backend, "mallory")
    code = brought(await come_back(browser, session))["connect_code"]

    assert refusal(await complete(backend, session, code, "victim")) == (409, "wrong_user")
    assert await status(backend, session) == ("failed", "wrong_user")
    assert refusal(await complete(backend, session, code, "victim")) == (409, "wrong_user")
    assert refusal(await complete(backend, session, code, "mallory")) == (409, "wrong_user")
    assert (await visit(browser, session)).status_code == 410
    assert "exchange" not in stage.graph_calls
    assert await stage.sql("SELECT sealed_code FROM parked_codes") == [(None,)]
    assert await stage.count("people") == 0
    refused = "SELECT count(*) FROM audit_events WHERE event = 'connect_session.refused'"
    assert await stage.sql(refused) == [(1,)]


async def test_an_attackers_grant_is_attached_to_nobody(stage: Stage, backend: AsyncClient) -> None:
    """Mallory consents himself and lures a victim to the address that came of it."""
    session = await begin(backend, "mallory")
    lure = brought(await come_back(stage.browser(), session, "ben"))

    answer = await complete(backend, session, lure["connect_code"], "victim")
    assert refusal(answer) == (409, "wrong_user")
    listing = await backend.get("/v1/instagram-accounts", params={"external_id": "victim"})
    assert listing.json()["data"] == []


async def test_a_stolen_address_needs_the_operators_own_session(
    stage: Stage, backend: AsyncClient, browser: Browser
) -> None:
    """Who has the code alone is some other user at the operator's server."""
    session = await begin(backend, "owner")
    code = brought(await come_back(browser, session))["connect_code"]
    stranger = await stage.backend(key="")

    assert refusal(await complete(stranger, session, code, "owner")) == (401, "service_key_invalid")
    assert refusal(await complete(backend, session, code, "thief")) == (409, "wrong_user")


@pytest.mark.parametrize("wrong", ["igcc_wrong", "igcc_" + "a" * 43, "x", "ü"])
async def test_a_wrong_code_destroys_nothing(
    backend: AsyncClient, browser: Browser, wrong: str
) -> None:
    """Neither for the right user nor for another; the right one still counts."""
    session = await begin(backend)
    assert refusal(await complete(backend, session, wrong)) == (400, "connect_code_invalid")
    code = brought(await come_back(browser, session))["connect_code"]

    for user in ("u1", "u2"):
        answer = await complete(backend, session, wrong, user)
        assert refusal(answer) == (400, "connect_code_invalid")
    assert (await complete(backend, session, code)).status_code == 200


async def test_a_code_belongs_to_its_session(backend: AsyncClient, browser: Browser) -> None:
    """That of one session opens no other."""
    first, second = await begin(backend), await begin(backend)
    code = brought(await come_back(browser, first))["connect_code"]
    await come_back(browser, second)

    assert refusal(await complete(backend, second, code)) == (400, "connect_code_invalid")


async def test_the_same_again_gives_the_same(
    stage: Stage, backend: AsyncClient, browser: Browser
) -> None:
    """For ten minutes, without asking Meta; then it is over."""
    session = await begin(backend)
    code = brought(await come_back(browser, session))["connect_code"]
    first = await complete(backend, session, code)
    calls = len(stage.calls)
    stage.clock.advance(minutes=9, seconds=59)
    async with replica(stage) as other:
        again = await complete(await other.backend(), session, code)

    assert again.status_code == 200
    assert again.json()["connection"] == first.json()["connection"]
    assert again.json()["data"] == first.json()["data"]
    assert len(stage.calls) == calls
    assert refusal(await complete(backend, session, code, "u2")) == (409, "wrong_user")
    stage.clock.advance(seconds=2)
    assert refusal(await complete(backend, session, code)) == (410, "connect_session_expired")
    assert await status(backend, session) == ("completed", None)


async def test_two_replicas_complete_once(
    stage: Stage, backend: AsyncClient, browser: Browser
) -> None:
    """Side by side: one exchange, one connection, the same answer."""
    session = await begin(backend)
    code = brought(await come_back(browser, session))["connect_code"]
    async with replica(stage) as other:
        others = await other.backend()
        answers = await asyncio.gather(
            *(complete(each, session, code) for each in (backend, others, backend, others))
        )

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["connection"]["id"] for answer in answers}) == 1
    assert stage.graph_calls.count("exchange") == 1
    assert await stage.count("connections") == 1


async def test_a_crash_between_callback_and_completion_loses_nothing(
    database_url: str,
) -> None:
    """The code lies in the database: another process completes."""
    settings = make_settings(database_url)
    async with open_stage(settings) as first:
        session = await begin(await first.backend())
        code = brought(await come_back(first.browser(), session))["connect_code"]
        sandbox, clock = first.sandbox, first.clock
    async with open_stage(settings, sandbox=sandbox, clock=clock) as second:
        done = await complete(await second.backend(), session, code)

    assert done.status_code == 200, done.text


async def test_a_process_that_dies_while_exchanging_spends_the_code(
    stage: Stage, backend: AsyncClient, browser: Browser
) -> None:
    """A code is sent at most once: whoever comes after its lease has run out is told so."""
    session = await begin(backend)
    code = brought(await come_back(browser, session))["connect_code"]
    await stage.sql(
        "UPDATE parked_codes SET sealed_code = NULL, kid = NULL, lease_owner = 'dead', "
        "leased_until = parked_at"
    )

    for _ in range(2):
        assert refusal(await complete(backend, session, code)) == (400, "code_rejected")
    assert await status(backend, session) == ("failed", "code_rejected")
    assert "exchange" not in stage.graph_calls


async def test_a_second_tab_does_no_harm(stage: Stage, backend: AsyncClient) -> None:
    """Two consents by one link: each has a code of its own, one of them completes."""
    session = await begin(backend)
    browser, other = stage.browser(), stage.browser()
    first = brought(await come_back(browser, session))["connect_code"]
    second = brought(await come_back(other, session, "ben"))["connect_code"]

    assert first != second
    assert (await complete(backend, session, first)).status_code == 200
    assert refusal(await complete(backend, session, second)) == (400, "connect_code_invalid")
    assert stage.graph_calls.count("exchange") == 1


async def test_a_link_brings_back_five_codes_at_most(stage: Stage, backend: AsyncClient) -> None:
    """Whoever has a link can't fill the database by it."""
    session = await begin(backend)
    for _ in range(5):
        assert "connect_code" in brought(await come_back(stage.browser(), session))

    assert "error" in brought(await come_back(stage.browser(), session))
    assert await stage.count("parked_codes") == 5


async def test_the_same_callback_again_brings_the_same_code(
    stage: Stage, backend: AsyncClient, browser: Browser
) -> None:
    """A double click, before the cookie is cleared; without the cookie it is a stranger's."""
    session = await begin(backend)
    dialog = await visit(browser, session)
    callback = await browser.consent(dialog.headers["location"])
    twin = stage.browser()
    twin.take_jar_of(browser)
    answers = await asyncio.gather(*(each.http.get(callback) for each in (browser, twin)))

    assert brought(answers[0]) == brought(answers[1])
    assert await stage.count("parked_codes") == 1
    reloaded = await browser.http.get(callback)
    assert query_of(reloaded)["error"] == ["state_mismatch"]


async def test_a_callback_belongs_to_the_browser_that_opened_the_link(
    stage: Stage, backend: AsyncClient, browser: Browser
) -> None:
    """Another browser brings nothing to the operator's page."""
    session = await begin(backend)
    dialog = await visit(browser, session)
    callback = await browser.consent(dialog.headers["location"])
    answer = await stage.browser().http.get(callback)

    assert query_of(answer)["error"] == ["state_mismatch"]
    assert await status(backend, session) == ("open", None)


async def test_a_refusal_leaves_the_session_open(backend: AsyncClient, browser: Browser) -> None:
    """Anybody with the link could refuse; the same link may be used again."""
    session = await begin(backend, state="s")
    refused = await come_back(browser, session, decision="cancel")

    assert set(brought(refused)) == {"error", "request_id"}
    assert brought(refused)["error"] == "access_denied"
    assert await status(backend, session) == ("open", None)
    assert "connect_code" in brought(await come_back(browser, session))


async def test_an_existing_session_of_the_browser_stays(stage: Stage, backend: AsyncClient) -> None:
    """Somebody is logged in as Ben here and connects Ada: nobody is logged in or out by it."""
    browser = stage.browser()
    await browser.log_in("ben")
    before = browser.cookie()
    session = await begin(backend)
    code = brought(await come_back(browser, session, "ada"))["connect_code"]
    done = await complete(backend, session, code)

    assert done.json()["connection"]["name"] == "Ada Invented"
    assert browser.cookie() == before
    assert (await browser.user() or {})["name"].startswith("Ben")


async def test_through_facebook_it_is_the_facebook_person(
    stage: Stage, backend: AsyncClient, browser: Browser
) -> None:
    """Who logs in here later is the same person; who was known keeps id and connection."""
    await browser.log_in("ada")
    known = await browser.connection()
    session = await begin(backend)
    code = brought(await come_back(stage.browser(), session))["connect_code"]
    done = await complete(backend, session, code)

    assert done.json()["connection"]["id"] == known["id"]
    assert await stage.count("people") == 1


async def test_a_code_is_sealed_for_its_user(
    stage: Stage, backend: AsyncClient, browser: Browser
) -> None:
    """Who writes the database can't turn a victim's code to himself."""
    session = await begin(backend, "victim")
    code = brought(await come_back(browser, session))["connect_code"]
    await stage.sql("UPDATE connect_sessions SET external_id = 'mallory'")
    await stage.sql("UPDATE parked_codes SET external_id = 'mallory'")

    answer = await complete(backend, session, code, "mallory")
    assert refusal(answer) == (400, "code_rejected")
    assert "exchange" not in stage.graph_calls


async def test_neither_link_nor_code_lies_in_the_database(
    stage: Stage, backend: AsyncClient, browser: Browser
) -> None:
    """Hashed, and sealed."""
    session = await begin(backend)
    dialog = await visit(browser, session)
    callback = await browser.consent(dialog.headers["location"])
    (metas_code,) = parse_qs(urlsplit(callback).query)["code"]
    code = brought(await browser.http.get(callback))["connect_code"]
    kept = str(await stage.sql("SELECT * FROM connect_sessions"))
    kept += str(await stage.sql("SELECT * FROM parked_codes"))

    for secret in (session["url"].rpartition("/")[2], code, metas_code):
        assert secret not in kept


@pytest.mark.parametrize(
    ("return_to", "allowed"),
    [
        (f"{FRONTEND}/anything?x=1#there", True),
        (FRONTEND, True),
        (f"{BASE_URL}/", False),
        ("https://evil.test/connected", False),
        ("/connected", False),
        ("", False),
        (f"{FRONTEND}.evil.test/", False),
        ("http://localhost:5173@evil.test/", False),
        (f"{BACK}?connect_code=x", False),
        (f"{BACK}?connect%5Fsession=x", False),
        (f"{BACK}?state=", False),
        (f"{BACK}?a=1&error=x", False),
        (f"{BACK}?request_id=x", False),
        (f"{BACK}?error_description=x", True),
        (f"{BACK}/{'a' * 1_500}", False),
    ],
)
async def test_where_a_session_may_return_to(
    backend: AsyncClient, return_to: str, allowed: bool
) -> None:
    """Any path of the front ends, where no addresses are set."""
    answer = await backend.post(SESSIONS, json={"external_id": "u", "return_to": return_to})

    if allowed:
        assert answer.status_code == 201, answer.text
    else:
        assert refusal(answer) == (400, "return_to_not_allowed")


@pytest.mark.parametrize(
    ("return_to", "allowed"),
    [
        ("https://app.test/done", True),
        ("https://app.test/done?x=1", True),
        ("https://app.test:443/done", True),
        ("https://app.test/done/", False),
        ("https://app.test/done/../evil", False),
        ("https://app.test/", False),
        ("http://app.test/done", False),
        (BACK, False),
    ],
)
async def test_set_addresses_are_exact(database_url: str, return_to: str, allowed: bool) -> None:
    """Origin and path of `CONNECT_RETURN_URLS`, compared without the query."""
    settings = make_settings(database_url, connect_return_urls="https://app.test/done")
    async with open_stage(settings) as stage:
        asked = {"external_id": "u", "return_to": return_to}
        answer = await (await stage.backend()).post(SESSIONS, json=asked)

    assert answer.status_code == (201 if allowed else 400), answer.text


async def test_the_address_is_checked_again_at_use(
    stage: Stage, backend: AsyncClient, browser: Browser
) -> None:
    """One that was taken off the settings meanwhile gets no code."""
    session = await begin(backend)
    dialog = await visit(browser, session)
    callback = await browser.consent(dialog.headers["location"])
    async with replica(stage, connect_return_urls=("https://app.test/done",)) as other:
        again = other.browser()
        again.take_jar_of(browser)
        answer = await again.http.get(callback)

    assert answer.headers["location"].startswith(f"{FRONTEND}/?error=return_to_not_allowed")
    assert "connect_code" not in answer.headers["location"]


@pytest.mark.parametrize(
    "change",
    [
        {"external_id": ""},
        {"external_id": "a" * 256},
        {"external_id": "a\nb"},
        {"external_id": "a\x00b"},
        {"external_id": "a\x85b"},
        {"external_id": 7},
        {"external_id": None},
        {"provider": "myspace"},
        {"provider": "instagram"},
        {"prompt": "always"},
        {"state": "a\r\nb"},
        {"state": ""},
        {"return_to": None},
        {"unknown": 1},
    ],
)
async def test_a_bad_request_is_422(backend: AsyncClient, change: dict[str, Any]) -> None:
    """Each part by itself; a closed door, too."""
    answer = await backend.post(SESSIONS, json={"external_id": "u", "return_to": BACK} | change)

    assert refusal(answer) == (422, "invalid_request")


async def test_ids_of_any_language_are_kept_byte_for_byte(
    backend: AsyncClient, browser: Browser
) -> None:
    """Neither case nor accents are folded, and blanks are kept."""
    session = await begin(backend, " É ")
    code = brought(await come_back(browser, session))["connect_code"]
    assert (await complete(backend, session, code, " É ")).status_code == 200

    for external_id, count in ((" É ", 3), (" é ", 0), ("É", 0), (" E\u0301 ", 0)):
        params = {"external_id": external_id}
        listing = (await backend.get("/v1/instagram-accounts", params=params)).json()
        assert len(listing["data"]) == count, external_id


async def test_five_sessions_of_a_user_are_open_at_most(stage: Stage, backend: AsyncClient) -> None:
    """The oldest ends; another user's are not counted."""
    others = await begin(backend, "u2")
    made = []
    for _ in range(6):
        stage.clock.advance(seconds=1)
        made.append(await begin(backend))

    assert [(await status(backend, each))[0] for each in made] == ["expired", *["open"] * 5]
    assert await status(backend, others) == ("open", None)


async def test_a_session_reconnects_a_connection_of_that_user(
    stage: Stage, backend: AsyncClient, browser: Browser
) -> None:
    """Another user's is 404 from the start; another Facebook person is `account_switched`."""
    session = await begin(backend)
    code = brought(await come_back(browser, session))["connect_code"]
    connection = (await complete(backend, session, code)).json()["connection"]["id"]

    for user, wanted in (("u2", connection), ("u1", "nothing"), ("u1", session["id"])):
        asked = {"external_id": user, "return_to": BACK, "reconnect": wanted}
        assert refusal(await backend.post(SESSIONS, json=asked)) == (404, "not_found")
    again = await begin(backend, reconnect=connection)
    code = brought(await come_back(stage.browser(), again))["connect_code"]
    assert (await complete(backend, again, code)).json()["connection"]["id"] == connection
    switched = await begin(backend, reconnect=connection)
    code = brought(await come_back(stage.browser(), switched, "ben"))["connect_code"]
    for _ in range(2):
        assert refusal(await complete(backend, switched, code)) == (409, "account_switched")
    assert await status(backend, switched) == ("failed", "account_switched")


async def test_what_meta_refuses_is_told_as_a_problem(
    stage: Stage, backend: AsyncClient, browser: Browser
) -> None:
    """The code is spent, the session has failed, and says why."""
    session = await begin(backend)
    code = brought(await come_back(browser, session))["connect_code"]
    stage.sandbox.faults.preset("code_used", endpoint="exchange", times=1)

    assert refusal(await complete(backend, session, code)) == (400, "code_rejected")
    assert await status(backend, session) == ("failed", "code_rejected")


async def test_a_session_is_found_by_its_id_alone(backend: AsyncClient) -> None:
    """Unknown ones are 404, whatever they look like."""
    for unknown in ("cs_" + "a" * 43, "cs_x", "x", "%00"):
        assert refusal(await backend.get(f"{SESSIONS}/{unknown}")) == (404, "not_found")
        answer = await complete(backend, {"id": unknown}, "igcc_x")
        assert refusal(answer) == (404, "not_found")


async def test_a_database_that_is_down_loses_nothing(
    stage: Stage, backend: AsyncClient, browser: Browser
) -> None:
    """Neither at the callback nor at the completion; both can be repeated."""
    session = await begin(backend)
    dialog = await visit(browser, session)
    callback = await browser.consent(dialog.headers["location"])
    async with stage.database_down():
        down = await browser.http.get(callback)
    assert brought(down)["error"] == "database_unavailable"
    code = brought(await browser.http.get(callback))["connect_code"]

    assert (await complete(backend, session, code)).status_code == 200


async def test_another_scope_does_not_connect(stage: Stage) -> None:
    """None implies another."""
    others = [scope for scope in ServiceScope if scope is not ServiceScope.CONNECT]
    backend = await stage.backend(*others)
    answer = await backend.post(SESSIONS, json={"external_id": "u", "return_to": BACK})

    assert refusal(answer) == (403, "scope_missing")
    assert "connect" in answer.json()["detail"]


async def test_a_completion_takes_two_round_trips(database_url: str) -> None:
    """As a login: the exchange, then everything else side by side; nothing at the callback."""
    settings, clock = make_settings(database_url), FakeClock()

    async def until_all_are_here(_seconds: float) -> None:
        """Nobody of the second round is answered before all of it has arrived."""
        while sandbox.calls.of("upgrade", "debug_token", "me", "accounts"):
            if all(sandbox.calls.of(endpoint) for endpoint in CRITICAL_PATH):
                return
            await asyncio.sleep(0)

    sandbox = make_sandbox(settings, clock, sleep=until_all_are_here)
    sandbox.state.latency_seconds = 1.0
    async with open_stage(settings, sandbox=sandbox, clock=clock) as stage:
        backend = await stage.backend()
        session = await begin(backend)
        code = brought(await come_back(stage.browser(), session))["connect_code"]
        assert sandbox.calls.of(*CRITICAL_PATH) == []
        assert (await complete(backend, session, code)).status_code == 200

    needed = [call for call in sandbox.calls.top() if call.endpoint in CRITICAL_PATH]
    exchange, *second = sorted(needed, key=lambda call: call.began)
    assert exchange.endpoint == "exchange"
    assert {"upgrade", "debug_token", "me"} == {call.endpoint for call in second}
    assert min(call.began for call in second) > (exchange.ended or 0)
    assert max(call.began for call in second) < min(call.ended or 0 for call in second)


async def test_a_ring_can_rotate_under_a_parked_code(
    database_url: str,
) -> None:
    """Re-sealed under the newest key, the code is completed without the old one."""
    settings = make_settings(database_url, keys=(OLDER_KEY,))
    async with open_stage(settings) as first:
        session = await begin(await first.backend())
        code = brought(await come_back(first.browser(), session))["connect_code"]
        sandbox, clock = first.sandbox, first.clock
    both = make_settings(database_url, keys=(KEY, OLDER_KEY))
    async with open_stage(both, sandbox=sandbox, clock=clock) as second:
        backend = await second.backend()
        services = second.services
        rotation = KeyRotation(
            services.ring, services.database, clock, {Provider.FACEBOOK: sandbox.config.app_id}
        )
        assert (await rotation.rotate()).resealed == 1
        assert (await complete(backend, session, code)).status_code == 200
