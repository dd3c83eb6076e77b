"""The second round trip of a login at Facebook: whose token it is, and what it shows (§3)."""

import asyncio
from dataclasses import replace

import structlog

from igauth.domain import Permissions
from igauth.errors import ServiceMisconfigured, TokenNotOurs
from igauth.meta.calls import Purpose
from igauth.meta.client import GraphClient
from igauth.meta.door import Findings, Identified, Identity, IssuedToken, UserToken
from igauth.meta.errors import GraphError
from igauth.meta.facebook.caller import Caller
from igauth.meta.facebook.debugging import DebuggedToken
from igauth.meta.facebook.discovery import Beside, Discovery, granular_of
from igauth.meta.facebook.nodes import NodeParser, Profile
from igauth.meta.facebook.reading import FirstPages, Reading
from igauth.meta.facebook.tokens import FacebookApp, TokenCalls
from igauth.meta.side_by_side import abandon, begin
from igauth.meta.verdicts import log_failure

_log = structlog.stdlib.get_logger("igauth.graph")

_Profiling = asyncio.Task[tuple[Profile, FirstPages | None]]
_Debugging = asyncio.Task[DebuggedToken]


class Identification:
    """Proves a fresh token, and begins the first listing beside it."""

    def __init__(
        self, tokens: TokenCalls, graph: GraphClient, app: FacebookApp, parser: NodeParser
    ) -> None:
        self._tokens = tokens
        self._graph = graph
        self._app_id = app.client_id
        self._parser = parser

    async def identify(self, issued: IssuedToken, findings: Findings) -> Identified:
        """Upgrade ∥ debug_token ∥ profile with permissions and first Pages ∥ the rest of the walk.

        Raises TokenNotOurs, ServiceMisconfigured, or GraphError.
        """
        token = UserToken(issued.access_token)
        listing = Reading(Caller.of_walk(self._graph, token), self._parser)
        upgrading = begin(self._upgraded(token))
        debugging = begin(self._tokens.debug(token, Purpose.LOGIN))
        profiling = begin(self._profile(token, listing))
        discovery = begin(_discover(listing, findings, debugging, profiling))
        try:
            await asyncio.wait((debugging,))
            self._check_ours(debugging.result())
            await asyncio.wait((upgrading, profiling))
            profile, _ = profiling.result()
            if debugging.result().subject != profile.subject:
                raise TokenNotOurs
        except BaseException:
            await abandon(upgrading, debugging, profiling, discovery)
            raise
        return _identified(issued, upgrading.result(), debugging.result(), profile, discovery)

    async def _upgraded(self, token: UserToken) -> IssuedToken | None:
        """The long-lived token; None where only this failed: the keeper tries again later."""
        try:
            return await self._tokens.upgrade(token, Purpose.LOGIN)
        except GraphError as error:
            log_failure(error)
            return None

    async def _profile(
        self, token: UserToken, listing: Reading
    ) -> tuple[Profile, FirstPages | None]:
        """With the first Pages, unless a pause is on: then the listing waits (C17)."""
        reading = Reading(Caller(self._graph, token, Purpose.LOGIN), self._parser)
        if await self._graph.throttling.remaining(listing.caller.request("me", "me", {})) > 0:
            return await reading.profile(), None
        return await reading.profile_with_pages(listing)

    def _check_ours(self, debugged: DebuggedToken) -> None:
        """RFC 9700 §4.6, Meta's login checklist: the token is valid, ours, and a person's.

        It counts before whatever the other calls say, and nobody waits for them if it isn't.
        """
        if debugged.type == "SYSTEM_USER":
            _log.error("facebook.misconfigured", reason="the configuration yields system users")
            raise ServiceMisconfigured
        if not debugged.is_valid and debugged.refusal is None:
            raise TokenNotOurs
        is_ours = debugged.app_id == self._app_id and debugged.type == "USER"
        if debugged.death() is not None or not is_ours:
            raise TokenNotOurs


async def _discover(
    listing: Reading, findings: Findings, debugging: _Debugging, profiling: _Profiling
) -> None:
    beside = Beside(
        permissions=begin(_permissions_of(profiling, debugging)),
        granular=begin(granular_of(debugging)),
        first_pages=begin(_first_pages_of(profiling)),
    )
    await Discovery(listing, findings, beside).walk()


def _identified(
    issued: IssuedToken,
    upgraded: IssuedToken | None,
    debugged: DebuggedToken,
    profile: Profile,
    discovery: "asyncio.Task[None]",
) -> Identified:
    """What debug_token said was said of the short-lived token: its end isn't the other's."""
    expires_at = issued.expires_at or debugged.expires_at
    facts = replace(
        debugged.facts(),
        token_expires_at=expires_at if upgraded is None else upgraded.expires_at,
        permissions=profile.permissions or Permissions(granted=debugged.scopes),
    )
    return Identified(
        identity=Identity(profile.subject, profile.name, profile.picture_url),
        token=upgraded or issued,
        long_lived=upgraded is not None,
        facts=facts,
        discovery=discovery,
    )


async def _permissions_of(profiling: _Profiling, debugging: _Debugging) -> Permissions:
    profile, _ = await asyncio.shield(profiling)
    return profile.permissions or Permissions(granted=(await asyncio.shield(debugging)).scopes)


async def _first_pages_of(profiling: _Profiling) -> FirstPages | None:
    return (await asyncio.shield(profiling))[1]
