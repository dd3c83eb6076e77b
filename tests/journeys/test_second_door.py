"""The second door, Instagram Login: who is logged in, and what refuses (contract §10)."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.stage import INSTAGRAM, Browser, Stage, error_of, query_of, replica


@pytest.fixture
def stage(two_doors: Stage) -> Stage:
    """Both doors are open here."""
    return two_doors


async def connections_of(browser: Browser) -> list[dict[str, Any]]:
    """Everything that the person granted."""
    data: list[dict[str, Any]] = (await browser.get("/me/connections")).json()["data"]
    return data


async def subjects(browser: Browser) -> list[tuple[str, str]]:
    """Door and account of each connection."""
    return [(each["provider"], each["provider_user_id"]) for each in await connections_of(browser)]


async def who(browser: Browser) -> str | None:
    """The id of the person who is logged in."""
    user = await browser.user()
    return None if user is None else str(user["id"])


# --- the redirect ---


async def test_the_way_to_instagram(stage: Stage, browser: Browser) -> None:
    """302 with exactly these parameters: no PKCE, no proof."""
    started = await browser.start(door="instagram")
    address = urlsplit(started.headers["location"])

    assert started.status_code == 302
    assert started.headers["location"].startswith(f"{INSTAGRAM}/oauth/authorize?")
    query = parse_qs(address.query)
    assert query.pop("state")
    assert query == {
        "client_id": [stage.sandbox.config.instagram_app_id],
        "redirect_uri": ["http://localhost:8000/auth/instagram/callback"],
        "response_type": ["code"],
        "scope": ["instagram_business_basic,instagram_business_content_publish"],
    }
    assert len(browser.attempt_cookies()) == 1


async def test_select_asks_for_credentials_anew(browser: Browser) -> None:
    """`prompt=select` is `force_reauth=true` there; `reauthorize` is Facebook's alone."""
    select = await browser.start(door="instagram", prompt="select")
    renew = await browser.start(door="instagram", prompt="reauthorize")

    assert query_of(select)["force_reauth"] == ["true"]
    assert (renew.status_code, renew.json()["code"]) == (422, "invalid_request")


async def test_two_round_trips_without_a_proof(stage: Stage, browser: Browser) -> None:
    """The exchange; then upgrade beside `/me`. Secrets in URLs only where there is no other way."""
    stage.sandbox.state.latency_seconds = 0.01
    await browser.connect("bakery")
    calls = stage.sandbox.calls.top()

    assert [call.endpoint for call in calls[:1]] == ["instagram_exchange"]
    assert {call.endpoint for call in calls[1:]} == {"instagram_upgrade", "instagram_me"}
    assert stage.sandbox.calls.round_trips() == 2
    in_urls = {call.endpoint: set(call.secrets_in_query) for call in calls}
    assert in_urls == {
        "instagram_exchange": set(),
        "instagram_upgrade": {"access_token", "client_secret"},
        "instagram_me": set(),
    }


# --- who is logged in ---


@pytest.mark.parametrize("account", ["bakery", "flowers", "ceramics", "studio", "market"])
async def test_signed_out_it_is_the_accounts_own_person(stage: Stage, account: str) -> None:
    """Made at the first login, met again at the next, whatever the shape of the answers."""
    first, second = stage.browser(), stage.browser()
    assert error_of(await first.connect(account)) is None
    assert error_of(await second.connect(account)) is None

    assert await who(first) == await who(second)
    known = stage.sandbox.instagram.accounts[account]
    (connection,) = await connections_of(first)
    assert connection["provider_user_id"] == known.user_id
    assert connection["declined_scopes"] == []
    assert connection["manage_url"] == "https://www.instagram.com/accounts/manage_access/"
    assert (await stage.count("people"), await stage.count("connections")) == (1, 1)


async def test_without_user_id_the_account_goes_by_its_id(stage: Stage, browser: Browser) -> None:
    """Listed under `id` as Instagram gave it, which is its `provider_user_id` too."""
    await browser.connect("nameless")
    (account,) = (await browser.accounts()).json()["data"]

    own = stage.sandbox.instagram.accounts["nameless"].id
    assert account["id"] == own
    assert (await browser.connection())["provider_user_id"] == own


