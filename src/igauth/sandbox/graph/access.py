"""What a call asks for, with which token, and whether it may be answered (facts 5, 6.6, 10.2)."""

import hmac
from dataclasses import dataclass

from igauth.sandbox.control.calls import Call, ProofState
from igauth.sandbox.control.faults import Target
from igauth.sandbox.graph import answers
from igauth.sandbox.graph.answers import GraphError, Refused
from igauth.sandbox.graph.request import GraphRequest, limit_of, walk_fields
from igauth.sandbox.state import State
from igauth.sandbox.world.people import Grant, Person
from igauth.sandbox.world.world import Token, hmac_hex

EDGES = frozenset(
    {"accounts", "permissions", "businesses", "owned_pages", "client_pages", "picture"}
)
_GRANT_TYPES = {"fb_exchange_token": "upgrade", "client_credentials": "app_token"}
_KINDS = {"pages": "page", "instagram_accounts": "instagram_account", "businesses": "business"}
_PROOF_SECONDS = 300

# --- which endpoint a path means: for dispatch, for faults and for the call log ---


@dataclass(frozen=True, slots=True)
class Route:
    """Where a call goes, and what faults can strike it; `unknown`: nothing here answers it."""

    endpoint: str
    template: str
    target: Target


def find_route(state: State, request: GraphRequest) -> Route:
    """Classify a call; nothing is refused here, and a dead token still names its person."""
    person = _person(state, request)
    endpoint, template = _classify(state, request, person)
    asked = dict(walk_fields(request.params.get("fields", "")))
    expanded = {found.name: found for found in asked.values() if found.name in EDGES - {"picture"}}
    limits = [request.params, *(found.modifiers for found in expanded.values())]
    target = Target(
        frozenset({endpoint, *expanded, "any" if request.part_of is None else "batch_part"}),
        person.key if person else None,
        request.path[0] if request.path else None,
        frozenset(asked),
        max(limit_of(modifiers) for modifiers in limits),
    )
    return Route(endpoint, template, target)


def _person(state: State, request: GraphRequest) -> Person | None:
    """Whose data this call is about: for token endpoints, the code's or inner token's person."""
    key: str | None = None
    params = request.params
    inner = params.get("input_token") or params.get("fb_exchange_token")
    if "code" in params and params["code"] in state.ledger.codes:
        key = state.ledger.codes[params["code"]].person
    elif inner or request.access_token:
        token = state.ledger.find(inner or request.access_token or "")
        key = token.person if token else None
    if key is None and len(request.path) > 1:
        return state.world.by_id(request.path[0])
    return state.world.person(key) if key else None


def _classify(state: State, request: GraphRequest, person: Person | None) -> tuple[str, str]:
    match request.path:
        case ():
            return _root_endpoint(request), "/"
        case ("oauth", "access_token"):
            grant_type = request.params.get("grant_type", "")
            return _GRANT_TYPES.get(grant_type, "exchange"), "/oauth/access_token"
        case ("debug_token",):
            return "debug_token", "/debug_token"
        case (node,):
            kind = _node_kind(state, person, node)
            return ("me" if kind == "user" else kind), f"/{_name(kind, node)}"
        case (node, "permissions", _):
            name = _name(_node_kind(state, person, node), node)
            return "revoke", f"/{name}/permissions/{{permission}}"
        case (node, edge) if edge in EDGES:
            revoking = (request.method, edge) == ("DELETE", "permissions")
            name = _name(_node_kind(state, person, node), node)
            return "revoke" if revoking else edge, f"/{name}/{edge}"
    return "unknown", "/" + "/".join(request.path)[:200]


def _root_endpoint(request: GraphRequest) -> str:
    """A batch, or the multi-get that is no more (facts 12.1, 12.9)."""
    if "ids" in request.params:
        return "ids"
    return "batch" if request.method == "POST" and "batch" in request.params else "unknown"


def _name(kind: str, node: str) -> str:
    if node == "me" or kind == "unknown":
        return node[:100]
    return "{" + kind.replace("instagram_account", "ig").replace("_", "-") + "-id}"


def _node_kind(state: State, person: Person | None, node: str) -> str:
    """`user`, `page`, `instagram_account`, `business` or `unknown`, by what the person has."""
    if node == "me" or state.world.by_id(node) is not None:
        return "user"
    if person is not None and node == person.system_user_id:
        return "user"
    for kind, known in person.assets.items() if person is not None else ():
        if node in known:
            return _KINDS[kind]
    if not node.isdigit():
        return "unknown"
    return "instagram_account" if node.startswith("17841") else "page"  # a guess, for the log


