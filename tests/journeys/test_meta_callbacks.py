"""Meta's deauthorize and data-deletion callbacks: forged, replayed, early, late (contract §5)."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from igauth.api.limiting import Limiter
from igauth.rates import Rate
from igauth.security.signed_request import SignedRequestRefused, parse_signed_request
from igauth.store.models import Base
from tests.stage import Browser, Stage, error_of

SECRET = "0123456789abcdef0123456789abcdef"
DEAUTHORIZE = "/auth/facebook/deauthorize"
DELETION = "/auth/facebook/data-deletion"


def encoded(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(claims: Any, secret: str, *, raw: bytes | None = None) -> str:
    """A signed_request by the recipe of facts 13.1, made here and not by the code under test."""
    payload = encoded(json.dumps(claims).encode() if raw is None else raw)
    signature = hmac.digest(secret.encode(), payload.encode(), hashlib.sha256)
    return f"{encoded(signature)}.{payload}"


def claims_of(stage: Stage, person: str = "ada", **changes: Any) -> dict[str, Any]:
    """What Meta would say about a person now."""
    claims = {
        "user_id": stage.sandbox.world.person(person).id,
        "algorithm": "HMAC-SHA256",
        "issued_at": int(stage.clock().timestamp()),
    }
    return {key: value for key, value in (claims | changes).items() if value is not None}


def secret_of(stage: Stage) -> str:
    """The app secret that this stage's Meta signs with."""
    return stage.sandbox.config.app_secret


async def post(stage: Stage, path: str, signed_request: str) -> httpx.Response:
    """Meta calls: a form, no cookie, no origin."""
    return await stage.browser().http.post(
        stage.settings.base_url + path, data={"signed_request": signed_request}
    )


def corpus(stage: Stage) -> dict[str, str]:
    """Everything that must be refused, by what is wrong with it."""
    secret, good = secret_of(stage), claims_of(stage)
    signature, payload = sign(good, secret).split(".")
    return {
        "empty": "",
        "blank": " ",
        "dot": ".",
        "one part": payload,
        "three parts": f"{signature}.{payload}.{payload}",
        "no signature": f".{payload}",
        "no payload": f"{signature}.",
        "other secret": sign(good, "f" * 32),
        "signed the json": encoded(
            hmac.digest(secret.encode(), json.dumps(good).encode(), hashlib.sha256)
        )
        + f".{payload}",
        "sha1": encoded(hmac.digest(secret.encode(), payload.encode(), "sha1")) + f".{payload}",
        "hex signature": hmac.new(secret.encode(), payload.encode(), "sha256").hexdigest()
        + f".{payload}",
        "cut signature": f"{signature[:-2]}.{payload}",
        "altered payload": f"{signature}.{payload[:-3]}AAA",
        "swapped parts": f"{payload}.{signature}",
        "not base64": f"{signature}.!!!!",
        "standard base64": f"{signature}+/.{payload}",
        "not json": sign(None, secret, raw=b"{"),
        "deep json": sign(None, secret, raw=b"[" * 5_000),
        "a list": sign([good], secret),
        "a string": sign("x", secret),
        "null": sign(None, secret),
        "not utf-8": sign(None, secret, raw=b'{"user_id":"\xff"}'),
        "no algorithm": sign(good | {"algorithm": None}, secret),
        "algorithm none": sign(good | {"algorithm": "none"}, secret),
        "algorithm lower": sign(good | {"algorithm": "hmac-sha256"}, secret),
        "algorithm list": sign(good | {"algorithm": ["HMAC-SHA256"]}, secret),
        "no user": sign({k: v for k, v in good.items() if k != "user_id"}, secret),
        "user negative": sign(good | {"user_id": -1}, secret),
        "padded": f"{signature}=.{payload}",
        "spare bits": f"{signature[:-1]}{chr(ord(signature[-1]) + 1)}.{payload}",
        "user empty": sign(good | {"user_id": ""}, secret),
        "user list": sign(good | {"user_id": ["1"]}, secret),
        "user with NUL": sign(good | {"user_id": "1\0"}, secret),
        "user too long": sign(good | {"user_id": "1" * 500}, secret),
        "no time": sign({k: v for k, v in good.items() if k != "issued_at"}, secret),
        "time text": sign(good | {"issued_at": "now"}, secret),
        "time bool": sign(good | {"issued_at": True}, secret),
        "time infinite": sign(
            None, secret, raw=b'{"algorithm":"HMAC-SHA256","user_id":"1","issued_at":Infinity}'
        ),
        "time huge": sign(good | {"issued_at": 10**30}, secret),
        "too long": sign(good | {"filler": "x" * 9_000}, secret),
    }


@pytest.mark.parametrize("path", [DEAUTHORIZE, DELETION])
async def test_a_forged_request_changes_nothing(stage: Stage, browser: Browser, path: str) -> None:
    """Each malformed or forged signed_request: 400 `bad_signed_request`, or 429 over the rate."""
    await browser.log_in("ada")
    stage.state["edge"].login_limit = Limiter(Rate(1_000, 60))

    for fault, signed_request in corpus(stage).items():
        answer = await post(stage, path, signed_request)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_signed_request"), fault

    assert (await browser.connection())["status"] == "active"


