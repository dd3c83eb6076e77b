"""Opaque values: long, random, and known to the database by keyed hashes only."""

import hashlib
import re

from igauth.security.keyring import KeyRing
from igauth.security.opaque_tokens import OpaqueTokens, code_challenge, new_secret, sha256_hex
from tests.stage import KEY, OLDER_KEY

TOKENS = OpaqueTokens(KeyRing([KEY]))
BOTH = OpaqueTokens(KeyRing([KEY, OLDER_KEY]))


def test_secrets_never_repeat() -> None:
    """10,000 secrets: all different, 43 URL-safe characters, no common beginning."""
    made = {new_secret() for _ in range(10_000)}

    assert len(made) == 10_000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", secret) for secret in made)
    assert len({secret[:2] for secret in made}) > 1_000


def test_the_code_challenge_is_rfc_7636s() -> None:
    """RFC 7636, appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

    assert code_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_what_derives_from_an_attempt_is_always_the_same() -> None:
    """Every replica reckons the same verifier and session id from the same attempt."""
    again = OpaqueTokens(KeyRing([KEY]))

    assert TOKENS.code_verifier("s", "k1") == again.code_verifier("s", "k1")
    assert TOKENS.session_id("s", "k1") == BOTH.session_id("s", "k1")


def test_verifier_and_session_id_are_not_each_other() -> None:
    """Facebook learns the verifier; no session id, of this or another attempt, follows from it."""
    derived = {
        derive(secret, kid)
        for derive in (BOTH.code_verifier, BOTH.session_id)
        for secret in ("s", "s2")
        for kid in ("k1", "k0")
    }

    assert len(derived) == 8
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", value) for value in derived)


def test_a_session_hash_is_keyed() -> None:
    """Neither the id nor its plain hash: who can read or write rows can't mint a session."""
    stored = TOKENS.session_hash("a-session-id")

    assert stored not in ("a-session-id", sha256_hex("a-session-id"))
    assert stored != OpaqueTokens(KeyRing([OLDER_KEY])).session_hash("a-session-id")
    assert re.fullmatch(r"[0-9a-f]{64}", stored)


def test_a_session_is_looked_for_under_every_key_the_newest_first() -> None:
    """A rotation ends no session."""
    older = OpaqueTokens(KeyRing([OLDER_KEY]))
    expected = (TOKENS.session_hash("id"), older.session_hash("id"))

    assert expected == BOTH.session_hashes("id")
    assert BOTH.session_hash("id") == BOTH.session_hashes("id")[0]


def test_confirmation_codes_are_alphanumeric_and_steady() -> None:
    """128 bits as Meta wants them, the same for the same request, under every key of the ring."""
    codes = BOTH.confirmation_codes("sig.payload")

    assert codes == BOTH.confirmation_codes("sig.payload")
    assert codes[0] == TOKENS.confirmation_codes("sig.payload")[0]
    assert len({*codes, *BOTH.confirmation_codes("sig.payload2")}) == 4
    assert all(re.fullmatch(r"[0-9a-z]{32}", code) for code in codes)


def test_an_audit_hash_does_not_name_anybody() -> None:
    """Keyed: an erased person's id can't be found by hashing every id."""
    found = TOKENS.audit_hash("901:10200000000000001")

    assert found == TOKENS.audit_hash("901:10200000000000001")
    assert found not in hashlib.sha256(b"901:10200000000000001").hexdigest()
    assert len(found) == 32
