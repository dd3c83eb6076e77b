"""What time it is at the database."""

from datetime import datetime

from sqlalchemy import text

from igauth.store.database import Transaction

_NOW = text("SELECT clock_timestamp()")


def server_time(tx: Transaction) -> datetime:
    """Now, by PostgreSQL's clock; `now()` would be when the transaction began."""
    found: datetime = tx.execute(_NOW).scalar_one()
    return found
