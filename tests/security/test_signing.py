"""Signing: an attempt's cookie can be read by its browser, but not changed by it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igauth.security.keyring import KeyRing, Purpose
from igauth.security.sealing import Place, Sealer
from igauth.security.signing import AttemptSigner, BadSignature, SignedAttempt
from igauth.settings import RootKey
from tests.stage import KEY, OLDER_KEY

ATTEMPT = SignedAttempt(
    state_hash="h" * 64,
    secret="invented-secret",
    kid="k1",
    return_to="http://localhost:5173/after?tab=1#här",
    popup=True,
    reconnect="c-1",
    started_at=datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
)
SIGNER = AttemptSigner(KeyRing([KEY]))


@pytest.mark.parametrize("attempt", [ATTEMPT, replace(ATTEMPT, popup=False, reconnect=None)])
def test_what_was_signed_verifies(attempt: SignedAttempt) -> None:
    """Every field comes back, the instant aware and in UTC."""
    read = SIGNER.verify(SIGNER.sign(attempt))

    assert attempt == read
    assert read.started_at.tzinfo is UTC


@pytest.mark.parametrize("days", [-4000, -1, 1, 4000])
def test_signing_knows_no_clock(days: int) -> None:
    """A replica's clock that runs ahead, or an old cookie, is the age check's matter."""
    attempt = replace(ATTEMPT, started_at=datetime.now(UTC).replace(microsecond=0))
    attempt = replace(attempt, started_at=attempt.started_at + timedelta(days=days))

    assert attempt == SIGNER.verify(SIGNER.sign(attempt))


def test_the_newest_key_signs_and_every_key_verifies() -> None:
    """itsdangerous wants its keys oldest first; the ring has them newest first."""
    older, both = AttemptSigner(KeyRing([OLDER_KEY])), AttemptSigner(KeyRing([KEY, OLDER_KEY]))

    assert both.verify(older.sign(ATTEMPT)) == ATTEMPT
    assert SIGNER.verify(both.sign(ATTEMPT)) == ATTEMPT
    with pytest.raises(BadSignature):
        older.verify(both.sign(ATTEMPT))


def test_no_altered_character_verifies_as_something_else() -> None:
    """Whatever is changed: refused, or it still says exactly the same."""
    cookie = SIGNER.sign(ATTEMPT)
    for index in range(len(cookie)):
        changed = cookie[:index] + chr(ord(cookie[index]) ^ 1) + cookie[index + 1 :]
        assert _verified(changed) in (None, ATTEMPT)


def test_a_cookie_is_url_safe_and_fits() -> None:
    """A browser keeps it: plain characters, under 4096 bytes with the longest return_to."""
    cookie = SIGNER.sign(replace(ATTEMPT, return_to="https://a.test/" + "x" * 1985))

    assert cookie.isascii()
    assert not set(cookie) & set(' ";,\\')
    assert len(cookie) < 3_900


@pytest.mark.parametrize("cookie", ["", ".", "a.b", "é", "\ud800", "e30", "." * 9, "x" * 5000])
def test_nonsense_is_refused(cookie: str) -> None:
    """Whatever a browser sends: refused, without another error."""
    with pytest.raises(BadSignature):
        SIGNER.verify(cookie)


@given(st.text(st.characters()))
def test_no_text_verifies(cookie: str) -> None:
    """Nobody guesses a signature, and no text breaks the check."""
    assert _verified(cookie) is None


@pytest.mark.parametrize(
    "value",
    [[], "text", 7, None, {}, {"h": "x"}, {"t": "soon"}, {"t": 10**30}, {"t": None}, {"t": []}],
)
def test_a_signed_value_of_another_shape_is_refused(value: object) -> None:
    """Even rightly signed, what is no attempt isn't taken for one."""
    fields = {"h": "", "s": "", "k": "", "r": "", "p": False, "c": None}
    value = fields | value if isinstance(value, dict) else value

    with pytest.raises(BadSignature):
        SIGNER.verify(str(SIGNER._serializer.dumps(value)))


@pytest.mark.parametrize("purpose", [each for each in Purpose if each is not Purpose.ATTEMPT])
def test_no_other_purposes_key_signs(purpose: Purpose) -> None:
    """A value signed with another sub-key of the same root key is refused."""
    stranger = AttemptSigner(KeyRing([RootKey("k1", KeyRing([KEY]).subkey(purpose, "k1"))]))

    with pytest.raises(BadSignature):
        SIGNER.verify(stranger.sign(ATTEMPT))


def test_a_sealed_value_is_no_cookie() -> None:
    """Sealed and signed values can't stand in for each other."""
    place = Place("t", "c", "r", "d", "a", "p")

    with pytest.raises(BadSignature):
        SIGNER.verify(Sealer(KeyRing([KEY])).seal(SIGNER.sign(ATTEMPT), place))


def test_the_browser_reads_no_state_in_its_cookie() -> None:
    """The payload is readable: it holds the state's hash, and no more fields than it must."""
    stranger = AttemptSigner(KeyRing([OLDER_KEY]))

    _, fields = stranger._serializer.loads_unsafe(SIGNER.sign(ATTEMPT))

    assert fields.keys() == {"h", "s", "k", "r", "p", "c", "d", "u", "n", "t"}
    assert fields["h"] == ATTEMPT.state_hash


def test_an_attempt_prints_without_its_secret() -> None:
    """A log line or traceback shows neither secret nor return_to."""
    assert f"{ATTEMPT!r}" == "SignedAttempt(started_at=2026-11-23T12:00:00+00:00)"


def _verified(cookie: str) -> SignedAttempt | None:
    try:
        return SIGNER.verify(cookie)
    except BadSignature:
        return None
