"""The Graph host: every request is read, logged, struck by faults, answered (facts 0, 17)."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from igauth.sandbox import problems
from igauth.sandbox.access import admit, living_token, proof_state, wear_out
from igauth.sandbox.asking import Asking, read, refuse_future
from igauth.sandbox.batch import Batch, parse_parts
from igauth.sandbox.calls import Call
from igauth.sandbox.envelope import Answer, failure, success, zipped
from igauth.sandbox.faults import Fault
from igauth.sandbox.oauth import TokenEndpoint, debug_token
from igauth.sandbox.problems import Problem, Refused
from igauth.sandbox.reading import read as read_node
from igauth.sandbox.replies import Reply
from igauth.sandbox.revoking import OnRemoved, revoke
from igauth.sandbox.routing import Route, log_entry, route
from igauth.sandbox.state import State

_TOKEN_ENDPOINTS = ("exchange", "upgrade", "app_token")
_UNSENT = ("cut", "hang")
_HTML = {"content-type": "text/html; charset=utf-8"}
_FOREIGN_PLACE = "https://www.facebook.example.test/elsewhere"


@dataclass(slots=True)
class Graph:
    """`graph.facebook.com`. `on_removed` is told when a person's grant was deleted."""

    state: State
    on_removed: OnRemoved

    async def __call__(self, request: Request) -> Response:
        """Answer one HTTP request."""
        asking = await read(request, self.state.config)
        answer = await self.attend(asking)
        return Reply(zipped(answer) if asking.wants_gzip else answer, self.state.sleep)

    async def attend(self, asking: Asking) -> Answer:
        """Log a request or a part of a batch, strike it with a fault or let it be answered."""
        found = route(self.state, asking)
        call = self.state.calls.begin(log_entry(self.state, asking, found))
        call.proof = proof_state(self.state, asking)
        try:
            answer = await self._struck(asking, found, call)
        except BaseException:
            self.state.calls.end(call, None)
            raise
        self.state.calls.end(call, None if answer.breakage in _UNSENT else answer.status)
        return answer

    async def _struck(self, asking: Asking, found: Route, call: Call) -> Answer:
        fault = self.state.faults.take(found.touches, found.person)
        wait = self.state.latency_seconds if asking.part_of is None else 0
        wait += fault.delay_seconds if fault and fault.kind != "drip" else 0
        if wait:
            await self.state.sleep(wait)
        if fault is None:
            return await self._answer(asking, found, call)
        call.fault = fault.preset or fault.kind
        if fault.after_effect or fault.kind in ("delay", "drip"):
            return spoil(fault, await self._answer(asking, found, call), asking.version)
        return spoil(fault, None, asking.version)

    async def _answer(self, asking: Asking, found: Route, call: Call) -> Answer:
        try:
            refuse_future(asking)
            return await self._dispatch(asking, found, call)
        except Refused as refused:
            return failure(refused.problem, asking.version)

    async def _dispatch(self, asking: Asking, found: Route, call: Call) -> Answer:
        """Facts 12.9 first: the removed multi-get fails whatever else was asked."""
        if "ids" in asking.params:
            raise Refused(problems.IDS_REMOVED)
        if found.endpoint == "batch":
            return await self._batch(asking, call)
        answer = self._answers().get(found.endpoint, self._read)
        return answer(asking, found)

    def _answers(self) -> dict[str, Callable[[Asking, Route], Answer]]:
        token = dict.fromkeys(_TOKEN_ENDPOINTS, self._token)
        return {**token, "debug_token": self._debug, "revoke": self._revoke, "unknown": self._lost}

    def _token(self, asking: Asking, _found: Route) -> Answer:
        return success(TokenEndpoint(self.state).answer(asking.params), asking.version)

    def _debug(self, asking: Asking, _found: Route) -> Answer:
        return success(debug_token(self.state, asking), asking.version)

    def _revoke(self, asking: Asking, _found: Route) -> Answer:
        if asking.method != "DELETE":
            raise Refused(problems.not_visible(asking.path[0], asking.method))
        return success(revoke(self.state, asking, self.on_removed), asking.version)

    def _read(self, asking: Asking, found: Route) -> Answer:
        if asking.method not in ("GET", "HEAD"):
            raise Refused(problems.not_visible(asking.path[0], asking.method))
        self._wear_out(asking)
        got = read_node(self.state, asking)
        answer = success(got.content, asking.version).with_headers(got.usage)
        if got.redirect is None:
            return answer
        return replace(answer, status=302, body=b"").with_headers({"location": got.redirect})

    def _wear_out(self, asking: Asking) -> None:
        token = self.state.ledger.find(asking.access_token or "")
        if token is not None:
            place = f"{'/'.join(asking.path)} {asking.params.get('after', '')}"
            wear_out(self.state, token, place)

    def _lost(self, asking: Asking, _found: Route) -> Answer:
        """A path that nothing here answers: refused as Graph would, and in `calls.unknown()`."""
        if asking.access_token:
            admit(self.state, asking)
        raise Refused(_why_lost(asking.path, asking.method))

    # --- batch (facts 12) ---

    async def _batch(self, asking: Asking, call: Call) -> Answer:
        self._check_batch_token(asking)
        parts = parse_parts(asking.params)
        call.parts = len(parts)
        batch = Batch(asking, self.state.config, self.attend, call.began)
        return success(await batch.answer(parts), asking.version)

    def _check_batch_token(self, asking: Asking) -> None:
        """A bad top-level token fails the lot, as an object (facts 12.3, 12.7, trap 33)."""
        living_token(self.state, asking)
        if proof_state(self.state, asking) == "invalid":
            raise Refused(problems.PROOF_WRONG)


