"""debug_token, proofs, and the many deaths of a token (facts 4, 5, 10.2)."""

import hashlib
import hmac

import httpx
import pytest

from igauth.sandbox.app import Sandbox, SandboxConfig
from igauth.sandbox.control.callbacks import signed_request
from igauth.sandbox.graph.access import proof_of
from tests.sandbox.facebook import REDIRECT_URI, Facebook, TestClock, dialog_url, error_of

# --- debug_token, facts 4 ---


async def test_a_live_long_lived_token(facebook: Facebook) -> None:
    """Every field of facts 4.2, ids as strings."""
    data = await facebook.debug(await facebook.token(scope="pages_show_list,email"))
    now = facebook.sandbox.clock.unix()

    assert data == {
        "app_id": "901234567890123",
        "type": "USER",
        "application": "Invented Scheduler",
        "data_access_expires_at": now + 90 * 86_400,
        "expires_at": now + 5183944,
        "is_valid": True,
        "issued_at": now,
        "scopes": ["public_profile", "pages_show_list", "email"],
        "granular_scopes": [
            {
                "scope": "pages_show_list",
                "target_ids": [f"10000100000000{number}" for number in range(1, 5)],
            }
        ],
        "user_id": "10200000000000001",
    }


async def test_issued_at_is_absent_on_short_lived_tokens(facebook: Facebook) -> None:
    """Never rely on issued_at (facts 4.3)."""
    assert "issued_at" not in await facebook.debug(await facebook.short_token())


async def test_granular_ids_are_of_the_right_kind(facebook: Facebook) -> None:
    """Page ids for pages_*, Instagram ids for instagram_*, portfolios (facts 4.4)."""
    data = await facebook.debug(await facebook.token("dora"))
    granular = {found["scope"]: found["target_ids"] for found in data["granular_scopes"]}
    dora = facebook.sandbox.world.person("dora")

    assert granular["pages_show_list"] == [page.id for page in dora.pages.values() if page.offered]
    assert granular["instagram_basic"] == [
        account.id for account in dora.accounts.values() if account.offered
    ]
    assert granular["business_management"] == list(dora.businesses)
    assert "public_profile" not in granular


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("absent", {"scope": "pages_show_list"}),
        ("null", {"scope": "pages_show_list", "target_ids": None}),
        ("empty", {"scope": "pages_show_list", "target_ids": []}),
    ],
)
async def test_target_ids_absent_null_or_empty(
    facebook: Facebook, variant: str, expected: dict[str, object]
) -> None:
    """Three shapes that don't mean 'no account' (facts 4.4, trap 16)."""
    token = await facebook.token(scope="pages_show_list")
    facebook.sandbox.world.person("ada").quirks.granular = variant  # type: ignore[assignment]

    assert (await facebook.debug(token))["granular_scopes"] == [expected]


async def test_a_scope_may_come_twice(facebook: Facebook) -> None:
    """Its ids are then spread over two entries, and only both together tell (facts 4.4)."""
    token = await facebook.token(scope="pages_show_list")
    pages = list(facebook.sandbox.world.person("ada").pages)
    await facebook.http.post("/_control/people/ada/set_granular", json={"variant": "twice"})

    assert (await facebook.debug(token))["granular_scopes"] == [
        {"scope": "pages_show_list", "target_ids": pages[:2]},
        {"scope": "pages_show_list", "target_ids": pages[2:]},
    ]


async def test_granular_scopes_may_be_missing(facebook: Facebook) -> None:
    """The whole field is optional (facts 4.3)."""
    token = await facebook.token()
    facebook.sandbox.world.person("ada").quirks.granular = "missing"

    assert "granular_scopes" not in await facebook.debug(token)


async def test_nothing_to_choose_has_no_target_ids(facebook: Facebook) -> None:
    """Ben has no assets: absent, not an empty list (facts 4.4)."""
    data = await facebook.debug(await facebook.token("ben", scope="pages_show_list"))

    assert data["granular_scopes"] == [{"scope": "pages_show_list"}]


async def test_an_expired_token_is_http_200(facebook: Facebook, clock: TestClock) -> None:
    """is_valid false, and the inner error says `subcode` (facts 4.5, trap 15)."""
    token = await facebook.short_token()
    clock.advance(6000)
    data = await facebook.debug(token)

    assert data["is_valid"] is False
    assert data["error"].keys() == {"code", "message", "subcode"}
    assert (data["error"]["code"], data["error"]["subcode"]) == (190, 463)
    assert data["user_id"] == "10200000000000001"


