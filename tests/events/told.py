"""What the feed tells of a stage."""

from typing import Any

from igauth.domain import EventType
from tests.stage import Stage


async def told(stage: Stage, *types: EventType) -> list[dict[str, Any]]:
    """Every event so far, oldest first; of these types alone where they are named."""
    page = await stage.services.events.feed.read(after=None, types=types or None, limit=1_000)
    return page.events


async def types_told(stage: Stage) -> list[str]:
    """The types of every event so far."""
    return [event["type"] for event in await told(stage)]
