"""`igauth doctor`: a configuration from end to end, each finding with its mend."""

import os
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from igauth.domain import Clock, Provider
from igauth.meta.door import Door
from igauth.meta.errors import GraphError, GraphRefusal, GraphThrottled, Meaning
from igauth.security.keyring import KeyRing
from igauth.settings import Settings, SettingsRefused
from igauth.store import webhooks
from igauth.store.database import Database
from igauth.store.webhooks import EndpointRow, Pending
from igauth.upkeep.database_faults import DatabaseRefused, check_address
from igauth.upkeep.findings import Finding, not_well, setting_warnings, warning, well
from igauth.upkeep.proxy_check import check_proxy
from igauth.upkeep.service_key_warnings import service_key_warnings
from igauth.upkeep.startup import check_database, check_keys


@dataclass(frozen=True, slots=True)
class PermissionNote:
    """What a permission is for, and the sentence that reviewers ask for."""

    permission: str
    purpose: str
    sentence: str


@dataclass(frozen=True, slots=True)
class DashboardUrl:
    """An address to paste into Meta's dashboard, and the field that it is for."""

    door: Provider
    field: str
    url: str


_NOTES = {
    "pages_show_list": (
        "lists the Pages that the person manages",
        "We list the person's Pages to find the Instagram professional accounts linked to them.",
    ),
    "instagram_basic": (
        "reads the Instagram account's name, picture and counts",
        "We show the person which of their Instagram professional accounts are connected.",
    ),
    "instagram_content_publish": (
        "publishes to the Instagram account",
        "We publish photos and videos to the person's Instagram account when they ask us to.",
    ),
    "pages_read_engagement": (
        "reads the Page behind an Instagram account",
        "We read the Page so that its linked Instagram professional account can be shown.",
    ),
    "business_management": (
        "sees Pages that belong to a business portfolio",
        "We find Instagram accounts whose Pages belong to the person's business portfolio.",
    ),
    "instagram_business_basic": (
        "reads the Instagram account's name, picture and counts",
        "We show the person which Instagram professional account they connected.",
    ),
    "instagram_business_content_publish": (
        "publishes to the Instagram account",
        "We publish photos and videos to the person's Instagram account when they ask us to.",
    ),
}


_DISABLED = {
    "gone": "it answered 410",
    "failing": "it failed for five days",
}
_LATE = timedelta(minutes=15)


def permission_notes(scopes: Sequence[str]) -> list[PermissionNote]:
    """A note for each permission that a login asks for."""
    unknown = ("asked for by the settings", "(describe what your application does with it)")
    return [PermissionNote(scope, *_NOTES.get(scope, unknown)) for scope in scopes]


def dashboard_urls(settings: Settings, doors: Sequence[Provider]) -> list[DashboardUrl]:
    """The three URLs to paste into Meta's dashboard, for each of these doors."""
    fields = {
        "Valid OAuth Redirect URI": "callback",
        "Deauthorize callback URL": "deauthorize",
        "Data deletion request URL": "data-deletion",
    }
    return [
        DashboardUrl(door, field, f"{settings.base_url}/auth/{door}/{place}")
        for door in doors
        for field, place in fields.items()
    ]


async def examine(
    settings: Settings, database: Database, doors: Mapping[Provider, Door], clock: Clock
) -> AsyncGenerator[Finding]:
    """Each check in turn; one that fails doesn't keep the next from being made.

    `doors`: those that are open.
    """
    facebook, instagram = (doors.get(each) for each in (Provider.FACEBOOK, Provider.INSTAGRAM))
    yield well("settings", "complete and safe")
    stored = await _database(database, settings)
    yield stored
    yield await _keys(database, settings, clock)
    for finding in await service_key_warnings(database, clock) if stored.well else ():
        yield finding
    for finding in await _webhooks(database, clock) if stored.well else ():
        yield finding
    if facebook is not None:
        yield await _app(facebook, settings)
        yield _version(settings, facebook)
        yield _login_kind(settings)
    if instagram is not None:
        yield await _instagram_app(instagram)
    if settings.outbound_proxy is not None:
        yield await check_proxy(settings.outbound_proxy, _meta_url(settings))
    for finding in (*setting_warnings(settings), *_stand_ins(settings)):
        yield finding


def _meta_url(settings: Settings) -> str:
    return settings.facebook_graph_url if settings.facebook_open else settings.instagram_graph_url


async def _database(database: Database, settings: Settings) -> Finding:
    try:
        check_address(settings.database)
        await check_database(database)
    except DatabaseRefused as refused:
        return not_well("database", refused.text, refused.mend)
    return well("database", "answers, and is at this program's version")


async def _keys(database: Database, settings: Settings, clock: Clock) -> Finding:
    try:
        await check_keys(database, KeyRing(settings.keys), clock)
    except DatabaseRefused:
        text = "could not be compared with the database"
        return not_well("keys", text, "mend the database first")
    except SettingsRefused as refused:
        mend = "put the missing key back into KEYS, or the right bytes under its id"
        return not_well("keys", "; ".join(str(fault) for fault in refused.faults), mend)
    return well("keys", "fit everything that is stored")


