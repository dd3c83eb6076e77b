"""Reading a Graph request: version, path, parameters wherever they travel, token (facts 0)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from typing import cast
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request

from igauth.sandbox.calls import SECRET_PARAMS
from igauth.sandbox.config import SandboxConfig
from igauth.sandbox.problems import Refused, unknown_path

_VERSION = re.compile(r"v(\d{1,3})\.(\d{1,2})")
_SCHEMES = ("bearer", "oauth")
MAX_BODY = 4_000_000


@dataclass(frozen=True, slots=True)
class Asking:
    """One Graph request, or a part of a batch. `version` is the one that will be served.

    `origin` is where Graph was reached, as `paging.next` repeats it (facts 7.4).
    """

    method: str
    path: tuple[str, ...]
    version: str
    params: Mapping[str, str]
    access_token: str | None
    carried: str
    secrets_in_query: tuple[str, ...] = ()
    from_future: str | None = None
    encoding: str = ""
    origin: str = ""
    part_of: int | None = None
    inherited: Mapping[str, str] = field(default_factory=dict)

    @property
    def wants_gzip(self) -> bool:
        """Whether the caller's `Accept-Encoding` names gzip."""
        return "gzip" in self.encoding


async def read(request: Request, config: SandboxConfig) -> Asking:
    """Read an HTTP request; nothing is refused yet."""
    query = _pairs(request.url.query)
    body = {} if request.method in ("GET", "HEAD") else await _read_body(request)
    params = {**query, **body}
    header_token, scheme = _header_token(request.headers.get("authorization", ""))
    carried = _where(params, query) if "access_token" in params else "none"
    return compose(
        request.method,
        request.path_params["path"],
        params,
        config,
        access_token=header_token or params.get("access_token"),
        carried=scheme if header_token else carried,
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
) -> Asking:
    """Put an `Asking` together from a path that may begin with a version (facts 1.13-1.15).

    `unversioned` is what answers a path without one: in a batch, the batch's own version.
    """
    segments = [unquote(segment) for segment in path.strip("/").split("/") if segment]
    version, future = unversioned or config.default_version, None
    if segments and _VERSION.fullmatch(segments[0]):
        served = served_version(segments[0], config)
        future = None if served else "/" + "/".join(segments[1:])
        version = served or version
        segments = segments[1:]
    if method == "POST" and "method" in params:
        method = params["method"].upper()
    return Asking(
        method,
        tuple(segments),
        version,
        params,
        from_future=future,
        **more,  # type: ignore[arg-type]
    )


def served_version(asked: str, config: SandboxConfig) -> str | None:
    """The version that answers: expired ones are served by the oldest usable (facts 1.13).

    None for a version of the future, or one that never was (facts 1.14).
    """
    number = version_number(asked)
    if number < version_number(config.oldest_version):
        return config.oldest_version
    exists = number <= version_number(config.newest_version) and number[1] == 0
    return asked if exists else None


def version_number(version: str) -> tuple[int, int]:
    """`v26.0` → (26, 0)."""
    match = _VERSION.fullmatch(version)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def refuse_future(asking: Asking) -> None:
    """A version that doesn't exist yet is read as a path (facts 1.14)."""
    if asking.from_future is not None:
        raise Refused(unknown_path(asking.from_future))


def _pairs(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True))


def _where(params: Mapping[str, str], query: Mapping[str, str]) -> str:
    return "query" if query.get("access_token") == params["access_token"] else "form"


def _header_token(header: str) -> tuple[str | None, str]:
    """`Authorization: Bearer …`, or the old `OAuth …` (facts 0.3)."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() in _SCHEMES and token.strip():
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
    """The body, cut off at `MAX_BODY` bytes."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk[: MAX_BODY - len(raw)]
    return bytes(raw)


def _from_json(raw: bytes) -> dict[str, str]:
    try:
        content = json.loads(raw)
    except ValueError:
        return {}
    if not isinstance(content, dict):
        return {}
    return {name: as_text(value) for name, value in content.items()}


def as_text(value: object) -> str:
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
