"""The OpenAPI document as generators of clients read it: names, words, examples, headers."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from igauth.app import create_app
from igauth.errors import all_errors
from tests.stage import make_settings

DOCUMENT: dict[str, Any] = create_app(make_settings("sqlite+aiosqlite:///unused.db")).openapi()
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]


def _answers() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                yield f"{method} {path}", status, answer


def _examples() -> Iterator[tuple[str, dict[str, Any], Any]]:
    for name, schema in SCHEMAS.items():
        for example in schema.get("examples", ()):
            yield name, schema, example
    for name, status, answer in _answers():
        for content in answer.get("content", {}).values():
            for code, example in content.get("examples", {}).items():
                yield f"{name} {status} {code}", content["schema"], example["value"]


def test_every_example_is_valid() -> None:
    """More than a hundred of them, nulls and all (B6)."""
    faults = [
        f"{name}: {error.message}"
        for name, schema, example in _examples()
        for error in Draft202012Validator(
            {**schema, "components": DOCUMENT["components"]}
        ).iter_errors(example)
    ]

    assert faults == []
    assert len(list(_examples())) > 100


def test_words_for_strangers() -> None:
    """No description sends somebody to a paper of ours (B6)."""
    told = re.findall(r'"[^"]*(?:contract|graph-facts|facts §)[^"]*"', json.dumps(DOCUMENT))

    assert told == []


def test_the_name_of_the_cookie_is_told() -> None:
    """Both of them: on https, and on a developer's machine (B6)."""
    scheme = DOCUMENT["components"]["securitySchemes"]["session"]

    assert "__Host-igauth_session" in scheme["description"]
    assert "igauth_session" in scheme["name"]


def test_codes_are_enums() -> None:
    """What one decides by is a closed list of words (B7)."""
    assert SCHEMAS["ProblemCode"]["enum"] == [error.code for error in all_errors()]
    assert SCHEMAS["Problem"]["properties"]["code"] == {"$ref": "#/components/schemas/ProblemCode"}
    assert "permission_missing" in SCHEMAS["WarningCode"]["enum"]
    assert SCHEMAS["DeletionStatus"]["properties"]["status"]["enum"] == [
        "deleted",
        "nothing_stored",
        "superseded",
    ]


def test_a_session_is_one_of_two() -> None:
    """`authenticated` says which, so that a type checker knows when there is a user (B7)."""
    either = [each["$ref"].rpartition("/")[2] for each in SCHEMAS["SessionState"]["anyOf"]]

    assert [SCHEMAS[name]["properties"]["authenticated"]["const"] for name in either] == [
        True,
        False,
    ]
    assert all({"authenticated", "user"} <= set(SCHEMAS[name]["required"]) for name in either)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_names_are_clean(name: str) -> None:
    """Names of things, as a generator makes types of them (B7)."""
    assert re.fullmatch(r"[A-Z][a-z]+(?:[A-Z][a-z]+)*", name)
    assert not name.endswith("Out")


def test_headers_are_told() -> None:
    """ETag, Retry-After and X-Request-ID where they come (B7)."""
    for name, status, answer in _answers():
        expected = {"X-Request-ID"}
        if status in ("429", "503"):
            expected.add("Retry-After")
        if name == "get /me/instagram-accounts" and status in ("200", "304"):
            expected.add("ETag")
        assert set(answer["headers"]) == expected, (name, status)


def test_only_what_can_happen() -> None:
    """No 422 where nothing is sent that could be wrong, no 413 without a body (B7)."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            sends = "requestBody" in operation
            assert ("413" in operation["responses"]) == sends, (method, path)
            if not sends and not operation.get("parameters"):
                assert "422" not in operation["responses"]
