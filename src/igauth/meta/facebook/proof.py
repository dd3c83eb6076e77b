"""The proof that a token is used by its app (graph-facts §5). Pure: bytes in, bytes out."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime

from pydantic import SecretStr


def appsecret_proof(client_secret: SecretStr, token: SecretStr) -> str:
    """HMAC-SHA256 of the token under the app secret, lower-case hex (graph-facts 5.1).

    Meta, "Secure Graph API calls with appsecret_proof".
    """
    key = client_secret.get_secret_value().encode()
    message = token.get_secret_value().encode(errors="surrogatepass")
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def timed_appsecret_proof(client_secret: SecretStr, token: SecretStr, at: datetime) -> str:
    """The proof that is good for five minutes: HMAC-SHA256 of `token|unix seconds`, sent with
    `appsecret_time` (graph-facts 5.2)."""
    text = f"{token.get_secret_value()}|{int(at.timestamp())}"
    return appsecret_proof(client_secret, SecretStr(text))


def signing(client_secret: SecretStr) -> Callable[[SecretStr], Mapping[str, str]]:
    """Gives each token the parameter with its own proof, never another's (trap 17)."""
    return lambda token: {"appsecret_proof": appsecret_proof(client_secret, token)}
