"""Forged, respelt, replayed, early and late `signed_request`s (contract §5; facts 13; S9, A15).

Whoever can make one of these ends other people's connections, so nothing but Meta's own bytes may.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import pytest

from tests.attacks.signing import base64url, claims_of, sign, sign_payload
from tests.stage import Browser, Stage, make_settings, open_stage

DEAUTHORIZE = "/auth/facebook/deauthorize"
DELETION = "/auth/facebook/data-deletion"
FORM = "application/x-www-form-urlencoded"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.fixture
async def stage(database_url: str) -> AsyncGenerator[Stage]:
    """A service without a limit on bad signatures, on either engine."""
    settings = make_settings(database_url, rate_limit_login="100000/minute")
    async with open_stage(settings) as opened:
        yield opened


@pytest.fixture
async def ada(stage: Stage) -> Browser:
    """Ada, who has been connected for five minutes."""
    browser = stage.browser()
    await browser.log_in("ada")
    stage.clock.advance(minutes=5)
    return browser


def _secret(stage: Stage) -> str:
    return stage.sandbox.config.app_secret


def _claims(stage: Stage, *, age_seconds: float = 0, **changes: Any) -> dict[str, Any]:
    ada = stage.sandbox.world.person("ada").id
    return claims_of(ada, stage.clock().timestamp() - age_seconds, **changes)


def _signed(stage: Stage, *, age_seconds: float = 0, **changes: Any) -> str:
    return sign(_claims(stage, age_seconds=age_seconds, **changes), _secret(stage))


async def _post(stage: Stage, path: str, signed: str) -> httpx.Response:
    return await _post_body(stage, path, urlencode({"signed_request": signed}))


async def _post_body(
    stage: Stage, path: str, body: str | bytes, content_type: str = FORM, query: str = ""
) -> httpx.Response:
    return await stage.browser().http.post(
        f"{stage.settings.base_url}{path}{query}",
        content=body,
        headers={"content-type": content_type},
    )


async def _is_untouched(browser: Browser) -> bool:
    return await browser.user() is not None and (await browser.connection())["status"] == "active"


def _refused(answer: httpx.Response) -> bool:
    return answer.status_code == 400 and answer.json()["code"] == "bad_signed_request"


# --- spellings ---


def respelt(signature: str) -> dict[str, str]:
    """The same 32 bytes in every other spelling that lenient decoders take."""
    sixteenth = ALPHABET.index(signature[-1])
    assert sixteenth % 4 == 0
    tails = {
        f"unused bits {bits}": signature[:-1] + ALPHABET[sixteenth + bits] for bits in (1, 2, 3)
    }
    padded = {
        f"{name}, {pad}": text + pad
        for name, text in (tails | {"canonical": signature}).items()
        for pad in ("=", "==", "===")
    }
    others = {
        "newline": signature + "\n",
        "leading blank": " " + signature,
        "inner blank": signature[:20] + " " + signature[20:],
        "inner newline": signature[:20] + "\r\n" + signature[20:],
        "NUL": signature + "\0",
        "wide letters": "".join(chr(ord(letter) + 0xFEE0) for letter in signature),
        "hexadecimal": base64.urlsafe_b64decode(signature + "=").hex(),
    }
    return tails | padded | others


@pytest.mark.parametrize("path", [DEAUTHORIZE, DELETION])
async def test_only_the_canonical_spelling_is_signed(stage: Stage, ada: Browser, path: str) -> None:
    """One payload with its signature respelt in twelve ways and more: 400, each of them (S9)."""
    signature, payload = _signed(stage).split(".")

    for name, spelling in respelt(signature).items():
        assert _refused(await _post(stage, path, f"{spelling}.{payload}")), name

    assert await _is_untouched(ada)
    assert (await _post(stage, path, f"{signature}.{payload}")).status_code == 200


async def test_the_standard_alphabet_is_another_one(stage: Stage, ada: Browser) -> None:
    """`+` and `/` in place of `-` and `_`: not base64url (RFC 4648 §5)."""
    issued_at = stage.clock().timestamp()
    requests = (_signed(stage, age_seconds=-age) for age in range(60))
    signature, payload = next(
        (signature, payload)
        for signature, payload in (each.split(".") for each in requests)
        if {"-", "_"} & set(signature)
    )

    standard = signature.replace("-", "+").replace("_", "/")

    assert _refused(await _post(stage, DEAUTHORIZE, f"{standard}.{payload}"))
    assert issued_at == stage.clock().timestamp()
    assert await _is_untouched(ada)


# --- forgeries ---


def forgeries(stage: Stage) -> dict[str, str]:
    """Everything that must be refused, by what is wrong with it."""
    secret, good = _secret(stage), _claims(stage)
    signature, payload = sign(good, secret).split(".")
    raw = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))

    def mac(message: bytes, algorithm: Any, key: bytes = secret.encode()) -> str:
        return base64url(hmac.digest(key, message, algorithm))

    def digest(message: bytes) -> str:
        return base64url(hashlib.sha256(message).digest())

    def signed(text: bytes) -> str:
        return sign_payload(base64url(text), secret)

    head = b'{"algorithm":"HMAC-SHA256","user_id":"1","issued_at":'
    return {
        "nothing": "",
        "a blank": " ",
        "a dot": ".",
        "two dots": "..",
        "one part": payload,
        "three parts": f"{signature}.{payload}.{payload}",
        "an empty third part": f"{signature}.{payload}.",
        "a JWT": f"{base64url(b'{}')}.{payload}.{signature}",
        "no signature": f".{payload}",
        "no payload": f"{signature}.",
        "swapped": f"{payload}.{signature}",
        "another secret": sign(good, "f" * 32),
        "an empty secret": sign(good, ""),
        "the app id as secret": sign(good, stage.sandbox.config.app_id),
        "over the JSON": f"{mac(raw, hashlib.sha256)}.{payload}",
        "plain SHA-256": f"{digest(payload.encode())}.{payload}",
        "secret and payload hashed": f"{digest((secret + payload).encode())}.{payload}",
        "SHA-1": f"{mac(payload.encode(), 'sha1')}.{payload}",
        "SHA-512": f"{mac(payload.encode(), 'sha512')}.{payload}",
        "MD5": f"{mac(payload.encode(), 'md5')}.{payload}",
        "cut to a byte": f"{signature[:2]}.{payload}",
        "cut": f"{signature[:-2]}.{payload}",
        "longer": f"{signature}AAAA.{payload}",
        "first byte altered": f"{'B' if signature[0] != 'B' else 'C'}{signature[1:]}.{payload}",
        "payload altered": f"{signature}.{payload[:-3]}AAA",
        "payload longer": f"{signature}.{payload}AA",
        "another's payload": f"{signature}.{sign(good | {'user_id': '1'}, secret).split('.')[1]}",
        "algorithm none": sign(good | {"algorithm": "none"}, secret),
        "algorithm lower": sign(good | {"algorithm": "hmac-sha256"}, secret),
        "algorithm SHA-1": sign(good | {"algorithm": "HMAC-SHA1"}, secret),
        "algorithm null": sign(good | {"algorithm": None}, secret),
        "algorithm list": sign(good | {"algorithm": ["HMAC-SHA256"]}, secret),
        "algorithm absent": sign(_claims(stage, algorithm=None), secret),
        "unsigned none": f".{base64url(json.dumps(good | {'algorithm': 'none'}).encode())}",
        "user absent": sign(_claims(stage, user_id=None), secret),
        "user null": sign(good | {"user_id": None}, secret),
        "user empty": sign(good | {"user_id": ""}, secret),
        "user true": sign(good | {"user_id": True}, secret),
        "user float": sign(good | {"user_id": 1.5}, secret),
        "user negative": sign(good | {"user_id": -1}, secret),
        "user list": sign(good | {"user_id": [good["user_id"]]}, secret),
        "user object": sign(good | {"user_id": {"$ne": None}}, secret),
        "user with NUL": sign(good | {"user_id": "1\0"}, secret),
        "user with newline": sign(good | {"user_id": "1\n"}, secret),
        "user surrogate": signed(b'{"algorithm":"HMAC-SHA256","user_id":"\\ud800","issued_at":1}'),
        "user wide digits": sign(good | {"user_id": "\uff11"}, secret),
        "user too long": sign(good | {"user_id": "1" * 500}, secret),
        "user huge number": signed(
            b'{"algorithm":"HMAC-SHA256","issued_at":1,"user_id":' + b"1" * 5_000 + b"}"
        ),
        "time absent": sign(_claims(stage, issued_at=None), secret),
        "time null": sign(good | {"issued_at": None}, secret),
        "time true": sign(good | {"issued_at": True}, secret),
        "time text": sign(good | {"issued_at": "now"}, secret),
        "time infinite": signed(head + b"Infinity}"),
        "time not a number": signed(head + b"NaN}"),
        "time overflows": signed(head + b"1e400}"),
        "time of many digits": signed(head + b"9" * 5_000 + b"}"),
        "not JSON": signed(b"not json"),
        "nothing encoded": signed(b""),
        "not UTF-8": signed(b'{"user_id":"\xff"}'),
        "a list": sign([good], secret),
        "a string": sign(json.dumps(good), secret),
        "null": sign(None, secret),
        "a number": sign(1, secret),
        "deep list": signed(b"[" * 5_000),
        "deep object": signed(b'{"a":' * 1_000 + b"1" + b"}" * 1_000),
        "8 kB of filler": sign(good | {"filler": "x" * 9_000}, secret),
    }  # fmt: skip


@pytest.mark.parametrize("path", [DEAUTHORIZE, DELETION])
async def test_no_forgery_is_believed(stage: Stage, ada: Browser, path: str) -> None:
    """400 `bad_signed_request` for each, and nobody's connection ends."""
    for fault, signed in forgeries(stage).items():
        answer = await _post(stage, path, signed)
        assert _refused(answer), (fault, answer.status_code)
        assert len(signed) < 10 or signed not in answer.text

    assert await _is_untouched(ada)


