"""Which endpoint a Graph path means: for dispatch, for faults and for the call log."""

from collections.abc import Mapping
from dataclasses import dataclass

from igauth.sandbox.asking import Asking
from igauth.sandbox.calls import Call
from igauth.sandbox.fields import Ask, glimpse
from igauth.sandbox.ledger import Token
from igauth.sandbox.state import State
from igauth.sandbox.world import Person

EDGES: Mapping[str, str] = {
    "accounts": "accounts",
    "permissions": "permissions",
    "businesses": "businesses",
    "owned_pages": "owned_pages",
    "client_pages": "client_pages",
    "picture": "picture",
}
_EXPANDABLE = frozenset(EDGES) - {"picture"}
_GRANT_TYPES = {"fb_exchange_token": "upgrade", "client_credentials": "app_token"}


@dataclass(frozen=True, slots=True)
class Route:
    """Where a call goes. `touches` are the endpoints whose faults strike it.

    `known` is False for a path that no part of the sandbox answers.
    """

    endpoint: str
    template: str
    person: str | None
    touches: frozenset[str]
    known: bool = True


def route(state: State, asking: Asking) -> Route:
    """Classify a call; nothing is refused here, and a dead token still names its person."""
    person = _person(state, asking)
    endpoint, template = _classify(state, asking, person)
    known = endpoint != "unknown"
    touches = {endpoint, *_expanded(asking)}
    touches.add("any" if asking.part_of is None else "batch_part")
    return Route(endpoint, template, person.key if person else None, frozenset(touches), known)


def _person(state: State, asking: Asking) -> Person | None:
    """Whose data this call is about: for token endpoints, the code's or inner token's person."""
    key: str | None = None
    params = asking.params
    inner = params.get("input_token") or params.get("fb_exchange_token")
    if "code" in params and params["code"] in state.ledger.codes:
        key = state.ledger.codes[params["code"]].person
    elif inner or asking.access_token:
        token = state.ledger.find(inner or asking.access_token or "")
        key = token.person if token else None
    if key is None and len(asking.path) > 1:
        return state.world.by_id(asking.path[0])
    return state.world.person(key) if key else None


def _classify(state: State, asking: Asking, person: Person | None) -> tuple[str, str]:
    match asking.path:
        case ():
            return _root_endpoint(asking), "/"
        case ("oauth", "access_token"):
            grant_type = asking.params.get("grant_type", "")
            return _GRANT_TYPES.get(grant_type, "exchange"), "/oauth/access_token"
        case ("debug_token",):
            return "debug_token", "/debug_token"
        case (node,):
            kind = node_kind(state, person, node)
            return ("me" if kind == "user" else kind), f"/{_name(kind, node)}"
        case (node, "permissions", _):
            name = _name(node_kind(state, person, node), node)
            return "revoke", f"/{name}/permissions/{{permission}}"
        case (node, edge) if edge in EDGES:
            name = _name(node_kind(state, person, node), node)
            return _edge_endpoint(asking.method, edge), f"/{name}/{edge}"
    return "unknown", "/" + "/".join(asking.path)[:200]


def _root_endpoint(asking: Asking) -> str:
    """A batch, or the multi-get that is no more (facts 12.1, 12.9)."""
    if "ids" in asking.params:
        return "ids"
    return "batch" if asking.method == "POST" and "batch" in asking.params else "unknown"


def _edge_endpoint(method: str, edge: str) -> str:
    return "revoke" if (method, edge) == ("DELETE", "permissions") else EDGES[edge]


def _name(kind: str, node: str) -> str:
    if node == "me" or kind == "unknown":
        return node[:100]
    return "{" + kind.replace("instagram_account", "ig").replace("_", "-") + "-id}"


def node_kind(state: State, person: Person | None, node: str) -> str:
    """`user`, `page`, `instagram_account`, `business` or `unknown`, by what the person has."""
    if node == "me" or state.world.by_id(node) is not None:
        return "user"
    if person is not None:
        if node == person.system_user_id:
            return "user"
        for kind, known in _shelves(person):
            if node in known:
                return kind
    return _by_shape(node)


def _shelves(person: Person) -> tuple[tuple[str, Mapping[str, object]], ...]:
    return (
        ("page", person.pages),
        ("instagram_account", person.accounts),
        ("business", person.businesses),
    )


def _by_shape(node: str) -> str:
    """An id that nobody here has: a guess by its looks, for the log."""
    if not node.isdigit():
        return "unknown"
    return "instagram_account" if node.startswith("17841") else "page"


def _expanded(asking: Asking) -> set[str]:
    """Edges expanded inside the call's node: their faults strike it as well (facts 6.6)."""
    return _edges_in(glimpse(asking.params.get("fields", "")))


def _edges_in(asks: tuple[Ask, ...]) -> set[str]:
    found = {EDGES[ask.name] for ask in asks if ask.name in _EXPANDABLE}
    for ask in asks:
        found |= _edges_in(ask.fields)
    return found


def credential_of(token: Token | None, text: str | None) -> str:
    """What kind of credential came, in a word for the log."""
    if not text:
        return "none"
    return "unknown" if token is None else token.kind.lower()


def log_entry(state: State, asking: Asking, found: Route) -> Call:
    """The call for the log: no token, code or secret in it."""
    text = asking.access_token
    return Call(
        at=state.clock(),
        method=asking.method,
        endpoint=found.endpoint,
        path=found.template,
        version=asking.version,
        person=found.person,
        credential=credential_of(state.ledger.find(text) if text else None, text),
        carried=asking.carried,
        fields=asking.params.get("fields"),
        part_of=asking.part_of,
        known=found.known,
        secrets_in_query=asking.secrets_in_query,
    )
