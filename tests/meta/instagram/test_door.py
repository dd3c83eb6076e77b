"""A login, and a grant that is there, at Instagram's door (contract §10)."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from igauth.domain import (
    InstagramAccount,
    InstagramAccountId,
    NotListedReason,
    Permissions,
    Provider,
    Source,
    Subject,
)
from igauth.errors import IgAuthError, NotProfessional
from igauth.meta.client import GraphClient
from igauth.meta.door import Door, GrantFacts, Identified
from igauth.meta.errors import GraphError, GraphRefusal, GraphThrottled
from igauth.meta.instagram.door import InstagramDoor
from igauth.meta.pauses import MemoryPauseBook
from igauth.meta.sending import GraphHost, Sign
from igauth.meta.verdicts import login_error, public_error, status_of
from igauth.settings import Settings
from tests.meta.instagram.graph import (
    ACCOUNT_ID,
    APP_ID,
    LONG,
    ME,
    NOW,
    SCOPED_ID,
    SCOPES,
    SHORT,
    TOKEN,
    Graph,
    Slow,
    findings,
    no_access,
    well,
)
from tests.meta.scripted import Answer, answer, raw, refusal

BUSY = refusal(2, status=503)
CHECKPOINT = refusal(190, 0, "You cannot access the app till you log in to www.instagram.com and")
BAKERY = InstagramAccount(
    InstagramAccountId(ACCOUNT_ID),
    "invented.bakery",
    "Invented Bakery",
    profile_picture_url="https://scontent.example.test/p.jpg?oe=6A0F0000",
    followers_count=1204,
    follows_count=87,
    media_count=342,
    account_type="business",
    sources=frozenset({Source.INSTAGRAM_LOGIN}),
)


async def identified(graph: Graph) -> Identified:
    return await graph.door().identify(SHORT, findings())


async def refused(graph: Graph) -> Exception:
    with pytest.raises((GraphError, IgAuthError)) as caught:
        await identified(graph)
    return caught.value


def test_it_is_a_door() -> None:
    """What the rooms above know of it."""
    door: Door = well().door()

    assert (door.provider, door.app_id) == (Provider.INSTAGRAM, APP_ID)
    assert not door.can_revoke


async def test_warming_a_stand_in_opens_nothing() -> None:
    """It has no connections to open."""
    graph = well()
    await graph.door().warm()

    assert graph.asked == []


def test_the_door_that_the_settings_describe() -> None:
    """Hosts, version and scopes of its own; a stand-in's pictures only where one is allowed."""
    described = SimpleNamespace(
        app_of=lambda _door: (APP_ID, SecretStr("x" * 32)),
        redirect_uri_of=lambda door: f"https://x.test/auth/{door}/callback",
        instagram_authorize_url="https://www.instagram.com",
        instagram_token_url="https://api.instagram.com",
        instagram_graph_url="https://graph.instagram.com",
        instagram_api_version="v27.0",
        instagram_scopes=SCOPES,
        allow_fake_facebook=False,
    )
    hosts: list[GraphHost] = []

    def new_client(host: GraphHost, *, sign: Sign) -> GraphClient:
        hosts.append(host)
        assert sign(SecretStr("t")) == {}
        return well().client()

    door = InstagramDoor.of(cast(Settings, described), new_client, lambda: NOW)

    address = door.dialog_address(state="s", code_challenge="c", prompt=None)
    assert "redirect_uri=https%3A%2F%2Fx.test%2Fauth%2Finstagram%2Fcallback" in address
    assert hosts == [
        GraphHost("https://graph.instagram.com", "v27.0", "instagram-api-version", "instagram:")
    ]


# -- the second round trip


