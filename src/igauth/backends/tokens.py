"""Tokens for the operator's servers: opened on request, each time with a row of the trail, and
never asked of Meta (contract §11)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import SecretStr

from igauth.domain import Clock, ConnectionId, InstagramAccountId, Provider
from igauth.errors import NotFound
from igauth.events import trail
from igauth.grants.checks import Checks
from igauth.grants.state import GrantRules
from igauth.listing.answer import in_order
from igauth.meta.facebook.proof import timed_appsecret_proof
from igauth.store import connections, links, views
from igauth.store.connections import ConnectionRow
from igauth.store.database import Database, Transaction
from igauth.store.views import StoredGrant

_PROOF_LIFETIME: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class GraphApp:
    """What calls with a token of this door need: where to, and the app's secret for the proof;
    None where the door knows no proof."""

    graph_url: str
    proof_secret: SecretStr | None


@dataclass(frozen=True, slots=True)
class TokenWish:
    """Whose token is asked for, by which key, and what for."""

    external_id: str
    account_id: str
    connection_id: str | None
    purpose: str | None
    actor: str


@dataclass(frozen=True, slots=True)
class Proof:
    """A timed proof (graph-facts 5.2)."""

    value: str
    at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ServedToken:
    """A live token and what calls with it need."""

    secret: SecretStr
    connection: ConnectionRow
    missing_scopes: Sequence[str]
    graph_url: str
    proof: Proof | None


class ServedTokens:
    """Hands tokens out. `checks` opens them."""

    def __init__(
        self,
        checks: Checks,
        rules: GrantRules,
        apps: Mapping[Provider, GraphApp],
        database: Database,
        clock: Clock,
    ) -> None:
        self._checks = checks
        self._rules = rules
        self._apps = apps
        self._database = database
        self._clock = clock

    async def serve(self, wish: TokenWish) -> ServedToken:
        """The token to act with. One transaction: what is asked for, the row, `used_at`.

        Raises NotFound, all alike, ReconnectRequired, CheckpointRequired.
        """
        row = await self._database.write(lambda tx: self._use(tx, wish))
        token = await self._checks.open(row)
        trail.say("token.served", key=wish.actor, connection=row.id)
        app = self._apps[row.provider]
        return ServedToken(
            secret=token.secret,
            connection=row,
            missing_scopes=self._rules.missing_scopes(row),
            graph_url=app.graph_url,
            proof=None if app.proof_secret is None else self._proof(app.proof_secret, token.secret),
        )

    def _use(self, tx: Transaction, wish: TokenWish) -> ConnectionRow:
        row, now = self._chosen(tx, wish), self._clock()
        refusal = self._rules.refusal(row, now)
        if refusal is not None:
            raise refusal
        self._checks.door(row)
        connections.mark_used(tx, row.id, now)
        trail.keep(
            tx,
            "token.served",
            at=now,
            actor=wish.actor,
            person=row.person_id,
            connection=row.id,
            purpose=wish.purpose,
        )
        return row

    def _chosen(self, tx: Transaction, wish: TokenWish) -> ConnectionRow:
        """The connection that was named, else the one to act with first. Raises NotFound."""
        people = links.list_people(tx, wish.external_id)
        kept = views.list_kept_accounts(tx, people, InstagramAccountId(wish.account_id))
        grants = [StoredGrant(each.connection, None) for each in kept]
        if wish.connection_id is not None:
            wanted = ConnectionId(wish.connection_id)
            grants = [each for each in grants if each.connection.id == wanted]
        if not grants:
            raise NotFound
        return in_order(grants, self._rules, self._clock())[0].connection

    def _proof(self, secret: SecretStr, token: SecretStr) -> Proof:
        at = self._clock().replace(microsecond=0)
        value = timed_appsecret_proof(secret, token, at)
        return Proof(value, at, at + _PROOF_LIFETIME)
