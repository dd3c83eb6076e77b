"""What the offline Facebook is told at the start, and its clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

SANDBOX_APP_SECRET = "5a4db0c05a4db0c05a4db0c05a4db0c0"  # noqa: S105  # invented, public, reads "sandbox"
DEFAULT_SCOPE = (
    "pages_show_list,instagram_basic,instagram_content_publish,"
    "pages_read_engagement,business_management"
)


@dataclass(frozen=True)
class SandboxConfig:
    """One app at the offline Facebook, as its dashboard would hold it.

    `redirect_uris` is compared byte for byte (facts 1.1, Strict Mode); empty accepts any loopback
    address. `public_url`, which may have a path prefix, is where a browser finds the sandbox; it
    stands in picture links. `paging.next` repeats the origin at which Graph was asked, as Facebook
    does, unless `graph_url` is given. `state_file` keeps grants and tokens over a restart.
    """

    app_id: str = "901234567890123"
    app_secret: str = SANDBOX_APP_SECRET
    app_name: str = "Invented Scheduler"
    public_url: str = "http://localhost:9000"
    graph_url: str | None = None
    picture_base: str | None = None
    redirect_uris: tuple[str, ...] = ()
    deauthorize_url: str | None = None
    data_deletion_url: str | None = None
    default_version: str = "v25.0"
    newest_version: str = "v26.0"
    oldest_version: str = "v21.0"
    require_proof: bool = True
    short_token_seconds: int = 5127
    long_token_seconds: int = 5183944
    code_seconds: int = 600
    data_access_days: int = 90
    login_for_business: bool = False
    config_id: str = "700000000000001"
    config_scope: str = DEFAULT_SCOPE
    config_system_user: bool = False
    state_file: str | None = None

    @property
    def root(self) -> str:
        """`public_url` without a trailing slash."""
        return self.public_url.rstrip("/")

    @property
    def pictures(self) -> str:
        """Where picture links point (facts 8.5), without a trailing slash."""
        return (self.picture_base or self.public_url).rstrip("/")


def config_from(environment: Mapping[str, str]) -> SandboxConfig:
    """Read `SANDBOX_<FIELD>` for the text fields; lists are comma separated."""
    given: dict[str, object] = {}
    for field in fields(SandboxConfig):
        text = environment.get(f"SANDBOX_{field.name.upper()}")
        if text is not None:
            given[field.name] = _convert(text, getattr(SandboxConfig, field.name))
    return SandboxConfig(**given)  # type: ignore[arg-type]  # each value has its default's type


def _convert(text: str, default: object) -> object:
    if isinstance(default, bool):
        return text.lower() in ("1", "true", "yes", "on")
    if isinstance(default, int):
        return int(text)
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


class SandboxClock:
    """The sandbox's own time: a base clock plus what `/_control/clock` has added."""

    def __init__(self, base: Callable[[], datetime]) -> None:
        self._base = base
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        """The present instant, aware, in UTC."""
        return self._base().astimezone(UTC) + self._ahead

    def unix(self) -> int:
        """The present instant in whole seconds, as Graph's token times are (facts 0.7)."""
        return int(self().timestamp())

    @property
    def seconds_ahead(self) -> float:
        """How far it is ahead of the base clock."""
        return self._ahead.total_seconds()

    @seconds_ahead.setter
    def seconds_ahead(self, seconds: float) -> None:
        self._ahead = timedelta(seconds=seconds)

    def advance(self, seconds: float) -> None:
        """Move on; negative seconds are allowed, for tests of clock skew."""
        self._ahead += timedelta(seconds=seconds)

    def reset(self) -> None:
        """Back to the base clock."""
        self._ahead = timedelta()
