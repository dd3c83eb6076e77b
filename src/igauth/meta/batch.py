"""Many nodes by id in few calls: batches of 50 side by side (Meta, "Batch requests").

`?ids=` is gone (graph-facts 12.9), so each part is a GET of its own inside one POST; each has its
own status, and one that fails leaves the others alone (trap 33).
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlencode

from igauth.meta.client import Answer, GraphClient, Request
from igauth.meta.errors import GraphError, GraphMalformed, GraphRefusal, Meaning
from igauth.meta.facebook.fields import MOST_NARROWINGS, FieldSet, narrow, narrowing
from igauth.meta.facebook.proof import UserToken
from igauth.meta.wire import checked, parse_json, refusal_in

BATCH_SIZE: Final = 50
MOST_HOPS: Final = 2

Id = TypeVar("Id", bound=str)
Node = TypeVar("Node")


@dataclass(frozen=True, slots=True)
class NodeKind(Generic[Node]):
    """A kind of node that is read by id: what to ask, and how to read it."""

    endpoint: str
    fields: Callable[[], str]
    field_sets: tuple[FieldSet, ...]
    parse: Callable[[Any], Node | None]

    def read(self, body: Any) -> Node:
        """The node of a body. Raises GraphMalformed."""
        node = self.parse(body)
        if node is None:
            raise GraphMalformed(self.endpoint, "the node lacks what it must have")
        return node


class NodeReader(Generic[Node]):
    """Reads nodes of one kind with one token."""

    def __init__(self, graph: GraphClient, token: UserToken, kind: NodeKind[Node]) -> None:
        self._graph = graph
        self._token = token
        self._kind = kind

    async def read(self, ids: Sequence[Id]) -> dict[Id, Node | GraphError]:
        """Each id with its node or its own error; ids that must wait are not asked."""
        outcomes: dict[Id, Node | GraphError] = {}
        outcomes.update(await self._graph.paused(self._kind.endpoint, ids))
        free = [node_id for node_id in dict.fromkeys(ids) if node_id not in outcomes]
        chunks = [free[at : at + BATCH_SIZE] for at in range(0, len(free), BATCH_SIZE)]
        for part in await asyncio.gather(*(self._read_chunk(chunk) for chunk in chunks)):
            outcomes.update(part)
        return outcomes

    async def _read_chunk(self, ids: Sequence[Id]) -> dict[Id, Node | GraphError]:
        """A batch; then each part that it left open once more, alone (graph-facts 12.5)."""
        found: dict[Id, Node | GraphError | None] = dict.fromkeys(ids)
        if len(ids) > 1:
            try:
                found = await self._read_batch(ids)
            except GraphError as error:
                if _wants_less(error):
                    return await self._read_halves(ids)
                return dict.fromkeys(ids, error)
        closed = {key: each for key, each in found.items() if not _is_open(each)}
        alone = [key for key in ids if key not in closed]
        nodes = await asyncio.gather(*(self._read_one(_new_id(found[key]) or key) for key in alone))
        return {
            **{key: each for key, each in closed.items() if each is not None},
            **dict(zip(alone, nodes, strict=True)),
        }

    async def _read_halves(self, ids: Sequence[Id]) -> dict[Id, Node | GraphError]:
        middle = len(ids) // 2
        halves = (self._read_chunk(ids[:middle]), self._read_chunk(ids[middle:]))
        first, second = await asyncio.gather(*halves)
        return {**first, **second}

    async def _read_one(self, node_id: str, hops: int = MOST_HOPS) -> Node | GraphError:
        """One node; a merged Page under its new id (code 21, graph-facts 7.9)."""
        try:
            answer = await narrowing(lambda: self._fetch_one(node_id), self._kind.field_sets)
            return self._kind.read(answer.body)
        except GraphError as error:
            failure = error
        new_id = _new_id(failure)
        if new_id is None or hops == 0:
            return failure
        return await self._read_one(new_id, hops - 1)

    async def _fetch_one(self, node_id: str) -> Answer:
        return await self._graph.fetch(self._request_for(node_id))

    def _request_for(self, node_id: str) -> Request:
        return Request(
            self._kind.endpoint,
            node_id,
            query={"fields": self._kind.fields()},
            token=self._token,
            about=(node_id,),
            patient=True,
        )

    async def _read_batch(self, ids: Sequence[Id]) -> dict[Id, Node | GraphError | None]:
        """A batch, again with fewer fields while its parts refuse one. None: not carried out."""
        outcomes = await self._send_batch(ids)
        for _ in range(MOST_NARROWINGS):
            refusals = [each for each in outcomes.values() if isinstance(each, GraphRefusal)]
            if not [each for each in refusals if narrow(each, self._kind.field_sets)]:
                break
            outcomes = await self._send_batch(ids)
        return outcomes

    async def _send_batch(self, ids: Sequence[Id]) -> dict[Id, Node | GraphError | None]:
        query = urlencode({"fields": self._kind.fields()})
        parts = [{"method": "GET", "relative_url": f"{node_id}?{query}"} for node_id in ids]
        answer = await self._graph.fetch(
            Request(
                "batch",
                "",
                method="POST",
                form={"batch": json.dumps(parts), "include_headers": "false"},
                token=self._token,
                patient=True,
                shapes=(list,),
            )
        )
        bodies = [*answer.body, *(None for _ in ids)]  # parts that are missing count as null
        return {
            node_id: await self._read_part(node_id, part, answer.regain_minutes)
            for node_id, part in zip(ids, bodies, strict=False)
        }

    async def _read_part(
        self, node_id: str, part: Any, regain_minutes: Mapping[str, float]
    ) -> Node | GraphError | None:
        if part is None:
            return None
        try:
            return self._kind.read(_body_of(self._kind.endpoint, part))
        except GraphRefusal as refusal:
            if refusal.meaning is not Meaning.THROTTLED:
                return refusal
            throttle = refusal
        except GraphError as error:
            return error
        return await self._graph.note_throttle(self._request_for(node_id), throttle, regain_minutes)


def _wants_less(error: GraphError) -> bool:
    return isinstance(error, GraphRefusal) and error.meaning is Meaning.REDUCE_DATA


def _is_open(outcome: object) -> bool:
    """A part that wasn't carried out, may pass on a repeat, or has a new id."""
    if isinstance(outcome, GraphError):
        return outcome.repeatable or _new_id(outcome) is not None
    return outcome is None


def _new_id(outcome: object) -> str | None:
    return outcome.migrated_to() if isinstance(outcome, GraphRefusal) else None


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