@pytest.mark.parametrize("path", [DEAUTHORIZE, DELETION])
async def test_a_large_payload_is_not_read(stage: Stage, ada: Browser, path: str) -> None:
    """100 kB, well signed: refused for its size before anything is made of it."""
    signed = _signed(stage, filler="x" * 100_000)

    answer = await _post(stage, path, signed)

    assert answer.status_code in {400, 413}
    assert await _is_untouched(ada)


async def test_odd_envelopes(stage: Stage, ada: Browser) -> None:
    """Twice, elsewhere, otherwise named, or in another format: refused (R-22, R-37, P-36)."""
    good = _signed(stage)
    one, query = f"signed_request={good}", f"?signed_request={good}"
    multipart = (
        b'--x\r\nContent-Disposition: form-data; name="signed_request"\r\n\r\n'
        + good.encode()
        + b"\r\n--x--\r\n"
    )
    answers = {
        "twice": await _post_body(stage, DEAUTHORIZE, f"{one}&{one}"),
        "twice, once nonsense": await _post_body(stage, DEAUTHORIZE, f"{one}&signed_request=x"),
        "in the query": await _post_body(stage, DEAUTHORIZE, "", query=query),
        "list": await _post_body(stage, DEAUTHORIZE, f"signed_request[]={good}"),
        "upper case": await _post_body(stage, DEAUTHORIZE, f"Signed_Request={good}"),
        "semicolon": await _post_body(stage, DEAUTHORIZE, f"a=b;{one}"),
        "5,000 fields": await _post_body(stage, DEAUTHORIZE, "a=&" * 5_000 + one),
        "not ASCII": await _post_body(stage, DEAUTHORIZE, f"é={good}".encode()),
        "as JSON": await _post_body(
            stage, DEAUTHORIZE, json.dumps({"signed_request": good}), "application/json"
        ),
        "as text": await _post_body(stage, DEAUTHORIZE, one, "text/plain"),
        "multipart": await _post_body(
            stage, DEAUTHORIZE, multipart, "multipart/form-data; boundary=x"
        ),
        "of no kind": await _post_body(stage, DEAUTHORIZE, one, "x"),
    }
    by_get = await stage.browser().get(DEAUTHORIZE + query)

    assert {name: each.status_code for name, each in answers.items() if each.is_success} == {}
    assert {each.status_code for each in answers.values()} <= {400, 413, 415}
    assert by_get.status_code == 200
    assert await _is_untouched(ada)


