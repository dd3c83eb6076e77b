"""The in-process transport, the ASGI app under a prefix, and a real socket."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from igauth.sandbox.app import Sandbox, SandboxConfig, config_from, create_sandbox_app
from tests.sandbox.facebook import Facebook, error_of


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncGenerator[str]:
    """The app behind a real uvicorn on a free port of the loopback interface."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


def wrapped(app: ASGIApp) -> ASGIApp:
    """As a middleware of the service would wrap it: `send` is a closure then."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        async def passing(message: Message) -> None:
            await send(message)

        await app(scope, receive, passing)

    return middleware


@pytest.mark.parametrize("wrap", [lambda app: app, wrapped])
async def test_a_cut_closes_the_socket_without_an_answer(
    sandbox: Sandbox, wrap: Callable[[ASGIApp], ASGIApp]
) -> None:
    """Over a real socket a cut is a cut, through middleware as well (facts 17.11)."""
    sandbox.faults.add("me", "cut", times=1)
    async with served(wrap(sandbox.app)) as base, httpx.AsyncClient(base_url=base) as http:
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await http.get("/v26.0/me")
        after = await http.get("/v26.0/me")

    assert after.status_code == 400
    assert sandbox.calls.of("me")[0].status is None


@pytest.mark.parametrize("wrap", [lambda app: app, wrapped])
async def test_half_an_answer_over_a_real_socket(
    sandbox: Sandbox, wrap: Callable[[ASGIApp], ASGIApp]
) -> None:
    """The head and half of the body arrive, then the connection is closed (facts 17.11)."""
    sandbox.faults.preset("half_answer", times=1)
    seen = bytearray()

    async def read() -> None:
        async with http.stream("GET", "/v26.0/me") as answer:
            async for chunk in answer.aiter_raw():
                seen.extend(chunk)

    async with served(wrap(sandbox.app)) as base, httpx.AsyncClient(base_url=base) as http:
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await read()
        after = await http.get("/v26.0/me")

    assert 0 < len(seen) < len(after.content)
    assert seen == after.content[: len(seen)]


async def test_a_real_hang_ends_when_the_client_leaves(sandbox: Sandbox) -> None:
    """The server's task ends with the connection, so that shutdown isn't held up."""
    sandbox.faults.add("me", "hang", times=1)
    async with served(sandbox.app) as base, httpx.AsyncClient(base_url=base) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get("/v26.0/me", timeout=0.05)
        after = await http.get("/v26.0/me")

    assert after.status_code == 400


async def test_good_answers_over_a_real_socket(sandbox: Sandbox) -> None:
    """Paging links then lead to that socket (facts 7.4)."""
    async with served(sandbox.app) as base, httpx.AsyncClient(base_url=base) as http:
        facebook = Facebook(sandbox, http)
        token = await facebook.token("fay")
        body = (await facebook.get("/me/accounts", token, fields="id")).json()
        following = f"{body['paging']['next']}&appsecret_proof={facebook.proof(token)}"
        answer = await http.get(following)

    assert following.startswith(base)
    assert len(answer.json()["data"]) == 25


async def test_a_cut_in_process_is_a_protocol_error(facebook: Facebook) -> None:
    """What httpx raises for a real one."""
    facebook.sandbox.faults.add("any", "cut")
    with pytest.raises(httpx.RemoteProtocolError):
        await facebook.get("/me")


async def test_a_bug_of_the_sandbox_is_loud(sandbox: Sandbox) -> None:
    """An exception inside reaches the test, instead of a bare 500."""

    async def broken(seconds: float) -> None:
        raise ZeroDivisionError

    sandbox.state.sleep = broken
    sandbox.state.latency_seconds = 1
    async with httpx.AsyncClient(transport=sandbox.transport(), base_url="http://x") as http:
        with pytest.raises(ZeroDivisionError):
            await http.get("/v26.0/me")

    assert sandbox.calls.of("me")[0].ended is not None


async def test_mounted_below_a_path(clock: Callable[[], object]) -> None:
    """Dialog, Graph and control answer below the prefix of public_url."""
    sandbox = Sandbox(SandboxConfig(public_url="http://localhost:8000/sandbox/"))
    async with httpx.AsyncClient(
        transport=sandbox.transport(), base_url="http://localhost:8000/sandbox"
    ) as http:
        facebook = Facebook(sandbox, http)
        token = await facebook.token("fay")
        body = (await facebook.get("/me/accounts", token)).json()
        picture = (await facebook.get("/me", token, fields="picture{url}")).json()["picture"]
        seen = await http.get(picture["data"]["url"])
        people = await http.get("/_control/people")

    assert body["paging"]["next"].startswith("http://localhost:8000/sandbox/v26.0/1020")
    assert picture["data"]["url"].startswith("http://localhost:8000/sandbox/_pictures/")
    assert seen.status_code == people.status_code == 200


async def test_any_host_reaches_the_sandbox(facebook: Facebook) -> None:
    """Facebook's own host names do, so that a client needs no other settings."""
    answer = await facebook.http.get("https://graph.facebook.com/v26.0/me")

    assert error_of(answer) == (400, 2500, None)


async def test_callbacks_travel_over_a_real_socket() -> None:
    """Without a client of its own the sandbox opens one for each callback (facts 13.2)."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with served(app) as base:
        sandbox = Sandbox(SandboxConfig(deauthorize_url=f"{base}/deauthorize"))
        sandbox.callbacks.deauthorize_soon(sandbox.world.person("ada"))
        await sandbox.settle()

    assert seen == ["/deauthorize"]
    assert [found.problem for found in sandbox.callbacks.deliveries] == [None]


def test_pictures_can_have_a_base_of_their_own() -> None:
    """picture_base stands in for public_url."""
    assert SandboxConfig(picture_base="https://cdn.test/").pictures == "https://cdn.test"
    assert SandboxConfig(public_url="http://localhost:1/x/").pictures == "http://localhost:1/x"


def test_configuration_from_the_environment() -> None:
    """SANDBOX_<FIELD>, with numbers, switches and comma lists."""
    config = config_from(
        {
            "SANDBOX_PUBLIC_URL": "http://localhost:7000",
            "SANDBOX_CODE_SECONDS": "60",
            "SANDBOX_REQUIRE_PROOF": "false",
            "SANDBOX_REDIRECT_URIS": "http://a.test/, http://b.test/",
            "SANDBOX_DEAUTHORIZE_URL": "http://a.test/deauthorize",
            "OTHER": "ignored",
        }
    )

    assert config == SandboxConfig(
        public_url="http://localhost:7000",
        code_seconds=60,
        require_proof=False,
        redirect_uris=("http://a.test/", "http://b.test/"),
        deauthorize_url="http://a.test/deauthorize",
    )


async def test_the_factory_makes_an_app(monkeypatch: pytest.MonkeyPatch) -> None:
    """`uvicorn --factory igauth.sandbox.app:create_sandbox_app`."""
    monkeypatch.setenv("SANDBOX_APP_ID", "77")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(create_sandbox_app()), base_url="http://localhost"
    ) as http:
        answer = await http.get("/_control/")

    assert "<code>77</code>" in answer.text


async def test_sandboxes_share_nothing(sandbox: Sandbox) -> None:
    """Nothing is global: another sandbox knows neither grants nor tokens nor faults."""
    other = Sandbox()
    sandbox.authorize("ada", redirect_uri="http://localhost/")
    sandbox.faults.preset("hang")

    assert other.world.person("ada").grant is None
    assert len(other.faults) == len(other.ledger.codes) == 0
