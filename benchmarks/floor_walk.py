"""The least that a refresh can cost: a listing's Graph calls by aiohttp, and nothing else.

    python -m benchmarks.floor_walk GRAPH_URL PAGES TIMES

Prints the CPU in ms of one walk: `debug_token`, `/me/businesses` and every page of
`/me/accounts` by its cursor, each answer decoded and dropped.
"""

import asyncio
import sys
import time
from typing import Any, Final

import aiohttp

_FIELDS: Final = (
    "id,name,tasks,instagram_business_account{id,username,name,biography,website,"
    "profile_picture_url,followers_count,follows_count,media_count}"
)


async def main(graph_url: str, pages: int, times: int) -> float:
    """CPU of one walk in ms, the median of so many after a first."""
    headers = {"Authorization": f"Bearer EAAinventedLong{pages}x0000000001"}
    async with aiohttp.ClientSession(headers=headers) as session:
        await walk(session, f"{graph_url}/v26.0", pages)
        costs = []
        for _ in range(times):
            before = time.process_time()
            await walk(session, f"{graph_url}/v26.0", pages)
            costs.append(time.process_time() - before)
    return sorted(costs)[times // 2] * 1000


async def walk(session: aiohttp.ClientSession, base: str, pages: int) -> None:
    """Every call of one listing, side by side where they don't need each other."""
    token = {"input_token": f"EAAinventedLong{pages}x0000000001"}
    await asyncio.gather(
        _read(session, f"{base}/debug_token", token),
        _read(session, f"{base}/me/businesses", {"fields": "id"}),
        _walk_accounts(session, f"{base}/me/accounts"),
    )


async def _walk_accounts(session: aiohttp.ClientSession, url: str) -> None:
    query = {"fields": _FIELDS, "limit": "100"}
    while True:
        answer = await _read(session, url, query)
        if "next" not in answer["paging"]:
            return
        query["after"] = answer["paging"]["cursors"]["after"]


async def _read(session: aiohttp.ClientSession, url: str, query: dict[str, str]) -> Any:
    async with session.get(url, params=query) as answer:
        return await answer.json(content_type=None)


if __name__ == "__main__":
    print(asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
