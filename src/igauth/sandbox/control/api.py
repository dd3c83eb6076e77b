"""The control API under `/_control`: faults, calls, people, time. JSON, or forms of the panel."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Literal
from urllib.parse import parse_qsl, quote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from igauth.sandbox.control.callbacks import CallbackKind, Callbacks, Tamper
from igauth.sandbox.control.faults import ENDPOINTS, KINDS, PRESETS, Fault
from igauth.sandbox.control.instagram import ACTIONS as INSTAGRAM_ACTIONS
from igauth.sandbox.control.instagram import account_json
from igauth.sandbox.control.people import (
    ACTIONS,
    ActionWanted,
    ControlError,
    details_of,
    summary_of,
)
from igauth.sandbox.graph.request import limited_body
from igauth.sandbox.pages import SECURITY_HEADERS, Pages, panel_context, root_of
from igauth.sandbox.state import SandboxConfig, State
from igauth.sandbox.world.instagram import Account
from igauth.sandbox.world.people import Person

Json = dict[str, object]
Operation = Callable[[Request, Json], Awaitable[Response]]
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_SECTIONS = {"faults": "faults", "calls": "calls", "signed-requests": "callbacks"}


class _Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DelayWanted(_Wanted):
    """Latency of every Graph answer."""

    seconds: Annotated[float, Field(ge=0, le=3600)]


class ClockWanted(_Wanted):
    """How far to move the sandbox's clock."""

    advance_seconds: Annotated[float, Field(ge=-1e9, le=1e9)]


class SignedWanted(_Wanted):
    """A signed callback to send (facts 13); with `account`, one of Instagram Login's (4.9)."""

    kind: CallbackKind
    user_id: str | None = None
    person: str | None = None
    account: str | None = None
    id_kind: Literal["id", "user_id"] = "id"
    as_number: bool = False
    issued_at: int | None = None
    tamper: Tamper | None = None


