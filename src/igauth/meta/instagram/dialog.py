"""Where the browser is sent to consent (Meta, "Business Login for Instagram"; facts 2.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class Dialog:
    """Instagram's consent page. It knows neither PKCE (2.6) nor a renewal of data access."""

    url: str
    client_id: str
    redirect_uri: str
    scopes: Sequence[str]

    def address(self, *, state: str, prompt: str | None) -> str:
        """`prompt` "select": credentials are asked for even where somebody is signed in (2.8)."""
        parameters = {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": ",".join(self.scopes),
            "state": state,
        }
        if prompt == "select":
            parameters["force_reauth"] = "true"
        return f"{self.url.rstrip('/')}/oauth/authorize?{urlencode(parameters)}"
