"""The service against its own OpenAPI document: what it says is what it does (contract §5)."""

import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from igauth import errors
from igauth.app import create_app
from tests.stage import BASE_URL, FRONTEND, Browser, make_settings, open_stage

DOCUMENT = create_app(make_settings("sqlite+aiosqlite:///unused.db")).openapi()
OPERATIONS = [
    pytest.param(path, method, id=f"{method} {path}")
    for path, operations in DOCUMENT["paths"].items()
    for method in operations
]
NO_SCHEMA_KNOWS = [positive_data_acceptance, ignored_auth]
"""No schema says whether a signature is good or a return_to allowed; METRICS_TOKEN is optional."""
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)


class Fuzzed(NamedTuple):
    """Two browsers at one service."""

    stranger: Browser
    ada: Browser


@pytest.fixture(scope="module")
async def fuzzed(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> AsyncGenerator[Fuzzed]:
    """One service for all the rubbish, without a limit in the way."""
    path = tmp_path_factory.mktemp("fuzzed") / "igauth.db"
    shutil.copy(sqlite_template, path)
    rates = {"rate_limit_login": "99999/minute", "rate_limit_refresh": "99999/minute"}
    async with open_stage(make_settings(f"sqlite+aiosqlite:///{path}", **rates)) as stage:
        yield Fuzzed(stage.browser(), stage.browser())


def _operation(path: str, method: str) -> dict[str, Any]:
    operation: dict[str, Any] = DOCUMENT["paths"][path][method]
    return operation


def _problems(operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        status: answer
        for status, answer in operation["responses"].items()
        if status.startswith(("4", "5"))
    }


def test_every_route_of_the_contract_is_documented() -> None:
    """The table of §5, all of it."""
    documented = {
        f"{method.upper()} {path}"
        for path, operations in DOCUMENT["paths"].items()
        for method in operations
    }

    assert {
        "GET /auth/facebook",
        "GET /auth/facebook/callback",
        "GET /auth/session",
        "POST /auth/logout",
        "GET /me",
        "DELETE /me",
        "GET /me/instagram-accounts",
        "GET /me/instagram-accounts/{account_id}",
        "GET /me/instagram-accounts/{account_id}/picture",
        "GET /me/connections",
        "GET /me/connections/{connection_id}",
        "POST /me/connections/{connection_id}/verify",
        "DELETE /me/connections/{connection_id}",
        "GET /me/sessions",
        "DELETE /me/sessions",
        "DELETE /me/sessions/{session_id}",
        "POST /auth/facebook/deauthorize",
        "POST /auth/facebook/data-deletion",
        "GET /auth/facebook/data-deletion/{code}",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
    } <= documented


def test_operation_ids_are_unique() -> None:
    """A client generator needs one name for each."""
    ids = [_operation(*each.values)["operationId"] for each in OPERATIONS]  # type: ignore[arg-type]

    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_an_operation_is_described(path: str, method: str) -> None:
    """operationId, one tag, summary."""
    operation = _operation(path, method)

    assert operation["operationId"].isidentifier()
    assert len(operation["tags"]) == 1
    assert operation["summary"]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_its_problems_are_documented(path: str, method: str) -> None:
    """Each by its code, with an example, as problem+json; 401 where a session is needed."""
    operation = _operation(path, method)
    known = {error.code: error for error in errors.all_errors()}

    for status, answer in _problems(operation).items():
        content = answer["content"]["application/problem+json"]
        assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
        for code, example in content["examples"].items():
            assert str(known[code].status) == status
            assert example["value"]["code"] == code
    if path.startswith("/me"):
        assert "401" in _problems(operation)
        assert operation["security"] == [{"session": []}]
    if method in ("post", "delete") and not path.startswith(("/auth/facebook/", "/v1/")):
        assert "csrf_failed" in str(_problems(operation)["403"])


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_it_has_an_example(path: str, method: str) -> None:
    """Every JSON answer of success shows what it looks like."""
    for status, answer in _operation(path, method)["responses"].items():
        if status != "200" or "application/json" not in answer.get("content", {}):
            continue
        content = answer["content"]["application/json"]
        named = content["schema"].get("$ref", "").rpartition("/")[2]
        schema = DOCUMENT["components"]["schemas"].get(named, content["schema"])
        listed = schema.get("properties", {}).get("data", {}).get("items", {}).get("$ref", "")
        item = DOCUMENT["components"]["schemas"].get(listed.rpartition("/")[2], {})
        assert {"example", "examples"} & {*content, *schema, *item}, named


@pytest.mark.parametrize("logged_in", [False, True])
@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
async def test_whatever_is_sent_is_answered_as_documented(
    fuzzed: Fuzzed, logged_in: bool, data: st.DataObject
) -> None:
    """No server error, no status, type or body that the document doesn't know."""
    each = data.draw(st.sampled_from(OPERATIONS))
    path, method = each.values
    case = data.draw(SCHEMA[str(path)][str(method).upper()].as_strategy())
    browser = fuzzed.ada if logged_in else fuzzed.stranger
    if logged_in and await browser.user() is None:  # she may have deleted herself
        await browser.log_in("ada")
    answer = await _send(browser, case)

    assert answer.status_code < 500, answer.text
    case.validate_response(answer, excluded_checks=NO_SCHEMA_KNOWS)


async def _send(browser: Browser, case: Any) -> httpx.Response:
    sent = case.as_transport_kwargs(base_url=BASE_URL)
    body = {"content" if isinstance(sent.get("data"), bytes) else "data": sent.get("data")}
    return await browser.http.request(
        sent["method"],
        sent["url"],
        params=sent.get("params"),
        headers={**(sent.get("headers") or {}), "origin": FRONTEND},
        json=sent.get("json"),
        **body,
    )
