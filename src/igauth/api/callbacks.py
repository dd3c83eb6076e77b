"""Meta's two callbacks, and the page that a deletion's confirmation code leads to (facts §13).

They read no cookie: the signature is the proof.
"""

from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from igauth.api.deps import ClientKey, Edge, EdgeDep, ServicesDep
from igauth.api.documented import problems
from igauth.api.ids import ConfirmationCodeInPath
from igauth.api.languages import texts_for
from igauth.api.schemas import DeletionAnswer, DeletionStatus
from igauth.bootstrap import Services
from igauth.domain import Provider, Subject
from igauth.errors import BadSignedRequest, NotFound, RateLimited, UnsupportedMediaType
from igauth.events import trail
from igauth.grants.ending import Outcome
from igauth.security.signed_request import (
    SignedRequest,
    SignedRequestRefused,
    parse_signed_request,
)
from igauth.store.people import SignInRow
from igauth.store.signed_requests import ReceiptRow

_DEAUTHORIZE, _DELETION = "deauthorize", "data-deletion"
_STATUS = "/auth/facebook/data-deletion"
PATHS = frozenset(f"/auth/{door}/{name}" for door in Provider for name in (_DEAUTHORIZE, _DELETION))
_FORM = "application/x-www-form-urlencoded"
_MESSAGES = {
    Outcome.DELETED: "Everything that this service had stored about you was deleted.",
    Outcome.NOTHING_STORED: (
        "This service had nothing stored about you; there was nothing to delete."
    ),
    Outcome.SUPERSEDED: (
        "You connected again after this request was made, so nothing was deleted. "
        "To delete your data now, disconnect in the application or send a new request."
    ),
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            _FORM: {
                "schema": {
                    "type": "object",
                    "required": ["signed_request"],
                    "properties": {"signed_request": {"type": "string"}},
                }
            }
        },
    }
}

_SIGNED = problems(BadSignedRequest, RateLimited, UnsupportedMediaType)
_OK: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"example": {"status": "ok"}}}}
}

router = APIRouter(tags=["meta callbacks"])


def door_router(door: Provider) -> APIRouter:
    """The callbacks of one door; both doors' deletions share one status page."""
    made, app = APIRouter(tags=["meta callbacks"]), door.capitalize()

    @made.get(_path(door, _DEAUTHORIZE), name=f"probe_{door}_deauthorize", include_in_schema=False)
    @made.get(_path(door, _DELETION), name=f"probe_{door}_deletion", include_in_schema=False)
    async def answer_probe() -> dict[str, str]:
        """The dashboard asks by GET whether somebody is there."""
        return {"status": "ok"}

    @made.post(
        _path(door, _DEAUTHORIZE),
        name=f"deauthorize_{door}",
        summary=f"Meta: a person removed the app ({app} Login)",
        openapi_extra=_BODY,
        responses={**_OK, **_SIGNED},
    )
    async def deauthorize(
        request: Request, edge: EdgeDep, services: ServicesDep, client: ClientKey
    ) -> dict[str, str]:
        """Ends the person's connection and sessions; the same answer for people we don't know."""
        text, signed = await _signed(request, edge, client, door)
        await services.ending.deauthorize(text, signed, _who(services, door, signed))
        return {"status": "ok"}

    @made.post(
        _path(door, _DELETION),
        name=f"request_{door}_deletion",
        summary=f"Meta: a person wants their data deleted ({app} Login)",
        openapi_extra=_BODY,
        responses=_SIGNED,
    )
    async def request_deletion(
        request: Request, edge: EdgeDep, services: ServicesDep, client: ClientKey
    ) -> DeletionAnswer:
        """Deletes what is stored, and tells where the person can see that it was."""
        text, signed = await _signed(request, edge, client, door)
        code = await services.ending.delete_data(text, signed, _who(services, door, signed))
        url = f"{services.settings.base_url}{_STATUS}/{code}"
        return DeletionAnswer(url=url, confirmation_code=code)

    return made


@router.get(
    f"{_STATUS}/{{code}}",
    summary="What became of a deletion request",
    response_model=DeletionStatus,
    responses={
        200: {"content": {"text/html": {"schema": {"type": "string"}}}},
        **problems(NotFound),
    },
)
async def show_deletion(
    code: ConfirmationCodeInPath, request: Request, edge: EdgeDep, services: ServicesDep
) -> Response:
    """A readable page; JSON for those who ask for it."""
    status = _status(code, await services.ending.receipt(code))
    if _prefers_json(request.headers.get("accept", "")):
        return JSONResponse(status.model_dump(mode="json"))
    return edge.pages.page(
        "deletion.html",
        texts_for(request.headers.get("accept-language", "")),
        outcome=status.status,
        code=code,
        requested_at=status.requested_at,
        completed_at=status.completed_at,
    )


def _status(code: str, receipt: ReceiptRow) -> DeletionStatus:
    return DeletionStatus(
        confirmation_code=code,
        status=receipt.outcome,
        message=_MESSAGES[Outcome(receipt.outcome)],
        requested_at=receipt.requested_at,
        completed_at=receipt.completed_at,
    )


def _path(door: Provider, name: str) -> str:
    return f"/auth/{door}/{name}"


async def _signed(
    request: Request, edge: Edge, client: str, door: Provider
) -> tuple[str, SignedRequest]:
    """The one `signed_request` of the form, text and content. Raises BadSignedRequest."""
    content_type = request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
    if content_type != _FORM:
        raise UnsupportedMediaType
    try:
        text = _field(await request.body())
        _, app_secret = edge.services.settings.app_of(door)
        return text, parse_signed_request(text, app_secret.get_secret_value())
    except SignedRequestRefused as refused:
        edge.login_limit.hit(client)
        trail.say("signed_request.refused", outcome=refused.cause)
        raise BadSignedRequest from None


def _who(services: Services, door: Provider, signed: SignedRequest) -> SignInRow:
    """The subject that Meta speaks of, at this door."""
    app_id, _ = services.settings.app_of(door)
    return SignInRow(door, app_id, Subject(signed.user_id))


def _field(body: bytes) -> str:
    try:
        fields: dict[str, Any] = parse_qs(body.decode("ascii"), max_num_fields=20)
    except ValueError:
        raise SignedRequestRefused("not_a_form") from None
    values = fields.get("signed_request", [])
    if len(values) != 1:
        raise SignedRequestRefused("not_one_field")
    return str(values[0])


def _prefers_json(accept: str) -> bool:
    return "application/json" in accept and "text/html" not in accept
