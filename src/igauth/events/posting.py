"""One message to one receiver, over the wire: signed, bounded, to an address that was checked."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ipaddress import IPv6Address
from typing import Final

import httpx
from standardwebhooks import Webhook

from igauth.domain import Clock
from igauth.events.addresses import Address, Addresses, AddressRefused, Target

SECONDS: Final = 15.0
CONNECT_SECONDS: Final = 5.0
MOST_BYTES: Final = 64 * 1024
LONGEST_RETRY_AFTER: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a message. `failure` None: it arrived."""

    failure: str | None
    status: int | None = None
    retry_after: timedelta | None = None

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants nothing more, ever."""
        return self.status == HTTPStatus.GONE


def open_transport() -> httpx.AsyncBaseTransport:
    """Connections to receivers: one for each message, since a kept one would be found by its
    address again and not by the name that its certificate was checked for. No proxy of the
    environment, no redirects."""
    return httpx.AsyncHTTPTransport(
        verify=httpx.create_ssl_context(trust_env=False),
        trust_env=False,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
    )


class Poster:
    """Sends messages; whatever a receiver does is an answer, never an exception."""

    def __init__(
        self,
        addresses: Addresses,
        transport: httpx.AsyncBaseTransport,
        clock: Clock,
        *,
        seconds: float = SECONDS,
    ) -> None:
        self._addresses = addresses
        self._transport = transport
        self._clock = clock
        self._seconds = seconds

    async def post(self, url: str, message_id: str, body: str, secrets: list[str]) -> Answer:
        """One attempt, within `seconds` in all (Standard Webhooks 1.0)."""
        if not secrets:
            return Answer("secret_unreadable")
        headers = self._headers(message_id, body, secrets)
        try:
            async with asyncio.timeout(self._seconds):
                return await self._send(url, headers, body)
        except AddressRefused as refused:
            return Answer(f"address_refused: {refused}")
        except TimeoutError:
            return Answer("timeout")
        except httpx.TimeoutException:
            return Answer("timeout")
        except (httpx.HTTPError, OSError, UnicodeError, ValueError) as error:
            return Answer(f"unreachable: {type(error).__name__}")

    def _headers(self, message_id: str, body: str, secrets: list[str]) -> dict[str, str]:
        """A signature by each secret that is valid now: a receiver knows one of them."""
        now = self._clock().astimezone(UTC)  # the library takes any clock face for UTC's
        signatures = [Webhook(secret).sign(message_id, now, body) for secret in secrets]
        return {
            "content-type": "application/json",
            "user-agent": "igauth",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }

    async def _send(self, url: str, headers: dict[str, str], body: str) -> Answer:
        target = self._addresses.check_url(url)
        found = await self._addresses.resolve(target)
        for address in found[:-1]:
            try:
                return await self._try(target, address, headers, body)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._try(target, found[-1], headers, body)

    async def _try(
        self, target: Target, address: Address, headers: dict[str, str], body: str
    ) -> Answer:
        pinned = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
        waits = {"connect": CONNECT_SECONDS, "read": self._seconds, "write": self._seconds}
        request = httpx.Request(
            "POST",
            target.url.copy_with(host=pinned),
            headers={"host": target.url.netloc.decode("ascii"), **headers},
            content=body.encode(),
            extensions={"sni_hostname": target.host.rstrip("."), "timeout": waits},
        )
        response = await self._transport.handle_async_request(request)
        try:
            return await self._read(response)
        finally:
            await response.aclose()

    async def _read(self, response: httpx.Response) -> Answer:
        """Up to MOST_BYTES of the answer, which tell nothing; the status tells all."""
        size = 0
        async for chunk in response.stream:  # type: ignore[union-attr]  # of an async transport
            size += len(chunk)
            if size >= MOST_BYTES:
                break
        if response.is_success:
            return Answer(None, response.status_code)
        waits = _retry_after(response.headers.get("retry-after"), self._clock())
        return Answer(f"status {response.status_code}", response.status_code, waits)


def _retry_after(header: str | None, now: datetime) -> timedelta | None:
    """`Retry-After` in either of its forms (RFC 9110 §10.2.3), at most a day; None for neither."""
    if header is None:
        return None
    if header.isascii() and header.isdecimal():
        return min(timedelta(seconds=min(int(header[:9]), 10**8)), LONGEST_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(header)
    except (ValueError, TypeError, OverflowError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(timedelta(), min(until - now, LONGEST_RETRY_AFTER))
