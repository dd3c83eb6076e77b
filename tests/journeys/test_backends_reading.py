"""What a backend reads, takes and ends for its users (contract §11)."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import pytest
from httpx import AsyncClient, Response

from igauth.domain import ServiceScope
from igauth.sandbox.app import SandboxConfig
from tests.stage import FRONTEND, Browser, Stage, make_settings, open_stage

BAKERY = "17841401000000001"
EVERY_ROUTE = {
    ("GET", "/v1/connect-sessions/cs_" + "a" * 43): ServiceScope.CONNECT,
    ("GET", "/v1/connections"): ServiceScope.READ,
    ("GET", "/v1/connections/{id}"): ServiceScope.READ,
    ("POST", "/v1/connections/{id}/verify"): ServiceScope.MANAGE,
    ("DELETE", "/v1/connections/{id}"): ServiceScope.MANAGE,
    ("GET", "/v1/instagram-accounts?external_id=u1"): ServiceScope.READ,
    ("GET", f"/v1/instagram-accounts/{BAKERY}?external_id=u1"): ServiceScope.READ,
    ("DELETE", "/v1/links?external_id=u1"): ServiceScope.MANAGE,
}


async def offer(browser: Browser) -> Response:
    """The front end asks for a hand-off code."""
    return await browser.send("POST", "/me/handoff")


async def redeem(backend: AsyncClient, code: str, external_id: str | None = None) -> Response:
    """The operator's server redeems it."""
    asked = {"code": code} | ({} if external_id is None else {"external_id": external_id})
    return await backend.post("/v1/handoffs/redeem", json=asked)


async def link(stage: Stage, person: str, *users: str) -> Browser:
    """A person who logged in by browser, and is handed over for these users."""
    browser, backend = stage.browser(), await stage.backend()
    await browser.log_in(person)
    for user in users:
        answer = await redeem(backend, (await offer(browser)).json()["code"], user)
        assert answer.status_code == 200, answer.text
    return browser


async def token(backend: AsyncClient, account: str = BAKERY, **asked: Any) -> Response:
    """A token for an account of u1's."""
    body = {"external_id": "u1", **asked}
    return await backend.post(f"/v1/instagram-accounts/{account}/token", json=body)


def refusal(answer: Response) -> tuple[int, str]:
    """Status and code of a problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


@pytest.fixture
async def backend(stage: Stage) -> AsyncClient:
    """The operator's server, with a key that may do everything."""
    return await stage.backend()


# --- hand-off ---


async def test_a_front_end_hands_its_person_over(
    stage: Stage, backend: AsyncClient, browser: Browser
) -> None:
    """A code for a minute; its redemption names the person and links the user."""
    await browser.log_in("ada")
    offered = await offer(browser)
    assert offered.status_code == 201
    assert set(offered.json()) == {"code", "expires_at"}
    assert offered.json()["expires_at"] == "2026-11-23T12:01:00Z"
    redeemed = await redeem(backend, offered.json()["code"], "u1")

    body = redeemed.json()
    user = await browser.user() or {}
    assert body["person"] == {"id": user["id"], "name": "Ada Invented"}
    (connection,) = body["connections"]
    assert connection["external_ids"] == ["u1"]
    assert connection["id"] == (await browser.connection())["id"]


async def test_a_hand_off_counts_once(stage: Stage, backend: AsyncClient, browser: Browser) -> None:
    """Used, too late, unknown: all alike. Without a user named it links nobody."""
    await browser.log_in("ada")
    code = (await offer(browser)).json()["code"]
    first = await redeem(backend, code)
    late = (await offer(browser)).json()["code"]

    assert first.json()["connections"][0]["external_ids"] == []
    assert refusal(await redeem(backend, code)) == (400, "handoff_invalid")
    assert refusal(await redeem(backend, "igho_x")) == (400, "handoff_invalid")
    stage.clock.advance(minutes=1)
    assert refusal(await redeem(backend, late)) == (400, "handoff_invalid")
    assert await stage.count("links") == 0


