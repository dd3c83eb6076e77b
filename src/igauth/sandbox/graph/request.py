"""Reading a Graph request: version, path, parameters wherever they travel, token, `fields`.

Facts 0 (where parameters and tokens travel), 1.13-1.15 (versions), 6.6 (field expansion).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from typing import cast
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request

from igauth.sandbox.control.calls import SECRET_PARAMS
from igauth.sandbox.graph.answers import GraphError, Refused
from igauth.sandbox.state import SandboxConfig

DEFAULT_LIMIT = 25
_VERSION = re.compile(r"v(\d{1,3})\.(\d{1,2})")
_NAME = re.compile(r"\s*([A-Za-z_]\w*)\s*")
_MODIFIER = re.compile(r"\.([a-z_]+)\(([^()]*)\)\s*")
_MAX_BODY = 4_000_000
_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class GraphRequest:
    """One Graph request, or a part of a batch. `version` is the one that will be served.

    `origin` is where Graph was reached, as `paging.next` repeats it (facts 7.4); `future_path` is
    set where the version doesn't exist; `batch_proof` is what the batch brought for the same token.
    """

    method: str
    path: tuple[str, ...]
    version: str
    params: Mapping[str, str]
    access_token: str | None
    carried: str
    secrets_in_query: tuple[str, ...] = ()
    future_path: str | None = None
    encoding: str = ""
    origin: str = ""
    part_of: int | None = None
    batch_proof: Mapping[str, str] = field(default_factory=dict)


async def read_request(request: Request, config: SandboxConfig) -> GraphRequest:
    """Read an HTTP request; nothing is refused yet."""
    query = _pairs(request.url.query)
    body = {} if request.method in ("GET", "HEAD") else await _read_body(request)
    params = {**query, **body}
    token, carried = _header_token(request.headers.get("authorization", ""))
    if token is None and "access_token" in params:
        token = params["access_token"]
        carried = "query" if query.get("access_token") == token else "form"
    return compose(
        request.method,
        request.path_params["path"],
        params,
        config,
        access_token=token,
        carried=carried,
        secrets_in_query=tuple(name for name in SECRET_PARAMS if name in query),
        encoding=request.headers.get("accept-encoding", ""),
        origin=config.graph_url or str(request.base_url).rstrip("/"),
    )


def compose(
    method: str,
    path: str,
    params: Mapping[str, str],
    config: SandboxConfig,
    *,
    unversioned: str | None = None,
    **more: object,
) -> GraphRequest:
    """Put a `GraphRequest` together from a path that may begin with a version (facts 1.13-1.15).

    `unversioned` is what answers a path without one: in a batch, the batch's own version.
    """
    segments = [unquote(segment) for segment in path.strip("/").split("/") if segment]
    version, future = unversioned or config.default_version, None
    if segments and _VERSION.fullmatch(segments[0]):
        served = served_version(segments.pop(0), config)
        future = None if served else "/" + "/".join(segments)
        version = served or version
    if method == "POST" and "method" in params:
        method = params["method"].upper()
    return GraphRequest(
        method,
        tuple(segments),
        version,
        params,
        future_path=future,
        **more,  # type: ignore[arg-type]
    )


def served_version(asked: str, config: SandboxConfig) -> str | None:
    """The version that answers: expired ones are served by the oldest usable (facts 1.13).

    None for a version of the future, or one that never was (facts 1.14).
    """
    number = _version_number(asked)
    if number < _version_number(config.oldest_version):
        return config.oldest_version
    exists = number <= _version_number(config.newest_version) and number[1] == 0
    return asked if exists else None


def _version_number(version: str) -> tuple[int, int]:
    """`v26.0` → (26, 0)."""
    match = _VERSION.fullmatch(version)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _pairs(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True))


def _header_token(header: str) -> tuple[str | None, str]:
    """`Authorization: Bearer …`, or the old `OAuth …` (facts 0.3), and the scheme."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() in ("bearer", "oauth") and token.strip():
        return token.strip(), scheme.lower()
    return None, "none"