async def test_a_facebook_person_never_signs_in_through_this_door(stage: Stage) -> None:
    """Both reach the same account; they are two people here, each with a token."""
    facebook, instagram = stage.browser(), stage.browser()
    await facebook.log_in("ada")
    await instagram.connect("bakery")

    assert await who(facebook) != await who(instagram)
    assert await stage.count("people") == 2


async def test_signed_in_it_is_added_and_the_session_stays(stage: Stage, browser: Browser) -> None:
    """The account becomes a connection of the person; no cookie is set, nothing revoked."""
    await browser.log_in("ada")
    person, session = await who(browser), browser.cookie()
    answer = await browser.connect("studio", return_to="/added?x=1")

    assert answer.headers["location"] == "http://localhost:5173/added?x=1"
    assert not [each for each in answer.headers.get_list("set-cookie") if "igauth_session" in each]
    assert (await who(browser), browser.cookie()) == (person, session)
    assert [door for door, _ in await subjects(browser)] == ["facebook", "instagram"]
    assert await stage.count("sessions") == 1


async def test_what_was_added_does_not_sign_in(stage: Stage, browser: Browser) -> None:
    """Only the account that a person was first made with does."""
    await browser.connect("bakery")
    await browser.connect("studio")
    other = stage.browser()
    await other.connect("studio")
    own = stage.browser()
    await own.connect("bakery")

    assert await who(other) not in (None, await who(browser))
    assert await who(own) == await who(browser)


async def test_one_account_of_several_people(stage: Stage) -> None:
    """Each with its own token."""
    browsers = [stage.browser() for _ in range(2)]
    for browser, person in zip(browsers, ("ada", "cleo"), strict=True):
        await browser.log_in(person)
        await browser.connect("studio")
    rows = await stage.sql("SELECT sealed_token FROM connections WHERE provider = 'instagram'")

    assert len({sealed for (sealed,) in rows}) == 2
    for browser in browsers:
        assert len(await connections_of(browser)) == 2


async def test_added_again_is_the_same_connection(browser: Browser) -> None:
    """A second consent renews what is there."""
    await browser.log_in("ada")
    await browser.connect("studio")
    before = await connections_of(browser)
    await browser.connect("studio")

    assert [each["id"] for each in await connections_of(browser)] == [each["id"] for each in before]


async def test_an_attempt_of_another_session_adds_nothing(stage: Stage, browser: Browser) -> None:
    """Begun under one session, ended under another: an ordinary login as the account's person."""
    await browser.log_in("ada")
    ada = await who(browser)
    callback = await browser.approach("studio", door="instagram")
    await browser.log_in("cleo")
    cleo = await who(browser)
    answer = await browser.http.get(callback)

    assert error_of(answer) is None
    assert await who(browser) not in (ada, cleo, None)
    assert await subjects(browser) == [("instagram", "17841490000000004")]


@pytest.mark.parametrize("ended", ["logged out", "elsewhere"])
async def test_an_attempt_whose_session_is_gone_adds_nothing(
    stage: Stage, browser: Browser, ended: str
) -> None:
    """The session must still live at the callback."""
    await browser.log_in("ada")
    callback = await browser.approach("studio", door="instagram")
    if ended == "logged out":
        await browser.send("POST", "/auth/logout")
    else:
        await stage.sql("DELETE FROM sessions")
    await browser.http.get(callback)

    assert await subjects(browser) == [("instagram", "17841490000000004")]


async def test_signed_out_at_the_start_signed_in_at_the_end(browser: Browser) -> None:
    """The attempt didn't begin under that session, so nothing is added to its person."""
    callback = await browser.approach("studio", door="instagram")
    await browser.log_in("ada")
    await browser.http.get(callback)

    assert await subjects(browser) == [("instagram", "17841490000000004")]


