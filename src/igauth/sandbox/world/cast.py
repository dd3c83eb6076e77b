"""The cast: ready-made people, each of whom shows one situation. All names and ids are invented.

Ids are stable and say whose they are: Pages `1000NN…` (15 digits), Instagram accounts `17841(400+
NN)…` (17 digits), portfolios `20000NN…` (16 digits), users `102000000000000NN`, with NN the number.
"""

from collections.abc import Callable

from igauth.sandbox.graph.answers import (
    INSTAGRAM_RESTRICTED,
    NEEDS_BUSINESS,
    PAGE_CHECKPOINT,
    PAGE_TOKEN_NEEDED,
    TWO_FACTOR,
    not_visible,
    page_migrated,
)
from igauth.sandbox.world.people import Person
from igauth.sandbox.world.world import CastMember

LONG_NAME = "Endless " * 400
HOSTILE_NAMES = (
    "<script>alert('page')</script>",
    "Line\u2028separator & paragraph\u2029separator",
    "abc\u202egnp.exe right to left",
    "Family \U0001f468\u200d\U0001f469\u200d\U0001f467 burning \u2764\ufe0f\u200d\U0001f525",
    "NUL\x00 and bell\x07 inside",
    "lone \ud800 surrogate",
    LONG_NAME,
    "'\"><img src=x onerror=alert(1)>{{7*7}}${7*7}",
)
_HOSTILE_PICTURES = (
    "javascript:alert('picture')",
    "http://insecure.example.test/picture.jpg",
    "data:image/svg+xml;base64,PHN2Zy8+",
    "//no-scheme.example.test/picture.jpg",
    'https://example.test/"><script>alert(1)</script>',
    "https://user:password@example.test/picture.jpg",
    "not a link at all",
    "file:///etc/passwd",
)

Build = Callable[[Person], None]
CAST: list[CastMember] = []


def _in_cast(number: int, name: str) -> Callable[[Build], Build]:
    """Puts a builder's person into the cast: its name is the key, its docstring the summary."""

    def enter(build: Build) -> Build:
        summary = " ".join((build.__doc__ or "").split())
        CAST.append(CastMember(build.__name__.rstrip("_"), number, name, summary, build))
        return build

    return enter


@_in_cast(1, "Ada Invented")
def ada(person: Person) -> None:
    """Several Instagram accounts behind several Pages: all well."""
    names = (("Invented Bakery", "invented.bakery"), ("Invented Flowers", "invented_flowers"))
    for index, (name, username) in enumerate(names):
        account = person.add_instagram(
            username,
            name=name,
            biography=f"{name}, est. 201{index}",
            website=f"https://{username.replace('_', '-')}.example.test/",
            followers_count=1204 + index,
            follows_count=87,
            media_count=342,
        )
        person.add_page(name, instagram=account, connected_instagram=account.id)
    person.add_page("Invented Reading Circle")
    modest = person.add_instagram(
        "ada.quiet", name=None, has_picture=False, followers_count=3, media_count=0
    )
    person.add_page("Ada's Notebook", instagram=modest, tasks=("ANALYZE",))


@_in_cast(2, "Ben Bare")
def ben(_person: Person) -> None:
    """Nothing at all: no Page, no Instagram account."""


@_in_cast(3, "Cleo Clay")
def cleo(person: Person) -> None:
    """One Page with an Instagram account, one without."""
    account = person.add_instagram("cleo.ceramics", name="Cleo Ceramics", followers_count=512)
    person.add_page("Cleo Ceramics", instagram=account, connected_instagram=account.id)
    person.add_page("Cleo's Garden Club")


@_in_cast(4, "Dora Desk")
def dora(person: Person) -> None:
    """Pages in a business portfolio: some shown only there, one not granted to her."""
    group = person.add_business("Dora's Invented Group")
    outside = person.add_instagram("dora.outside", name="Outside the portfolio")
    person.add_page("Outside the portfolio", instagram=outside)
    inside = person.add_instagram("dora.inside", name="In the portfolio")
    person.add_page("In the portfolio", instagram=inside, business=group.id)
    owned = person.add_instagram("dora.owned", name="Owned only")
    person.add_page("Owned by the portfolio", instagram=owned, business=group.id, listed=False)
    client = person.add_instagram("dora.client", name="Client only")
    person.add_page(
        "Client of the portfolio",
        instagram=client,
        business=group.id,
        relation="client",
        listed=False,
    )
    person.add_page(
        "Not granted to Dora",
        instagram=person.add_instagram("dora.colleague", offered=False),
        business=group.id,
        listed=False,
        assigned=False,
        offered=False,
        tasks=(),
    )


@_in_cast(5, "Emil Echo")
def emil(person: Person) -> None:
    """An Instagram account was granted, but its Page was not."""
    account = person.add_instagram("emil.alone", name="Emil alone", followers_count=77)
    person.add_page("Emil's Page, not granted", instagram=account, offered=False)


def _many(person: Person, count: int, *, listed: bool = True) -> None:
    for number in range(1, count + 1):
        account = person.add_instagram(
            f"{person.key}.shop{number:05d}", name=f"Shop {number}", followers_count=number
        )
        person.add_page(f"Shop {number}", instagram=account, listed=listed)


@_in_cast(6, "Fay Folio")
def fay(person: Person) -> None:
    """250 Pages with Instagram accounts: ten pages of 25."""
    _many(person, 250)


