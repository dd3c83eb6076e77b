"""`igauth doctor`: a configuration from end to end, each finding with its mend."""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass

from igauth.domain import Clock
from igauth.meta.door import Door
from igauth.meta.errors import GraphError, GraphRefusal, GraphThrottled, Meaning
from igauth.security.keyring import KeyRing
from igauth.settings import Settings, SettingsRefused
from igauth.store.database import Database
from igauth.upkeep.startup import check_database, check_keys


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: whether it is well, what was found, and how to mend it."""

    well: bool
    subject: str
    text: str
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class PermissionNote:
    """What a permission is for, and the sentence that reviewers ask for."""

    permission: str
    purpose: str
    sentence: str


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
}


def permission_notes(settings: Settings) -> list[PermissionNote]:
    """A note for each permission that a login asks for."""
    unknown = ("asked for by FACEBOOK_SCOPES", "(describe what your application does with it)")
    return [
        PermissionNote(scope, *_NOTES.get(scope, unknown)) for scope in settings.facebook_scopes
    ]


def dashboard_urls(settings: Settings) -> list[tuple[str, str]]:
    """The three URLs to paste into Meta's dashboard."""
    base = f"{settings.base_url}/auth/facebook"
    return [
        ("Valid OAuth Redirect URI", settings.redirect_uri),
        ("Deauthorize callback URL", f"{base}/deauthorize"),
        ("Data deletion request URL", f"{base}/data-deletion"),
    ]


async def examine(
    settings: Settings, database: Database, door: Door, clock: Clock
) -> AsyncGenerator[Finding]:
    """Each check in turn; one that fails doesn't keep the next from being made."""
    yield Finding(True, "settings", "complete and safe")
    yield await _database(database)
    yield await _keys(database, settings, clock)
    yield await _app(door)
    yield _version(settings, door)
    yield _login_kind(settings)
    for finding in _stand_ins(settings):
        yield finding


async def _database(database: Database) -> Finding:
    try:
        await check_database(database)
    except SettingsRefused as refused:
        return Finding(False, "database", _texts(refused), "run: igauth migrate")
    return Finding(True, "database", "answers, and is at this program's version")


async def _keys(database: Database, settings: Settings, clock: Clock) -> Finding:
    try:
        await check_keys(database, KeyRing(settings.keys), clock)
    except SettingsRefused as refused:
        mend = "put the missing key back into KEYS, or the right bytes under its id"
        return Finding(False, "keys", _texts(refused), mend)
    except Exception as error:
        return Finding(False, "keys", f"could not be compared ({type(error).__name__})")
    return Finding(True, "keys", "fit everything that is stored")


async def _app(door: Door) -> Finding:
    try:
        await door.check_app()
    except GraphThrottled:
        return Finding(False, "Facebook app", "Facebook asks us to wait", "try again later")
    except GraphRefusal as refusal:
        return _refused_app(refusal)
    except GraphError:
        mend = "check the network, DNS and firewall towards FACEBOOK_GRAPH_URL"
        return Finding(False, "Facebook app", "Facebook is not reachable", mend)
    return Finding(True, "Facebook app", "id and secret are accepted")


def _refused_app(refusal: GraphRefusal) -> Finding:
    if refusal.code == 101:
        text = "Facebook does not know FACEBOOK_CLIENT_ID, or the app is restricted or deleted"
        return Finding(False, "Facebook app", text, "copy the app id from Meta's dashboard")
    if refusal.meaning is Meaning.MISCONFIGURED:
        text = "Facebook refuses FACEBOOK_CLIENT_SECRET"
        return Finding(False, "Facebook app", text, "copy the app secret from Meta's dashboard")
    text = f"Facebook refused with code {refusal.code}"
    return Finding(False, "Facebook app", text, "look the code up in Meta's error reference")


def _version(settings: Settings, door: Door) -> Finding:
    asked, served = settings.facebook_api_version, door.served_version
    if served is None:
        return Finding(False, "Graph version", "unknown, because no call was answered")
    if served != asked:
        text = f"{served} is served, though {asked} was asked for"
        return Finding(False, "Graph version", text, "set FACEBOOK_API_VERSION to a live version")
    return Finding(True, "Graph version", f"{served}, as asked")


def _login_kind(settings: Settings) -> Finding:
    if settings.facebook_config_id is None:
        text = "classic Facebook Login (scope); a Login for Business app needs FACEBOOK_CONFIG_ID"
    else:
        text = (
            f"Facebook Login for Business, configuration {settings.facebook_config_id}; "
            "its token type must be 'User access token' (a system-user token is refused at login)"
        )
    return Finding(True, "Login configuration", text)


def _stand_ins(settings: Settings) -> Iterable[Finding]:
    if settings.allow_fake_facebook:
        text = "ALLOW_FAKE_FACEBOOK is on: logins may go to a stand-in"
        yield Finding(False, "Facebook", text, "unset it wherever real people log in")


def _texts(refused: SettingsRefused) -> str:
    return "; ".join(str(fault) for fault in refused.faults)