@dataclass(slots=True)
class Control:
    """The operations; each answers JSON, and a posted form is sent back to the panel."""

    state: State
    callbacks: Callbacks
    pages: Pages

    def routes(self) -> list[Route]:
        """All under `/_control`; `…/clear` and `…/remove` are for forms, which can't DELETE."""
        table: list[tuple[str, str, Operation]] = [
            ("GET", "", self._panel),
            ("GET", "/", self._panel),
            ("GET", "/faults", self._list_faults),
            ("POST", "/faults", self._add_fault),
            ("DELETE", "/faults", self._clear_faults),
            ("POST", "/faults/clear", self._clear_faults),
            ("DELETE", "/faults/{id:int}", self._remove_fault),
            ("POST", "/faults/{id:int}/remove", self._remove_fault),
            ("GET", "/presets", self._list_presets),
            ("GET", "/calls", self._list_calls),
            ("DELETE", "/calls", self._clear_calls),
            ("POST", "/calls/clear", self._clear_calls),
            ("POST", "/reset", self._reset),
            ("POST", "/delay", self._delay),
            ("GET", "/clock", self._clock),
            ("POST", "/clock", self._clock),
            ("GET", "/people", self._list_people),
            ("GET", "/people/{key}", self._read_person),
            ("POST", "/people/{key}/{action}", self._act),
            ("GET", "/instagram-accounts", self._list_accounts),
            ("GET", "/instagram-accounts/{key}", self._read_account),
            ("POST", "/instagram-accounts/{key}/{action}", self._act_on_account),
            ("GET", "/signed-requests", self._list_signed),
            ("POST", "/signed-requests", self._send_signed),
        ]
        routes = [
            Route(f"/_control{path}", self._endpoint(operation), methods=[method])
            for method, path, operation in table
        ]
        nowhere = self._endpoint(_nowhere)
        return [*routes, Route("/_control/{rest:path}", nowhere, methods=_METHODS)]

    async def _panel(self, request: Request, _given: Json) -> Response:
        return self.pages.show(request, "panel.html", panel_context(self.state, self.callbacks))

    async def _list_faults(self, _request: Request, _given: Json) -> Response:
        meta = {"endpoints": ENDPOINTS, "kinds": KINDS, "presets": sorted(PRESETS)}
        return _json({"data": [self._shown(fault) for fault in self.state.faults], "meta": meta})

    async def _add_fault(self, _request: Request, given: Json) -> Response:
        """Fields of `Fault`, or `preset` with changes."""
        whose = given.get("person")
        if whose is not None and str(whose) not in self.state.instagram.accounts:
            self._person(str(whose))
        return _json(self._shown(self.state.faults.plan(given)), 201)

    async def _clear_faults(self, _request: Request, _given: Json) -> Response:
        self.state.faults.clear()
        return Response(status_code=204)

    async def _remove_fault(self, request: Request, _given: Json) -> Response:
        if not self.state.faults.remove(request.path_params["id"]):
            raise ControlError("id", "there is no such fault", 404)
        return Response(status_code=204)

    async def _list_presets(self, _request: Request, _given: Json) -> Response:
        return _json({"data": PRESETS})

    def _shown(self, fault: Fault) -> Json:
        left = self.state.faults.left(fault)
        return {**fault.model_dump(exclude_none=True), "times": fault.times, "left": left}

    async def _list_calls(self, request: Request, _given: Json) -> Response:
        """Oldest first; `?endpoint=&person=&unknown=true&limit=100`."""
        query = request.query_params
        calls = [call.public() for call in self.state.calls]
        for name in ("endpoint", "person"):
            if name in query:
                calls = [call for call in calls if call[name] == query[name]]
        if query.get("unknown") == "true":
            calls = [call for call in calls if not call["known"]]
        limit = query.get("limit", "100")
        if not (limit.isascii() and limit.isdigit() and int(limit) > 0):
            raise ControlError("limit", "must be a positive number")
        meta = {"round_trips": self.state.calls.round_trips(), "mark": self.state.mark}
        return _json({"data": calls[-int(limit) :], "meta": {"total": len(calls), **meta}})

    async def _clear_calls(self, _request: Request, _given: Json) -> Response:
        self.state.calls.clear()
        return Response(status_code=204)

    async def _reset(self, _request: Request, _given: Json) -> Response:
        self.state.reset()
        return Response(status_code=204)

    async def _delay(self, _request: Request, given: Json) -> Response:
        self.state.latency_seconds = DelayWanted.model_validate(given).seconds
        return _json({"seconds": self.state.latency_seconds})

    async def _clock(self, request: Request, given: Json) -> Response:
        if request.method == "POST":
            self.state.clock.advance(ClockWanted.model_validate(given).advance_seconds)
        return _json({"now": self.state.clock().isoformat().replace("+00:00", "Z")})

    async def _list_people(self, _request: Request, _given: Json) -> Response:
        world = self.state.world
        people = [summary_of(self.state, world.person(member.key)) for member in world.cast]
        return _json({"data": people, "meta": {"actions": list(ACTIONS)}})

    async def _read_person(self, request: Request, _given: Json) -> Response:
        return _json(details_of(self.state, self._person(request.path_params["key"])))

    async def _act(self, request: Request, given: Json) -> Response:
        name, person = request.path_params["action"], self._person(request.path_params["key"])
        if name not in ACTIONS:
            raise ControlError("action", f"one of {', '.join(ACTIONS)}", 404)
        ACTIONS[name](self.state, person, ActionWanted.model_validate(given))
        self.state.touch()  # before the callback is sent: its receiver may ask Graph
        delivery = await self._tell_app(name, person.id)
        return _json({"person": summary_of(self.state, person), "deauthorize": delivery})

    async def _tell_app(self, action: str, user_id: str) -> Json | None:
        """Removing the app fires the deauthorize callback, where one is configured (13.2)."""
        if action != "remove_app" or self.state.config.deauthorize_url is None:
            return None
        return asdict(await self.callbacks.deliver("deauthorize", user_id))

    async def _list_accounts(self, _request: Request, _given: Json) -> Response:
        accounts = self.state.instagram.accounts.values()
        shown = [account_json(self.state, each) for each in accounts]
        return _json({"data": shown, "meta": {"actions": list(INSTAGRAM_ACTIONS)}})

    async def _read_account(self, request: Request, _given: Json) -> Response:
        return _json(account_json(self.state, self._account(request.path_params["key"])))

    async def _act_on_account(self, request: Request, _given: Json) -> Response:
        """Removing the app fires Instagram's own deauthorize callback (4.9)."""
        name, account = request.path_params["action"], self._account(request.path_params["key"])
        if name not in INSTAGRAM_ACTIONS:
            raise ControlError("action", f"one of {', '.join(INSTAGRAM_ACTIONS)}", 404)
        INSTAGRAM_ACTIONS[name](self.state, account)
        self.state.touch()
        told = name == "remove_app" and self.state.config.instagram_deauthorize_url is not None
        answer = await self._tell_of(account) if told else None
        return _json({"account": account_json(self.state, account), "deauthorize": answer})

    async def _tell_of(self, account: Account) -> Json:
        return asdict(await self.callbacks.deliver("deauthorize", account.id, door="instagram"))

    def _account(self, key: str) -> Account:
        if key not in self.state.instagram.accounts:
            raise ControlError("account", f"there is no Instagram account {key!r}", 404)
        return self.state.instagram.accounts[key]

    def _person(self, key: str) -> Person:
        if not self.state.world.known(key):
            raise ControlError("person", f"nobody called {key!r} is in the cast", 404)
        return self.state.world.person(key)

    async def _list_signed(self, _request: Request, _given: Json) -> Response:
        return _json({"data": [asdict(found) for found in self.callbacks.deliveries]})

    async def _send_signed(self, _request: Request, given: Json) -> Response:
        """Sends one and returns the app's answer."""
        wanted = SignedWanted.model_validate(given)
        delivery = await self.callbacks.deliver(
            wanted.kind,
            self._subject(wanted),
            door="facebook" if wanted.account is None else "instagram",
            as_number=wanted.as_number,
            issued_at=wanted.issued_at,
            tamper=wanted.tamper,
        )
        return _json(asdict(delivery))

    def _subject(self, wanted: SignedWanted) -> str:
        """The id that a signed callback names: either of an Instagram account's two."""
        if wanted.account is not None:
            account = self._account(wanted.account)
            named = account.user_id if wanted.id_kind == "user_id" else account.id
        else:
            person = wanted.person
            named = wanted.user_id if person is None else self._person(person).id
        if named is None:
            raise ControlError("person", "person, account or user_id is needed")
        return named

    # --- reading requests, answering errors ---

    def _endpoint(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        """An operation as a Starlette endpoint; whatever is posted may change what is shown."""

        async def answer(request: Request) -> Response:
            is_form = _is_form(request)
            try:
                _refuse_foreign_pages(request, self.state.config)
                response = await operation(request, await _given(request))
            except ValidationError as error:
                return self._refusal(request, 422, _problems(error), is_form)
            except ControlError as error:
                return self._refusal(request, error.status, error.problems, is_form)
            if request.method != "GET":
                self.state.touch()
            if is_form:
                there = f"{root_of(request, self.state.config)}/_control/{_section(request)}"
                return RedirectResponse(there, 303, SECURITY_HEADERS)
            return response

        return answer

    def _refusal(
        self, request: Request, status: int, problems: list[dict[str, str]], is_form: bool
    ) -> Response:
        if not is_form:
            return _json({"error": "refused", "problems": problems}, status)
        text = "; ".join(f"{found['field']}: {found['message']}" for found in problems)
        return self.pages.show(request, "refused.html", {"text": text}, status)


async def _nowhere(_request: Request, _given: Json) -> Response:
    raise ControlError("path", "there is no such operation", 404)


def _section(request: Request) -> str:
    """The place on the panel that a form came from, so that the browser stays there."""
    if "key" in request.path_params:
        kind = "account" if "/instagram-accounts/" in request.url.path else "person"
        return f"#{kind}-{quote(request.path_params['key'])}"
    operation = request.url.path.rpartition("/_control/")[2].partition("/")[0]
    return f"#{_SECTIONS.get(operation, 'time')}"


def _json(content: Mapping[str, object], status: int = 200) -> Response:
    """JSON in ASCII, so that even a lone surrogate in a hostile name can be sent."""
    return Response(json.dumps(content), status, SECURITY_HEADERS, "application/json")


def _is_form(request: Request) -> bool:
    kind = request.headers.get("content-type", "")
    return request.method == "POST" and kind.startswith("application/x-www-form-urlencoded")


def _refuse_foreign_pages(request: Request, config: SandboxConfig) -> None:
    """A web page of another origin in the developer's browser has no say here.

    Fetch Metadata and the Origin header: either may be absent, as from a program, but none foreign.
    """
    if request.method in ("GET", "HEAD"):
        return
    own = {_origin(config.public_url), _origin(str(request.url))}
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in (None, "same-origin") or (origin is not None and origin not in own):
        raise ControlError("origin", "requests from other sites are refused", 403)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def _given(request: Request) -> Json:
    if request.method != "POST":
        return {}
    raw = await limited_body(request)
    if _is_form(request):
        return {name: value for name, value in parse_qsl(raw.decode("utf-8", "replace")) if value}
    try:
        content = json.loads(raw) if raw.strip() else {}
    except ValueError as error:
        raise ControlError("body", "isn't JSON") from error
    if not isinstance(content, dict):
        raise ControlError("body", "must be a JSON object")
    return content


def _problems(error: ValidationError) -> list[dict[str, str]]:
    return [
        {"field": ".".join(str(part) for part in found["loc"]) or "body", "message": found["msg"]}
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]
