"""The feed of events (contract §12)."""

from typing import Annotated

from fastapi import APIRouter, Query

from igauth.api.deps import ServicesDep
from igauth.api.documented import backend_problems
from igauth.api.v1.deps import EventsKey
from igauth.api.v1.schemas import EventOut, EventsOut, EventsPage
from igauth.domain import EventType
from igauth.errors import CursorExpired, InvalidRequest

router = APIRouter(tags=["backends"])
_TELLING = [each for each in EventType if each is not EventType.TEST]


@router.get("/v1/events", summary="What happened", responses=backend_problems(CursorExpired))
async def list_events(
    _key: EventsKey,
    services: ServicesDep,
    after: Annotated[str | None, Query(description="`meta.next` of the page before")] = None,
    types: Annotated[str | None, Query(description="Of these types alone: a comma list")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> EventsOut:
    """Events of the last 30 days, oldest first; on an empty page `next` is the given one."""
    wanted = None if types is None else _types(types)
    page = await services.events.feed.read(after=after, types=wanted, limit=limit)
    return EventsOut(
        data=[EventOut(**each) for each in page.events], meta=EventsPage(next=page.next)
    )


def _types(names: str) -> list[EventType]:
    try:
        return [EventType(name.strip()) for name in names.split(",")]
    except ValueError:
        raise InvalidRequest(f"`types` may hold: {', '.join(_TELLING)}.") from None
