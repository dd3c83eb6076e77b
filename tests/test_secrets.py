"""Secrets print as stars: no class of the product shows one in its repr (defect S14).

A repr ends up in logs, tracebacks and test reports. Which fields hold a secret is told by their
names and types; those that only sound so are listed with the reason.
"""

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, SecretStr

import igauth
from igauth.domain import utc_now
from igauth.login.attempts import Attempts, Wish
from igauth.security.keyring import KeyRing
from tests.keys import KEY

SOUNDS_SECRET = re.compile(
    r"token|secret|cookie|password|verifier|signed|sealed|nonce|proof|session_id|digest|hash"
    r"|(^|_)(state|code|keys?|link|form|query|body|headers?)($|_)"
)
OWN_REPR = {"Attempt", "SignedAttempt"}
HARMLESS = {
    "cookie_name": "a name",
    "session_cookie": "a name",
    "spent_cookie": "a name",
    "dropped_cookies": "names",
    "cookieless_paths": "paths",
    "code": "a word or number that says what happened",
    "error_code": "Facebook's number",
    "confirmation_code": "answered to Meta, to be shown to the person",
    "code_challenge": "stands in the dialog's address for all to see (RFC 7636 §4.3)",
    "state_hash": "of a state that is spent; nothing opens with it",
    "token_kid": "a key's id",
    "instagram_token_url": "an address",
    "EdgeWalk.query": "fields; the token travels in a header",
    "GraphHost.version_header": "a name",
    "ListingRow.digest": "of a listing, for its ETag",
}


def classes() -> dict[str, type]:
    """Every class of the product, by its full name. What the sandbox holds is invented."""
    found: dict[str, type] = {}
    for module in pkgutil.walk_packages(igauth.__path__, "igauth."):
        if module.name.startswith("igauth.sandbox") or module.name.endswith("__main__"):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and value.__module__ == module.name:
                found[f"{value.__module__}.{value.__qualname__}"] = value
    return found


def shown_fields(kind: type) -> Iterator[tuple[str, Any]]:
    """The fields that a repr shows, with their types; a repr of its own is tried below."""
    if dataclasses.is_dataclass(kind) and not hasattr(kind.__repr__, "__wrapped__"):
        assert kind.__name__ in OWN_REPR
    elif dataclasses.is_dataclass(kind):
        yield from ((each.name, each.type) for each in dataclasses.fields(kind) if each.repr)
    elif issubclass(kind, BaseModel):
        yield from (
            (name, each.annotation) for name, each in kind.model_fields.items() if each.repr
        )


def holds_text(annotation: Any) -> bool:
    """Whether a value of this type can be, or hold, a text; a SecretStr shows stars."""
    if annotation is SecretStr:
        return False
    if annotation in (str, bytes) or getattr(annotation, "__supertype__", None) is str:
        return True
    return any(map(holds_text, get_args(annotation)))


def shown_secrets(kind: type) -> list[str]:
    """Fields of a class that its repr shows and shouldn't."""
    return [
        name
        for name, annotation in shown_fields(kind)
        if SOUNDS_SECRET.search(name)
        and holds_text(annotation)
        and not HARMLESS.keys() & {name, f"{kind.__name__}.{name}"}
    ]


def test_no_class_shows_a_secret() -> None:
    """`field(repr=False)`, `Field(repr=False)`, or SecretStr."""
    found = {name: shown for name, kind in classes().items() if (shown := shown_secrets(kind))}

    assert found == {}


def test_a_login_attempt_shows_none_of_its_secrets() -> None:
    """Started, recognised, signed: neither state, verifier, session id nor cookie."""
    attempts = Attempts(KeyRing([KEY]), secure=True, clock=utc_now)
    new = attempts.start(Wish("https://app.test/"), begun_under=None, cookies={})
    attempt = attempts.recognise(new.state, {new.cookie_name: new.cookie_value})
    shown = f"{new} {new!r} {attempt} {attempt!r} {attempt.signed!r}"

    for secret in (
        *(new.state, new.cookie_value),
        *(attempt.code_verifier, attempt.session_id, attempt.signed.secret),
    ):
        assert secret not in shown


def test_enough_classes_are_looked_at() -> None:
    """The walk reaches every room."""
    rooms = {name.split(".")[1] for name in classes()}

    assert {"api", "login", "listing", "grants", "meta", "store", "security", "settings"} <= rooms


@dataclasses.dataclass
class _Careless:
    access_token: str
    state: str | None
    cookies: dict[str, str]
    sealed: bytes
    expires_in: int
    token_seconds: int
    app_secret: SecretStr
    verifier: str = dataclasses.field(repr=False)


class _CarelessModel(BaseModel):
    secret: str
    other: SecretStr


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        (_Careless, ["access_token", "state", "cookies", "sealed"]),
        (_CarelessModel, ["secret"]),
    ],
)
def test_a_careless_class_is_found_out(kind: type, shown: list[str]) -> None:
    """The test above can fail."""
    assert shown_secrets(kind) == shown