async def test_garbage_has_nearly_nothing(facebook: Facebook) -> None:
    """A garbage token has neither app_id nor user_id (facts 4.5)."""
    data = await facebook.debug("garbage")

    assert data.keys() == {"error", "is_valid", "scopes"}
    assert data["error"]["code"] == 190


async def test_a_token_of_another_app(facebook: Facebook) -> None:
    """HTTP 400, code 100, not is_valid false (facts 4.6)."""
    foreign = facebook.sandbox.ledger.add_foreign_token().text
    app_token = facebook.sandbox.ledger.app_token
    answer = await facebook.get("/debug_token", app_token, input_token=foreign)

    assert error_of(answer) == (400, 100, None)
    assert "did not match the Viewing App" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        ("901234567890123|wrong", (400, 190, None)),
        ("123|whatever", (400, 101, None)),
        ("EAAgarbage", (400, 190, None)),
        (None, (400, 104, None)),
    ],
)
async def test_a_bad_authorising_token(
    facebook: Facebook, authority: str | None, expected: tuple[int, int | None, int | None]
) -> None:
    """190, or 101 for another app's (facts 4.7)."""
    answer = await facebook.get("/debug_token", authority, input_token="x", appsecret_proof=None)

    assert error_of(answer) == expected


async def test_input_token_is_required(facebook: Facebook) -> None:
    """Its absence is code 100 (facts 4.7)."""
    answer = await facebook.get("/debug_token", facebook.sandbox.ledger.app_token)

    assert error_of(answer) == (400, 100, None)


async def test_a_page_token_in_debug_token(facebook: Facebook) -> None:
    """type PAGE, profile_id, never expires when read with a long-lived token (3.6, 4.3)."""
    token = await facebook.token()
    page = "100001000000001"
    page_token = (await facebook.get(f"/{page}", token, fields="access_token")).json()
    data = await facebook.debug(page_token["access_token"])

    assert page_token.keys() == {"access_token", "id"}
    assert (data["type"], data["profile_id"], data["expires_at"]) == ("PAGE", page, 0)


async def test_a_page_token_dies_with_its_short_lived_parent(
    facebook: Facebook, clock: TestClock
) -> None:
    """Read with a short-lived token, it ends when that does (facts 3.6)."""
    token = await facebook.short_token()
    answer = await facebook.get("/100001000000001", token, fields="access_token")
    page_token = answer.json()["access_token"]
    clock.advance(6000)

    assert error_of(await facebook.get("/me", page_token)) == (400, 190, 463)


# --- appsecret_proof, facts 5 ---


def test_the_proof_vectors() -> None:
    """The vectors of facts 5.1 and 5.2."""
    secret, token = "0123456789abcdef0123456789abcdef", "EAAinventedtoken0001"

    assert (
        proof_of(secret, token)
        == "e4499757edfb2b3f68233887e55792a6838ec1b09c387b92ee36b809e63d860d"
    )
    assert (
        proof_of(secret, token, "1795392000")
        == "dd572d80e53bbad341faf21bbecadef76ce4048242038d27bf7fb7db3f6ed4eb"
    )


def test_the_signed_request_vector() -> None:
    """The vector of facts 13.1."""
    claims = {
        "user_id": "10200000000000001",
        "algorithm": "HMAC-SHA256",
        "issued_at": 1795392000,
    }

    assert signed_request("0123456789abcdef0123456789abcdef", claims) == (
        "gJRz5P3Jb-hxRqxM2dSdhTNQfEJOK3vjI6GiniQ2itg.eyJ1c2VyX2lkIjoiMTAyMDAwMDAwMDAwMDAwMDEiLCJhb"
        "Gdvcml0aG0iOiJITUFDLVNIQTI1NiIsImlzc3VlZF9hdCI6MTc5NTM5MjAwMH0"
    )


async def test_a_missing_proof(facebook: Facebook) -> None:
    """Mandatory by default: 100 GraphMethodException without subcode (facts 5.3, 5.4)."""
    answer = await facebook.get("/me", await facebook.token(), appsecret_proof=None)

    assert error_of(answer) == (400, 100, None)
    assert answer.json()["error"]["type"] == "GraphMethodException"
    assert "require an appsecret_proof" in answer.json()["error"]["message"]


