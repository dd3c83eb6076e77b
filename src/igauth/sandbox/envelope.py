"""How Graph's answers look on the wire: compact escaped JSON, headers, the error envelope.

Facts 0.6 (escapes), 0.9 and 0.10 (headers), 10.1 (envelope), 10.6 (`WWW-Authenticate`).
"""

import gzip
import hashlib
import json
import secrets
from dataclasses import dataclass, field, replace
from typing import Literal

from igauth.sandbox.problems import Problem

Breakage = Literal["cut", "hang", "drip", "oversize"]
GZIP_FROM = 1400


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer before it is sent, alone or as a part of a batch.

    `breakage` says that it won't be sent as it should: see `replies`.
    """

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    breakage: Breakage | None = None
    pace_seconds: float = 0.0

    def with_headers(self, more: dict[str, str]) -> "Answer":
        """The same answer with some headers added or replaced."""
        return replace(self, headers={**self.headers, **more})


def encode(content: object) -> bytes:
    """Compact JSON with `/` as `\\/`, non-ASCII as `\\uXXXX`, `@` as `\\u0040` (facts 0.6, 6.1)."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=True)
    return text.replace("/", "\\/").replace("@", "\\u0040").encode("ascii")


def success(content: object, version: str) -> Answer:
    """HTTP 200 with the headers of facts 0.9. The ETag is never matched (facts 1.17)."""
    body = encode(content)
    small = len(body) < GZIP_FROM
    etag = hashlib.sha1(body, usedforsecurity=False).hexdigest()
    headers = {
        "content-type": "application/json; charset=UTF-8" if small else "application/json",
        "cache-control": "private, no-cache, no-store, must-revalidate",
        "pragma": "no-cache",
        "expires": "Sat, 01 Jan 2000 00:00:00 GMT",
        "etag": f'"{etag}"',
        "vary": "Origin",
        **_common(version, new_trace_id()),
    }
    return Answer(200, body, headers)


def failure(problem: Problem, version: str) -> Answer:
    """A Graph error: envelope, `no-store`, `WWW-Authenticate`, no ETag (facts 0.10, 10.1, 10.6)."""
    trace_id = new_trace_id()
    headers = {
        "content-type": "application/json; charset=UTF-8",
        "cache-control": "no-store",
        "www-authenticate": challenge(problem),
        **_common(version, trace_id),
    }
    return Answer(problem.status, encode({"error": envelope(problem, trace_id)}), headers)


def envelope(problem: Problem, trace_id: str) -> dict[str, object]:
    """The `error` object; absent facts are omitted (facts 10.1)."""
    content: dict[str, object] = {"message": problem.message, "type": problem.type}
    optional: dict[str, object] = {
        "code": problem.code,
        "error_subcode": problem.subcode,
        "is_transient": problem.is_transient,
        "error_user_title": problem.title,
        "error_user_msg": problem.user_message,
    }
    content.update({name: value for name, value in optional.items() if value is not None})
    content["fbtrace_id"] = trace_id
    return content


def challenge(problem: Problem) -> str:
    """`WWW-Authenticate`, which isn't RFC 7235 syntax (facts 10.6)."""
    return f'OAuth "Facebook Platform" "{problem.challenge_word}" "{header_text(problem.message)}"'


def header_text(text: str) -> str:
    """Text that may stand in a header: printable Latin-1."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return printable.encode("latin-1", "replace").decode("latin-1")


def new_trace_id() -> str:
    """What `fbtrace_id` and `x-fb-request-id` have in common (facts 0.10)."""
    return "A" + secrets.token_urlsafe(16)


def _common(version: str, trace_id: str) -> dict[str, str]:
    return {
        "access-control-allow-origin": "*",
        "strict-transport-security": "max-age=15552000; preload",
        "facebook-api-version": version,
        "x-fb-request-id": trace_id,
        "x-fb-trace-id": secrets.token_urlsafe(8),
        "x-fb-rev": "1030012345",
        "x-fb-rlafr": "0",
        "x-fb-debug": secrets.token_urlsafe(32) + "==",
    }


def zipped(answer: Answer) -> Answer:
    """Gzip for a body of some size (facts 0.9)."""
    if len(answer.body) < GZIP_FROM or answer.breakage is not None:
        return answer
    body = gzip.compress(answer.body, compresslevel=1, mtime=0)
    more = {"content-encoding": "gzip", "vary": "Accept-Encoding"}
    return replace(answer, body=body).with_headers(more)
