"""Bytes and headers from Facebook, read without trust: nothing here raises but `GraphError`.

JSON is parsed by trying, not by content type (graph-facts 10.7); hostile bodies are those of
security.md F-05 to F-07.
"""

import json
import math
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pydantic_core import from_json

from igauth.meta.errors import GraphUnavailable, GraphUnreadable

_USAGE_HEADERS: Final = {
    "x-app-usage": "app",
    "x-page-usage": "page",
    "x-ad-account-usage": "ad_account",
    "x-business-use-case-usage": "business_use_case",
}
_PERCENTAGES: Final = (
    *("call_count", "total_cputime", "total_time", "acc_id_util_pct"),
    *("call_volume", "cpu_time"),  # Instagram's host (instagram-login-facts 6.5)
)
_VERSION: Final = re.compile(r"v\d{1,3}\.\d{1,2}", re.ASCII)
_NODE_ID: Final = re.compile(r"\d{1,32}", re.ASCII)
_LONGEST_HEADER: Final = 32_000

NOT_JSON: Final = object()
"""What `parse_json` gives for a body that isn't JSON; no JSON value equals it."""


def parse_json(raw: bytes) -> Any:
    """The JSON value of a body, or NOT_JSON: HTML, nothing, NaN, 5,000 digits, 100,000 deep."""
    try:
        return from_json(raw, allow_inf_nan=False)
    except ValueError:
        return _parse_odd_json(raw)


def _parse_odd_json(raw: bytes) -> Any:
    """Slower, and takes what the quick parser doesn't: lone surrogates, a byte-order mark."""
    try:
        return json.loads(raw.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return NOT_JSON


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def unpacker(endpoint: str, encoding: str) -> Callable[[bytes, int], bytes]:
    """A function that unpacks a chunk to at most so many bytes (a gzip bomb stops there)."""
    if encoding.strip().lower() in ("", "identity"):
        return lambda chunk, most: chunk[:most]
    if encoding.strip().lower() not in ("gzip", "x-gzip"):
        raise GraphUnreadable(endpoint, "an encoding that was not asked for")
    unpacking = zlib.decompressobj(wbits=31)

    def unpack(chunk: bytes, most: int) -> bytes:
        try:
            return unpacking.decompress(chunk, most)
        except zlib.error:
            pass
        raise GraphUnreadable(endpoint, "a broken gzip body")

    return unpack


def checked(endpoint: str, http_status: int, body: Any, shapes: tuple[type, ...]) -> Any:
    """A body without refusal, once its status and its outermost type are as expected."""
    if http_status >= 400:
        repeatable = http_status >= 500
        raise GraphUnavailable(
            endpoint, f"HTTP {http_status} without a Graph error", repeatable=repeatable
        )
    if body is NOT_JSON:
        raise GraphUnreadable(endpoint, "the answer is not JSON")
    if not isinstance(body, shapes):
        raise GraphUnreadable(endpoint, "the answer has another shape than documented")
    return body


def read_usage(headers: Mapping[str, str]) -> dict[str, float]:
    """The highest percentage that each usage header names (graph-facts 11.1)."""
    usage = {}
    for header, kind in _USAGE_HEADERS.items():
        percentages = [
            percent
            for record in _records(headers.get(header))
            for key in _PERCENTAGES
            if (percent := as_number(record.get(key))) is not None
        ]
        if percentages:
            usage[kind] = max(percentages)
    return usage


def read_regain_minutes(headers: Mapping[str, str]) -> dict[str, float]:
    """Page or Instagram id → minutes until access is regained, where above 0 (11.2)."""
    regain: dict[str, float] = {}
    for node, records in _by_node(headers.get("x-business-use-case-usage")):
        for record in records:
            minutes = as_number(record.get("estimated_time_to_regain_access"))
            if minutes:
                regain[node] = max(minutes, regain.get(node, 0.0))
    return regain


def read_version(headers: Mapping[str, str], header: str) -> str | None:
    """The version that really served the call (graph-facts 1.18)."""
    version = headers.get(header, "").strip()
    return version if _VERSION.fullmatch(version) else None


def as_number(value: Any) -> float | None:
    """A finite number that isn't negative, digit strings included; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _header_json(header: str | None) -> Any:
    if header is None or len(header) > _LONGEST_HEADER:
        return None
    return parse_json(header.encode(errors="replace"))


def _by_node(header: str | None) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """The entries of x-business-use-case-usage: each id has a list of records (11.2)."""
    body = _header_json(header)
    for node, records in body.items() if isinstance(body, Mapping) else ():
        if _NODE_ID.fullmatch(node) and isinstance(records, list):
            yield node, [record for record in records if isinstance(record, Mapping)]


def _records(header: str | None) -> list[Mapping[str, Any]]:
    """Every object in a usage header that may hold percentages."""
    body = _header_json(header)
    nested = [record for _, records in _by_node(header) for record in records]
    return [body, *nested] if isinstance(body, Mapping) else nested