@_in_cast(7, "Gus Gemini")
def gus(person: Person) -> None:
    """Two Pages that lead to the same Instagram account."""
    shared = person.add_instagram("gus.twice", name="Gus, twice")
    person.add_page("Gus North", instagram=shared, connected_instagram=shared.id)
    person.add_page("Gus South", instagram=shared, tasks=("ANALYZE", "MODERATE"))


@_in_cast(8, "Hana <script>alert('name')</script> \u202eanaH")
def hana(person: Person) -> None:
    """Hostile names and picture links: scripts, odd Unicode, NUL, very long."""
    person.picture_url = "javascript:alert('person')"
    for index, (name, picture) in enumerate(zip(HOSTILE_NAMES, _HOSTILE_PICTURES, strict=True)):
        account = person.add_instagram(
            f"hana_{index}<b>" if index % 2 else f"hana_{index}",
            name=name,
            biography=name[::-1],
            website="javascript:alert('website')",
            picture_url=picture,
        )
        person.add_page(name, instagram=account)


@_in_cast(9, "Ivan Ivory")
def ivan(person: Person) -> None:
    """The grant dies right after the login: changed password (190/460)."""
    account = person.add_instagram("ivan.was.here", name="Ivan was here")
    person.add_page("Ivan's Workshop", instagram=account)
    person.quirks.fragile = True


@_in_cast(10, "Jo Juniper")
def jo(person: Person) -> None:
    """Troubled Pages: two-factor, checkpoint, restricted Instagram account, migrated Page."""
    good = person.add_instagram("jo.works", name="Jo works")
    person.add_page("Jo works", instagram=good)
    guarded = person.add_instagram("jo.guarded", offered=False)
    person.add_page("Behind two factors", instagram=guarded, listed=False, trouble=TWO_FACTOR)
    checked = person.add_instagram("jo.checked", offered=False)
    person.add_page("At a checkpoint", instagram=checked, listed=False, trouble=PAGE_CHECKPOINT)
    restricted = person.add_instagram("jo.restricted", trouble=INSTAGRAM_RESTRICTED)
    person.add_page("Page of a restricted account", instagram=restricted)
    moved = person.add_instagram("jo.moved", name="Jo has moved")
    old = person.add_page("Before the move", listed=False)
    new = person.add_page(
        "After the move", instagram=moved, listed=False, offered=False, formerly=old.id
    )
    person.change_page(old.id, trouble=page_migrated(old.id, new.id))


@_in_cast(11, "Kim Kilo")
def kim(person: Person) -> None:
    """1,000 Pages known from granular scopes only, hidden from the list of Pages."""
    _many(person, 1000, listed=False)


@_in_cast(12, "Lou Legion")
def lou(person: Person) -> None:
    """10,000 Pages, walked over cursors."""
    _many(person, 10_000)
    person.quirks.granular = "absent"  # all of them, now and in future: cursors are the way


@_in_cast(13, "Max Muddle")
def max_(person: Person) -> None:
    """Malformed entries among good ones: numbers, null, no id."""
    account = person.add_instagram("max.fine", name="Max is fine")
    person.add_page("The good entry", instagram=account)
    person.quirks.odd_entries["accounts"] = (
        42,
        None,
        "a text",
        [],
        {},
        {"name": "An entry without an id"},
        {"id": 100013000000077, "name": "An id that is a number"},
        {"id": None, "name": "An id that is null"},
        {"id": "100013000000078", "instagram_business_account": "17841413000000078"},
        {"id": "100013000000079", "instagram_business_account": {"username": "no.id"}},
        {"id": "100013000000080", "name": {"en": "no text"}, "tasks": "MANAGE"},
        {"id": "../../me", "name": "An id that is a path"},
    )
    person.quirks.odd_entries["permissions"] = (None, 7, {"permission": "email"})
    person.quirks.odd_granular = (None, 7, {"target_ids": ["1"]}, {"scope": "pages_messaging"})
    business = person.add_business("Max's Portfolio")
    person.add_page("The good owned Page", business=business.id, listed=False)
    person.quirks.odd_entries["businesses"] = (None, 3, {"name": "no id"})
    person.quirks.odd_entries["owned_pages"] = (None, 5, {"name": "no id"})


@_in_cast(14, "Nia Nibble")
def nia(person: Person) -> None:
    """Short pages and empty pages in the middle of the list."""
    _many(person, 9)
    person.quirks.page_sizes = (2, 0, 1, 0, 0, 3)


@_in_cast(15, "Oli Off")
def oli(person: Person) -> None:
    """The Page's Instagram account was switched back to personal."""
    personal = person.add_instagram(
        "oli.personal.now", trouble=not_visible("17841415000000001"), name="Oli"
    )
    person.add_page("Oli's Bicycles", instagram=personal, connected_instagram=personal.id)


@_in_cast(16, "Pia Prism")
def pia(person: Person) -> None:
    """A Page's own 190, a field that one account refuses, a portfolio without a role."""
    shown = person.add_instagram("pia.prism", name="Pia Prism", followers_count=16)
    person.add_page("Pia Prism", instagram=shown)
    shy = person.add_instagram("pia.shy", name="No picture for apps")
    person.add_page("Behind a refused field", instagram=shy, listed=False)
    person.quirks.refused_fields[shy.id] = {"profile_picture_url": 100}
    own = person.add_instagram("pia.own", offered=False)
    person.add_page("Its own 190", instagram=own, listed=False, trouble=PAGE_TOKEN_NEEDED)
    person.add_business("Somebody else's portfolio", trouble=NEEDS_BUSINESS)
