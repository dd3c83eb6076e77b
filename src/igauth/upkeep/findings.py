"""What is told of a configuration: by `igauth doctor` all of it, at every start what is risky."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import structlog

from igauth.origins import origin_of, same_site
from igauth.settings import Settings, unknown_settings
from igauth.upkeep import open_files

_log = structlog.stdlib.get_logger("igauth.start")
_WAYS_OUT = (
    "give igauth a host name below the front end's own domain; "
    "or let the front end's server pass /auth and /me on to igauth; "
    "or leave browsers out and let your own server call /v1"
)


class Verdict(StrEnum):
    """How a check ended."""

    WELL = "well"
    WARNING = "warning"
    NOT_WELL = "not well"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: how it ended, on what, what was found, and how to mend it."""

    verdict: Verdict
    subject: str
    text: str
    mend: str | None = None

    @property
    def well(self) -> bool:
        """Whether there is nothing to do."""
        return self.verdict is Verdict.WELL


def well(subject: str, text: str) -> Finding:
    """Nothing to do here."""
    return Finding(Verdict.WELL, subject, text)


def warning(subject: str, text: str, mend: str) -> Finding:
    """It works, though perhaps not as was meant."""
    return Finding(Verdict.WARNING, subject, text, mend)


def not_well(subject: str, text: str, mend: str) -> Finding:
    """It doesn't work."""
    return Finding(Verdict.NOT_WELL, subject, text, mend)


def setting_warnings(settings: Settings) -> Iterator[Finding]:
    """What these settings risk without being wrong; asks nobody."""
    for unknown in unknown_settings():
        yield warning("settings", str(unknown), "correct the name, or remove it")
    yield from _front_ends(settings)
    yield from _channel_binding(settings)
    limit = open_files.reachable_limit()
    if limit < open_files.FEWEST:
        text = f"{limit} may be open at once; idle browsers can use all of them up"
        mend = f"raise nofile to {open_files.WANTED} (ulimits, LimitNOFILE)"
        yield warning("open files", text, mend)


def warn_at_start(settings: Settings) -> None:
    """One line of the log for each of them."""
    for finding in setting_warnings(settings):
        _log.warning("start.warning", about=finding.subject, text=finding.text, mend=finding.mend)


def _front_ends(settings: Settings) -> Iterator[Finding]:
    origins = dict.fromkeys([origin_of(settings.frontend), *settings.allowed_origins])
    for origin in origins:
        if not same_site(origin, settings.base_url):
            text = (
                f"{origin} is another site than {settings.base_url}: "
                "a browser there sends no cookie of igauth along"
            )
            yield warning("front end", text, _WAYS_OUT)


def _channel_binding(settings: Settings) -> Iterator[Finding]:
    address = settings.database
    if address.demands_channel_binding and address.sslmode != "verify-full":
        text = "channel_binding=require is not enforced: the driver has none"
        yield warning("database", text, "sslmode=verify-full proves the server as well")
