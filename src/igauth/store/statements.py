"""Statements made once, for both SQL dialects; building one costs several times its sending.

Values come as bound parameters. `Together` sends several writes at once where the database can:
as one statement with data-modifying CTEs on PostgreSQL (one round trip), one after the other in
the same visit on SQLite.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from typing import Any, Final

from sqlalchemy import CTE, CursorResult, Executable, Select, bindparam, delete, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from igauth.store.database import Transaction

Parameters = Mapping[str, Any]
Insert = Callable[[Any], Any]
_INSERTS: Final[Mapping[str, Insert]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class InBoth:
    """A statement that differs by dialect: `build` gets the dialect's name and its own `insert`,
    which knows `on_conflict_…`."""

    def __init__(self, build: Callable[[str, Insert], Any]) -> None:
        self._statements = {name: build(name, insert) for name, insert in _INSERTS.items()}

    def on(self, dialect: str) -> Any:
        """The statement for this dialect."""
        return self._statements[dialect]

    def execute(self, tx: Transaction, parameters: Parameters) -> CursorResult[Any]:
        """Runs it."""
        done: CursorResult[Any] = tx.execute(self.on(tx.dialect.name), parameters)
        return done


class ManyRows(InBoth):
    """A write of many rows, from a list for each column: on PostgreSQL one statement over arrays;
    on SQLite the statement for one row, which the driver repeats (record 13)."""

    def execute_each(self, tx: Transaction, parameters: Parameters) -> None:
        """SQLite's way: `parameters` that are no lists are the same in every row. They go to the
        driver as they are, so only for columns of text and numbers."""
        text, names = self._for_one_row
        values = [parameters[name] for name in names]
        columns = [each if isinstance(each, list) else repeat(each) for each in values]
        rows = list(zip(*columns, strict=False))
        if rows:
            tx.exec_driver_sql(text, rows)

    @cached_property
    def _for_one_row(self) -> tuple[str, Sequence[str]]:
        compiled = self.on("sqlite").compile(dialect=sqlite.dialect())
        return str(compiled), compiled.positiontup


class Together:
    """Writes of which no two touch the same row; one may read what another, a named CTE on
    PostgreSQL, returns."""

    def __init__(self, *writes: Executable | InBoth) -> None:
        self._writes = writes

    def execute(self, tx: Transaction, parameters: Parameters) -> None:
        """Runs all of them, in order where the database takes one at a time."""
        named = naming(parameters)
        if tx.dialect.name == "postgresql":
            tx.execute(self._as_one, named)
            return
        for write in self._writes:
            if isinstance(write, ManyRows):
                write.execute_each(tx, named)
            else:
                tx.execute(_of(write, "sqlite"), named)

    @cached_property
    def _as_one(self) -> Select[Any]:
        """PostgreSQL, "Data-Modifying Statements in WITH"."""
        ctes = [_as_cte(write, number) for number, write in enumerate(self._writes)]
        return select(literal(1)).add_cte(*ctes)


def delete_some(tx: Transaction, key: Any, which: Any, limit: int) -> int:
    """Deletes up to `limit` of these rows, without waiting for one that somebody works on;
    returns how many. `key`: the table's primary key."""
    picked = select(key).where(which).limit(limit).with_for_update(skip_locked=True).cte("picked")
    unwanted = delete(key.class_).where(key.in_(select(picked.c[key.key]))).returning(key)
    return len(tx.execute(unwanted).all())  # sqlite3 counts no rows of what begins with WITH


def given(*names: str) -> dict[str, Any]:
    """Columns with the bound parameter of each, for `values()` of a statement of `Together`."""
    return {name: parameter(name) for name in names}


def parameter(name: str) -> Any:
    """A bound parameter of `Together`: named apart from any column, since SQLAlchemy adds columns
    to an INSERT or UPDATE for whatever parameters are called like them."""
    return bindparam(f"b_{name}")


def parameter_list(name: str) -> Any:
    """The same for a list, to be looked into with `in_`."""
    return bindparam(f"b_{name}", expanding=True)


def naming(values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as `given` and `parameter` name them."""
    return {f"b_{name}": value for name, value in values.items()}


def _as_cte(write: Executable | InBoth, number: int) -> CTE:
    """One that comes as a CTE already is named by others, who read what it returns."""
    found = _of(write, "postgresql")
    return found if isinstance(found, CTE) else found.cte(f"write_{number}")


def _of(write: Executable | InBoth, dialect: str) -> Any:
    return write.on(dialect) if isinstance(write, InBoth) else write
