"""Many nodes by id in few calls: batches of 50 side by side (Meta, "Batch requests").

`?ids=` is gone (graph-facts 12.9), so each part is a GET of its own inside one POST; each has its
own status, and one that fails leaves the others alone (trap 33). A 190 in a part, or of one node
alone, is that node's own affair: whether the token lives is said by `debug_token` and the edges,
and a dead one fails the whole batch (12.7, A22).
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlencode

from igauth.meta.calls import Answer
from igauth.meta.errors import GraphError, GraphMalformed, GraphRefusal, Meaning
from igauth.meta.facebook.caller import Caller
from igauth.meta.facebook.fields import MOST_NARROWINGS, InstagramFields, PageFields, narrowing
from igauth.meta.meanings import refusal_in
from igauth.meta.side_by_side import side_by_side
from igauth.meta.throttling import is_throttle
from igauth.meta.verdicts import status_of
from igauth.meta.wire import checked, parse_json

BATCH_SIZE: Final = 50
MOST_HOPS: Final = 2
_TOO_MUCH: Final = (Meaning.REDUCE_DATA, Meaning.PERHAPS_TOO_MUCH)

Id = TypeVar("Id", bound=str)
Node = TypeVar("Node")
F = TypeVar("F", bound=InstagramFields | PageFields)


@dataclass(frozen=True, slots=True)
class NodeKind(Generic[Node, F]):
    """A kind of node that is read by id: what to ask, and how to read it."""

    endpoint: str
    fields: Callable[[], F]
    parse: Callable[[Any, F], Node | None]

    def read(self, body: Any, fields: F) -> Node:
        """The node of a body. Raises GraphMalformed."""
        node = self.parse(body, fields)
        if node is None:
            raise GraphMalformed(self.endpoint, "the node lacks what it must have")
        return node


class NodeReader(Generic[Id, Node, F]):
    """Reads nodes of one kind. `tell` hears of each as soon as it is there; `fail` of a batch
    that was refused as a whole: that is no fault of its nodes."""

    def __init__(
        self,
        caller: Caller,
        kind: NodeKind[Node, F],
        tell: Callable[[Id, Node | GraphError], None],
        fail: Callable[[GraphError], None],
    ) -> None:
        self._caller = caller
        self._kind = kind
        self._tell = tell
        self._fail = fail

    async def read(self, ids: Sequence[Id]) -> None:
        """Tells each id's node or its own error; ids that must wait are not asked.

        Whatever `tell` or `fail` raises ends the reading.
        """
        wanted = list(dict.fromkeys(ids))
        throttling = self._caller.graph.throttling
        paused = await throttling.paused_nodes(self._kind.endpoint, wanted)
        for node_id in wanted:
            if node_id in paused:
                self._tell(node_id, paused[node_id])
        free = [node_id for node_id in wanted if node_id not in paused]
        await side_by_side(
            *(
                self._read_chunk(free[start : start + BATCH_SIZE])
                for start in range(0, len(free), BATCH_SIZE)
            )
        )

    async def _read_chunk(self, ids: Sequence[Id]) -> None:
        """A batch; then each part that it left open once more, alone (graph-facts 12.5)."""
        fields = {node_id: self._kind.fields() for node_id in ids}
        found: dict[Id, Node | GraphError | None] = dict.fromkeys(ids)
        if len(ids) > 1:
            try:
                found = await self._read_batch(fields)
            except GraphError as error:
                if isinstance(error, GraphRefusal) and error.meaning in _TOO_MUCH:
                    await self._read_halves(ids)
                else:
                    self._fail(error)
                return
        alone = [node_id for node_id in ids if _is_open(found[node_id])]
        for node_id, outcome in found.items():
            if outcome is not None and node_id not in alone:
                self._tell(node_id, outcome)
        await asyncio.sleep(0)  # others have their turn
        await side_by_side(
            *(self._read_alone(key, _new_id(found[key]) or key, fields[key]) for key in alone)
        )

    async def _read_halves(self, ids: Sequence[Id]) -> None:
        middle = len(ids) // 2
        await side_by_side(self._read_chunk(ids[:middle]), self._read_chunk(ids[middle:]))

    async def _read_alone(self, node_id: Id, asked_id: str, fields: F) -> None:
        self._tell(node_id, await self._read_one(asked_id, fields))

    async def _read_one(self, asked_id: str, fields: F, hops: int = MOST_HOPS) -> Node | GraphError:
        """One node; a merged Page under its new id (code 21, graph-facts 7.9)."""
        try:
            answer = await narrowing(lambda: self._fetch_one(asked_id, fields), fields)
            return self._kind.read(answer.body, fields)
        except GraphError as error:
            failure = _as_its_own(error)
        new_id = _new_id(failure)
        if new_id is None or hops == 0:
            return failure
        return await self._read_one(new_id, fields, hops - 1)

    async def _fetch_one(self, node_id: str, fields: F) -> Answer:
        query = {"fields": fields.text()}
        return await self._caller.get(self._kind.endpoint, node_id, query, about=(node_id,))

    async def _read_batch(self, fields: Mapping[Id, F]) -> dict[Id, Node | GraphError | None]:
        """A batch; those nodes that refuse a field again with fewer. None: not carried out."""
        outcomes = await self._send_batch(fields)
        for _ in range(MOST_NARROWINGS):
            again = {
                node_id: fields[node_id]
                for node_id, outcome in outcomes.items()
                if isinstance(outcome, GraphRefusal) and fields[node_id].narrow(outcome)
            }
            if not again:
                break
            outcomes.update(await self._send_batch(again))
        return outcomes

    async def _send_batch(self, fields: Mapping[Id, F]) -> dict[Id, Node | GraphError | None]:
        request = self._caller.request(
            "batch",
            "",
            {},
            method="POST",
            form={"batch": _parts(fields), "include_headers": "false"},
            shapes=(list,),
            shrinks=len(fields) > 1,
        )
        answer = await self._caller.fetch(request)
        bodies = [*answer.body, *(None for _ in fields)]  # parts that are missing count as null
        outcomes = {
            node_id: self._read_part(part, asked)
            for (node_id, asked), part in zip(fields.items(), bodies, strict=False)
        }
        return await self._with_throttles(outcomes, answer.regain_minutes)

    async def _with_throttles(
        self,
        outcomes: dict[Id, Node | GraphError | None],
        regain_minutes: Mapping[str, float],
    ) -> dict[Id, Node | GraphError | None]:
        """Records once what the whole batch throttled (A7)."""
        throttled = {
            node_id: outcome
            for node_id, outcome in outcomes.items()
            if isinstance(outcome, GraphRefusal) and is_throttle(outcome)
        }
        if throttled:
            refused = [
                (self._caller.request("batch", node_id, {}, about=(node_id,)), outcome)
                for node_id, outcome in throttled.items()
            ]
            seconds = await self._caller.graph.throttling.note(refused, regain_minutes)
            outcomes.update({key: each.throttled(seconds) for key, each in throttled.items()})
        return outcomes

    def _read_part(self, part: Any, fields: F) -> Node | GraphError | None:
        if part is None:
            return None
        try:
            return self._kind.read(_body_of(self._kind.endpoint, part), fields)
        except GraphError as error:
            return _as_its_own(error)


def _parts(fields: Mapping[Id, F]) -> str:
    return json.dumps(
        [
            {"method": "GET", "relative_url": f"{node_id}?{urlencode({'fields': asked.text()})}"}
            for node_id, asked in fields.items()
        ]
    )


def _as_its_own(error: GraphError) -> GraphError:
    """A node's answer says nothing about the person's token (A22, graph-facts 10.2)."""
    if isinstance(error, GraphRefusal) and status_of(error) is not None:
        return error.read_as(Meaning.PAGE_ITSELF)
    return error


def _is_open(outcome: object) -> bool:
    """A part that wasn't carried out, may pass on a repeat, or has a new id."""
    if isinstance(outcome, GraphError):
        return outcome.repeatable or _new_id(outcome) is not None
    return outcome is None


def _new_id(outcome: object) -> str | None:
    if isinstance(outcome, GraphRefusal) and outcome.meaning is Meaning.MIGRATED:
        return outcome.migrated_to()
    return None


def _body_of(endpoint: str, part: Any) -> Any:
    """The body of a batch part: JSON inside a string, its own status beside it (12.4)."""
    status = part.get("code") if isinstance(part, Mapping) else None
    body = part.get("body") if isinstance(part, Mapping) else None
    if not isinstance(status, int) or not isinstance(body, str):
        raise GraphMalformed(endpoint, "a part of the batch can't be read")
    parsed = parse_json(body.encode(errors="replace"))
    refusal = refusal_in(endpoint, status, parsed)
    if refusal is not None:
        raise refusal
    return checked(endpoint, status, parsed, (dict,))
