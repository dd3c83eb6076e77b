"""Service keys: their form, and what protects them (contract §11)."""

import zlib
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient, Response

from igauth.domain import ServiceScope
from igauth.security.service_keys import (
    ALPHABET,
    BadServiceKey,
    PresentedKey,
    checksum,
    new_service_key,
    parse_service_key,
)
from igauth.settings import SettingsRefused
from tests.stage import (
    BASE_URL,
    FRONTEND,
    KEY,
    OLDER_KEY,
    Stage,
    make_settings,
    open_stage,
    replica,
)

ME = "/v1/service-key"


def code_of(answer: Response) -> str:
    """The problem's code."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return str(answer.json()["code"])


def test_a_key_has_the_promised_form() -> None:
    """`igsk_{id 8}_{secret 43}{check 6}`, base62, CRC-32 padded with 0."""
    text = new_service_key().text
    prefix, key_id, rest = text.split("_")
    number = 0
    for digit in rest[43:]:
        number = number * 62 + ALPHABET.index(digit)

    assert (prefix, len(key_id), len(rest)) == ("igsk", 8, 49)
    assert ALPHABET == "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    assert number == zlib.crc32(text[:-6].encode())
    assert parse_service_key(text).text == text


def test_a_checksum_is_padded_with_zeros() -> None:
    """Six digits, whatever the number."""
    small = next(
        body for body in map("igsk_{}".format, range(10_000)) if zlib.crc32(body.encode()) < 62**5
    )

    assert checksum(small).startswith("0")
    assert len(checksum(small)) == 6


@pytest.mark.parametrize("place", range(5, 63))
def test_a_mistyped_key_is_known_without_a_database(place: int) -> None:
    """One character that differs, wherever."""
    text = new_service_key().text
    other = "b" if text[place] == "a" else "a"

    with pytest.raises(BadServiceKey):
        parse_service_key(text[:place] + other + text[place + 1 :])


def test_a_key_prints_without_its_secret() -> None:
    """Neither its repr nor its str."""
    key = PresentedKey("abcdefgh", "s" * 43)

    assert "s" * 43 not in f"{key!r}{key}"


async def test_a_key_tells_what_it_is_for(stage: Stage) -> None:
    """Name, scopes and end; any scope will do."""
    key = await stage.services.service_keys.make("worker", [ServiceScope.EVENTS], timedelta(days=1))
    backend = await stage.backend(key=key)
    answer = await backend.get(ME)

    assert answer.status_code == 200
    assert answer.json() == {
        "name": "worker",
        "scopes": ["events"],
        "expires_at": "2026-11-24T12:00:00Z",
    }
    assert "no-store" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Basic {key}",
        "{key}",
        "Bearer {key}x",
        "Bearer {other}",
        "Bearer {mistyped}",
    ],
)
async def test_what_is_no_key_is_401(stage: Stage, value: str | None) -> None:
    """All alike, with a challenge; also for an address and a method that don't exist."""
    key = await stage.services.service_keys.make("t", [ServiceScope.READ], None)
    http = await stage.backend(key="")
    if value is not None:
        other, mistyped = new_service_key().text, key[:-1] + ("a" if key[-1] != "a" else "b")
        http.headers["Authorization"] = value.format(key=key, other=other, mistyped=mistyped)

    for method, path in (("GET", ME), ("POST", ME), ("GET", "/v1/nothing"), ("GET", "/v1")):
        answer = await http.request(method, path, content=b"{")
        assert (answer.status_code, code_of(answer)) == (401, "service_key_invalid")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_revoked_key_ends_at_once(stage: Stage) -> None:
    """On the other replica, too."""
    key = await stage.services.service_keys.make("t", [ServiceScope.READ], None)
    backend = await stage.backend(key=key)
    assert (await backend.get(ME)).status_code == 200
    async with replica(stage) as other:
        await other.services.service_keys.revoke(parse_service_key(key).id)

    assert (await backend.get(ME)).status_code == 401