# --- whom it is about, and when it was said ---


async def test_a_number_is_as_good_as_its_digits(stage: Stage, ada: Browser) -> None:
    """`user_id` as a JSON number ends the very same connection (B32)."""
    number = int(stage.sandbox.world.person("ada").id)

    answer = await _post(stage, DEAUTHORIZE, _signed(stage, user_id=number))

    assert answer.status_code == 200
    assert await ada.user() is None


@pytest.mark.parametrize("path", [DEAUTHORIZE, DELETION])
@pytest.mark.parametrize(
    ("age_seconds", "ends"),
    [
        (5 * 60 + 62, False),
        (5 * 60 + 58, True),
        (86_400, False),
        (10**9, False),
        (0, True),
        (-9 * 60, True),
        (-11 * 60, False),
        (-86_400, False),
        (-(10**9), False),
    ],
)
async def test_too_early_and_too_late_change_nothing(
    stage: Stage, ada: Browser, path: str, age_seconds: int, ends: bool
) -> None:
    """From 60 s before the connection began until 10 minutes ahead; beyond, 200 and no change."""
    answer = await _post(stage, path, _signed(stage, age_seconds=age_seconds))

    assert answer.status_code == 200
    assert (await ada.user() is None) is ends


async def test_a_future_request_does_not_ripen(stage: Stage, ada: Browser) -> None:
    """Refused as too early, it is still worth nothing when its time has come."""
    signed = _signed(stage, age_seconds=-3_600)
    await _post(stage, DEAUTHORIZE, signed)
    stage.clock.advance(hours=1)

    answer = await _post(stage, DEAUTHORIZE, signed)

    assert answer.status_code == 200
    assert await ada.user() is not None