async def test_a_bad_user_spends_no_hand_off(backend: AsyncClient, browser: Browser) -> None:
    """422 first."""
    await browser.log_in("ada")
    code = (await offer(browser)).json()["code"]

    assert refusal(await redeem(backend, code, "a\nb")) == (422, "invalid_request")
    assert (await redeem(backend, code, "u1")).status_code == 200


async def test_a_hand_off_wants_session_and_origin(browser: Browser) -> None:
    """Nobody gets a code of somebody else's."""
    assert refusal(await offer(browser)) == (401, "not_authenticated")
    await browser.log_in("ada")
    evil = await browser.send("POST", "/me/handoff", origin="https://evil.test")
    assert refusal(evil) == (403, "csrf_failed")


async def test_no_hand_off_lies_in_the_database(stage: Stage, browser: Browser) -> None:
    """Hashed."""
    await browser.log_in("ada")
    code = (await offer(browser)).json()["code"]

    assert code not in str(await stage.sql("SELECT * FROM handoffs"))


# --- reading ---


async def test_connections_are_those_of_linked_people(stage: Stage, backend: AsyncClient) -> None:
    """Of one user, of all; each names its users. Nobody is linked to Cleo."""
    await link(stage, "ada", "u1", "u2")
    await link(stage, "ben", "u2")
    await link(stage, "cleo")

    async def names(**query: str) -> dict[str, list[str]]:
        answer = await backend.get("/v1/connections", params=query)
        assert answer.json()["meta"] == {"next": None}
        return {each["name"]: each["external_ids"] for each in answer.json()["data"]}

    ada, ben = {"Ada Invented": ["u1", "u2"]}, {"Ben Bare": ["u2"]}
    assert await names(external_id="u1") == ada
    assert await names(external_id="u2") == ada | ben
    assert await names() == ada | ben
    assert await names(external_id="nobody") == {}
    assert await names(status="active") == ada | ben
    assert await names(status="revoked") == {}
    stage.clock.advance(days=56)
    assert await names(status="expiring") == ada | ben
    stage.clock.advance(days=60)
    assert await names(status="active") == {}
    assert await names(status="reconnect_required") == ada | ben


async def test_connections_come_in_pages(stage: Stage, backend: AsyncClient) -> None:
    """`meta.next` leads on, and ends."""
    for person in ("ada", "ben"):
        await link(stage, person, "u1")
    first = (await backend.get("/v1/connections", params={"limit": "1"})).json()
    following = {"limit": "1", "after": first["meta"]["next"]}
    second = (await backend.get("/v1/connections", params=following)).json()

    assert {first["data"][0]["name"], second["data"][0]["name"]} == {"Ada Invented", "Ben Bare"}
    assert second["meta"]["next"] is None


@pytest.mark.parametrize(
    "query",
    [
        "external_id=",
        "external_id=a%00",
        "external_id=a%0Ab",
        "external_id=%FF",
        "external_id=" + "a" * 256,
        "external_id=a&external_id=b",
    ],
)
async def test_a_bad_user_is_422(backend: AsyncClient, query: str) -> None:
    """In every query."""
    for path in ("/v1/connections", "/v1/instagram-accounts", f"/v1/instagram-accounts/{BAKERY}"):
        assert refusal(await backend.get(f"{path}?{query}")) == (422, "invalid_request")
    assert refusal(await backend.delete(f"/v1/links?{query}")) == (422, "invalid_request")


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "after=x", "status=odd"])
async def test_a_bad_page_is_422(backend: AsyncClient, query: str) -> None:
    """Each parameter by itself."""
    answer = await backend.get(f"/v1/connections?{query}")

    assert refusal(answer) == (422, "invalid_request")