async def test_the_field_must_be_there_once(stage: Stage) -> None:
    """Absent, repeated, or not a form (contract §5, security R-22)."""
    http, url = stage.browser().http, stage.settings.base_url + DEAUTHORIZE
    good = sign(claims_of(stage), secret_of(stage))
    form = {"content-type": "application/x-www-form-urlencoded"}

    absent = await http.post(url, data={"other": good})
    nothing = await http.post(url)
    twice = await http.post(
        url, content=f"signed_request={good}&signed_request={good}", headers=form
    )
    as_json = await http.post(url, json={"signed_request": good})

    assert [each.status_code for each in (absent, nothing, twice, as_json)] == [400, 400, 400, 415]


async def test_bad_ones_are_rate_limited_good_ones_never(stage: Stage) -> None:
    """RATE_LIMIT_LOGIN counts badly signed requests; a well signed one always passes (§2)."""
    answers = [(await post(stage, DEAUTHORIZE, "x.y")).status_code for _ in range(31)]

    assert answers == [400] * 30 + [429]
    good = sign(claims_of(stage), secret_of(stage))
    assert (await post(stage, DEAUTHORIZE, good)).status_code == 200


async def test_a_probe_is_answered(stage: Stage) -> None:
    """Meta's dashboard asks by GET and wants 200 (facts 13.2)."""
    assert (await stage.browser().get(DEAUTHORIZE)).status_code == 200


async def test_deauthorizing_ends_connection_and_sessions(stage: Stage, browser: Browser) -> None:
    """The row stays, `revoked` and without a token; the next login revives it (§5)."""
    await browser.log_in("ada")
    elsewhere = stage.browser()
    await elsewhere.log_in("ada")
    before = await browser.connection()

    stage.clock.advance(minutes=5)
    answer = await post(stage, DEAUTHORIZE, sign(claims_of(stage), secret_of(stage)))

    assert answer.status_code == 200
    assert [await browser.user(), await elsewhere.user()] == [None, None]
    assert await stage.sql("SELECT status, sealed_token FROM connections") == [("revoked", None)]
    assert error_of(await browser.log_in("ada")) is None
    after = await browser.connection()
    assert (after["id"], after["status"]) == (before["id"], "active")


async def test_unknown_people_get_the_same_answer(stage: Stage, browser: Browser) -> None:
    """A deauthorization of nobody tells nothing (security R-61)."""
    await browser.log_in("ada")
    stage.clock.advance(minutes=5)
    known = await post(stage, DEAUTHORIZE, sign(claims_of(stage), secret_of(stage)))
    unknown = await post(
        stage, DEAUTHORIZE, sign(claims_of(stage, user_id="999"), secret_of(stage))
    )

    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)


@pytest.mark.parametrize(
    ("age_seconds", "ends"), [(3_600, False), (61, False), (59, True), (0, True), (-30, True)]
)
async def test_what_was_said_before_the_connection_began(
    stage: Stage, browser: Browser, age_seconds: int, ends: bool
) -> None:
    """One issued before the present connection (60 s of leeway) changes nothing (§5)."""
    await browser.log_in("ada")
    issued_at = int(stage.clock().timestamp()) - age_seconds
    signed_request = sign(claims_of(stage, issued_at=issued_at), secret_of(stage))

    assert (await post(stage, DEAUTHORIZE, signed_request)).status_code == 200
    assert (await browser.user() is None) is ends


async def test_a_deletion_leaves_no_trace(stage: Stage, browser: Browser) -> None:
    """Id, name, handles, token: nothing of the person is in the database afterwards (§5).

    Only the event that tells of the deletion names our own id of the connection (§12).
    """
    await browser.log_in("ada")
    listing = (await browser.accounts()).json()
    person = stage.sandbox.world.person("ada")
    connection = await browser.connection()
    session = (await browser.user() or {})["id"]
    stage.clock.advance(minutes=5)

    answer = await post(stage, DELETION, sign(claims_of(stage), secret_of(stage)))

    assert answer.status_code == 200
    assert set(answer.json()) == {"url", "confirmation_code"}
    traces = [person.id, person.name, session]
    traces += [account["id"] for account in listing["data"]]
    traces += [account["username"] for account in listing["data"]]
    ((told,),) = await stage.sql("SELECT connection_id FROM events")
    assert told == connection["id"]
    dump = await everything_stored(stage)
    assert [trace for trace in traces if trace in dump] == []
    for table in ("people", "connections", "sessions", "listings", "revocations", "pauses"):
        assert await stage.count(table) == 0, table


