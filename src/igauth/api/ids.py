"""Ids that come from outside: checked against their form before anything else sees them.

What can't be an id of ours belongs to nothing: 404 `not_found`, and no database is asked (one
with a NUL in it would make PostgreSQL refuse the statement).
"""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from igauth.errors import NotFound

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_CONNECT_SESSION = r"cs_[A-Za-z0-9_-]{43}"
_DIGITS = r"[0-9]{1,32}"
_ALPHANUMERIC = r"[0-9A-Za-z]{1,64}"


@dataclass(frozen=True, slots=True)
class _Form:
    """Validator: the value as it is, or NotFound, which no validation error hides."""

    pattern: str

    def __call__(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            raise NotFound
        return value


ConnectionIdInPath = Annotated[
    str, AfterValidator(_Form(_UUID)), WithJsonSchema({"type": "string", "pattern": f"^{_UUID}$"})
]
SessionIdInPath = ConnectionIdInPath
ConnectSessionIdInPath = Annotated[
    str,
    AfterValidator(_Form(_CONNECT_SESSION)),
    WithJsonSchema({"type": "string", "pattern": f"^{_CONNECT_SESSION}$"}),
]
InstagramAccountIdInPath = Annotated[
    str,
    AfterValidator(_Form(_DIGITS)),
    WithJsonSchema({"type": "string", "pattern": f"^{_DIGITS}$"}),
]
ConfirmationCodeInPath = Annotated[
    str,
    AfterValidator(_Form(_ALPHANUMERIC)),
    WithJsonSchema({"type": "string", "pattern": f"^{_ALPHANUMERIC}$"}),
]
