"""The real transport against loopback listeners: warming, faults, what stands on the wire."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from igauth.meta import transport as transport_module
from igauth.meta.calls import Budgets, Purpose, Request
from igauth.meta.client import GraphClient
from igauth.meta.errors import GraphError, GraphUnavailable
from igauth.meta.resolving import FRESH_SECONDS, KEPT_SECONDS, KeptResolver
from igauth.meta.sending import GraphHost
from igauth.meta.transport import (
    KEEPALIVE_SECONDS,
    UNPROVED_SECONDS,
    CertificateRefused,
    Lanes,
    WarmTransport,
)
from tests.meta.listener import GOOD, Listener, listening, make_certificate
from tests.meta.scripted import TOKEN_TEXT, VERSION, FakeTime, check


@asynccontextmanager
async def warm_client(
    verify: ssl.SSLContext | bool = False,
) -> AsyncGenerator[tuple[httpx.AsyncClient, WarmTransport]]:
    """The process's own transport, and a client that uses nothing else; closed afterwards."""
    transport = WarmTransport(verify=verify)
    async with httpx.AsyncClient(transport=transport) as http:
        yield http, transport


def graph_over(
    transport: WarmTransport, listener: Listener, budgets: Budgets | None = None
) -> GraphClient:
    """A client of Graph's that has only this listener."""
    return GraphClient(Lanes.over(transport), GraphHost(listener.url, VERSION), budgets=budgets)


EXCHANGE = Request(
    "oauth/access_token",
    "oauth/access_token",
    Purpose.EXCHANGE,
    method="POST",
    form={"code": "c"},
)


async def settle() -> None:
    """Lets the listener's tasks accept what was opened."""
    for _ in range(20):
        await asyncio.sleep(0.001)


async def get_together(http: httpx.AsyncClient, listener: Listener, count: int) -> None:
    """So many GETs, all under way at once."""
    listener.together = asyncio.Barrier(count)
    for answer in await asyncio.gather(*(http.get(listener.url) for _ in range(count))):
        assert answer.json() == {"id": "1"}


# -- warming


async def test_warming_sends_nothing_and_is_used() -> None:
    """Connections are opened without a request; N calls at once then open none (contract §8)."""
    async with listening(Listener()) as listener, warm_client() as (http, transport):
        await transport.warm(listener.url, 4)
        await settle()
        assert (listener.connections, listener.requests) == (4, [])

        await get_together(http, listener, 4)
        assert listener.connections == 4


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server_context(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """TLS for a listener."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


async def test_warming_does_the_tls_handshake(
    certificate: tuple[Path, Path], server_context: ssl.SSLContext
) -> None:
    """TCP and TLS are both done before the callback comes."""
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    async with (
        listening(Listener(), server_context) as listener,
        warm_client(trusting) as (http, transport),
    ):
        await transport.warm(listener.url, 3)
        await settle()
        assert (listener.connections, listener.requests) == (3, [])

        await get_together(http, listener, 3)
        assert listener.connections == 3


async def test_idle_connections_count() -> None:
    """Warming fills up to the number, whatever was idle before."""
    async with listening(Listener()) as listener, warm_client() as (_, transport):
        for wanted, connections in ((2, 2), (4, 4), (4, 4), (1, 4)):
            await transport.warm(listener.url, wanted)
            await settle()
            assert listener.connections == connections


async def test_warmings_at_once_are_one() -> None:
    """A hundred logins that start together don't open hundreds of connections."""
    async with listening(Listener()) as listener, warm_client() as (http, transport):
        await asyncio.gather(*(transport.warm(listener.url, 4) for _ in range(100)))
        await settle()
        assert listener.connections == 4

        await get_together(http, listener, 4)
        assert listener.connections == 4


async def test_dropped_connections_are_replaced() -> None:
    """What Facebook closed meanwhile doesn't count as idle."""
    async with listening(Listener()) as listener, warm_client() as (_, transport):
        await transport.warm(listener.url, 2)
        await settle()
        listener.drop_all()
        await settle()
        await transport.warm(listener.url, 2)
        await settle()

        assert listener.connections == 4


async def test_connections_are_kept_for_minutes() -> None:
    """A login after a silence of 20 s finds them (contract §8)."""
    async with warm_client() as (_, transport):
        connector = transport._session().connector

        assert isinstance(connector, aiohttp.TCPConnector)
        assert connector._keepalive_timeout == KEEPALIVE_SECONDS == 240.0


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "no url", "", "http://", "ftp://127.0.0.1"])
async def test_warming_never_raises(url: str) -> None:
    """A login starts whether or not Facebook can be reached (security.md F-08)."""
    async with warm_client() as (_, transport):
        await transport.warm(url, 3)


