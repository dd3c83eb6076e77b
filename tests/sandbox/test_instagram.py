"""The sandbox's second door: what Instagram's three hosts answer (instagram-login-facts)."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from igauth.sandbox.app import Sandbox, SandboxConfig
from igauth.sandbox.control.faults import ENDPOINTS, PRESET_MENU
from igauth.sandbox.control.instagram import ACTIONS
from igauth.sandbox.world.instagram import CAST
from igauth.security.signed_request import parse_signed_request
from tests.sandbox.facebook import Facebook, TestClock
from tests.sandbox.test_docs import DOCS

CALLBACK = "http://localhost:8000/auth/instagram/callback"
SCOPES = "instagram_business_basic,instagram_business_content_publish"
CONFIG = SandboxConfig()


def authorize_url(**changes: str) -> str:
    """The address of the consent page."""
    query = {
        "client_id": CONFIG.instagram_app_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": SCOPES,
        "state": "s1",
    }
    return f"/instagram/oauth/authorize?{urlencode(query | changes)}"


async def consent(facebook: Facebook, account: str, **form: str) -> dict[str, str]:
    """The query with which the browser is sent back."""
    data = {"person": account, "decision": "continue", **form}
    answer = await facebook.http.post(authorize_url(), data=data)
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].endswith("#_")
    query = urlsplit(answer.headers["location"]).query
    return {name: values[0] for name, values in parse_qs(query).items()}


async def exchange(facebook: Facebook, code: str, **changes: Any) -> httpx.Response:
    """The code's POST."""
    form = {
        "client_id": CONFIG.instagram_app_id,
        "client_secret": CONFIG.instagram_app_secret,
        "grant_type": "authorization_code",
        "redirect_uri": CALLBACK,
        "code": code,
    }
    return await facebook.http.post("/instagram/oauth/access_token", data=form | changes)


async def short_token(facebook: Facebook, account: str) -> dict[str, Any]:
    """What the exchange answers, unwrapped."""
    answer = await exchange(facebook, (await consent(facebook, account))["code"])
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body["data"][0] if "data" in body else body


async def long_token(facebook: Facebook, account: str) -> str:
    """A token of sixty days."""
    short = (await short_token(facebook, account))["access_token"]
    query = {
        "grant_type": "ig_exchange_token",
        "client_secret": CONFIG.instagram_app_secret,
        "access_token": short,
    }
    answer = await facebook.http.get("/instagram/access_token", params=query)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("bearer", 5184000)
    return str(answer.json()["access_token"])


async def me(facebook: Facebook, token: str, fields: str = "id,user_id") -> httpx.Response:
    """The account behind a token."""
    headers = {"authorization": f"Bearer {token}"}
    return await facebook.http.get(
        "/instagram/v26.0/me", params={"fields": fields}, headers=headers
    )


async def refresh(facebook: Facebook, token: str) -> httpx.Response:
    """Sixty days more."""
    query = {"grant_type": "ig_refresh_token", "access_token": token}
    return await facebook.http.get("/instagram/refresh_access_token", params=query)


def said(answer: httpx.Response) -> tuple[int, str, str]:
    """Code, type and text of a refusal."""
    error = answer.json()["error"]
    return error["code"], error["type"], error["message"]


@pytest.mark.parametrize(
    "name",
    [*ACTIONS, *(each.key for each in CAST), *(each for each in ENDPOINTS if "instagram" in each)],
)
def test_every_name_is_documented(name: str) -> None:
    """Actions, accounts, endpoints of this door."""
    assert f"`{name}`" in DOCS


@pytest.mark.parametrize(
    ("account", "wrapped", "kind", "permissions"),
    [
        ("bakery", True, str, str),
        ("flowers", False, int, list),
        ("ceramics", True, int, str),
        ("market", False, str, type(None)),
    ],
)
async def test_the_exchange_in_each_shape(
    facebook: Facebook, account: str, wrapped: bool, kind: type, permissions: type
) -> None:
    """Wrapped or flat, ids as text or as numbers above 2**53, permissions in three ways (3.2)."""
    back = await consent(facebook, account)
    answer = await exchange(facebook, back["code"])
    body = answer.json()
    issued = body["data"][0] if wrapped else body

    assert ("data" in body) is wrapped
    assert (type(issued["user_id"]), int(issued["user_id"]) > 2**53) == (kind, True)
    assert type(issued.get("permissions")) is permissions
    assert "expires_in" not in issued
    assert back["state"] == "s1"


