"""Facebook's door: Facebook Login on the Graph API (contract §3, §6, §7).

A login is two round trips: the code's exchange, then everything else side by side. What each
call says is read by `tokens`, `reading` and `discovery`; here it is put together.
"""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Final

from igauth.domain import Clock, Permissions, Provider, Subject
from igauth.meta.calls import Purpose
from igauth.meta.client import GraphClient, NewClient
from igauth.meta.door import (
    Check,
    Findings,
    GrantFacts,
    Identified,
    IssuedToken,
    Renewed,
    UserToken,
)
from igauth.meta.errors import GraphError, GraphRefusal, Meaning
from igauth.meta.facebook.caller import Caller
from igauth.meta.facebook.debugging import DebuggedToken
from igauth.meta.facebook.dialog import Dialog
from igauth.meta.facebook.discovery import Beside, Discovery, granular_of
from igauth.meta.facebook.identifying import Identification
from igauth.meta.facebook.nodes import NodeParser
from igauth.meta.facebook.proof import signing
from igauth.meta.facebook.reading import Reading
from igauth.meta.facebook.tokens import FacebookApp, TokenCalls
from igauth.meta.sending import GraphHost
from igauth.meta.side_by_side import begin
from igauth.meta.verdicts import ends_everything, status_of
from igauth.settings import Settings

WARM_CONNECTIONS: Final = 3
"""What the second round trip needs at once: upgrade, debug_token, profile."""