# --- replays ---


@pytest.mark.parametrize("path", [DEAUTHORIZE, DELETION])
async def test_a_replay_ends_no_new_login(stage: Stage, ada: Browser, path: str) -> None:
    """The same request after a new login: the same answer, and the login stays (A15)."""
    signed = _signed(stage)
    first = await _post(stage, path, signed)
    assert await ada.user() is None
    stage.clock.advance(seconds=2)
    await ada.log_in("ada")

    for _ in range(3):
        again = await _post(stage, path, signed)
        assert (again.status_code, again.content) == (first.status_code, first.content)
    assert await _is_untouched(ada)


async def test_a_replay_across_both_routes(stage: Stage, ada: Browser) -> None:
    """What was signed for one purpose and carried out is no deletion of a later login's data."""
    signed = _signed(stage)
    await _post(stage, DEAUTHORIZE, signed)
    await _post(stage, DELETION, signed)
    stage.clock.advance(seconds=2)
    await ada.log_in("ada")

    for path in (DEAUTHORIZE, DELETION):
        assert (await _post(stage, path, signed)).status_code == 200
    assert await _is_untouched(ada)


async def test_replays_make_no_new_codes(stage: Stage, ada: Browser) -> None:
    """Twenty times the same deletion: one code."""
    signed = _signed(stage)

    codes = {(await _post(stage, DELETION, signed)).json()["confirmation_code"] for _ in range(20)}

    assert len(codes) == 1
    assert await ada.user() is None


async def test_another_persons_request_ends_nobody_else(stage: Stage, ada: Browser) -> None:
    """Ids that only resemble Ada's are other people."""
    number = stage.sandbox.world.person("ada").id
    for other in (f"{number}0", number[:-1], f"0{number}", f"+{number}", f"{number}.0", "0"):
        answer = await _post(stage, DELETION, _signed(stage, user_id=other))
        assert answer.status_code in {200, 400}

    assert await _is_untouched(ada)


# --- the status page ---


@pytest.mark.parametrize(
    "code",
    [
        "0" * 32,
        "x",
        "%00",
        "a%00b",
        "..%2f..%2fme",
        "%3Cscript%3Ealert(1)%3C/script%3E",
        "'%20OR%201=1--",
        "%ff%fe",
        "%F0%9F%98%80",
        "a" * 5_000,
    ],
)
async def test_guessed_codes_show_nothing(stage: Stage, ada: Browser, code: str) -> None:
    """404, whatever the code looks like, and it isn't repeated."""
    await _post(stage, DELETION, _signed(stage))

    for accept in ("text/html", "application/json"):
        answer = await stage.browser().get(f"{DELETION}/{code}", accept=accept)
        assert answer.status_code == 404
        assert "alert(1)" not in answer.text


async def test_the_page_names_nobody(stage: Stage, ada: Browser) -> None:
    """Whoever has the address sees that something was deleted, and nothing of whose (R-60)."""
    person = stage.sandbox.world.person("ada")
    url = (await _post(stage, DELETION, _signed(stage))).json()["url"]
    code = urlsplit(url).path.rpartition("/")[2]

    for accept in ("text/html", "application/json"):
        shown = await stage.browser().get(urlsplit(url).path, accept=accept)
        assert shown.status_code == 200
        for trace in (person.id, person.name, *person.accounts):
            assert trace not in shown.text
        assert shown.headers["cache-control"] == "no-store"
    assert code.isalnum()
    assert len(code) >= 22
