"""The two doors as settings know them: which pair opens which, and whose permissions are whose.

Meta's dialogs refuse each other's names ("Invalid Scopes"; instagram-login-facts 2.9).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from igauth.domain import Provider
from igauth.setting_faults import Fault

_INSTAGRAM_SCOPE = "instagram_business_"
_OTHER = {Provider.FACEBOOK: Provider.INSTAGRAM, Provider.INSTAGRAM: Provider.FACEBOOK}


def pair_of(door: Provider) -> tuple[str, str]:
    """The two fields of the settings that open a door: its app's id and secret."""
    return f"{door}_client_id", f"{door}_client_secret"


def pair_faults(given: Mapping[str, Any]) -> Iterator[Fault]:
    """What keeps every door shut, or one half open. `given`: values by field, as they came."""
    present = {door: [bool(given.get(name)) for name in pair_of(door)] for door in Provider}
    for door, halves in present.items():
        lacking = [name for name, there in zip(pair_of(door), halves, strict=True) if not there]
        if any(halves):
            yield from _half_a_pair(door, lacking)
        elif door is Provider.FACEBOOK and not any(present[Provider.INSTAGRAM]):
            yield from _no_door(lacking)
    yield from _the_same_app(given)


def _half_a_pair(door: Provider, lacking: Sequence[str]) -> Iterator[Fault]:
    for name in lacking:
        (other,) = set(pair_of(door)) - {name}
        yield Fault(name.upper(), f"is required beside {other.upper()}")


def _no_door(lacking: Sequence[str]) -> Iterator[Fault]:
    for name in lacking:
        instead = name.replace(Provider.FACEBOOK, Provider.INSTAGRAM)
        yield Fault(name.upper(), f"is required, or {instead.upper()} for the other door")


def _the_same_app(given: Mapping[str, Any]) -> Iterator[Fault]:
    facebook, instagram = (given.get(pair_of(door)[0]) for door in Provider)
    if facebook and facebook == instagram:
        text = "is FACEBOOK_CLIENT_ID; the Instagram app has an id and a secret of its own"
        yield Fault("INSTAGRAM_CLIENT_ID", text)


def refuse_foreign(scopes: Sequence[str], door: Provider) -> None:
    """Raises ValueError where one of these permissions is the other door's."""
    instagrams = [scope.startswith(_INSTAGRAM_SCOPE) for scope in scopes]
    if any(each != (door is Provider.INSTAGRAM) for each in instagrams):
        raise ValueError(
            f"names a permission of {_OTHER[door].capitalize()} Login; "
            f"this door's {'begin' if door is Provider.INSTAGRAM else 'do not begin'} "
            f"with {_INSTAGRAM_SCOPE}"
        )
