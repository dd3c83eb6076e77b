"""The proof that a token is used by its app (graph-facts §5)."""

from pydantic import SecretStr

from igauth.meta.facebook.proof import appsecret_proof, signing
from tests.meta.scripted import APP, APP_SECRET, TOKEN_TEXT

PROOF = "e4499757edfb2b3f68233887e55792a6838ec1b09c387b92ee36b809e63d860d"


def test_the_proof_is_metas() -> None:
    """The test vector of graph-facts 5.1."""
    assert appsecret_proof(SecretStr(APP_SECRET), SecretStr(TOKEN_TEXT)) == PROOF
    assert signing(APP.client_secret)(SecretStr(TOKEN_TEXT)) == {"appsecret_proof": PROOF}


def test_a_token_of_odd_characters_has_a_proof() -> None:
    """A stored token that was garbled fails at Facebook, not in our code."""
    assert len(appsecret_proof(APP.client_secret, SecretStr("\ud800é"))) == 64


def test_the_app_never_prints() -> None:
    """Secrets print as stars (contract §7)."""
    assert APP_SECRET not in repr(APP) + repr(APP.token)
