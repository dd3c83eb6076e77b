"""What the bench's Facebook answers: bodies made once for each question, then taken from memory.

True to `graph-facts.md` §0-§9 where a client can tell: selected fields, `id` added last, cursors,
`paging.next` only while there is more, escaped slashes, a batch's bodies as strings. It refuses
nothing and checks nothing: it must cost far less than what is measured.

A person is named by the code that the bench hands to the callback, `c{pages}x{uid}`, and their
tokens carry the same two numbers. What depends on the uid stands in a body as `MARK`.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

APP_ID: Final = "901234567890123"
APP_SECRET: Final = "0123456789abcdef0123456789abcdef"
SCOPES: Final = (
    "pages_show_list",
    "instagram_basic",
    "instagram_content_publish",
    "pages_read_engagement",
    "business_management",
)
MARK: Final = b"@@THEUID@@"
MOST_NAMED: Final = 200
"""Of more Pages than this the person ticked "all current and future": no ids are named (4.4)."""
_WHO: Final = re.compile(rb"(\d+)x(\d{10})")
_SIGNATURE: Final = re.compile(rb"&?appsecret_(?:proof|time)=[^&]*")
_FIELD: Final = re.compile(r"([a-z_]+)((?:\.[a-z]+\(\d+\))*)(\{)?")
_MARK: Final = MARK.decode()

Node = Mapping[str, Any]
Fields = list[tuple[str, int | None, "Fields"]]


def code_for(pages: int, uid: int) -> str:
    """The authorization code that logs a person with so many Pages in."""
    return f"c{pages}x{uid:010d}"


def callback_query(state: str, pages: int, uid: int) -> str:
    """What the dialog sends that person back with, who granted everything (graph-facts 1.4)."""
    granted = ",".join((*SCOPES, "public_profile"))
    return urlencode(
        {
            "code": code_for(pages, uid),
            "state": state,
            "granted_scopes": granted,
            "denied_scopes": "",
        }
    )


class Answers:
    """Bodies by question. `calls` counts them by endpoint."""

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}
        self._bodies: dict[tuple[bytes, bytes, bytes], bytes] = {}

    def answer(self, path: bytes, query: bytes, authorization: bytes, form: bytes) -> bytes:
        """The JSON for one call."""
        endpoint = path.partition(b"/v26.0/")[2] if path.startswith(b"/v") else path[1:]
        if endpoint == b"oauth/access_token":
            self._count("oauth/access_token")
            return _issue(form or query)
        if endpoint == b"":
            self._count("batch")
            return self._batch(form)
        named = query if endpoint == b"debug_token" else authorization
        return self._read(endpoint, _SIGNATURE.sub(b"", query), _WHO.search(named))

    def _read(self, endpoint: bytes, query: bytes, who: re.Match[bytes] | None) -> bytes:
        pages, uid = who.groups() if who else (b"0", b"0")
        if endpoint == b"debug_token":
            query = b""
        key = (endpoint, query, pages)
        body = self._bodies.get(key)
        if body is None:
            body = _encoded(_look_up(endpoint.decode(), query.decode(), int(pages)))
            self._bodies[key] = body
        self._count(endpoint.decode() if not endpoint[:1].isdigit() else "{node}")
        return body.replace(MARK, uid) if MARK in body else body

    def _batch(self, form: bytes) -> bytes:
        values = dict(parse_qsl(form.decode()))
        who = _WHO.search(values.get("access_token", "").encode())
        parts = []
        for each in json.loads(values["batch"]):
            path, _, query = str(each["relative_url"]).lstrip("/").partition("?")
            body = self._read(path.encode(), query.encode(), who).decode()
            parts.append({"code": 200, "body": body})
        return json.dumps(parts, separators=(",", ":")).encode()

    def _count(self, endpoint: str) -> None:
        self.calls[endpoint] = self.calls.get(endpoint, 0) + 1


def _issue(values: bytes) -> bytes:
    """A short-lived token for a code, a long-lived one for that (graph-facts 2.3, 3.2)."""
    if b"client_credentials" in values:
        token, seconds = f"{APP_ID}|invented".encode(), b""
    else:
        who = _WHO.search(values)
        is_upgrade = b"fb_exchange_token" in values
        number = who.group() if who else b"0x0000000000"
        token = (b"EAAinventedLong" if is_upgrade else b"EAAinventedShort") + number
        seconds = b',"expires_in":5183944' if is_upgrade else b',"expires_in":5127'
    return b'{"access_token":"' + token + b'","token_type":"bearer"' + seconds + b"}"


def _encoded(value: Any) -> bytes:
    """Compact, with slashes escaped, as Meta sends it (graph-facts 0.6)."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode()


def _look_up(endpoint: str, query: str, pages: int) -> Any:
    asked = dict(parse_qsl(query))
    fields = parse_fields(asked.get("fields", ""))
    makers: Mapping[str, Callable[[], Any]] = {
        "me": lambda: _selected(_me(pages), fields or parse_fields("name"), pages),
        "debug_token": lambda: {"data": _debugged(pages)},
        "me/accounts": lambda: _edge(
            pages, fields, int(asked.get("limit", 25)), asked.get("after")
        ),
        "me/permissions": lambda: {"data": _permissions()},
        "me/businesses": lambda: {"data": []},
    }
    if endpoint in makers:
        return makers[endpoint]()
    if endpoint.endswith("/permissions"):
        return {"success": True}
    return _selected(_by_id(endpoint, pages), fields, pages)


