"""OUTBOUND_PROXY, tried by doctor: whether it leads to Meta, and if not, why (defect B29)."""

import asyncio
import base64
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from igauth.bootstrap import Wiring, open_examination
from igauth.meta.calls import Budgets
from igauth.upkeep.findings import Verdict
from igauth.upkeep.proxy_check import check_proxy
from tests.stage import FakeClock, make_sandbox, make_settings

GRAPH = "https://graph.facebook.com"


@asynccontextmanager
async def proxy(answer: bytes) -> AsyncGenerator[tuple[int, list[bytes]]]:
    """One that answers every request with these bytes; and what it heard."""
    heard: list[bytes] = []

    async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(asked, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heard
    finally:
        server.close()


@pytest.mark.parametrize(
    ("answer", "verdict", "text"),
    [
        (b"HTTP/1.1 200 Connection established\r\n\r\n", Verdict.WELL, "leads to"),
        (b"HTTP/1.0 200 OK\r\n\r\n", Verdict.WELL, "leads to"),
        (b"HTTP/1.1 407 Authenticate\r\n\r\n", Verdict.NOT_WELL, "user and password"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", Verdict.NOT_WELL, "status 403"),
        (b"HTTP/1.1 502 Bad\r\n\r\n", Verdict.NOT_WELL, "status 502"),
        (b"HTTP/1.1 x\r\n\r\n", Verdict.NOT_WELL, "no HTTP proxy"),
        (b"SSH-2.0-x\r\n", Verdict.NOT_WELL, "no HTTP proxy"),
        (b"x" * 100_000, Verdict.NOT_WELL, "no HTTP proxy"),
        (b"", Verdict.NOT_WELL, "no HTTP proxy"),
    ],
    ids=lambda each: str(each)[:20],
)
async def test_what_a_proxy_answers(answer: bytes, verdict: Verdict, text: str) -> None:
    """A tunnel to Graph is asked for, and nothing is sent through it."""
    async with proxy(answer) as (port, heard):
        found = await check_proxy(SecretStr(f"http://127.0.0.1:{port}"), GRAPH)

    assert found.verdict is verdict
    assert text in found.text
    assert (found.mend is None) is (verdict is Verdict.WELL)
    assert heard[0].startswith(b"CONNECT graph.facebook.com:443 HTTP/1.1\r\n")


async def test_its_password_is_told_to_it_alone() -> None:
    """RFC 7617, decoded from the URL; never in a finding."""
    async with proxy(b"HTTP/1.1 407 No\r\n\r\n") as (port, heard):
        url = f"http://me:sEkReT%40@127.0.0.1:{port}"
        found = await check_proxy(SecretStr(url), GRAPH)

    pair = base64.b64encode(b"me:sEkReT@").decode()
    assert f"\r\nProxy-Authorization: Basic {pair}\r\n".encode() in heard[0]
    assert "sEkReT" not in repr(found)


async def test_a_stand_in_is_asked_for_in_plain() -> None:
    """A proxy lets CONNECT through to TLS ports only."""
    async with proxy(b"HTTP/1.1 404 No\r\n\r\n") as (port, heard):
        found = await check_proxy(SecretStr(f"http://127.0.0.1:{port}"), "http://meta.test:9000")

    assert found.well
    assert heard[0].startswith(b"HEAD http://meta.test:9000/ HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("host", "text"), [("127.0.0.1", "nothing usable"), ("proxy.invalid", "unknown")]
)
async def test_a_proxy_that_is_not_there(host: str, text: str) -> None:
    """Host and port are what to look at."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    found = await check_proxy(SecretStr(f"http://{host}:{port}"), GRAPH)

    assert found.verdict is Verdict.NOT_WELL
    assert text in found.text


async def test_doctor_tries_it(sqlite_url: str) -> None:
    """One finding, and none where no proxy is set."""
    settings, clock = make_settings(sqlite_url), FakeClock()
    wiring = Wiring(transport=make_sandbox(settings, clock).transport(), clock=clock)
    async with proxy(b"HTTP/1.1 200 OK\r\n\r\n") as (port, _):
        url = SecretStr(f"http://127.0.0.1:{port}")
        behind = settings.model_copy(update={"outbound_proxy": url})
        for chosen, number in ((settings, 0), (behind, 1)):
            async with open_examination(chosen, wiring) as examined:
                found = [each async for each in examined if each.subject == "outbound proxy"]
            assert len(found) == number


async def test_calls_to_meta_go_through_it(sqlite_url: str) -> None:
    """The host is the proxy's to resolve (RFC 9112 §3.2.2)."""
    async with proxy(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n") as (port, heard):
        settings = make_settings(
            sqlite_url,
            facebook_graph_url="http://meta.invalid:9000",
            outbound_proxy=SecretStr(f"http://me:word@127.0.0.1:{port}"),
        )
        async with open_examination(settings, Wiring(budgets=Budgets(repeats=0))) as examined:
            found = [each async for each in examined if each.subject == "Facebook app"]

    assert [each.text for each in found] == ["Facebook is not reachable"]
    assert "OUTBOUND_PROXY" in (found[0].mend or "")
    asked = [each for each in heard if b" http://meta.invalid:9000/v26.0/" in each]
    assert asked
    assert b"proxy-authorization: basic " in asked[0].lower()
