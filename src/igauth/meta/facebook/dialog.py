"""Where the browser is sent to consent (Meta, "Manually Build a Login Flow"; graph-facts §1.1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

_AUTH_TYPES: Final[Mapping[str, str]] = {"select": "rerequest", "reauthorize": "reauthorize"}


@dataclass(frozen=True, slots=True)
class Dialog:
    """Facebook's consent dialog. A configuration takes the place of the scopes (trap 6)."""

    url: str
    api_version: str
    client_id: str
    redirect_uri: str
    scopes: Sequence[str]
    config_id: str | None = None

    def address(self, *, state: str, code_challenge: str, prompt: str | None) -> str:
        """Exactly the parameters of contract §3; RFC 6749 §4.1.1, RFC 7636 §4.3."""
        parameters = {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            **self._grant(),
            "state": state,
            "return_scopes": "true",
            "code_challenge": code_challenge,
            "code_challenge_method": "S256",
        }
        if prompt is not None:
            parameters["auth_type"] = _AUTH_TYPES[prompt]
        return f"{self.url.rstrip('/')}/{self.api_version}/dialog/oauth?{urlencode(parameters)}"

    def _grant(self) -> Mapping[str, str]:
        if self.config_id:
            return {"config_id": self.config_id}
        return {"scope": ",".join(self.scopes)}
