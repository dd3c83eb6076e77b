"""Batch requests: up to fifty parts in one POST (facts 12)."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from igauth.sandbox.asking import Asking, compose
from igauth.sandbox.config import SandboxConfig
from igauth.sandbox.envelope import Answer
from igauth.sandbox.problems import BATCH_MALFORMED, BATCH_TOO_LONG, Refused

MAX_PARTS = 50
Json = dict[str, object]
Attend = Callable[[Asking], Awaitable[Answer]]
_PROOF = ("appsecret_proof", "appsecret_time")
_UNANSWERED = ("cut", "hang")


def parse_parts(params: Mapping[str, str]) -> list[dict[str, Any]]:
    """The parts of a batch; more than fifty are refused without a code (facts 12.6)."""
    try:
        parts = json.loads(params["batch"])
    except ValueError as error:
        raise Refused(BATCH_MALFORMED) from error
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise Refused(BATCH_MALFORMED)
    if len(parts) > MAX_PARTS:
        raise Refused(BATCH_TOO_LONG)
    return parts


@dataclass(slots=True)
class Batch:
    """One batch while it is being answered; `outcomes` remembers named parts."""

    asking: Asking
    config: SandboxConfig
    attend: Attend
    number: int
    outcomes: dict[str, bool] = field(default_factory=dict)

    async def answer(self, parts: list[dict[str, Any]]) -> list[Json | None]:
        """The parts' answers in request order; null for one that wasn't executed (12.4, 12.5)."""
        return [await self._answer_part(part) for part in parts]

    async def _answer_part(self, part: dict[str, Any]) -> Json | None:
        if "depends_on" in part and not self.outcomes.get(str(part["depends_on"])):
            return None
        answer = await self.attend(self._asking_of(part))
        if "name" in part:
            self.outcomes[str(part["name"])] = answer.status == 200
        omitted = part.get("omit_response_on_success") is True and answer.status == 200
        if omitted or answer.breakage in _UNANSWERED:
            return None
        return self._shown(answer)

    def _asking_of(self, part: dict[str, Any]) -> Asking:
        """A part as a request of its own: own token or the batch's, and that one's proof (12.1)."""
        path, _, query = str(part.get("relative_url", "")).partition("?")
        params = dict(parse_qsl(query, keep_blank_values=True))
        params |= dict(parse_qsl(str(part.get("body", "")), keep_blank_values=True))
        own = part.get("access_token") or params.get("access_token")
        return compose(
            str(part.get("method", "GET")).upper(),
            path,
            params,
            self.config,
            unversioned=self.asking.version,
            access_token=str(own) if own else self.asking.access_token,
            carried="part" if own else "batch",
            origin=self.asking.origin,
            part_of=self.number,
            inherited=self._proof() if own in (None, self.asking.access_token) else {},
        )

    def _proof(self) -> dict[str, str]:
        params = self.asking.params
        return {name: params[name] for name in _PROOF if name in params}

    def _shown(self, answer: Answer) -> Json:
        """`body` is a string that holds JSON (facts 12.4)."""
        shown: Json = {"code": answer.status}
        if self.asking.params.get("include_headers") not in ("false", "0"):
            shown["headers"] = [
                {"name": name.title(), "value": value} for name, value in answer.headers.items()
            ]
        shown["body"] = answer.body.decode("utf-8", "replace")
        return shown