async def test_a_login_is_two_calls_beside_each_other() -> None:
    """Upgrade ∥ /me, which is the whole listing as well (contract §10)."""
    together = asyncio.Barrier(2)

    def at_once(body: Any) -> Slow:
        async def answered(request: httpx.Request) -> httpx.Response:
            await together.wait()
            return httpx.Response(200, json=body)

        return answered

    graph, found = well(upgrade=at_once(LONG), me=at_once(ME)), findings()
    login = await graph.door().identify(SHORT, found)

    assert login.discovery.done()
    listing = found.listing(NOW)
    assert listing.accounts == (BAKERY,)
    assert (listing.complete, listing.warnings) == (True, ())
    assert sorted(graph.asked) == ["me", "upgrade"]


async def test_what_a_login_knows() -> None:
    """The professional account's id, the app's own beside it, and what the exchange granted."""
    login = await identified(well())

    assert login.identity.subject == ACCOUNT_ID
    assert login.identity.other_subject == SCOPED_ID
    assert login.identity.name == "Invented Bakery"
    assert login.long_lived
    assert login.facts.token_expires_at == NOW + timedelta(seconds=5183944)
    assert login.facts.permissions == Permissions(frozenset(SCOPES))
    assert (login.facts.granular, login.facts.data_access_expires_at) == (None, None)


async def test_the_upgrade_may_name_the_permissions_too() -> None:
    """What it names is newer; where nobody names any, they are unknown (3.2, 4.1)."""
    named = await identified(well(upgrade=answer({**LONG, "permissions": SCOPES[0]})))
    unnamed = (
        await well().door().identify(type(SHORT)(SHORT.access_token, SHORT.expires_at), findings())
    )

    assert named.facts.permissions == Permissions(frozenset(SCOPES[:1]))
    assert named.token.granted == frozenset(SCOPES[:1])
    assert unnamed.facts.permissions is None


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("user_id", [str(ACCOUNT_ID), int(ACCOUNT_ID)])
async def test_a_profile_in_all_its_shapes(wrapped: bool, user_id: object) -> None:
    """Wrapped or flat, ids as texts or numbers (5.1, 5.3)."""
    body = {**ME, "user_id": user_id, "id": int(SCOPED_ID)}
    login = await identified(well(me=answer({"data": [body]} if wrapped else body)))

    assert (login.identity.subject, login.identity.other_subject) == (ACCOUNT_ID, SCOPED_ID)


async def test_without_the_professional_accounts_id() -> None:
    """It is listed under the id that Instagram gave, and that is its id (5.3, contract §10)."""
    body = {key: value for key, value in ME.items() if key != "user_id"}
    found = findings()
    with capture_logs() as logs:
        login = await well(me=answer(body)).door().identify(SHORT, found)

    assert login.identity.subject == SCOPED_ID
    assert [str(account.id) for account in found.listing(NOW).accounts] == [str(SCOPED_ID)]
    assert [entry["event"] for entry in logs] == ["instagram.identity_uncertain"]


@pytest.mark.parametrize(
    ("account_type", "shown"),
    [
        ("BUSINESS", "business"),
        ("Business", "business"),
        ("MEDIA_CREATOR", "creator"),
        ("Media_Creator", "creator"),
        ("CREATOR", "creator"),
        (None, None),
        (7, None),
    ],
)
async def test_the_type_of_an_account(account_type: object, shown: str | None) -> None:
    """In whatever case; an answer that doesn't say is no personal account (5.1, 15.6)."""
    found = findings()
    await well(me=answer({**ME, "account_type": account_type})).door().identify(SHORT, found)

    assert found.listing(NOW).accounts[0].account_type == shown