async def test_a_key_ends_when_it_should(stage: Stage) -> None:
    """By its own end."""
    key = await stage.services.service_keys.make("t", [ServiceScope.READ], timedelta(hours=1))
    backend = await stage.backend(key=key)
    stage.clock.advance(minutes=59)
    assert (await backend.get(ME)).status_code == 200
    stage.clock.advance(minutes=1)

    assert (await backend.get(ME)).status_code == 401


async def test_a_rotated_key_lives_on_for_its_overlap(stage: Stage) -> None:
    """Old and new side by side, then the new one alone; the overlap never makes a life longer."""
    keys = stage.services.service_keys
    first = await keys.make("worker", [ServiceScope.READ], timedelta(days=10))
    second = await keys.rotate(parse_service_key(first).id, timedelta(hours=24))
    await keys.rotate(parse_service_key(first).id, timedelta(days=30))
    old, new = await stage.backend(key=first), await stage.backend(key=second)

    assert (await old.get(ME)).json()["expires_at"] == "2026-11-24T12:00:00Z"
    assert (await new.get(ME)).json() == {
        "name": "worker",
        "scopes": ["read"],
        "expires_at": "2026-12-03T12:00:00Z",
    }
    stage.clock.advance(hours=24)
    assert (await old.get(ME)).status_code == 401
    assert (await new.get(ME)).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        """scopes = '["read", "tokens"]'""",
        "expires_at = NULL",
        "expires_at = '2030-01-01 00:00:00+00'",
        "key_hash = (SELECT key_hash FROM service_keys WHERE name = 'other')",
        "id = 'aaaaaaaa'",
        "kid = 'k9'",
    ],
)
async def test_who_writes_the_database_cannot_widen_a_key(stage: Stage, change: str) -> None:
    """Scopes, end, secret and id are under the hash: what was changed opens nothing."""
    keys = stage.services.service_keys
    key = await keys.make("t", [ServiceScope.READ], timedelta(days=1))
    await keys.make("other", [ServiceScope.READ], timedelta(days=1))
    if stage.services.database.is_sqlite:
        change = change.replace("+00'", ".000000'")
    await stage.sql(f"UPDATE service_keys SET {change} WHERE name = 't'")  # noqa: S608  # our own

    assert (await (await stage.backend(key=key)).get(ME)).status_code == 401


async def test_no_key_lies_in_the_database(stage: Stage) -> None:
    """Neither the key nor its secret."""
    key = await stage.services.service_keys.make("t", [ServiceScope.READ], None)
    await (await stage.backend(key=key)).get(ME)
    kept = str(await stage.sql("SELECT * FROM service_keys"))
    kept += str(await stage.sql("SELECT * FROM audit_events"))

    assert parse_service_key(key).secret not in kept


async def test_a_hash_moves_to_the_newest_ring_key_at_use(database_url: str) -> None:
    """Until then the ring can't do without the older key; afterwards it can."""
    async with open_stage(make_settings(database_url, keys=(OLDER_KEY,))) as stage:
        key = await stage.services.service_keys.make("t", [ServiceScope.READ], None)
    with pytest.raises(SettingsRefused, match="k0"):
        async with open_stage(make_settings(database_url, keys=(KEY,))):
            raise AssertionError
    async with open_stage(make_settings(database_url, keys=(KEY, OLDER_KEY))) as stage:
        assert (await (await stage.backend(key=key)).get(ME)).status_code == 200
    async with open_stage(make_settings(database_url, keys=(KEY,))) as stage:
        assert (await (await stage.backend(key=key)).get(ME)).status_code == 200


