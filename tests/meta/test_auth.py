"""Tokens and proofs on the wire (graph-facts §5)."""

import httpx
import pytest
from pydantic import SecretStr

from igauth.meta.facebook.proof import TokenAuth, UserToken, appsecret_proof
from tests.meta.scripted import APP, APP_SECRET, TOKEN, TOKEN_TEXT

PROOF = "e4499757edfb2b3f68233887e55792a6838ec1b09c387b92ee36b809e63d860d"


def signed(request: httpx.Request, token: UserToken = TOKEN) -> httpx.Request:
    return next(TokenAuth(APP.client_secret, token).auth_flow(request))


def test_the_proof_is_metas() -> None:
    """The test vector of graph-facts 5.1."""
    assert appsecret_proof(SecretStr(APP_SECRET), SecretStr(TOKEN_TEXT)) == PROOF


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_bearer_header_and_proof_in_the_query(method: str) -> None:
    """The token is in no URL (contract §7, security.md R-09, R-58)."""
    request = signed(httpx.Request(method, "https://x.test/me?fields=id%2Cname"))

    assert request.headers["Authorization"] == f"Bearer {TOKEN_TEXT}"
    assert dict(request.url.params) == {"fields": "id,name", "appsecret_proof": PROOF}
    assert TOKEN_TEXT not in str(request.url)


def test_a_post_carries_both_in_its_form() -> None:
    """A batch wants a top-level access_token field (graph-facts 12.1, 12.3)."""
    form = {"batch": '[{"relative_url":"1?fields=id%2Cname"}]', "empty": ""}
    request = signed(httpx.Request("POST", "https://x.test/", data=form))
    fields = httpx.QueryParams(request.content.decode())

    assert fields["access_token"] == TOKEN_TEXT
    assert fields["appsecret_proof"] == PROOF
    assert fields["batch"] == form["batch"]
    assert fields["empty"] == ""
    assert request.headers["Content-Length"] == str(len(request.content))
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert "Authorization" not in request.headers
    assert request.url == httpx.URL("https://x.test/")


def test_each_token_has_its_own_proof() -> None:
    """Trap 17: another token's proof is refused."""
    other = signed(httpx.Request("GET", "https://x.test/"), UserToken(SecretStr("EAAother")))

    assert other.url.params["appsecret_proof"] != PROOF


def test_a_token_never_prints() -> None:
    """Secrets print as stars, and people not at all (contract §7)."""
    assert TOKEN_TEXT not in repr(TOKEN)
    assert "10200000000000001" not in repr(TOKEN)
    assert TOKEN_TEXT not in str(TOKEN)
    assert APP_SECRET not in repr(APP)


def test_a_token_of_odd_characters_has_a_proof() -> None:
    """A stored token that was garbled fails at Facebook, not in our code."""
    assert len(appsecret_proof(APP.client_secret, SecretStr("\ud800é"))) == 64
