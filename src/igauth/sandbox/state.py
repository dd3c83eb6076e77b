"""All that one sandbox knows, handed to every part of it: there is nothing global."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta

from igauth.sandbox.control.calls import CallLog
from igauth.sandbox.control.faults import Faults
from igauth.sandbox.graph.answers import dead_token
from igauth.sandbox.world.instagram import InstagramWorld
from igauth.sandbox.world.people import Person
from igauth.sandbox.world.world import Ledger, World

SANDBOX_APP_SECRET = "5a4db0c05a4db0c05a4db0c05a4db0c0"  # noqa: S105  # invented, public, reads "sandbox"
INSTAGRAM_APP_SECRET = "1a5b0c001a5b0c001a5b0c001a5b0c00"  # noqa: S105  # likewise
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
    Instagram Login is an app of its own, below `/instagram`: `instagram_…`.
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
    instagram_app_id: str = "801234567890123"
    instagram_app_secret: str = INSTAGRAM_APP_SECRET
    instagram_redirect_uris: tuple[str, ...] = ()
    instagram_deauthorize_url: str | None = None
    instagram_data_deletion_url: str | None = None
    instagram_short_token_seconds: int = 3600
    instagram_long_token_seconds: int = 5184000

    @property
    def root(self) -> str:
        """`public_url` without a trailing slash."""
        return self.public_url.rstrip("/")

    @property
    def instagram(self) -> str:
        """Where all three of Instagram's hosts are found."""
        return f"{self.root}/instagram"

    @property
    def pictures(self) -> str:
        """Where picture links point (facts 8.5), without a trailing slash."""
        return (self.picture_base or self.public_url).rstrip("/")


def config_from(environment: Mapping[str, str]) -> SandboxConfig:
    """Read `SANDBOX_<FIELD>` for every field; lists are comma separated."""
    given: dict[str, object] = {}
    for each in fields(SandboxConfig):
        text = environment.get(f"SANDBOX_{each.name.upper()}")
        if text is not None:
            given[each.name] = _convert(text, getattr(SandboxConfig, each.name))
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
        self.seconds_ahead = 0.0

    def __call__(self) -> datetime:
        """The present instant, aware, in UTC."""
        return self._base().astimezone(UTC) + timedelta(seconds=self.seconds_ahead)

    def unix(self) -> int:
        """The present instant in whole seconds, as Graph's token times are (facts 0.7)."""
        return int(self().timestamp())

    def advance(self, seconds: float) -> None:
        """Move on; negative seconds are allowed, for tests of clock skew."""
        self.seconds_ahead += seconds


@dataclass(slots=True)
class State:
    """The sandbox's memory. `latency_seconds` is waited before every Graph answer."""

    config: SandboxConfig
    clock: SandboxClock
    world: World
    ledger: Ledger
    faults: Faults
    calls: CallLog
    sleep: Callable[[float], Awaitable[None]]
    instagram: InstagramWorld = field(default_factory=InstagramWorld)
    latency_seconds: float = 0.0
    changes: int = 0

    def touch(self) -> None:
        """Note that something changed: the state file is written, and an open panel looks anew."""
        self.changes += 1

    @property
    def mark(self) -> str:
        """Another text whenever a panel that is open would look different."""
        return f"{self.calls.events}.{len(self.calls)}.{self.changes}"

    def remove_app(self, person: Person) -> None:
        """The person no longer allows the app: every token dies with 190/458 (facts 9.2)."""
        person.grant = None
        self.ledger.kill(person.key, dead_token(458, self.config.app_id))

    def reset(self) -> None:
        """Everything as at the start; codes and tokens are forgotten, so they no longer parse."""
        self.world.reset()
        self.instagram.reset()
        self.ledger.reset()
        self.faults.clear()
        self.calls.clear()
        self.clock.seconds_ahead = 0.0
        self.latency_seconds = 0.0
        self.touch()