async def test_warming_a_bad_certificate_never_raises(server_context: ssl.SSLContext) -> None:
    """Nor when the certificate is refused."""
    async with (
        listening(Listener(), server_context) as listener,
        warm_client(verify=True) as (_, transport),
    ):
        await transport.warm(listener.url, 2)
        assert listener.requests == []


async def test_warming_a_silent_server_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A TLS handshake that hangs is given up at the connect budget (F-02)."""
    monkeypatch.setattr(transport_module, "CONNECT_SECONDS", 0.05)
    async with listening(Listener()) as listener, warm_client(verify=True) as (_, transport):
        async with asyncio.timeout(2):
            await transport.warm(f"https://127.0.0.1:{listener.port}", 2)


async def test_a_caller_that_leaves_does_not_stop_the_warming() -> None:
    """The browser goes to the dialog; the connections are opened all the same."""
    async with listening(Listener()) as listener, warm_client() as (_, transport):
        caller = asyncio.create_task(transport.warm(listener.url, 2))
        await asyncio.sleep(0)
        caller.cancel()
        await settle()

        assert listener.connections == 2


async def test_closing_while_warming(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shutdown doesn't wait for a handshake that hangs."""
    async with listening(Listener()) as listener:
        async with warm_client(verify=True) as (_, transport):
            caller = asyncio.create_task(transport.warm(f"https://127.0.0.1:{listener.port}", 2))
            await settle()
        with pytest.raises(asyncio.CancelledError):
            await caller


async def test_idle_connections_are_probed() -> None:
    """Behind a gateway that drops silently, the dead are found and the living kept (A14)."""
    async with listening(Listener()) as listener, warm_client() as (http, transport):
        await http.get(listener.url)
        (idle,) = idle_of(transport)
        made = idle[0].transport.get_extra_info("socket")

        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < 60


@pytest.mark.parametrize(
    ("method", "idle_seconds", "connections"),
    [
        ("POST", UNPROVED_SECONDS + 1, 2),
        ("POST", UNPROVED_SECONDS - 1, 1),
        ("GET", UNPROVED_SECONDS + 1, 1),
    ],
)
async def test_what_is_sent_once_goes_over_a_young_connection(
    method: str, idle_seconds: float, connections: int
) -> None:
    """A connection that idled for long may be dead: a code isn't spent on it (A14)."""
    async with listening(Listener()) as listener, warm_client() as (http, transport):
        await http.get(listener.url)
        age(transport, idle_seconds)

        assert (await http.request(method, listener.url)).status_code == 200
        assert listener.connections == connections


async def test_warming_replaces_what_idled_too_long() -> None:
    """A login that starts opens connections that its exchange may use."""
    async with listening(Listener()) as listener, warm_client() as (_, transport):
        await transport.warm(listener.url, 2)
        await settle()
        age(transport, UNPROVED_SECONDS + 1)
        await transport.warm(listener.url, 2)
        await settle()

        assert listener.connections == 4


def idle_of(transport: WarmTransport) -> list[tuple[Any, float]]:
    """aiohttp's idle connections, each with when it came to rest."""
    connector = transport._session().connector
    assert connector is not None
    return [entry for idle in connector._conns.values() for entry in idle]


def age(transport: WarmTransport, seconds: float) -> None:
    """Makes every idle connection that much older."""
    connector = transport._session().connector
    assert connector is not None
    for key, idle in connector._conns.items():
        connector._conns[key] = deque((each, at - seconds) for each, at in idle)


# -- names


