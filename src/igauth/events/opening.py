"""The room's use cases, put together."""

from dataclasses import dataclass

import httpx

from igauth.background import Background
from igauth.domain import Clock
from igauth.events.addresses import Addresses
from igauth.events.deliveries import Deliveries
from igauth.events.endpoints import Endpoints
from igauth.events.feed import Feed, Numbering
from igauth.events.posting import Poster
from igauth.events.secrets import Secrets
from igauth.observability import Metrics
from igauth.security.sealing import Sealer
from igauth.store.database import Database


@dataclass(frozen=True, slots=True)
class Events:
    """What reads, sends and administers events."""

    feed: Feed
    endpoints: Endpoints
    deliveries: Deliveries


def build_events(
    addresses: Addresses,
    transport: httpx.AsyncBaseTransport,
    sealer: Sealer,
    database: Database,
    background: Background,
    metrics: Metrics,
    clock: Clock,
) -> Events:
    """Over one database and one way to receivers, which whoever calls this closes."""
    numbering = Numbering(database, clock)
    poster = Poster(addresses, transport, clock)
    secrets = Secrets(sealer, database, clock)
    return Events(
        feed=Feed(database, numbering),
        endpoints=Endpoints(database, numbering, addresses, poster, secrets, clock),
        deliveries=Deliveries(database, numbering, poster, secrets, background, metrics, clock),
    )