async def test_adding_twice_at_once_adds_once(stage: Stage, browser: Browser) -> None:
    """The same callback again: the same end, no session, no second exchange."""
    await browser.log_in("ada")
    callback = await browser.approach("studio", door="instagram")
    first = await browser.http.get(callback)
    attempts = stage.sandbox.calls.of("instagram_exchange")
    second = await browser.http.get(callback)

    assert error_of(first) is None
    assert len(stage.sandbox.calls.of("instagram_exchange")) == len(attempts) == 1
    assert "igauth_session" not in second.headers.get("set-cookie", "")
    assert await stage.count("connections") == 2


# --- link=true: Facebook as a second way to sign in ---


async def test_link_adds_facebook_to_an_instagram_person(stage: Stage, browser: Browser) -> None:
    """Somebody unknown here is gained as a second sign-in, and the connection with it."""
    await browser.connect("bakery")
    person, session = await who(browser), browser.cookie()
    answer = await browser.log_in("ada", link="true")
    later = stage.browser()
    await later.log_in("ada")

    assert error_of(answer) is None
    assert (await who(browser), browser.cookie()) == (person, session)
    assert [door for door, _ in await subjects(browser)] == ["facebook", "instagram"]
    assert await who(later) == person


async def test_link_of_a_known_facebook_person_is_a_login(stage: Stage, browser: Browser) -> None:
    """One known here is an ordinary login as that person."""
    first = stage.browser()
    await first.log_in("ada")
    ada = await who(first)
    await browser.connect("studio")
    before = browser.cookie()
    await browser.log_in("ada", link="true")

    assert await who(browser) == ada
    assert browser.cookie() != before
    assert await subjects(browser) == [("facebook", stage.sandbox.world.person("ada").id)]


async def test_without_link_facebook_is_a_login_of_its_own(browser: Browser) -> None:
    """Nothing is added to the person who was there."""
    await browser.connect("studio")
    instagram = await who(browser)
    await browser.log_in("ada")

    assert await who(browser) != instagram
    assert [door for door, _ in await subjects(browser)] == ["facebook"]


async def test_link_for_somebody_who_has_facebook_is_a_login(
    stage: Stage, browser: Browser
) -> None:
    """A person has at most one Facebook login."""
    await browser.log_in("ada")
    ada = await who(browser)
    await browser.log_in("cleo", link="true")

    assert await who(browser) not in (None, ada)
    assert await stage.count("people") == 2


async def test_link_under_another_session_adds_nothing(browser: Browser) -> None:
    """As at the other door: the attempt carries the session that it began under."""
    await browser.connect("studio")
    callback = await browser.approach("ada", link="true")
    await browser.send("POST", "/auth/logout")
    await browser.connect("bakery")
    await browser.http.get(callback)

    assert [door for door, _ in await subjects(browser)] == ["facebook"]


async def test_link_must_be_a_flag(browser: Browser) -> None:
    """A bad value is 422."""
    assert (await browser.start(link="perhaps")).status_code == 422


# --- an attempt belongs to its door ---


@pytest.mark.parametrize(
    ("account", "door", "other"),
    [("studio", "instagram", "facebook"), ("ada", "facebook", "instagram")],
)
async def test_the_other_doors_callback_is_a_mismatch(
    stage: Stage, browser: Browser, account: str, door: str, other: str
) -> None:
    """Nothing is asked of Meta, nothing written; at its own door it still ends well."""
    callback = await browser.approach(account, door=door)
    swapped = await browser.http.get(callback.replace(f"/auth/{door}/", f"/auth/{other}/"))

    assert error_of(swapped) == "state_mismatch"
    assert stage.graph_calls == []
    assert await stage.count("spent_states") == 0
    assert error_of(await browser.http.get(callback)) is None


# --- reconnect ---


async def test_reconnect_as_the_same_account(browser: Browser) -> None:
    """The connection's own address renews it."""
    await browser.connect("studio")
    connection = await browser.connection()
    assert connection["reconnect_url"].startswith("http://localhost:8000/auth/instagram?reconnect=")
    answer = await browser.connect("studio", reconnect=connection["id"])

    assert error_of(answer) is None
    assert (await browser.connection())["id"] == connection["id"]


