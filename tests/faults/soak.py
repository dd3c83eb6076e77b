"""A soak, bounded and on loopback: mixed requests for a while, one in a hundred of Meta's answers
bad, and what became of the process. `make soak`; `make soak ARGS='--requests 50000 --replicas 2'`.

Prints memory, open files, threads and the database's size at the start (after a tenth, when all is
warm) and at the end, their slope for a thousand requests, and errors by code. Exits 1 where a login
was lost, or an answer was 5xx without a fault to blame.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from igauth.store import migrations
from tests.faults.facebook import Facebook, open_facebook
from tests.faults.replicas import Replica, open_replica, session_of
from tests.postgres import postgres_server

_DICE: Final = random.Random(1)  # noqa: S311  # what is asked is no secret
VISITORS: Final = 20
OURS_TO_GIVE: Final = frozenset({"facebook_unavailable", "facebook_timeout", "facebook_error"})
"""What a fault of Meta's may come to (contract §3, §6)."""
_WEIGHTS: Final = {
    "/auth/session": 20,
    "/me": 20,
    "/me/instagram-accounts": 30,
    "/me/instagram-accounts?refresh=true": 5,
    "/me/connections": 5,
    "/me/sessions": 5,
    "/auth/facebook": 5,
    "/nothing-here": 2,
    "login": 5,
    "logout": 3,
}


@dataclass
class Soak:
    """What happened so far."""

    replicas: list[Replica]
    facebook: Facebook
    requests: int
    asked: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    unexcused: Counter[str] = field(default_factory=Counter)

    async def visit(self, person: int) -> None:
        """One person's browser, until enough was asked."""
        session = await self._log_in(person)
        while self.asked < self.requests:
            self.asked += 1
            (what,) = _DICE.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
            if what == "login" or not session:
                session = await self._log_in(person)
            elif what == "logout":
                await self._ask(_DICE.choice(self.replicas), "/auth/logout", session, "POST")
                session = {}
            else:
                await self._ask(_DICE.choice(self.replicas), what, session)

    async def _log_in(self, person: int) -> dict[str, str]:
        replica = _DICE.choice(self.replicas)
        answer = await replica.finish(await replica.approach(person))
        self._note(f"login {answer.error or 'ok'}", excused=answer.error in (None, *OURS_TO_GIVE))
        return session_of(answer)

    async def _ask(
        self, replica: Replica, path: str, session: dict[str, str], method: str = "GET"
    ) -> None:
        answer = await replica.ask(path, method=method, cookies=session)
        code = ""
        if answer.status >= 400:
            code = str(json.loads(answer.body)["code"])
        self._note(
            f"{answer.status} {code}".strip(), excused=answer.status < 500 or code in OURS_TO_GIVE
        )

    def _note(self, what: str, *, excused: bool) -> None:
        self.codes[what] += 1
        if not excused:
            self.unexcused[what] += 1


def measures(replicas: list[Replica], database: Path | None) -> dict[str, float]:
    """Memory in MB, open files and threads of all replicas (proc(5)); the database's MB."""
    found: Counter[str] = Counter()
    for replica in replicas:
        process = Path(f"/proc/{replica.process.pid}")
        for line in (process / "status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "VmRSS":
                found["memory MB"] += int(value.split()[0]) // 1024
            if name == "Threads":
                found["threads"] += int(value)
        found["open files"] += len(list((process / "fd").iterdir()))
    if database is not None:
        sizes = (each.stat().st_size for each in database.parent.glob(f"{database.name}*"))
        found["database kB"] = sum(sizes) // 1024
    return dict(found)


async def soak(arguments: argparse.Namespace) -> int:
    """Runs it on one engine; the exit status."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="igauth-soak-")))
        file: Path | None = folder / "soak.db"
        url = f"sqlite+aiosqlite:///{file}"
        if arguments.engine == "postgresql":
            server = stack.enter_context(postgres_server())
            if server is None:
                raise SystemExit("PostgreSQL can't be had here")
            server.create_database("soak")
            url, file = server.url("soak"), None
        await asyncio.to_thread(migrations.upgrade, url)
        facebook = await stack.enter_async_context(open_facebook())
        replicas = [
            await stack.enter_async_context(
                open_replica(url, facebook, folder, ACCOUNTS_MAX_AGE="5", LOG_LEVEL="WARNING")
            )
            for _ in range(arguments.replicas)
        ]
        run = Soak(replicas, facebook, arguments.requests // 10)
        await _crowd(run)
        before, warm = measures(replicas, file), run.asked
        facebook.faulty = arguments.faults / 100
        run.requests = arguments.requests
        await _crowd(run)
        after = measures(replicas, file)
    _tell(run, before, after, (run.asked - warm) / 1_000)
    return 1 if run.unexcused else 0


async def _crowd(run: Soak) -> None:
    await asyncio.gather(*(run.visit(person) for person in range(VISITORS)))


def _tell(run: Soak, before: dict[str, float], after: dict[str, float], thousands: float) -> None:
    say = sys.stdout.write
    say(f"{run.asked} requests, {run.facebook.count('exchange')} exchanges\n")
    for name, value in after.items():
        slope = (value - before[name]) / thousands
        say(f"  {name:12} {before[name]:8.0f} -> {value:8.0f}   {slope:+.2f} each 1,000 requests\n")
    for what, number in run.codes.most_common():
        say(f"  {number:8} {what}{'   NOT OURS TO GIVE' if what in run.unexcused else ''}\n")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--requests", type=int, default=5_000)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--faults", type=float, default=1.0, help="percent of Meta's answers")
    raise SystemExit(asyncio.run(soak(parser.parse_args())))


if __name__ == "__main__":
    main()
