"""The control panel: one page that works by links and forms, and a script that keeps it fresh."""

import re
from typing import Any

import httpx
import pytest

from igauth.sandbox.app import Sandbox, SandboxConfig
from igauth.sandbox.control.faults import ENDPOINTS, PRESET_MENU, PRESETS
from igauth.sandbox.control.people import ACTIONS
from igauth.sandbox.dialog.request import KNOWN_PERMISSIONS
from igauth.sandbox.pages import make_pages, spoken
from igauth.sandbox.world.instagram import PERMISSIONS as INSTAGRAM_PERMISSIONS
from igauth.sandbox.world.people import Person
from tests.sandbox.facebook import REDIRECT_URI, Facebook, dialog_url


async def panel(facebook: Facebook) -> str:
    """The page."""
    answer = await facebook.http.get("/_control/")
    assert answer.status_code == 200, answer.text
    return answer.text


async def mark(facebook: Facebook) -> Any:
    """What the script compares to see whether anything changed."""
    return (await facebook.http.get("/_control/calls?limit=1")).json()["meta"]["mark"]


async def test_the_panel_shows_people_faults_and_calls(facebook: Facebook) -> None:
    """Everything in one page, hostile names escaped."""
    await facebook.token("hana")
    facebook.sandbox.faults.preset("throttled_app", times=3)
    for path in ("/_control", "/_control/"):
        answer = await facebook.http.get(path)

        assert answer.status_code == 200
        assert "<script>" not in answer.text
        assert "&lt;script&gt;alert" in answer.text
        assert "throttled_app" in answer.text
        assert "/oauth/access_token" in answer.text
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("path", "form", "section"),
    [
        ("faults", {"preset": "hang", "endpoint": "me", "person": "ben", "times": "3"}, "faults"),
        ("faults", {"preset": "hang", "endpoint": "", "person": "", "times": ""}, "faults"),
        ("faults", {"endpoint": "me", "kind": "cut", "after_effect": "true"}, "faults"),
        ("faults/clear", {}, "faults"),
        ("calls/clear", {}, "calls"),
        ("delay", {"seconds": "0.25"}, "time"),
        ("clock", {"advance_seconds": "3600"}, "time"),
        ("people/ada/change_password", {}, "person-ada"),
        ("signed-requests", {"kind": "deauthorize", "person": "ada", "tamper": ""}, "callbacks"),
        ("reset", {}, "time"),
    ],
)
async def test_forms_go_back_to_the_panel(
    facebook: Facebook, path: str, form: dict[str, str], section: str
) -> None:
    """A posted form does the same operation and leads to its place; empty fields don't count."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    content = str(httpx.QueryParams(form)).encode()
    answer = await facebook.http.post(f"/_control/{path}", content=content, headers=headers)

    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == f"/_control/#{section}"
    assert f'id="{section}"' in (await facebook.http.get("/_control/")).text


async def test_a_wrong_form_is_explained_as_a_page(facebook: Facebook) -> None:
    """People who use the panel get HTML, not JSON."""
    answer = await facebook.http.post("/_control/delay", data={"seconds": "wat"})

    assert answer.status_code == 422
    assert "Not done" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


async def test_a_fault_can_be_removed_by_form(facebook: Facebook) -> None:
    """Forms can't DELETE: there is a POST for it."""
    fault = facebook.sandbox.faults.preset("hang")
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await facebook.http.post(f"/_control/faults/{fault.id}/remove", headers=headers)

    assert answer.status_code == 303
    assert len(facebook.sandbox.faults) == 0


async def test_codes_stay_out_of_the_panel(facebook: Facebook) -> None:
    """No token or code is shown to anybody who can see the screen."""
    code = facebook.sandbox.authorize("ada", redirect_uri=REDIRECT_URI)
    await facebook.exchange(code)
    page = (await facebook.http.get("/_control/")).text

    assert code not in page
    assert "EAAU" not in page


# --- what is on it ---


