"""Which receivers may be called: the corpus, and answers that change (contract §12)."""

from ipaddress import ip_address

import pytest

from igauth.events.addresses import Addresses, AddressRefused, Lookup, reason_against
from tests.events.address_corpus import ALLOWED, NAMES_OF_LOOPBACK, REFUSED, URLS_REFUSED


def answering(*answers: list[str]) -> Lookup:
    """A DNS that says these things in turn, the last one again and again."""
    left = list(answers)

    async def look(_host: str, _port: int) -> list[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return look


def test_the_corpus_is_as_large_as_promised() -> None:
    """At least 60 addresses."""
    assert len(REFUSED) + len(ALLOWED) >= 60


@pytest.mark.parametrize(("address", "reason"), REFUSED.items())
async def test_an_address_is_refused(address: str, reason: str) -> None:
    """By itself, as a name's answer, and beside a good one."""
    assert reason_against(ip_address(address)) is not None, reason
    for answer in ([address], ["8.8.8.8", address], [address, "8.8.8.8"]):
        addresses = Addresses((), answering(answer))
        with pytest.raises(AddressRefused):
            await addresses.resolve(addresses.check_url("https://hooks.example.com/x"))


@pytest.mark.parametrize(("address", "reason"), ALLOWED.items())
async def test_an_address_is_allowed(address: str, reason: str) -> None:
    """Neighbours of the blocks, and public ones in disguise."""
    assert reason_against(ip_address(address)) is None, reason
    addresses = Addresses((), answering([address]))
    target = addresses.check_url("https://hooks.example.com/x")

    assert await addresses.resolve(target) == [ip_address(address)]


@pytest.mark.parametrize(("url", "reason"), URLS_REFUSED.items())
def test_a_url_is_refused(url: str, reason: str) -> None:
    """Before anybody is asked."""
    with pytest.raises(AddressRefused):
        Addresses(()).check_url(url)


@pytest.mark.parametrize("url", ["https://hooks.example.com", "https://8.8.8.8:8443/x?key=1"])
def test_a_url_is_allowed(url: str) -> None:
    """https, by name or address, with port and query."""
    assert Addresses(()).check_url(url).named is False


@pytest.mark.parametrize("name", NAMES_OF_LOOPBACK)
async def test_odd_spellings_of_loopback_are_refused(name: str) -> None:
    """What the system's own resolver makes of them is judged, not their text."""
    addresses = Addresses(())
    with pytest.raises((AddressRefused, OSError)):  # not every resolver knows every spelling
        await addresses.resolve(addresses.check_url(f"https://{name}/x"))


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://localhost:9000/x", "localhost"),
        ("http://LOCALHOST./x", "localhost"),
        ("http://127.0.0.1:9000/x", "127.0.0.1"),
        ("http://[::1]:9000/x", "::1"),
        ("http://receiver.internal/x", "receiver.internal"),
    ],
)
async def test_a_named_host_is_taken_as_it_is(url: str, allowed: str) -> None:
    """Plain http and inner addresses, where WEBHOOK_ALLOWED_HOSTS names the host."""
    addresses = Addresses((allowed,), answering(["127.0.0.1"]))
    target = addresses.check_url(url)

    assert target.named
    assert [each.is_loopback for each in await addresses.resolve(target)] == [True]


@pytest.mark.parametrize(
    "url", ["http://evil.localhost/x", "http://localhost.evil.com/x", "http://127.0.0.2/x"]
)
def test_a_name_like_a_named_one_is_not(url: str) -> None:
    """Whole hosts are compared."""
    with pytest.raises(AddressRefused):
        Addresses(("localhost", "127.0.0.1")).check_url(url)


async def test_an_empty_or_odd_answer_is_refused() -> None:
    """Nothing, or what is no address, is nowhere to go."""
    for answer in ([], ["not an address"]):
        addresses = Addresses((), answering(answer))
        with pytest.raises(AddressRefused):
            await addresses.resolve(addresses.check_url("https://hooks.example.com/x"))
