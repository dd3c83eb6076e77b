"""The whole room against the offline Facebook: what Graph's rules demand of a client."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from igauth.domain import InstagramAccountId, PageId, Subject
from igauth.meta.calls import Purpose
from igauth.meta.errors import GraphError, GraphRefusal, GraphUnavailable, Meaning
from igauth.meta.facebook.tokens import FacebookApp
from tests.meta.facebook.reads import accounts_of, pages_of, walked
from tests.meta.scene import REDIRECT_URI, VERIFIER, Scene, findings, open_scene


@pytest.fixture
async def scene() -> AsyncGenerator[Scene]:
    """A fresh offline Facebook and a client of it."""
    async with open_scene() as opened:
        yield opened


async def test_a_whole_login(scene: Scene) -> None:
    """Exchange, then all else beside: proofs valid, no secret in a URL but input_token."""
    issued = await scene.consent("ada")
    login = await scene.door.identify(issued, findings())
    await login.discovery

    assert login.long_lived
    assert login.identity.name == "Ada Invented"
    assert login.facts.permissions is not None
    assert "instagram_basic" in login.facts.permissions.granted
    assert login.facts.granular is not None
    assert login.facts.granular.ids("instagram_") != ()
    calls = list(scene.sandbox.calls)
    assert {call.proof for call in calls if call.credential != "none"} == {"valid"}
    assert {name for call in calls for name in call.secrets_in_query} <= {
        "input_token",
        "appsecret_proof",
    }
    assert scene.sandbox.calls.unknown() == []
    assert scene.door.served_version == "v26.0"


async def test_a_login_is_two_round_trips(scene: Scene) -> None:
    """Where /me shows every Page, nothing is asked after it (contract §3)."""
    scene.sandbox.state.latency_seconds = 0.2
    issued = await scene.consent("cleo", declined=["business_management"])
    login = await scene.door.identify(issued, findings())
    await login.discovery

    assert scene.sandbox.calls.round_trips() == 2
    assert len(scene.sandbox.calls.top()) == 4


async def test_a_code_is_good_once(scene: Scene) -> None:
    """The second exchange of a code is a rejected code (graph-facts 2.4)."""
    code = scene.sandbox.authorize("ada", redirect_uri=REDIRECT_URI)
    await scene.door.exchange(code, VERIFIER)
    for spent in (code, "garbled"):
        with pytest.raises(GraphRefusal) as caught:
            await scene.door.exchange(spent, VERIFIER)
        assert caught.value.meaning is Meaning.CODE_REJECTED


@pytest.mark.parametrize("preset", ["exchange_cut_after", "exchange_timeout_after"])
async def test_an_answer_lost_after_the_effect_is_not_asked_again(
    scene: Scene, preset: str
) -> None:
    """Trap 9: the code was consumed; a repeat would burn to 36009."""
    scene.sandbox.faults.preset(preset)
    code = scene.sandbox.authorize("ada", redirect_uri=REDIRECT_URI)
    with pytest.raises(GraphUnavailable):
        await scene.door.exchange(code, VERIFIER)

    assert len(scene.sandbox.calls.of("exchange")) == 1


async def test_every_way_to_a_page(scene: Scene) -> None:
    """Edge, batch and single read give the same nodes, but for the tasks (7.2a)."""
    token = await scene.token("ada")
    found = scene.reading(token)
    listed = {
        node.page.id: replace(node, page=replace(node.page, tasks=None))
        for part in await walked(found)
        for node in part.nodes
    }
    one = next(iter(listed))

    assert len(listed) == 4
    assert await pages_of(found, list(listed)) == listed
    assert await pages_of(found, [one]) == {one: listed[one]}
    assert scene.sandbox.calls.unknown() == []


async def test_a_thousand_pages_in_one_round_trip(scene: Scene) -> None:
    """Twenty batches side by side (contract §6)."""
    token = await scene.token("kim")
    granular = (await scene.facts(token)).granular
    assert granular is not None
    ids = [PageId(each) for each in granular.ids("pages_")]
    scene.sandbox.calls.clear()
    scene.sandbox.state.latency_seconds = 0.2
    found = await pages_of(scene.reading(token), ids)

    assert len(found) == 1_000
    assert not any(isinstance(each, GraphError) for each in found.values())
    assert scene.sandbox.calls.round_trips() == 1
    assert len(scene.sandbox.calls.top()) == 20


async def test_null_parts_are_asked_again_alone(scene: Scene) -> None:
    """A part that wasn't carried out (graph-facts 12.5)."""
    token = await scene.token("ada")
    ids = [PageId(each) for each in scene.sandbox.world.person("ada").pages]
    scene.sandbox.faults.add("batch_part", "cut", times=1)
    found = await pages_of(scene.reading(token), ids)

    assert not any(isinstance(each, GraphError) for each in found.values())


async def test_troubled_nodes_have_their_own_errors(scene: Scene) -> None:
    """Two-factor, checkpoint, restricted, migrated (graph-facts 7.9, 8.7)."""
    token = await scene.token("jo")
    jo = scene.sandbox.world.person("jo")
    found = scene.reading(token)
    pages = await pages_of(found, [PageId(each) for each in jo.pages])
    accounts = await accounts_of(found, [InstagramAccountId(each) for each in jo.accounts])
    meanings = {getattr(each, "meaning", None) for each in (*pages.values(), *accounts.values())}

    assert {Meaning.TWO_FACTOR, Meaning.IDENTITY_CHECK, Meaning.RESTRICTED, None} <= meanings
    assert Meaning.MIGRATED not in meanings


async def test_a_revocation_kills_the_token(scene: Scene) -> None:
    """Afterwards 190/458, and another revocation counts as done (graph-facts 9.2, 9.4)."""
    token = await scene.token("ada")
    subject = (await scene.reading(token).profile()).subject
    await scene.door.revoke(subject)

    check = await scene.door.check(token, subject)
    assert check.refusal is not None
    assert check.refusal.meaning is Meaning.APP_REMOVED
    await scene.door.revoke(subject)
    await scene.door.revoke(Subject("10299999999999999"))


async def test_a_wrong_secret_is_our_fault(scene: Scene) -> None:
    """Trap 11, and the app token that is made of it (graph-facts 4.7)."""
    token = await scene.token("ada")
    code = scene.sandbox.authorize("ada", redirect_uri=REDIRECT_URI)
    scene.app = FacebookApp(scene.app.client_id, SecretStr("f" * 32))
    scene.be_impatient()
    for call in (
        scene.door.exchange(code, VERIFIER),
        scene.tokens.upgrade(token, Purpose.CHECK),
        scene.tokens.debug(token, Purpose.CHECK),
        scene.door.revoke(Subject("1")),
        scene.reading(token).profile(),
    ):
        with pytest.raises(GraphRefusal) as caught:
            await call
        assert caught.value.meaning is Meaning.MISCONFIGURED
