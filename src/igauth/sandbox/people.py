"""People as the control API and the panel show them; never a token."""

from dataclasses import asdict

from igauth.sandbox.access import cause_of_death
from igauth.sandbox.state import State
from igauth.sandbox.world import Grant, InstagramAccount, Page, Person

Json = dict[str, object]
SHOWN = 200


def summarised(state: State, person: Person) -> Json:
    """One person in a list: who they are, what they allowed, how many assets they have."""
    return {
        "key": person.key,
        "name": person.name,
        "id": person.id,
        "summary": person.summary,
        "at_checkpoint": person.at_checkpoint,
        "unconfirmed": person.unconfirmed,
        "pages": len(person.pages),
        "instagram_accounts": len(person.accounts),
        "businesses": len(person.businesses),
        "live_tokens": len(_alive(state, person)),
        "grant": None if person.grant is None else _grant(person.grant),
    }


def _alive(state: State, person: Person) -> list[str]:
    tokens = state.ledger.of_person(person.key)
    return [token.kind for token in tokens if cause_of_death(state, token) is None]


def _grant(grant: Grant) -> Json:
    """`chosen`: how many assets of each kind; null = all, now and in future (facts 4.4)."""
    choice = grant.choice
    kinds = {
        "pages": choice.pages,
        "instagram_accounts": choice.instagram_accounts,
        "businesses": choice.businesses,
    }
    return {
        "permissions": dict(grant.permissions),
        "chosen": {kind: None if ids is None else len(ids) for kind, ids in kinds.items()},
        "given_at": grant.given_at.isoformat().replace("+00:00", "Z"),
        "data_access_expires_at": grant.data_access_until.isoformat().replace("+00:00", "Z"),
    }


def described(state: State, person: Person) -> Json:
    """One person with their assets, the first 200 of each kind."""
    return {
        **summarised(state, person),
        "quirks": {"granular": person.quirks.granular, "expiry": person.quirks.expiry},
        "page_list": [_page(page) for page in list(person.pages.values())[:SHOWN]],
        "instagram_account_list": [
            _account(account) for account in list(person.accounts.values())[:SHOWN]
        ],
        "business_list": [asdict(business) for business in person.businesses.values()],
    }


def _page(page: Page) -> Json:
    names = ("id", "name", "instagram", "business", "relation", "listed", "assigned", "offered")
    trouble = page.trouble.code if page.trouble else None
    return {**{name: getattr(page, name) for name in names}, "trouble_code": trouble}


def _account(account: InstagramAccount) -> Json:
    trouble = account.trouble.code if account.trouble else None
    names = ("id", "username", "name", "offered")
    return {**{name: getattr(account, name) for name in names}, "trouble_code": trouble}