def test_the_menu_names_what_there_is() -> None:
    """Every button leads somewhere; what the pages call things exists."""
    words: Any = make_pages(SandboxConfig()).environment.get_template("_words.html").module
    listed = [preset for group in PRESET_MENU.values() for preset in group]
    actions = [*(one[0] for one in words.TOKEN_ACTIONS), *(one[1] for one in words.SWITCHES)]

    assert set(listed) <= PRESETS.keys()
    assert len(listed) == len(set(listed))
    assert {*actions, *(one[2] for one in words.SWITCHES)} <= ACTIONS.keys()
    assert all(one[0] in Person.__slots__ for one in words.SWITCHES)
    assert set(words.ENDPOINTS) <= set(ENDPOINTS)
    assert set(words.PERMISSIONS) <= KNOWN_PERMISSIONS | set(INSTAGRAM_PERMISSIONS)


async def test_every_preset_and_action_can_be_reached(facebook: Facebook) -> None:
    """By a button or in a list, without writing JSON."""
    await facebook.token("ada", declined=["instagram_basic"])
    await facebook.http.post("/_control/people/ada/checkpoint")
    text = await panel(facebook)

    assert all(f"<option>{name}</option>" in text for name in PRESETS)
    assert {name for name in ACTIONS if f'"/_control/people/ada/{name}"' in text} == (
        ACTIONS.keys() - {"checkpoint", "confirm"}
    )


async def test_a_switch_that_is_on_offers_to_be_put_off(facebook: Facebook) -> None:
    """Checkpoint and unconfirmed are pressed buttons."""
    before = await panel(facebook)
    for action in ("checkpoint", "unconfirm"):
        await facebook.http.post(f"/_control/people/ada/{action}")
    after = await panel(facebook)

    assert "people/ada/clear_checkpoint" not in before
    assert '/_control/people/ada/clear_checkpoint" aria-pressed="true"' in after
    assert '/_control/people/ada/confirm" aria-pressed="true"' in after
    assert "at a checkpoint" in after


async def test_planned_faults_are_named_as_their_buttons(facebook: Facebook) -> None:
    """With what they strike, whom, and how often still."""
    facebook.sandbox.faults.preset("throttled_app", endpoint="me", person="ben", times=2)
    text = await panel(facebook)

    assert "<strong>Throttled: App</strong>" in text
    assert "me · ben · 2 more · HTTP 403 code 4" in text


async def test_the_answer_to_a_signed_request_is_shown(facebook: Facebook) -> None:
    """Here: that no address is configured; and whose data it was."""
    await facebook.http.post(
        "/_control/signed-requests", json={"kind": "deauthorize", "person": "ada"}
    )
    text = await panel(facebook)

    assert "<strong>Deauthorize</strong> of ada" in text
    assert "no deauthorize_url is configured" in text


@pytest.mark.parametrize(
    ("body", "link"),
    [
        ({"url": "https://app.test/d/1", "confirmation_code": "1"}, 'href="https://app.test/d/1"'),
        ({"url": "javascript:alert(1)", "confirmation_code": "1"}, None),
        ([], None),
    ],
)
async def test_a_deletions_progress_can_be_followed(body: object, link: str | None) -> None:
    """The app's link is offered if it leads to the web, and only then."""
    app = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    async with httpx.AsyncClient(transport=app) as callback_client:
        config = SandboxConfig(data_deletion_url="http://app.test/x")
        sandbox = Sandbox(config, callback_client=callback_client)
        await sandbox.callbacks.deliver("data_deletion", sandbox.world.person("ada").id)
        async with httpx.AsyncClient(transport=sandbox.transport(), base_url="http://x") as http:
            text = (await http.get("/_control/")).text

    assert ("status page" in text) == (link is not None)
    assert link is None or link in text
    assert 'href="javascript:' not in text


async def test_the_clock_says_how_far_ahead_it_is(facebook: Facebook) -> None:
    """And how to come back."""
    plain = await panel(facebook)
    await facebook.http.post("/_control/clock", json={"advance_seconds": 93_600})
    ahead = await panel(facebook)
    await facebook.http.post("/_control/clock", json={"advance_seconds": -97_200})

    assert "in step with real time" in plain
    assert "1 day 2 hours ahead of" in ahead
    assert 'value="-93600.0">Back to real time' in ahead
    assert "1 hour behind" in await panel(facebook)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 seconds"), (1, "1 second"), (61.4, "1 minute 1 second"), (8.64e7, "1,000 days")],
)
def test_durations_are_spoken(seconds: float, words: str) -> None:
    """In the two largest units."""
    assert spoken(seconds) == words


