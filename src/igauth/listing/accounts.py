"""One account of a listing, and its picture: by key, without the rest of the listing."""

from datetime import datetime, timedelta
from typing import Final

from pydantic_core import from_json

from igauth.domain import Clock, InstagramAccountId, PersonId
from igauth.errors import NotFound
from igauth.grants.state import GrantRules
from igauth.listing.answer import in_order, join_in_order
from igauth.listing.freshness import Listings
from igauth.listing.pictures import is_live
from igauth.listing.rendering import with_origin
from igauth.store import views
from igauth.store.database import Database
from igauth.store.views import KeptAccount, StoredGrant

_MOST_REMEMBERED: Final = 10_000


class Accounts:
    """Reads one account of those that people granted."""

    def __init__(
        self,
        listings: Listings,
        rules: GrantRules,
        database: Database,
        *,
        max_age: timedelta,
        clock: Clock,
    ) -> None:
        self._listings = listings
        self._rules = rules
        self._database = database
        self._max_age = max_age
        self._clock = clock
        self._asked_for_pictures: dict[tuple[PersonId, str], datetime] = {}

    async def get(self, people: tuple[PersonId, ...], account_id: str) -> str:
        """The account as JSON, refreshed where the listing is due. Raises NotFound, and what a
        listing raises."""
        kept = await self._young(people, account_id)
        if not kept:
            raise NotFound("You have no Instagram account of this id in your list.")
        return with_origin(self._joined(kept), self._rules.base_url)

    async def live_picture(self, person_id: PersonId, account_id: str) -> str:
        """A link to the account's picture that hasn't expired. Raises NotFound for none.

        The signed link's own expiry, `oe`, decides when Meta is asked again: at most once in each
        max age for an account.
        """
        kept = await self._kept((person_id,), account_id)
        url = _picture(kept or await self._young((person_id,), account_id))
        if url is None or is_live(url, self._clock()) or not self._may_ask(person_id, account_id):
            return _found(url)
        await self._refresh((person_id,), now=True)
        return _found(_picture(await self._kept((person_id,), account_id)))

    async def _kept(self, people: tuple[PersonId, ...], account_id: str) -> list[KeptAccount]:
        wanted = InstagramAccountId(account_id)
        return await self._database.read(lambda tx: views.list_kept_accounts(tx, people, wanted))

    async def _young(self, people: tuple[PersonId, ...], account_id: str) -> list[KeptAccount]:
        """The same, after a refresh where the listings are due."""
        kept = await self._kept(people, account_id)
        if self._are_young(kept):
            return kept
        await self._refresh(people)
        return await self._kept(people, account_id)

    async def _refresh(self, people: tuple[PersonId, ...], *, now: bool = False) -> None:
        grants = await self._database.read(
            lambda tx: views.list_grants(tx, people, with_accounts=False)
        )
        await self._listings.get(grants, refresh=now)

    def _are_young(self, kept: list[KeptAccount]) -> bool:
        now = self._clock()
        return bool(kept) and all(now - each.fetched_at < self._max_age for each in kept)

    def _joined(self, kept: list[KeptAccount]) -> str:
        """One entry, by the connection to act with first."""
        grants = [StoredGrant(each.connection, None, each.body) for each in kept]
        now = self._clock()
        return join_in_order(in_order(grants, self._rules, now), self._rules, now)

    def _may_ask(self, person_id: PersonId, account_id: str) -> bool:
        key, now = (person_id, account_id), self._clock()
        asked_at = self._asked_for_pictures.pop(key, None)
        recent = asked_at is not None and now - asked_at < self._max_age
        self._asked_for_pictures[key] = asked_at if recent and asked_at else now
        while len(self._asked_for_pictures) > _MOST_REMEMBERED:
            del self._asked_for_pictures[next(iter(self._asked_for_pictures))]
        return not recent


def _picture(kept: list[KeptAccount]) -> str | None:
    urls = (from_json(each.body)["profile_picture_url"] for each in kept)
    return next((url for url in urls if url is not None), None)


def _found(url: str | None) -> str:
    if url is None:
        raise NotFound("There is no picture of an Instagram account of this id in your list.")
    return url