@pytest.mark.parametrize(
    "me",
    [
        answer({**ME, "account_type": "PERSONAL"}),
        refusal(100, message="The user is not an Instagram Business"),
    ],
)
@pytest.mark.parametrize("upgrade", [answer(LONG), no_access(), BUSY])
async def test_a_personal_account_ends_the_login(me: Answer, upgrade: Answer) -> None:
    """By its type, or as /me refuses it (1.5); whatever the upgrade says."""
    error = await refused(well(me=me, upgrade=upgrade))
    failure = login_error(error) if isinstance(error, GraphError) else error

    assert type(failure) is NotProfessional


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"upgrade": no_access(), "me": no_access()}, "app_access_missing"),
        ({"me": no_access()}, "app_access_missing"),
        ({"upgrade": no_access()}, "app_access_missing"),
        ({"upgrade": refusal(190, 0, "Session key invalid")}, "facebook_error"),
        ({"upgrade": refusal(101)}, "service_misconfigured"),
        ({"me": refusal(190, 0, "Session has expired")}, "facebook_error"),
        ({"me": CHECKPOINT}, "facebook_error"),
        ({"me": refusal(4)}, "facebook_rate_limited"),
        ({"me": BUSY}, "facebook_unavailable"),
        ({"me": raw(b"<html>")}, "facebook_unavailable"),
        ({"me": answer({"username": "no.id"})}, "facebook_unavailable"),
    ],
)
async def test_what_ends_a_login(changed: dict[str, Answer], code: str) -> None:
    """A refused upgrade ends it: no connection on a token that dies in an hour (trap 20)."""
    error = await refused(well(**changed))

    assert isinstance(error, GraphError)
    assert login_error(error).code == code


@pytest.mark.parametrize("fault", [BUSY, raw(b""), refusal(4), httpx.ReadTimeout("x")])
async def test_an_upgrade_that_fails_in_passing_is_the_keepers(fault: Answer) -> None:
    """The login stands on the one-hour token (contract §10); one line says why (A17)."""
    with capture_logs() as logs:
        login = await identified(well(upgrade=fault))

    assert not login.long_lived
    assert login.token.access_token is SHORT.access_token
    assert login.facts.token_expires_at == SHORT.expires_at
    assert [entry["endpoint"] for entry in logs] == ["instagram/access_token"]


@pytest.mark.parametrize("endpoint", ["upgrade", "me"])
@pytest.mark.parametrize("fault", [BUSY, raw(b"<html>"), httpx.ReadTimeout("x")])
async def test_a_single_fault_loses_no_login(endpoint: str, fault: Answer) -> None:
    """A login's reads are tried again (contract §8, C18)."""
    graph = well()
    graph.answers[endpoint] = [fault, graph.answers[endpoint]]  # type: ignore[list-item]

    assert (await identified(graph)).long_lived


async def test_a_login_in_spite_of_a_pause() -> None:
    """Its own calls are tried even then (C17)."""
    pauses = MemoryPauseBook()
    await pauses.throttled({"instagram:app": 600.0})
    door = well().door(pauses=pauses)

    assert (await door.identify(await door.exchange("c", "v"), findings())).long_lived
    with pytest.raises(GraphThrottled):
        await door.check(TOKEN, ACCOUNT_ID)


async def test_the_doors_keep_their_own_pauses() -> None:
    """A throttled Facebook app stops nobody here: it is another app."""
    pauses = MemoryPauseBook()
    await pauses.throttled({"app": 600.0, "person:p1": 600.0})

    assert (await well().door(pauses=pauses).check(TOKEN, ACCOUNT_ID)).is_ours


async def test_a_refused_field_is_dropped() -> None:
    """For this call alone (contract §6)."""
    message = "(#100) Tried accessing nonexisting field (follows_count)"
    graph = well(me=[refusal(100, message=message), answer(ME)])
    await identified(graph)
    await identified(graph)

    asked = [request.url.params["fields"] for request in graph.requests["me"]]
    assert ["follows_count" in fields for fields in asked] == [True, False, True]
    assert "biography" not in asked[0]


@pytest.mark.parametrize("name", ["id", "user_id", "unheard_of"])
async def test_what_can_not_be_dropped_is_refused(name: str) -> None:
    """Without its id an account is nobody."""
    message = f"(#100) Tried accessing nonexisting field ({name})"

    assert isinstance(await refused(well(me=refusal(100, message=message))), GraphRefusal)


