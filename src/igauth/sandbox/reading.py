"""GET on nodes and edges: who is `me`, which Pages and accounts can be read (facts 6-8)."""

import json
from dataclasses import dataclass, replace

from igauth.sandbox import problems
from igauth.sandbox.access import admit, living_grant
from igauth.sandbox.asking import Asking
from igauth.sandbox.fields import Ask, parse_fields
from igauth.sandbox.ledger import Token
from igauth.sandbox.nodes import KINDS, SystemUser, check, picture_data, render, same_account
from igauth.sandbox.problems import Refused, no_such_field, not_visible
from igauth.sandbox.state import State
from igauth.sandbox.view import View
from igauth.sandbox.world import Business, InstagramAccount, Page, Person

Json = dict[str, object]
_PAGE_READERS = ("pages_read_engagement", "pages_show_list")


@dataclass(frozen=True, slots=True)
class Node:
    """A node that may be read: the name of its kind, and the thing itself."""

    kind: str
    thing: Person | SystemUser | Page | InstagramAccount | Business


@dataclass(frozen=True, slots=True)
class Read:
    """What a read gives: JSON, or a link to redirect to (facts 6.4), and usage headers (11.3)."""

    content: Json
    redirect: str | None
    usage: dict[str, str]


def read(state: State, asking: Asking) -> Read:
    """Answer `GET /{node}` or `GET /{node}/{edge}`; refuses as Graph does."""
    node_id = asking.path[0]
    if not asking.access_token and node_id == "me":
        raise Refused(problems.ME_NEEDS_USER)
    token = admit(state, asking)
    view = _view(state, asking, token)
    asks = parse_fields(asking.params.get("fields", ""))
    node = _find(view, node_id, asks)
    if len(asking.path) == 1:
        check(node.kind, asks)
        return _done(view, node, render(view, node.kind, node.thing, asks))
    return _read_edge(view, node, asking, asks)


def _view(state: State, asking: Asking, token: Token) -> View:
    """Through whose eyes; an app token has none, so `me` is refused (facts 6.8)."""
    if token.person is None:
        node_id = asking.path[0]
        raise Refused(problems.ME_NEEDS_USER if node_id == "me" else not_visible(node_id))
    person = state.world.person(token.person)
    return View(state, token, person, living_grant(state, person), asking.version, asking.origin)


def _find(view: View, node_id: str, asks: tuple[Ask, ...]) -> Node:
    if node_id == "me" or node_id in (view.person.id, view.person.system_user_id):
        return _me(view)
    if node_id in view.person.pages:
        return Node("page", _readable_page(view, view.person.pages[node_id], asks))
    if node_id in view.person.accounts:
        return Node("instagram_account", _readable_account(view, node_id))
    if node_id in view.person.businesses and view.sees_business(node_id):
        return Node("business", view.person.businesses[node_id])
    if view.state.world.page_exists(node_id):
        raise Refused(problems.PAGE_NOT_YOURS)
    raise Refused(not_visible(node_id) if node_id.isdigit() else problems.no_such_alias(node_id))


def _me(view: View) -> Node:
    """The person, the Page of a Page token, or the system user (facts 6.8)."""
    if view.token.page_id is not None:
        return Node("page", view.person.pages[view.token.page_id])
    if view.token.kind == "SYSTEM_USER":
        business_id = next(iter(view.person.businesses), "2000000000000000")
        name = f"System user of {view.person.name}"
        return Node("system_user", SystemUser(view.person.system_user_id, name, business_id))
    return Node("user", view.person)


def _readable_page(view: View, page: Page, asks: tuple[Ask, ...]) -> Page:
    """A Page by its id: chosen, or seen through a portfolio (facts 7.6 A, 7.9)."""
    if page.trouble is not None:
        raise Refused(page.trouble)
    if view.token.page_id == page.id:
        return page
    through_portfolio = page.business is not None and view.sees_business(page.business)
    if not (view.has_role(page) or through_portfolio):
        raise Refused(problems.PAGE_NOT_YOURS)
    if not any(view.grant.has(permission) for permission in _PAGE_READERS):
        wants_token = any(ask.name == "access_token" for ask in asks)
        raise Refused(problems.IMPERSONATION if wants_token else problems.PAGE_NOT_YOURS)
    return page


def _readable_account(view: View, account_id: str) -> InstagramAccount:
    """An Instagram node by its id, with the person's or its Page's token (facts 8.3, 8.7)."""
    account = view.person.accounts[account_id]
    if account.trouble is not None:
        raise Refused(account.trouble)
    if not (view.grant.has("instagram_basic") and view.grant.has("pages_read_engagement")):
        raise Refused(problems.NO_PERMISSION)
    page = view.person.pages.get(view.token.page_id or "")
    by_page = view.token.page_id is None or same_account(account, page)
    if not (by_page and view.grant.choice.has_account(account_id)):
        raise Refused(not_visible(account_id))
    view.touched_accounts[account_id] = None
    return account


# --- edges ---


def _read_edge(view: View, node: Node, asking: Asking, asks: tuple[Ask, ...]) -> Read:
    edge = asking.path[1]
    if edge == "picture" and node.kind in ("user", "page"):
        return _picture(view, node, asking)
    field = KINDS[node.kind].fields.get(edge)
    if field is None or not field.is_edge or field.of is None:
        raise Refused(no_such_field(edge, KINDS[node.kind].type_name))
    check(field.of, asks)
    # The call's own parameters are the edge's modifiers: limit, after, before, summary, status …
    content = field.get(view, node.thing, Ask(edge, asking.params, asks))
    return _done(view, node, content if isinstance(content, dict) else {})


def _picture(view: View, node: Node, asking: Asking) -> Read:
    """302 to the picture unless `redirect=0` (facts 6.4)."""
    data = picture_data(view, node.thing, Ask("picture", asking.params))
    if asking.params.get("redirect") in ("0", "false"):
        return _done(view, node, data)
    inner = data["data"]
    url = str(inner["url"]) if isinstance(inner, dict) else ""
    return replace(_done(view, node, {}), redirect=url)


# --- usage headers (facts 11.1, 11.3) ---


def _done(view: View, node: Node, content: Json) -> Read:
    if node.kind == "page":
        view.touched_pages[node.thing.id] = None
    return Read(content, None, usage_headers(view))


def usage_headers(view: View) -> dict[str, str]:
    """`x-app-usage`; with Instagram fields the business-use-case header in its place (11.3)."""
    if not view.touched_accounts:
        usage = json.dumps({"call_count": 2, "total_cputime": 1, "total_time": 1})
        return {"x-app-usage": usage, "cross-origin-resource-policy": "cross-origin"}
    entries = {asset: [_usage("instagram")] for asset in view.touched_accounts}
    entries |= {asset: [_usage("pages")] for asset in view.touched_pages}
    newest = dict(list(entries.items())[-32:])
    return {"x-business-use-case-usage": json.dumps(newest, separators=(",", ":"))}


def _usage(kind: str) -> Json:
    return {
        "type": kind,
        "call_count": 1,
        "total_cputime": 1,
        "total_time": 1,
        "estimated_time_to_regain_access": 0,
    }
