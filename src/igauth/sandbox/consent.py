"""What a consent does: permissions, assets, data access, the code (facts 1.4, 3.8, 4.4)."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from igauth.sandbox.state import State
from igauth.sandbox.world import Choice, Grant, Person

KNOWN_PERMISSIONS = frozenset(
    {
        "ads_management",
        "ads_read",
        "business_management",
        "catalog_management",
        "email",
        "instagram_basic",
        "instagram_content_publish",
        "instagram_manage_comments",
        "instagram_manage_events",
        "instagram_manage_insights",
        "instagram_manage_messages",
        "instagram_shopping_tag_products",
        "leads_retrieval",
        "openid",
        "pages_manage_ads",
        "pages_manage_cta",
        "pages_manage_engagement",
        "pages_manage_instant_articles",
        "pages_manage_metadata",
        "pages_manage_posts",
        "pages_messaging",
        "pages_read_engagement",
        "pages_read_user_content",
        "pages_show_list",
        "public_profile",
        "publish_video",
        "read_insights",
        "user_age_range",
        "user_birthday",
        "user_friends",
        "user_gender",
        "user_hometown",
        "user_likes",
        "user_link",
        "user_location",
        "user_photos",
        "user_posts",
        "user_videos",
        "whatsapp_business_management",
        "whatsapp_business_messaging",
    }
)
ALWAYS = "public_profile"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person answered. Assets that are None weren't asked about: all, or as before."""

    pages: frozenset[str] | None = None
    instagram_accounts: frozenset[str] | None = None
    businesses: frozenset[str] | None = None
    declined: frozenset[str] = frozenset()


ALL = frozenset({"all"})


def newly_asked(person: Person, wanted: Collection[str], *, again: bool) -> list[str]:
    """Permissions that the dialog asks for this time.

    What was declined once is silently skipped unless asked again (facts 1.1 auth_type, trap 8).
    """
    known = {} if again or person.grant is None else person.grant.permissions
    return [name for name in wanted if name != ALWAYS and name not in known]


def agree(
    state: State,
    person: Person,
    wanted: Collection[str],
    decision: Decision,
    *,
    again: bool = False,
    renew: bool = False,
) -> Grant:
    """Make or extend the person's grant; the token's life is the exchange's business.

    `again` = `rerequest`: permissions and assets are asked anew. `renew` = `reauthorize`: data
    access that has lapsed begins anew (facts 3.8); while it lives, each login prolongs it.
    """
    asked = newly_asked(person, wanted, again=again)
    before = person.grant
    permissions = {ALWAYS: "granted", **(before.permissions if before else {})}
    for name in asked:
        permissions[name] = "declined" if name in decision.declined else "granted"
    base = before.choice if before is not None and not again else person.everything()
    now = state.clock()
    until = now + timedelta(days=state.config.data_access_days)
    if before is not None and before.data_access_until <= now and not renew:
        until = before.data_access_until
    person.grant = Grant(permissions, _choose(base, decision), now, until)
    person.answered.clear()
    state.touch()
    return person.grant


def _choose(base: Choice, decision: Decision) -> Choice:
    """`base` with what the decision names; `all` is all, now and in future (facts 4.4)."""
    named = {
        "pages": decision.pages,
        "instagram_accounts": decision.instagram_accounts,
        "businesses": decision.businesses,
    }
    changes = {
        asset: None if ids == ALL else ids for asset, ids in named.items() if ids is not None
    }
    return replace(base, **changes)


def issue_code(
    state: State,
    person: Person,
    redirect_uri: str,
    *,
    challenge: str | None,
    challenge_method: str,
    auth_type: str | None = None,
) -> str:
    """A code for the redirect (facts 1.4)."""
    code = state.ledger.add_code(
        person.key,
        redirect_uri,
        state.clock(),
        challenge=challenge,
        challenge_method=challenge_method,
        auth_type=auth_type,
        system_user=state.config.login_for_business and state.config.config_system_user,
    )
    state.touch()
    return code.text


def split_scope(text: str) -> list[str]:
    """`scope` is comma or space separated (facts 1.1); each name once, in order."""
    return list(dict.fromkeys(text.replace(",", " ").split()))
