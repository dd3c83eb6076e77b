"""The log of what was asked of the offline Facebook; never a token, a code or a secret."""

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Literal

DIALOGS = ("dialog", "instagram_dialog")
ProofState = Literal["absent", "valid", "invalid"]
SECRET_PARAMS = (
    "access_token",
    "appsecret_proof",
    "client_secret",
    "code",
    "code_verifier",
    "fb_exchange_token",
    "input_token",
)


@dataclass(slots=True)
class Call:
    """One request, or one part of a batch.

    `path` is a template such as `/{page-id}`; `began` and `ended` count events of the whole log,
    so that two calls overlapped exactly if each began before the other ended. `ended` is None while
    the call is under way, `status` also when no answer was sent (cut, hang).
    `secrets_in_query` names parameters, never their values.
    """

    at: datetime
    method: str
    endpoint: str
    path: str
    version: str | None
    person: str | None = None
    proof: ProofState = "absent"
    credential: str = "none"
    carried: str = "none"
    fields: str | None = None
    part_of: int | None = None
    parts: int | None = None
    known: bool = True
    fault: str | None = None
    secrets_in_query: tuple[str, ...] = ()
    began: int = 0
    ended: int | None = None
    status: int | None = None

    def public(self) -> dict[str, object]:
        """As the control API shows it."""
        return {**asdict(self), "at": self.at.isoformat().replace("+00:00", "Z")}


@dataclass(slots=True)
class CallLog:
    """The newest calls, oldest first."""

    _calls: deque[Call] = field(default_factory=lambda: deque(maxlen=20_000))
    _events: int = 0

    def begin(self, call: Call) -> Call:
        """Note that a call has arrived."""
        self._events += 1
        call.began = self._events
        self._calls.append(call)
        return call

    def end(self, call: Call, status: int | None) -> None:
        """Note its answer; None when none was sent."""
        self._events += 1
        call.ended, call.status = self._events, status

    @property
    def events(self) -> int:
        """How many beginnings and ends there were; never falls."""
        return self._events

    def __iter__(self) -> Iterator[Call]:
        return iter(list(self._calls))

    def __len__(self) -> int:
        return len(self._calls)

    def clear(self) -> None:
        """Forget all calls; the event count goes on."""
        self._calls.clear()

    def of(self, *endpoints: str) -> list[Call]:
        """Calls of these endpoints, parts of batches included."""
        return [call for call in self._calls if call.endpoint in endpoints]

    def top(self) -> list[Call]:
        """Calls that were HTTP requests to Graph: no parts of batches, no dialog."""
        return [
            call for call in self._calls if call.part_of is None and call.endpoint not in DIALOGS
        ]

    def unknown(self) -> list[Call]:
        """Calls of paths that the sandbox doesn't know: a test can fail loudly on them."""
        return [call for call in self._calls if not call.known]

    def round_trips(self) -> int:
        """How many Graph calls had to follow each other: the longest chain without overlap."""
        trips, free_from = 0, 0
        finished = [call for call in self.top() if call.ended is not None]
        for call in sorted(finished, key=lambda call: call.ended or 0):
            if call.began > free_from:
                trips, free_from = trips + 1, call.ended or 0
        return trips
