"""The state file: after a restart the sandbox knows what it knew, and nothing it shouldn't."""

import json
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from igauth.sandbox.app import Sandbox, SandboxConfig, config_from
from igauth.sandbox.control.people import ACTIONS
from igauth.sandbox.world.statefile import remember
from tests.sandbox.facebook import REDIRECT_URI, Facebook, TestClock, dialog_url, error_of

ACTION_BODIES = {
    "decline_permission": {"permission": "instagram_basic"},
    "grant_permission": {"permission": "email"},
    "expire_permission": {"permission": "instagram_basic"},
    "link_instagram": {"page_id": "100001000000003", "instagram_account_id": "17841401000000001"},
    "unlink_instagram": {"page_id": "100001000000001"},
    "lose_page": {"page_id": "100001000000001"},
    "set_granular": {"variant": "null"},
    "set_expiry": {"variant": "never"},
    "refuse_field": {"node_id": "100001000000001", "field": "name"},
    "allow_fields": {"node_id": "100001000000001"},
}
UNDOES = {"clear_checkpoint": "checkpoint", "confirm": "unconfirm", "allow_fields": "refuse_field"}


class Place:
    """A folder in which a sandbox can be started again and again."""

    def __init__(self, folder: Path, clock: TestClock) -> None:
        self.file = folder / "sandbox.json"
        self.clock = clock

    @asynccontextmanager
    async def start(self, **config: Any) -> AsyncGenerator[Facebook]:
        """A fresh process, so to speak."""
        sandbox = Sandbox(SandboxConfig(state_file=str(self.file), **config), clock=self.clock)
        async with httpx.AsyncClient(
            transport=sandbox.transport(), base_url="http://localhost:9000"
        ) as http:
            yield Facebook(sandbox, http)

    def content(self) -> dict[str, Any]:
        """What the file holds."""
        content: dict[str, Any] = json.loads(self.file.read_text("ascii"))
        return content


@pytest.fixture
def place(tmp_path: Path, clock: TestClock) -> Place:
    """An empty folder."""
    return Place(tmp_path, clock)


async def control(facebook: Facebook, path: str, body: object = None) -> None:
    """POST to the control API; it must succeed."""
    answer = await facebook.http.post(f"/_control/{path}", json=body or {})
    assert answer.is_success, answer.text


def known(sandbox: Sandbox) -> dict[str, Any]:
    """All that a restart must not change."""
    return remember(sandbox.state).model_dump()


# --- what stays ---


async def test_tokens_and_grants_survive_a_restart(place: Place) -> None:
    """User token, Page token and the choice are as before."""
    async with place.start() as before:
        token = await before.token("ada", pages=["100001000000001"], declined=["email"])
        pages = (await before.get("/me/accounts", token, fields="access_token")).json()
        data = await before.debug(token)
    async with place.start() as after:
        page_token = pages["data"][0]["access_token"]

        assert await after.debug(token) == data
        assert (await after.get("/me/accounts", token, fields="access_token")).json() == pages
        assert (await after.get("/100001000000001", page_token)).status_code == 200


async def test_codes_survive_and_stay_spent(place: Place) -> None:
    """A code can be exchanged after a restart, but once only (facts 2.5)."""
    async with place.start() as facebook:
        answer = await facebook.http.post(
            dialog_url(facebook.sandbox), data={"person": "ada", "decision": "continue"}
        )
        code = httpx.URL(answer.headers["location"]).params["code"]
    async with place.start() as facebook:
        first = await facebook.exchange(code)
    async with place.start() as facebook:
        second = await facebook.exchange(code)

    assert first.status_code == 200
    assert error_of(second) == (400, 100, 36009)


async def test_killed_tokens_stay_dead(place: Place) -> None:
    """Nobody comes back to life; nor do the tokens of those who allowed the app anew."""
    async with place.start() as facebook:
        changed, removed = await facebook.token("ada"), await facebook.token("cleo")
        await control(facebook, "people/ada/change_password")
        await facebook.get("/me/permissions", removed, method="DELETE")
    async with place.start() as facebook:
        await facebook.token("cleo")
        dead = [await facebook.get("/me", token) for token in (changed, removed)]

    assert [error_of(answer) for answer in dead] == [(400, 190, 460), (400, 190, 458)]


@pytest.mark.parametrize("action", ACTIONS)
async def test_every_action_survives(place: Place, action: str) -> None:
    """Whatever the control API did to a person is there after a restart."""
    async with place.start() as facebook:
        await facebook.token("ada")
        blank = known(facebook.sandbox)
        if action in UNDOES:
            undone = UNDOES[action]
            await control(facebook, f"people/ada/{undone}", ACTION_BODIES.get(undone))
            blank = known(facebook.sandbox)
        await control(facebook, f"people/ada/{action}", ACTION_BODIES.get(action))
        before = known(facebook.sandbox)
    async with place.start() as facebook:
        assert known(facebook.sandbox) == before
    assert before != blank


