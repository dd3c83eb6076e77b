"""What both SQL dialects can do, under one name."""

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite

from igauth.store.database import Transaction


def insert_into(tx: Transaction, model: Any) -> Any:
    """An INSERT that knows `on_conflict_do_update` and `on_conflict_do_nothing`."""
    if tx.dialect.name == "sqlite":
        return sqlite.insert(model)
    return postgresql.insert(model)
