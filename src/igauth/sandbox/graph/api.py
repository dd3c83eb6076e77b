"""The Graph host: every request is read, logged, struck by faults, answered; alone or in a batch.

Facts 0 and 17 (requests), 12 (batches of up to fifty parts).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from igauth.sandbox.control.calls import Call
from igauth.sandbox.graph import answers
from igauth.sandbox.graph.access import (
    Route,
    admit,
    find_route,
    living_token,
    log_entry,
    wear_out,
)
from igauth.sandbox.graph.answers import GraphError, Refused, failure, success
from igauth.sandbox.graph.oauth import TokenEndpoint, debug_token, revoke
from igauth.sandbox.graph.read import read
from igauth.sandbox.graph.request import GraphRequest, compose, read_request
from igauth.sandbox.state import State
from igauth.sandbox.transport import Answer, Reply
from igauth.sandbox.world.people import Person

Json = dict[str, object]
_TOKEN_ENDPOINTS = ("exchange", "upgrade", "app_token")
_MAX_PARTS = 50
_PROOF = ("appsecret_proof", "appsecret_time")
_BATCH_MALFORMED = GraphError("(#100) param batch must be an array.", 100)
_BATCH_TOO_LONG = GraphError(
    "Too many requests in batch message. Maximum batch size is 50", type="GraphBatchException"
)


@dataclass(slots=True)
class Graph:
    """`graph.facebook.com`. `on_removed` is told when a person's grant was deleted (13.2)."""

    state: State
    on_removed: Callable[[Person], None]

    async def __call__(self, request: Request) -> Response:
        """Answer one HTTP request."""
        asked = await read_request(request, self.state.config)
        answer = await self.answer(asked)
        return Reply(answer.zipped() if "gzip" in asked.encoding else answer, self.state.sleep)

    async def answer(self, request: GraphRequest) -> Answer:
        """Log a request or a part of a batch, strike it with a fault or let it be answered."""
        route = find_route(self.state, request)
        call = self.state.calls.begin(log_entry(self.state, request, route))
        status: int | None = None
        try:
            answer = await self._struck(request, route, call)
            status = None if answer.breakage in ("cut", "hang") else answer.status
        finally:
            self.state.calls.end(call, status)
        return answer

    async def _struck(self, request: GraphRequest, route: Route, call: Call) -> Answer:
        fault = self.state.faults.take(route.target)
        wait = self.state.latency_seconds if request.part_of is None else 0
        wait += fault.delay_seconds if fault and fault.kind != "drip" else 0
        if wait:
            await self.state.sleep(wait)
        if fault is None:
            return await self._good(request, route, call)
        call.fault = fault.preset or fault.kind
        good = await self._good(request, route, call) if fault.works_first else None
        return fault.spoil(good, request.version)

    async def _good(self, request: GraphRequest, route: Route, call: Call) -> Answer:
        try:
            if request.future_path is not None:  # facts 1.14
                raise Refused(answers.unknown_path(request.future_path))
            if "ids" in request.params:  # facts 12.9: whatever else was asked
                raise Refused(answers.IDS_REMOVED)
            if route.endpoint == "batch":
                return await self._batch(request, call)
            return self._dispatch(request, route.endpoint)
        except Refused as refused:
            return failure(refused.error, request.version)

    def _dispatch(self, request: GraphRequest, endpoint: str) -> Answer:
        if endpoint in _TOKEN_ENDPOINTS:
            return success(TokenEndpoint(self.state).answer(request.params), request.version)
        if endpoint == "debug_token":
            return success(debug_token(self.state, request), request.version)
        if endpoint == "unknown":
            return self._unknown(request)
        if endpoint == "revoke" and request.method == "DELETE":
            return self._revoke(request)
        if endpoint == "revoke" or request.method not in ("GET", "HEAD"):
            raise Refused(answers.not_visible(request.path[0], request.method))
        return self._read(request)

    def _revoke(self, request: GraphRequest) -> Answer:
        removed = revoke(self.state, request)
        if removed is not None:
            self.on_removed(removed)
        return success({"success": True}, request.version)

    def _read(self, request: GraphRequest) -> Answer:
        token = self.state.ledger.find(request.access_token or "")
        if token is not None:
            place = f"{'/'.join(request.path)} {request.params.get('after', '')}"
            wear_out(self.state, token, place)
        got = read(self.state, request)
        answer = success(got.content, request.version).with_headers(got.usage)
        if got.redirect is None:
            return answer
        return replace(answer, status=302, body=b"").with_headers({"location": got.redirect})

    def _unknown(self, request: GraphRequest) -> Answer:
        """A path that nothing here answers: refused as Graph would, and in `calls.unknown()`."""
        if request.access_token:
            admit(self.state, request)
        raise Refused(_why_unknown(request.path, request.method))

    async def _batch(self, request: GraphRequest, call: Call) -> Answer:
        """A bad top-level token fails the lot, as an object (facts 12.3, 12.7, trap 33)."""
        living_token(self.state, request)
        parts = _parse_parts(request.params)
        call.parts = len(parts)
        batch = Batch(self, request, call.began)
        return success([await batch.answer(part) for part in parts], request.version)


