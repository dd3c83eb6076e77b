"""`igauth doctor`: what it finds, how bad that is, and what mends it (contract §1)."""

from dataclasses import replace

import pytest
from pydantic import SecretStr

from igauth.bootstrap import Wiring, open_examination
from igauth.domain import Provider
from igauth.settings import RootKey, Settings
from igauth.upkeep.doctor import dashboard_urls, permission_notes
from igauth.upkeep.findings import Finding, Verdict, setting_warnings
from tests.cli.commands import free_port
from tests.stage import SECURE_URL, Stage, instagram_pair, make_settings

NEWER = RootKey("k2", bytes(range(50, 82)))
INSTAGRAM = {
    "instagram_client_id": "26000000000000041",
    "instagram_client_secret": SecretStr("f" * 31 + "e"),
}


async def findings(stage: Stage, **change: object) -> list[Finding]:
    """What `igauth doctor` finds against the offline Facebook."""
    settings = stage.settings.model_copy(update=change)
    wiring = Wiring(transport=stage.sandbox.transport(), clock=stage.clock)
    async with open_examination(settings, wiring) as examined:
        return [finding async for finding in examined]


def about(subject: str, found: list[Finding]) -> Finding:
    """The one finding on this subject."""
    (one,) = [finding for finding in found if finding.subject == subject]
    return one


async def test_a_good_configuration_is_well(stage: Stage) -> None:
    """Each check of the contract; one call to Facebook."""
    found = await findings(stage)

    assert [finding.subject for finding in found[:6]] == [
        *("settings", "database", "keys"),
        *("Facebook app", "Graph version", "Login configuration"),
    ]
    assert {finding.verdict for finding in found[:6]} == {Verdict.WELL}
    assert stage.graph_calls == ["app_token"]


async def test_a_stand_in_is_a_warning(stage: Stage) -> None:
    """Allowed on purpose, so nothing is broken; said, so that nobody forgets it."""
    found = await findings(stage)

    assert about("Facebook", found).verdict is Verdict.WARNING
    assert Verdict.NOT_WELL not in {finding.verdict for finding in found}


@pytest.mark.parametrize(
    ("change", "subject", "text"),
    [
        ({"facebook_client_secret": SecretStr("f" * 32)}, "Facebook app", "CLIENT_SECRET"),
        ({"facebook_client_id": "111"}, "Facebook app", "CLIENT_ID"),
        ({"facebook_api_version": "v18.0"}, "Graph version", "v21.0 is served"),
        ({"keys": (replace(NEWER, kid="k1"),)}, "keys", "other bytes"),
    ],
)
async def test_what_is_wrong_is_named_with_its_mend(
    stage: Stage, change: dict[str, object], subject: str, text: str
) -> None:
    """A wrong secret, app id, version or ring."""
    sick = about(subject, await findings(stage, **change))

    assert sick.verdict is Verdict.NOT_WELL
    assert text in sick.text
    assert sick.mend


async def test_facebook_away_is_no_verdict_on_the_secret(stage: Stage) -> None:
    """No answer; the mend names the network."""
    stage.sandbox.faults.add("any", "cut")

    sick = about("Facebook app", await findings(stage))

    assert (sick.verdict, sick.text) == (Verdict.NOT_WELL, "Facebook is not reachable")
    assert "network" in (sick.mend or "")