async def test_a_proof_of_another_token(facebook: Facebook) -> None:
    """The user's proof with a Page token is wrong (facts 5.5, trap 17)."""
    token = await facebook.token()
    answer = await facebook.get("/100001000000001", token, fields="access_token")
    page_token = answer.json()["access_token"]
    reused = await facebook.get("/me", page_token, appsecret_proof=facebook.proof(token))
    own = await facebook.get("/me", page_token)

    assert error_of(reused) == (400, 100, None)
    assert reused.json()["error"]["message"].startswith("Invalid appsecret_proof")
    assert own.json()["id"] == "100001000000001"


async def test_a_sent_proof_is_checked_where_none_is_required() -> None:
    """Checked whenever sent (facts 5.3)."""
    sandbox = Sandbox(SandboxConfig(require_proof=False))
    async with httpx.AsyncClient(
        transport=sandbox.transport(), base_url="http://localhost:9000"
    ) as http:
        facebook = Facebook(sandbox, http)
        token = await facebook.token()
        none = await facebook.get("/me", token, appsecret_proof=None)
        wrong = await facebook.get("/me", token, appsecret_proof="0" * 64)
        strange = await facebook.get("/me", token, appsecret_proof="é")

    assert none.status_code == 200
    assert error_of(wrong) == error_of(strange) == (400, 100, None)


@pytest.mark.parametrize(("age", "status"), [(0, 200), (299, 200), (301, 400), (-301, 400)])
async def test_a_timed_proof_lasts_five_minutes(facebook: Facebook, age: int, status: int) -> None:
    """token|seconds with appsecret_time (facts 5.2)."""
    token = await facebook.token()
    at = str(facebook.sandbox.clock.unix() - age)
    secret = facebook.sandbox.config.app_secret.encode()
    proof = hmac.new(secret, f"{token}|{at}".encode(), hashlib.sha256).hexdigest()
    answer = await facebook.get("/me", token, appsecret_proof=proof, appsecret_time=at)

    assert answer.status_code == status


# --- how the token travels, facts 0.3 ---


@pytest.mark.parametrize("carried", ["bearer", "oauth", "query", "form"])
async def test_the_token_travels_in_four_ways(facebook: Facebook, carried: str) -> None:
    """Bearer, OAuth, query, form; the log tells which, and never the token (facts 0.3)."""
    token = await facebook.token()
    proof = {"appsecret_proof": facebook.proof(token)}
    if carried == "form":
        answer = await facebook.http.post(
            "/v26.0/me", data={**proof, "access_token": token, "method": "get"}
        )
    elif carried == "query":
        params = {**proof, "access_token": token}
        answer = await facebook.http.get("/v26.0/me", params=params)
    else:
        headers = {"authorization": f"{carried.title()} {token}"}
        answer = await facebook.http.get("/v26.0/me", params=proof, headers=headers)

    assert answer.status_code == 200, answer.text
    call = facebook.sandbox.calls.of("me")[-1]
    assert (call.carried, call.proof, call.credential) == (carried, "valid", "user")
    assert token not in repr(list(facebook.sandbox.calls))


# --- deaths, facts 10.2 ---


@pytest.mark.parametrize(
    ("action", "subcode"),
    [
        ("remove_app", 458),
        ("checkpoint", 459),
        ("change_password", 460),
        ("expire_token", 463),
        ("unconfirm", 464),
        ("log_out", 467),
    ],
)
async def test_what_happens_to_people_kills_tokens(
    facebook: Facebook, action: str, subcode: int
) -> None:
    """190 with its subcode, HTTP 400 and not 401, in calls and in debug_token (10.2, 10.5)."""
    token = await facebook.token()
    await facebook.http.post(f"/_control/people/ada/{action}")
    answer = await facebook.get("/me", token)

    assert error_of(answer) == (400, 190, subcode)
    assert '"invalid_token"' in answer.headers["www-authenticate"]
    assert (await facebook.debug(token))["error"]["subcode"] == subcode


@pytest.mark.parametrize(
    ("action", "mend"), [("checkpoint", "clear_checkpoint"), ("unconfirm", "confirm")]
)
async def test_people_mend_some_deaths_themselves(
    facebook: Facebook, action: str, mend: str
) -> None:
    """459 and 464 are solved at facebook.com, and the same token works again (trap 30)."""
    token = await facebook.token()
    await facebook.http.post(f"/_control/people/ada/{action}")
    await facebook.http.post(f"/_control/people/ada/{mend}")

    assert (await facebook.get("/me", token)).status_code == 200