@pytest.mark.parametrize("signed_in", [True, False])
async def test_reconnect_as_another_account_is_refused(
    stage: Stage, browser: Browser, signed_in: bool
) -> None:
    """`account_switched`, and nothing is overwritten."""
    await browser.connect("studio")
    connection = await browser.connection()
    if not signed_in:
        await browser.send("POST", "/auth/logout")
    answer = await browser.connect("bakery", reconnect=connection["id"])

    assert error_of(answer) == "account_switched"
    assert await stage.count("connections") == 1


async def test_reconnect_through_the_wrong_door_is_refused(stage: Stage, browser: Browser) -> None:
    """Another door's connection is `account_switched`, both ways."""
    await browser.log_in("ada")
    await browser.connect("studio")
    facebook, instagram = await connections_of(browser)

    assert error_of(await browser.connect("studio", reconnect=facebook["id"])) == "account_switched"
    assert error_of(await browser.log_in("ada", reconnect=instagram["id"])) == "account_switched"
    assert error_of(await browser.connect("studio", reconnect="unknown")) == "account_switched"
    assert await stage.count("connections") == 2


async def test_reconnect_of_a_foreign_connection_is_refused(stage: Stage, browser: Browser) -> None:
    """The same account, but another person's connection to it."""
    other = stage.browser()
    await other.log_in("cleo")
    await other.connect("studio")
    foreign = (await connections_of(other))[1]
    await browser.log_in("ada")

    answer = await browser.connect("studio", reconnect=foreign["id"])

    assert error_of(answer) == "account_switched"
    assert len(await connections_of(browser)) == 1


# --- refusals ---


@pytest.mark.parametrize("where", ["graph", "exchange", "redirect"])
async def test_an_account_without_a_role(stage: Stage, browser: Browser, where: str) -> None:
    """`app_access_missing`, wherever it shows (facts 2.3, 2.5, 3.4, 4.4); nothing is stored."""
    stage.sandbox.instagram.add_account("rolf", "rolf", no_role=where)
    answer = await browser.connect("rolf", return_to="/here")

    assert error_of(answer) == "app_access_missing"
    assert "operator" in query_of(answer)["error_description"][0]
    assert (await stage.count("people"), await stage.count("sessions")) == (0, 0)


@pytest.mark.parametrize("refusing", [False, True])
async def test_a_personal_account(stage: Stage, browser: Browser, refusing: bool) -> None:
    """`not_professional`: `/me` names another type, or refuses it as such (facts 1.5)."""
    if refusing:
        stage.sandbox.faults.preset("instagram_not_business")
    answer = await browser.connect("studio" if refusing else "private")

    assert error_of(answer) == "not_professional"
    assert (await stage.count("people"), await stage.count("connections")) == (0, 0)


async def test_the_person_refuses(stage: Stage, browser: Browser) -> None:
    """`access_denied`; nothing is asked of Instagram (facts 2.5)."""
    callback = await browser.approach("studio", door="instagram", decision="cancel")
    answer = await browser.http.get(callback)

    assert error_of(answer) == "access_denied"
    assert stage.graph_calls == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"preset": "instagram_code_used"}, "code_rejected"),
        ({"preset": "instagram_developer_role"}, "app_access_missing"),
        ({"preset": "instagram_no_token"}, "facebook_unavailable"),
        ({"preset": "instagram_down"}, "facebook_unavailable"),
        ({"preset": "instagram_throttled", "endpoint": "instagram_me"}, "facebook_rate_limited"),
        ({"endpoint": "instagram_exchange", "kind": "cut"}, "facebook_unavailable"),
        (
            {"endpoint": "instagram_exchange", "message": "Invalid platform app"},
            "service_misconfigured",
        ),
        (
            {"endpoint": "instagram_exchange", "message": "Invalid redirect_uri"},
            "service_misconfigured",
        ),
        ({"endpoint": "instagram_exchange", "message": "Algo correu mal"}, "facebook_error"),
        ({"endpoint": "instagram_me", "kind": "garbage"}, "facebook_unavailable"),
    ],
)
async def test_how_a_login_fails(
    stage: Stage, browser: Browser, fault: dict[str, Any], error: str
) -> None:
    """Section 3's codes, which mean Meta's servers whichever door; nothing is stored."""
    stage.sandbox.faults.plan(fault)
    answer = await browser.connect("studio")

    assert error_of(answer) == error
    assert len(stage.sandbox.calls.of("instagram_exchange")) == 1
    assert (await stage.count("people"), await stage.count("sessions")) == (0, 0)


