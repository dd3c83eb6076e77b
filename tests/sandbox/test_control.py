"""The control API and its panel: what a person or a test can do to the offline Facebook."""

from typing import Any

import pytest

from igauth.sandbox.control.people import ACTIONS
from igauth.sandbox.world.cast import CAST
from tests.sandbox.facebook import Facebook, error_of


async def control(facebook: Facebook, method: str, path: str, content: Any = None) -> Any:
    """Ask the control API; the answer must be a success."""
    answer = await facebook.http.request(method, f"/_control/{path}", json=content)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


# --- faults ---


async def test_faults_are_planned_listed_and_removed(facebook: Facebook) -> None:
    """POST, GET, DELETE of one and of all."""
    first = await control(facebook, "POST", "faults", {"preset": "throttled_app", "times": 2})
    await control(facebook, "POST", "faults", {"endpoint": "me", "kind": "cut", "person": "ben"})
    listed = await control(facebook, "GET", "faults")
    await control(facebook, "DELETE", f"faults/{first['id']}")
    fewer = await control(facebook, "GET", "faults")
    await control(facebook, "DELETE", "faults")

    assert (first["code"], first["status"], first["left"]) == (4, 403, 2)
    assert [fault["endpoint"] for fault in listed["data"]] == ["any", "me"]
    assert "throttled_app" in listed["meta"]["presets"]
    assert [fault["endpoint"] for fault in fewer["data"]] == ["me"]
    assert len(facebook.sandbox.faults) == 0


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        ({}, ["endpoint"]),
        ({"endpoint": "wat"}, ["endpoint"]),
        ({"endpoint": "me", "times": 0, "kind": "wat"}, ["kind", "times"]),
        ({"endpoint": "me", "colour": 1}, ["colour"]),
        ({"preset": "wat"}, ["endpoint", "preset"]),
    ],
)
async def test_bad_faults_are_explained(
    facebook: Facebook, content: dict[str, object], fields: list[str]
) -> None:
    """422 names each field, and what is wrong with it."""
    answer = await facebook.http.post("/_control/faults", json=content)

    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json()["problems"]] == fields


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "faults", b"{", 422),
        ("POST", "faults", b"[]", 422),
        ("POST", "delay", b'{"seconds":"wat"}', 422),
        ("POST", "delay", b'{"seconds":-1}', 422),
        ("POST", "clock", b"{}", 422),
        ("POST", "faults", b'{"endpoint":"me","person":"zed"}', 404),
        ("POST", "people/zed/checkpoint", b"", 404),
        ("POST", "people/ada/wat", b"", 404),
        ("POST", "people/ada/checkpoint", b'{"colour":1}', 422),
        ("POST", "people/ada/decline_permission", b"{}", 422),
        ("POST", "people/ada/decline_permission", b'{"permission":"email"}', 422),
        ("POST", "people/ada/grant_permission", b'{"permission":"email"}', 422),
        ("POST", "people/ada/grant_permission", b'{"permission":"\\ud800"}', 422),
        ("POST", "people/ada/lapse_data_access", b"", 422),
        ("POST", "people/ada/link_instagram", b'{"page_id":"1"}', 422),
        ("POST", "people/ada/set_granular", b'{"variant":"wat"}', 422),
        ("POST", "signed-requests", b'{"kind":"deauthorize"}', 422),
        ("POST", "signed-requests", b'{"kind":"wat","person":"ada"}', 422),
        ("POST", "signed-requests", b'{"kind":"deauthorize","person":"zed"}', 404),
        ("GET", "people/zed", b"", 404),
        ("GET", "calls?limit=wat", b"", 422),
        ("DELETE", "faults/77", b"", 404),
        ("GET", "wat", b"", 404),
        ("PUT", "faults", b"", 404),
    ],
)
async def test_bad_requests_are_refused_clearly(
    facebook: Facebook, method: str, path: str, content: bytes, status: int
) -> None:
    """A status, a field and a sentence; never a crash."""
    headers = {"content-type": "application/json"}
    answer = await facebook.http.request(
        method, f"/_control/{path}", content=content, headers=headers
    )

    assert answer.status_code == status, answer.text
    assert answer.json()["error"] == "refused"
    assert all(problem["message"] for problem in answer.json()["problems"])


async def test_other_sites_are_refused(facebook: Facebook) -> None:
    """A foreign page in the developer's browser can't change the sandbox."""
    headers = {"sec-fetch-site": "cross-site"}
    answer = await facebook.http.post("/_control/reset", headers=headers)

    assert answer.status_code == 403


async def test_presets_can_be_read(facebook: Facebook) -> None:
    """GET /_control/presets gives the fields that each fills in."""
    presets = await control(facebook, "GET", "presets")

    assert presets["data"]["exchange_cut_after"] == {
        "endpoint": "exchange",
        "kind": "cut",
        "after_effect": True,
    }


# --- calls ---


