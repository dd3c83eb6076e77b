"""The OpenAPI document: FastAPI's, told to strangers and to generators of clients.

FastAPI leaves nulls out of examples, writes code words as plain strings, and takes descriptions
from docstrings that are written for us. Here examples are whole again (each is valid against its
schema), codes are enums, headers are named, and references to our own papers are gone.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import FastAPI

from igauth.api import schemas
from igauth.api.documented import problem_example
from igauth.errors import WARNING_CODES, all_errors

Document = dict[str, Any]
_SCHEMAS = "#/components/schemas/"
_PAPERS = re.compile(r"\s*\((?:contract|graph-facts|facts)[^)]*\)", re.I)
_HEADERS: Document = {
    "X-Request-ID": {
        "description": "What the operator finds in the log",
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}},
    "ETag": {
        "description": "Send it back in `If-None-Match`; 304 then means: unchanged",
        "schema": {"type": "string"},
    },
}
_WAITING = ("429", "503")
_SESSION = (
    "The session. The cookie's name is `__Host-igauth_session` where the service is reached by "
    "https, and `igauth_session` on a developer's own machine (http on loopback)."
)

_SERVICE_KEY = "A key of `igauth service-keys new`, for your own servers alone."
_SECURED = {"/me": "session", "/v1/": "service_key"}


def document_of(app: FastAPI, session_cookie: str) -> Document:
    """The document of the routes that the application has; made once."""
    if app.openapi_schema is None:
        app.openapi_schema = _told(FastAPI.openapi(app), session_cookie)
    return app.openapi_schema


def _told(document: Document, session_cookie: str) -> Document:
    _add_problem(document)
    _make_examples_whole(document)
    document["components"]["headers"] = _HEADERS
    document["components"]["securitySchemes"] = {
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": session_cookie,
            "description": _SESSION,
        },
        "service_key": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "igsk_…",
            "description": _SERVICE_KEY,
        },
    }
    for path, operation in _operations(document):
        for prefix, scheme in _SECURED.items():
            if path.startswith(prefix):
                operation["security"] = [{scheme: []}]
        _keep_possible(operation)
        for status, answer in operation["responses"].items():
            _name_headers(path, status, answer)
    named: Document = _renamed(document)
    return named


def _operations(document: Document) -> Iterator[tuple[str, Document]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


def _add_problem(document: Document) -> None:
    """The shape of every failure, and the words that its `code` and a warning's can be."""
    found = document.setdefault("components", {}).setdefault("schemas", {})
    found["Problem"] = schemas.Problem.model_json_schema(
        mode="serialization", ref_template=_SCHEMAS + "{model}"
    )
    found |= found["Problem"].pop("$defs", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        found.pop(unused, None)
    codes = [error.code for error in all_errors()]
    found["ProblemCode"] = _words("What went wrong; stable, to decide by.", codes)
    found["Problem"]["properties"]["code"] = {"$ref": _SCHEMAS + "ProblemCode"}
    if "WarningOut" in found:
        found["WarningCode"] = _words("What keeps a listing from being whole.", WARNING_CODES)
        found["WarningOut"]["properties"]["code"] = {"$ref": _SCHEMAS + "WarningCode"}


def _words(description: str, words: Iterable[str]) -> Document:
    return {"type": "string", "description": description, "enum": list(words)}


def _make_examples_whole(document: Document) -> None:
    known = {error.code: error for error in all_errors()}
    for _, operation in _operations(document):
        for answer in operation["responses"].values():
            told = answer.get("content", {}).get("application/problem+json", {})
            for code, example in told.get("examples", {}).items():
                example["value"] = problem_example(known[code])
    shapes: dict[str, Any] = {shape.__name__: shape for shape in _all_shapes(schemas.Shape)}
    shapes["SessionState"] = schemas.SessionState
    for name, schema in document["components"]["schemas"].items():
        if name in shapes and "examples" in schema:
            schema["examples"] = shapes[name].model_config["json_schema_extra"]["examples"]


def _all_shapes(shape: type[schemas.Shape]) -> Iterator[type[schemas.Shape]]:
    for each in shape.__subclasses__():
        yield each
        yield from _all_shapes(each)


def _keep_possible(operation: Document) -> None:
    """No 422 where nothing can be wrong, no 413 where nothing is sent."""
    if "requestBody" not in operation:
        operation["responses"].pop("413", None)
        if not operation.get("parameters"):
            operation["responses"].pop("422", None)


def _name_headers(path: str, status: str, answer: Document) -> None:
    names = ["X-Request-ID"]
    if status in _WAITING:
        names.append("Retry-After")
    if path == "/me/instagram-accounts" and status in ("200", "304"):
        names.append("ETag")
    headers = answer.setdefault("headers", {})
    headers |= {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _renamed(node: Any) -> Any:
    """Shapes under the names of things (`Connection`, not `ConnectionOut`); no papers of ours."""
    if isinstance(node, list):
        return [_renamed(each) for each in node]
    if not isinstance(node, dict):
        return node
    renamed = {_clean(name): _renamed(value) for name, value in node.items()}
    for name in ("$ref", "title"):
        if isinstance(renamed.get(name), str):
            renamed[name] = _clean(renamed[name])
    if isinstance(renamed.get("description"), str):
        renamed["description"] = _PAPERS.sub("", renamed["description"])
    return renamed


def _clean(name: str) -> str:
    return re.sub(r"(?<=[a-z])Out$", "", name)
