"""igauth's `/v1` over httpx: `IgAuth` and, to be awaited, `AsyncIgAuth`."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from igauth_client import calls
from igauth_client.calls import Call, IgAuthProblem, Json

__all__ = ["AsyncIgAuth", "IgAuth", "IgAuthProblem"]
_SECONDS = 20.0


def _options(base_url: str, service_key: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {service_key}"}
    return {"base_url": base_url, "headers": headers, "timeout": _SECONDS}


class IgAuth:
    """Calls one igauth with one service key. Close it, or use it in a `with` block."""

    def __init__(
        self, base_url: str, service_key: str, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._http = httpx.Client(transport=transport, **_options(base_url, service_key))

    def service_key(self) -> Json:
        """What the key may do."""
        return self._send(calls.service_key())

    def create_connect_session(
        self,
        external_id: str,
        return_to: str,
        *,
        provider: str | None = None,
        prompt: str | None = None,
        reconnect: str | None = None,
        state: str | None = None,
    ) -> Json:
        """A link for one of your users: send their browser to `url`."""
        return self._send(
            calls.create_connect_session(
                external_id,
                return_to,
                provider=provider,
                prompt=prompt,
                reconnect=reconnect,
                state=state,
            )
        )

    def connect_session(self, session_id: str) -> Json:
        """How far a connect session has come."""
        return self._send(calls.connect_session(session_id))

    def complete(self, session_id: str, connect_code: str, *, external_id: str) -> Json:
        """What the user connected. `external_id`: the user of your own session, never of an address
        that a browser came with."""
        return self._send(calls.complete(session_id, connect_code, external_id=external_id))

    def redeem_handoff(self, code: str, *, external_id: str | None = None) -> Json:
        """Whom a front end handed over; linked to that user, if one is named."""
        return self._send(calls.redeem_handoff(code, external_id=external_id))

    def connections(
        self,
        *,
        external_id: str | None = None,
        status: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Json:
        """A page of connections; the next begins after `meta.next`."""
        return self._send(
            calls.connections(external_id=external_id, status=status, after=after, limit=limit)
        )

    def connection(self, connection_id: str) -> Json:
        """One connection."""
        return self._send(calls.connection(connection_id))

    def verify(self, connection_id: str) -> Json:
        """The connection as Meta sees it now."""
        return self._send(calls.verify(connection_id))

    def disconnect(self, connection_id: str) -> Json:
        """Ends it, as its owner would."""
        return self._send(calls.disconnect(connection_id))

    def accounts(self, *, external_id: str, refresh: bool = False) -> Json:
        """The Instagram accounts of everybody whom the user is linked to."""
        return self._send(calls.accounts(external_id=external_id, refresh=refresh))

    def token(
        self,
        account_id: str,
        *,
        external_id: str,
        connection_id: str | None = None,
        purpose: str | None = None,
    ) -> Json:
        """A live token to act with now; don't store it."""
        return self._send(
            calls.token(
                account_id, external_id=external_id, connection_id=connection_id, purpose=purpose
            )
        )

    def events(
        self, *, after: str | None = None, types: Sequence[str] | None = None, limit: int = 100
    ) -> Json:
        """What happened, oldest first; go on from `meta.next`, which an empty page gives back."""
        return self._send(calls.events(after=after, types=types, limit=limit))

    def remove_links(self, *, external_id: str, disconnect: bool = False) -> Json:
        """Lets a user go; with `disconnect` whom nobody else is linked to is erased."""
        return self._send(calls.remove_links(external_id=external_id, disconnect=disconnect))

    def close(self) -> None:
        """Ends its connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, call: Call) -> Json:
        answer = self._http.request(
            call.method, call.path, params=dict(call.params), json=call.json
        )
        return calls.meaning_of(answer)


class AsyncIgAuth:
    """The same, to be awaited."""

    def __init__(
        self, base_url: str, service_key: str, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._http = httpx.AsyncClient(transport=transport, **_options(base_url, service_key))

    async def service_key(self) -> Json:
        """What the key may do."""
        return await self._send(calls.service_key())

    async def create_connect_session(
        self,
        external_id: str,
        return_to: str,
        *,
        provider: str | None = None,
        prompt: str | None = None,
        reconnect: str | None = None,
        state: str | None = None,
    ) -> Json:
        """A link for one of your users: send their browser to `url`."""
        return await self._send(
            calls.create_connect_session(
                external_id,
                return_to,
                provider=provider,
                prompt=prompt,
                reconnect=reconnect,
                state=state,
            )
        )

    async def connect_session(self, session_id: str) -> Json:
        """How far a connect session has come."""
        return await self._send(calls.connect_session(session_id))

    async def complete(self, session_id: str, connect_code: str, *, external_id: str) -> Json:
        """What the user connected. `external_id`: the user of your own session, never of an address
        that a browser came with."""
        return await self._send(calls.complete(session_id, connect_code, external_id=external_id))

    async def redeem_handoff(self, code: str, *, external_id: str | None = None) -> Json:
        """Whom a front end handed over; linked to that user, if one is named."""
        return await self._send(calls.redeem_handoff(code, external_id=external_id))

    async def connections(
        self,
        *,
        external_id: str | None = None,
        status: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Json:
        """A page of connections; the next begins after `meta.next`."""
        return await self._send(
            calls.connections(external_id=external_id, status=status, after=after, limit=limit)
        )

    async def connection(self, connection_id: str) -> Json:
        """One connection."""
        return await self._send(calls.connection(connection_id))

    async def verify(self, connection_id: str) -> Json:
        """The connection as Meta sees it now."""
        return await self._send(calls.verify(connection_id))

    async def disconnect(self, connection_id: str) -> Json:
        """Ends it, as its owner would."""
        return await self._send(calls.disconnect(connection_id))

    async def accounts(self, *, external_id: str, refresh: bool = False) -> Json:
        """The Instagram accounts of everybody whom the user is linked to."""
        return await self._send(calls.accounts(external_id=external_id, refresh=refresh))

    async def token(
        self,
        account_id: str,
        *,
        external_id: str,
        connection_id: str | None = None,
        purpose: str | None = None,
    ) -> Json:
        """A live token to act with now; don't store it."""
        return await self._send(
            calls.token(
                account_id, external_id=external_id, connection_id=connection_id, purpose=purpose
            )
        )

    async def events(
        self, *, after: str | None = None, types: Sequence[str] | None = None, limit: int = 100
    ) -> Json:
        """What happened, oldest first; go on from `meta.next`, which an empty page gives back."""
        return await self._send(calls.events(after=after, types=types, limit=limit))

    async def remove_links(self, *, external_id: str, disconnect: bool = False) -> Json:
        """Lets a user go; with `disconnect` whom nobody else is linked to is erased."""
        return await self._send(calls.remove_links(external_id=external_id, disconnect=disconnect))

    async def close(self) -> None:
        """Ends its connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _send(self, call: Call) -> Json:
        answer = await self._http.request(
            call.method, call.path, params=dict(call.params), json=call.json
        )
        return calls.meaning_of(answer)
