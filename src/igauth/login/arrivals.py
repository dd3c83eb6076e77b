"""What a browser brings to a callback, and how that ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from igauth.errors import (
    AccessDenied,
    AppAccessMissing,
    CodeRejected,
    FacebookRefused,
    IgAuthError,
)
from igauth.meta.meanings import lacks_role

_LONGEST_CODE: Final = 4_096
_CANCELLED_BY_DIALOG: Final = "4201"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a browser brings to the callback. Repeated parameters stay visible."""

    states: Sequence[str] = field(repr=False)
    codes: Sequence[str] = field(repr=False)
    error: str | None
    error_code: str | None
    refused: bool
    error_description: str | None = field(repr=False)
    cookies: Mapping[str, str] = field(repr=False)
    session_id: str | None = field(repr=False)
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class LoginEnd:
    """How a login ended: with a session, or with a failure; where to go; what to clear.

    `counts`: whether it counts towards RATE_LIMIT_LOGIN, as nothing that shows a real attempt.
    `connecting`: it was an attempt of a connect session, whose address says less of a failure.
    """

    return_to: str
    popup: bool = False
    session_id: str | None = field(default=None, repr=False)
    failure: IgAuthError | None = None
    spent_cookie: str | None = None
    counts: bool = False
    connecting: bool = False


def code_of(arrival: Arrival) -> str:
    """The code to exchange. Raises what the dialog's answer means (graph-facts 1.5, 1.6), whose
    "access denied" may be Instagram's own refusal (instagram-login-facts 2.5).
    """
    if lacks_role(arrival.error_description or ""):
        raise AppAccessMissing
    if arrival.error == "access_denied" or arrival.error_code == _CANCELLED_BY_DIALOG:
        raise AccessDenied
    if arrival.refused or not arrival.codes or not arrival.codes[0]:
        raise FacebookRefused
    if len(arrival.codes[0]) > _LONGEST_CODE:
        raise CodeRejected
    return arrival.codes[0]
