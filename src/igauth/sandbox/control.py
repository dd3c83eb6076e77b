"""The control API under `/_control`: faults, calls, people, time. JSON, or forms of the panel."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated
from urllib.parse import parse_qsl, quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from igauth.sandbox.actions import ACTIONS, ActionRefused, ActionWanted
from igauth.sandbox.asking import limited_body
from igauth.sandbox.callbacks import CallbackKind, Callbacks, Delivery
from igauth.sandbox.faults import ENDPOINTS, KINDS, Fault
from igauth.sandbox.html import SECURITY_HEADERS, Pages, root_of
from igauth.sandbox.panel import panel_context
from igauth.sandbox.people import described, summarised
from igauth.sandbox.presets import PRESETS
from igauth.sandbox.signed import Tamper
from igauth.sandbox.state import State

Json = dict[str, object]
Operation = Callable[[Request, Json], Awaitable[Response]]


class ControlError(Exception):
    """A request to the control API that can't be carried out."""

    def __init__(self, status: int, field: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.problems = [{"field": field, "message": message}]


class DelayWanted(BaseModel):
    """Latency of every Graph answer."""

    model_config = ConfigDict(extra="forbid")
    seconds: Annotated[float, Field(ge=0, le=3600)]


class ClockWanted(BaseModel):
    """How far to move the sandbox's clock."""

    model_config = ConfigDict(extra="forbid")
    advance_seconds: Annotated[float, Field(ge=-1e9, le=1e9)]


class SignedWanted(BaseModel):
    """A signed callback to send (facts 13)."""

    model_config = ConfigDict(extra="forbid")
    kind: CallbackKind
    user_id: str | None = None
    person: str | None = None
    issued_at: int | None = None
    tamper: Tamper | None = None


@dataclass(slots=True)
class Control:
    """The operations; each answers JSON, and a posted form is sent back to the panel."""

    state: State
    callbacks: Callbacks
    pages: Pages

    # --- faults ---

    async def list_faults(self, _request: Request, _given: Json) -> Response:
        """GET /_control/faults."""
        meta = {"endpoints": ENDPOINTS, "kinds": KINDS, "presets": sorted(PRESETS)}
        faults = [self._shown(fault) for fault in self.state.faults]
        return as_json({"data": faults, "meta": meta})

    async def add_fault(self, _request: Request, given: Json) -> Response:
        """POST /_control/faults: fields of `Fault`, or `preset` with changes."""
        person = given.get("person")
        if person is not None:
            self._check_person(str(person))
        fault = self.state.faults.plan(given)
        self.state.touch()
        return as_json(self._shown(fault), 201)

    async def clear_faults(self, _request: Request, _given: Json) -> Response:
        """DELETE /_control/faults."""
        self.state.faults.clear()
        self.state.touch()
        return Response(status_code=204)

    async def remove_fault(self, request: Request, _given: Json) -> Response:
        """DELETE /_control/faults/{id}."""
        if not self.state.faults.remove(request.path_params["id"]):
            raise ControlError(404, "id", "there is no such fault")
        self.state.touch()
        return Response(status_code=204)

    async def list_presets(self, _request: Request, _given: Json) -> Response:
        """GET /_control/presets."""
        return as_json({"data": PRESETS})

    def _shown(self, fault: Fault) -> Json:
        left = self.state.faults.left(fault)
        return {**fault.model_dump(exclude_none=True), "times": fault.times, "left": left}

    # --- calls ---

    async def list_calls(self, request: Request, _given: Json) -> Response:
        """GET /_control/calls?endpoint=&person=&unknown=true&limit=100; oldest first."""
        query = request.query_params
        calls = [call.public() for call in self.state.calls]
        for name in ("endpoint", "person"):
            if name in query:
                calls = [call for call in calls if call[name] == query[name]]
        if query.get("unknown") == "true":
            calls = [call for call in calls if not call["known"]]
        limit = query.get("limit", "100")
        if not (limit.isascii() and limit.isdigit() and int(limit) > 0):
            raise ControlError(422, "limit", "must be a positive number")
        meta = {
            "total": len(calls),
            "round_trips": self.state.calls.round_trips(),
            "mark": self.state.mark,
        }
        return as_json({"data": calls[-int(limit) :], "meta": meta})

    async def clear_calls(self, _request: Request, _given: Json) -> Response:
        """DELETE /_control/calls."""
        self.state.calls.clear()
        return Response(status_code=204)

    # --- time and all ---

    async def reset(self, _request: Request, _given: Json) -> Response:
        """POST /_control/reset."""
        self.state.reset()
        return Response(status_code=204)

    async def delay(self, _request: Request, given: Json) -> Response:
        """POST /_control/delay."""
        self.state.latency_seconds = DelayWanted.model_validate(given).seconds
        self.state.touch()
        return as_json({"seconds": self.state.latency_seconds})

    async def read_clock(self, _request: Request, _given: Json) -> Response:
        """GET /_control/clock."""
        return as_json({"now": self._now()})

    async def move_clock(self, _request: Request, given: Json) -> Response:
        """POST /_control/clock."""
        self.state.clock.advance(ClockWanted.model_validate(given).advance_seconds)
        self.state.touch()
        return as_json({"now": self._now()})

    def _now(self) -> str:
        return self.state.clock().isoformat().replace("+00:00", "Z")

    # --- people ---

    async def list_people(self, _request: Request, _given: Json) -> Response:
        """GET /_control/people."""
        people = [
            summarised(self.state, self.state.world.person(casting.key))
            for casting in self.state.world.castings
        ]
        return as_json({"data": people, "meta": {"actions": list(ACTIONS)}})

    async def read_person(self, request: Request, _given: Json) -> Response:
        """GET /_control/people/{key}."""
        key = request.path_params["key"]
        self._check_person(key)
        return as_json(described(self.state, self.state.world.person(key)))

    async def act(self, request: Request, given: Json) -> Response:
        """POST /_control/people/{key}/{action}."""
        key, name = request.path_params["key"], request.path_params["action"]
        self._check_person(key)
        if name not in ACTIONS:
            raise ControlError(404, "action", f"one of {', '.join(ACTIONS)}")
        person = self.state.world.person(key)
        try:
            ACTIONS[name](self.state, person, ActionWanted.model_validate(given))
        except ActionRefused as refused:
            raise ControlError(422, refused.field, refused.message) from refused
        self.state.touch()
        delivery = await self._tell_app(name, person.id)
        return as_json({"person": summarised(self.state, person), "deauthorize": delivery})

    async def _tell_app(self, action: str, user_id: str) -> Json | None:
        """Removing the app fires the deauthorize callback, where one is configured (13.2)."""
        if action != "remove_app" or self.state.config.deauthorize_url is None:
            return None
        return asdict(await self.callbacks.deliver("deauthorize", user_id))

    def _check_person(self, key: str) -> None:
        if not self.state.world.known(key):
            raise ControlError(404, "person", f"nobody called {key!r} is in the cast")

    # --- signed callbacks ---

    async def list_signed(self, _request: Request, _given: Json) -> Response:
        """GET /_control/signed-requests: what became of the newest."""
        return as_json({"data": [asdict(found) for found in self.callbacks.deliveries]})

    async def send_signed(self, _request: Request, given: Json) -> Response:
        """POST /_control/signed-requests: sends one and returns the app's answer."""
        wanted = SignedWanted.model_validate(given)
        delivery: Delivery = await self.callbacks.deliver(
            wanted.kind, self._user_id(wanted), issued_at=wanted.issued_at, tamper=wanted.tamper
        )
        return as_json(asdict(delivery))

    def _user_id(self, wanted: SignedWanted) -> str:
        if wanted.person is not None:
            self._check_person(wanted.person)
            return self.state.world.person(wanted.person).id
        if wanted.user_id is None:
            raise ControlError(422, "person", "person or user_id is needed")
        return wanted.user_id

    async def panel(self, request: Request, _given: Json) -> Response:
        """GET /_control/: the same operations as an HTML page."""
        return self.pages.show(request, "panel.html", panel_context(self.state, self.callbacks))

    # --- reading requests, answering errors ---

    def endpoint(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        """An operation as a Starlette endpoint."""

        async def answer(request: Request) -> Response:
            is_form = _is_form(request)
            try:
                _refuse_cross_site(request)
                response = await operation(request, await _given(request))
            except ValidationError as error:
                return self._refusal(request, 422, _problems(error), is_form)
            except ControlError as error:
                return self._refusal(request, error.status, error.problems, is_form)
            if is_form:
                there = f"{root_of(request, self.state.config)}/_control/{_section(request)}"
                return RedirectResponse(there, 303, SECURITY_HEADERS)
            return response

        return answer

    def _refusal(
        self, request: Request, status: int, problems: list[dict[str, str]], is_form: bool
    ) -> Response:
        if not is_form:
            return as_json({"error": "refused", "problems": problems}, status)
        text = "; ".join(f"{found['field']}: {found['message']}" for found in problems)
        return self.pages.show(request, "refused.html", {"text": text}, status)


_SECTIONS = {"faults": "faults", "calls": "calls", "signed-requests": "callbacks"}


def _section(request: Request) -> str:
    """The place on the panel that a form came from, so that the browser stays there."""
    if "key" in request.path_params:
        return f"#person-{quote(request.path_params['key'])}"
    operation = request.url.path.rpartition("/_control/")[2].partition("/")[0]
    return f"#{_SECTIONS.get(operation, 'time')}"


def as_json(content: Mapping[str, object], status: int = 200) -> Response:
    """JSON in ASCII, so that even a lone surrogate in a hostile name can be sent."""
    return Response(json.dumps(content), status, SECURITY_HEADERS, "application/json")


def _is_form(request: Request) -> bool:
    kind = request.headers.get("content-type", "")
    return request.method == "POST" and kind.startswith("application/x-www-form-urlencoded")


def _refuse_cross_site(request: Request) -> None:
    """A foreign web page in the developer's browser has no say here."""
    if request.method != "GET" and request.headers.get("sec-fetch-site") == "cross-site":
        raise ControlError(403, "origin", "requests from other sites are refused")


async def _given(request: Request) -> Json:
    if request.method != "POST":
        return {}
    raw = await limited_body(request)
    if _is_form(request):
        return {name: value for name, value in parse_qsl(raw.decode("utf-8", "replace")) if value}
    try:
        content = json.loads(raw) if raw.strip() else {}
    except ValueError as error:
        raise ControlError(422, "body", "isn't JSON") from error
    if not isinstance(content, dict):
        raise ControlError(422, "body", "must be a JSON object")
    return content


def _problems(error: ValidationError) -> list[dict[str, str]]:
    return [
        {"field": ".".join(str(part) for part in found["loc"]) or "body", "message": found["msg"]}
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def control_routes(state: State, callbacks: Callbacks, pages: Pages) -> list[Route]:
    """All routes under `/_control`; `…/clear` and `…/remove` are for forms, which can't DELETE."""
    control = Control(state, callbacks, pages)
    table: list[tuple[str, str, Operation]] = [
        ("GET", "/_control", control.panel),
        ("GET", "/_control/", control.panel),
        ("GET", "/_control/faults", control.list_faults),
        ("POST", "/_control/faults", control.add_fault),
        ("DELETE", "/_control/faults", control.clear_faults),
        ("POST", "/_control/faults/clear", control.clear_faults),
        ("DELETE", "/_control/faults/{id:int}", control.remove_fault),
        ("POST", "/_control/faults/{id:int}/remove", control.remove_fault),
        ("GET", "/_control/presets", control.list_presets),
        ("GET", "/_control/calls", control.list_calls),
        ("DELETE", "/_control/calls", control.clear_calls),
        ("POST", "/_control/calls/clear", control.clear_calls),
        ("POST", "/_control/reset", control.reset),
        ("POST", "/_control/delay", control.delay),
        ("GET", "/_control/clock", control.read_clock),
        ("POST", "/_control/clock", control.move_clock),
        ("GET", "/_control/people", control.list_people),
        ("GET", "/_control/people/{key}", control.read_person),
        ("POST", "/_control/people/{key}/{action}", control.act),
        ("GET", "/_control/signed-requests", control.list_signed),
        ("POST", "/_control/signed-requests", control.send_signed),
    ]
    routes = [
        Route(path, control.endpoint(operation), methods=[method])
        for method, path, operation in table
    ]
    return [*routes, Route("/_control/{rest:path}", control.endpoint(_nowhere), methods=_ANY)]


_ANY = ["GET", "POST", "PUT", "PATCH", "DELETE"]


async def _nowhere(_request: Request, _given: Json) -> Response:
    raise ControlError(404, "path", "there is no such operation")
