"""Graph's nodes, field by field: User, Page, Instagram account, business (facts 6, 7, 8)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from igauth.sandbox.edges import Listed, list_edge
from igauth.sandbox.fields import Ask
from igauth.sandbox.problems import NEEDS_BUSINESS, Refused, no_such_field
from igauth.sandbox.view import View, picture_size
from igauth.sandbox.world import Business, InstagramAccount, Page, Person

Getter = Callable[[View, Any, Ask], object]
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Field:
    """How a field's value is found; None is omitted (facts 0.8). `of` names the nested kind."""

    get: Getter
    of: str | None = None
    is_edge: bool = False


@dataclass(frozen=True, slots=True)
class NodeKind:
    """A type of node: its fields, and those that come when none is asked for."""

    type_name: str
    fields: Mapping[str, Field]
    defaults: tuple[str, ...] = ("id",)
    has_id: bool = True


@dataclass(frozen=True, slots=True)
class SystemUser:
    """Who `me` is for a system-user token (facts 1.9, 6.8)."""

    id: str
    name: str
    client_business_id: str


def check(kind_name: str, asks: Iterable[Ask]) -> None:
    """Refuse the entire call over one field that doesn't exist (facts 6.5)."""
    kind = KINDS[kind_name]
    for ask in asks:
        found = kind.fields.get(ask.name)
        if found is None:
            raise Refused(no_such_field(ask.name, kind.type_name))
        if found.of is not None:
            check(found.of, ask.fields)


def render(view: View, kind_name: str, node: Any, asks: tuple[Ask, ...]) -> Json:
    """A node's JSON in the order asked for; `id` comes last when it wasn't asked (facts 0.5)."""
    kind = KINDS[kind_name]
    shown: Json = {}
    for ask in asks or tuple(Ask(name) for name in kind.defaults):
        value = kind.fields[ask.name].get(view, node, ask)
        if value is not None:
            shown[ask.key] = value
    if kind.has_id:
        shown.setdefault("id", node.id)
    return shown


def _plain(name: str) -> Field:
    return Field(lambda _view, node, _ask: getattr(node, name))


def _constant(value: object) -> Field:
    return Field(lambda _view, _node, _ask: value)


def _edge(listed: Callable[[View, Any], Listed], of: str) -> Field:
    def get(view: View, node: Any, ask: Ask) -> object:
        return list_edge(
            view,
            node.id,
            ask,
            listed(view, node),
            lambda item: render(view, of, item, ask.fields),
        )

    return Field(get, of, is_edge=True)


# --- pictures (facts 6.1) ---


def picture_data(view: View, node: Any, ask: Ask) -> Json:
    """`{"data": {...}}` of a User's or a Page's picture (facts 6.1, 6.4)."""
    width, height = picture_size(dict(ask.modifiers))
    url = getattr(node, "picture_url", None) or view.picture_of(node.id)
    full: Json = {"height": height, "is_silhouette": False, "url": url, "width": width}
    wanted = [sub.name for sub in ask.fields] or list(full)
    return {"data": {name: full[name] for name in wanted}}


_PICTURE_FIELDS = {name: _constant(None) for name in ("height", "is_silhouette", "url", "width")}


# --- User (facts 6) ---


def _email(view: View, person: Person, _ask: Ask) -> str | None:
    return person.email if view.grant.has("email") else None


def _name_part(index: int) -> Field:
    return Field(lambda _view, person, _ask: (person.name.split() or [""])[index])


def _permissions(view: View, _node: Any, ask: Ask) -> Json:
    """/me/permissions: every permission that was ever asked, unpaged (facts 9.1)."""
    entries: list[object] = [
        {"permission": name, "status": status}
        for name, status in view.grant.permissions.items()
        if ask.modifiers.get("permission", name) == name
        and ask.modifiers.get("status", status) == status
    ]
    names = tuple(sub.name for sub in ask.fields)
    if names:
        entries = [{name: entry[name] for name in names} for entry in entries]  # type: ignore[index]
    return {"data": [*entries, *view.person.quirks.odd_entries.get("permissions", ())]}


def _accounts(view: View, _node: Any) -> Listed:
    """/me/accounts: empty, not an error, without pages_show_list (facts 7.9)."""
    quirks = view.person.quirks
    if not view.grant.has("pages_show_list"):
        return Listed(())
    pages = [page for page in view.person.pages.values() if view.sees_in_list(page)]
    return Listed(pages, quirks.odd_entries.get("accounts", ()), quirks.page_sizes)


def _businesses(view: View, _node: Any) -> Listed:
    """/me/businesses: 403/200 without business_management (facts 7.6)."""
    if not view.grant.has("business_management"):
        raise Refused(NEEDS_BUSINESS)
    businesses = view.person.businesses.values()
    shown = [business for business in businesses if view.sees_business(business.id)]
    return Listed(shown, view.person.quirks.odd_entries.get("businesses", ()))