async def test_the_app_can_be_opened_from_the_panel() -> None:
    """Its origin is taken from the configured addresses."""
    sandbox = Sandbox(SandboxConfig(redirect_uris=("http://localhost:8000/auth/callback?a=1",)))
    async with httpx.AsyncClient(transport=sandbox.transport(), base_url="http://x") as http:
        text = (await http.get("/_control/")).text

    assert 'href="http://localhost:8000/"' in text


# --- how it stays fresh, and safe ---


async def test_the_mark_changes_with_what_is_shown(facebook: Facebook) -> None:
    """The script asks for little, and fetches the page only when something happened."""
    marks = [await mark(facebook), await mark(facebook)]
    await facebook.get("/me")
    marks.append(await mark(facebook))
    for path, wanted in (
        ("faults", {"preset": "hang"}),
        ("faults/clear", {}),
        ("delay", {"seconds": 1}),
        ("clock", {"advance_seconds": 1}),
        ("people/ben/checkpoint", {}),
        ("calls/clear", {}),
    ):
        answer = await facebook.http.post(f"/_control/{path}", json=wanted)
        assert answer.is_success, answer.text
        marks.append(await mark(facebook))

    assert marks[0] == marks[1]
    assert len(set(marks[1:])) == len(marks) - 1


async def test_pages_keep_to_the_policy(facebook: Facebook) -> None:
    """No inline script or style, no handler: the policy would block it anyway."""
    facebook.http.cookies.set("sandbox_person", "ada")
    pages = [await facebook.http.get(path) for path in ("/_control/", dialog_url(facebook.sandbox))]

    for page in pages:
        assert re.findall(r"<script\b[^>]*>([^<]*)", page.text) == [""]
        assert not re.search(r"<style|<[^>]*\s(style|on\w+)=|=.?javascript:", page.text)
        assert "connect-src 'self'" in page.headers["content-security-policy"]
        assert "unsafe" not in page.headers["content-security-policy"]


async def test_every_field_of_the_panel_has_a_name(facebook: Facebook) -> None:
    """Each input and select stands in a label or carries one."""
    await facebook.token("ada")
    text = await panel(facebook)
    outside = re.sub(r"<label.*?</label>", "", text, flags=re.S)
    fields = re.findall(r'<(?:input|select)\b(?![^>]*type="hidden")[^>]*>', outside)

    assert all("aria-label=" in field for field in fields)
    assert not re.search(r"<button[^>]*>\s*</button>", text)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("panel.js", "text/javascript"), ("dialog.js", "text/javascript"), ("panel.css", "text/css")],
)
async def test_scripts_and_styles_are_revalidated(facebook: Facebook, name: str, kind: str) -> None:
    """After an upgrade nobody sees the old ones; unchanged ones aren't sent again."""
    first = await facebook.http.get(f"/_static/{name}")
    headers = {"if-none-match": first.headers["etag"]}
    again = await facebook.http.get(f"/_static/{name}", headers=headers)

    assert first.headers["content-type"].startswith(kind)
    assert (again.status_code, again.content) == (304, b"")


async def test_below_a_prefix_every_link_carries_it() -> None:
    """In `igauth dev` the sandbox stands below /sandbox."""
    sandbox = Sandbox(SandboxConfig(public_url="http://localhost:8000/sandbox"))
    base = "http://localhost:8000/sandbox"
    async with httpx.AsyncClient(transport=sandbox.transport(), base_url=base) as http:
        sandbox.authorize("ada", redirect_uri=REDIRECT_URI)
        text = (await http.get("/_control/")).text
        done = await http.post("/_control/people/ada/log_out", data={})
        form = {"content-type": "application/x-www-form-urlencoded"}
        sent = await http.post("/_control/faults", content=b"preset=hang", headers=form)
        refused = await http.post("/_control/delay", data={"seconds": "wat"})

    links = re.findall(r'(?:href|src|action|formaction|data-calls)="(/[^"]*)"', text)
    assert len(links) > 100
    assert all(link.startswith("/sandbox/") for link in links)
    assert done.is_success or done.status_code == 303
    assert sent.headers["location"] == "/sandbox/_control/#faults"
    assert 'href="/sandbox/_control/"' in refused.text
