"""OUTBOUND_PROXY, tried: one request for the way to Meta (RFC 9110 §9.3.6, CONNECT)."""

import asyncio
import base64
import socket
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from igauth.upkeep.findings import Finding, not_well, well

_SUBJECT = "outbound proxy"
_SECONDS = 5.0
_LONGEST_LINE = 1_000


async def check_proxy(proxy: SecretStr, target_url: str) -> Finding:
    """Whether the proxy takes us to where Meta is. Sends nothing of ours but its own password."""
    target = urlsplit(target_url)
    try:
        async with asyncio.timeout(_SECONDS):
            line = await _asked(urlsplit(proxy.get_secret_value()), target)
    except socket.gaierror:
        return not_well(_SUBJECT, "its host is unknown", "correct OUTBOUND_PROXY")
    except TimeoutError:
        return not_well(_SUBJECT, "it does not answer in time", "check OUTBOUND_PROXY and network")
    except OSError:
        return not_well(_SUBJECT, "nothing usable listens there", "correct host and port")
    return _judged(line, target)


async def _asked(proxy: SplitResult, target: SplitResult) -> bytes:
    secure = proxy.scheme == "https"
    reader, writer = await asyncio.open_connection(
        proxy.hostname, proxy.port or (443 if secure else 80), ssl=secure, limit=_LONGEST_LINE
    )
    try:
        writer.write(_request(proxy, target))
        await writer.drain()
        return await reader.readline()
    except ValueError:  # a line that doesn't end
        return b""
    finally:
        writer.close()


def _request(proxy: SplitResult, target: SplitResult) -> bytes:
    place = f"{target.hostname}:{target.port or (443 if target.scheme == 'https' else 80)}"
    what = f"CONNECT {place}" if target.scheme == "https" else f"HEAD http://{place}/"
    lines = [f"{what} HTTP/1.1", f"Host: {place}"]
    if proxy.username is not None:
        pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}")
    return "\r\n".join([*lines, "", ""]).encode()


def _judged(line: bytes, target: SplitResult) -> Finding:
    words = line.split()
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    tunnel = target.scheme == "https"
    if not line.startswith(b"HTTP/") or status == 0:
        return not_well(_SUBJECT, "what listens there is no HTTP proxy", "correct OUTBOUND_PROXY")
    if status == 407:
        text = "it wants another user and password"
        return not_well(_SUBJECT, text, "put user:password@ before its host, percent-encoded")
    if 200 <= status < 300 or (not tunnel and status < 500):
        return well(_SUBJECT, f"leads to {target.hostname}")
    text = f"it refuses the way to {target.hostname} (status {status})"
    return not_well(_SUBJECT, text, "let it through there")