def _why_unknown(path: tuple[str, ...], method: str) -> GraphError:
    match path:
        case ():
            return answers.not_visible("", method)
        case (alias,):
            return answers.no_such_alias(alias)
        case ("me", edge):
            return answers.no_such_field(edge, "User")
        case (node, edge) if node.isdigit():
            kind = "ShadowIGUser" if node.startswith("17841") else "Page"
            return answers.no_such_field(edge, kind)
    return answers.unknown_path("/" + "/".join(path[1:]))


# --- batches (facts 12) ---


def _parse_parts(params: Mapping[str, str]) -> list[dict[str, Any]]:
    """The parts of a batch; more than fifty are refused without a code (facts 12.6)."""
    try:
        parts = json.loads(params["batch"])
    except ValueError as error:
        raise Refused(_BATCH_MALFORMED) from error
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise Refused(_BATCH_MALFORMED)
    if len(parts) > _MAX_PARTS:
        raise Refused(_BATCH_TOO_LONG)
    return parts


@dataclass(slots=True)
class Batch:
    """One batch while it is being answered; `outcomes` remembers named parts."""

    graph: Graph
    request: GraphRequest
    number: int
    outcomes: dict[str, bool] = field(default_factory=dict)

    async def answer(self, part: dict[str, Any]) -> Json | None:
        """A part's answer; null for one that wasn't executed (facts 12.4, 12.5)."""
        if "depends_on" in part and not self.outcomes.get(str(part["depends_on"])):
            return None
        answer = await self.graph.answer(self._request_of(part))
        good = answer.status == 200
        if "name" in part:
            self.outcomes[str(part["name"])] = good
        omitted = part.get("omit_response_on_success") is True and good
        if omitted or answer.breakage in ("cut", "half", "hang"):
            return None
        return self._shown(answer)

    def _request_of(self, part: dict[str, Any]) -> GraphRequest:
        """A part as a request of its own: own token or the batch's, and that one's proof (12.1)."""
        whole = self.request
        path, _, query = str(part.get("relative_url", "")).partition("?")
        params = dict(parse_qsl(query, keep_blank_values=True))
        params |= dict(parse_qsl(str(part.get("body", "")), keep_blank_values=True))
        own = part.get("access_token") or params.get("access_token")
        proof = {name: whole.params[name] for name in _PROOF if name in whole.params}
        return compose(
            str(part.get("method", "GET")).upper(),
            path,
            params,
            self.graph.state.config,
            unversioned=whole.version,
            access_token=str(own) if own else whole.access_token,
            carried="part" if own else "batch",
            origin=whole.origin,
            part_of=self.number,
            batch_proof=proof if own in (None, whole.access_token) else {},
        )

    def _shown(self, answer: Answer) -> Json:
        """`body` is a string that holds JSON (facts 12.4)."""
        shown: Json = {"code": answer.status}
        if self.request.params.get("include_headers") not in ("false", "0"):
            shown["headers"] = [
                {"name": name.title(), "value": value} for name, value in answer.headers.items()
            ]
        shown["body"] = answer.body.decode("utf-8", "replace")
        return shown
