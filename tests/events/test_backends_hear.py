"""Events as the operator's servers get them: `GET /v1/events`, and whose they are (§11, §12)."""

from httpx import AsyncClient

from igauth.domain import ServiceScope
from tests.events.test_feed import write
from tests.events.told import told
from tests.journeys.test_backends_connect import begin, brought, come_back, complete
from tests.journeys.test_backends_reading import offer, redeem
from tests.stage import Browser, Stage


async def ids(backend: AsyncClient, **query: str | int) -> list[str]:
    """Whose connect sessions a page tells of."""
    answer = await backend.get("/v1/events", params=query)
    assert answer.status_code == 200, answer.text
    return [each["data"]["connect_session"]["id"] for each in answer.json()["data"]]


async def test_the_feed_over_http(stage: Stage) -> None:
    """Data and `meta.next`; types by comma; the empty page gives the given cursor."""
    backend = await stage.backend(ServiceScope.EVENTS)
    assert (await backend.get("/v1/events")).json() == {"data": [], "meta": {"next": None}}
    await write(stage, 1, 2, 3)
    first = (await backend.get("/v1/events", params={"limit": 2})).json()
    cursor = first["meta"]["next"]
    rest = (await backend.get("/v1/events", params={"after": cursor})).json()
    end = rest["meta"]["next"]
    empty = (await backend.get("/v1/events", params={"after": end})).json()

    assert [len(first["data"]), len(rest["data"])] == [2, 1]
    assert empty == {"data": [], "meta": {"next": end}}
    assert [first["data"], rest["data"]] == [(await told(stage))[:2], (await told(stage))[2:]]
    wanted = "connection.created, connect_session.refused"
    assert await ids(backend, types=wanted) == ["cs_1", "cs_2", "cs_3"]
    assert await ids(backend, types="connection.created") == []


async def test_what_is_wrong_with_a_request(stage: Stage) -> None:
    """A scope lacking, an odd cursor, unknown types, a limit out of bounds, a cursor from afar."""
    backend = await stage.backend(ServiceScope.EVENTS)
    reader = await stage.backend(ServiceScope.READ)
    odd = [{"after": "x"}, {"types": "nonsense"}, {"types": ""}, {"limit": "0"}, {"limit": "9999"}]

    assert (await reader.get("/v1/events")).json()["code"] == "scope_missing"
    for query in odd:
        answer = await backend.get("/v1/events", params=query)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    answer = await backend.get("/v1/events", params={"after": "99"})
    assert (answer.status_code, answer.json()["code"]) == (410, "cursor_expired")


async def test_events_name_the_users_who_are_linked(stage: Stage, browser: Browser) -> None:
    """From the very event in which a connect session links one; then all of them, to the end."""
    backend = await stage.backend()
    session = await begin(backend)
    code = brought(await come_back(browser, session))["connect_code"]
    assert (await complete(backend, session, code)).status_code == 200
    (created,) = await told(stage)
    await browser.log_in("ada")
    await redeem(backend, (await browser.send("POST", "/me/handoff")).json()["code"], "a-second")
    await browser.log_in("ada")
    reconnected = (await told(stage))[-1]
    await backend.delete(f"/v1/connections/{created['data']['connection']['id']}")
    (deleted,) = await told(stage)

    assert (created["type"], created["data"]["external_ids"]) == ("connection.created", ["u1"])
    assert reconnected["type"] == "connection.reconnected"
    assert reconnected["data"]["external_ids"] == ["a-second", "u1"]
    assert deleted["data"] == {
        "connection": {"id": created["data"]["connection"]["id"]},
        "external_ids": ["a-second", "u1"],
        "reason": "backend",
    }


async def test_a_user_who_leaves_with_all_is_named(stage: Stage, browser: Browser) -> None:
    """`DELETE /v1/links?disconnect=true`: the link goes last."""
    backend = await stage.backend()
    await browser.log_in("ada")
    await redeem(backend, (await offer(browser)).json()["code"], "u1")
    params = {"external_id": "u1", "disconnect": "true"}
    await backend.delete("/v1/links", params=params)
    (deleted,) = await told(stage)

    assert (deleted["data"]["external_ids"], deleted["data"]["reason"]) == (["u1"], "backend")


async def test_a_wrong_user_is_told_once(stage: Stage, browser: Browser) -> None:
    """`connect_session.refused`, with the session and the user who began it."""
    backend = await stage.backend()
    session = await begin(backend, "mallory")
    code = brought(await come_back(browser, session))["connect_code"]
    for _ in range(2):
        await complete(backend, session, code, "victim")
    (event,) = await told(stage)

    assert event["type"] == "connect_session.refused"
    assert event["data"] == {
        "connect_session": {"id": session["id"]},
        "external_ids": ["mallory"],
    }
