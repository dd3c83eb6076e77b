"""The dialog over HTTP: who are you, what do you allow, and the redirect back (facts 1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from igauth.sandbox.asking import limited_body, served_version
from igauth.sandbox.calls import Call
from igauth.sandbox.consent import ALL, Decision, agree, issue_code, newly_asked
from igauth.sandbox.dialog import (
    DialogRequest,
    DialogUnavailable,
    ended,
    misconfigured,
    refused,
    understand,
)
from igauth.sandbox.envelope import Answer
from igauth.sandbox.faults import Fault
from igauth.sandbox.graph import spoil
from igauth.sandbox.html import SECURITY_HEADERS, Pages, root_of
from igauth.sandbox.menu import PERMISSION_WORDS
from igauth.sandbox.replies import Reply
from igauth.sandbox.state import State
from igauth.sandbox.world import Person

COOKIE = "sandbox_person"
ASSETS = ("pages", "instagram_accounts", "businesses")
SHOWN_ASSETS = 100
_ASSET_PERMISSIONS = {
    "pages": "pages_",
    "instagram_accounts": "instagram_",
    "businesses": "business_management",
}
_DIALOG_ERROR = (1349048, "Can't Load URL: The domain of this URL isn't included in the app's ...")

Form = Mapping[str, list[str]]


@dataclass(slots=True)
class Desk:
    """`/dialog/oauth`. One POST with `person` and `decision` does all; browsers take two steps."""

    state: State
    pages: Pages

    async def __call__(self, request: Request) -> Response:
        """Answer GET and POST of the dialog."""
        form = await self._form(request)
        person = self._person(request, form)
        call = self.state.calls.begin(self._entry(request, person))
        try:
            response = await self._answer(request, form, person)
        except DialogUnavailable as unavailable:
            said = {"title": unavailable.title, "text": unavailable.text}
            response = self.pages.show(request, "unavailable.html", said, 400)
        self.state.calls.end(call, response.status_code)
        return response

    async def _form(self, request: Request) -> Form:
        if request.method != "POST":
            return {}
        raw = await limited_body(request)
        return parse_qs(raw.decode("utf-8", "replace"), keep_blank_values=True)

    def _person(self, request: Request, form: Form) -> Person | None:
        """Who the form names, else who is 'logged in at Facebook' by the sandbox's cookie."""
        key = form.get("person", [_kept(request)])[0]
        return self.state.world.person(key) if self.state.world.known(key) else None

    def _entry(self, request: Request, person: Person | None) -> Call:
        return Call(
            at=self.state.clock(),
            method=request.method,
            endpoint="dialog",
            path="/dialog/oauth",
            version=self._version(request),
            person=person.key if person else None,
        )

    def _version(self, request: Request) -> str:
        """An expired dialog version is silently upgraded (facts 1.20)."""
        asked = request.path_params.get("version") or self.state.config.default_version
        return served_version(asked, self.state.config) or self.state.config.default_version

    async def _answer(self, request: Request, form: Form, person: Person | None) -> Response:
        params = dict(parse_qsl(request.url.query, keep_blank_values=True))
        asked = understand(params, self.state.config)
        fault = self.state.faults.take({"dialog"}, person.key if person else None)
        if fault is None:
            return self._step(request, form, person, asked)
        if fault.delay_seconds:
            await self.state.sleep(fault.delay_seconds)
        if fault.kind == "delay":
            return self._step(request, form, person, asked)
        if fault.after_effect:
            self._step(request, form, person, asked)
        return self._struck(fault, asked)

    def _struck(self, fault: Fault, asked: DialogRequest) -> Response:
        """Facts 1.6 for `redirect` and `graph_error`; other kinds as anywhere else."""
        if fault.kind in ("redirect", "graph_error"):
            code, message = fault.code or _DIALOG_ERROR[0], fault.message or _DIALOG_ERROR[1]
            return RedirectResponse(misconfigured(asked, code, message), 302, SECURITY_HEADERS)
        answer: Answer = spoil(fault, None, self.state.config.default_version)
        return Reply(answer, self.state.sleep)

    def _step(
        self, request: Request, form: Form, person: Person | None, asked: DialogRequest
    ) -> Response:
        if request.method != "POST":
            return self._show(request, person, asked)
        if "switch" in form:
            return self._remember(request, _again(request), None)
        if person is None:
            raise DialogUnavailable("Nobody of that name", "Choose a person of the sandbox's cast.")
        decision = form.get("decision", [""])[0]
        if decision == "cancel":
            return RedirectResponse(refused(asked), 302, SECURITY_HEADERS)
        if decision == "continue":
            return self._agree(request, form, person, asked)
        return self._remember(request, _again(request), person)

    def _agree(
        self, request: Request, form: Form, person: Person, asked: DialogRequest
    ) -> Response:
        decision = read_decision(form, person)
        if asked.all_or_nothing:  # facts 1.4, FLB: every permission of the configuration, or none
            decision = Decision(decision.pages, decision.instagram_accounts, decision.businesses)
        grant = agree(
            self.state, person, asked.scopes, decision, again=asked.asks_again, renew=asked.renews
        )
        code = issue_code(
            self.state,
            person,
            asked.redirect_uri,
            challenge=asked.challenge,
            challenge_method=asked.challenge_method,
            auth_type=",".join(sorted(asked.auth_types)) or None,
        )
        response = RedirectResponse(ended(asked, code, grant), 302, SECURITY_HEADERS)
        return self._remember(request, response, person)

    def _remember(self, request: Request, response: Response, person: Person | None) -> Response:
        path = root_of(request, self.state.config) or "/"
        if person is None:
            response.delete_cookie(COOKIE, path=path, httponly=True, samesite="lax")
        else:
            response.set_cookie(COOKIE, person.key, path=path, httponly=True, samesite="lax")
        return response

    # --- pages ---

    def _show(self, request: Request, person: Person | None, asked: DialogRequest) -> Response:
        if person is None:
            return self.pages.show(request, "who.html", self._cast())
        asks = newly_asked(person, asked.scopes, again=asked.asks_again)
        context: dict[str, object] = {
            "person": person,
            "asked": asked,
            "permissions": asks,
            "words": PERMISSION_WORDS,
        }
        if person.grant is not None and not asks and not asked.asks_again:
            return self.pages.show(request, "continue.html", context)
        shelves = [shelf for shelf in _shelves(person) if _asked_about(shelf, asked.scopes)]
        return self.pages.show(request, "consent.html", {**context, "shelves": shelves})

    def _cast(self) -> dict[str, object]:
        """Who can be picked, without building anybody who wasn't met yet."""
        met = [person for person, _ in self.state.world.met()]
        connected = {person.key for person in met if person.grant is not None}
        return {"people": self.state.world.castings, "connected": connected}


