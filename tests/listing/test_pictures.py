"""Signed picture links carry their own expiry (graph-facts 8.5)."""

from datetime import UTC, datetime, timedelta

import pytest

from igauth.listing.pictures import expires_at, is_live

END = datetime(2022, 9, 25, 16, 21, 46, tzinfo=UTC)
LINK = "https://scontent.xx.fbcdn.net/v/t51.2885-15/1_n.jpg?oh=00_AT&oe=6330801A"


def test_the_expiry_is_hexadecimal_unix_seconds() -> None:
    """The recorded link of graph-facts 8.5."""
    assert expires_at(LINK) == END


@pytest.mark.parametrize(
    "link",
    ["https://x.test/1.jpg", "https://x.test/?oe=", "https://x.test/?oe=zz", "x?oe=" + "f" * 99],
)
def test_a_link_without_a_readable_expiry(link: str) -> None:
    """It says nothing, and is handed out."""
    assert expires_at(link) is None
    assert is_live(link, END)


@pytest.mark.parametrize(("minutes", "live"), [(6, True), (4, False), (-1, False)])
def test_a_link_must_live_for_a_few_minutes(minutes: int, live: bool) -> None:
    """Whoever gets it still has to fetch it."""
    assert is_live(LINK, END - timedelta(minutes=minutes)) is live