async def _webhooks(database: Database, clock: Clock) -> list[Finding]:
    """Receivers that get nothing, or that events wait for; nothing where there are none."""
    endpoints, pending = await database.read(
        lambda tx: (webhooks.list_all(tx), webhooks.count_pending(tx))
    )
    now = clock()
    return [_webhook(each, pending.get(each.id, Pending()), now) for each in endpoints]


def _webhook(endpoint: EndpointRow, pending: Pending, now: datetime) -> Finding:
    subject = f"webhook {endpoint.id}"
    if endpoint.disabled_cause is not None:
        text = f"disabled: {_DISABLED[endpoint.disabled_cause]}; events for it are not kept"
        mend = f"mend it, igauth webhooks enable {endpoint.id}, then replay {endpoint.id} --since"
        return not_well(subject, text, mend)
    if endpoint.failing_since is not None or _is_late(pending, now):
        text = f"{pending.number} events wait for it; {endpoint.failures} attempts failed in a row"
        return warning(subject, text, f"see why: igauth webhooks test {endpoint.id}")
    return well(subject, "takes what it is sent")


def _is_late(pending: Pending, now: datetime) -> bool:
    return pending.oldest is not None and now - pending.oldest > _LATE


async def _app(facebook: Door, settings: Settings) -> Finding:
    try:
        await facebook.check_app()
    except GraphThrottled:
        return not_well("Facebook app", "Facebook asks us to wait", "try again later")
    except GraphRefusal as refusal:
        return _refused_app(refusal)
    except GraphError:
        return not_well("Facebook app", "Facebook is not reachable", _way_to_meta(settings))
    return well("Facebook app", "id and secret are accepted")


async def _instagram_app(instagram: Door) -> Finding:
    """As far as it can be told without a login (instagram-login-facts 3.4)."""
    subject = "Instagram app"
    try:
        await instagram.check_app()
    except GraphThrottled:
        return not_well(subject, "Instagram asks us to wait", "try again later")
    except GraphRefusal:
        text = "Instagram refuses INSTAGRAM_CLIENT_ID or INSTAGRAM_CLIENT_SECRET"
        mend = (
            "copy both from Instagram > API setup with Instagram login, not from Settings > Basic"
        )
        return not_well(subject, text, mend)
    except GraphError:
        mend = "check DNS (an ad blocker?) and firewall towards INSTAGRAM_TOKEN_URL and _GRAPH_URL"
        return not_well(subject, "Instagram is not reachable", mend)
    text = (
        "its id is known; the secret, the redirect URI in its own list and the roles of accounts "
        'show at a login ("method type: get" is an account without an Instagram Tester role)'
    )
    return well(subject, text)


def _way_to_meta(settings: Settings) -> str:
    if settings.outbound_proxy is not None:
        return "check OUTBOUND_PROXY and what it lets through to FACEBOOK_GRAPH_URL"
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy")):
        return "set OUTBOUND_PROXY where a proxy leads out; HTTPS_PROXY is not heeded"
    return "check the network, DNS and firewall towards FACEBOOK_GRAPH_URL"


def _refused_app(refusal: GraphRefusal) -> Finding:
    if refusal.code == 101:
        text = "Facebook does not know FACEBOOK_CLIENT_ID, or the app is restricted or deleted"
        return not_well("Facebook app", text, "copy the app id from Meta's dashboard")
    if refusal.meaning is Meaning.MISCONFIGURED:
        text = "Facebook refuses FACEBOOK_CLIENT_SECRET"
        return not_well("Facebook app", text, "copy the app secret from Meta's dashboard")
    text = f"Facebook refused with code {refusal.code}"
    return not_well("Facebook app", text, "look the code up in Meta's error reference")


def _version(settings: Settings, facebook: Door) -> Finding:
    asked, served = settings.facebook_api_version, facebook.served_version
    if served is None:
        text = "unknown, because no call was answered"
        return not_well("Graph version", text, "mend the way to Facebook first")
    if served != asked:
        text = f"{served} is served, though {asked} was asked for"
        return not_well("Graph version", text, "set FACEBOOK_API_VERSION to a live version")
    return well("Graph version", f"{served}, as asked")


def _login_kind(settings: Settings) -> Finding:
    if settings.facebook_config_id is None:
        text = "classic Facebook Login (scope); a Login for Business app needs FACEBOOK_CONFIG_ID"
    else:
        text = (
            f"Facebook Login for Business, configuration {settings.facebook_config_id}; "
            "its token type must be 'User access token' (a system-user token is refused at login)"
        )
    return well("Login configuration", text)


def _stand_ins(settings: Settings) -> Iterator[Finding]:
    if settings.allow_fake_facebook:
        text = "ALLOW_FAKE_FACEBOOK is on: logins may go to a stand-in"
        yield warning("Facebook", text, "unset it wherever real people log in")
