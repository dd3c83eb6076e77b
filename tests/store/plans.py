"""How a database would carry out a statement, and which tables it would read from end to end."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from igauth.store.database import Transaction
from tests.store.watching import Sent

BIG: Final = frozenset(
    {
        *("people", "sign_ins", "connections", "sessions", "listings", "listed_accounts"),
        *("revocations", "audit_events", "spent_states", "pauses", "signed_requests"),
    }
)


class SqlitePlan:
    """The lines of EXPLAIN QUERY PLAN: SCAN reads all, be it by an index; SEARCH looks up."""

    def __init__(self, tx: Transaction, sent: Sent) -> None:
        values = sent.parameters[0] if isinstance(sent.parameters, list) else sent.parameters
        rows = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {sent.text}", values)
        self._lines = [row.detail for row in rows]

    def scans(self) -> list[str]:
        """Big tables that are read from end to end."""
        words = [line.split() for line in self._lines]
        return [each[1] for each in words if each[0] == "SCAN" and each[1] in BIG]

    def __str__(self) -> str:
        return "; ".join(self._lines)


class PostgresPlan:
    """The tree of EXPLAIN: what reads a table without a condition on an index reads all of it."""

    def __init__(self, tx: Transaction, sent: Sent) -> None:
        rows = tx.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sent.text}", sent.parameters)
        self._root = rows.scalar_one()[0]["Plan"]

    def scans(self) -> list[str]:
        """Big tables that are read from end to end."""
        return [
            node["Relation Name"]
            for node in _nodes(self._root)
            if node.get("Relation Name") in BIG and _reads_all(node)
        ]

    def __str__(self) -> str:
        return json.dumps(self._root)


def _reads_all(node: Mapping[str, Any]) -> bool:
    if node["Node Type"] == "Bitmap Heap Scan":
        bitmaps = [each for each in _nodes(node) if each["Node Type"] == "Bitmap Index Scan"]
        return not all("Index Cond" in each for each in bitmaps)
    return node["Node Type"].endswith("Scan") and "Index Cond" not in node


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)