# -- check


@pytest.mark.parametrize("subject", [ACCOUNT_ID, SCOPED_ID])
async def test_a_live_grant(subject: Subject) -> None:
    """A probe of /me proves no more than that the token lives (12.1)."""
    graph = well(me=answer({"data": [{"user_id": ACCOUNT_ID, "id": SCOPED_ID}]}))
    check = await graph.door().check(TOKEN, subject)

    assert (check.is_ours, check.refusal) == (True, None)
    assert check.facts == GrantFacts(speaks_of_dates=False)
    assert graph.requests["me"][0].url.params["fields"] == "id,user_id"


async def test_another_account_is_an_alarm() -> None:
    """Never an update of what is stored (12.1)."""
    with capture_logs() as logs:
        check = await well().door().check(TOKEN, Subject("17841499999999999"))

    assert (check.is_ours, check.facts) == (False, None)
    assert [entry["log_level"] for entry in logs] == ["error"]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (refusal(190, 0, "Session has expired on …"), "reconnect_required", "reconnect_required"),
        (refusal(190, 0, "Algo deu errado"), "reconnect_required", "reconnect_required"),
        (refusal(190, 0, "has not authorized application 9"), "revoked", "reconnect_required"),
        (CHECKPOINT, "checkpoint_required", "checkpoint_required"),
        (
            refusal(190, 0, "Session key is malformed because of invalid user id."),
            "checkpoint_required",
            "checkpoint_required",
        ),
        (no_access(), "checkpoint_required", "checkpoint_required"),
    ],
)
async def test_a_token_that_is_dead_or_held_up(fault: Answer, status: str, code: str) -> None:
    """The text tells a checkpoint, which heals, from an end (6.2, 12, trap 5)."""
    check = await well(me=fault).door().check(TOKEN, ACCOUNT_ID)

    assert check.facts is None
    assert check.refusal is not None
    assert status_of(check.refusal) == status
    assert public_error(check.refusal).code == code


@pytest.mark.parametrize(
    "fault",
    [
        BUSY,
        raw(b""),
        answer({}),
        refusal(4),
        refusal(80002),
        refusal(10),
        refusal(200),
        refusal(100, 33),
        refusal(2500),
        refusal(200, message="API access blocked."),
        refusal(100, message="The user is not an Instagram Business"),
        httpx.ConnectError("x"),
    ],
)
async def test_a_probe_that_says_nothing_of_the_token(fault: Answer) -> None:
    """It raises, and ends no grant (12, A18)."""
    with pytest.raises(GraphError) as caught:
        await well(me=fault).door().check(TOKEN, ACCOUNT_ID)

    assert status_of(caught.value) is None


# -- renew

KEPT = GrantFacts(token_expires_at=NOW + timedelta(days=20))
SHORT_LIVED = GrantFacts(token_expires_at=NOW + timedelta(minutes=40))


@pytest.mark.parametrize("known", [KEPT, GrantFacts()])
async def test_a_refreshed_token(known: GrantFacts) -> None:
    """Kept once it has answered /me itself, with its own end (4.2, contract §10)."""
    graph = well()
    renewed = await graph.door().renew(TOKEN, ACCOUNT_ID, known)

    assert renewed is not None
    assert renewed.token.access_token.get_secret_value() == "IGAAinventedLong"
    assert renewed.facts.token_expires_at == NOW + timedelta(seconds=5183944)
    assert renewed.facts.permissions is None
    assert graph.asked == ["refresh", "me"]
    refresh, me = graph.requests["refresh"][0], graph.requests["me"][0]
    assert dict(refresh.url.params) == {
        "grant_type": "ig_refresh_token",
        "access_token": "IGAAinventedKept",
    }
    assert me.headers["authorization"] == "Bearer IGAAinventedLong"