async def test_a_code_is_good_once_for_an_hour_at_its_own_address(
    facebook: Facebook, clock: TestClock
) -> None:
    """A used, an old, a foreign code, another address: 400 in that host's own shape (3.4)."""
    codes = [(await consent(facebook, "studio"))["code"] for _ in range(3)]
    assert (await exchange(facebook, codes[0])).status_code == 200
    used = await exchange(facebook, codes[0])
    elsewhere = await exchange(facebook, codes[1], redirect_uri=CALLBACK + "/")
    clock.advance(3600)
    old = await exchange(facebook, codes[2])

    assert [each.status_code for each in (used, elsewhere, old)] == [400, 400, 400]
    assert used.json() == {
        "error_type": "OAuthException",
        "code": 400,
        "error_message": "Matching code was not found or was already used",
    }
    assert old.json() == used.json()
    assert "redirect_uri is identical" in elsewhere.json()["error_message"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"client_id": CONFIG.app_id}, "Invalid platform app"),
        ({"client_secret": CONFIG.app_secret}, "Invalid Client Secret"),
    ],
)
async def test_the_facebook_pair_is_no_good_here(
    facebook: Facebook, changes: dict[str, str], text: str
) -> None:
    """Each door has its own app (1.2, 3.4)."""
    answer = await exchange(facebook, (await consent(facebook, "studio"))["code"], **changes)

    assert (answer.status_code, answer.json()["error_message"]) == (400, text)


async def test_json_and_basic_are_refused(facebook: Facebook) -> None:
    """Only forms, with the secret in them (3.1)."""
    body = {"client_id": CONFIG.instagram_app_id}
    as_json = await facebook.http.post("/instagram/oauth/access_token", json=body)
    basic = await facebook.http.post(
        "/instagram/oauth/access_token", data=body, auth=(CONFIG.instagram_app_id, "x")
    )

    assert as_json.json()["error_message"] == "Invalid platform app"
    assert basic.json()["error_message"] == "Invalid platform app"


async def test_me_tells_both_ids(facebook: Facebook) -> None:
    """`user_id` is the id behind Facebook's door, `id` another (5.1, 5.2)."""
    token = await long_token(facebook, "bakery")
    answer = await me(facebook, token, "id,user_id,username,account_type,profile_picture_url")
    (account,) = answer.json()["data"]
    ada = facebook.sandbox.world.person("ada")

    assert account["user_id"] in ada.accounts
    assert account["id"] != account["user_id"]
    assert account["account_type"] == "BUSINESS"
    assert answer.headers["instagram-api-version"] == "v26.0"
    assert answer.headers["x-app-usage"] == '{"call_volume":0,"cpu_time":0}'
    assert "facebook-api-version" not in answer.headers
    assert (await facebook.http.get(account["profile_picture_url"])).status_code == 200


async def test_an_unknown_field_fails_the_call(facebook: Facebook) -> None:
    """100 (5.1)."""
    answer = await me(facebook, await long_token(facebook, "studio"), "id,nonsense")

    assert (answer.status_code, said(answer)[0]) == (400, 100)
    assert "nonexisting field (nonsense)" in said(answer)[2]


async def test_tokens_of_one_door_mean_nothing_at_the_other(facebook: Facebook) -> None:
    """190 "cannot parse", both ways (4.5)."""
    here = await me(facebook, await facebook.token())
    there = await facebook.http.get(
        "/v26.0/me", params={"access_token": await long_token(facebook, "studio")}
    )

    assert said(here)[2] == said(there)[2]
    assert said(here)[2] == "Invalid OAuth access token - Cannot parse access token"


async def test_refresh_has_its_ages(facebook: Facebook, clock: TestClock) -> None:
    """Refused below 24 hours and after the end; else sixty days more (4.2)."""
    token = await long_token(facebook, "studio")
    clock.advance(timedelta(hours=23).total_seconds())
    young = await refresh(facebook, token)
    clock.advance(timedelta(hours=1).total_seconds())
    good = await refresh(facebook, token)
    clock.advance(timedelta(days=61).total_seconds())
    late = await refresh(facebook, good.json()["access_token"])

    assert (young.status_code, good.status_code, late.status_code) == (400, 200, 400)
    assert good.json()["access_token"] != token
    assert said(late)[2].startswith("Error validating access token: Session has expired on ")