async def test_an_upgrade_that_fails_in_passing_is_left_to_the_keeper(
    stage: Stage, browser: Browser
) -> None:
    """The login stands on the one-hour token; the keeper upgrades it later."""
    stage.sandbox.faults.preset("instagram_upgrade_fails")
    assert error_of(await browser.connect("studio")) is None
    early = await browser.connection()
    stage.sandbox.faults.clear()
    stage.clock.advance(minutes=5)
    await stage.services.keeper.sweep()
    later = await browser.connection()

    assert early["token_expires_at"] == "2026-11-23T13:00:00Z"
    assert later["token_expires_at"] == "2027-01-22T12:05:00Z"
    assert later["status"] == "active"


async def test_an_upgrade_that_is_refused_ends_the_login(stage: Stage, browser: Browser) -> None:
    """Never the short token in place of the long one (facts 4.4)."""
    stage.sandbox.faults.add(
        "instagram_upgrade", code=190, subcode=0, message="Session key invalid"
    )
    answer = await browser.connect("studio")

    assert error_of(answer) == "facebook_error"
    assert await stage.count("people") == 0


async def test_a_popup_tells_its_opener(stage: Stage, browser: Browser) -> None:
    """Section 3's page, for success and for failure."""
    good = await browser.connect("studio", mode="popup", return_to="http://localhost:5173/x")
    bad = await stage.browser().connect("private", mode="popup")

    assert good.status_code == bad.status_code == 200
    assert '"ok": true' in good.text or '"ok":true' in good.text
    assert "not_professional" in bad.text


async def test_a_failed_adding_leaves_the_session(stage: Stage, browser: Browser) -> None:
    """Who was logged in stays so."""
    await browser.log_in("ada")
    before = await who(browser)
    assert error_of(await browser.connect("private")) == "not_professional"

    assert await who(browser) == before
    assert len(await connections_of(browser)) == 1


async def test_two_replicas_make_one_login(stage: Stage, browser: Browser) -> None:
    """The state is single-use across processes, at this door too."""
    async with replica(stage) as second:
        callback = await browser.approach("studio", door="instagram")
        elsewhere = second.browser()
        elsewhere.take_jar_of(browser)
        first, again = await browser.http.get(callback), await elsewhere.http.get(callback)

    assert error_of(first) is None
    assert error_of(again) is None
    assert len(stage.sandbox.calls.of("instagram_exchange")) == 1
    assert await stage.count("sessions") == 1


async def test_session_tells_both_ways(browser: Browser) -> None:
    """`login_urls` of the open doors; `login_url` is the first."""
    body = (await browser.get("/auth/session")).json()

    assert body["login_urls"] == {
        "facebook": "http://localhost:8000/auth/facebook",
        "instagram": "http://localhost:8000/auth/instagram",
    }
    assert body["login_url"] == "http://localhost:8000/auth/facebook"


async def test_no_secret_in_logs(
    stage: Stage, browser: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    """Token and secret stand in Instagram's URLs, and nowhere else: a failing upgrade included."""
    stage.sandbox.faults.preset("instagram_upgrade_fails")
    await browser.connect("studio")
    stage.sandbox.faults.clear()
    stage.clock.advance(minutes=5)
    await stage.services.keeper.sweep()
    written = "".join(capsys.readouterr())

    secrets = [stage.sandbox.config.instagram_app_secret, *stage.sandbox.instagram.tokens]
    assert not [each for each in secrets if each in written]
    assert "graph.failed" in written
