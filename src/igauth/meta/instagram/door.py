"""Instagram's door: Instagram Login, for people whose account has no Page (contract §10).

One connection is one account (instagram-login-facts 5.7). There is no debug_token, no list of
permissions, no call that revokes: `/me` is the profile, the listing, and the proof of life.
"""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog

from igauth.domain import Clock, Permissions, Provider, Source, Subject
from igauth.errors import NotProfessional
from igauth.meta.calls import Purpose
from igauth.meta.client import GraphClient, NewClient
from igauth.meta.door import (
    Check,
    Findings,
    GrantFacts,
    Identified,
    Identity,
    IssuedToken,
    Renewed,
    UserToken,
)
from igauth.meta.errors import ErrorEnvelope, GraphError, GraphRefusal, GraphUnavailable, Meaning
from igauth.meta.instagram.dialog import Dialog
from igauth.meta.instagram.profile import ME, Profile, Profiles
from igauth.meta.instagram.tokens import SHORT_LIFE, YOUNGEST, InstagramApp, TokenCalls
from igauth.meta.sending import GraphHost
from igauth.meta.side_by_side import abandon, begin
from igauth.meta.verdicts import log_failure, status_of, verdict_of
from igauth.settings import Settings

WARM_CONNECTIONS: Final = 2
"""What the second round trip needs at once: upgrade and profile."""
VERSION_HEADER: Final = "instagram-api-version"
PAUSES: Final = "instagram:"

_log = structlog.stdlib.get_logger("igauth.graph")
_TOLD_NOTHING: Final = GrantFacts(speaks_of_dates=False)


class InstagramDoor:
    """`igauth.meta.door.Door`, at Instagram."""

    def __init__(
        self,
        graph: GraphClient,
        app: InstagramApp,
        dialog: Dialog,
        *,
        token_url: str,
        pictures: tuple[str, ...],
        clock: Clock,
    ) -> None:
        self._graph = graph
        self._app = app
        self._dialog = dialog
        self._token_url = token_url
        self._clock = clock
        self._tokens = TokenCalls(graph, app, token_url=token_url, clock=clock)
        self._profiles = Profiles(graph, pictures)

    @classmethod
    def of(cls, settings: Settings, new_client: NewClient, clock: Clock) -> "InstagramDoor":
        """The door that the settings describe."""
        app = InstagramApp(*settings.app_of(Provider.INSTAGRAM))
        version = settings.instagram_api_version
        host = GraphHost(settings.instagram_graph_url, version, VERSION_HEADER, PAUSES)
        stand_ins = (settings.instagram_authorize_url, settings.instagram_graph_url)
        return cls(
            new_client(host, sign=lambda _: {}),
            app,
            Dialog(
                settings.instagram_authorize_url,
                app.client_id,
                settings.redirect_uri_of(Provider.INSTAGRAM),
                settings.instagram_scopes,
            ),
            token_url=settings.instagram_token_url,
            pictures=("https://", *(stand_ins if settings.allow_fake_facebook else ())),
            clock=clock,
        )

    @property
    def provider(self) -> Provider:
        """Instagram."""
        return Provider.INSTAGRAM

    @property
    def app_id(self) -> str:
        """The Instagram app's number."""
        return self._app.client_id

    @property
    def served_version(self) -> str | None:
        """The version that the host really served last."""
        return self._graph.served_version

    @property
    def can_revoke(self) -> bool:
        """No: the person removes the app at Instagram (4.8)."""
        return False

    def dialog_address(self, *, state: str, code_challenge: str, prompt: str | None) -> str:
        """Where the browser is sent; this door has no PKCE (2.6)."""
        return self._dialog.address(state=state, prompt=prompt)

    async def warm(self) -> None:
        """Opens connections for a callback that will come soon. Never raises."""
        lanes = self._graph.lanes
        await asyncio.gather(
            lanes.warm(self._token_url, 1), lanes.warm(self._graph.host.url, WARM_CONNECTIONS)
        )

    async def exchange(self, code: str, code_verifier: str) -> IssuedToken:
        """Spends the code: one HTTP attempt, whatever comes. The verifier isn't sent."""
        return await self._tokens.exchange(code, self._dialog.redirect_uri)

    async def identify(self, issued: IssuedToken, findings: Findings) -> Identified:
        """Second round trip: upgrade ∥ `/me`, which is the listing too.

        An upgrade that is refused ends the login, one that fails in passing is left to the
        keeper (contract §10). Raises NotProfessional, or GraphError.
        """
        token = UserToken(issued.access_token)
        upgrading = begin(self._upgraded(token))
        profiling = begin(self._profiles.fetch(token, Purpose.LOGIN))
        try:
            await asyncio.wait((profiling,))
            profile = profiling.result()
            if not profile.is_professional:
                raise NotProfessional
            await asyncio.wait((upgrading,))
            upgraded = upgrading.result()
        except BaseException:
            await abandon(upgrading, profiling)
            raise
        _add(profile, findings)
        discovery = begin(_no_more())
        await discovery
        return _identified(issued, upgraded, profile, discovery)

    async def _upgraded(self, token: UserToken) -> IssuedToken | None:
        """The long-lived token; None where the upgrade failed in passing."""
        try:
            return await self._tokens.upgrade(token, Purpose.LOGIN)
        except GraphError as error:
            if isinstance(error, GraphRefusal) and not _is_passing(error):
                raise
            log_failure(error)
            return None

    async def check(self, token: UserToken, subject: Subject) -> Check:
        """A probe of `/me` (12.1). Raises GraphError where it says nothing about this token."""
        try:
            ids = await self._profiles.fetch_ids(token, Purpose.CHECK)
        except GraphRefusal as refusal:
            if status_of(refusal) is None:
                raise
            return Check(None, refusal)
        if subject not in ids:
            _log.error("instagram.another_account", endpoint=ME)
            return Check(None, is_ours=False)
        return Check(_TOLD_NOTHING)

    def renewal_due_at(
        self, issued_at: datetime | None, ends_at: datetime | None
    ) -> datetime | None:
        """From 25 hours after its issue, once half of its life is over (4.2, contract §10)."""
        if issued_at is None or ends_at is None:
            return None
        return issued_at + max(YOUNGEST, (ends_at - issued_at) / 2)

    async def renew(self, token: UserToken, subject: Subject, known: GrantFacts) -> Renewed | None:
        """A refreshed token, once it has answered `/me` itself (4.2); an upgrade that is owed.

        Raises GraphError where Instagram didn't answer.
        """
        try:
            issued = await self._renewed(token, known)
            fresh = UserToken(issued.access_token, token.person)
            ids = await self._profiles.fetch_ids(fresh, Purpose.CHECK)
        except GraphRefusal as refusal:
            if _is_passing(refusal) or verdict_of(refusal).alarm:
                raise
            return None
        if subject not in ids:
            return None
        facts = GrantFacts(
            token_expires_at=issued.expires_at, permissions=_permissions(issued.granted)
        )
        return Renewed(issued, facts)

    async def _renewed(self, token: UserToken, known: GrantFacts) -> IssuedToken:
        """Within an hour of its end a token may be one that missed its upgrade (contract §10)."""
        ends_at = known.token_expires_at
        if ends_at is None or ends_at - self._clock() > SHORT_LIFE:
            return await self._tokens.refresh(token, Purpose.CHECK)
        try:
            return await self._tokens.upgrade(token, Purpose.CHECK)
        except GraphRefusal as refusal:
            if _is_passing(refusal):
                raise
        return await self._tokens.refresh(token, Purpose.CHECK)

    async def discover(
        self, token: UserToken, findings: Findings, known: GrantFacts
    ) -> GrantFacts | None:
        """The one account; nothing is learned of the grant. Raises GraphError."""
        findings.expect(Source.INSTAGRAM_LOGIN)
        _add(await self._profiles.fetch(token, Purpose.LISTING), findings)
        return None

    async def revoke(self, subject: Subject) -> None:
        """There is no such call (4.8): always raises GraphUnavailable."""
        raise GraphUnavailable("instagram/revoke", "there is no such call")

    async def check_app(self) -> None:
        """Returns if Instagram knows our id. Raises GraphError."""
        await self._tokens.check_app(self._dialog.redirect_uri)