async def test_a_proxy_of_the_environment_is_pointed_out(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTPS_PROXY isn't heeded; who relies on it is told the setting that is (defect B29)."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    stage.sandbox.faults.add("any", "cut")

    assert "OUTBOUND_PROXY" in (about("Facebook app", await findings(stage)).mend or "")


async def test_a_database_away_keeps_no_other_check(stage: Stage) -> None:
    """Database and keys can't be told; the app still can."""
    found = await findings(
        stage, database_url=SecretStr(f"postgresql+asyncpg://u@127.0.0.1:{free_port()}/d")
    )

    assert about("database", found).verdict is Verdict.NOT_WELL
    assert about("keys", found).text == "could not be compared with the database"
    assert about("Facebook app", found).verdict is Verdict.WELL


async def test_only_open_doors_are_examined(stage: Stage) -> None:
    """Facebook's app isn't asked for where its pair isn't set."""
    closed = {"facebook_client_id": None, "facebook_client_secret": None}
    found = await findings(stage, **closed, **instagram_pair())

    assert "Facebook app" not in {finding.subject for finding in found}
    assert about("Instagram app", found).verdict is Verdict.WELL
    assert stage.graph_calls == ["instagram_exchange"]


@pytest.mark.parametrize("wrong", ["instagram_client_id", "instagram_client_secret"])
async def test_a_wrong_instagram_pair_is_named(stage: Stage, wrong: str) -> None:
    """As far as Instagram tells: a code that nobody issued is refused for another reason."""
    value: object = "111" if wrong == "instagram_client_id" else SecretStr("f" * 32)
    found = await findings(stage, **{**instagram_pair(), wrong: value})

    assert about("Instagram app", found).verdict is Verdict.NOT_WELL
    assert "INSTAGRAM_CLIENT_ID" in about("Instagram app", found).text
    assert about("Facebook app", found).verdict is Verdict.WELL


async def test_instagram_away_is_no_verdict_on_the_pair(stage: Stage) -> None:
    """The mend names where to look."""
    stage.sandbox.faults.add("instagram", "cut")
    found = await findings(stage, **instagram_pair())

    assert about("Instagram app", found).text == "Instagram is not reachable"
    assert "INSTAGRAM_TOKEN_URL" in str(about("Instagram app", found).mend)


def warned_of(database_url: str = "sqlite:///x.db", **overrides: object) -> list[Finding]:
    """What such settings risk."""
    settings = make_settings(database_url, **overrides)
    found = list(setting_warnings(settings))
    assert {finding.verdict for finding in found} <= {Verdict.WARNING}
    assert all(finding.mend for finding in found)
    return found


def test_a_front_end_on_another_site_is_warned_of() -> None:
    """No cookie will reach igauth from there; three ways out are named (defect B4)."""
    found = warned_of(
        base_url=SECURE_URL,
        frontend_url="https://app.example.test/",
        allowed_origins="https://app.example.test,https://else.where.invalid",
    )

    assert [finding.subject for finding in found] == ["front end"]
    assert "https://else.where.invalid" in found[0].text
    assert found[0].mend is not None
    assert len(found[0].mend.split("; or ")) == 3


def test_a_front_end_on_the_same_site_is_not() -> None:
    """Another port or a sister domain."""
    assert warned_of(frontend_url="http://localhost:5173/") == []
    assert warned_of(base_url=SECURE_URL, frontend_url="https://app.example.test/") == []


def test_a_misspelt_setting_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would silently do nothing (defect B11)."""
    monkeypatch.setenv("SESION_MAX_DAYS", "3")
    (finding,) = warned_of()

    assert "SESION_MAX_DAYS" in finding.text
    assert "SESSION_MAX_DAYS" in finding.text


@pytest.mark.parametrize(("mode", "number"), [("require", 1), ("verify-full", 0)])
def test_channel_binding_that_is_not_enforced_is_warned_of(mode: str, number: int) -> None:
    """The driver has none: who asked for it knows what does the like (defect B30)."""
    url = f"postgresql://u:p@h/d?channel_binding=require&sslmode={mode}"

    assert len(warned_of(url)) == number


def test_every_open_door_has_its_three_addresses() -> None:
    """To paste into Meta's dashboard."""
    settings = make_settings("sqlite:///x.db", **INSTAGRAM)
    urls = dashboard_urls(settings, settings.open_doors)

    assert [each.url for each in urls] == [
        f"http://localhost:8000/auth/{door}/{place}"
        for door in (Provider.FACEBOOK, Provider.INSTAGRAM)
        for place in ("callback", "deauthorize", "data-deletion")
    ]


def test_every_permission_has_a_sentence_for_the_review() -> None:
    """Those that a login asks for by default, each by a sentence of its own."""
    settings = Settings(_env_file=None)
    scopes = (*settings.facebook_scopes, *settings.instagram_scopes)
    notes = permission_notes((*scopes, "email"))

    assert [note.permission for note in notes] == [*scopes, "email"]
    assert not any(note.sentence.startswith("(") for note in notes[:-1])
    assert notes[-1].sentence.startswith("(")
