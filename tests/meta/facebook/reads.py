"""A reading with a script behind it, and nodes as Facebook would send them (graph-facts §7, §8)."""

from collections.abc import Sequence
from typing import Any

from igauth.domain import InstagramAccount, InstagramAccountId, PageId
from igauth.meta.calls import Purpose
from igauth.meta.door import PageNode
from igauth.meta.errors import GraphError
from igauth.meta.facebook.caller import Caller
from igauth.meta.facebook.nodes import NodeParser
from igauth.meta.facebook.reading import ListPart, Reading
from tests.meta.scripted import TOKEN, Answer, Facebook, Script, refusal

PICTURE = "https://scontent.xx.fbcdn.net/v/t51/1_n.jpg?oh=00_AT&oe=6B2B3C4D"
ACCOUNT: dict[str, Any] = {
    "id": "17841400000000021",
    "username": "invented.bakery",
    "name": "Invented Bakery",
    "biography": "Bread\nand more",
    "website": "http://bakery.example.test/",
    "profile_picture_url": PICTURE,
    "followers_count": 1204,
    "follows_count": 87,
    "media_count": 342,
}
BAKERY = InstagramAccount(
    id=InstagramAccountId("17841400000000021"),
    username="invented.bakery",
    name="Invented Bakery",
    biography="Bread\nand more",
    website="http://bakery.example.test/",
    profile_picture_url=PICTURE,
    followers_count=1204,
    follows_count=87,
    media_count=342,
)
IG_FIELDS = (
    "id,username,name,biography,website,profile_picture_url,"
    "followers_count,follows_count,media_count"
)
LINK = f"instagram_business_account{{{IG_FIELDS}}}"
PAGE_FIELDS = f"id,name,{LINK}"
ACCOUNTS_FIELDS = f"id,name,tasks,{LINK}"


def reading_over(
    fake: Facebook, stand_in_url: str | None = None, purpose: Purpose = Purpose.LISTING
) -> Reading:
    """The reads of one person's walk, or of a login."""
    caller = Caller(fake.client(), TOKEN, purpose)
    return Reading(caller, NodeParser.beside(stand_in_url))


def reading(*answers: Answer, **more: Any) -> tuple[Reading, Script]:
    """The same, over a script."""
    script = Script(*answers)
    return reading_over(Facebook(script), **more), script


def page(number: int, **more: Any) -> dict[str, Any]:
    """A Page as /me/accounts gives it."""
    return {"id": f"1000{number:011d}", "name": f"Page {number}", "tasks": ["MANAGE"], **more}


def no_field(name: str, node: str = "") -> Answer:
    """Graph doesn't know a field (graph-facts 6.5)."""
    tail = f" on node type ({node})" if node else ""
    return refusal(100, message=f"(#100) Tried accessing nonexisting field ({name}){tail}")


async def walked(found: Reading) -> list[ListPart]:
    """Every part of /me/accounts."""
    return [part async for part in found.walk_accounts().parts()]


async def pages_of(found: Reading, ids: Sequence[PageId]) -> dict[PageId, PageNode | GraphError]:
    """Pages by id, each with its outcome. Raises what failed a whole batch."""
    told: dict[PageId, PageNode | GraphError] = {}
    await found.read_pages(ids, told.__setitem__, throw)
    return told


async def accounts_of(
    found: Reading, ids: Sequence[InstagramAccountId]
) -> dict[InstagramAccountId, InstagramAccount | GraphError]:
    """Accounts by id, each with its outcome. Raises what failed a whole batch."""
    told: dict[InstagramAccountId, InstagramAccount | GraphError] = {}
    await found.read_instagram_accounts(ids, told.__setitem__, throw)
    return told


def throw(error: GraphError) -> None:
    """Nobody expects a batch to fail as a whole."""
    raise error
