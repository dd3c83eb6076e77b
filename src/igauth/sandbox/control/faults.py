"""Faults that strike answers on demand (facts 17.11); those with a name are in presets.toml."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from importlib.resources import files
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from igauth.sandbox.graph import answers
from igauth.sandbox.graph.answers import GraphError, failure, success
from igauth.sandbox.transport import Answer

Endpoint = Literal[
    "any",
    "dialog",
    "exchange",
    "upgrade",
    "app_token",
    "debug_token",
    "me",
    "permissions",
    "accounts",
    "businesses",
    "owned_pages",
    "client_pages",
    "business",
    "page",
    "instagram_account",
    "batch",
    "batch_part",
    "revoke",
    "picture",
    "instagram",
    "instagram_dialog",
    "instagram_exchange",
    "instagram_upgrade",
    "instagram_refresh",
    "instagram_me",
]
Kind = Literal[
    "graph_error",
    "inner_error",
    "html",
    "empty",
    "garbage",
    "cut",
    "half",
    "hang",
    "delay",
    "oversize",
    "drip",
    "redirect",
]
ENDPOINTS: tuple[str, ...] = get_args(Endpoint)
KINDS: tuple[str, ...] = get_args(Kind)
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,60}")
_FORBIDDEN_BY_DEFAULT = {4, 10, 17, 32, 341, 613, *range(200, 300)}
_HTML_SORRY = (
    "<!DOCTYPE html><html><head><title>Error</title></head>"
    "<body><h1>Sorry, something went wrong.</h1></body></html>"
)
_FOREIGN_PLACE = "https://www.facebook.example.test/elsewhere"
_JSON = {"content-type": "application/json; charset=UTF-8"}

PRESETS: dict[str, dict[str, object]] = {}
"""Names of faults, and the fields of `Fault` that each fills in."""
PRESET_MENU: dict[str, dict[str, str]] = {}
"""The control panel's groups of buttons: title → preset → label."""


def _read_presets() -> None:
    text = files("igauth.sandbox").joinpath("control", "presets.toml").read_text("utf-8")
    for title, group in tomllib.loads(text).items():
        PRESET_MENU[title] = {}
        for name, given in group.items():
            if "label" in given:
                PRESET_MENU[title][name] = given.pop("label")
            PRESETS[name] = {"endpoint": "any", "kind": "graph_error", **_like(given), **given}


def _like(given: dict[str, object]) -> dict[str, object]:
    """What a preset takes from `graph.answers`, whose words it shares."""
    error: GraphError | None = None
    if "like" in given:
        error = getattr(answers, str(given.pop("like")))
    elif "dead" in given:
        error = answers.dead_token(int(str(given.pop("dead"))))
    known = asdict(error) if error else {}
    return {name: known[name] for name in known if known[name] is not None and name != "word"}


@dataclass(frozen=True, slots=True)
class Target:
    """What a call is about, as far as faults can tell calls apart.

    `endpoints` are those that it touches, expanded edges included (facts 6.6); `node` is the id in
    its path, `fields` are dotted paths, `limit` is the largest that it asks for.
    """

    endpoints: frozenset[str]
    person: str | None = None
    node: str | None = None
    fields: frozenset[str] = frozenset()
    limit: int = 0