async def test_data_access_lapses_while_the_token_lives(facebook: Facebook) -> None:
    """Data calls are 190/493, debug_token still says valid (facts 3.8, trap 14)."""
    token = await facebook.token()
    await facebook.http.post("/_control/people/ada/lapse_data_access")

    assert error_of(await facebook.get("/me", token)) == (400, 190, 493)
    data = await facebook.debug(token)
    assert data["is_valid"] is True
    assert data["data_access_expires_at"] < facebook.sandbox.clock.unix()


async def test_a_lost_role_kills_the_page_token(facebook: Facebook) -> None:
    """190/492 (facts 10.2)."""
    token = await facebook.token()
    page = "100001000000001"
    answer = await facebook.get(f"/{page}", token, fields="access_token")
    await facebook.http.post("/_control/people/ada/lose_page", json={"page_id": page})

    assert error_of(await facebook.get("/me", answer.json()["access_token"])) == (400, 190, 492)


async def test_a_new_login_doesnt_revive_dead_tokens(facebook: Facebook) -> None:
    """After the app was removed and allowed again, only the new token lives (facts 9.2)."""
    old = await facebook.token()
    await facebook.http.post("/_control/people/ada/remove_app")
    new = await facebook.token()

    assert error_of(await facebook.get("/me", old)) == (400, 190, 458)
    assert (await facebook.get("/me", new)).status_code == 200


@pytest.mark.parametrize("text", ["EAAgarbage", "EAAP00000001G1Z" + "0" * 40, "x", "ü|ü"])
async def test_tokens_never_given_out(facebook: Facebook, text: str) -> None:
    """190 without a subcode, 101 for another app's `id|secret` (facts 10.3, 2.4)."""
    params = {"access_token": text}
    answer = await facebook.http.get("/v26.0/me", params=params)

    assert error_of(answer) == (400, 101 if "|" in text else 190, None)


async def test_authorize_makes_a_grant_without_the_dialog(sandbox: Sandbox) -> None:
    """The shortcut for tests declines and limits as the dialog would."""
    ada = sandbox.world.person("ada")
    page = next(iter(ada.pages))
    sandbox.authorize("ada", redirect_uri=REDIRECT_URI, pages=[page], declined=["instagram_basic"])

    assert ada.grant is not None
    assert ada.grant.choice.pages == frozenset({page})
    assert ada.grant.choice.instagram_accounts == frozenset(ada.accounts)
    assert ada.grant.names("declined") == ["instagram_basic"]


async def test_a_token_of_another_app_is_no_good_in_calls(facebook: Facebook) -> None:
    """190 about the signature (facts 10.3)."""
    foreign = facebook.sandbox.ledger.add_foreign_token().text

    assert error_of(await facebook.get("/me", foreign)) == (400, 190, None)


async def test_a_living_user_token_may_inspect(facebook: Facebook) -> None:
    """debug_token is also authorised by a user token of the app, with its proof (4.1, 5.6)."""
    token = await facebook.token()
    good = await facebook.get("/debug_token", token, input_token=token)
    dead = await facebook.http.post("/_control/people/ada/log_out")
    after = await facebook.get("/debug_token", token, input_token=token)

    assert good.json()["data"]["is_valid"] is True
    assert dead.status_code == 200
    assert error_of(after) == (400, 190, 467)


async def test_a_node_needs_a_token(facebook: Facebook) -> None:
    """Without one it is code 104; an app token sees no person's nodes (facts 10.2, 8.7)."""
    none = await facebook.get("/100001000000001")
    app = await facebook.get("/100001000000001", facebook.sandbox.ledger.app_token)

    assert error_of(none) == (400, 104, None)
    assert error_of(app) == (400, 100, 33)


async def test_page_and_system_tokens_are_not_upgraded(facebook: Facebook) -> None:
    """Only a person's token is exchanged for a long-lived one (facts 3.1)."""
    token = await facebook.token()
    page = await facebook.get("/100001000000001", token, fields="access_token")

    assert error_of(await facebook.upgrade(page.json()["access_token"])) == (400, 190, None)


async def test_metadata_tells_the_auth_type(facebook: Facebook) -> None:
    """A login with auth_type is named in `metadata` (facts 4.2)."""
    url = dialog_url(facebook.sandbox, "v26.0", auth_type="rerequest")
    done = await facebook.http.post(url, data={"person": "ada", "decision": "continue"})
    code = httpx.URL(done.headers["location"]).params["code"]
    token = (await facebook.exchange(code)).json()["access_token"]

    assert (await facebook.debug(token))["metadata"] == {"auth_type": "rerequest"}