async def test_a_dead_key_holds_no_ring_key_back(database_url: str) -> None:
    """Revoked, or ended."""
    async with open_stage(make_settings(database_url, keys=(OLDER_KEY,))) as stage:
        keys = stage.services.service_keys
        key = await keys.make("t", [ServiceScope.READ], None)
        await keys.make("t", [ServiceScope.READ], timedelta(seconds=0))
        await keys.revoke(parse_service_key(key).id)

    async with open_stage(make_settings(database_url, keys=(KEY,))) as stage:
        assert await stage.count("service_keys") == 2


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize(
    "place", ["query", "encoded query", "path", "json", "escaped json", "form", "cookie"]
)
async def test_a_key_elsewhere_than_in_its_header_is_refused(
    stage: Stage, place: str, beside: bool
) -> None:
    """400 before 401, and beside a good header too; it leaves a row of the trail."""
    leaked = await stage.services.service_keys.make("leaked", [ServiceScope.READ], None)
    http = await stage.backend(key=None if beside else "")
    method, path = "GET", ME
    more: dict[str, Any] = {}
    match place:
        case "query":
            path += f"?access_token={leaked}"
        case "encoded query":
            path += f"?key={leaked.replace('_', '%5F')}"
        case "path":
            path = f"/v1/{leaked}"
        case "cookie":
            more = {"headers": {"cookie": f"key={leaked}"}}
        case "form":
            method, more = "POST", {"data": {"key": leaked}}
        case "json":
            method, more = "POST", {"json": {"key": leaked}}
        case "escaped json":
            escaped = leaked.replace("i", "\\u0069", 1)
            method, more = "POST", {"content": f'{{"key": "{escaped}"}}'.encode()}
    answer = await http.request(method, path, **more)

    assert (answer.status_code, code_of(answer)) == (400, "key_in_url")
    events = await stage.sql("SELECT actor FROM audit_events WHERE event = 'service_key.in_url'")
    assert events == [(parse_service_key(leaked).id,)]


async def test_strangers_cannot_fill_the_trail(stage: Stage) -> None:
    """What only looks like a key is refused, and leaves no row."""
    answer = await (await stage.backend()).get(f"{ME}?key={new_service_key().text}")

    assert code_of(answer) == "key_in_url"
    assert await stage.sql("SELECT id FROM audit_events WHERE event = 'service_key.in_url'") == []


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": FRONTEND},
        {"origin": "null"},
        {"origin": BASE_URL},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
async def test_no_browser_gets_through(stage: Stage, headers: dict[str, str], method: str) -> None:
    """A good key or not; and no header of CORS ever, for a preflight neither."""
    for key in (None, ""):
        backend = await stage.backend(key=key)
        asked = {"access-control-request-method": "GET"} | headers
        answer = await backend.request(method, ME, headers=asked)
        assert (answer.status_code, code_of(answer)) == (403, "not_for_browsers")
        assert [name for name in answer.headers if name.startswith("access-control")] == []


async def test_cookies_are_not_read(stage: Stage) -> None:
    """A session opens nothing here, and changes nothing: no CSRF rule is asked."""
    browser = stage.browser()
    await browser.log_in("ada")
    cookie = {"cookie": f"igauth_session={browser.cookie()}"}
    stranger, backend = await stage.backend(key=""), await stage.backend()

    assert (await stranger.get(ME, headers=cookie)).status_code == 401
    assert (await backend.get(ME, headers=cookie)).status_code == 200
    assert (await backend.post(ME, headers=cookie)).status_code == 405


async def ask(http: AsyncClient, times: int) -> list[int]:
    """The statuses of so many requests."""
    return [(await http.get(ME)).status_code for _ in range(times)]


async def test_bad_keys_are_limited_by_address(stage: Stage) -> None:
    """Thirty a minute; a good key from there is still served, and so are other addresses."""
    stranger, good = await stage.backend(key=""), await stage.backend()
    elsewhere = await stage.backend(key="", address="10.0.0.9")

    assert await ask(stranger, 31) == [401] * 30 + [429]
    limited = await stranger.get(ME)
    assert code_of(limited) == "rate_limited"
    assert int(limited.headers["retry-after"]) > 0
    assert await ask(good, 1) == [200]
    assert await ask(elsewhere, 1) == [401]


async def test_each_key_has_a_rate(database_url: str) -> None:
    """`RATE_LIMIT_SERVICE`, for each key by itself."""
    async with open_stage(make_settings(database_url, rate_limit_service="2/minute")) as stage:
        first, second = await stage.backend(), await stage.backend()

        assert await ask(first, 3) == [200, 200, 429]
        assert await ask(second, 1) == [200]
        assert "retry-after" in (await first.get(ME)).headers


async def test_the_default_rate_is_the_contracts(sqlite_url: str) -> None:
    """1200 a minute."""
    assert make_settings(sqlite_url).rate_limit_service == "1200/minute"