def _add(profile: Profile, findings: Findings) -> None:
    """A living connection's account may have become personal: then it can't be used (12.5)."""
    source = Source.INSTAGRAM_LOGIN
    findings.expect(source)
    if profile.is_professional:
        findings.add_account(profile.account, source)
    else:
        personal = GraphRefusal(ME, ErrorEnvelope(), 200, Meaning.NOT_PROFESSIONAL)
        findings.add_unread_account(profile.account.id, personal, source)
    findings.done(source)


def _identified(
    issued: IssuedToken,
    upgraded: IssuedToken | None,
    profile: Profile,
    discovery: "asyncio.Task[None]",
) -> Identified:
    token = upgraded or issued
    granted = issued.granted if token.granted is None else token.granted
    account = profile.account
    if profile.subject == profile.app_scoped_id:
        _log.warning("instagram.identity_uncertain", endpoint=ME)
    return Identified(
        identity=Identity(
            profile.subject,
            account.name or account.username,
            account.profile_picture_url,
            other_subject=profile.app_scoped_id,
        ),
        token=replace(token, granted=granted),
        long_lived=upgraded is not None,
        facts=GrantFacts(token_expires_at=token.expires_at, permissions=_permissions(granted)),
        discovery=discovery,
    )


def _permissions(granted: frozenset[str] | None) -> Permissions | None:
    """What the exchange named is all that is ever told of them (4.7); nothing is declined."""
    return None if granted is None else Permissions(granted)


def _is_passing(refusal: GraphRefusal) -> bool:
    verdict = verdict_of(refusal)
    return verdict.repeat or verdict.pause is not None or refusal.meaning is Meaning.PAUSED


async def _no_more() -> None:
    """All of a listing of this door came with the profile."""