class Names(AbstractResolver):
    """A DNS that answers when it is let, or fails."""

    def __init__(self) -> None:
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()
        self.dead = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        await self.open.wait()
        if self.dead:
            raise OSError("no answer")
        address = f"192.0.2.{self.asked}"
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
        ]

    async def close(self) -> None:
        self.dead = True


async def addresses(resolver: KeptResolver) -> list[str]:
    return [each["host"] for each in await resolver.resolve("graph.facebook.com", 443)]


async def test_a_name_is_asked_once_for_all_who_wait() -> None:
    """Twenty logins at once are one lookup, and who leaves doesn't end it (C14)."""
    names = Names()
    names.open.clear()
    resolver = KeptResolver(names)
    waiting = [asyncio.create_task(addresses(resolver)) for _ in range(20)]
    await settle()
    waiting[0].cancel()
    names.open.set()

    assert await asyncio.gather(*waiting[1:]) == [["192.0.2.1"]] * 19
    assert names.asked == 1


async def test_the_last_good_answer_is_kept() -> None:
    """A slow DNS is asked beside, a dead one costs nothing (C14)."""
    names, time = Names(), FakeTime()
    resolver = KeptResolver(names, time.monotonic)
    await addresses(resolver)
    time.now += FRESH_SECONDS + 1
    names.open.clear()
    assert await addresses(resolver) == ["192.0.2.1"]
    names.open.set()
    await settle()
    assert await addresses(resolver) == ["192.0.2.2"]

    names.dead = True
    time.now += FRESH_SECONDS + 1
    assert await addresses(resolver) == ["192.0.2.2"]
    await settle()
    assert await addresses(resolver) == ["192.0.2.2"]
    time.now += KEPT_SECONDS
    with pytest.raises(OSError, match="no answer"):
        await addresses(resolver)


async def test_closing_ends_a_lookup() -> None:
    """A shutdown doesn't wait for a DNS that hangs."""
    names = Names()
    names.open.clear()
    resolver = KeptResolver(names)
    waiting = asyncio.create_task(addresses(resolver))
    await settle()
    await resolver.close()

    with pytest.raises(asyncio.CancelledError):
        await waiting


# -- the proxy of the settings


async def test_the_settings_proxy_carries_every_call() -> None:
    """OUTBOUND_PROXY; warming opens connections to it, which the calls then use (B29)."""
    async with listening(Listener()) as proxy:
        transport = WarmTransport(proxy.url)
        async with httpx.AsyncClient(transport=transport) as http:
            await transport.warm("http://graph.example.test", 2)
            await settle()
            assert (proxy.connections, proxy.requests) == (2, [])
            await http.get("http://graph.example.test/me?x=1")
            await http.get("http://graph.example.test/me?x=1")

    assert proxy.connections == 2
    assert {request.split(b"\r\n")[0] for request in proxy.requests} == {
        b"GET http://graph.example.test/me?x=1 HTTP/1.1"
    }


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65_536):
            writer.write(chunk)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def tunnelling(port: int) -> AsyncGenerator[tuple[str, list[bytes]]]:
    """A proxy that joins every CONNECT to one port; its address, and the heads that it saw."""
    heads: list[bytes] = []
    ends: list[asyncio.Task[None]] = []

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        ends.append(asyncio.create_task(_pump(reader, back)))
        ends.append(asyncio.create_task(_pump(there, writer)))

    server = await asyncio.start_server(tunnel, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heads
    finally:
        server.close()
        await asyncio.gather(*ends)


async def test_tls_goes_through_the_proxy_unopened(
    certificate: tuple[Path, Path], server_context: ssl.SSLContext
) -> None:
    """CONNECT, then TLS with Meta itself: the proxy sees neither path nor token (B29)."""
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    async with (
        listening(Listener(), server_context) as listener,
        tunnelling(listener.port) as (address, heads),
    ):
        transport = WarmTransport(address, trusting)
        await transport.warm(listener.url, 2)
        await settle()
        await graph_over(transport, listener).fetch(check())
        await graph_over(transport, listener).fetch(check())
        await transport.aclose()

    assert {head.split(b" ")[0] for head in heads} == {b"CONNECT"}
    assert len(heads) == 2
    assert len(listener.requests) == 2
    assert TOKEN_TEXT.encode() not in b"".join(heads)


async def test_a_proxy_that_is_not_there() -> None:
    """Told apart from Meta's own silence, and no address in the error."""
    transport = WarmTransport("http://user:secret@127.0.0.1:9")
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(httpx.ProxyError) as caught:
            await http.get("http://graph.example.test/?secret=1")

    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None


# -- faults, by their true kinds


async def failure(listener: Listener, method: str = "GET", seconds: float = 1.0) -> Exception:
    """What one request to that listener raises."""
    async with listening(listener), warm_client() as (http, _):
        with pytest.raises(httpx.TransportError) as caught:
            await http.request(method, f"{listener.url}/?secret=1", timeout=seconds)
        return caught.value


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"no http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header line\r\n\r\n",
        b"HTTP/9.9 abc\r\n\r\n",
    ],
    ids=["nothing", "noise", "cut", "chunks", "length", "long header", "bad header", "status"],
)
async def test_broken_answers_are_protocol_errors(reply: bytes) -> None:
    """Not a connect time-out, nor an aiohttp error (security.md F-04, F-05)."""
    error = await failure(Listener(reply=reply, close_after=True))

    assert type(error) is httpx.RemoteProtocolError
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "secret" not in str(error)


