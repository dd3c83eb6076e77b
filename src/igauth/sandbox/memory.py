"""What the sandbox still knows after a restart: codes, tokens, grants, what befell people, time.

Kept are differences from the cast, so that somebody with 10,000 Pages costs no more than anybody
else. Not kept: faults, calls, latency, and what a test adds to the cast.
"""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from igauth.sandbox.ledger import Code, Ledger, Token
from igauth.sandbox.state import State
from igauth.sandbox.world import (
    Choice,
    ExpiryVariant,
    Grant,
    GranularVariant,
    Original,
    Page,
    Person,
)

_CODES_KEPT = timedelta(days=1)
_EXPIRED_KEPT = timedelta(days=30)
_Links = tuple[str | None, str | None]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChosenRecord(_Record):
    """A set of ids: those that the cast was offered (or none), but for `ids`."""

    offered: bool = False
    ids: list[str] = Field(default_factory=list)


class GrantRecord(_Record):
    """A `Grant`; an asset that is None means all, now and in future."""

    permissions: dict[str, str]
    given_at: AwareDatetime
    data_access_until: AwareDatetime
    pages: ChosenRecord | None = None
    instagram_accounts: ChosenRecord | None = None
    businesses: ChosenRecord | None = None


class PersonRecord(_Record):
    """What became of a member of the cast; `links` are of Pages to Instagram accounts."""

    grant: GrantRecord | None = None
    at_checkpoint: bool = False
    unconfirmed: bool = False
    answered: list[str] = Field(default_factory=list)
    granular: GranularVariant | None = None
    expiry: ExpiryVariant | None = None
    lost_pages: list[str] = Field(default_factory=list)
    links: dict[str, _Links] = Field(default_factory=dict)


class Memory(_Record):
    """The content of a state file."""

    version: Literal[1]
    app_id: str
    page_token_key: str
    next_serial: Annotated[int, Field(ge=0)]
    seconds_ahead: float = 0.0
    codes: list[Code] = Field(default_factory=list)
    tokens: list[Token] = Field(default_factory=list)
    people: dict[str, PersonRecord] = Field(default_factory=dict)


# --- remembering ---


def remember(state: State) -> Memory:
    """Everything that shall outlive the process; long expired codes and tokens are left out."""
    now, ledger = state.clock(), state.ledger
    return Memory(
        version=1,
        app_id=state.config.app_id,
        page_token_key=ledger.page_token_key,
        next_serial=ledger.next_serial,
        seconds_ahead=state.clock.seconds_ahead,
        codes=[code for code in ledger.codes.values() if code.issued_at + _CODES_KEPT > now],
        tokens=[token for token in ledger.tokens.values() if _worth_keeping(token, now)],
        people=_people(state),
    )


def _worth_keeping(token: Token, now: datetime) -> bool:
    return token.expires_at is None or token.expires_at + _EXPIRED_KEPT > now


def _people(state: State) -> dict[str, PersonRecord]:
    """Those of the cast who were met; who is as they were at the start needs no record."""
    met = {
        person.key: _record(person, original)
        for person, original in state.world.met()
        if original is not None
    }
    return {key: record for key, record in met.items() if record.model_fields_set}


def _record(person: Person, original: Original) -> PersonRecord:
    found = {
        "grant": _grant_record(person.grant, original.offered) if person.grant else None,
        "at_checkpoint": person.at_checkpoint,
        "unconfirmed": person.unconfirmed,
        "answered": sorted(person.answered),
        "granular": person.quirks.granular,
        "expiry": person.quirks.expiry,
        "lost_pages": [page_id for page_id in original.pages if page_id not in person.pages],
        "links": _links(person, original),
    }
    usual = {"granular": original.granular, "expiry": original.expiry}
    changed = {name: value for name, value in found.items() if value and value != usual.get(name)}
    return PersonRecord.model_validate(changed)


def _links(person: Person, original: Original) -> dict[str, _Links]:
    if person.pages == original.pages:  # quick: unchanged Pages are the very same objects
        return {}
    return {
        page_id: _link(page)
        for page_id, page in person.pages.items()
        if page_id in original.pages and _link(page) != _link(original.pages[page_id])
    }


def _link(page: Page) -> _Links:
    return page.instagram, page.connected_instagram


def _grant_record(grant: Grant, offered: Choice) -> GrantRecord:
    chosen = grant.choice
    return GrantRecord(
        permissions=grant.permissions,
        given_at=grant.given_at,
        data_access_until=grant.data_access_until,
        pages=_pack(chosen.pages, offered.pages),
        instagram_accounts=_pack(chosen.instagram_accounts, offered.instagram_accounts),
        businesses=_pack(chosen.businesses, offered.businesses),
    )


def _pack(chosen: frozenset[str] | None, offered: frozenset[str] | None) -> ChosenRecord | None:
    """The shorter of the two ways to say which ids."""
    if chosen is None:
        return None
    differing = chosen ^ (offered or frozenset())
    if len(differing) < len(chosen):
        return ChosenRecord(offered=True, ids=sorted(differing))
    return ChosenRecord(ids=sorted(chosen))


# --- recalling ---


def recall(state: State, memory: Memory) -> None:
    """Put a fresh state where the remembered one stood; what the cast no longer has is skipped."""
    state.clock.seconds_ahead = memory.seconds_ahead
    _fill(state.ledger, memory, state)
    for key, record in memory.people.items():
        if state.world.known(key):
            person = state.world.person(key)
            _change(person, record)
            if record.grant is not None:
                person.grant = _grant(record.grant, state.world.original(key).offered)


def _fill(ledger: Ledger, memory: Memory, state: State) -> None:
    ledger.page_token_key = memory.page_token_key
    ledger.next_serial = memory.next_serial
    for code in memory.codes:
        if state.world.known(code.person):
            ledger.codes[code.text] = code
    for token in memory.tokens:
        if token.foreign or state.world.known(token.person or ""):
            ledger.put(token)


def _change(person: Person, record: PersonRecord) -> None:
    person.at_checkpoint = record.at_checkpoint
    person.unconfirmed = record.unconfirmed
    person.answered = set(record.answered)
    person.quirks.granular = record.granular or person.quirks.granular
    person.quirks.expiry = record.expiry or person.quirks.expiry
    for page_id in record.lost_pages:
        person.pages.pop(page_id, None)
    for page_id, (instagram, connected) in record.links.items():
        if page_id in person.pages and {instagram, connected} <= {None, *person.accounts}:
            person.change_page(page_id, instagram=instagram, connected_instagram=connected)


def _grant(record: GrantRecord, offered: Choice) -> Grant:
    choice = Choice(
        _unpack(record.pages, offered.pages),
        _unpack(record.instagram_accounts, offered.instagram_accounts),
        _unpack(record.businesses, offered.businesses),
    )
    return Grant(record.permissions, choice, record.given_at, record.data_access_until)


def _unpack(record: ChosenRecord | None, offered: frozenset[str] | None) -> frozenset[str] | None:
    if record is None:
        return None
    base = (offered or frozenset()) if record.offered else frozenset()
    return base ^ frozenset(record.ids)
