"""From the use cases' types to the answers of `/v1`."""

from typing import Any

from pydantic_core import to_json

from igauth.api.presenting import connection_out
from igauth.api.v1.schemas import LinkedConnectionOut, TokenOut
from igauth.backends.tokens import ServedToken
from igauth.backends.users import LinkedConnection
from igauth.bootstrap import Services
from igauth.listing.answer import Answer


def linked_connection_out(linked: LinkedConnection, services: Services) -> LinkedConnectionOut:
    """A connection, and whose it is."""
    shown = connection_out(linked.row, services.rules, services.clock())
    return LinkedConnectionOut(**shown.model_dump(), external_ids=list(linked.external_ids))


def token_out(served: ServedToken, account_id: str) -> TokenOut:
    """A token with all that a call of Meta needs."""
    row, proof = served.connection, served.proof
    return TokenOut(
        access_token=served.secret.get_secret_value(),
        token_type="Bearer",  # noqa: S106  # a word
        provider=row.provider,
        expires_at=row.token_expires_at,
        scopes=sorted(row.granted_scopes),
        missing_scopes=list(served.missing_scopes),
        appsecret_proof=None if proof is None else proof.value,
        appsecret_time=None if proof is None else int(proof.at.timestamp()),
        proof_expires_at=None if proof is None else proof.expires_at,
        graph_url=served.graph_url,
        instagram_account_id=account_id,
        connection_id=row.id,
    )


def spliced(head: dict[str, Any], listing: Answer) -> bytes:
    """A listing whose body begins with more members; its accounts are not decoded."""
    return to_json(head)[:-1] + b"," + listing.body[1:].encode()