async def test_silence_is_a_read_timeout() -> None:
    """Accepts and stays silent (F-02)."""
    error = await failure(Listener(gate=asyncio.Event()), seconds=0.05)

    assert type(error) is httpx.ReadTimeout
    assert "secret" not in str(error)


async def test_a_closed_port_is_a_connect_error() -> None:
    """Connection refused (F-01)."""
    async with warm_client() as (http, _):
        with pytest.raises(httpx.ConnectError) as caught:
            await http.get("http://127.0.0.1:9/?secret=1")

    assert not isinstance(caught.value, CertificateRefused)
    assert "secret" not in str(caught.value)


async def test_a_hanging_handshake_is_a_connect_timeout() -> None:
    """aiohttp's text for this one holds the whole URL."""
    async with listening(Listener()) as listener, warm_client() as (http, _):
        timeout = httpx.Timeout(1.0, connect=0.05, pool=0.05)
        with pytest.raises(httpx.ConnectTimeout) as caught:
            await http.get(f"https://127.0.0.1:{listener.port}/?secret=1", timeout=timeout)

    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None


async def test_odd_addresses_and_headers_are_httpx_errors() -> None:
    """Unmapped aiohttp errors would be 500s."""
    async with listening(Listener()) as listener, warm_client() as (http, _):
        with pytest.raises(httpx.TransportError):
            await http.get("ftp://127.0.0.1/")
        with pytest.raises(httpx.TransportError):
            await http.get(listener.url, headers={"X-Bad": "a\r\nInjected: 1"})
    assert listener.requests == []


async def test_a_bad_certificate_is_never_repeated(server_context: ssl.SSLContext) -> None:
    """Never retried, never ignored (F-01)."""
    async with (
        listening(Listener(), server_context) as listener,
        warm_client(verify=True) as (_, transport),
    ):
        graph = graph_over(transport, listener)
        with pytest.raises(GraphUnavailable, match="CertificateRefused"):
            await graph.fetch(check())
        await settle()

    assert listener.requests == []
    assert listener.connections <= 1


@pytest.mark.parametrize(("method", "requests"), [("POST", 1), ("GET", 2), ("DELETE", 2)])
async def test_aiohttp_repeats_no_post(method: str, requests: int) -> None:
    """A connection that drops before the answer: a POST is sent once (security.md R-10)."""
    listener = Listener(reply=b"", close_after=True)
    await failure(listener, method)

    assert len(listener.requests) == requests


async def test_the_exchange_is_sent_once_over_a_dropped_connection() -> None:
    """A kept connection that Facebook drops under the exchange loses the login, not the rule."""
    listener = Listener()
    async with listening(listener), warm_client() as (_, transport):
        graph = graph_over(transport, listener)
        await transport.warm(listener.url, 2)
        listener.reply, listener.close_after = b"", True
        with pytest.raises(GraphUnavailable):
            await graph.fetch(EXCHANGE)

    assert len(listener.requests) == 1