async def test_what_is_not_that_users_is_not_there(stage: Stage, backend: AsyncClient) -> None:
    """Another user's, linked to nobody, unknown: 404, all alike."""
    ada = await link(stage, "ada", "u1")
    cleo = await link(stage, "cleo")
    own, unlinked = (await ada.connection())["id"], (await cleo.connection())["id"]
    unknown = "00000000-0000-0000-0000-000000000000"
    bodies = set()
    for wanted in (f"{own}?external_id=u2", unlinked, unknown, "x", "%00"):
        path, _, query = wanted.partition("?")
        for method, more in (("GET", ""), ("POST", "/verify"), ("DELETE", "")):
            answer = await backend.request(method, f"/v1/connections/{path}{more}?{query}")
            assert refusal(answer) == (404, "not_found"), (method, wanted)
            bodies.add(answer.json()["detail"])

    assert len(bodies) == 1
    for user, account in (("u2", BAKERY), ("u1", "1"), ("u1", "x")):
        answer = await backend.get(f"/v1/instagram-accounts/{account}?external_id={user}")
        assert refusal(answer) == (404, "not_found")
        answer = await token(backend, account, external_id=user)
        assert refusal(answer) == (404, "not_found")
    assert refusal(await token(backend, connection_id=unlinked)) == (404, "not_found")
    assert (await ada.connection())["id"] == own


async def test_the_listing_is_that_of_all_linked_people(stage: Stage, backend: AsyncClient) -> None:
    """One list, shaped as a front end's; a user whom nobody is linked to has an empty one."""
    ada = await link(stage, "ada", "u1", "u2")
    await link(stage, "ben", "u2")
    own = (await ada.accounts()).json()
    answer = await backend.get("/v1/instagram-accounts", params={"external_id": "u1"})
    both = (await backend.get("/v1/instagram-accounts", params={"external_id": "u2"})).json()
    none = await backend.get("/v1/instagram-accounts", params={"external_id": "u3"})

    assert answer.json() == own
    assert {each["id"] for each in both["data"]} >= {each["id"] for each in own["data"]}
    assert len(both["meta"]["connections"]) == 2
    assert none.status_code == 200
    assert none.json()["data"] == []
    assert set(none.json()["meta"]) == set(own["meta"])
    account = await backend.get(f"/v1/instagram-accounts/{BAKERY}?external_id=u1")
    assert account.json() in own["data"]
    assert refusal(await backend.get("/v1/instagram-accounts")) == (422, "invalid_request")


async def test_a_backend_may_ask_meta_now(stage: Stage, backend: AsyncClient) -> None:
    """`refresh` and `verify`, each within the person's rate."""
    ada = await link(stage, "ada", "u1")
    wanted = (await ada.connection())["id"]
    before = len(stage.graph_calls)
    fresh = await backend.get("/v1/instagram-accounts?external_id=u1&refresh=true")
    verified = await backend.post(f"/v1/connections/{wanted}/verify")

    assert (fresh.status_code, verified.status_code) == (200, 200)
    assert verified.json()["external_ids"] == ["u1"]
    assert len(stage.graph_calls) > before + 1
    answers = [await backend.post(f"/v1/connections/{wanted}/verify") for _ in range(5)]
    assert refusal(answers[-1]) == (429, "rate_limited")


@pytest.mark.parametrize("scope", list(ServiceScope))
async def test_each_route_wants_its_scope_and_no_other(stage: Stage, scope: ServiceScope) -> None:
    """403 `scope_missing`, which names it."""
    ada = await link(stage, "ada", "u1")
    wanted = (await ada.connection())["id"]
    backend = await stage.backend(*(each for each in ServiceScope if each is not scope))
    routes = dict(EVERY_ROUTE)
    for (method, path), needed in routes.items():
        if needed is scope:
            answer = await backend.request(method, path.format(id=wanted))
            assert refusal(answer) == (403, "scope_missing"), path
            assert scope in answer.json()["detail"]
    if scope is ServiceScope.TOKENS:
        assert refusal(await token(backend)) == (403, "scope_missing")
    if scope is ServiceScope.CONNECT:
        assert refusal(await redeem(backend, "x")) == (403, "scope_missing")


# --- tokens ---


