"""Which addresses a receiver of events may have: one answer, for a test and for each delivery.

The name is resolved here, every address is judged, and the connection goes to one that was: a
name whose answer changes in between changes nothing (contract §12). `ipaddress.is_global` isn't
asked: on Python 3.11 it calls 6to4, Teredo, NAT64's local prefix, multicast and more global.
Source of the blocks: IANA's special-purpose address registries (RFC 6890, RFC 8190).
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import httpx

Address = IPv4Address | IPv6Address
Lookup = Callable[[str, int], Awaitable[list[str]]]

_V4: Final = {
    ip_network(block): reason
    for block, reason in {
        "0.0.0.0/8": "this network",
        "10.0.0.0/8": "private",
        "100.64.0.0/10": "carrier-grade NAT",
        "127.0.0.0/8": "loopback",
        "168.63.129.16/32": "a cloud's metadata",
        "169.254.0.0/16": "link-local, metadata",
        "172.16.0.0/12": "private",
        "192.0.0.0/24": "protocol assignments",
        "192.0.2.0/24": "documentation",
        "192.88.99.0/24": "6to4 relays",
        "192.168.0.0/16": "private",
        "198.18.0.0/15": "benchmarks",
        "198.51.100.0/24": "documentation",
        "203.0.113.0/24": "documentation",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved",
    }.items()
}
_V6: Final = {
    ip_network(block): reason
    for block, reason in {
        "2001::/23": "protocol assignments, Teredo",
        "2001:db8::/32": "documentation",
        "2002::/16": "6to4",
        "3ffe::/16": "6bone",
        "3fff::/20": "documentation",
    }.items()
}
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_ISATAP: Final = (0x00005EFE, 0x02005EFE)
_LOOKUPS_AT_ONCE: Final = 32
_LAST_PORT: Final = 65_535


class AddressRefused(Exception):
    """A receiver that may not be called; the text says why, for the operator."""


@dataclass(frozen=True, slots=True)
class Target:
    """A receiver's URL, taken apart once; `named`: its host stands in WEBHOOK_ALLOWED_HOSTS."""

    url: httpx.URL
    host: str
    port: int
    named: bool


class Addresses:
    """Judges receivers. `allowed_hosts`: names and addresses that are taken as they are."""

    def __init__(self, allowed_hosts: Iterable[str], lookup: Lookup | None = None) -> None:
        self._allowed = frozenset(allowed_hosts)
        self._lookup = lookup or Lookups().find

    def check_url(self, url: str) -> Target:
        """The URL, if what stands in it may be called. Raises AddressRefused; asks nobody."""
        target = self._target(url)
        literal = _literal(target.host)
        if literal is not None and not target.named:
            _refuse(literal)
        if target.url.scheme != "https" and not target.named:
            raise AddressRefused("must be https, or its host in WEBHOOK_ALLOWED_HOSTS")
        return target

    async def resolve(self, target: Target) -> list[Address]:
        """Where a connection may go. Raises AddressRefused for a single bad one among them, and
        OSError for a name that isn't known."""
        literal = _literal(target.host)
        found = [literal] if literal else await self._found(target)
        for address in found if not target.named else ():
            _refuse(address)
        return found

    async def _found(self, target: Target) -> list[Address]:
        answer = await self._lookup(target.host, target.port)
        found = [_literal(each) for each in dict.fromkeys(answer)]
        if not found or None in found:
            raise AddressRefused("its name has no usable address")
        return [each for each in found if each is not None]

    def _target(self, url: str) -> Target:
        if not url.isascii() or any(each.isspace() or each == "\\" for each in url):
            raise AddressRefused("has blanks, backslashes or characters that are not ASCII")
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError):
            raise AddressRefused("is not a well-formed URL") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise AddressRefused("must begin with https:// and name a host")
        if parsed.userinfo or "@" in url.partition("//")[2].partition("/")[0]:
            raise AddressRefused("must not hold credentials")
        if parsed.fragment:
            raise AddressRefused("must not have a fragment")
        host = parsed.raw_host.decode("ascii").lower()
        port = {"http": 80, "https": 443}[parsed.scheme] if parsed.port is None else parsed.port
        if not 0 < port <= _LAST_PORT:
            raise AddressRefused("names a port that there is not")
        name = host.rstrip(".")
        literal = _literal(name)
        return Target(parsed, host, port, (str(literal) if literal else name) in self._allowed)


def reason_against(address: Address) -> str | None:
    """Why an address is no receiver on the public internet; None where it is one."""
    if isinstance(address, IPv4Address):
        return next((reason for block, reason in _V4.items() if address in block), None)
    if address.scope_id is not None:
        return "has a zone"
    if address in _MAPPED or address in _NAT64:
        return reason_against(IPv4Address(int(address) & 0xFFFFFFFF))
    if address not in _GLOBAL_UNICAST:
        return "not global unicast"
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return "ISATAP"
    return next((reason for block, reason in _V6.items() if address in block), None)


def _refuse(address: Address) -> None:
    reason = reason_against(address)
    if reason is not None:
        raise AddressRefused(f"its address is not public: {reason}")


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


class Lookups:
    """The system's resolver, on threads of its own: a dead DNS delays nothing but receivers.

    Those who ask for the same name at the same time share one look.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUPS_AT_ONCE, thread_name_prefix="receivers")
        self._asked: dict[tuple[str, int], asyncio.Future[list[str]]] = {}

    async def find(self, host: str, port: int) -> list[str]:
        """The addresses of a host. Raises OSError."""
        key = (host, port)
        asked = self._asked.get(key)
        if asked is None:
            loop = asyncio.get_running_loop()
            asked = loop.run_in_executor(self._threads, _getaddrinfo, host, port)
            self._asked[key] = asked
            asked.add_done_callback(lambda done: self._end(key, done))
        return await asyncio.shield(asked)

    def _end(self, key: tuple[str, int], done: "asyncio.Future[list[str]]") -> None:
        self._asked.pop(key, None)
        if not done.cancelled():
            done.exception()  # told to whoever still waits


def _getaddrinfo(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]
