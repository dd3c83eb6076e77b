"""How a command gets at the service's use cases: settings, log, checks, an event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from igauth.bootstrap import Services, open_services
from igauth.domain import utc_now
from igauth.observability import configure_logging
from igauth.security.keyring import KeyRing
from igauth.settings import ServeSettings, Settings, load
from igauth.store.database import Database
from igauth.upkeep.database_faults import check_address
from igauth.upkeep.startup import check_database, check_keys

Result = TypeVar("Result")


def configured() -> Settings:
    """The settings of a service, and the log as they want it. Raises SettingsRefused."""
    settings = load(ServeSettings)
    configure_logging(settings.log_format, settings.log_level)
    return settings


def with_services(
    work: Callable[[Services], Awaitable[Result]], *, rotating: bool = False
) -> Result:
    """Runs `work` on the services of a configuration that could serve.

    Raises SettingsRefused for one that couldn't, database and keys included.
    """
    settings = configured()
    check_address(settings.database)

    async def run() -> Result:
        async with open_services(settings, rotating=rotating) as services:
            return await work(services)

    return asyncio.run(run())


def preflight(settings: Settings) -> None:
    """Raises SettingsRefused for a database or key ring that doesn't fit this program."""
    check_address(settings.database)

    async def run() -> None:
        database = Database(settings.database_url.get_secret_value())
        try:
            await check_database(database)
            await check_keys(database, KeyRing(settings.keys), utc_now)
        finally:
            await database.close()

    asyncio.run(run())