def _kept(request: Request) -> str:
    """The person of the sandbox's cookie. Our own keys are never quoted, so splitting is all."""
    pairs = (pair.partition("=") for pair in request.headers.get("cookie", "").split("; "))
    return next((value for name, _, value in pairs if name == COOKIE), "")


def _again(request: Request) -> Response:
    """Back to the same dialog, by GET."""
    return RedirectResponse(f"?{request.url.query}", 303, SECURITY_HEADERS)


@dataclass(frozen=True, slots=True)
class Shelf:
    """One kind of asset on the consent page; the first hundred are shown one by one."""

    name: str
    title: str
    items: list[tuple[str, str]]
    more: int


def _shelves(person: Person) -> list[Shelf]:
    pages = [(page.id, page.name or page.id) for page in person.pages.values() if page.offered]
    accounts = [
        (account.id, account.username or account.id)
        for account in person.accounts.values()
        if account.offered
    ]
    businesses = [(found.id, found.name) for found in person.businesses.values() if found.offered]
    return [
        _shelf("pages", "Pages", pages),
        _shelf("instagram_accounts", "Instagram accounts", accounts),
        _shelf("businesses", "Business portfolios", businesses),
    ]


def _shelf(name: str, title: str, items: list[tuple[str, str]]) -> Shelf:
    return Shelf(name, title, items[:SHOWN_ASSETS], max(0, len(items) - SHOWN_ASSETS))


def _asked_about(shelf: Shelf, scopes: tuple[str, ...]) -> bool:
    return any(scope.startswith(_ASSET_PERMISSIONS[shelf.name]) for scope in scopes)


def read_decision(form: Form, person: Person) -> Decision:
    """The posted choice. `shown` names the assets that the browser's form had boxes for."""
    shown = form.get("shown", [])
    pages, accounts, businesses = (_chosen(form, person, name, shown) for name in ASSETS)
    return Decision(pages, accounts, businesses, frozenset(_values(form, "declined")))


def _chosen(form: Form, person: Person, name: str, shown: list[str]) -> frozenset[str] | None:
    ticked = frozenset(_values(form, name))
    if ticked == ALL:
        return ALL
    offered = _offered(person, name)
    strange = ticked - offered.keys()
    if strange:
        raise DialogUnavailable(
            "Nothing of that id", f"{person.key} is not offered {', '.join(sorted(strange))}."
        )
    if name in shown:
        rest = list(offered)[SHOWN_ASSETS:] if f"more_{name}" in form else []
        return ticked | frozenset(rest)
    return ticked or None


def _offered(person: Person, name: str) -> dict[str, object]:
    return {key: asset for key, asset in person.assets(name).items() if asset.offered}


def _values(form: Form, name: str) -> list[str]:
    """A repeated field; commas inside a value separate as well."""
    return [part for value in form.get(name, []) for part in value.split(",") if part]
