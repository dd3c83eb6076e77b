"""The whole room against the offline Facebook: what Graph's rules demand of a client."""

from collections.abc import AsyncGenerator

import pytest
from pydantic import SecretStr

from igauth.domain import AppScopedUserId, InstagramAccountId, PageId
from igauth.meta.client import FacebookApp
from igauth.meta.errors import GraphError, GraphRefusal, GraphUnavailable, Meaning
from tests.meta.scene import REDIRECT_URI, VERIFIER, Scene, open_scene


@pytest.fixture
async def scene() -> AsyncGenerator[Scene]:
    """A fresh offline Facebook and a client of it."""
    async with open_scene() as opened:
        yield opened


async def test_a_whole_login(scene: Scene) -> None:
    """Exchange, upgrade, debug_token, profile: proofs valid, no secret in a URL but input_token."""
    token = await scene.login()
    debugged = await scene.oauth.debug_token(token)
    profile = await scene.resources.profile(token)

    assert debugged.is_valid
    assert debugged.app_id == scene.sandbox.config.app_id
    assert debugged.type == "USER"
    assert debugged.user_id == profile.id
    assert debugged.granular.ids("instagram_") != ()
    assert profile.name == "Ada Invented"
    assert profile.permissions is not None
    assert "instagram_basic" in profile.permissions.granted
    calls = list(scene.sandbox.calls)
    assert {call.proof for call in calls if call.credential != "none"} == {"valid"}
    assert {name for call in calls for name in call.secrets_in_query} <= {
        "input_token",
        "appsecret_proof",
    }
    assert scene.sandbox.calls.unknown() == []
    assert scene.graph.served_version == "v26.0"


async def test_a_code_is_good_once(scene: Scene) -> None:
    """The second exchange of a code is a rejected code (graph-facts 2.4)."""
    code = scene.sandbox.authorize("ada", redirect_uri=REDIRECT_URI)
    await scene.oauth.exchange_code(code, VERIFIER)
    for spent in (code, "garbled"):
        with pytest.raises(GraphRefusal) as caught:
            await scene.oauth.exchange_code(spent, VERIFIER)
        assert caught.value.meaning is Meaning.CODE_REJECTED


@pytest.mark.parametrize("preset", ["exchange_cut_after", "exchange_timeout_after"])
async def test_an_answer_lost_after_the_effect_is_not_asked_again(
    scene: Scene, preset: str
) -> None:
    """Trap 9: the code was consumed; a repeat would burn to 36009."""
    scene.sandbox.faults.preset(preset)
    code = scene.sandbox.authorize("ada", redirect_uri=REDIRECT_URI)
    with pytest.raises(GraphUnavailable):
        await scene.oauth.exchange_code(code, VERIFIER)

    assert len(scene.sandbox.calls.of("exchange")) == 1


async def test_every_way_to_a_page(scene: Scene) -> None:
    """Edge, batch and single read give the same nodes."""
    token = await scene.login()
    listed = {
        node.page.id: node
        async for part in scene.resources.walk_accounts(token)
        for node in part.nodes
    }
    read = await scene.resources.read_pages(token, list(listed))
    one = next(iter(listed))

    assert len(listed) == 4
    assert read == listed
    assert await scene.resources.read_pages(token, [one]) == {one: listed[one]}
    assert scene.sandbox.calls.unknown() == []


async def test_a_thousand_pages_in_one_round_trip(scene: Scene) -> None:
    """Twenty batches side by side (contract §6)."""
    token = await scene.login("kim")
    granular = (await scene.oauth.debug_token(token)).granular
    ids = [PageId(each) for each in granular.ids("pages_")]
    scene.sandbox.calls.clear()
    scene.sandbox.state.latency_seconds = 0.2
    found = await scene.resources.read_pages(token, ids)

    assert len(found) == 1_000
    assert not any(isinstance(each, GraphError) for each in found.values())
    assert scene.sandbox.calls.round_trips() == 1
    assert len(scene.sandbox.calls.top()) == 20


async def test_null_parts_are_asked_again_alone(scene: Scene) -> None:
    """A part that wasn't carried out (graph-facts 12.5)."""
    token = await scene.login()
    ids = [PageId(each) for each in scene.sandbox.world.person("ada").pages]
    scene.sandbox.faults.add("batch_part", "cut", times=1)
    found = await scene.resources.read_pages(token, ids)

    assert not any(isinstance(each, GraphError) for each in found.values())


async def test_troubled_nodes_have_their_own_errors(scene: Scene) -> None:
    """Two-factor, checkpoint, restricted, migrated (graph-facts 7.9, 8.7)."""
    token = await scene.login("jo")
    jo = scene.sandbox.world.person("jo")
    pages = await scene.resources.read_pages(token, [PageId(each) for each in jo.pages])
    accounts = await scene.resources.read_instagram_accounts(
        token, [InstagramAccountId(each) for each in jo.accounts]
    )
    meanings = {getattr(each, "meaning", None) for each in (*pages.values(), *accounts.values())}

    assert {Meaning.PERSON_MUST_ACT, Meaning.NOT_VISIBLE, None} <= meanings
    assert Meaning.MIGRATED not in meanings


async def test_a_revocation_kills_the_token(scene: Scene) -> None:
    """Afterwards 190/458, and another revocation counts as done (graph-facts 9.2, 9.4)."""
    token = await scene.login()
    user_id = (await scene.resources.profile(token)).id
    await scene.oauth.revoke(user_id)

    with pytest.raises(GraphRefusal) as caught:
        await scene.resources.profile(token)
    assert caught.value.meaning is Meaning.REVOKED
    await scene.oauth.revoke(user_id)
    await scene.oauth.revoke(AppScopedUserId("10299999999999999"))
    debugged = await scene.oauth.debug_token(token)
    assert not debugged.is_valid


async def test_a_wrong_secret_is_our_fault(scene: Scene) -> None:
    """Trap 11, and the app token that is made of it (graph-facts 4.7)."""
    token = await scene.login()
    scene.graph.app = FacebookApp(scene.graph.app.client_id, SecretStr("f" * 32))
    code = scene.sandbox.authorize("ada", redirect_uri=REDIRECT_URI)
    for call in (
        scene.oauth.exchange_code(code, VERIFIER),
        scene.oauth.upgrade(token),
        scene.oauth.debug_token(token),
        scene.oauth.revoke(AppScopedUserId("1")),
        scene.resources.profile(token),
    ):
        with pytest.raises(GraphRefusal) as caught:
            await call
        assert caught.value.meaning is Meaning.MISCONFIGURED
