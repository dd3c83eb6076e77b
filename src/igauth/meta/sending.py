"""One HTTP exchange: a request of our making goes out, a bounded body comes back.

httpx's transports are the seam (decision 0005); `httpx.AsyncClient` isn't used, since its
ceremony costs more than the call (house.md §6). Tokens and proofs: Meta, "Secure Graph API calls
with appsecret_proof"; graph-facts 0.2, 0.3, §5.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

import httpx
from pydantic import SecretStr

from igauth.meta.calls import Budgets, Purpose, Request
from igauth.meta.errors import GraphTimeout, GraphUnavailable, GraphUnreadable
from igauth.meta.transport import CertificateRefused
from igauth.meta.wire import read_regain_minutes, read_usage, read_version, unpacker

Sign = Callable[[SecretStr], Mapping[str, str]]
"""The parameters that prove a token ours, beside the token itself; none at Instagram's host."""


@dataclass(frozen=True, slots=True)
class GraphHost:
    """A Graph host and its ways. `pauses` begins the names of its pauses."""

    url: str
    version: str
    version_header: str = "facebook-api-version"
    pauses: str = ""

    def address(self, path: str) -> str:
        """Where a call goes; a whole URL stays as it is."""
        return path if path.startswith("http") else f"{self.url}/{self.version}/{path}"

    @property
    def name(self) -> str:
        """The host's name alone."""
        return urlsplit(self.url).hostname or ""


@dataclass(slots=True)
class Exchange:
    """One HTTP exchange while it goes on: what can be told of it however it ends."""

    request: Request
    outcome: str = "cancelled"
    usage: Mapping[str, float] = field(default_factory=dict)
    regain_minutes: Mapping[str, float] = field(default_factory=dict)
    served_version: str | None = None

    def read_headers(self, headers: Mapping[str, str], version_header: str) -> None:
        self.usage = read_usage(headers)
        self.regain_minutes = read_regain_minutes(headers)
        self.served_version = read_version(headers, version_header)


class Sender:
    """Makes requests for one host, and sends them over whatever transport a call has."""

    def __init__(self, host: GraphHost, sign: Sign, budgets: Budgets) -> None:
        self._host = host
        self._sign = sign
        self._budgets = budgets

    async def send(
        self, transport: httpx.AsyncBaseTransport, exchange: Exchange
    ) -> tuple[int, bytes]:
        """Status and body. Raises GraphUnavailable."""
        request = exchange.request
        try:
            response = await transport.handle_async_request(self._http_request(request))
            try:
                exchange.read_headers(response.headers, self._host.version_header)
                return response.status_code, await self._read(request, response)
            finally:
                await response.stream.aclose()  # type: ignore[union-attr]  # an async transport's
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            failure = _unreached(request.endpoint, error)
        raise failure

    def _http_request(self, request: Request) -> httpx.Request:
        """GET and DELETE: a Bearer header, and the proof in the query. POST: two form fields,
        since a batch demands its `access_token` at top level (graph-facts 12.3)."""
        # gzip alone: its unpacking can be stopped at the cap (F-05)
        headers = {"User-Agent": "igauth", "Accept": "application/json", "Accept-Encoding": "gzip"}
        query, form = dict(request.query), None
        if request.form is not None:
            form = {**request.form, **self._credentials(request)}
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif request.token is not None:
            query |= self._sign(request.token.secret)
            headers["Authorization"] = f"Bearer {request.token.secret.get_secret_value()}"
        address = self._host.address(request.path)
        return httpx.Request(
            request.method,
            f"{address}?{urlencode(query)}" if query else address,
            headers=headers,
            content=None if form is None else urlencode(form).encode(),
            extensions={"timeout": self._timeouts(request.purpose)},
        )

    def _credentials(self, request: Request) -> Mapping[str, str]:
        if request.token is None:
            return {}
        secret = request.token.secret
        return {"access_token": secret.get_secret_value(), **self._sign(secret)}

    def _timeouts(self, purpose: Purpose) -> Mapping[str, float]:
        return {"connect": self._budgets.connect, "read": self._budgets.attempt(purpose)}

    async def _read(self, request: Request, response: httpx.Response) -> bytes:
        if 300 <= response.status_code < 400:
            raise GraphUnavailable(request.endpoint, f"HTTP {response.status_code}, not followed")
        unpack = unpacker(request.endpoint, response.headers.get("content-encoding", ""))
        body = bytearray()
        async for chunk in response.stream:  # type: ignore[union-attr]  # an async transport's
            body += unpack(chunk, self._budgets.body_bytes + 1 - len(body))
            if len(body) > self._budgets.body_bytes:
                raise GraphUnreadable(request.endpoint, "the answer is too large")
        return bytes(body)


def _unreached(endpoint: str, error: Exception) -> GraphUnavailable:
    """A network fault in our words; httpx's text may hold the URL."""
    if isinstance(error, httpx.TimeoutException):
        return GraphTimeout(endpoint, "no answer in time", repeatable=True)
    repeatable = isinstance(
        error, httpx.NetworkError | httpx.RemoteProtocolError | httpx.ProxyError
    ) and not isinstance(error, CertificateRefused)
    return GraphUnavailable(
        endpoint, f"not reached ({type(error).__name__})", repeatable=repeatable
    )