async def test_a_token_to_act_with(stage: Stage, backend: AsyncClient) -> None:
    """Live, with a timed proof that Meta's own reckoning confirms (graph-facts 5.2); no call."""
    ada = await link(stage, "ada", "u1")
    calls = len(stage.calls)
    answer = await token(backend, purpose="publish")
    connection = await ada.connection()

    assert answer.status_code == 200, answer.text
    assert "no-store" in answer.headers["cache-control"]
    body = answer.json()
    text = f"{body['access_token']}|{body['appsecret_time']}".encode()
    secret = SandboxConfig().app_secret.encode()
    assert body.pop("appsecret_proof") == hmac.new(secret, text, hashlib.sha256).hexdigest()
    assert body.pop("access_token").startswith("EAA")
    assert body.pop("scopes") == connection["granted_scopes"]
    assert body == {
        "token_type": "Bearer",
        "provider": "facebook",
        "expires_at": connection["token_expires_at"],
        "missing_scopes": [],
        "appsecret_time": int(stage.clock.now.timestamp()),
        "proof_expires_at": "2026-11-23T12:05:00Z",
        "graph_url": "https://graph.facebook.com/v26.0",
        "instagram_account_id": BAKERY,
        "connection_id": connection["id"],
    }
    assert len(stage.calls) == calls
    assert connection["used_at"] == "2026-11-23T12:00:00Z"
    rows = await stage.sql(
        "SELECT actor, connection, purpose FROM audit_events WHERE event = 'token.served'"
    )
    key = backend.headers["authorization"].partition("igsk_")[2][:8]
    assert rows == [(key, connection["id"], "publish")]


def noting(seen: list[str], name: str, run: Callable[..., Any]) -> Callable[..., Any]:
    """The same, and its name is noted."""

    def noted(*given: Any) -> Any:
        seen.append(name)
        return run(*given)

    return noted


