"""The key ring: newest first, and no key serves two purposes."""

import hashlib
import hmac

import pytest

from igauth.security.keyring import KeyRing, Purpose, UnknownKey
from igauth.settings import RootKey
from tests.stage import KEY, OLDER_KEY


def test_no_two_purposes_or_keys_share_a_subkey() -> None:
    """Each purpose of each key has 32 bytes of its own, none of them the root key."""
    ring = KeyRing([KEY, OLDER_KEY])

    subkeys = [ring.subkey(purpose, kid) for purpose in Purpose for kid in ring]

    assert len(subkeys) == len(set(subkeys)) == 2 * len(Purpose)
    assert {len(subkey) for subkey in subkeys} == {32}
    assert not {KEY.secret, OLDER_KEY.secret} & set(subkeys)


def test_subkeys_stay_what_they_are() -> None:
    """RFC 5869 by hand: another derivation would lose every stored token and session."""
    extracted = hmac.digest(bytes(32), KEY.secret, hashlib.sha256)
    expected = hmac.digest(extracted, b"igauth/v1/token-enc\x01", hashlib.sha256)

    assert expected == KeyRing([KEY]).subkey(Purpose.SEAL, "k1")


def test_a_key_ring_names_its_keys_newest_first() -> None:
    """The first key is the newest; all are in the ring."""
    ring = KeyRing([KEY, OLDER_KEY])

    assert (ring.newest, list(ring)) == ("k1", ["k1", "k0"])
    assert "k0" in ring
    assert "k2" not in ring


def test_an_unknown_key_id_is_refused() -> None:
    """A key id that isn't in the ring derives nothing."""
    with pytest.raises(UnknownKey):
        KeyRing([KEY]).subkey(Purpose.SEAL, "k0")


def test_an_empty_ring_is_refused() -> None:
    """There is no service without a key."""
    with pytest.raises(ValueError, match="at least one key"):
        KeyRing([])


def test_the_mac_is_the_newest_keys_unless_another_is_named() -> None:
    """By default the newest key answers."""
    ring = KeyRing([KEY, OLDER_KEY])
    newest = ring.mac(Purpose.SESSION_HASH, b"x")

    assert newest == ring.mac(Purpose.SESSION_HASH, b"x", "k1")
    assert newest != ring.mac(Purpose.SESSION_HASH, b"x", "k0")


def test_a_check_value_tells_keys_apart_and_nothing_else() -> None:
    """16 hex digits that differ when the same id has other bytes, and hold none of the key."""
    same_id = RootKey("k1", OLDER_KEY.secret)

    values = {KeyRing([key]).check_value("k1") for key in (KEY, same_id)}

    assert len(values) == 2
    assert all(len(value) == 16 and int(value, 16) for value in values)
    assert not any(value in KEY.secret.hex() for value in values)


def test_a_key_never_prints() -> None:
    """Neither a key nor a ring shows bytes of a key."""
    shown = f"{KEY!r} {KEY} {KeyRing([KEY])!r}"

    assert "secret" not in shown
    assert str(KEY.secret)[2:10] not in shown