async def test_a_connection_closed_in_silence_is_not_used_again() -> None:
    """Facebook closes an idle connection: the next call, a POST too, takes a fresh one (F-04)."""
    async with listening(Listener()) as listener, warm_client() as (http, _):
        await http.get(listener.url)
        listener.drop_all()
        await settle()

        assert (await http.post(listener.url, data={"a": "b"})).status_code == 200
    assert listener.connections == 2


# -- what stands on the wire


async def test_fields_and_forms_arrive_as_they_were_meant() -> None:
    """httpx, aiohttp and yarl each encode; Graph must read the same (graph-facts 0.2)."""
    async with listening(Listener()) as listener, warm_client() as (_, transport):
        graph = graph_over(transport, listener)
        query = {"fields": "id,picture{url}", "after": "QVF+/=&%41 ü"}
        await graph.fetch(check(query=query))
        form = {"code": "AQB+/=&%41 ü|#_=_"}
        await graph.fetch(check("x", "oauth/access_token", method="POST", form=form, token=None))
    got, posted = (request.decode() for request in listener.requests)
    target = httpx.URL(got.split(" ")[1])

    assert dict(target.params).items() >= query.items()
    assert f"authorization: bearer {TOKEN_TEXT}".lower() in got.lower()
    assert TOKEN_TEXT not in got.split("\r\n")[0]
    assert dict(httpx.QueryParams(posted.split("\r\n\r\n")[1])) == form
    assert "authorization" not in posted.lower()


async def test_no_cookies_are_kept() -> None:
    """Shared connections must not carry one person's cookies into another's call."""
    reply = GOOD.replace(b"\r\n\r\n", b"\r\nSet-Cookie: datr=1; Path=/\r\n\r\n", 1)
    async with listening(Listener(reply=reply)) as listener, warm_client() as (_, transport):
        graph = graph_over(transport, listener)
        await graph.fetch(check())
        await graph.fetch(check())

    assert len(listener.requests) == 2
    assert all(b"cookie" not in request.lower() for request in listener.requests)


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """trust_env is off: tokens go to Facebook or nowhere (R-19)."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with listening(Listener()) as listener, warm_client() as (http, _):
        assert (await http.get(listener.url)).status_code == 200


async def test_metas_odd_header_is_read() -> None:
    """Trap 35: WWW-Authenticate isn't RFC 7235, and may hold non-ASCII bytes."""
    header = 'WWW-Authenticate: OAuth "Facebook Platform" "invalid_token" "Ungültig, 你好"'
    body = b'{"error":{"code":190,"error_subcode":458}}'
    reply = f"HTTP/1.1 400 Bad Request\r\n{header}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with listening(Listener(reply=reply + body)) as listener, warm_client() as (_, transport):
        graph = graph_over(transport, listener)
        with pytest.raises(GraphError, match="app_removed"):
            await graph.fetch(check())


async def test_no_library_logs_addresses(caplog: pytest.LogCaptureFixture) -> None:
    """debug_token's URL holds the token (security.md §0.5)."""
    caplog.set_level(logging.DEBUG)
    async with listening(Listener()) as listener, warm_client() as (_, transport):
        query = {"input_token": TOKEN_TEXT}
        await graph_over(transport, listener).fetch(check("debug_token", "x", query=query))

    assert TOKEN_TEXT.encode() in listener.requests[0]
    assert TOKEN_TEXT not in caplog.text


async def test_a_drip_ends_at_the_budget() -> None:
    """The wall clock counts, whatever each read says (F-03)."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"
    async with listening(Listener(reply=head)) as listener, warm_client() as (_, transport):
        graph = graph_over(transport, listener, Budgets(call=0.05))
        with pytest.raises(GraphUnavailable):
            await graph.fetch(check())


async def test_an_oversize_answer_does_not_poison_the_pool() -> None:
    """A connection that was left in mid-body isn't used again (F-05)."""
    big = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000
    async with listening(Listener(reply=big)) as listener, warm_client() as (_, transport):
        graph = graph_over(transport, listener)
        with pytest.raises(GraphUnavailable, match="too large"):
            await graph.fetch(check())
        listener.reply = GOOD

        assert (await graph.fetch(check())).body == {"id": "1"}
    assert listener.connections == 2
