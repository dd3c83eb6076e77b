"""From the code to a token that is proved ours: two round trips to Facebook (contract §3)."""

import asyncio
from dataclasses import dataclass

import structlog

from igauth.domain import GranularScopes, Permissions
from igauth.errors import CodeRejected, FacebookUnavailable, ServiceMisconfigured, TokenNotOurs
from igauth.grants.state import login_error
from igauth.listing.freshness import FirstListing, Listings
from igauth.meta.errors import GraphError, GraphRefusal, Meaning
from igauth.meta.facebook.proof import UserToken
from igauth.meta.facebook.reading import FacebookResources, Profile
from igauth.meta.facebook.tokens import DebuggedToken, FacebookOAuth, IssuedToken

_log = structlog.stdlib.get_logger("igauth.login")


@dataclass(frozen=True, slots=True)
class Consented:
    """Everything that Facebook said about a login whose token is proved ours."""

    token: IssuedToken
    long_lived: bool
    debugged: DebuggedToken
    profile: Profile
    permissions: Permissions
    listing: FirstListing


class Proof:
    """Exchanges a code, and lets Facebook prove whose token came of it."""

    def __init__(
        self,
        *,
        app_id: str,
        oauth: FacebookOAuth,
        resources: FacebookResources,
        listings: Listings,
        budget_seconds: float,
    ) -> None:
        self._app_id = app_id
        self._oauth = oauth
        self._resources = resources
        self._listings = listings
        self._budget_seconds = budget_seconds

    async def consent(self, code: str, code_verifier: str) -> Consented:
        """What Facebook said about the login. Raises what the failure is called at a login."""
        try:
            async with asyncio.timeout(self._budget_seconds):
                issued = await self._exchange(code, code_verifier)
                return await self._prove(issued)
        except GraphError as error:
            raise login_error(error) from None
        except TimeoutError:
            raise FacebookUnavailable from None

    async def _exchange(self, code: str, code_verifier: str) -> IssuedToken:
        try:
            return await self._oauth.exchange_code(code, code_verifier)
        except GraphRefusal as refusal:
            if refusal.meaning is Meaning.CODE_REJECTED:
                raise CodeRejected from None
            raise

    async def _prove(self, issued: IssuedToken) -> Consented:
        """The second round trip: upgrade ∥ debug_token ∥ profile with permissions ∥ listing."""
        token = UserToken(issued.access_token)
        upgrading = asyncio.create_task(self._upgraded(token))
        debugging = asyncio.create_task(self._oauth.debug_token(token))
        profiling = asyncio.create_task(self._resources.profile(token))
        listing = self._listings.begin_first(
            token,
            permissions=_permissions_of(profiling),
            granular=_granular_of(debugging),
        )
        try:
            upgraded, debugged, profile = await _all_settled(upgrading, debugging, profiling)
            self._check_ours(debugged, profile)
            return Consented(
                token=upgraded or issued,
                long_lived=upgraded is not None,
                debugged=debugged,
                profile=profile,
                permissions=profile.permissions or Permissions(granted=debugged.scopes),
                listing=listing,
            )
        except BaseException:
            listing.abandon()
            raise

    async def _upgraded(self, token: UserToken) -> IssuedToken | None:
        """The long-lived token; None where only this failed: the keeper tries again later."""
        try:
            return await self._oauth.upgrade(token)
        except GraphError as error:
            _log.warning("login.upgrade_failed", error=str(error))
            return None

    def _check_ours(self, debugged: DebuggedToken, profile: Profile) -> None:
        """RFC 9700 §4.6, Meta's login checklist: the token is valid, ours, and this person's."""
        if debugged.type == "SYSTEM_USER":
            _log.error("facebook.misconfigured", cause="system_user_token")
            raise ServiceMisconfigured
        ours = debugged.is_valid and debugged.app_id == self._app_id and debugged.type == "USER"
        if not ours or debugged.user_id != profile.id:
            raise TokenNotOurs


async def _all_settled(
    upgrading: asyncio.Task[IssuedToken | None],
    debugging: asyncio.Task[DebuggedToken],
    profiling: asyncio.Task[Profile],
) -> tuple[IssuedToken | None, DebuggedToken, Profile]:
    """Waits for all three. What debug_token says of a bad token counts before the others."""
    tasks = (upgrading, debugging, profiling)
    try:
        await asyncio.wait(tasks)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    settled = await asyncio.gather(*tasks, return_exceptions=True)
    debugged, profile = settled[1], settled[2]
    if isinstance(debugged, DebuggedToken) and not debugged.is_valid:
        raise TokenNotOurs
    for failure in (debugged, profile):
        if isinstance(failure, BaseException):
            raise failure
    return upgrading.result(), debugging.result(), profiling.result()


async def _permissions_of(profiling: asyncio.Task[Profile]) -> Permissions | None:
    await asyncio.wait((profiling,))
    if profiling.cancelled() or profiling.exception() is not None:
        return None
    return profiling.result().permissions


async def _granular_of(debugging: asyncio.Task[DebuggedToken]) -> GranularScopes | None:
    await asyncio.wait((debugging,))
    if debugging.cancelled() or debugging.exception() is not None:
        return None
    return debugging.result().granular