_USER_EDGES = {
    "accounts": _edge(_accounts, "page"),
    "businesses": _edge(_businesses, "business"),
    "permissions": Field(_permissions, "permission", is_edge=True),
}
_USER = NodeKind(
    "User",
    {
        "id": _plain("id"),
        "name": _plain("name"),
        "email": Field(_email),
        "first_name": _name_part(0),
        "last_name": _name_part(-1),
        "short_name": _name_part(0),
        "picture": Field(picture_data, "picture"),
        **_USER_EDGES,
    },
    ("name", "id"),
)
_SYSTEM_USER = NodeKind(
    "SystemUser",
    {
        "id": _plain("id"),
        "name": _plain("name"),
        "client_business_id": _plain("client_business_id"),
        **_USER_EDGES,
    },
    ("name", "id"),
)


# --- Page (facts 7.2, 7.7, 7.8) ---


def _instagram(view: View, page: Page, ask: Ask) -> Json | None:
    """`instagram_business_account`: the key is absent where there is none to show (facts 7.7)."""
    account = view.account_of(page)
    if account is None:
        return None
    view.touched_accounts[account.id] = None
    return render(view, "instagram_account", account, ask.fields)


def _connected_instagram(_view: View, page: Page, _ask: Ask) -> Json | None:
    """`connected_instagram_account`: can be a personal one (facts 7.7)."""
    return {"id": page.connected_instagram} if page.connected_instagram else None


def _owner_business(view: View, page: Page, _ask: Ask) -> Json | None:
    business = view.person.businesses.get(page.business or "")
    return {"id": business.id, "name": business.name} if business else None


def _category_list(_view: View, page: Page, _ask: Ask) -> list[Json]:
    return [{"id": "2500", "name": page.category}]


def _link(_view: View, page: Page, _ask: Ask) -> str:
    return f"https://www.facebook.com/{page.id}"


_PAGE = NodeKind(
    "Page",
    {
        "id": _plain("id"),
        "name": _plain("name"),
        "category": _plain("category"),
        "category_list": Field(_category_list),
        "access_token": Field(lambda view, page, _ask: view.page_token(page)),
        "tasks": Field(lambda view, page, _: list(page.tasks) if view.has_role(page) else None),
        "username": _plain("username"),
        "link": Field(_link),
        "picture": Field(picture_data, "picture"),
        "instagram_business_account": Field(_instagram, "instagram_account"),
        "connected_instagram_account": Field(_connected_instagram, "instagram_account"),
        "owner_business": Field(_owner_business),
        "business": Field(_owner_business),
        "has_transitioned_to_new_page_experience": _constant(True),
        "is_published": _constant(True),
    },
    ("access_token", "category", "category_list", "name", "id", "tasks"),
)


# --- Instagram account (facts 8.2): no account_type, no user_id ---

_INSTAGRAM = NodeKind(
    "ShadowIGUser",
    {
        "id": _plain("id"),
        "username": _plain("username"),
        "name": Field(lambda _view, account, _ask: account.name or None),
        "biography": Field(lambda _view, account, _ask: account.biography or None),
        "website": Field(lambda _view, account, _ask: account.website or None),
        "profile_picture_url": Field(lambda view, account, _: view.account_picture(account)),
        "has_profile_pic": Field(lambda _view, account, _ask: account.has_picture),
        "followers_count": _plain("followers_count"),
        "follows_count": _plain("follows_count"),
        "media_count": _plain("media_count"),
        "is_published": _constant(True),
        "legacy_instagram_user_id": _constant(None),
        "ig_id": _constant(None),
        "owner_business": _constant(None),
        "shopping_product_tag_eligibility": _constant(False),
    },
)


# --- business portfolio (facts 7.6) ---


def _portfolio_pages(relation: str) -> Callable[[View, Any], Listed]:
    def pages(view: View, business: Business) -> Listed:
        found = [
            page
            for page in view.person.pages.values()
            if page.business == business.id and page.relation == relation
        ]
        odd = view.person.quirks.odd_entries.get(f"{relation}_pages", ())
        return Listed(found, odd)

    return pages


def _own_link(_view: View, business: Business, _ask: Ask) -> str:
    return f"https://www.facebook.com/{business.id}"


_BUSINESS = NodeKind(
    "Business",
    {
        "id": _plain("id"),
        "name": _plain("name"),
        "link": Field(_own_link),
        "created_time": _constant("2018-01-04T07:12:08+0000"),
        "updated_time": _constant("2021-08-31T08:27:35+0000"),
        "verification_status": _plain("verification_status"),
        "profile_picture_uri": Field(lambda view, business, _ask: view.picture_of(business.id)),
        "owned_pages": _edge(_portfolio_pages("owned"), "page"),
        "client_pages": _edge(_portfolio_pages("client"), "page"),
    },
    ("id", "name"),
)

KINDS: dict[str, NodeKind] = {
    "user": _USER,
    "system_user": _SYSTEM_USER,
    "page": _PAGE,
    "instagram_account": _INSTAGRAM,
    "business": _BUSINESS,
    "permission": NodeKind(
        "Permission", {"permission": _constant(None), "status": _constant(None)}, has_id=False
    ),
    "picture": NodeKind("ProfilePictureSource", _PICTURE_FIELDS, has_id=False),
}


def same_account(account: InstagramAccount, page: Page | None) -> bool:
    """Whether a Page's token may read that Instagram account (facts 8.3)."""
    return page is not None and page.instagram == account.id
