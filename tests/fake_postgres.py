"""A PostgreSQL that hears how it is approached, and refuses with the SQLSTATE it is told.

PostgreSQL, "Message Flow": SSLRequest, StartupMessage, ErrorResponse. TLS by a certificate that
only this process knows.
"""

import asyncio
import ssl
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SSL_REQUEST = 80_877_103


@dataclass
class FakePostgres:
    """What it heard: the parameters of each approach, and whether TLS came first."""

    port: int = 0
    heard: list[dict[str, str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address, with a password that nothing may show."""
        return f"postgresql://someone:sEkReTvAlUe@localhost:{self.port}/things"


@asynccontextmanager
async def fake_postgres(
    sqlstate: str = "28P01", certificate: Path | None = None
) -> AsyncGenerator[FakePostgres]:
    """One that refuses everybody; with TLS where a certificate (and its key) is given."""
    fake = FakePostgres()

    async def approached(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        encrypted = False
        body = await _message(reader)
        if struct.unpack("!i", body[:4])[0] == _SSL_REQUEST:
            writer.write(b"N" if certificate is None else b"S")
            await writer.drain()
            if certificate is not None:
                await writer.start_tls(_server_context(certificate))
                encrypted = True
            body = await _message(reader)
        words = body[4:].rstrip(b"\0").decode().split("\0")
        fake.heard.append(dict(zip(words[::2], words[1::2], strict=True)))
        fake.encrypted.append(encrypted)
        writer.write(_refusal(sqlstate))
        await writer.drain()
        writer.close()

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await approached(reader, writer)
        except (OSError, asyncio.IncompleteReadError):  # who came went away
            writer.close()

    server = await asyncio.start_server(guarded, "localhost", 0)
    fake.port = server.sockets[0].getsockname()[1]
    for other in server.sockets[1:]:
        other.close()
    try:
        yield fake
    finally:
        server.close()


async def _message(reader: asyncio.StreamReader) -> bytes:
    (length,) = struct.unpack("!i", await reader.readexactly(4))
    return await reader.readexactly(length - 4)


def _refusal(sqlstate: str) -> bytes:
    fields = {"S": "FATAL", "V": "FATAL", "C": sqlstate, "M": "refused someone sEkReTvAlUe"}
    body = b"".join(f"{kind}{text}\0".encode() for kind, text in fields.items()) + b"\0"
    return b"E" + struct.pack("!i", len(body) + 4) + body


def _server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def self_signed(folder: Path, name: str = "localhost") -> Path:
    """A file with a certificate for this name, signed by nobody else, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path
