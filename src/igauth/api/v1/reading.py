"""Connections and accounts of the operator's users, and tokens to act with (contract §11)."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from igauth.api.deps import EdgeDep, ServicesDep
from igauth.api.documented import backend_problems
from igauth.api.ids import ConnectionIdInPath, InstagramAccountIdInPath
from igauth.api.schemas import InstagramAccountOut, ListingOut
from igauth.api.v1.deps import AskedUser, Cursor, ManageKey, NamedUser, ReadKey, TokensKey
from igauth.api.v1.presenting import linked_connection_out, token_out
from igauth.api.v1.schemas import (
    LinkedConnectionOut,
    LinkedConnectionsOut,
    NextPage,
    TokenIn,
    TokenOut,
)
from igauth.backends.tokens import TokenWish
from igauth.backends.users import Filter
from igauth.domain import ConnectionStatus
from igauth.errors import (
    CheckpointRequired,
    FacebookRateLimited,
    FacebookRefused,
    FacebookTimeout,
    FacebookUnavailable,
    NotFound,
    PermissionMissing,
    ReconnectRequired,
    ServiceMisconfigured,
)

router = APIRouter(tags=["backends"])
_META = (
    FacebookRefused,
    ServiceMisconfigured,
    FacebookRateLimited,
    FacebookUnavailable,
    FacebookTimeout,
    ReconnectRequired,
    CheckpointRequired,
)
_ENDED: dict[int | str, dict[str, Any]] = {
    204: {"description": "All is deleted, and Meta knows"},
    202: {"description": "All is deleted here; a revocation at Meta is queued"},
}


@router.get(
    "/v1/connections", summary="The connections of your users", responses=backend_problems()
)
async def list_linked_connections(
    external_id: AskedUser,
    _key: ReadKey,
    services: ServicesDep,
    status: Annotated[ConnectionStatus | None, Query()] = None,
    after: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> LinkedConnectionsOut:
    """Of one user, or of all; a page at a time."""
    wanted = Filter(external_id, status, after or "", limit)
    page, following = await services.users.list_connections(wanted)
    return LinkedConnectionsOut(
        data=[linked_connection_out(each, services) for each in page],
        meta=NextPage(next=following),
    )


@router.get(
    "/v1/connections/{connection_id}",
    summary="A connection of one of your users",
    responses=backend_problems(NotFound),
)
async def get_linked_connection(
    connection_id: ConnectionIdInPath,
    external_id: AskedUser,
    _key: ReadKey,
    services: ServicesDep,
) -> LinkedConnectionOut:
    """Its state, its permissions, when it ends, and whose it is."""
    found = await services.users.get_connection(connection_id, external_id)
    return linked_connection_out(found, services)


@router.post(
    "/v1/connections/{connection_id}/verify",
    summary="Check a connection of one of your users at Meta now",
    responses=backend_problems(NotFound, *_META),
)
async def verify_linked_connection(
    connection_id: ConnectionIdInPath,
    external_id: AskedUser,
    _key: ManageKey,
    edge: EdgeDep,
    services: ServicesDep,
) -> LinkedConnectionOut:
    """The connection as Meta sees it at this moment."""
    found = await services.users.get_connection(connection_id, external_id)
    edge.refresh_limit.hit(found.row.person_id)
    await services.checks.verify(found.row)
    latest = await services.users.get_connection(connection_id, external_id)
    return linked_connection_out(latest, services)


@router.delete(
    "/v1/connections/{connection_id}",
    summary="Disconnect one of your users",
    status_code=204,
    response_class=Response,
    responses={**_ENDED, **backend_problems(NotFound)},
)
async def disconnect_linked(
    connection_id: ConnectionIdInPath,
    external_id: AskedUser,
    key: ManageKey,
    services: ServicesDep,
) -> Response:
    """Ends it as its owner would; everything of theirs, where it is the last."""
    found = await services.users.get_connection(connection_id, external_id)
    _, confirmed = await services.ending.end_connection(found.row, actor=key.id)
    return Response(status_code=204 if confirmed else 202)


@router.get(
    "/v1/instagram-accounts",
    summary="The Instagram accounts of one of your users",
    response_model=ListingOut,
    responses=backend_problems(PermissionMissing, *_META),
)
async def list_linked_accounts(
    external_id: NamedUser,
    _key: ReadKey,
    edge: EdgeDep,
    services: ServicesDep,
    refresh: Annotated[bool, Query(description="Ask Meta now")] = False,
) -> Response:
    """Those of everybody whom the user is linked to, as one list."""
    people = await services.users.people(external_id)
    for person_id in people if refresh else ():
        edge.refresh_limit.hit(person_id)
    found = await services.users.listing(people, refresh=refresh)
    return Response(found.body, media_type="application/json")


@router.get(
    "/v1/instagram-accounts/{account_id}",
    summary="One Instagram account of one of your users",
    response_model=InstagramAccountOut,
    responses=backend_problems(NotFound, PermissionMissing, *_META),
)
async def get_linked_account(
    account_id: InstagramAccountIdInPath,
    external_id: NamedUser,
    _key: ReadKey,
    services: ServicesDep,
) -> Response:
    """One account of that list."""
    body = await services.users.account(external_id, account_id)
    return Response(body, media_type="application/json")


@router.post(
    "/v1/instagram-accounts/{account_id}/token",
    summary="A token to act for an Instagram account",
    responses=backend_problems(NotFound, ReconnectRequired, CheckpointRequired),
)
async def create_token(
    account_id: InstagramAccountIdInPath, asked: TokenIn, key: TokensKey, services: ServicesDep
) -> TokenOut:
    """Use it now, and ask again for the next call; each answer leaves a row of the trail."""
    wish = TokenWish(asked.external_id, account_id, asked.connection_id, asked.purpose, key.id)
    return token_out(await services.tokens.serve(wish), account_id)


@router.delete(
    "/v1/links",
    summary="Let a user go",
    status_code=204,
    response_class=Response,
    responses={**_ENDED, **backend_problems()},
)
async def remove_links(
    external_id: NamedUser,
    key: ManageKey,
    services: ServicesDep,
    disconnect: Annotated[
        bool, Query(description="Erase the people whom no other user is linked to")
    ] = False,
) -> Response:
    """The user is linked to nobody any more; for one who never was, too."""
    confirmed = await services.ending.end_user(external_id, disconnect=disconnect, actor=key.id)
    return Response(status_code=204 if confirmed else 202)
