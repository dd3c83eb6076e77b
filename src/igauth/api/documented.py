"""How routes tell OpenAPI which problems they can answer: by error class, kept in one place."""

from typing import Any

from igauth.api.schemas import Problem
from igauth.errors import (
    DatabaseUnavailable,
    IgAuthError,
    InvalidRequest,
    KeyInUrl,
    NotForBrowsers,
    PayloadTooLarge,
    RateLimited,
    ScopeMissing,
    ServerError,
    ServiceKeyInvalid,
)

_EVERYWHERE: tuple[type[IgAuthError], ...] = (
    InvalidRequest,
    PayloadTooLarge,
    ServerError,
    DatabaseUnavailable,
)


def problems(*errors: type[IgAuthError]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` for these errors and those that any route can answer."""
    by_status: dict[int, list[type[IgAuthError]]] = {}
    for error in dict.fromkeys((*errors, *_EVERYWHERE)):
        by_status.setdefault(error.status, []).append(error)
    return {status: _response(group) for status, group in sorted(by_status.items())}


def backend_problems(*errors: type[IgAuthError]) -> dict[int | str, dict[str, Any]]:
    """The same for a route of `/v1`, with what its gate answers."""
    return problems(*errors, KeyInUrl, ServiceKeyInvalid, NotForBrowsers, ScopeMissing, RateLimited)


def _response(errors: list[type[IgAuthError]]) -> dict[str, Any]:
    return {
        "description": "; ".join(f"`{error.code}`: {error.title}" for error in errors),
        "content": {
            "application/problem+json": {
                "schema": {"$ref": f"#/components/schemas/{Problem.__name__}"},
                "examples": {error.code: {"value": problem_example(error)} for error in errors},
            }
        },
    }


def problem_example(error: type[IgAuthError]) -> dict[str, Any]:
    """The problem of an error, as the service would answer it."""
    return Problem(
        type=f"urn:igauth:problem:{error.code}",
        title=error.title,
        status=error.status,
        detail=error.detail,
        code=error.code,
        retryable=error.retryable,
        action=None if error.action is None else {"kind": error.action, "url": None},
        request_id="0a1b2c3d4e5f",
    ).model_dump(mode="json")
