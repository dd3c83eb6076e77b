"""The bench's Facebook, a process of its own: HTTP by hand on uvloop, about 20 µs a call.

    python -m benchmarks.fake_facebook --port 9100

`latency` delays every answer, and a new connection by two more: TCP's handshake and TLS 1.3's.
Under `/_bench` it is asked about itself: `calls` (and forget them), `latency?ms=80`.
"""

import argparse
import asyncio
import json
from typing import Final, cast
from urllib.parse import parse_qs

import httptools
import uvloop

from benchmarks.graph_answers import Answers

HANDSHAKE_TRIPS: Final = 2
_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: application/json; charset=UTF-8\r\n"
    b'ETag: "0f1e2d3c4b5a69788796a5b4c3d2e1f001234567"\r\n'
    b"Cache-Control: private, no-cache, no-store, must-revalidate\r\n"
    b"Pragma: no-cache\r\n"
    b"Expires: Sat, 01 Jan 2000 00:00:00 GMT\r\n"
    b"Vary: Origin\r\n"
    b"Access-Control-Allow-Origin: *\r\n"
    b"Strict-Transport-Security: max-age=15552000; preload\r\n"
    b'x-app-usage: {"call_count":3,"total_cputime":2,"total_time":2}\r\n'
    b"facebook-api-version: v26.0\r\n"
    b"x-fb-request-id: Ainvented0001\r\n"
    b"x-fb-trace-id: Binvented1\r\n"
    b"x-fb-rev: 1030000000\r\n"
    b"Content-Length: %d\r\n\r\n"
)


class Facebook:
    """What all connections share."""

    def __init__(self) -> None:
        self.answers = Answers()
        self.connections = 0
        self.latency = 0.0

    def control(self, path: bytes, query: bytes) -> bytes:
        """What the bench asks about: the counts so far, which `forget=1` empties."""
        asked = parse_qs(query.decode())
        if path == b"/_bench/latency":
            self.latency = float(asked["ms"][0]) / 1000
        told = {"calls": self.answers.calls, "connections": self.connections}
        body = json.dumps(told).encode()
        if "forget" in asked:
            self.answers.calls.clear()
            self.connections = 0
        return body


class Connection(asyncio.Protocol):
    """One connection; answers requests one after the other."""

    def __init__(self, facebook: Facebook) -> None:
        self._facebook = facebook
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._open_at = 0.0
        facebook.connections += 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A handshake begins."""
        self._transport = cast(asyncio.Transport, transport)
        self._open_at = self._loop.time() + HANDSHAKE_TRIPS * self._facebook.latency

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request."""
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """httptools: forget the last request."""
        self._authorization = self._form = self._url = b""

    def on_url(self, url: bytes) -> None:
        """httptools: the target, perhaps in pieces."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: one header."""
        if name.lower() == b"authorization":
            self._authorization = value

    def on_body(self, body: bytes) -> None:
        """httptools: a piece of the body."""
        self._form += body

    def on_message_complete(self) -> None:
        """httptools: the request is whole."""
        parts = httptools.parse_url(self._url)
        path, query = parts.path, parts.query or b""
        if path.startswith(b"/_bench/"):
            self._facebook.connections -= 1  # the bench's own, one for each question
            self._send(self._facebook.control(path, query))
            return
        body = self._facebook.answers.answer(path, query, self._authorization, self._form)
        if not self._facebook.latency:
            self._send(body)
            return
        handshake = max(0.0, self._open_at - self._loop.time())
        self._loop.call_later(handshake + self._facebook.latency, self._send, body)

    def _send(self, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(_HEAD % len(body) + body)


async def serve(port: int) -> None:
    """Answers until the process is ended."""
    facebook = Facebook()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(facebook), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))
