"""A developer's machine: foreign names, foreign pages, and a control API that changes everything.

`igauth dev` and `igauth sandbox` hold invented people only, but they listen on a machine whose
browser visits strangers: DNS rebinding and cross-site forms reach loopback (S13, R-55).
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser as Chromium

from igauth.sandbox.app import SandboxConfig
from tests.attacks.processes import BIN, Process, RawAnswer, raw, running, send_raw
from tests.browser.service import free_port
from tests.stage import Stage

FOREIGN_HOSTS = [
    "evil.example",
    "evil.example:{port}",
    "localhost.evil.example:{port}",
    "127.0.0.1.evil.example:{port}",
    "127.0.0.1.nip.io:{port}",
    "192.168.0.10:{port}",
    "0.0.0.0:{port}",
    "169.254.169.254",
    "my-machine:{port}",
    "[fe80::1]:{port}",
    "localhost@evil.example:{port}",
    "evil.example/localhost",
    "",
]
FOREIGN_PAGES = [
    {"Origin": "https://evil.example"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://localhost:1", "Sec-Fetch-Site": "same-site"},
    {"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://localhost.evil.example:{port}"},
    {"Origin": "null"},
    {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://localhost:{port}", "Sec-Fetch-Site": "same-origin"},
]
BODIES = {
    "application/json": json.dumps({"preset": "cut"}).encode(),
    "text/plain": json.dumps({"preset": "cut"}).encode(),
    "application/x-www-form-urlencoded": b"preset=cut",
    "multipart/form-data; boundary=x": (
        b'--x\r\nContent-Disposition: form-data; name="preset"\r\n\r\ncut\r\n--x--\r\n'
    ),
}
CHANGES = [
    ("POST", "reset"),
    ("POST", "delay"),
    ("POST", "clock"),
    ("POST", "faults/clear"),
    ("POST", "calls/clear"),
    ("POST", "people/ada/remove_app"),
    ("POST", "signed-requests"),
    ("DELETE", "faults"),
    ("DELETE", "calls"),
]


class Place:
    """A running program and where its control API is."""

    def __init__(self, process: Process, prefix: str) -> None:
        self.process = process
        self.port = process.port
        self.control = f"{prefix}/_control/"
        self.dialog = f"{prefix}/v26.0/dialog/oauth?client_id=1"

    def named(self, text: str) -> str:
        """`text` with this program's port."""
        return text.replace("{port}", str(self.port))

    async def send(
        self, target: str, *headers: str, method: str = "GET", body: bytes = b"", host: str = ""
    ) -> RawAnswer:
        """A raw request under a name that is ours, unless told."""
        named = host or f"localhost:{self.port}"
        return await send_raw(
            self.port, raw(target, f"Host: {named}", *headers, method=method, body=body)
        )

    async def faults(self) -> int:
        """How many faults are planned."""
        answer = await self.send(f"{self.control}faults")
        return len(json.loads(answer.body)["data"])