def _me(pages: int) -> Node:
    picture = {"url": "https://scontent-xyz1-1.xx.fbcdn.net/v/t39/invented.jpg?oe=6B2B3C4D"}
    return {
        "id": f"102{_MARK}",
        "name": f"Ada Invented {_MARK}",
        "picture": {"data": picture | {"height": 50, "is_silhouette": False, "width": 50}},
        "permissions": {"data": _permissions()},
        "businesses": {"data": []},
    }


def _permissions() -> list[Node]:
    return [{"permission": name, "status": "granted"} for name in (*SCOPES, "public_profile")]


def _debugged(pages: int) -> Node:
    chosen = [page_node(pages, index) for index in range(pages)] if pages <= MOST_NAMED else None
    return {
        "app_id": APP_ID,
        "type": "USER",
        "application": "Invented Scheduler",
        "data_access_expires_at": 1_893_456_000,
        "expires_at": 1_890_864_000,
        "is_valid": True,
        "scopes": [*SCOPES, "public_profile"],
        "granular_scopes": [_granular(scope, chosen) for scope in SCOPES],
        "user_id": f"102{_MARK}",
    }


def _granular(scope: str, chosen: list[Node] | None) -> Node:
    if chosen is None or scope == "business_management":
        return {"scope": scope}
    if scope.startswith("instagram_"):
        return {
            "scope": scope,
            "target_ids": [each["instagram_business_account"]["id"] for each in chosen],
        }
    return {"scope": scope, "target_ids": [each["id"] for each in chosen]}


def page_node(pages: int, index: int) -> Node:
    """A Page with its Instagram account; somebody's only Page carries their uid."""
    number = f"{_MARK}00" if pages == 1 else f"{pages:05d}{index:07d}"
    return {
        "id": f"100{number}",
        "name": f"Invented Bakery {index}",
        "tasks": ["ADVERTISE", "ANALYZE", "CREATE_CONTENT", "MESSAGING", "MODERATE", "MANAGE"],
        "access_token": f"EAAinventedPage{index}",
        "instagram_business_account": {
            "id": f"17841{number}",
            "username": f"invented.bakery.{number}",
            "name": f"Invented Bakery {index}",
            "biography": "Bread, cakes and pies; open from seven to six, on Sundays to noon.",
            "website": "https://bakery.example.test/",
            "profile_picture_url": "https://scontent-xyz1-1.xx.fbcdn.net/v/t51.2885-15/"
            f"1_2_{index}_n.jpg?_nc_cat=106&ccb=1-7&oh=00_AT{index}&oe=6B2B3C4D",
            "followers_count": 1204 + index,
            "follows_count": 87,
            "media_count": 342,
        },
    }


def _by_id(node_id: str, pages: int) -> Node:
    is_account = node_id.startswith("17841")
    index = 0 if pages == 1 else int(node_id[-7:])
    page = page_node(pages, index)
    found: Node = page["instagram_business_account"] if is_account else page
    return found


def _edge(pages: int, fields: Fields, limit: int, after: str | None) -> Node:
    """/me/accounts, whole or nested: so many from the cursor on (graph-facts 7.4)."""
    start = int(base64.b64decode(after)) if after else 0
    end = min(start + limit, pages)
    if start >= end:
        return {"data": []}
    shown = fields or parse_fields("name,access_token,tasks")
    cursors = {
        name: base64.b64encode(str(at).encode()).decode()
        for name, at in (("before", start), ("after", end))
    }
    paging: dict[str, Any] = {"cursors": cursors}
    if end < pages:
        paging["next"] = (
            f"https://graph.facebook.com/v26.0/102{_MARK}/accounts?access_token=EAAinvented"
            f"&limit={limit}&after={cursors['after']}"
        )
    nodes = [_selected(page_node(pages, index), shown, pages) for index in range(start, end)]
    return {"data": nodes, "paging": paging}


def _selected(node: Node, fields: Fields, pages: int) -> Node:
    """The asked fields in their order, and `id` last where it wasn't asked (graph-facts 0.5)."""
    chosen: dict[str, Any] = {}
    for name, limit, inner in fields:
        if name == "accounts":
            chosen[name] = _edge(pages, inner, limit or 25, None)
        elif name in node:
            chosen[name] = _within(node[name], inner, pages)
    if "id" in node:
        chosen.setdefault("id", node["id"])
    return chosen


def _within(value: Any, fields: Fields, pages: int) -> Any:
    if not fields or not isinstance(value, Mapping):
        return value
    data = value.get("data")
    if isinstance(data, list):
        return {**value, "data": [_selected(each, fields, pages) for each in data]}
    if isinstance(data, Mapping):
        return {"data": _selected(data, fields, pages)}
    return _selected(value, fields, pages)


def parse_fields(text: str) -> Fields:
    """`id,accounts.limit(100){id,name}` as (name, limit, fields within) (graph-facts 6.6)."""
    fields, _ = _parse_fields(text, 0)
    return fields


def _parse_fields(text: str, at: int) -> tuple[Fields, int]:
    fields: Fields = []
    while at < len(text):
        if text[at] == "}":
            return fields, at + 1
        if text[at] == ",":
            at += 1
            continue
        found = _FIELD.match(text, at)
        if found is None:
            raise ValueError(f"fields that this Facebook can't read: {text[at:]}")
        at = found.end()
        limit = re.search(r"\.limit\((\d+)\)", found[2])
        inner: Fields = []
        if found[3]:
            inner, at = _parse_fields(text, at)
        fields.append((found[1], int(limit[1]) if limit else None, inner))
    return fields, at
