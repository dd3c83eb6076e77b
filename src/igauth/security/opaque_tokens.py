"""Values that mean nothing by themselves: states, verifiers, session ids, confirmation codes."""

import base64
import hashlib
import secrets

from igauth.domain import SessionHash
from igauth.security.keyring import KeyRing, Purpose


def new_secret() -> str:
    """256 random bits as 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def sha256_hex(text: str) -> str:
    """Plain SHA-256, for values that are long and random themselves."""
    return hashlib.sha256(text.encode()).hexdigest()


def code_challenge(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier (RFC 7636 §4.2)."""
    return _base64url(hashlib.sha256(verifier.encode()).digest())


class OpaqueTokens:
    """Derives and hashes opaque values under the key ring."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def code_verifier(self, attempt_secret: str, kid: str) -> str:
        """The PKCE verifier of a login attempt: 43 characters (RFC 7636 §4.1)."""
        return _base64url(self._ring.mac(Purpose.PKCE, attempt_secret.encode(), kid))

    def session_id(self, attempt_secret: str, kid: str) -> str:
        """The id of the session that this login attempt makes: always the same for one attempt."""
        return _base64url(self._ring.mac(Purpose.SESSION_ID, attempt_secret.encode(), kid))

    def connect_code(self, attempt_secret: str, kid: str) -> str:
        """The connect code that this attempt brings back: always the same for one attempt."""
        raw = self._ring.mac(Purpose.CONNECT_CODE, attempt_secret.encode(), kid)
        return f"igcc_{_base64url(raw)}"

    def keyed_hash(self, purpose: Purpose, text: str) -> str:
        """What the database keeps of a link or code, under the newest key."""
        return self._ring.mac(purpose, text.encode()).hex()

    def keyed_hashes(self, purpose: Purpose, text: str) -> tuple[str, ...]:
        """The hashes that it may be kept under, one for each key."""
        return tuple(self._ring.mac(purpose, text.encode(), kid).hex() for kid in self._ring)

    def session_hash(self, session_id: str) -> SessionHash:
        """What the database keeps of a session id, under the newest key."""
        return self._hash(session_id, self._ring.newest)

    def session_hashes(self, session_id: str) -> tuple[SessionHash, ...]:
        """The hashes that a session may still be kept under, the newest key's first."""
        return tuple(self._hash(session_id, kid) for kid in self._ring)

    def confirmation_codes(self, signed_request: str) -> tuple[str, ...]:
        """The confirmation code of one signed_request under each key, the newest first.

        32 hexadecimal digits, 128 bits: the same request always has the same code.
        """
        message = hashlib.sha256(signed_request.encode()).digest()
        return tuple(
            self._ring.mac(Purpose.CONFIRMATION_CODE, message, kid)[:16].hex() for kid in self._ring
        )

    def subject_hash(self, subject: str) -> str:
        """What the queue of revocations keeps of a subject, beside its sealed id."""
        return self._ring.mac(Purpose.SUBJECT_HASH, subject.encode()).hex()

    def subject_hashes(self, subject: str) -> tuple[str, ...]:
        """The hashes that a subject may be queued under, one for each key."""
        return tuple(
            self._ring.mac(Purpose.SUBJECT_HASH, subject.encode(), kid).hex() for kid in self._ring
        )

    def audit_hash(self, identity: str) -> str:
        """What the audit trail keeps of an erased person."""
        return self._ring.mac(Purpose.AUDIT_HASH, identity.encode()).hex()[:32]

    def _hash(self, session_id: str, kid: str) -> SessionHash:
        return SessionHash(self._ring.mac(Purpose.SESSION_HASH, session_id.encode(), kid).hex())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
