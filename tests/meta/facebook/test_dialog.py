"""Where the browser is sent (contract §3; graph-facts §1)."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from igauth.meta.facebook.dialog import Dialog
from tests.meta.scripted import APP_ID, VERSION

REDIRECT_URI = "http://localhost:8000/auth/facebook/callback"
SCOPES = ("pages_show_list", "instagram_basic")


def dialog(config_id: str | None = None) -> Dialog:
    return Dialog("https://www.facebook.com/", VERSION, APP_ID, REDIRECT_URI, SCOPES, config_id)


def dialog_query(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query, strict_parsing=True))


def test_the_dialog_address_has_exactly_these_parameters() -> None:
    """Contract §3; graph-facts 1.1."""
    address = dialog().address(state="s+/=&", code_challenge="c" * 43, prompt=None)

    assert address.startswith(f"https://www.facebook.com/{VERSION}/dialog/oauth?")
    assert dialog_query(address) == {
        "client_id": APP_ID,
        "redirect_uri": REDIRECT_URI,
        "response_type": "code",
        "scope": "pages_show_list,instagram_basic",
        "state": "s+/=&",
        "return_scopes": "true",
        "code_challenge": "c" * 43,
        "code_challenge_method": "S256",
    }


@pytest.mark.parametrize(
    ("prompt", "auth_type"), [("select", "rerequest"), ("reauthorize", "reauthorize")]
)
def test_auth_type_only_when_asked(prompt: str, auth_type: str) -> None:
    """Declined permissions are asked for again only so (trap 8, graph-facts 1.1)."""
    address = dialog().address(state="s", code_challenge="c", prompt=prompt)

    assert dialog_query(address)["auth_type"] == auth_type


def test_a_configuration_takes_the_place_of_scope() -> None:
    """Facebook Login for Business (trap 6)."""
    flow = dialog(config_id="700000000000001")
    query = dialog_query(flow.address(state="s", code_challenge="c", prompt=None))

    assert query["config_id"] == "700000000000001"
    assert "scope" not in query
