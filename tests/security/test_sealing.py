"""Sealing: what is stored opens in its own place only, and only whole (contract §7)."""

import base64
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igauth.security.keyring import KeyRing
from igauth.security.sealing import Place, Sealer, Unopenable, kid_of
from igauth.settings import RootKey
from tests.stage import KEY, OLDER_KEY

TOKEN = "EAAinvented" + "x" * 180
PLACE = Place("connections", "sealed_token", "row-1", "facebook", "901234567890123", "person-1")
SEALER = Sealer(KeyRing([KEY]))


@given(st.text(st.characters(codec="utf-8")))
def test_what_was_sealed_opens(plain: str) -> None:
    """Any text comes back as it was."""
    assert plain == SEALER.open(SEALER.seal(plain, PLACE), PLACE)


def test_a_thousand_seals_of_one_text_differ() -> None:
    """Nonces never repeat: neither the values nor their first twelve bytes do."""
    sealed = [SEALER.seal(TOKEN, PLACE) for _ in range(1000)]
    nonces = {base64.urlsafe_b64decode(value.split(".")[2])[:12] for value in sealed}

    assert len(nonces) == len(set(sealed)) == 1000
    assert not any(TOKEN in value for value in sealed)


def test_the_shape_is_version_kid_body() -> None:
    """`v1.{kid}.{base64url}`: the key can be told without opening."""
    sealed = SEALER.seal(TOKEN, PLACE)

    assert sealed.startswith("v1.k1.")
    assert kid_of(sealed) == "k1"
    assert len(base64.urlsafe_b64decode(sealed.split(".")[2])) == 12 + len(TOKEN) + 16


@pytest.mark.parametrize("part", [field.name for field in fields(Place)])
def test_a_value_moved_elsewhere_does_not_open(part: str) -> None:
    """Table, column, row, app and person are all bound to it: a swap opens nowhere."""
    elsewhere = replace(PLACE, **{part: getattr(PLACE, part) + "2"})

    with pytest.raises(Unopenable):
        SEALER.open(SEALER.seal(TOKEN, PLACE), elsewhere)


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (("a", "b"), ("ab", "")),
        (("a", "b"), ("", "ab")),
        (("user-4", "2access"), ("user-42", "access")),
        (("a\0", "b"), ("a", "\0b")),
        (("a.b", "c"), ("a", "b.c")),
    ],
)
def test_no_two_places_give_the_same_associated_data(
    here: tuple[str, str], there: tuple[str, str]
) -> None:
    """Length prefixes: letters that cross a field's border make another place."""
    sealed = SEALER.seal(TOKEN, replace(PLACE, app_id=here[0], person=here[1]))

    with pytest.raises(Unopenable):
        SEALER.open(sealed, replace(PLACE, app_id=there[0], person=there[1]))


def test_no_altered_character_opens() -> None:
    """Each character counts, unused bits of base64 and other alphabets' signs included."""
    sealed = SEALER.seal("-_" * 8, PLACE)
    opened = []
    for index, right in enumerate(sealed):
        for wrong in {"A", "B", "-", "+", "/", "_", ".", "=", " ", "é", chr(ord(right) ^ 1)}:
            if wrong != right:
                changed = sealed[:index] + wrong + sealed[index + 1 :]
                opened += [changed] if _opens(changed) else []

    assert opened == []


def test_no_cut_or_lengthened_value_opens() -> None:
    """Neither a part of a value nor more than it opens."""
    sealed = SEALER.seal(TOKEN, PLACE)
    wrong = [sealed[:end] for end in range(len(sealed))]
    wrong += [sealed[start:] for start in range(1, len(sealed))]
    wrong += [sealed + more for more in ("A", "AAAA", "=", ".", "\n", ".A")]

    assert not [value for value in wrong if _opens(value)]


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "v1..",
        "v1.k1.",
        "v1.k1.====",
        "v1.k1.AAAA",
        "v2.k1.AAAA",
        TOKEN,
        "\ud800.a.b",
    ],
)
def test_what_was_never_sealed_does_not_open(value: str) -> None:
    """Nonsense is refused as such, without another error."""
    assert not _opens(value)


def test_a_value_of_another_version_or_key_id_does_not_open() -> None:
    """Version and key id are bound, too: relabelled values are refused."""
    ring = Sealer(KeyRing([KEY, RootKey("k2", OLDER_KEY.secret)]))
    body = ring.seal(TOKEN, PLACE).split(".")[2]

    for head in ("v1.k2", "v2.k1", "V1.k1", "v1.k3"):
        with pytest.raises(Unopenable):
            ring.open(f"{head}.{body}", PLACE)


def test_the_newest_key_seals_and_every_key_opens() -> None:
    """A ring in rotation opens what the older key sealed; the older ring opens nothing newer."""
    older, both = Sealer(KeyRing([OLDER_KEY])), Sealer(KeyRing([KEY, OLDER_KEY]))
    kept, fresh = older.seal(TOKEN, PLACE), both.seal(TOKEN, PLACE)

    assert TOKEN == both.open(kept, PLACE) == both.open(fresh, PLACE)
    assert (kid_of(kept), kid_of(fresh)) == (OLDER_KEY.kid, both.newest)
    with pytest.raises(Unopenable):
        older.open(fresh, PLACE)


def test_another_key_of_the_same_id_opens_nothing() -> None:
    """A replica with wrong bytes fails closed."""
    other = Sealer(KeyRing([RootKey("k1", OLDER_KEY.secret)]))

    with pytest.raises(Unopenable):
        other.open(SEALER.seal(TOKEN, PLACE), PLACE)


def test_a_refusal_tells_nothing() -> None:
    """No cause and no text: whoever tries learns only that it didn't open."""
    with pytest.raises(Unopenable) as refused:
        SEALER.open(SEALER.seal(TOKEN, PLACE)[:-4], PLACE)

    assert str(refused.value) == ""
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("value", ["", "v1", "v1.k1", "v2.k1.AAAA", "EAAx"])
def test_what_has_no_such_shape_has_no_key_id(value: str) -> None:
    """Only `v1.{kid}.{…}` names a key."""
    assert kid_of(value) is None


def _opens(value: str) -> bool:
    try:
        SEALER.open(value, PLACE)
    except Unopenable:
        return False
    return True