async def test_a_token_costs_one_read_and_one_write(
    stage: Stage, backend: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key, then all the rest."""
    await link(stage, "ada", "u1")
    await token(backend)
    seen: list[str] = []
    engine = stage.services.database._engine
    for name in ("read", "write"):
        monkeypatch.setattr(engine, name, noting(seen, name, getattr(engine, name)))
    assert (await token(backend)).status_code == 200

    assert seen == ["read", "write"]


async def test_a_token_follows_the_settings(database_url: str) -> None:
    """`graph_url`: origin and version."""
    more = {"facebook_graph_url": "http://localhost:9000", "facebook_api_version": "v25.0"}
    async with open_stage(make_settings(database_url, **more)) as stage:
        browser = stage.browser()
        await browser.log_in("ada")
        people = await stage.sql("SELECT id FROM people")
        await stage.sql(
            "INSERT INTO links VALUES ('u1', :person, '2026-11-23 12:00:00.000000')"
            if stage.services.database.is_sqlite
            else "INSERT INTO links VALUES ('u1', :person, now())",
            person=people[0][0],
        )
        await browser.accounts()
        answer = await token(await stage.backend())

    assert answer.json()["graph_url"] == "http://localhost:9000/v25.0", answer.text


async def test_a_dead_token_is_never_served(stage: Stage, backend: AsyncClient) -> None:
    """409, with the way out; nothing is noted as used."""
    ada = await link(stage, "ada", "u1")
    await ada.accounts()
    stage.clock.advance(days=61)
    answer = await token(backend)

    assert refusal(answer) == (409, "reconnect_required")
    assert answer.json()["action"]["kind"] == "reconnect"
    assert (await stage.sql("SELECT used_at FROM connections")) == [(None,)]
    assert await stage.sql("SELECT id FROM audit_events WHERE event = 'token.served'") == []


@pytest.mark.parametrize(
    ("column", "code"),
    [
        ("status = 'checkpoint_required', cause = 'checkpoint'", "checkpoint_required"),
        ("status = 'revoked', cause = 'app_removed', sealed_token = NULL", "reconnect_required"),
        ("sealed_token = 'v1.k1.AAAA'", "reconnect_required"),
        ("app_id = '1'", "reconnect_required"),
    ],
)
async def test_what_is_of_no_use_is_409(
    stage: Stage, backend: AsyncClient, column: str, code: str
) -> None:
    """Held up, revoked, unreadable, another app's."""
    ada = await link(stage, "ada", "u1")
    await ada.accounts()
    await stage.sql(f"UPDATE connections SET {column}")  # noqa: S608  # our own

    assert refusal(await token(backend)) == (409, code)


async def test_the_first_connection_of_that_user_is_taken(
    stage: Stage, backend: AsyncClient
) -> None:
    """The one to act with first, or the one that was named."""
    await link(stage, "ada", "u1")
    listing = (await backend.get("/v1/instagram-accounts?external_id=u1")).json()
    account = next(each for each in listing["data"] if each["id"] == BAKERY)

    for asked in ({}, {"connection_id": account["connection_ids"][0]}):
        answer = await token(backend, **asked)
        assert answer.json()["connection_id"] == account["connection_ids"][0]


@pytest.mark.parametrize(
    "asked", [{"purpose": ""}, {"purpose": "a\nb"}, {"external_id": ""}, {"unknown": 1}]
)
async def test_a_bad_wish_for_a_token_is_422(backend: AsyncClient, asked: dict[str, Any]) -> None:
    """Each part by itself."""
    assert refusal(await token(backend, **asked)) == (422, "invalid_request")


# --- ending ---


async def test_a_backend_disconnects(stage: Stage, backend: AsyncClient) -> None:
    """As the person would; the trail says which key did it."""
    ada = await link(stage, "ada", "u1")
    wanted = (await ada.connection())["id"]

    assert (await backend.delete(f"/v1/connections/{wanted}")).status_code == 204
    assert await ada.user() is None
    assert await stage.count("people") == 0
    assert await stage.count("links") == 0
    key = backend.headers["authorization"].partition("igsk_")[2][:8]
    done = "SELECT actor FROM audit_events WHERE event = 'person.disconnected'"
    assert await stage.sql(done) == [(key,)]


async def test_a_user_is_let_go(stage: Stage, backend: AsyncClient) -> None:
    """The link goes, the person stays; for an unknown user the same."""
    ada = await link(stage, "ada", "u1")

    assert (await backend.delete("/v1/links?external_id=u1")).status_code == 204
    assert (await backend.delete("/v1/links?external_id=u1")).status_code == 204
    assert await ada.user() is not None
    assert (await backend.get("/v1/connections")).json()["data"] == []


async def test_offboarding_erases_whom_nobody_else_is_linked_to(
    stage: Stage, backend: AsyncClient
) -> None:
    """Ada is u1's alone, Ben is u2's as well: he stays."""
    ada = await link(stage, "ada", "u1")
    ben = await link(stage, "ben", "u1", "u2")
    ended = await backend.delete("/v1/links?external_id=u1&disconnect=true")

    assert ended.status_code == 204
    assert await ada.user() is None
    assert await ben.user() is not None
    assert await stage.sql("SELECT external_id FROM links") == [("u2",)]


async def test_an_unconfirmed_revocation_is_202(stage: Stage, backend: AsyncClient) -> None:
    """All is deleted here, and Meta is told later."""
    await link(stage, "ada", "u1")
    stage.sandbox.faults.preset("html_ok", endpoint="revoke", times=9)
    ended = await backend.delete("/v1/links?external_id=u1&disconnect=true")

    assert ended.status_code == 202
    assert await stage.count("people") == 0
    assert await stage.count("revocations") == 1


async def test_no_browser_sees_any_of_it(stage: Stage, backend: AsyncClient) -> None:
    """Not even with a good key in a page's fetch."""
    for method, path in EVERY_ROUTE:
        answer = await backend.request(
            method,
            path.format(id="0" * 8 + "-0000" * 3 + "-" + "0" * 12),
            headers={"origin": FRONTEND},
        )
        assert refusal(answer) == (403, "not_for_browsers")