async def test_refresh_may_keep_the_text(facebook: Facebook, clock: TestClock) -> None:
    """Whether the token changes isn't settled (4.2)."""
    token = await long_token(facebook, "ceramics")
    clock.advance(timedelta(hours=25).total_seconds())

    assert (await refresh(facebook, token)).json()["access_token"] == token


async def test_an_upgrade_wants_a_short_token_the_secret_and_get(facebook: Facebook) -> None:
    """4.1, 4.5."""
    short = (await short_token(facebook, "studio"))["access_token"]
    query = {"grant_type": "ig_exchange_token", "access_token": short, "client_secret": "x"}
    wrong = await facebook.http.get("/instagram/access_token", params=query)
    posted = await facebook.http.post("/instagram/access_token", data=query)
    query |= {"access_token": await long_token(facebook, "studio")}
    query |= {"client_secret": CONFIG.instagram_app_secret}
    again = await facebook.http.get("/instagram/access_token", params=query)

    assert said(wrong)[0] == 101
    assert said(posted)[2] == "Unsupported request - method type: post"
    assert said(again)[2] == "Session key invalid"


async def test_without_a_role_all_three_calls_say_the_same(facebook: Facebook) -> None:
    """ "method type: get" after a good exchange (4.4)."""
    short = (await short_token(facebook, "stranger"))["access_token"]
    answers = [
        await facebook.http.get(
            "/instagram/access_token",
            params={"grant_type": "ig_exchange_token", "access_token": short},
        ),
        await refresh(facebook, short),
        await me(facebook, short),
    ]

    assert {said(each) for each in answers} == {
        (100, "IGApiException", "Unsupported request - method type: get")
    }


@pytest.mark.parametrize(("where", "status"), [("redirect", 302), ("page", 400)])
async def test_a_missing_role_may_show_at_once(facebook: Facebook, where: str, status: int) -> None:
    """In the redirect's description, or in a page (2.3, 2.5)."""
    facebook.sandbox.instagram.add_account("rolf", "rolf", no_role=where)
    answer = await facebook.http.post(
        authorize_url(), data={"person": "rolf", "decision": "continue"}
    )

    assert answer.status_code == status
    text = answer.headers.get("location", answer.text)
    assert "Insufficient developer role" in text.replace("+", " ")


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ("remove_app", "has not authorized application"),
        ("change_password", "session has been invalidated"),
        ("expire_token", "Session has expired on"),
        ("checkpoint", "log in to www.instagram.com"),
    ],
)
async def test_what_happens_to_an_account(facebook: Facebook, action: str, text: str) -> None:
    """190 with subcode 0: only the text tells (6.2)."""
    token = await long_token(facebook, "studio")
    done = await facebook.http.post(f"/_control/instagram-accounts/studio/{action}")
    answer = await me(facebook, token)

    assert done.status_code == 200, done.text
    assert text in said(answer)[2]
    assert (said(answer)[0], answer.json()["error"]["error_subcode"]) == (190, 0)


async def test_a_checkpoint_heals(facebook: Facebook, clock: TestClock) -> None:
    """The same token works again once the person has passed it (6.2)."""
    token = await long_token(facebook, "held")
    statuses = []
    for hours in (0, 2, 6):
        clock.advance(hours * 3600)
        statuses.append((await me(facebook, token)).status_code)

    assert statuses == [200, 400, 200]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"client_id": "undefined"}, "this page isn&#39;t available"),
        ({"client_id": CONFIG.app_id}, "Invalid platform app"),
        ({"redirect_uri": "https://other.example.test/"}, "Invalid redirect_uri"),
        ({"scope": "user_profile"}, "Invalid scope: user_profile"),
        ({"scope": f"{SCOPES},instagram_basic"}, "mutually exclusive"),
    ],
)
async def test_what_never_comes_back(
    facebook: Facebook, changes: dict[str, str], text: str
) -> None:
    """A page at Instagram; the app hears nothing (2.3)."""
    answer = await facebook.http.get(authorize_url(**changes))

    assert answer.status_code == 400
    assert text in answer.text


async def test_the_person_may_refuse(facebook: Facebook) -> None:
    """2.5."""
    back = await consent(facebook, "studio", decision="cancel")

    assert (back["error"], back["error_reason"]) == ("access_denied", "user_denied")
    assert back["state"] == "s1"


