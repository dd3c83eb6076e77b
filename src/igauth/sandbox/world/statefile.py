"""What the sandbox still knows after a restart: codes, tokens, grants, what befell people, time.

The file is read at the start and written whenever something changed, never half. Kept are
differences from the cast, so that somebody with 10,000 Pages costs no more than anybody else. Not
kept: faults, calls, latency, and what a test adds to the cast.
"""

import json
import logging
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from igauth.sandbox.state import State
from igauth.sandbox.world.instagram import InstagramRecord
from igauth.sandbox.world.people import (
    Choice,
    ExpiryVariant,
    Grant,
    GranularVariant,
    Page,
    Person,
)
from igauth.sandbox.world.world import Code, Original, Token

_log = logging.getLogger(__name__)
_CODES_KEPT = timedelta(days=1)
_EXPIRED_KEPT = timedelta(days=30)
_ASSETS = ("pages", "instagram_accounts", "businesses")
_Link = tuple[str | None, str | None]
_Ids = frozenset[str] | None


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChosenRecord(_Record):
    """A set of ids: those that the cast was offered (or none), but for `ids`."""

    offered: bool = False
    ids: list[str] = Field(default_factory=list)


class GrantRecord(_Record):
    """A `Grant`; a kind of asset that is None means all, now and in future."""

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
    refused_fields: dict[str, dict[str, int]] | None = None
    lost_pages: list[str] = Field(default_factory=list)
    links: dict[str, _Link] = Field(default_factory=dict)


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
    instagram: InstagramRecord = Field(default_factory=InstagramRecord)


# --- remembering ---


def remember(state: State) -> Memory:
    """Everything that shall outlive the process; long expired codes and tokens are left out."""
    now, ledger = state.clock(), state.ledger
    met = [(person, original) for person, original in state.world.met() if original is not None]
    people = {person.key: _record(person, original) for person, original in met}
    return Memory(
        version=1,
        app_id=state.config.app_id,
        page_token_key=ledger.page_token_key,
        next_serial=ledger.next_serial,
        seconds_ahead=state.clock.seconds_ahead,
        codes=[code for code in ledger.codes.values() if code.issued_at + _CODES_KEPT > now],
        tokens=[token for token in ledger.tokens.values() if _worth_keeping(token, now)],
        people={key: record for key, record in people.items() if record.model_fields_set},
        instagram=state.instagram.remember(),
    )


def _worth_keeping(token: Token, now: datetime) -> bool:
    return token.expires_at is None or token.expires_at + _EXPIRED_KEPT > now


def _record(person: Person, original: Original) -> PersonRecord:
    """Only what differs from the start is set."""
    quirks, blank = person.quirks, PersonRecord()
    found: dict[str, object] = {
        "grant": _grant_record(person.grant, original.offered) if person.grant else None,
        "at_checkpoint": person.at_checkpoint,
        "unconfirmed": person.unconfirmed,
        "answered": sorted(person.answered),
        "granular": quirks.granular,
        "expiry": quirks.expiry,
        "refused_fields": quirks.refused_fields,
        "lost_pages": [page_id for page_id in original.pages if page_id not in person.pages],
        "links": _links(person, original),
    }
    quirky = ("granular", "expiry", "refused_fields")
    usual = {name: getattr(original if name in quirky else blank, name) for name in found}
    changed = {name: value for name, value in found.items() if value != usual[name]}
    return PersonRecord.model_validate(changed)


def _links(person: Person, original: Original) -> dict[str, _Link]:
    if person.pages == original.pages:  # quick: unchanged Pages are the very same objects
        return {}
    return {
        page_id: _link(page)
        for page_id, page in person.pages.items()
        if page_id in original.pages and _link(page) != _link(original.pages[page_id])
    }


def _link(page: Page) -> _Link:
    return page.instagram, page.connected_instagram


