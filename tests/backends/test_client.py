"""The Python client, against the service (clients/python)."""

import inspect
from collections.abc import AsyncGenerator

import httpx
import pytest
from igauth_client import client as module
from igauth_client.client import AsyncIgAuth, IgAuth, IgAuthProblem

from tests.stage import BASE_URL, FRONTEND, Browser, Stage

BAKERY = "17841401000000001"


@pytest.fixture
async def igauth(stage: Stage) -> AsyncGenerator[AsyncIgAuth]:
    """The client, with a key that may do everything."""
    backend = await stage.backend()
    key = backend.headers["authorization"].removeprefix("Bearer ")
    async with AsyncIgAuth(BASE_URL, key, transport=backend._transport) as opened:
        yield opened


async def test_the_story_of_a_user(igauth: AsyncIgAuth, browser: Browser) -> None:
    """Connected, read, acted for, let go."""
    session = await igauth.create_connect_session("u1", f"{FRONTEND}/done", state="s")
    dialog = await browser.http.get(session["url"])
    callback = await browser.consent(dialog.headers["location"])
    back = httpx.URL((await browser.http.get(callback)).headers["location"]).params
    assert (await igauth.connect_session(session["id"]))["status"] == "returned"
    done = await igauth.complete(back["connect_session"], back["connect_code"], external_id="u1")
    listing = await igauth.accounts(external_id="u1")
    token = await igauth.token(BAKERY, external_id="u1", purpose="test")
    connection = done["connection"]["id"]

    assert listing["data"] == done["data"]
    assert token["connection_id"] == connection
    assert (await igauth.connections(external_id="u1"))["data"][0]["id"] == connection
    assert (await igauth.verify(connection))["status"] == "active"
    assert (await igauth.connection(connection))["used_at"] is not None
    assert await igauth.remove_links(external_id="u1", disconnect=True) == {}
    assert (await igauth.connections())["data"] == []
    heard = await igauth.events(types=["connection.deleted", "connection.revoked"])
    assert [each["data"]["connection"]["id"] for each in heard["data"]] == [connection]
    assert await igauth.events(after=heard["meta"]["next"]) == {"data": [], "meta": heard["meta"]}


async def test_a_refusal_is_a_problem(igauth: AsyncIgAuth) -> None:
    """With its code, and whether to try again."""
    with pytest.raises(IgAuthProblem) as raised:
        await igauth.token(BAKERY, external_id="nobody")

    assert (raised.value.code, raised.value.status) == ("not_found", 404)
    assert raised.value.retryable is False
    assert raised.value.problem["request_id"]


async def test_an_id_from_a_browser_stays_one_part_of_the_path(igauth: AsyncIgAuth) -> None:
    """What came in an address can't lead the server elsewhere."""
    for odd in ("../service-key", "x?y=1", "a/b", "..", "%2e%2e"):
        with pytest.raises(IgAuthProblem, match="not_found"):
            await igauth.complete(odd, "code", external_id="u1")


def test_the_client_for_threads_sends_the_same() -> None:
    """The same methods; key in its header, nothing of None."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"name": "n"})

    with IgAuth(BASE_URL, "igsk_x", transport=httpx.MockTransport(answer)) as igauth:
        assert igauth.service_key() == {"name": "n"}
        igauth.create_connect_session("u1", "https://app.test/")

    assert [request.headers["authorization"] for request in seen] == ["Bearer igsk_x"] * 2
    assert seen[1].content == b'{"external_id":"u1","return_to":"https://app.test/"}'
    public = [
        {name for name, _ in inspect.getmembers(kind) if not name.startswith("_")}
        for kind in (module.IgAuth, module.AsyncIgAuth)
    ]
    assert public[0] == public[1]


def test_what_is_not_igauths_is_a_problem_too() -> None:
    """A proxy's page."""
    transport = httpx.MockTransport(lambda _: httpx.Response(502, text="<html>"))
    with (
        IgAuth(BASE_URL, "igsk_x", transport=transport) as igauth,
        pytest.raises(IgAuthProblem) as raised,
    ):
        igauth.service_key()

    assert (raised.value.status, raised.value.code) == (502, "unknown")