class Fault(BaseModel):
    """One planned misfortune.

    `endpoint` also matches an edge that is expanded inside another node (facts 6.6); `any` is every
    Graph request, but neither the dialog nor the parts of a batch; `instagram` every request to
    the servers of Instagram Login. `person`, `node` (the id in the
    path), `field` (asked for at any depth; or the end of its dotted path) and `above_limit` narrow
    it further. `times` None = until removed. `after_effect`: the call does its work first (a code
    is consumed), then the answer is lost. `headers` are added to whatever is answered,
    `delay_seconds` is waited with every kind.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: Endpoint
    kind: Kind = "graph_error"
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    code: int | None = None
    subcode: int | None = None
    message: str | None = None
    type: str = "OAuthException"
    is_transient: bool | None = None
    title: str | None = None
    user_message: str | None = None
    body: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    delay_seconds: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    times: Annotated[int, Field(ge=1)] | None = None
    person: str | None = None
    node: str | None = None
    field: str | None = None
    above_limit: Annotated[int, Field(ge=0)] | None = None
    after_effect: bool = False
    preset: str | None = None
    id: int = 0

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name) or not (value.isascii() and value.isprintable()):
                raise ValueError(f"the header {name!r} can't be sent: printable ASCII only")
        return headers

    @field_validator("preset")
    @classmethod
    def _is_preset(cls, name: str | None) -> str | None:
        if name is not None and name not in PRESETS:
            raise ValueError(f"there is no preset of that name; one of {', '.join(PRESETS)}")
        return name

    def matches(self, target: Target) -> bool:
        """Whether a call is struck."""
        return (
            self.endpoint in target.endpoints
            and self.person in (None, target.person)
            and self.node in (None, target.node)
            and (self.above_limit is None or target.limit > self.above_limit)
            and (self.field is None or any(_ends(path, self.field) for path in target.fields))
        )

    @property
    def works_first(self) -> bool:
        """Whether the call does its work before it is struck."""
        return self.after_effect or self.kind in ("delay", "drip", "half")

    @property
    def error(self) -> GraphError:
        """The Graph error that this fault answers with (facts 10.1)."""
        message = self.message or f"(#{self.code}) An error that the sandbox was told to give"
        status = self.status or {1: 500, -3: 500, 2: 503}.get(self.code or 0)
        status = status or (403 if self.code in _FORBIDDEN_BY_DEFAULT else 400)
        more = (self.type, status, self.is_transient, self.title, self.user_message)
        return GraphError(message, self.code, self.subcode, *more)

    def spoil(self, good: Answer | None, version: str) -> Answer:
        """What becomes of an answer; `good` is there if the work was done (facts 17.11)."""
        spoilt = good if good is not None and self.kind in ("delay", "drip", "half") else None
        if spoilt is None:
            return self._instead(version).with_headers(self.headers)
        if self.kind == "drip":
            spoilt = replace(spoilt, breakage="drip", pace_seconds=self.delay_seconds)
        if self.kind == "half":
            spoilt = replace(spoilt, breakage="half")
        return spoilt.with_headers(self.headers)

    def _instead(self, version: str) -> Answer:
        """Answers that don't come from Graph: proxies, broken bodies, nothing (facts 10.7)."""
        match self.kind:
            case "graph_error":
                return failure(self.error, version)
            case "inner_error":
                return success({"data": self._verdict()}, version)
            case "html":
                page = (self.body or _HTML_SORRY).encode("utf-8", "replace")
                return Answer(
                    self.status or 502, page, {"content-type": "text/html; charset=utf-8"}
                )
            case "redirect":
                return Answer(self.status or 302, b"", {"location": self.body or _FOREIGN_PLACE})
            case "cut" | "half" | "hang" | "oversize" as breakage:
                return Answer(self.status or 200, b"", dict(_JSON), breakage=breakage)
            case "garbage":
                half = json.dumps({"data": [{"id": "100"}]})[:-4]
                body = (self.body or half).encode("utf-8", "replace")
                return Answer(self.status or 200, body, dict(_JSON))
        return Answer(self.status or 200, b"", dict(_JSON))

    def _verdict(self) -> dict[str, object]:
        """debug_token says invalid, for a cause that may not be the token's (facts 4.5, 4.6a)."""
        inner = {"code": self.code, "message": self.error.message, "subcode": self.subcode}
        shown = {name: value for name, value in inner.items() if value is not None}
        return {"error": shown, "is_valid": False, "scopes": []}


def _ends(path: str, name: str) -> bool:
    return f".{path}".endswith(f".{name}")


@dataclass(slots=True)
class Faults:
    """The planned faults, in order; the first that matches strikes."""

    _faults: dict[int, Fault] = field(default_factory=dict)
    _left: dict[int, int] = field(default_factory=dict)
    _count: int = 0

    def add(self, endpoint: str, kind: str = "graph_error", **more: object) -> Fault:
        """Plan a fault; `more` are fields of `Fault`. Raises pydantic's ValidationError."""
        return self.plan({"endpoint": endpoint, "kind": kind, **more})

    def preset(self, name: str, **changes: object) -> Fault:
        """Plan a fault by the name of a preset, with some fields changed."""
        return self.plan({"preset": name, **changes})

    def plan(self, wanted: dict[str, object]) -> Fault:
        """Plan a fault from JSON; a `preset` fills in what isn't given."""
        base = PRESETS.get(str(wanted.get("preset")), {})
        self._count += 1
        fault = Fault.model_validate({**base, **wanted, "id": self._count})
        self._faults[fault.id] = fault
        if fault.times is not None:
            self._left[fault.id] = fault.times
        return fault

    def take(self, target: Target) -> Fault | None:
        """The fault that strikes a call, counted down; None if all goes well."""
        fault = next((each for each in self if each.matches(target)), None)
        if fault is not None and fault.times is not None:
            self._left[fault.id] -= 1
            if self._left[fault.id] == 0:
                self.remove(fault.id)
        return fault

    def left(self, fault: Fault) -> int | None:
        """How often it will still strike; None = until removed."""
        return self._left.get(fault.id)

    def remove(self, fault_id: int) -> bool:
        """Take a fault away; whether there was one."""
        self._left.pop(fault_id, None)
        return self._faults.pop(fault_id, None) is not None

    def clear(self) -> None:
        """No more faults."""
        self._faults.clear()
        self._left.clear()

    def __iter__(self) -> Iterator[Fault]:
        return iter(list(self._faults.values()))

    def __len__(self) -> int:
        return len(self._faults)


_read_presets()
