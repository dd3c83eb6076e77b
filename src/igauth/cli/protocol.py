"""HTTP/1.1 with bounds: how much a request may weigh, how long it may take to arrive, how many
connections there may be (contract §9; defects C5, C20, C23).

uvicorn bounds none of it for httptools: a header may grow without end, each piece of it is copied
anew, and a request that never ends stays for ever. Here all of it costs linear time, and whoever
goes beyond is sent off quietly: strangers must not fill the log.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES: Final = 64 * 1024
MOST_HEADERS: Final = 200
ARRIVAL_SECONDS: Final = 10.0
"""From a request's first byte to its last; also for the first byte of a new connection."""
DEPARTURE_SECONDS: Final = 20.0
"""For a browser that takes nothing of its answer."""
_COLON_AND_END: Final = 4  # ": " and CRLF
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\n"
    b"content-length: 33\r\n"
    b"connection: close\r\n\r\n"
    b"The request's head is too large.\n"
)


class BoundedHttp(HttpToolsProtocol):
    """One connection. `most_connections`: beyond it somebody idle leaves, else the newcomer."""

    def __init__(
        self,
        *given: Any,
        most_connections: int,
        arrival_seconds: float = ARRIVAL_SECONDS,
        departure_seconds: float = DEPARTURE_SECONDS,
        **more: Any,
    ) -> None:
        super().__init__(*given, **more)
        self._most_connections = most_connections
        self._arrival_seconds = arrival_seconds
        self._departure_seconds = departure_seconds
        self._fruitless_bytes = 0
        self._refused = False
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no whole head of a request waits for its answer."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A browser, or a proxy, is there."""
        super().connection_made(transport)  # type: ignore[arg-type]  # TCP's
        self._expect_whole_request()
        if len(self.connections) > self._most_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        _cancel(self._deadline)
        _cancel(self._unread)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes. Too many that complete neither a head nor a piece of a body are refused:
        httptools copies an unfinished header, or trailer, at each piece."""
        if self._refused:
            return
        self._fruitless_bytes += len(data)
        super().data_received(data)
        if self._fruitless_bytes > MOST_HEAD_BYTES:
            self._refuse()

    def on_message_begin(self) -> None:
        """httptools: the first byte of a request."""
        super().on_message_begin()
        _cancel(self._deadline)
        self._expect_whole_request()

    def on_headers_complete(self) -> None:
        """httptools: the head is whole."""
        self._fruitless_bytes = 0
        if self._refused or self._is_too_large():
            self._refuse()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """httptools: a piece of the body."""
        self._fruitless_bytes = 0
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """httptools: the last byte of a request."""
        self._fruitless_bytes = 0
        _cancel(self._deadline)
        self._deadline = None
        if not self._refused:
            super().on_message_complete()

    def pause_writing(self) -> None:
        """The browser takes nothing at the moment."""
        super().pause_writing()
        self._watch_departure(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """It goes on."""
        _cancel(self._unread)
        super().resume_writing()

    def shutdown(self) -> None:
        """The service ends: what is being answered is, what has yet to arrive isn't."""
        if self._deadline is not None:
            self.transport.close()
        else:
            super().shutdown()

    def _is_too_large(self) -> bool:
        if len(self.headers) > MOST_HEADERS:
            return True
        fields = sum(len(name) + len(value) + _COLON_AND_END for name, value in self.headers)
        return len(self.url) + fields > MOST_HEAD_BYTES

    def _refuse(self) -> None:
        """431 (RFC 6585 §5), unless an earlier request's answer would be cut by it."""
        if self._refused:
            return
        self._refused = True
        if self.is_idle:
            self.transport.write(_TOO_LARGE)
        self.transport.close()

    def _expect_whole_request(self) -> None:
        self._deadline = self.loop.call_later(self._arrival_seconds, self._give_up)

    def _give_up(self) -> None:
        """The request didn't arrive in time; one that isn't read, because another is being
        answered, has more."""
        if self.flow.read_paused:
            self._expect_whole_request()
        else:
            self.transport.close()

    def _watch_departure(self, waiting_bytes: int) -> None:
        self._unread = self.loop.call_later(
            self._departure_seconds, self._check_departure, waiting_bytes
        )

    def _check_departure(self, waiting_before: int) -> None:
        waiting = self.transport.get_write_buffer_size()
        if waiting < waiting_before:
            self._watch_departure(waiting)
        else:
            self.transport.abort()

    def _make_room(self) -> None:
        """Of a full house somebody who asks nothing leaves, and who keeps a place by half a head
        is such a one."""
        others = (each for each in self.connections if each is not self)
        idle = next(
            (each for each in others if isinstance(each, BoundedHttp) and each.is_idle), self
        )
        idle.transport.abort()


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
