"""The offline Facebook behind a socket of ours: at chosen endpoints it answers any bytes at all.

Below it is the sandbox, which takes part in good logins; an answer to be spoilt is marked by one of
its own faults, and replaced on the way out.
"""

import asyncio
import gzip
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from igauth.sandbox.app import Sandbox

MARK = "replaced on the way out"


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A whole HTTP answer with a right length, and with `Connection: close`."""
    given = {header.partition(":")[0].lower() for header in headers}
    lines = [f"HTTP/1.1 {status}", *headers, "Connection: close"]
    if "content-type" not in given:
        lines.append("Content-Type: application/json; charset=UTF-8")
    if not {"content-length", "transfer-encoding"} & given:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def nested(depth: int) -> bytes:
    """A list in a list in a list."""
    return b"[" * depth + b"]" * depth


def bomb(megabytes: int, layers: int = 1) -> bytes:
    """That many megabytes of JSON, packed a thousandfold."""
    packed = b'{"id":"' + b"0" * (megabytes * 1_000_000) + b'"}'
    for _ in range(layers):
        packed = gzip.compress(packed, 9)
    return packed


UNREADABLE = {  # what no program can read as an answer of Graph's
    "deep list": answer(nested(100_000)),
    "deep object": answer(b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    "unclosed": answer(b"[" * 1_000_000),
    "not JSON": answer(b"certainly not JSON"),
    "half JSON": answer(b'{"id": "102000'),
    "a huge integer": answer(b'{"id": ' + b"9" * 1_000_000 + b"}"),
    "empty": answer(b""),
    "HTML": answer(b"<!DOCTYPE html><script>alert(1)</script>", "Content-Type: text/html"),
    "invalid UTF-8": answer(b'{"id": "\xff\xfe\xfa"}'),
    "cut UTF-8": answer(b'{"id": "\xe2\x80'),
    "3 MB": answer(b'{"id": "' + b"x" * 3_000_000 + b'"}'),
    "gzip bomb": answer(bomb(100), "Content-Encoding: gzip"),
    "gzip bomb in a bomb": answer(bomb(100, 2), "Content-Encoding: gzip, gzip"),
    "gzip that isn't": answer(b"certainly not gzip", "Content-Encoding: gzip"),
    "gzip cut off": answer(bomb(1)[:200], "Content-Encoding: gzip"),
    "an unknown packing": answer(b"{}", "Content-Encoding: compress"),
    "ten packings": answer(b"{}", "Content-Encoding: " + ", ".join(["gzip"] * 10)),
    "too short a body": answer(b'{"id"', "Content-Length: 5000"),
    "chunks without an end": answer(b"5\r\n{\"id\"\r\n", "Transfer-Encoding: chunked"),
    "a chunk of no size": answer(b"zz\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
    "a monstrous chunk": answer(b"fffffffffffffff0\r\n{}", "Transfer-Encoding: chunked"),
    "not HTTP": b"SSH-2.0-OpenSSH_9.9\r\n",
    "hangs up": b"",
    "a head without an end": b"HTTP/1.1 200 OK\r\nX: ",
    "a long status line": b"HTTP/1.1 200 " + b"K" * 100_000 + b"\r\n\r\n{}",
    "a long header": answer(b"{}", "X-Long: " + "x" * 200_000),
    "a redirect": answer(b"", "Location: http://evil.example/", status="302 Found"),
    "a permanent redirect": answer(b"", "Location: //evil.example/", status="308 Gone"),
    "bad gateway": answer(b"<html>", "Content-Type: text/html", status="502 Bad Gateway"),
}  # fmt: skip
MISLEADING = {  # JSON, but not what was asked for
    "null": answer(b"null"),
    "true": answer(b"true"),
    "a number": answer(b"1e999"),
    "a string": answer(b'"x"'),
    "a list": answer(b"[]"),
    "an empty object": answer(b"{}"),
    "NaN": answer(b'{"id": NaN, "expires_in": Infinity, "data": {"expires_at": -Infinity}}'),
    "everything null": answer(
        b'{"id": null, "access_token": null, "token_type": null, "data": null, "error": null}'
    ),
    "everything a list": answer(b'{"id": [], "access_token": [], "data": [], "error": []}'),
    "everything an object": answer(b'{"id": {}, "access_token": {}, "data": {}, "error": {}}'),
    "numbers for ids": answer(b'{"id": 1, "access_token": 1, "data": {"app_id": 1}}'),
    "surrogates": answer(
        rb'{"id": "\ud800", "name": "\udfff", "access_token": "\ud800",'
        rb' "data": {"app_id": "\ud800"}}'
    ),
    "NUL": answer(
        rb'{"id": "1\u0000", "name": "\u0000", "access_token": "E\u0000",'
        rb' "data": {"user_id": "\u0000"}}'
    ),
    "controls in a token": answer(rb'{"access_token": "EAA\r\nX-Evil: 1", "token_type": "bearer"}'),
    "a token of 1 MB": answer(b'{"access_token": "EAA' + b"x" * 1_000_000 + b'"}'),
    "a million entries": answer(b'{"data": [' + b"{}," * 600_000 + b"{}]}"),
    "twice the same key": answer(
        b'{"id": "1", "id": "2", "access_token": "a", "access_token": ""}'
    ),
    "an error of odd types": answer(
        b'{"error": {"code": "190", "error_subcode": [], "message": {}, "type": 1}}',
        status="400 Bad Request",
    ),
    "a huge error code": answer(
        b'{"error": {"code": ' + b"9" * 4_000 + b', "message": "x"}}', status="400 Bad Request"
    ),
    "a hostile error text": answer(
        rb'{"error": {"code": 1, "fbtrace_id": {},'
        rb' "message": "<script>alert(1)</script>\ud800\u0000\u2028"}}',
        status="500 Internal Server Error",
    ),
    "a byte order mark": answer(b"\xef\xbb\xbf{}"),
    "UTF-16": answer('{"id": "1"}'.encode("utf-16")),
    "no content": answer(b"", status="204 No Content"),
    "a status of its own": answer(b"{}", status="999 What"),
    "a thousand headers": answer(b"{}", *(f"X-{number}: x" for number in range(1_000))),
    "usage headers that lie": answer(
        b"{}",
        'X-App-Usage: {"call_count": 1e999}',
        "X-Business-Use-Case-Usage: " + "[" * 5_000,
        "facebook-api-version: \xff",
    ),
}  # fmt: skip


@dataclass
class HostileFacebook:
    """A socket that lies, once it is told to."""

    sandbox: Sandbox
    url: str
    _replacement: bytes | None = None
    _rewrite: Callable[[bytes], bytes] | None = None
    struck: int = 0
    """How many answers were replaced since the last `behave`."""

    def behave(self) -> None:
        """An honest Facebook again."""
        self.sandbox.faults.clear()
        self._replacement = self._rewrite = None
        self.struck = 0

    def lie(self, endpoint: str, raw: bytes, *, times: int | None = None) -> None:
        """The next answers of this endpoint are these bytes."""
        self.behave()
        self.sandbox.faults.add(endpoint, "garbage", body=MARK, status=200, times=times)
        self._replacement = raw

    def rewrite(self, change: Callable[[bytes], bytes]) -> None:
        """Every good answer's body is changed on its way out."""
        self.behave()
        self._rewrite = change

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            body = await reader.readexactly(int(length[1])) if length else b""
            writer.write(await self._answer(head, body))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the service closed a connection that it had kept warm, or had enough
        finally:
            writer.close()

    async def _answer(self, head: bytes, body: bytes) -> bytes:
        request_line, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = request_line.split(" ")
        headers = [
            (name, value) for name, _, value in (each.partition(": ") for each in lines) if name
        ]
        async with httpx.AsyncClient(
            transport=self.sandbox.transport(), base_url=self.url, trust_env=False
        ) as http:
            found = await http.request(method, target, headers=headers, content=body)
        if MARK in found.text and self._replacement is not None:
            self.struck += 1
            return self._replacement
        content = self._rewrite(found.content) if self._rewrite else found.content
        dropped = {"content-length", "content-encoding"}  # it is unpacked by now
        passed = [f"{k}: {v}" for k, v in found.headers.multi_items() if k not in dropped]
        return answer(content, *passed, status=f"{found.status_code} {found.reason_phrase}")


@asynccontextmanager
async def serving(
    make_sandbox: Callable[[str], Sandbox],
) -> AsyncGenerator[HostileFacebook]:
    """A hostile Facebook on a port of its own; the sandbox is made for its address."""
    facebook: HostileFacebook

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await facebook.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://localhost:{server.sockets[0].getsockname()[1]}"
    facebook = HostileFacebook(make_sandbox(url), url)
    async with server:
        yield facebook


def with_field(name: str, value: object) -> Callable[[bytes], bytes]:
    """A change that gives every field of that name another value, in batches too."""
    plain = json.dumps(value)
    escaped = json.dumps(plain)[1:-1]
    field_ = re.escape(name).encode()

    def change(body: bytes) -> bytes:
        body = re.sub(
            rb'"' + field_ + rb'":\s*"(?:[^"\\]|\\.)*"',
            lambda _: f'"{name}":{plain}'.encode(),
            body,
        )
        return re.sub(
            rb'\\"' + field_ + rb'\\":\s*\\"(?:[^"\\]|\\[^"])*\\"',
            lambda _: f'\\"{name}\\":{escaped}'.encode(),
            body,
        )

    return change