async def everything_stored(stage: Stage) -> str:
    """Every row of every table, and SQLite's very bytes."""
    parts: list[str] = []
    for table in Base.metadata.sorted_tables:
        parts += map(str, await stage.sql(f"SELECT * FROM {table.name}"))  # noqa: S608  # our own
    url = stage.services.database.url
    if url.get_backend_name() == "sqlite":
        for suffix in ("", "-wal"):
            with open(f"{url.database}{suffix}", "rb") as file:  # noqa: ASYNC230  # a test
                parts.append(file.read().decode("latin-1"))
    return "\n".join(parts)


async def test_a_deletion_can_be_looked_up(stage: Stage, browser: Browser) -> None:
    """The url shows a readable page without login, JSON on demand, and names nobody (§5)."""
    await browser.log_in("ada")
    stage.clock.advance(minutes=5)
    answer = (await post(stage, DELETION, sign(claims_of(stage), secret_of(stage)))).json()
    path = urlsplit(answer["url"]).path
    stranger = stage.browser()

    shown = await stranger.get(path, accept="text/html")
    told = await stranger.get(path, accept="application/json")

    assert answer["url"].startswith(stage.settings.base_url)
    assert answer["confirmation_code"].isalnum()
    assert len(answer["confirmation_code"]) >= 22
    assert shown.headers["content-type"].startswith("text/html")
    assert "Everything that this service had stored about you was deleted" in shown.text
    assert "script-src" not in shown.headers["content-security-policy"]
    assert told.json()["status"] == "deleted"
    assert answer["confirmation_code"] not in await everything_stored(stage)
    assert (await stranger.get(f"{DELETION}/{'0' * 32}")).status_code == 404


async def test_deleting_is_idempotent(stage: Stage, browser: Browser) -> None:
    """The same request: the same answer, even after the person came back; and they stay (§5)."""
    await browser.log_in("ada")
    stage.clock.advance(minutes=5)
    signed_request = sign(claims_of(stage), secret_of(stage))
    first = await post(stage, DELETION, signed_request)
    stage.clock.advance(minutes=5)
    await browser.log_in("ada")

    second = await post(stage, DELETION, signed_request)

    assert second.json() == first.json()
    assert await browser.user() is not None


async def test_a_deletion_of_nobody_says_so(stage: Stage) -> None:
    """An unknown person gets the same shape; the page says that there was nothing (§5)."""
    signed_request = sign(claims_of(stage, user_id="424242"), secret_of(stage))
    answer = (await post(stage, DELETION, signed_request)).json()

    told = await stage.browser().get(urlsplit(answer["url"]).path, accept="application/json")

    assert set(answer) == {"url", "confirmation_code"}
    assert told.json()["status"] == "nothing_stored"


async def test_a_late_deletion_spares_who_came_back(stage: Stage, browser: Browser) -> None:
    """Issued before the present connection began: nothing is deleted, and the page says so."""
    issued_at = int((stage.clock() - timedelta(days=1)).timestamp())
    await browser.log_in("ada")
    answer = (
        await post(stage, DELETION, sign(claims_of(stage, issued_at=issued_at), secret_of(stage)))
    ).json()

    told = await stage.browser().get(urlsplit(answer["url"]).path, accept="application/json")

    assert told.json()["status"] == "superseded"
    assert await browser.user() is not None


async def test_a_deletion_empties_the_revocation_queue_of_the_person(
    stage: Stage, browser: Browser
) -> None:
    """Not even a sealed id of an erased person stays in the queue (issue 5)."""
    await browser.log_in("ada")
    stage.sandbox.faults.preset("unavailable", endpoint="revoke")
    await browser.send("DELETE", "/me")
    assert await stage.count("revocations") == 1

    await post(stage, DELETION, sign(claims_of(stage), secret_of(stage)))

    assert await stage.count("revocations") == 0


async def test_callbacks_read_no_cookie(stage: Stage, browser: Browser) -> None:
    """A foreign origin and a session cookie mean nothing here: the signature is the proof (§4)."""
    await browser.log_in("ben")
    signed_request = sign(claims_of(stage, user_id="999"), secret_of(stage))

    answer = await browser.http.post(
        stage.settings.base_url + DEAUTHORIZE,
        data={"signed_request": signed_request},
        headers={"origin": "https://evil.test"},
    )

    assert answer.status_code == 200
    assert await browser.user() is not None


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.text(max_size=200) | st.binary(max_size=200).map(encoded).map(lambda part: f"{part}.{part}")
)
def test_the_parser_never_crashes(noise: str) -> None:
    """Arbitrary text is refused by one exception and no other."""
    with pytest.raises(SignedRequestRefused):
        parse_signed_request(noise, SECRET)


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=30),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["user_id", "algorithm", "issued_at", "x"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_signed_nonsense_never_crashes(claims: Any) -> None:
    """Whatever JSON is well signed: believed in the promised shape, refused otherwise."""
    try:
        parsed = parse_signed_request(sign(claims, SECRET), SECRET)
    except SignedRequestRefused:
        return
    assert parsed.user_id == claims["user_id"]
    assert parsed.issued_at.tzinfo is not None
