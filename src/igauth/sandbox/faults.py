"""Faults that strike the offline Facebook's answers on demand (facts 17.11)."""

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from igauth.sandbox.presets import PRESETS
from igauth.sandbox.problems import Problem

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
]
Kind = Literal[
    "graph_error",
    "html",
    "empty",
    "garbage",
    "cut",
    "hang",
    "delay",
    "oversize",
    "drip",
    "redirect",
]
ENDPOINTS: tuple[str, ...] = get_args(Endpoint)
KINDS: tuple[str, ...] = get_args(Kind)
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,60}")
_FORBIDDEN_BY_DEFAULT = {4, 10, 17, 32, 341, 613}


class Fault(BaseModel):
    """One planned misfortune.

    `endpoint` also matches an edge that is expanded inside another node (facts 6.6); `any` is every
    Graph request, but neither the dialog nor the parts of a batch. `times` None = until removed.
    `after_effect`: the call does its work first (a code is consumed), then the answer is lost.
    `headers` are added to whatever is answered, `delay_seconds` is waited with every kind.
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

    def problem(self) -> Problem:
        """The Graph error that this fault answers with (facts 10.1)."""
        message = self.message or f"(#{self.code}) An error that the sandbox was told to give"
        return Problem(
            message,
            self.code,
            self.subcode,
            self.type,
            self.status or _default_status(self.code),
            self.is_transient,
            self.title,
            self.user_message,
        )

    def matches(self, endpoints: Set[str], person: str | None) -> bool:
        """Whether a call that touches `endpoints`, for that person, is struck."""
        return self.endpoint in endpoints and self.person in (None, person)


def _default_status(code: int | None) -> int:
    if code == 1:
        return 500
    if code == 2:
        return 503
    forbidden = code is not None and (code in _FORBIDDEN_BY_DEFAULT or 200 <= code <= 299)
    return 403 if forbidden else 400


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

    def take(self, endpoints: Set[str], person: str | None) -> Fault | None:
        """The fault that strikes a call, counted down; None if all goes well."""
        for fault in self._faults.values():
            if fault.matches(endpoints, person):
                self._count_down(fault)
                return fault
        return None

    def _count_down(self, fault: Fault) -> None:
        if fault.times is None:
            return
        self._left[fault.id] -= 1
        if self._left[fault.id] == 0:
            self.remove(fault.id)

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