async def test_a_quirk_set_back_to_the_usual_survives(place: Place) -> None:
    """lou's target_ids are absent by nature; `listed` is a change."""
    async with place.start() as facebook:
        await control(facebook, "people/lou/set_granular", {"variant": "listed"})
    async with place.start() as facebook:
        assert facebook.sandbox.world.person("lou").quirks.granular == "listed"


async def test_a_refusal_of_the_cast_that_was_lifted_stays_lifted(place: Place) -> None:
    """pia's account refuses a field by nature; that it answers for all is a change."""
    async with place.start() as facebook:
        await control(facebook, "people/pia/allow_fields", {"node_id": "17841416000000002"})
    async with place.start() as facebook:
        assert facebook.sandbox.world.person("pia").quirks.refused_fields == {}


async def test_links_lead_to_the_same_account(place: Place) -> None:
    """Unlinked and linked Instagram accounts, lost Pages."""
    async with place.start() as facebook:
        for action in ("unlink_instagram", "link_instagram"):
            await control(facebook, f"people/ada/{action}", ACTION_BODIES[action])
        await control(facebook, "people/ada/lose_page", {"page_id": "100001000000002"})
        before = facebook.sandbox.world.person("ada").pages
    async with place.start() as facebook:
        assert facebook.sandbox.world.person("ada").pages == before


async def test_the_clock_stays_ahead(place: Place) -> None:
    """A token that expired by moving the clock is expired after a restart as well."""
    async with place.start() as facebook:
        token = await facebook.token()
        await control(facebook, "clock", {"advance_seconds": 61 * 86_400})
    async with place.start() as facebook:
        assert facebook.sandbox.clock.seconds_ahead == 61 * 86_400
        assert error_of(await facebook.get("/me", token)) == (400, 190, 463)


async def test_a_fragile_person_remembers_what_was_asked(place: Place) -> None:
    """ivan's second question kills the token, restart or not."""
    async with place.start() as facebook:
        token = await facebook.token("ivan")
        first = await facebook.get("/me", token)
    async with place.start() as facebook:
        await facebook.get("/me", token)
        last = await facebook.get("/me", token)

    assert first.status_code == 200
    assert error_of(last) == (400, 190, 460)


async def test_another_apps_token_stays_foreign(place: Place) -> None:
    """It has no serial number here, and takes none (facts 4.6)."""
    async with place.start() as facebook:
        token = await facebook.token()
        foreign = facebook.sandbox.ledger.add_foreign_token().text
        await control(facebook, "people/ada/checkpoint")
        await control(facebook, "people/ada/clear_checkpoint")
    async with place.start() as facebook:
        assert (await facebook.get("/me", token)).status_code == 200
        assert error_of(await facebook.get("/me", foreign)) == (400, 190, None)
        assert "Invalid OAuth access token signature" in (await facebook.get("/me", foreign)).text


# --- what goes ---


async def test_reset_empties_the_file(place: Place) -> None:
    """The control API's reset forgets on disk as well; an old Page token fits no new person."""
    async with place.start() as facebook:
        token = await facebook.token()
        page = await facebook.get("/100001000000001", token, fields="access_token")
        await control(facebook, "reset")
        content = place.content()
        await facebook.token()
    async with place.start() as facebook:
        again = await facebook.get("/100001000000001", page.json()["access_token"])

    assert content.keys() == {"version", "app_id", "page_token_key", "next_serial"}
    assert error_of(again) == (400, 190, None)


async def test_reset_by_a_test_empties_it_too(place: Place) -> None:
    """`Sandbox.reset()` has no request that would save."""
    async with place.start() as facebook:
        await facebook.token()
        facebook.sandbox.reset()

    assert "tokens" not in place.content()


async def test_faults_calls_and_latency_are_not_kept(place: Place) -> None:
    """They belong to the session in front of the screen."""
    async with place.start() as facebook:
        await control(facebook, "faults", {"preset": "hang", "endpoint": "picture"})
        await control(facebook, "delay", {"seconds": 0.01})
        await facebook.get("/me")
    async with place.start() as facebook:
        assert len(facebook.sandbox.faults) == len(facebook.sandbox.calls) == 0
        assert facebook.sandbox.state.latency_seconds == 0


