"""The account behind a token, as `/me` shows it (instagram-login-facts §5)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from igauth.domain import InstagramAccount, InstagramAccountId, Subject
from igauth.meta.accounts import read_account
from igauth.meta.calls import Purpose, Request
from igauth.meta.client import GraphClient
from igauth.meta.door import UserToken
from igauth.meta.errors import GraphRefusal, GraphUnreadable, Meaning
from igauth.meta.text import as_id, clean_text

ME: Final = "instagram/me"
_IDS: Final = ("id", "user_id")
_OPTIONAL: Final = (
    *("username", "name", "account_type", "profile_picture_url"),
    *("followers_count", "follows_count", "media_count"),
)
_PROFESSIONAL: Final = {
    "business": "business",
    "media_creator": "creator",
    "creator": "creator",
}


@dataclass(frozen=True, slots=True)
class Profile:
    """The one account of a connection (5.7), and Meta's two ids of it.

    `subject` is the professional account's id, the same as at Facebook's door (5.2), where `/me`
    told it; else the app's own id of it, which is `app_scoped_id` always. `is_professional`:
    False only where the answer names another type.
    """

    subject: Subject
    app_scoped_id: Subject | None
    account: InstagramAccount
    is_professional: bool


class Profiles:
    """Asks for the account of a token."""

    def __init__(self, graph: GraphClient, pictures: tuple[str, ...]) -> None:
        self._graph = graph
        self._pictures = pictures

    async def fetch(self, token: UserToken, purpose: Purpose) -> Profile:
        """The account with all that is shown of it. Raises GraphError.

        A field that is refused is dropped, for this call alone (contract §6).
        """
        optional = list(_OPTIONAL)
        while True:
            try:
                return self._read(await self._me(token, purpose, (*_IDS, *optional)))
            except GraphRefusal as refusal:
                if not _narrowed(optional, refusal):
                    raise

    async def fetch_ids(self, token: UserToken, purpose: Purpose) -> frozenset[str]:
        """Both ids of the account: the cheapest proof that a token lives (12.1)."""
        profile = self._read(await self._me(token, purpose, _IDS))
        return frozenset(each for each in (profile.subject, profile.app_scoped_id) if each)

    async def _me(self, token: UserToken, purpose: Purpose, fields: tuple[str, ...]) -> Any:
        query = {"fields": ",".join(fields)}
        request = Request(ME, "me", purpose, query=query, token=token)
        return unwrapped((await self._graph.fetch(request)).body)

    def _read(self, node: Mapping[str, Any]) -> Profile:
        account_id, app_scoped_id = as_id(node.get("user_id")), as_id(node.get("id"))
        subject = account_id or app_scoped_id
        account = read_account({**node, "id": subject}, self._pictures)
        if subject is None or account is None:
            raise GraphUnreadable(ME, "the answer holds no id")
        named = clean_text(node.get("account_type"), 32)
        kind = _PROFESSIONAL.get((named or "").casefold())
        return Profile(
            subject=Subject(subject),
            app_scoped_id=Subject(app_scoped_id) if app_scoped_id else None,
            account=replace(account, id=InstagramAccountId(subject), account_type=kind),
            is_professional=named is None or kind is not None,
        )


def unwrapped(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one object of an answer, which comes flat or as a list of one (3.2, 5.1)."""
    data = body.get("data")
    if isinstance(data, list) and data and isinstance(data[0], dict):
        return data[0]
    return body


def _narrowed(optional: list[str], refusal: GraphRefusal) -> bool:
    """Whether there is less to ask than what was refused (graph-facts 6.5)."""
    refused = refusal.refused_field() if refusal.meaning is Meaning.FIELD_REFUSED else None
    if refused is None or refused[0] not in optional:
        return False
    optional.remove(refused[0])
    return True
