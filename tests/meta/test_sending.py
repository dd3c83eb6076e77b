"""What stands in a request: tokens and their proofs (graph-facts 0.3, §5)."""

import httpx
import pytest
from pydantic import SecretStr

from igauth.meta.calls import Purpose
from igauth.meta.client import GraphClient
from igauth.meta.door import UserToken
from igauth.meta.sending import GraphHost
from igauth.meta.transport import Lanes
from tests.meta.scripted import (
    GRAPH_URL,
    TOKEN,
    TOKEN_TEXT,
    VERSION,
    Script,
    answer,
    check,
    client_of,
)

PROOF = "e4499757edfb2b3f68233887e55792a6838ec1b09c387b92ee36b809e63d860d"
GOOD = answer({"id": "1"})


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_bearer_header_and_proof_in_the_query(method: str) -> None:
    """The token is in no URL (contract §7, security.md R-09, R-58)."""
    graph, script = client_of(GOOD)
    await graph.fetch(check(method=method, query={"fields": "id,name"}))

    assert script.last.headers["Authorization"] == f"Bearer {TOKEN_TEXT}"
    assert script.query() == {"fields": "id,name", "appsecret_proof": PROOF}
    assert TOKEN_TEXT not in str(script.last.url)


async def test_a_post_carries_both_in_its_form() -> None:
    """A batch wants a top-level access_token field (graph-facts 12.1, 12.3)."""
    graph, script = client_of(GOOD)
    form = {"batch": '[{"relative_url":"1?fields=id%2Cname"}]', "empty": ""}
    await graph.fetch(check("batch", "", method="POST", form=form))

    assert script.form() == {**form, "access_token": TOKEN_TEXT, "appsecret_proof": PROOF}
    assert script.last.headers["Content-Length"] == str(len(script.last.content))
    assert script.last.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert "Authorization" not in script.last.headers
    assert script.last.url == httpx.URL(f"{GRAPH_URL}/{VERSION}/")


async def test_a_call_without_token_has_no_proof() -> None:
    """Exchange and upgrade carry the secret instead (graph-facts 5.6)."""
    graph, script = client_of(GOOD)
    await graph.fetch(check(method="POST", form={"code": "c"}, token=None))

    assert script.form() == {"code": "c"}
    assert script.query() == {}


async def test_each_token_has_its_own_proof() -> None:
    """Trap 17: another token's proof is refused."""
    graph, script = client_of(GOOD)
    await graph.fetch(check(token=UserToken(SecretStr("EAAother"))))

    assert script.query()["appsecret_proof"] != PROOF


async def test_a_host_without_proofs() -> None:
    """Instagram's host isn't known to want one, so it gets none (instagram-login-facts 4.6)."""
    script = Script(GOOD)
    host = GraphHost("https://graph.instagram.com", VERSION)
    await GraphClient(Lanes.over(httpx.MockTransport(script)), host).fetch(check())

    assert script.query() == {}
    assert script.last.headers["Authorization"] == f"Bearer {TOKEN_TEXT}"


@pytest.mark.parametrize("purpose", list(Purpose))
async def test_the_transport_is_told_how_long(purpose: Purpose) -> None:
    """Connecting has two seconds, whatever the call is for (contract §8)."""
    graph, script = client_of(GOOD)
    await graph.fetch(check(purpose=purpose))

    assert script.last.extensions["timeout"] == {"connect": 2.0, "read": 5.0}


def test_a_token_never_prints() -> None:
    """Secrets print as stars, and people not at all (contract §7)."""
    assert TOKEN_TEXT not in repr(TOKEN)
    assert "10200000000000001" not in repr(TOKEN)
    assert TOKEN_TEXT not in str(TOKEN)