async def test_the_page_knows_who_is_signed_in_until_asked_anew(facebook: Facebook) -> None:
    """`force_reauth` asks which account, whoever is signed in (2.8)."""
    await consent(facebook, "studio")
    known = await facebook.http.get(authorize_url())
    anew = await facebook.http.get(authorize_url(force_reauth="true"))

    assert "You are" in known.text
    assert "Who are you at Instagram?" in anew.text


@pytest.mark.parametrize("endpoint", ["exchange", "upgrade", "refresh", "me"])
@pytest.mark.parametrize("wide", [False, True])
async def test_each_call_can_be_struck(
    facebook: Facebook, clock: TestClock, endpoint: str, wide: bool
) -> None:
    """By its own name or the door's; `any` leaves this door alone."""
    token = await long_token(facebook, "studio")
    facebook.sandbox.faults.add("any", "html", status=598)
    facebook.sandbox.faults.add(
        "instagram" if wide else f"instagram_{endpoint}", "html", status=599, person="studio"
    )
    clock.advance(timedelta(hours=25).total_seconds())
    code = (await consent(facebook, "studio"))["code"]
    answers = {
        "exchange": lambda: exchange(facebook, code),
        "upgrade": lambda: facebook.http.get(
            "/instagram/access_token", params={"access_token": token}
        ),
        "refresh": lambda: refresh(facebook, token),
        "me": lambda: me(facebook, token),
    }

    assert (await answers[endpoint]()).status_code == 599


@pytest.mark.parametrize("name", PRESET_MENU["Instagram Login"])
async def test_presets_of_this_door(facebook: Facebook, name: str) -> None:
    """Each strikes some call of a login."""
    facebook.sandbox.faults.preset(name)
    answers = [await exchange(facebook, (await consent(facebook, "studio"))["code"])]
    facebook.sandbox.faults.clear()
    short = (await short_token(facebook, "studio"))["access_token"]
    facebook.sandbox.faults.preset(name)
    answers.append(await me(facebook, short, "id,followers_count"))
    query = {"grant_type": "ig_exchange_token", "access_token": short}
    query["client_secret"] = CONFIG.instagram_app_secret
    answers.append(await facebook.http.get("/instagram/access_token", params=query))

    assert any(
        each.status_code >= 400 or ('"access_token"' not in each.text and '"id"' not in each.text)
        for each in answers
    )


@pytest.mark.parametrize(("id_kind", "as_number"), [("id", False), ("user_id", True)])
async def test_a_signed_request_has_this_doors_secret(
    clock: TestClock, id_kind: str, as_number: bool
) -> None:
    """Sent to its own address, with either id, as text or as a number (4.9)."""
    got: list[httpx.Request] = []

    def receive(request: httpx.Request) -> httpx.Response:
        got.append(request)
        return httpx.Response(200, json={})

    config = SandboxConfig(instagram_deauthorize_url="http://app.test/gone")
    client = httpx.AsyncClient(transport=httpx.MockTransport(receive))
    sandbox = Sandbox(config, clock=clock, callback_client=client)
    transport = sandbox.transport()
    async with (
        client,
        httpx.AsyncClient(transport=transport, base_url="http://localhost:9000") as http,
    ):
        wanted = {"kind": "deauthorize", "account": "bakery", "id_kind": id_kind}
        answer = await http.post(
            "/_control/signed-requests", json=wanted | {"as_number": as_number}
        )

    assert answer.json()["problem"] is None
    text = parse_qs(got[0].content.decode())["signed_request"][0]
    parsed = parse_signed_request(text, config.instagram_app_secret)
    account = sandbox.instagram.accounts["bakery"]
    assert parsed.user_id == getattr(account, id_kind)


async def test_the_panel_shows_the_accounts(facebook: Facebook) -> None:
    """Each account, and what can be done to it."""
    page = (await facebook.http.get("/_control/")).text

    assert all(f"@{each.username}" in page for each in CAST)
    assert "/_control/instagram-accounts/studio/checkpoint" in page


async def test_a_form_of_the_panel_goes_back_to_its_account(facebook: Facebook) -> None:
    """As for people."""
    answer = await facebook.http.post(
        "/_control/instagram-accounts/studio/lose_role",
        data={"x": "y"},
        headers={"content-type": "application/x-www-form-urlencoded"},
    )

    assert answer.status_code == 303
    assert answer.headers["location"].endswith("/_control/#account-studio")
