"""Failures on the wire: RFC 9457 problem details, or a plain page with the same content.

Two ways out and no third: `problem_response` for everything, `login_failure_address` for a
callback, which always goes back to the front end.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response

from igauth.api.languages import texts_for
from igauth.api.pages import Pages
from igauth.api.schemas import ActionOut, Problem
from igauth.domain import ActionKind, Provider
from igauth.errors import (
    IgAuthError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    ServerError,
    UnsupportedMediaType,
)
from igauth.login.return_to import with_parameters
from igauth.observability import REQUEST_ID

MEDIA_TYPE = "application/problem+json"
_USUAL_WAIT_SECONDS = 5
_BY_STATUS: dict[int, type[IgAuthError]] = {
    404: NotFound,
    405: MethodNotAllowed,
    413: PayloadTooLarge,
    415: UnsupportedMediaType,
}


class ProblemWriter:
    """Knows the public origin, so that every problem can say where to go, and the pages."""

    def __init__(self, base_url: str, pages: Pages, door: Provider = Provider.FACEBOOK) -> None:
        self._pages = pages
        login = f"{base_url}/auth/{door}"
        self._urls = {
            ActionKind.LOGIN: login,
            ActionKind.RECONNECT: login,
            ActionKind.GRANT_PERMISSIONS: f"{login}?prompt=select",
            ActionKind.VISIT_FACEBOOK: "https://www.facebook.com/",
            ActionKind.VISIT_INSTAGRAM: "https://www.instagram.com/",
        }

    def response(
        self, error: IgAuthError, *, accept: str, navigation: bool, language: str = ""
    ) -> Response:
        """The problem as JSON, or as a page for a person who navigated here."""
        problem = self.problem(error)
        response: Response
        if navigation and "text/html" in accept:
            response = self._page(error, problem, language)
        else:
            response = JSONResponse(
                problem.model_dump(mode="json") | self._extra(error),
                status_code=error.status,
                media_type=MEDIA_TYPE,
            )
        if (retry_after := _retry_after(error)) is not None:
            response.headers["Retry-After"] = str(retry_after)
        if error.status == HTTPStatus.UNAUTHORIZED and error.bearer:
            response.headers["WWW-Authenticate"] = "Bearer"
        response.headers["Cache-Control"] = "no-store"
        return response

    def problem(self, error: IgAuthError) -> Problem:
        """RFC 9457 members of an error."""
        action = error.way_out(self._urls.get(error.action_kind) if error.action_kind else None)
        return Problem(
            type=f"urn:igauth:problem:{error.code}",
            title=error.title,
            status=error.status,
            detail=error.public_detail,
            code=error.code,
            retryable=error.retryable,
            action=None if action is None else ActionOut(kind=action.kind, url=action.url),
            request_id=REQUEST_ID.get() or "",
        )

    def _page(self, error: IgAuthError, problem: Problem, language: str) -> Response:
        texts = texts_for(language)
        title, sentence = texts.of(error.code)
        return self._pages.page(
            "problem.html",
            texts,
            status=error.status,
            problem=problem,
            title=title,
            sentence=sentence,
            again=error.retryable,
            retry_after=error.retry_after,
        )

    @staticmethod
    def _extra(error: IgAuthError) -> dict[str, Any]:
        faults = getattr(error, "faults", None)
        return {} if faults is None else {"errors": faults}


class InvalidParameters(InvalidRequest):
    """A request whose parameters FastAPI refused: names each, never repeats its value."""

    def __init__(self, errors: Sequence[Any]) -> None:
        self.faults = [
            {"location": [str(part) for part in error["loc"]], "message": str(error["msg"])}
            for error in errors
        ]
        names = ", ".join(str(error["loc"][-1]) for error in errors)
        super().__init__(f"These parts of the request have a value that is not allowed: {names}.")


def from_http_exception(error: HTTPException) -> IgAuthError:
    """The framework's own refusals in our words; ours, where it wraps one, as they were."""
    if isinstance(error.__cause__, IgAuthError):
        return error.__cause__
    kind = _BY_STATUS.get(error.status_code)
    if kind is not None:
        return kind()
    return InvalidRequest() if error.status_code < 500 else ServerError()


def from_validation_error(error: RequestValidationError) -> IgAuthError:
    """FastAPI's 422 in our words."""
    return InvalidParameters(error.errors())


def is_navigation(request: HTTPConnection) -> bool:
    """Whether a person's browser itself came here, and not a script of a page."""
    return request.headers.get("sec-fetch-mode", "navigate") == "navigate"


def _retry_after(error: IgAuthError) -> int | None:
    """Every 429 and 503 tells how long to wait, also where nobody knows exactly (RFC 9110)."""
    if error.retry_after is None and error.status in (429, 503):
        return _USUAL_WAIT_SECONDS
    return error.retry_after


def login_failure_address(return_to: str, failure: IgAuthError, *, described: bool = True) -> str:
    """The front end's address with the failure added, before any fragment."""
    sentence = {"error_description": failure.public_detail} if described else {}
    return with_parameters(
        return_to,
        {"error": failure.code, **sentence, "request_id": REQUEST_ID.get() or ""},
    )