def log_entry(state: State, request: GraphRequest, route: Route) -> Call:
    """The call for the log: no token, code or secret in it."""
    token = state.ledger.find(request.access_token or "")
    known = "unknown" if token is None else token.kind.lower()
    return Call(
        at=state.clock(),
        method=request.method,
        endpoint=route.endpoint,
        path=route.template,
        version=request.version,
        person=route.target.person,
        proof=_proof_state(state, request),
        credential=known if request.access_token else "none",
        carried=request.carried,
        fields=request.params.get("fields"),
        part_of=request.part_of,
        known=route.endpoint != "unknown",
        secrets_in_query=request.secrets_in_query,
    )


# --- the token, and why it may be no good (facts 10.2, 10.3) ---


def read_token(state: State, text: str) -> Token:
    """The token of that text, dead or alive; refuses what this app never got (facts 10.3)."""
    token = state.ledger.find(text)
    if token is not None:
        if token.foreign:
            raise Refused(answers.TOKEN_SIGNATURE)
        return token
    app_id, bar, _ = text.partition("|")
    if bar:
        known = app_id == state.config.app_id
        raise Refused(answers.TOKEN_SIGNATURE if known else answers.APP_UNKNOWN)
    looks_right = text.startswith("EAA") and text.isalnum()
    raise Refused(answers.TOKEN_INVALID if looks_right else answers.TOKEN_UNPARSEABLE)


def cause_of_death(state: State, token: Token) -> GraphError | None:
    """Why a token of ours is no good just now; None while it lives."""
    if token.kind == "APP":
        return None
    root, now = token.root, state.clock()
    if root.death is not None:
        return root.death
    person = state.world.person(root.person or "")
    if person.grant is None:
        return answers.dead_token(458, state.config.app_id)
    if token.expires_at is not None and token.expires_at <= now:
        return answers.expired_token(token.expires_at, now)
    lost_role = token.page_id is not None and token.page_id not in person.pages
    causes = {459: person.at_checkpoint, 464: person.unconfirmed, 492: lost_role}
    return next((answers.dead_token(code) for code, is_so in causes.items() if is_so), None)


def wear_out(state: State, token: Token, place: str) -> None:
    """A fragile person's token answers each place once; asked again, it dies with 190/460."""
    if token.kind == "APP" or token.person is None:
        return
    person = state.world.person(token.person)
    if not person.quirks.fragile:
        return
    if place in person.answered:
        state.ledger.kill(person.key, answers.dead_token(460))
    person.answered.add(place)
    state.touch()


def living_token(state: State, request: GraphRequest) -> Token:
    """The token of a call; refuses one that is missing, unknown or dead, or its wrong proof."""
    if not request.access_token:
        raise Refused(answers.TOKEN_MISSING)
    token = read_token(state, request.access_token)
    death = cause_of_death(state, token)
    if death is not None:
        raise Refused(death)
    if _proof_state(state, request) == "invalid":  # checked whenever sent (facts 5.3)
        raise Refused(answers.PROOF_WRONG)
    return token


def admit(state: State, request: GraphRequest) -> Token:
    """A living token; a proof is demanded of all but the app's own (facts 5.3, 5.4, 5.6)."""
    token = living_token(state, request)
    absent = _proof_state(state, request) == "absent"
    if absent and state.config.require_proof and token.kind != "APP":
        raise Refused(answers.PROOF_MISSING)
    return token


def living_grant(state: State, person: Person) -> Grant:
    """The grant behind a data call; refuses when data access has lapsed (facts 3.8)."""
    if person.grant is None:
        raise Refused(answers.dead_token(458, state.config.app_id))
    if person.grant.data_access_until <= state.clock():
        raise Refused(answers.dead_token(493))
    return person.grant


# --- appsecret_proof, derived here from facts 5 alone so that a shared mistake can't hide ---


def proof_of(secret: str, access_token: str, at: str | None = None) -> str:
    """`appsecret_proof` of a token, plain (facts 5.1) or timed (5.2)."""
    return hmac_hex(secret, access_token if at is None else f"{access_token}|{at}")


def _proof_state(state: State, request: GraphRequest) -> ProofState:
    """Whether a call's proof belongs to its token; the batch's counts for the same one (12.1)."""
    own = "appsecret_proof" in request.params
    params = request.params if own else request.batch_proof
    if "appsecret_proof" not in params:
        return "absent"
    at = params.get("appsecret_time")
    if at is not None and not _recent(at, state.clock.unix()):
        return "invalid"
    expected = proof_of(state.config.app_secret, request.access_token or "", at)
    holds = hmac.compare_digest(expected.encode(), params["appsecret_proof"].encode())
    return "valid" if holds else "invalid"


def _recent(at: str, now: int) -> bool:
    return at.isascii() and at.isdigit() and abs(now - int(at)) <= _PROOF_SECONDS
