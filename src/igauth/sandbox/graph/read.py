"""GET on nodes and edges: who is `me`, which Pages and accounts can be read (facts 6-8)."""

import json
from dataclasses import dataclass, replace

from igauth.sandbox.graph import answers
from igauth.sandbox.graph.access import admit, living_grant
from igauth.sandbox.graph.answers import Refused, no_such_field, not_visible
from igauth.sandbox.graph.nodes import KINDS, SystemUser, check, picture_data, render
from igauth.sandbox.graph.request import GraphRequest, Selection, parse_fields
from igauth.sandbox.graph.view import View
from igauth.sandbox.state import State
from igauth.sandbox.world.people import Business, InstagramAccount, Page, Person
from igauth.sandbox.world.world import Token

Json = dict[str, object]
_PAGE_READERS = ("pages_read_engagement", "pages_show_list")
_LITTLE_USED = {"call_count": 1, "total_cputime": 1, "total_time": 1}


@dataclass(frozen=True, slots=True)
class Node:
    """A node that may be read: the name of its kind, and the thing itself."""

    kind: str
    thing: Person | SystemUser | Page | InstagramAccount | Business


@dataclass(frozen=True, slots=True)
class Read:
    """What a read gives: JSON, or a link to redirect to (facts 6.4), and usage headers (11.3)."""

    content: Json
    usage: dict[str, str]
    redirect: str | None = None


def read(state: State, request: GraphRequest) -> Read:
    """Answer `GET /{node}` or `GET /{node}/{edge}`; refuses as Graph does."""
    node_id, *edge = request.path
    if not request.access_token and node_id == "me":
        raise Refused(answers.ME_NEEDS_USER)
    view = _view(state, request, admit(state, request))
    selections = parse_fields(request.params.get("fields", ""))
    node = _find(view, node_id, selections)
    if edge:
        return _read_edge(view, node, Selection(edge[0], request.params, selections))
    check(node.kind, selections)
    return _done(view, node, render(view, node.kind, node.thing, selections))


def _view(state: State, request: GraphRequest, token: Token) -> View:
    """Through whose eyes; an app token has none, so `me` is refused (facts 6.8)."""
    if token.person is None:
        node_id = request.path[0]
        raise Refused(answers.ME_NEEDS_USER if node_id == "me" else not_visible(node_id))
    person = state.world.person(token.person)
    return View(state, token, person, living_grant(state, person), request.version, request.origin)


def _find(view: View, node_id: str, selections: tuple[Selection, ...]) -> Node:
    if node_id == "me" or node_id in (view.person.id, view.person.system_user_id):
        return _me(view)
    if node_id in view.person.pages:
        return Node("page", _readable_page(view, view.person.pages[node_id], selections))
    if node_id in view.person.accounts:
        return Node("instagram_account", _readable_account(view, node_id))
    if node_id in view.person.businesses and view.sees_business(node_id):
        return Node("business", view.person.businesses[node_id])
    owner = view.state.world.owner_of(node_id)
    if owner is not None and node_id in owner.pages:
        raise Refused(answers.PAGE_NOT_YOURS)
    raise Refused(not_visible(node_id) if node_id.isdigit() else answers.no_such_alias(node_id))


def _me(view: View) -> Node:
    """The person, the Page of a Page token, or the system user (facts 6.8)."""
    if view.token.page_id is not None:
        return Node("page", view.person.pages[view.token.page_id])
    if view.token.kind == "SYSTEM_USER":
        business_id = next(iter(view.person.businesses), "2000000000000000")
        name = f"System user of {view.person.name}"
        return Node("system_user", SystemUser(view.person.system_user_id, name, business_id))
    return Node("user", view.person)


def _readable_page(view: View, page: Page, selections: tuple[Selection, ...]) -> Page:
    """A Page by its id: chosen, or seen through a portfolio (facts 7.6 A, 7.9)."""
    if page.trouble is not None:
        raise Refused(page.trouble)
    if view.token.page_id == page.id:
        return page
    through_portfolio = page.business is not None and view.sees_business(page.business)
    if not (view.has_role(page) or through_portfolio):
        raise Refused(answers.PAGE_NOT_YOURS)
    if not any(view.grant.has(permission) for permission in _PAGE_READERS):
        wants_token = any(each.name == "access_token" for each in selections)
        raise Refused(answers.IMPERSONATION if wants_token else answers.PAGE_NOT_YOURS)
    return page


def _readable_account(view: View, account_id: str) -> InstagramAccount:
    """An Instagram node by its id, with the person's or its Page's token (facts 8.3, 8.7)."""
    account = view.person.accounts[account_id]
    if account.trouble is not None:
        raise Refused(account.trouble)
    if not (view.grant.has("instagram_basic") and view.grant.has("pages_read_engagement")):
        raise Refused(answers.NO_PERMISSION)
    page = view.person.pages.get(view.token.page_id or "")
    by_page = view.token.page_id is None or (page is not None and page.instagram == account_id)
    if not (by_page and view.grant.choice.has_account(account_id)):
        raise Refused(not_visible(account_id))
    view.touched_accounts[account_id] = None
    return account


def _read_edge(view: View, node: Node, edge: Selection) -> Read:
    """The call's own parameters are the edge's modifiers: limit, after, summary, status …"""
    if edge.name == "picture" and node.kind in ("user", "page"):
        return _picture(view, node, edge)
    field = KINDS[node.kind].fields.get(edge.name)
    if field is None or not field.is_edge or field.of is None:
        raise Refused(no_such_field(edge.name, KINDS[node.kind].type_name))
    check(field.of, edge.fields)
    content = field.get(view, node.thing, edge)
    return _done(view, node, content if isinstance(content, dict) else {})


def _picture(view: View, node: Node, edge: Selection) -> Read:
    """302 to the picture unless `redirect=0` (facts 6.4)."""
    data = picture_data(view, node.thing, Selection("picture", edge.modifiers))
    if edge.modifiers.get("redirect") in ("0", "false"):
        return _done(view, node, data)
    inner = data["data"]
    url = str(inner["url"]) if isinstance(inner, dict) else ""
    return replace(_done(view, node, {}), redirect=url)


def _done(view: View, node: Node, content: Json) -> Read:
    if node.kind == "page":
        view.touched_pages[node.thing.id] = None
    return Read(content, _usage_headers(view))


def _usage_headers(view: View) -> dict[str, str]:
    """`x-app-usage`; with Instagram fields the business-use-case header in its place (11.3)."""
    if not view.touched_accounts:
        usage = json.dumps(_LITTLE_USED)
        return {"x-app-usage": usage, "cross-origin-resource-policy": "cross-origin"}
    entries = {asset: [_usage("instagram")] for asset in view.touched_accounts}
    entries |= {asset: [_usage("pages")] for asset in view.touched_pages}
    newest = dict(list(entries.items())[-32:])
    return {"x-business-use-case-usage": json.dumps(newest, separators=(",", ":"))}


def _usage(kind: str) -> Json:
    return {"type": kind, **_LITTLE_USED, "estimated_time_to_regain_access": 0}