async def _read_body(request: Request) -> dict[str, str]:
    raw = await limited_body(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return _from_json(raw)
    if kind == "multipart/form-data":
        return _from_multipart(request.headers["content-type"], raw)
    return _pairs(raw.decode("utf-8", "replace"))


async def limited_body(request: Request) -> bytes:
    """The body, cut off at four megabytes."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk[: _MAX_BODY - len(raw)]
    return bytes(raw)


def _from_json(raw: bytes) -> dict[str, str]:
    try:
        content = json.loads(raw)
    except ValueError:
        return {}
    if not isinstance(content, dict):
        return {}
    return {name: _as_text(value) for name, value in content.items()}


def _as_text(value: object) -> str:
    """A JSON value as the form would have carried it: text that can be encoded."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "replace").decode()


def _from_multipart(content_type: str, raw: bytes) -> dict[str, str]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
    message = BytesParser(policy=HTTP).parsebytes(head + raw)
    found: dict[str, str] = {}
    for part in cast("list[EmailMessage]", message.get_payload()) if message.is_multipart() else []:
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            found[name] = payload.decode("utf-8", "replace")
    return found


# --- `fields`: id,accounts.limit(100){name,picture.width(200){url}} (facts 6.6) ---


@dataclass(frozen=True, slots=True)
class Selection:
    """One field that is asked for, with modifiers and, for nodes and edges, sub-fields."""

    name: str
    modifiers: Mapping[str, str] = field(default_factory=dict)
    fields: tuple["Selection", ...] = ()

    @property
    def key(self) -> str:
        """The key in the answer: the name, unless `.as(…)` says otherwise."""
        return self.modifiers.get("as", self.name)


def parse_fields(text: str) -> tuple[Selection, ...]:
    """Parse a `fields` text; an empty one selects nothing in particular. Refuses with 2500."""
    if not text.strip():
        return ()
    parser = _Parser(text)
    selections = parser.selections(0)
    if parser.at < len(text):
        raise parser.refusal()
    return selections


def walk_fields(text: str) -> Iterator[tuple[str, Selection]]:
    """Every field asked for, at any depth, with its dotted path; nothing is refused."""
    try:
        waiting = [("", each) for each in parse_fields(text)]
    except Refused:
        return
    while waiting:
        above, selection = waiting.pop()
        path = f"{above}.{selection.name}" if above else selection.name
        yield path, selection
        waiting += [(path, each) for each in selection.fields]


def limit_of(modifiers: Mapping[str, str]) -> int:
    """How many entries a list is asked for, 25 by default; also for what is no number (7.4)."""
    text = modifiers.get("limit", str(DEFAULT_LIMIT))
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else DEFAULT_LIMIT


def unparse(selections: tuple[Selection, ...]) -> str:
    """The text of parsed fields, for `paging.next` of a nested edge (facts 6.6)."""
    return ",".join(_unparse_one(selection) for selection in selections)


def _unparse_one(selection: Selection) -> str:
    modifiers = "".join(f".{name}({value})" for name, value in selection.modifiers.items())
    nested = f"{{{unparse(selection.fields)}}}" if selection.fields else ""
    return f"{selection.name}{modifiers}{nested}"


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def refusal(self) -> Refused:
        """2500 for a text that can't be read (facts 10.2)."""
        found = self.text[self.at : self.at + 1] or "end of string"
        said = f'Syntax error "Expected name instead of "{found}"." at character {self.at}: {found}'
        return Refused(GraphError(said, 2500))

    def selections(self, depth: int) -> tuple[Selection, ...]:
        if depth > _MAX_DEPTH:
            raise self.refusal()
        found = [self.selection(depth)]
        while self.take(","):
            found.append(self.selection(depth))
        return tuple(found)

    def selection(self, depth: int) -> Selection:
        match = _NAME.match(self.text, self.at)
        if match is None:
            raise self.refusal()
        self.at = match.end()
        modifiers = self.modifiers()
        return Selection(match[1], modifiers, self.nested(depth))

    def modifiers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        while match := _MODIFIER.match(self.text, self.at):
            found[match[1]] = match[2].strip()
            self.at = match.end()
        return found

    def nested(self, depth: int) -> tuple[Selection, ...]:
        if not self.take("{"):
            return ()
        found = self.selections(depth + 1)
        if not self.take("}"):
            raise self.refusal()
        return found

    def take(self, char: str) -> bool:
        if not self.text.startswith(char, self.at):
            return False
        self.at += 1
        while self.text.startswith(" ", self.at):
            self.at += 1
        return True