async def test_calls_are_logged_without_secrets(facebook: Facebook) -> None:
    """Templates, status, person, version, proof, credential; no token, code or secret."""
    token = await facebook.token()
    await facebook.get("/100001000000001", token, fields="name")
    await facebook.get("/17841401000000001", token)
    answer = await facebook.http.get("/_control/calls")
    entries = answer.json()["data"]

    assert [(entry["endpoint"], entry["path"]) for entry in entries] == [
        ("exchange", "/oauth/access_token"),
        ("upgrade", "/oauth/access_token"),
        ("page", "/{page-id}"),
        ("instagram_account", "/{ig-id}"),
    ]
    assert entries[2] | {"at": ""} == {
        "at": "",
        "method": "GET",
        "endpoint": "page",
        "path": "/{page-id}",
        "version": "v26.0",
        "person": "ada",
        "proof": "valid",
        "credential": "user",
        "carried": "bearer",
        "fields": "name",
        "part_of": None,
        "parts": None,
        "known": True,
        "fault": None,
        "secrets_in_query": ["appsecret_proof"],
        "began": 5,
        "ended": 6,
        "status": 200,
    }
    assert entries[0]["person"] == "ada"
    for secret in (token, facebook.sandbox.config.app_secret, *facebook.sandbox.ledger.codes):
        assert secret not in answer.text


async def test_calls_can_be_filtered_and_forgotten(facebook: Facebook) -> None:
    """By endpoint, person, unknown; with a limit."""
    token = await facebook.token()
    await facebook.token("ben")
    await facebook.get("/me/wat", token)
    of_ada = await control(facebook, "GET", "calls?person=ada&endpoint=exchange")
    unknown = await control(facebook, "GET", "calls?unknown=true")
    newest = await control(facebook, "GET", "calls?limit=1")
    await control(facebook, "DELETE", "calls")

    assert len(of_ada["data"]) == 1
    assert [call["path"] for call in unknown["data"]] == ["/me/wat"]
    assert [call["path"] for call in newest["data"]] == ["/me/wat"]
    assert newest["meta"]["total"] == 5
    assert len(facebook.sandbox.calls) == 0


# --- time, reset ---


async def test_delay_clock_and_reset(facebook: Facebook) -> None:
    """Latency and time are set; reset brings all back to the start."""
    token = await facebook.token()
    await control(facebook, "POST", "delay", {"seconds": 0.5})
    moved = await control(facebook, "POST", "clock", {"advance_seconds": 60})
    await control(facebook, "POST", "people/ada/checkpoint")
    await control(facebook, "POST", "faults", {"preset": "hang"})
    await control(facebook, "POST", "reset")

    assert moved == {"now": "2026-11-23T12:01:00Z"}
    assert await control(facebook, "GET", "clock") == {"now": "2026-11-23T12:00:00Z"}
    assert facebook.sandbox.state.latency_seconds == 0
    assert facebook.sandbox.world.person("ada").grant is None
    assert error_of(await facebook.get("/me", token)) == (400, 190, None)


# --- people ---


async def test_people_are_listed(facebook: Facebook) -> None:
    """The cast with what they have and allow; one person in detail."""
    await facebook.token("dora")
    people = await control(facebook, "GET", "people")
    dora = await control(facebook, "GET", "people/dora")

    assert [one["key"] for one in people["data"]] == [member.key for member in CAST]
    assert people["meta"]["actions"] == list(ACTIONS)
    assert people["data"][0]["grant"] is None
    assert dora["grant"]["permissions"]["pages_show_list"] == "granted"
    assert dora["live_tokens"] == 2
    assert len(dora["page_list"]) == dora["pages"] == 5


async def test_permissions_can_be_changed_behind_the_apps_back(facebook: Facebook) -> None:
    """Declined and granted again in the person's settings."""
    token = await facebook.token()
    path = "people/ada/"
    permission = {"permission": "instagram_basic"}
    await control(facebook, "POST", path + "decline_permission", permission)
    declined = await facebook.get("/17841401000000001", token)
    await control(facebook, "POST", path + "grant_permission", permission)
    granted = await facebook.get("/17841401000000001", token)

    assert error_of(declined) == (403, 10, None)
    assert granted.status_code == 200


async def test_instagram_links_can_be_changed(facebook: Facebook) -> None:
    """Taken off a Page and put on another (facts 8.8)."""
    token = await facebook.token()
    page, other, account = "100001000000001", "100001000000003", "17841401000000001"
    await control(facebook, "POST", "people/ada/unlink_instagram", {"page_id": page})
    body = {"page_id": other, "instagram_account_id": account}
    await control(facebook, "POST", "people/ada/link_instagram", body)
    pages = (await facebook.get("/me/accounts", token, fields="instagram_business_account")).json()

    assert "instagram_business_account" not in pages["data"][0]
    assert pages["data"][2]["instagram_business_account"] == {"id": account}


async def test_answers_vary_by_quirk(facebook: Facebook) -> None:
    """target_ids and expires_in change their shape (facts 3.2, 4.4)."""
    await control(facebook, "POST", "people/ada/set_granular", {"variant": "null"})
    await control(facebook, "POST", "people/ada/set_expiry", {"variant": "never"})
    data = await facebook.debug(await facebook.token())

    assert data["granular_scopes"][0]["target_ids"] is None
    assert data["expires_at"] == 0
