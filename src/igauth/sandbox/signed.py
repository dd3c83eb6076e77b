"""HMACs of Facebook, derived here from the facts alone so that a shared mistake can't hide.

Nothing is imported from `igauth.security` on purpose.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Literal

Tamper = Literal["signature", "algorithm", "payload", "not_json", "no_dot", "empty", "padding"]
PROOF_SECONDS = 300


def hmac_hex(secret: str, message: str) -> str:
    """Lower-case hex HMAC-SHA256."""
    return hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()


def proof_of(secret: str, access_token: str, at: str | None = None) -> str:
    """`appsecret_proof` of a token, plain (facts 5.1) or timed (5.2)."""
    return hmac_hex(secret, access_token if at is None else f"{access_token}|{at}")


def proof_holds(secret: str, access_token: str, params: Mapping[str, str], now: int) -> bool:
    """Whether the `appsecret_proof` of a call belongs to its token; timed ones last 5 minutes."""
    at = params.get("appsecret_time")
    if at is not None and not _recent(at, now):
        return False
    expected = proof_of(secret, access_token, at)
    return hmac.compare_digest(expected.encode(), params["appsecret_proof"].encode())


def _recent(at: str, now: int) -> bool:
    return at.isascii() and at.isdigit() and abs(now - int(at)) <= PROOF_SECONDS


def base64url(raw: bytes) -> str:
    """base64url without padding (facts 13.1)."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signed_request(secret: str, claims: Mapping[str, object], tamper: Tamper | None = None) -> str:
    """`<sig>.<payload>`: the HMAC is over the encoded text (facts 13.1).

    `tamper` spoils it in one way, so that the receiver's checks can be tried.
    """
    content = dict(claims)
    if tamper == "algorithm":
        content["algorithm"] = "HMAC-SHA1"
    text = "not json" if tamper == "not_json" else json.dumps(content, separators=(",", ":"))
    payload = base64url(text.encode())
    digest = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest()
    return _spoil(base64url(digest), payload, tamper)


def _spoil(signature: str, payload: str, tamper: Tamper | None) -> str:
    if tamper == "signature":
        signature = ("B" if signature[0] != "B" else "C") + signature[1:]
    if tamper == "payload":
        payload += "AA"
    if tamper == "padding":
        payload += "=" * (-len(payload) % 4)
    if tamper == "empty":
        return ""
    return f"{signature}{'' if tamper == 'no_dot' else '.'}{payload}"


def challenge_matches(challenge: str, method: str, verifier: str | None) -> bool:
    """PKCE: whether the `code_verifier` belongs to the dialog's `code_challenge` (facts 1.8)."""
    if verifier is None:
        return False
    derived = verifier
    if method == "S256":
        derived = base64url(hashlib.sha256(verifier.encode()).digest())
    return hmac.compare_digest(derived.encode(), challenge.encode())
