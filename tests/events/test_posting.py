"""One message over the wire: pinned, bounded, never redirected (contract §12)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest

from igauth.events.addresses import Addresses
from igauth.events.posting import MOST_BYTES, Poster, open_transport
from tests.events.receivers import Receivers, message_of, signature_fits
from tests.events.test_addresses import answering
from tests.stage import FakeClock

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
OTHER = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
URL = "https://hooks.example.com:8443/in?key=1"


def poster(receivers: httpx.AsyncBaseTransport, *answers: list[str], **more: float) -> Poster:
    """To whatever this DNS says."""
    addresses = Addresses(("127.0.0.1",), answering(*(answers or (["8.8.8.8"],))))
    return Poster(addresses, receivers, FakeClock(), **more)


async def test_a_message_is_signed_by_every_valid_secret() -> None:
    """The three headers of Standard Webhooks 1.0; the body is what was signed."""
    receivers = Receivers()
    answer = await poster(receivers).post(URL, "msg_1", '{"type":"x"}', [SECRET, OTHER])
    (request,) = receivers.got

    assert (answer.failure, answer.status) == (None, 204)
    assert request.headers["webhook-id"] == "msg_1"
    assert request.headers["webhook-timestamp"] == str(int(FakeClock().now.timestamp()))
    assert request.headers["content-type"] == "application/json"
    assert signature_fits(request, SECRET)
    assert signature_fits(request, OTHER)
    assert message_of(request) == {"type": "x"}


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """The name is in Host and TLS alone; DNS that says something else later is never asked."""
    receivers = Receivers()
    sender = poster(receivers, ["8.8.8.8"], ["127.0.0.1"])
    await sender.post(URL, "msg_1", "{}", [SECRET])
    rebound = await sender.post(URL, "msg_2", "{}", [SECRET])
    (request,) = receivers.got

    assert str(request.url) == "https://8.8.8.8:8443/in?key=1"
    assert request.headers["host"] == "hooks.example.com:8443"
    assert request.extensions["sni_hostname"] == "hooks.example.com"
    assert rebound.failure == "address_refused: its address is not public: loopback"


async def test_the_next_address_is_tried_where_one_is_dead() -> None:
    """All of them were checked."""
    receivers = Receivers()

    async def dead(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    receivers.acts["8.8.8.8"] = dead
    answer = await poster(receivers, ["8.8.8.8", "2606:4700::1"]).post(URL, "m", "{}", [SECRET])

    assert answer.failure is None
    assert receivers.got[-1].url.host == "2606:4700::1"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_failure(status: int) -> None:
    """Nothing goes to where it points."""
    receivers = Receivers()
    receivers.answer("8.8.8.8", status, location="https://127.0.0.1/")
    answer = await poster(receivers).post(URL, "msg_1", "{}", [SECRET])

    assert answer.failure == f"status {status}"
    assert len(receivers.got) == 1


@pytest.mark.parametrize(("status", "arrived"), [(200, True), (299, True), (400, False)])
async def test_any_2xx_is_success_and_nothing_else(status: int, arrived: bool) -> None:
    """By the status alone."""
    receivers = Receivers()
    receivers.answer("8.8.8.8", status)
    answer = await poster(receivers).post(URL, "msg_1", "{}", [SECRET])

    assert (answer.failure is None) is arrived


@pytest.mark.parametrize(
    ("header", "waits"),
    [
        ("120", timedelta(seconds=120)),
        ("99999999999999999999", timedelta(hours=24)),
        ("Mon, 23 Nov 2026 12:05:00 GMT", timedelta(minutes=5)),
        ("Mon, 23 Nov 2099 12:05:00 GMT", timedelta(hours=24)),
        ("Mon, 23 Nov 1999 12:05:00 GMT", timedelta()),
        ("soon", None),
        ("-5", None),
    ],
)
async def test_retry_after_is_read_and_bounded(header: str, waits: timedelta | None) -> None:
    """Both of its forms (RFC 9110 §10.2.3), up to 24 h."""
    receivers = Receivers()
    receivers.answer("8.8.8.8", 503, **{"retry-after": header})
    answer = await poster(receivers).post(URL, "msg_1", "{}", [SECRET])

    assert answer.retry_after == waits


async def test_without_a_readable_secret_nothing_is_sent() -> None:
    """An unsigned message is worse than none."""
    receivers = Receivers()

    assert (await poster(receivers).post(URL, "m", "{}", [])).failure == "secret_unreadable"
    assert receivers.got == []


async def test_a_receiver_that_hangs_ends_by_itself() -> None:
    """The whole of an attempt has one bound."""
    receivers = Receivers()

    async def hang(_request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    receivers.acts["8.8.8.8"] = hang
    answer = await poster(receivers, seconds=0.05).post(URL, "m", "{}", [SECRET])

    assert answer.failure == "timeout"


class Endless(httpx.AsyncByteStream):
    """A body without an end; counts what was taken."""

    def __init__(self) -> None:
        self.taken = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.taken += 4096
            yield b"x" * 4096

    async def aclose(self) -> None:
        """The connection is given up."""
        self.closed = True


async def test_of_an_answer_at_most_64_kb_are_read() -> None:
    """The rest is left; the status has told all."""
    receivers, body = Receivers(), Endless()

    async def flood(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=body)

    receivers.acts["8.8.8.8"] = flood
    answer = await poster(receivers).post(URL, "m", "{}", [SECRET])

    assert answer.failure is None
    assert (body.taken, body.closed) == (MOST_BYTES, True)


@asynccontextmanager
async def listening(answer: bytes, seen: Callable[[bytes], None]) -> AsyncGenerator[int]:
    """A bare HTTP server on loopback that says the same thing to everybody."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_over_a_real_socket_and_past_the_environments_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The real transport, straight to the receiver whatever HTTP_PROXY says."""
    heads: list[bytes] = []
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    transport = open_transport()
    async with listening(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", heads.append) as port:
        sender = poster(transport)
        answer = await sender.post(f"http://127.0.0.1:{port}/in", "msg_1", "{}", [SECRET])
    await transport.aclose()

    assert answer.failure is None
    assert heads[0].startswith(b"POST /in HTTP/1.1\r\n")
    assert f"host: 127.0.0.1:{port}".encode() in heads[0].lower()


async def test_nonsense_is_a_failure_and_no_crash() -> None:
    """What isn't HTTP, and nobody at all."""
    transport = open_transport()
    async with listening(b"\x00\x01 nonsense\r\n\r\n", lambda _: None) as port:
        sender = poster(transport)
        spoken = await sender.post(f"http://127.0.0.1:{port}/", "m", "{}", [SECRET])
    silent = await sender.post(f"http://127.0.0.1:{port}/", "m", "{}", [SECRET])
    await transport.aclose()

    assert spoken.failure == "unreachable: RemoteProtocolError"
    assert silent.failure == "unreachable: ConnectError"
