"""Graph's nodes, field by field: User, Page, Instagram account, business (facts 6, 7, 8)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from igauth.sandbox.graph.answers import NEEDS_BUSINESS, NO_PERMISSION, Refused, no_such_field
from igauth.sandbox.graph.request import Selection
from igauth.sandbox.graph.view import EdgeItems, View, list_edge
from igauth.sandbox.world.people import Business, Page, Person

Getter = Callable[[View, Any, Selection], object]
Json = dict[str, object]
_PICTURE_SIZES = {"small": 50, "normal": 100, "album": 50, "large": 200, "square": 50}


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


def check(kind_name: str, selections: Iterable[Selection]) -> None:
    """Refuse the entire call over one field that doesn't exist (facts 6.5)."""
    kind = KINDS[kind_name]
    for selection in selections:
        found = kind.fields.get(selection.name)
        if found is None:
            raise Refused(no_such_field(selection.name, kind.type_name))
        if found.of is not None:
            check(found.of, selection.fields)


def render(view: View, kind_name: str, node: Any, selections: tuple[Selection, ...]) -> Json:
    """A node's JSON in the order asked for; `id` comes last when it wasn't asked (facts 0.5).

    A nested edge without entries is omitted, as anything empty is (facts 0.8).
    """
    kind = KINDS[kind_name]
    shown: Json = {}
    refused = view.person.quirks.refused_fields.get(node.id, {}) if kind.has_id else {}
    for selection in selections or tuple(Selection(name) for name in kind.defaults):
        if selection.name in refused and selections:  # the whole call (facts 6.5, 7.2b)
            nonexisting = no_such_field(selection.name, kind.type_name)
            raise Refused(NO_PERMISSION if refused[selection.name] == 10 else nonexisting)
        found = kind.fields[selection.name]
        value = found.get(view, node, selection)
        if value is not None and not (found.is_edge and value == {"data": []}):
            shown[selection.key] = value
    if kind.has_id:
        shown.setdefault("id", node.id)
    return shown


def _plain(*names: str) -> dict[str, Field]:
    """Fields that are attributes of the thing; what is None or an empty text is omitted."""

    def getter(name: str) -> Getter:
        return lambda _view, node, _selection: None if (v := getattr(node, name)) == "" else v

    return {name: Field(getter(name)) for name in names}


def _constant(value: object, *names: str) -> dict[str, Field]:
    return {name: Field(lambda _view, _node, _selection: value) for name in names}


def _edge(items: Callable[[View, Any], EdgeItems], of: str) -> Field:
    def get(view: View, node: Any, edge: Selection) -> object:
        def show(item: Any) -> object:
            return render(view, of, item, edge.fields)

        return list_edge(view, node.id, edge, items(view, node), show)

    return Field(get, of, is_edge=True)


# --- pictures (facts 6.1) ---


def picture_data(view: View, node: Any, selection: Selection) -> Json:
    """`{"data": {...}}` of a User's or a Page's picture (facts 6.1, 6.4)."""
    modifiers = selection.modifiers
    width = _size(modifiers.get("width"), _PICTURE_SIZES.get(modifiers.get("type", ""), 50))
    height = _size(modifiers.get("height"), width)
    url = getattr(node, "picture_url", None) or view.picture_of(node.id)
    full: Json = {"height": height, "is_silhouette": False, "url": url, "width": width}
    wanted = [sub.name for sub in selection.fields] or list(full)
    return {"data": {name: full[name] for name in wanted}}