def _why_lost(path: tuple[str, ...], method: str) -> Problem:
    match path:
        case ():
            return problems.not_visible("", method)
        case (alias,):
            return problems.no_such_alias(alias)
        case ("me", edge):
            return problems.no_such_field(edge, "User")
        case (node, edge) if node.isdigit():
            kind = "ShadowIGUser" if node.startswith("17841") else "Page"
            return problems.no_such_field(edge, kind)
    return problems.unknown_path("/" + "/".join(path[1:]))


def spoil(fault: Fault, good: Answer | None, version: str) -> Answer:
    """What a fault makes of an answer; `good` is there if the work was done (facts 17.11)."""
    if fault.kind == "delay" and good is not None:
        return good.with_headers(fault.headers)
    if fault.kind == "drip" and good is not None:
        dripping = replace(good, breakage="drip", pace_seconds=fault.delay_seconds)
        return dripping.with_headers(fault.headers)
    if fault.kind == "graph_error":
        return failure(fault.problem(), version).with_headers(fault.headers)
    return _unlike_graph(fault).with_headers(fault.headers)


def _unlike_graph(fault: Fault) -> Answer:
    """Answers that don't come from Graph at all: proxies, broken bodies, nothing (10.7)."""
    if fault.kind == "html":
        page = fault.body or "<!DOCTYPE html><h1>Sorry, something went wrong.</h1>"
        return Answer(fault.status or 502, page.encode("utf-8", "replace"), dict(_HTML))
    if fault.kind == "redirect":
        return Answer(fault.status or 302, b"", {"location": fault.body or _FOREIGN_PLACE})
    as_json = {"content-type": "application/json; charset=UTF-8"}
    if fault.kind == "empty":
        return Answer(fault.status or 200, b"", as_json)
    if fault.kind == "cut":
        return Answer(200, b"", breakage="cut")
    if fault.kind == "hang":
        return Answer(200, b"", breakage="hang")
    return _unreadable(fault, as_json)


def _unreadable(fault: Fault, headers: dict[str, str]) -> Answer:
    if fault.kind == "oversize":
        return Answer(fault.status or 200, b"", headers, breakage="oversize")
    half = json.dumps({"data": [{"id": "100"}]})[:-4]
    return Answer(fault.status or 200, (fault.body or half).encode("utf-8", "replace"), headers)