class FacebookDoor:
    """`igauth.meta.door.Door`, at Facebook."""

    def __init__(
        self, graph: GraphClient, app: FacebookApp, dialog: Dialog, parser: NodeParser, clock: Clock
    ) -> None:
        self._app_id = app.client_id
        self._graph = graph
        self._dialog = dialog
        self._parser = parser
        self._tokens = TokenCalls(graph, app, clock)
        self._identification = Identification(self._tokens, graph, app, parser)

    @classmethod
    def of(cls, settings: Settings, new_client: NewClient, clock: Clock) -> "FacebookDoor":
        """The door that the settings describe."""
        app = FacebookApp(*settings.app)
        version = settings.facebook_api_version
        host = GraphHost(settings.facebook_graph_url, version)
        stand_in = settings.facebook_dialog_url if settings.allow_fake_facebook else None
        return cls(
            new_client(host, sign=signing(app.client_secret)),
            app,
            Dialog(
                settings.facebook_dialog_url,
                version,
                app.client_id,
                settings.redirect_uri,
                settings.facebook_scopes,
                settings.facebook_config_id,
            ),
            NodeParser.beside(stand_in),
            clock,
        )

    @property
    def provider(self) -> Provider:
        """Facebook."""
        return Provider.FACEBOOK

    @property
    def app_id(self) -> str:
        """The app's number."""
        return self._app_id

    @property
    def served_version(self) -> str | None:
        """The version that Graph really served last."""
        return self._graph.served_version

    @property
    def can_revoke(self) -> bool:
        """By the app's own token (graph-facts 9.2)."""
        return True

    def dialog_address(self, *, state: str, code_challenge: str, prompt: str | None) -> str:
        """Where the browser is sent."""
        return self._dialog.address(state=state, code_challenge=code_challenge, prompt=prompt)

    async def warm(self) -> None:
        """Opens connections for a callback that will come soon. Never raises."""
        await self._graph.lanes.warm(self._graph.host.url, WARM_CONNECTIONS)

    async def exchange(self, code: str, code_verifier: str) -> IssuedToken:
        """Spends the code: one HTTP attempt, whatever comes."""
        return await self._tokens.exchange(code, code_verifier, self._dialog.redirect_uri)

    async def identify(self, issued: IssuedToken, findings: Findings) -> Identified:
        """Second round trip of a login. Raises TokenNotOurs, ServiceMisconfigured, GraphError."""
        return await self._identification.identify(issued, findings)

    # -- a grant that is there

    async def check(self, token: UserToken, subject: Subject) -> Check:
        """debug_token, then the permissions. Raises GraphError where nothing was said of it."""
        debugged = await self._tokens.debug(token, Purpose.CHECK)
        if not debugged.is_of(self._app_id, subject):
            return Check(None, debugged.refusal, is_ours=False)
        death = debugged.death()
        if death is not None:
            return Check(None, death, is_ours=death.meaning is not Meaning.NOT_OURS)
        try:
            permissions = await self._reading(token).permissions()
        except GraphRefusal as refusal:
            if status_of(refusal) is None:
                raise
            # A live token may still be of no use: 190/493 (graph-facts 3.8).
            return Check(debugged.facts(), refusal)
        return Check(replace(debugged.facts(), permissions=permissions))

    def renewal_due_at(
        self, issued_at: datetime | None, ends_at: datetime | None
    ) -> datetime | None:
        """Facebook has no rule of its own for it (facts 3.3)."""
        return None

    async def renew(self, token: UserToken, subject: Subject, known: GrantFacts) -> Renewed | None:
        """An exchange anew, of which only what debug_token then says is believed (facts 3.3)."""
        try:
            issued = await self._tokens.upgrade(token, Purpose.CHECK)
        except GraphRefusal as refusal:
            if status_of(refusal) is None:
                raise
            return None
        fresh = UserToken(issued.access_token, token.person)
        debugged = await self._tokens.debug(fresh, Purpose.CHECK)
        is_theirs = debugged.death() is None and debugged.is_of(self._app_id, subject)
        if not is_theirs or not _is_better(debugged, known):
            return None
        permissions = await _permissions_now(self._reading(fresh), debugged, known)
        return Renewed(issued, replace(debugged.facts(), permissions=permissions))

    async def discover(
        self, token: UserToken, findings: Findings, known: GrantFacts
    ) -> GrantFacts | None:
        """The walk, and debug_token beside it. Returns what that said of the grant, if anything.

        Raises GraphError if the token is dead, or the app blocked, or no source answered.
        """
        reading = Reading(Caller.of_walk(self._graph, token), self._parser)
        debugging = begin(self._alive(token))
        permissions = begin(_permissions_beside(reading, debugging, known))
        granular = begin(granular_of(debugging))
        beside = Beside(permissions, granular, known=known.granular)
        try:
            await Discovery(reading, findings, beside).walk()
        finally:
            for task in (debugging, permissions, granular):
                task.cancel()
        if debugging.cancelled() or debugging.exception() is not None:
            return None
        return replace(debugging.result().facts(), permissions=permissions.result())

    async def _alive(self, token: UserToken) -> DebuggedToken:
        debugged = await self._tokens.debug(token, Purpose.LISTING)
        death = debugged.death()
        if death is not None:
            raise death
        return debugged

    async def revoke(self, subject: Subject) -> None:
        """Returns once Facebook confirmed that the grant has ended. Raises GraphError."""
        await self._tokens.revoke(subject)

    async def check_app(self) -> None:
        """Returns if Facebook accepts our id and secret. Raises GraphError."""
        await self._tokens.check_app()

    def _reading(self, token: UserToken) -> Reading:
        return Reading(Caller(self._graph, token, Purpose.CHECK), self._parser)


def _is_better(debugged: DebuggedToken, known: GrantFacts) -> bool:
    """Whether a new token lasts longer than the one that is kept (graph-facts 3.3)."""
    if debugged.expires_at is None or known.token_expires_at is None:
        return debugged.expires_at is None
    return debugged.expires_at > known.token_expires_at


async def _permissions_now(
    reading: Reading, debugged: DebuggedToken, known: GrantFacts
) -> Permissions | None:
    """Asked anew where the token's scopes aren't the known ones; as known where that fails."""
    if known.permissions is not None and debugged.scopes == known.permissions.granted:
        return known.permissions
    try:
        return await reading.permissions()
    except GraphError as error:
        if ends_everything(error):
            raise
        return known.permissions


async def _permissions_beside(
    reading: Reading, debugging: asyncio.Task[DebuggedToken], known: GrantFacts
) -> Permissions | None:
    try:
        debugged = await asyncio.shield(debugging)
    except GraphError as error:
        if ends_everything(error):
            raise
        return known.permissions
    return await _permissions_now(reading, debugged, known)