@pytest.fixture(scope="module", params=["dev", "sandbox"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """`igauth dev`, and the sandbox alone."""
    folder = tmp_path_factory.mktemp("dev")
    alone = request.param == "sandbox"
    ready = "/_control/presets" if alone else "/readyz"
    with running(folder, free_port(), "igauth", request.param, ready=ready) as process:
        yield Place(process, "" if alone else "/sandbox")
        process.assert_alive()


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
async def test_a_foreign_name_is_not_answered(place: Place, host: str) -> None:
    """DNS rebinding: a request that came by another name gets a 4xx and no content."""
    named = place.named(host)
    for target in (place.control, f"{place.control}people", f"{place.control}calls", place.dialog):
        answer = await send_raw(place.port, raw(target, f"Host: {named}"))
        assert 400 <= answer.status < 500, (target, answer.status)
        assert "ada" not in answer.body.lower()


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
async def test_a_foreign_name_changes_nothing(place: Place, host: str) -> None:
    """The same with a POST: no fault is planned."""
    before = await place.faults()
    answer = await send_raw(
        place.port,
        raw(
            f"{place.control}faults",
            f"Host: {place.named(host)}",
            "Content-Type: application/json",
            method="POST",
            body=BODIES["application/json"],
        ),
    )

    assert 400 <= answer.status < 500
    assert await place.faults() == before


@pytest.mark.parametrize("place", ["dev"], indirect=True)
@pytest.mark.parametrize("host", FOREIGN_HOSTS)
async def test_the_service_itself_is_not_answered_either(place: Place, host: str) -> None:
    """In dev mode the service keeps to loopback names as well: its data is as reachable."""
    for target in ("/", "/auth/session", "/auth/facebook", "/me", "/docs", "/metrics"):
        answer = await send_raw(place.port, raw(target, f"Host: {place.named(host)}"))
        assert 400 <= answer.status < 500, (target, answer.status)
        assert answer.header("Set-Cookie") is None


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
async def test_loopback_names_are_answered(place: Place, name: str) -> None:
    """The names of this machine to itself, with the port that is listened on."""
    answer = await place.send(f"{place.control}people", host=f"{name}:{place.port}")

    assert answer.status == 200


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("page", FOREIGN_PAGES, ids=str)
async def test_a_foreign_page_plans_no_fault(place: Place, page: dict[str, str], kind: str) -> None:
    """Whatever a form or a script of another origin can send: 403, and nothing planned."""
    before = await place.faults()
    headers = [f"{name}: {place.named(value)}" for name, value in page.items()]

    answer = await place.send(
        f"{place.control}faults",
        *headers,
        f"Content-Type: {kind}",
        method="POST",
        body=BODIES[kind],
    )

    assert answer.status == 403
    assert await place.faults() == before


@pytest.mark.parametrize(("method", "operation"), CHANGES)
@pytest.mark.parametrize("page", FOREIGN_PAGES[1:8:2], ids=str)
async def test_a_foreign_page_changes_nothing_else(
    place: Place, method: str, operation: str, page: dict[str, str]
) -> None:
    """Every operation that changes something is guarded, not only the one that was tried first."""
    headers = [f"{name}: {place.named(value)}" for name, value in page.items()]
    answer = await place.send(
        f"{place.control}{operation}",
        *headers,
        "Content-Type: application/json",
        method=method,
        body=b"{}",
    )

    assert answer.status == 403


async def test_a_foreign_page_reads_nothing(place: Place) -> None:
    """The control API grants no origin anything, preflights included (R-36)."""
    for target in (f"{place.control}people", f"{place.control}calls", place.control):
        read = await place.send(target, "Origin: https://evil.example")
        asked = await place.send(
            target,
            "Origin: https://evil.example",
            "Access-Control-Request-Method: DELETE",
            method="OPTIONS",
        )
        assert read.header("Access-Control-Allow-Origin") is None
        assert asked.status >= 400 or asked.header("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize(
    "headers",
    [[], ["Origin: http://localhost:{port}"], ["Sec-Fetch-Site: same-origin"]],
    ids=["a script", "the panel", "the panel, by its fetch metadata"],
)
async def test_programs_and_the_panel_may(place: Place, headers: list[str]) -> None:
    """curl, tests and the panel's own forms go on as before."""
    before = await place.faults()
    answer = await place.send(
        f"{place.control}faults",
        *(place.named(header) for header in headers),
        "Content-Type: application/json",
        method="POST",
        body=BODIES["application/json"],
    )

    assert answer.status == 201
    assert await place.faults() == before + 1
    await place.send(f"{place.control}faults", method="DELETE")


async def test_the_control_api_shows_no_token(place: Place) -> None:
    """Neither tokens nor the app secret, to its own panel either."""
    for operation in ("people/ada", "people", "calls", "faults", "signed-requests", ""):
        answer = await place.send(place.control + operation)
        assert answer.status == 200
        assert SandboxConfig().app_secret not in answer.body
        assert "EAA" not in answer.body


# --- the same in a real browser ---

PAGE = """<!doctype html><title>evil</title>
<form method=post action="http://localhost:{port}{control}faults" enctype="{enctype}">
<input name=preset value=cut></form><script>document.forms[0].submit()</script>"""


@asynccontextmanager
async def _stranger(page: str) -> AsyncGenerator[str]:
    """Another origin on this machine, with one page."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = page.encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.browser
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("enctype", ["application/x-www-form-urlencoded", "text/plain"])
async def test_a_real_browsers_form_from_elsewhere(
    place: Place, chromium: Chromium, name: str, enctype: str
) -> None:
    """Chromium submits a stranger's form, cross-site and same-site: nothing is planned (S13)."""
    before = await place.faults()
    page = PAGE.format(port=place.port, control=place.control, enctype=enctype)
    context = await chromium.new_context()
    async with _stranger(page) as address:
        tab = await context.new_page()
        async with tab.expect_response(lambda answer: "_control/faults" in answer.url) as response:
            await tab.goto(f"http://{address.replace('127.0.0.1', name)}/")
        answered = await response.value
    await context.close()

    assert answered.status == 403
    assert await place.faults() == before


async def test_the_sandbox_is_not_in_production(tmp_path: Path) -> None:
    """`serve` refuses a stand-in for Facebook unless that is said in so many words (R-55)."""
    process = await asyncio.create_subprocess_exec(
        *(BIN / "igauth", "serve"),
        cwd=tmp_path,
        env={"FACEBOOK_GRAPH_URL": "http://localhost:9000"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()

    assert process.returncode == 3
    assert b"\nFACEBOOK_GRAPH_URL: " in said


async def test_the_control_api_is_no_part_of_serve(stage: Stage) -> None:
    """No route of the sandbox answers in a service that isn't `dev` (R-55)."""
    for path in ("/sandbox/_control/", "/_control/", "/_control/faults", "/v26.0/dialog/oauth"):
        assert (await stage.browser().get(path)).status_code == 404