async def test_people_made_by_a_test_are_not_kept(place: Place) -> None:
    """Nor their tokens; those of the cast keep their serial numbers."""
    async with place.start() as facebook:
        zoe = facebook.sandbox.world.add_person("zoe", "Zoe")
        zoe.add_page("Zoe's")
        made = await facebook.token("zoe")
        token = await facebook.token("ada")
        page = await facebook.get("/100001000000001", token, fields="access_token")
        answered = [made, token, page.json()["access_token"]]
    async with place.start() as facebook:
        again = [await facebook.get("/me", text) for text in answered]

    assert [answer.status_code for answer in again] == [400, 200, 200]


async def test_long_expired_codes_and_tokens_leave_the_file(place: Place) -> None:
    """A folder used for months doesn't fill up."""
    async with place.start() as facebook:
        await facebook.token()
        place.clock.advance(91 * 86_400)
        await facebook.token()

    content = place.content()
    assert (len(content["codes"]), len(content["tokens"])) == (1, 2)
    assert content["next_serial"] == 4


# --- the file itself ---


async def test_ten_thousand_pages_stay_small(place: Place) -> None:
    """The choice is kept as a difference from what was offered."""
    async with place.start() as facebook:
        lou = facebook.sandbox.world.person("lou")
        most = list(lou.pages)[1:]
        await facebook.token("lou", pages=most)
        await facebook.token("kim")
        choice = lou.grant and lou.grant.choice
    size = place.file.stat().st_size
    async with place.start() as facebook:
        grant = facebook.sandbox.world.person("lou").grant

    assert size < 10_000
    assert grant is not None
    assert grant.choice == choice
    assert len(grant.choice.pages or ()) == 9_999


async def test_only_the_owner_can_read_it(place: Place) -> None:
    """Mode 0600, and nothing half written beside it."""
    async with place.start() as facebook:
        await facebook.token()

    assert place.file.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in place.file.parent.iterdir()] == ["sandbox.json"]


async def test_reading_writes_nothing(place: Place) -> None:
    """Most calls change nothing: the file is left alone."""
    async with place.start() as facebook:
        token = await facebook.token()
        place.file.unlink()
        await facebook.get("/me/accounts", token)
        await facebook.http.get("/_control/")

        assert not place.file.exists()


async def test_a_lost_answer_was_saved(place: Place) -> None:
    """A code consumed by a call whose answer was cut is consumed after a restart."""
    async with place.start() as facebook:
        code = facebook.sandbox.authorize("ada", redirect_uri=REDIRECT_URI)
        facebook.sandbox.faults.preset("exchange_cut_after", times=1)
        with pytest.raises(httpx.RemoteProtocolError):
            await facebook.exchange(code)
    async with place.start() as facebook:
        assert error_of(await facebook.exchange(code)) == (400, 100, 36009)


def _cut_short(text: str) -> str:
    return text[:-9]


@pytest.mark.parametrize(
    "spoil",
    [
        _cut_short,
        lambda _: "",
        lambda _: "[" * 100_000,
        lambda _: "null",
        lambda _: "\udcff",
        lambda text: text.replace('"version":1', '"version":0'),
        lambda text: text.replace('"version":1', '"version":2'),
        lambda text: text.replace("901234567890123", "901234567890124"),
        lambda text: text.replace('"kind":"USER"', '"kind":"WAT"'),
    ],
)
async def test_a_file_that_cannot_be_used_is_survived(
    place: Place, spoil: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    """One warning, which shows no token; then all begins anew, and is kept again."""
    async with place.start() as facebook:
        old = await facebook.token()
    spoilt = spoil(place.file.read_text("ascii"))
    place.file.write_text(spoilt, "utf-8", "surrogateescape")
    async with place.start() as facebook:
        refused = await facebook.get("/me", old)
        token = await facebook.token()
    async with place.start() as facebook:
        again = await facebook.get("/me", token)

    assert error_of(refused) == (400, 190, None)
    assert again.status_code == 200
    assert [record.levelno for record in caplog.records if record.name.startswith("igauth")] == [
        logging.WARNING
    ]
    assert "starts afresh" in caplog.text
    assert old not in caplog.text


async def test_a_file_that_cannot_be_written_is_survived(
    tmp_path: Path, clock: TestClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The sandbox works on, with one warning."""
    place = Place(tmp_path / "missing", clock)
    async with place.start() as facebook:
        token = await facebook.token()
        answer = await facebook.get("/me", token)

    assert answer.status_code == 200
    assert caplog.text.count("isn't kept") == 1


def test_the_environment_can_name_the_file() -> None:
    """SANDBOX_STATE_FILE."""
    assert config_from({"SANDBOX_STATE_FILE": "x.json"}).state_file == "x.json"
    assert config_from({}).state_file is None