def _grant_record(grant: Grant, offered: Choice) -> GrantRecord:
    return GrantRecord(
        permissions=grant.permissions,
        given_at=grant.given_at,
        data_access_until=grant.data_access_until,
        **{kind: _pack(getattr(grant.choice, kind), getattr(offered, kind)) for kind in _ASSETS},
    )


def _pack(chosen: _Ids, offered: _Ids) -> ChosenRecord | None:
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
    world, ledger = state.world, state.ledger
    state.clock.seconds_ahead = memory.seconds_ahead
    state.instagram.recall(memory.instagram)
    ledger.page_token_key, ledger.next_serial = memory.page_token_key, memory.next_serial
    ledger.codes.update((code.text, code) for code in memory.codes if world.known(code.person))
    for token in memory.tokens:
        if token.foreign or world.known(token.person or ""):
            ledger.put(token)
    for key, record in memory.people.items():
        if world.known(key):
            _restore(world.person(key), record, world.original(key).offered)


def _restore(person: Person, record: PersonRecord, offered: Choice) -> None:
    quirks = person.quirks
    person.at_checkpoint, person.unconfirmed = record.at_checkpoint, record.unconfirmed
    person.answered = set(record.answered)
    quirks.granular = record.granular or quirks.granular
    quirks.expiry = record.expiry or quirks.expiry
    if record.refused_fields is not None:
        quirks.refused_fields = record.refused_fields
    for page_id in record.lost_pages:
        person.pages.pop(page_id, None)
    _relink(person, record.links)
    if record.grant is not None:
        person.grant = _grant(record.grant, offered)


def _relink(person: Person, links: Mapping[str, _Link]) -> None:
    for page_id, (instagram, connected) in links.items():
        if page_id in person.pages and {instagram, connected} <= {None, *person.accounts}:
            person.change_page(page_id, instagram=instagram, connected_instagram=connected)


def _grant(record: GrantRecord, offered: Choice) -> Grant:
    ids = {kind: _unpack(getattr(record, kind), getattr(offered, kind)) for kind in _ASSETS}
    return Grant(record.permissions, Choice(**ids), record.given_at, record.data_access_until)


def _unpack(record: ChosenRecord | None, offered: _Ids) -> _Ids:
    if record is None:
        return None
    base = (offered or frozenset()) if record.offered else frozenset()
    return base ^ frozenset(record.ids)


# --- on disk ---


@dataclass(slots=True)
class StateFile:
    """One sandbox's memory on disk: JSON, mode 0600 because living tokens are in it."""

    path: Path
    state: State
    _saved: int = 0
    _failed: bool = False

    def load(self) -> None:
        """Recall what the file holds; one that can't be read is ignored with a warning."""
        try:
            memory = Memory.model_validate(json.loads(self.path.read_bytes()))
            if memory.app_id != self.state.config.app_id:
                raise ValueError("it belongs to another app id")
        except FileNotFoundError:
            return
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("the sandbox starts afresh: %s can't be used: %s", self.path, _why(error))
            return
        recall(self.state, memory)

    def save(self) -> None:
        """Write, if anything changed since the last time; failing is warned about once."""
        if self._saved == self.state.changes:
            return
        self._saved = self.state.changes
        try:
            memory = remember(self.state).model_dump(mode="json", exclude_defaults=True)
            _replace(self.path, json.dumps(memory, separators=(",", ":")))
        except (OSError, ValueError) as error:
            if not self._failed:
                _log.warning("the sandbox's state isn't kept in %s: %s", self.path, _why(error))
            self._failed = True
        else:
            self._failed = False


def _why(error: BaseException) -> str:
    """One line without the content: a complaint may quote a token."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error) if type(error) is ValueError else type(error).__name__


def _replace(path: Path, text: str) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


class Saving:
    """Saves before an answer leaves, so that no client knows more than the file."""

    def __init__(self, app: ASGIApp, file: StateFile) -> None:
        self._app = app
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; a cut or hanging one is saved when it ends."""

        async def saved(message: Message) -> None:
            self._file.save()
            await send(message)

        try:
            await self._app(scope, receive, saved)
        finally:
            self._file.save()
