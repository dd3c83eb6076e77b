"""Who may reach a sandbox on a server: names of its own machine, and no foreign page (S13)."""

import httpx
import pytest

from igauth.sandbox.app import Sandbox, SandboxConfig

FOREIGN = [
    "evil.example",
    "evil.example:9000",
    "localhost.evil.example",
    "192.168.1.7:9000",
    "0.0.0.0",
]
OWN = ["localhost", "localhost:9000", "LOCALHOST:1", "127.0.0.1:9000", "[::1]:9000", "a.localhost"]
ODD = ["", "localhost@evil.example", "evil.example#localhost", "[::1", "localhost, evil.example"]


async def status_at(config: SandboxConfig, path: str, **headers: str) -> int:
    """What a server would answer to a GET with these headers."""
    transport = httpx.ASGITransport(Sandbox(config).app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:9000") as http:
        return (await http.get(path, headers=headers)).status_code


@pytest.mark.parametrize(
    "path", ["/_control/clock", "/v26.0/me", "/dialog/oauth", "/_static/panel.js"]
)
@pytest.mark.parametrize("host", [*FOREIGN, *ODD])
async def test_foreign_names_are_misdirected(path: str, host: str) -> None:
    """A name that an attacker points at this machine (DNS rebinding) reaches nothing."""
    assert await status_at(SandboxConfig(), path, host=host) == 421


@pytest.mark.parametrize("host", OWN)
async def test_names_of_this_machine_are_answered(host: str) -> None:
    """localhost and loopback addresses, whatever the port."""
    assert await status_at(SandboxConfig(), "/_control/clock", host=host) == 200


async def test_the_address_of_graph_is_known_as_well() -> None:
    """In the demo the service reaches the sandbox by its name in the containers' network."""
    config = SandboxConfig(graph_url="http://sandbox:9000")

    assert await status_at(config, "/_control/clock", host="sandbox:9000") == 200
    assert await status_at(config, "/_control/clock", host="other:9000") == 421


async def test_a_sandbox_with_a_public_address_answers_to_any_name() -> None:
    """It was put there on purpose."""
    config = SandboxConfig(public_url="http://facebook.test:9000")

    assert await status_at(config, "/_control/clock", host="whatever.test") == 200


async def test_a_request_without_a_host_is_misdirected() -> None:
    """HTTP/1.0, or somebody who tries."""
    sent: list[int] = []

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        sent.append(message.get("status", 0))

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    await Sandbox().app(scope, receive, send)

    assert sent[0] == 421


# --- foreign pages ---


async def post(path: str = "/_control/reset", **headers: str) -> int:
    """The status of a POST as a browser would send it for a page."""
    transport = httpx.ASGITransport(Sandbox().app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:9000") as http:
        return (await http.post(path, headers=headers)).status_code


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:8000"},
        {"origin": "https://localhost:9000"},
        {"sec-fetch-site": "same-origin", "origin": "https://evil.example"},
    ],
)
@pytest.mark.parametrize("form", [True, False])
async def test_foreign_pages_cannot_change_anything(headers: dict[str, str], form: bool) -> None:
    """Neither by fetch nor by a form, from another site or from another port."""
    kind = "application/x-www-form-urlencoded" if form else "application/json"

    assert await post(**headers, **{"content-type": kind}) == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin"},
        {"origin": "http://localhost:9000"},
        {
            "sec-fetch-site": "same-origin",
            "origin": "http://127.0.0.1:9000",
            "host": "127.0.0.1:9000",
        },
    ],
)
async def test_programs_and_the_panel_itself_can(headers: dict[str, str]) -> None:
    """Without these headers it is a program; the panel's own requests are same-origin."""
    assert await post(**headers) == 204


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_no_origin_is_let_in(method: str) -> None:
    """Graph lets any page read its answers, as Facebook's does; the control API none."""
    transport = httpx.ASGITransport(Sandbox().app)
    headers = {"origin": "https://evil.example", "access-control-request-method": "DELETE"}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:9000") as http:
        answer = await http.request(method, "/_control/people", headers=headers)

    assert "access-control-allow-origin" not in answer.headers


async def test_deleting_is_guarded_alike() -> None:
    """DELETE is no safe method either."""
    transport = httpx.ASGITransport(Sandbox().app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:9000") as http:
        answer = await http.delete("/_control/faults", headers={"sec-fetch-site": "cross-site"})

    assert answer.status_code == 403
