"""Whether a call may be answered: its token, that token's life, and its proof (facts 5, 10.2)."""

from collections.abc import Mapping

from igauth.sandbox import problems
from igauth.sandbox.asking import Asking
from igauth.sandbox.calls import ProofState
from igauth.sandbox.ledger import Token
from igauth.sandbox.problems import Problem, Refused
from igauth.sandbox.signed import proof_holds
from igauth.sandbox.state import State
from igauth.sandbox.world import Grant, Person


def read_token(state: State, text: str) -> Token:
    """The token of that text, dead or alive; refuses what this app never got (facts 10.3)."""
    token = state.ledger.find(text)
    if token is not None:
        if token.foreign:
            raise Refused(problems.TOKEN_SIGNATURE)
        return token
    app_id, bar, _ = text.partition("|")
    if bar:
        known = app_id == state.config.app_id
        raise Refused(problems.TOKEN_SIGNATURE if known else problems.APP_UNKNOWN)
    looks_right = text.startswith("EAA") and text.isalnum()
    raise Refused(problems.TOKEN_INVALID if looks_right else problems.TOKEN_UNPARSEABLE)


def cause_of_death(state: State, token: Token) -> Problem | None:
    """Why a token of ours is no good just now; None while it lives."""
    if token.kind == "APP":
        return None
    root = token.root
    if root.death is not None:
        return root.death
    person = state.world.person(root.person or "")
    if person.grant is None:
        return problems.dead_token(458, state.config.app_id)
    return _expiry(state, token) or _standing(person, token)


def _expiry(state: State, token: Token) -> Problem | None:
    if token.expires_at is not None and token.expires_at <= state.clock():
        return problems.expired_token(token.expires_at, state.clock())
    return None


def _standing(person: Person, token: Token) -> Problem | None:
    if person.at_checkpoint:
        return problems.dead_token(459)
    if person.unconfirmed:
        return problems.dead_token(464)
    lost_role = token.page_id is not None and token.page_id not in person.pages
    return problems.dead_token(492) if lost_role else None


def data_access_lapsed(state: State, grant: Grant) -> bool:
    """Whether the 90 days of data access are over, though the token may live (facts 3.8)."""
    return grant.data_access_until <= state.clock()


def wear_out(state: State, token: Token, place: str) -> None:
    """A fragile person's token answers each place once; asked again, it dies with 190/460."""
    if token.kind == "APP" or token.person is None:
        return
    person = state.world.person(token.person)
    if not person.quirks.fragile:
        return
    if place in person.answered:
        state.ledger.kill(person.key, problems.dead_token(460))
    person.answered.add(place)
    state.touch()


def living_token(state: State, asking: Asking) -> Token:
    """The token of a call; refuses one that is missing, unknown or dead."""
    if not asking.access_token:
        raise Refused(problems.TOKEN_MISSING)
    token = read_token(state, asking.access_token)
    death = cause_of_death(state, token)
    if death is not None:
        raise Refused(death)
    return token


def admit(state: State, asking: Asking) -> Token:
    """The living token of a call, with its proof checked; refuses otherwise."""
    token = living_token(state, asking)
    check_proof(state, asking, token)
    return token


def check_proof(state: State, asking: Asking, token: Token) -> None:
    """Checked whenever sent; demanded of all but the app's own token (facts 5.3, 5.4, 5.6)."""
    found = proof_state(state, asking)
    if found == "invalid":
        raise Refused(problems.PROOF_WRONG)
    if found == "absent" and state.config.require_proof and token.kind != "APP":
        raise Refused(problems.PROOF_MISSING)


def proof_state(state: State, asking: Asking) -> ProofState:
    """Whether a call's `appsecret_proof` belongs to its token; an inherited one may (12.1)."""
    params = proof_params(asking)
    if "appsecret_proof" not in params:
        return "absent"
    text = asking.access_token or ""
    holds = proof_holds(state.config.app_secret, text, params, state.clock.unix())
    return "valid" if holds else "invalid"


def proof_params(asking: Asking) -> Mapping[str, str]:
    """The call's own proof, else the one that its batch brought for the same token."""
    return asking.params if "appsecret_proof" in asking.params else asking.inherited


def living_grant(state: State, person: Person) -> Grant:
    """The grant behind a data call; refuses when data access has lapsed (facts 3.8)."""
    if person.grant is None:
        raise Refused(problems.dead_token(458, state.config.app_id))
    if data_access_lapsed(state, person.grant):
        raise Refused(problems.dead_token(493))
    return person.grant