def _size(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 5 else default


# --- User (facts 6) ---


def _email(view: View, person: Person, _selection: Selection) -> str | None:
    return person.email if view.grant.has("email") else None


def _name_part(index: int) -> Field:
    return Field(lambda _view, person, _selection: (person.name.split() or [""])[index])


def _permissions(view: View, _node: Any, edge: Selection) -> Json:
    """/me/permissions: every permission that was ever asked, unpaged (facts 9.1)."""
    entries = [
        {"permission": name, "status": status}
        for name, status in view.grant.permissions.items()
        if edge.modifiers.get("permission", name) == name
        and edge.modifiers.get("status", status) == status
    ]
    names = [sub.name for sub in edge.fields] or ["permission", "status"]
    shown: list[object] = [{name: entry[name] for name in names} for entry in entries]
    return {"data": [*shown, *view.person.quirks.odd_entries.get("permissions", ())]}


def _accounts(view: View, _node: Any) -> EdgeItems:
    """/me/accounts: empty, not an error, without pages_show_list (facts 7.9)."""
    quirks = view.person.quirks
    if not view.grant.has("pages_show_list"):
        return EdgeItems(())
    pages = [page for page in view.person.pages.values() if view.sees_in_list(page)]
    return EdgeItems(pages, quirks.odd_entries.get("accounts", ()), quirks.page_sizes)


def _businesses(view: View, _node: Any) -> EdgeItems:
    """/me/businesses: 403/200 without business_management (facts 7.6)."""
    if not view.grant.has("business_management"):
        raise Refused(NEEDS_BUSINESS)
    businesses = view.person.businesses.values()
    shown = [business for business in businesses if view.sees_business(business.id)]
    return EdgeItems(shown, view.person.quirks.odd_entries.get("businesses", ()))


_USER_EDGES = {
    "accounts": _edge(_accounts, "listed_page"),
    "businesses": _edge(_businesses, "business"),
    "permissions": Field(_permissions, "permission", is_edge=True),
}


# --- Page (facts 7.2, 7.7, 7.8) ---


def _instagram(view: View, page: Page, selection: Selection) -> Json | None:
    """`instagram_business_account`: the key is absent where there is none to show (facts 7.7)."""
    account = view.account_of(page)
    if account is None:
        return None
    view.touched_accounts[account.id] = None
    return render(view, "instagram_account", account, selection.fields)


def _connected_instagram(_view: View, page: Page, _selection: Selection) -> Json | None:
    """`connected_instagram_account`: can be a personal one (facts 7.7)."""
    return {"id": page.connected_instagram} if page.connected_instagram else None


def _owner_business(view: View, page: Page, _selection: Selection) -> Json | None:
    business = view.person.businesses.get(page.business or "")
    return {"id": business.id, "name": business.name} if business else None


def _website(view: View, node: Any, _selection: Selection) -> str:
    return view.website_of(node.id)


_PAGE_FIELDS = {
    **_plain("id", "name", "category", "username"),
    **_constant(True, "has_transitioned_to_new_page_experience", "is_published"),
    "category_list": Field(lambda _view, page, _: [{"id": "2500", "name": page.category}]),
    "access_token": Field(lambda view, page, _selection: view.page_token(page)),
    "link": Field(_website),
    "picture": Field(picture_data, "picture"),
    "instagram_business_account": Field(_instagram, "instagram_account"),
    "connected_instagram_account": Field(_connected_instagram, "instagram_account"),
    "owner_business": Field(_owner_business),
    "business": Field(_owner_business),
}
_TASKS = Field(lambda view, page, _: list(page.tasks) if view.has_role(page) else None)


# --- business portfolio (facts 7.6) ---


def _portfolio_pages(relation: str) -> Field:
    def pages(view: View, business: Business) -> EdgeItems:
        if business.trouble is not None:
            raise Refused(business.trouble)
        held = [page for page in view.person.pages.values() if page.business == business.id]
        odd = view.person.quirks.odd_entries.get(f"{relation}_pages", ())
        return EdgeItems([page for page in held if page.relation == relation], odd)

    return _edge(pages, "page")


KINDS: dict[str, NodeKind] = {
    "user": NodeKind(
        "User",
        {
            **_plain("id", "name"),
            "email": Field(_email),
            "first_name": _name_part(0),
            "last_name": _name_part(-1),
            "short_name": _name_part(0),
            "picture": Field(picture_data, "picture"),
            **_USER_EDGES,
        },
        ("name", "id"),
    ),
    "system_user": NodeKind(
        "SystemUser", {**_plain("id", "name", "client_business_id"), **_USER_EDGES}, ("name", "id")
    ),
    "page": NodeKind("Page", _PAGE_FIELDS, ("name", "id")),
    # `tasks` exists on /me/accounts alone (facts 7.2a), and comes there unasked (7.2).
    "listed_page": NodeKind(
        "Page",
        {**_PAGE_FIELDS, "tasks": _TASKS},
        ("access_token", "category", "category_list", "name", "id", "tasks"),
    ),
    # No account_type and no user_id here (facts 8.2).
    "instagram_account": NodeKind(
        "ShadowIGUser",
        {
            **_plain("id", "username", "name", "biography", "website"),
            **_plain("followers_count", "follows_count", "media_count"),
            **_constant(True, "is_published"),
            **_constant(False, "shopping_product_tag_eligibility"),
            **_constant(None, "legacy_instagram_user_id", "ig_id", "owner_business"),
            "profile_picture_url": Field(lambda view, account, _: view.account_picture(account)),
            "has_profile_pic": Field(lambda _view, account, _selection: account.has_picture),
        },
    ),
    "business": NodeKind(
        "Business",
        {
            **_plain("id", "name", "verification_status"),
            **_constant("2018-01-04T07:12:08+0000", "created_time"),
            **_constant("2021-08-31T08:27:35+0000", "updated_time"),
            "link": Field(_website),
            "profile_picture_uri": Field(lambda view, business, _: view.picture_of(business.id)),
            "owned_pages": _portfolio_pages("owned"),
            "client_pages": _portfolio_pages("client"),
        },
        ("id", "name"),
    ),
    "permission": NodeKind("Permission", _constant(None, "permission", "status"), has_id=False),
    "picture": NodeKind(
        "ProfilePictureSource",
        _constant(None, "height", "is_silhouette", "url", "width"),
        has_id=False,
    ),
}