async def test_an_upgrade_that_was_missed() -> None:
    """A token in its last hour may be a short-lived one (contract §10)."""
    graph = well()
    renewed = await graph.door().renew(TOKEN, ACCOUNT_ID, SHORT_LIVED)

    assert renewed is not None
    assert graph.asked == ["upgrade", "me"]


async def test_a_long_lived_token_in_its_last_hour() -> None:
    """The exchange refuses it (4.5), the refresh doesn't."""
    graph = well(upgrade=refusal(190, 0, "Session key invalid"))

    assert await graph.door().renew(TOKEN, ACCOUNT_ID, SHORT_LIVED) is not None
    assert graph.asked == ["upgrade", "refresh", "me"]


@pytest.mark.parametrize(
    "changed",
    [
        {"refresh": refusal(190, 0, "Session has expired")},
        {"refresh": refusal(100, message="too young")},
        {"refresh": no_access()},
        {"me": refusal(190)},
        {"me": answer({**ME, "user_id": "17841499999999999", "id": "1"})},
    ],
)
async def test_no_better_token(changed: dict[str, Answer]) -> None:
    """The kept one stays, and is probed by itself."""
    assert await well(**changed).door().renew(TOKEN, ACCOUNT_ID, KEPT) is None


@pytest.mark.parametrize(
    "changed",
    [{"refresh": BUSY}, {"refresh": raw(b"")}, {"refresh": refusal(4)}, {"me": BUSY}],
)
async def test_a_renewal_that_is_not_answered(changed: dict[str, Answer]) -> None:
    """A transient failure never marks a connection dead (contract §7)."""
    with pytest.raises(GraphError) as caught:
        await well(**changed).door().renew(TOKEN, ACCOUNT_ID, KEPT)

    assert status_of(caught.value) is None


# -- discover


async def test_a_listing_is_the_one_account() -> None:
    """One call (6.6); nothing is learned of the grant."""
    graph, found = well(), findings()

    assert await graph.door().discover(TOKEN, found, KEPT) is None
    assert found.listing(NOW).accounts == (BAKERY,)
    assert found.listing(NOW).complete
    assert graph.asked == ["me"]


async def test_an_account_that_went_personal() -> None:
    """It is explained; the connection and its token stay (12.5)."""
    found = findings()
    await well(me=answer({**ME, "account_type": "PERSONAL"})).door().discover(TOKEN, found, KEPT)
    listing = found.listing(NOW)

    assert listing.accounts == ()
    (row,) = listing.not_listed
    assert (row.reason, row.cause) == (NotListedReason.INSTAGRAM_UNREACHABLE, "not_professional")
    assert str(row.instagram_account_id) == str(ACCOUNT_ID)
    assert listing.complete


@pytest.mark.parametrize("fault", [BUSY, CHECKPOINT, refusal(190), raw(b"<html>"), refusal(4)])
async def test_a_listing_that_fails_raises(fault: Answer) -> None:
    """It has one source: where that fails there is nothing to show, and no end of waiting."""
    found = findings()
    with pytest.raises(GraphError):
        await well(me=fault).door().discover(TOKEN, found, KEPT)

    assert found.snapshot(NOW) is None


async def test_the_served_version_is_told() -> None:
    """Its header has another name here (5.6)."""
    graph = well(me=answer(ME, headers={"instagram-api-version": "v25.0"}))
    door = graph.door()
    await door.check(TOKEN, ACCOUNT_ID)

    assert door.served_version == "v25.0"


async def test_usage_has_other_names_here() -> None:
    """call_volume and cpu_time (6.5): whatever the keys, the largest number."""
    headers = {"x-app-usage": '{"call_volume":41,"cpu_time":7}'}
    graph = well(me=answer(ME, headers=headers))
    await graph.door().check(TOKEN, ACCOUNT_ID)

    assert [(call.endpoint, call.usage) for call in graph.calls] == [("instagram/me", {"app": 41})]
