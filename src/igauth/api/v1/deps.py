"""What the routes of `/v1` ask for: the service key, and a scope of it."""

from typing import Annotated, Any

from fastapi import Depends, Query, Request
from pydantic import AfterValidator, Field

from igauth.api.v1.gate import key_of
from igauth.domain import ServiceScope
from igauth.errors import InvalidRequest, ScopeMissing
from igauth.store.service_keys import ServiceKeyRow

_LONGEST_ID = 255


async def _key(request: Request) -> ServiceKeyRow:
    return key_of(request.scope)


KeyDep = Annotated[ServiceKeyRow, Depends(_key)]


def _needing(scope: ServiceScope) -> Any:
    async def key(found: KeyDep) -> ServiceKeyRow:
        if scope not in found.scopes:
            raise ScopeMissing(f"This service key lacks the scope {scope}.")
        return found

    return Depends(key)


ConnectKey = Annotated[ServiceKeyRow, _needing(ServiceScope.CONNECT)]
ReadKey = Annotated[ServiceKeyRow, _needing(ServiceScope.READ)]
TokensKey = Annotated[ServiceKeyRow, _needing(ServiceScope.TOKENS)]
ManageKey = Annotated[ServiceKeyRow, _needing(ServiceScope.MANAGE)]
EventsKey = Annotated[ServiceKeyRow, _needing(ServiceScope.EVENTS)]


def _without_controls(value: str) -> str:
    """Raises ValueError for control characters, and for what UTF-8 can't carry."""
    value.encode()
    if any(ord(each) < 0x20 or 0x7F <= ord(each) <= 0x9F for each in value):
        raise ValueError("must not hold control characters")
    return value


Line = Annotated[str, AfterValidator(_without_controls)]
ExternalId = Annotated[
    Line,
    Field(
        min_length=1,
        max_length=_LONGEST_ID,
        description="Your own id of the user; compared byte for byte",
        examples=["user-17"],
    ),
]


async def _asked_user(
    request: Request, external_id: Annotated[ExternalId | None, Query()] = None
) -> str | None:
    """The user of the query. Raises InvalidRequest for two of them, or bytes that are no text."""
    values = request.query_params.getlist("external_id")
    if len(values) > 1:
        raise InvalidRequest("The parameter external_id must not be repeated.")
    if values and "\ufffd" in values[0] and "%EF%BF%BD" not in _raw_query(request).upper():
        raise InvalidRequest("external_id must be UTF-8.")
    return external_id


def _raw_query(request: Request) -> str:
    query: bytes = request.scope["query_string"]
    return query.decode("latin-1")


AskedUser = Annotated[str | None, Depends(_asked_user)]


async def _named_user(external_id: AskedUser) -> str:
    if external_id is None:
        raise InvalidRequest("The parameter external_id is required.")
    return external_id


NamedUser = Annotated[str, Depends(_named_user)]


Cursor = Annotated[
    str | None,
    Query(pattern="^[0-9a-f-]{36}$", description="`meta.next` of the page before"),
]
