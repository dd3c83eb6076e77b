"""What changed from one consent to the next, in Instagram account ids (contract §5)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from igauth.domain import GranularScopes, Listing


@dataclass(frozen=True, slots=True)
class Consent:
    """One consent: the ids before it and by it. `now` is None until they are known for sure."""

    at: datetime
    before: tuple[str, ...]
    now: tuple[str, ...] | None

    def to_json(self) -> dict[str, Any]:
        """As a connection stores it."""
        return {
            "at": self.at.isoformat(),
            "before": list(self.before),
            "now": None if self.now is None else list(self.now),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Consent":
        """What `to_json` wrote."""
        now = stored["now"]
        return cls(
            at=datetime.fromisoformat(stored["at"]),
            before=tuple(stored["before"]),
            now=None if now is None else tuple(now),
        )

    @property
    def added(self) -> list[str]:
        """Ids that this consent brought."""
        return sorted(set(self.now or ()) - set(self.before))

    @property
    def kept(self) -> list[str]:
        """Ids that were there before, too."""
        return sorted(set(self.now or ()) & set(self.before))

    @property
    def lost(self) -> list[str]:
        """Ids that this consent took away."""
        return sorted(set(self.before) - set(self.now or ()))


def next_consent(
    stored: dict[str, Any] | None, at: datetime, known: Iterable[str] | None
) -> Consent:
    """The consent that follows the stored one; `known` is None while its ids aren't certain."""
    before: tuple[str, ...] = ()
    if stored is not None:
        last = Consent.from_json(stored)
        before = last.before if last.now is None else last.now
    return Consent(at, before, None if known is None else tuple(sorted(known)))


def told(consent: Consent) -> dict[str, list[str]] | None:
    """A consent as an event tells of it; None while its ids aren't certain."""
    if consent.now is None:
        return None
    return {"added": consent.added, "kept": consent.kept, "lost": consent.lost}


def certain_ids(granular: GranularScopes | None, listing: Listing | None) -> list[str] | None:
    """The Instagram ids of a consent: what it names itself, else a complete listing's."""
    if granular is not None and granular.limits("instagram_"):
        return list(granular.ids("instagram_"))
    if listing is not None and listing.complete:
        return [account.id for account in listing.accounts]
    return None
