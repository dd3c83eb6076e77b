"""Connect sessions and hand-offs over HTTP (contract §11)."""

from fastapi import APIRouter
from starlette.responses import Response

from igauth.api.deps import ServicesDep
from igauth.api.documented import backend_problems
from igauth.api.ids import ConnectSessionIdInPath
from igauth.api.v1.deps import ConnectKey
from igauth.api.v1.presenting import linked_connection_out, spliced
from igauth.api.v1.schemas import (
    CompletedOut,
    CompleteIn,
    ConnectSessionIn,
    ConnectSessionOut,
    HandoffOut,
    NamedPerson,
    NewConnectSessionOut,
    RedeemIn,
)
from igauth.backends.completing import Completion
from igauth.backends.connect_sessions import ConnectWish
from igauth.domain import Provider
from igauth.errors import (
    AccountSwitched,
    AppAccessMissing,
    CodeRejected,
    ConnectCodeInvalid,
    ConnectSessionExpired,
    FacebookRateLimited,
    FacebookRefused,
    FacebookUnavailable,
    HandoffInvalid,
    NotFound,
    NotProfessional,
    ReturnToNotAllowed,
    ServiceMisconfigured,
    TokenNotOurs,
    WrongUser,
)

router = APIRouter(tags=["backends"])
_OF_A_LOGIN = (
    CodeRejected,
    TokenNotOurs,
    AccountSwitched,
    FacebookRefused,
    ServiceMisconfigured,
    AppAccessMissing,
    NotProfessional,
    FacebookRateLimited,
    FacebookUnavailable,
)


@router.post(
    "/v1/connect-sessions",
    summary="Begin a connect session",
    status_code=201,
    responses=backend_problems(ReturnToNotAllowed, NotFound),
)
async def create_connect_session(
    asked: ConnectSessionIn, key: ConnectKey, services: ServicesDep
) -> NewConnectSessionOut:
    """A link for one of your users; send their browser there."""
    wish = ConnectWish(
        external_id=asked.external_id,
        return_to=asked.return_to,
        provider=None if asked.provider is None else Provider(asked.provider),
        prompt=asked.prompt,
        reconnect=asked.reconnect,
        state=asked.state,
    )
    made = await services.connect_sessions.create(wish, key.id)
    return NewConnectSessionOut(
        id=made.row.id,
        url=f"{services.settings.base_url}/connect/{made.link}",
        status=made.row.status,
        expires_at=made.row.expires_at,
    )


@router.get(
    "/v1/connect-sessions/{session_id}",
    summary="A connect session",
    responses=backend_problems(NotFound),
)
async def get_connect_session(
    session_id: ConnectSessionIdInPath, _key: ConnectKey, services: ServicesDep
) -> ConnectSessionOut:
    """How far it has come."""
    row, status = await services.connect_sessions.get(session_id)
    return ConnectSessionOut(id=row.id, status=status, error=row.error, expires_at=row.expires_at)


@router.post(
    "/v1/connect-sessions/{session_id}/complete",
    summary="Complete a connect session",
    response_model=CompletedOut,
    responses=backend_problems(
        NotFound, ConnectCodeInvalid, WrongUser, ConnectSessionExpired, *_OF_A_LOGIN
    ),
)
async def complete_connect_session(
    session_id: ConnectSessionIdInPath, asked: CompleteIn, key: ConnectKey, services: ServicesDep
) -> Response:
    """What the user connected. Name the user of your own session, never one from the address
    that the browser came back with."""
    completion = Completion(session_id, asked.connect_code, asked.external_id, key.id)
    connection_id = await services.completing.complete(completion)
    found = await services.users.connected(connection_id)
    connection = linked_connection_out(found.connection, services)
    head = {"external_id": asked.external_id, "connection": connection.model_dump(mode="json")}
    return Response(spliced(head, found.listing), media_type="application/json")


@router.post(
    "/v1/handoffs/redeem",
    summary="Redeem a hand-off code",
    responses=backend_problems(HandoffInvalid),
)
async def redeem_handoff(asked: RedeemIn, key: ConnectKey, services: ServicesDep) -> HandoffOut:
    """Who the front end's person is, once; linked to your user where you name one."""
    found = await services.handoffs.redeem(asked.code, asked.external_id, key.id)
    return HandoffOut(
        person=NamedPerson(id=found.person.id, name=found.person.name),
        connections=[linked_connection_out(each, services) for each in found.connections],
    )
