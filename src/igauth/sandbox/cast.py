"""The cast: ready-made people, each of whom shows one situation. All names and ids are invented.

Ids are stable and say whose they are: Pages `1000NN…` (15 digits), Instagram accounts `17841(400+
NN)…` (17 digits), portfolios `20000NN…` (16 digits), users `102000000000000NN`, with NN the number.
"""

from igauth.sandbox.problems import (
    INSTAGRAM_RESTRICTED,
    PAGE_CHECKPOINT,
    TWO_FACTOR,
    not_visible,
    page_migrated,
)
from igauth.sandbox.world import Casting, Person

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


def _ada(person: Person) -> None:
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


def _ben(_person: Person) -> None:
    return None


def _cleo(person: Person) -> None:
    account = person.add_instagram("cleo.ceramics", name="Cleo Ceramics", followers_count=512)
    person.add_page("Cleo Ceramics", instagram=account, connected_instagram=account.id)
    person.add_page("Cleo's Garden Club")


def _dora(person: Person) -> None:
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


def _emil(person: Person) -> None:
    account = person.add_instagram("emil.alone", name="Emil alone", followers_count=77)
    person.add_page("Emil's Page, not granted", instagram=account, offered=False)


def _many(person: Person, count: int, *, listed: bool = True) -> None:
    for number in range(1, count + 1):
        account = person.add_instagram(
            f"{person.key}.shop{number:05d}", name=f"Shop {number}", followers_count=number
        )
        person.add_page(f"Shop {number}", instagram=account, listed=listed)


def _fay(person: Person) -> None:
    _many(person, 250)


def _gus(person: Person) -> None:
    shared = person.add_instagram("gus.twice", name="Gus, twice")
    person.add_page("Gus North", instagram=shared, connected_instagram=shared.id)
    person.add_page("Gus South", instagram=shared, tasks=("ANALYZE", "MODERATE"))


def _hana(person: Person) -> None:
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


def _ivan(person: Person) -> None:
    account = person.add_instagram("ivan.was.here", name="Ivan was here")
    person.add_page("Ivan's Workshop", instagram=account)
    person.quirks.fragile = True


def _jo(person: Person) -> None:
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


def _kim(person: Person) -> None:
    _many(person, 1000, listed=False)


def _lou(person: Person) -> None:
    _many(person, 10_000)
    person.quirks.granular = "absent"  # all of them, now and in future: cursors are the way


def _max(person: Person) -> None:
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


def _nia(person: Person) -> None:
    _many(person, 9)
    person.quirks.page_sizes = (2, 0, 1, 0, 0, 3)


def _oli(person: Person) -> None:
    personal = person.add_instagram(
        "oli.personal.now", trouble=not_visible("17841415000000001"), name="Oli"
    )
    person.add_page("Oli's Bicycles", instagram=personal, connected_instagram=personal.id)


CAST: tuple[Casting, ...] = (
    Casting(
        "ada", 1, "Ada Invented", "Several Instagram accounts behind several Pages: all well.", _ada
    ),
    Casting("ben", 2, "Ben Bare", "Nothing at all: no Page, no Instagram account.", _ben),
    Casting("cleo", 3, "Cleo Clay", "One Page with an Instagram account, one without.", _cleo),
    Casting(
        "dora",
        4,
        "Dora Desk",
        "Pages in a business portfolio: some shown only there, one not granted to her.",
        _dora,
    ),
    Casting(
        "emil", 5, "Emil Echo", "An Instagram account was granted, but its Page was not.", _emil
    ),
    Casting("fay", 6, "Fay Folio", "250 Pages with Instagram accounts: ten pages of 25.", _fay),
    Casting("gus", 7, "Gus Gemini", "Two Pages that lead to the same Instagram account.", _gus),
    Casting(
        "hana",
        8,
        "Hana <script>alert('name')</script> \u202eanaH",
        "Hostile names and picture links: scripts, odd Unicode, NUL, very long.",
        _hana,
    ),
    Casting(
        "ivan",
        9,
        "Ivan Ivory",
        "The grant dies right after the login: changed password (190/460).",
        _ivan,
    ),
    Casting(
        "jo",
        10,
        "Jo Juniper",
        "Troubled Pages: two-factor, checkpoint, restricted Instagram account, migrated Page.",
        _jo,
    ),
    Casting(
        "kim",
        11,
        "Kim Kilo",
        "1,000 Pages known from granular scopes only, hidden from the list of Pages.",
        _kim,
    ),
    Casting("lou", 12, "Lou Legion", "10,000 Pages, walked over cursors.", _lou),
    Casting(
        "max", 13, "Max Muddle", "Malformed entries among good ones: numbers, null, no id.", _max
    ),
    Casting(
        "nia", 14, "Nia Nibble", "Short pages and empty pages in the middle of the list.", _nia
    ),
    Casting(
        "oli", 15, "Oli Off", "The Page's Instagram account was switched back to personal.", _oli
    ),
)
