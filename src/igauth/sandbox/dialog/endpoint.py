"""The dialog over HTTP: who are you, what do you allow, and the redirect back (facts 1)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from igauth.sandbox.control.calls import Call
from igauth.sandbox.control.faults import Fault, Target
from igauth.sandbox.dialog.request import (
    ALL,
    Decision,
    DialogRequest,
    DialogUnavailable,
    agree,
    issue_code,
    newly_asked,
    understand,
)
from igauth.sandbox.graph.request import limited_body, served_version
from igauth.sandbox.pages import SECURITY_HEADERS, Pages, root_of
from igauth.sandbox.state import State
from igauth.sandbox.transport import Answer, Reply
from igauth.sandbox.world.people import Person

_COOKIE = "sandbox_person"
_SHOWN_ASSETS = 100
_ASSET_KINDS = {
    "pages": ("Pages", "pages_"),
    "instagram_accounts": ("Instagram accounts", "instagram_"),
    "businesses": ("Business portfolios", "business_management"),
}
"""Each kind of asset: its title on the page, and how the permissions begin that are about it."""
_DIALOG_ERROR = (1349048, "Can't Load URL: The domain of this URL isn't included in the app's ...")

Form = Mapping[str, list[str]]


@dataclass(slots=True)
class LoginDialog:
    """`/dialog/oauth`. One POST with `person` and `decision` does all; browsers take two steps."""

    state: State
    pages: Pages

    async def __call__(self, request: Request) -> Response:
        """Answer GET and POST of the dialog."""
        form = await _form(request)
        key = form.get("person", [_kept(request)])[0]
        person = self.state.world.person(key) if self.state.world.known(key) else None
        call = self.state.calls.begin(self._log_entry(request, person))
        try:
            response = await self._answer(request, form, person, call)
        except DialogUnavailable as unavailable:
            said = {"title": unavailable.title, "text": unavailable.text}
            response = self.pages.show(request, "unavailable.html", said, 400)
        self.state.calls.end(call, response.status_code)
        return response

    def _log_entry(self, request: Request, person: Person | None) -> Call:
        """An expired dialog version is silently upgraded (facts 1.20)."""
        config = self.state.config
        asked = request.path_params.get("version") or config.default_version
        return Call(
            at=self.state.clock(),
            method=request.method,
            endpoint="dialog",
            path="/dialog/oauth",
            version=served_version(asked, config) or config.default_version,
            person=person.key if person else None,
        )

    async def _answer(
        self, request: Request, form: Form, person: Person | None, call: Call
    ) -> Response:
        params = dict(parse_qsl(request.url.query, keep_blank_values=True))
        asked = understand(params, self.state.config)
        fault = self.state.faults.take(Target(frozenset({"dialog"}), call.person))
        if fault is None:
            return self._step(request, form, person, asked)
        call.fault = fault.preset or fault.kind
        if fault.delay_seconds and fault.kind != "drip":
            await self.state.sleep(fault.delay_seconds)
        good = self._step(request, form, person, asked) if fault.works_first else None
        return self._struck(fault, asked, good)

    def _struck(self, fault: Fault, asked: DialogRequest, good: Response | None) -> Response:
        """Facts 1.6 for `redirect` and `graph_error`; other kinds as anywhere else."""
        if fault.kind == "delay" and good is not None:
            good.headers.update(fault.headers)
            return good
        if fault.kind in ("redirect", "graph_error"):
            code, message = fault.code or _DIALOG_ERROR[0], fault.message or _DIALOG_ERROR[1]
            return RedirectResponse(asked.misconfigured(code, message), 302, SECURITY_HEADERS)
        whole: Answer | None = None
        if good is not None:
            whole = Answer(good.status_code, bytes(good.body), dict(good.headers))
        return Reply(fault.spoil(whole, self.state.config.default_version), self.state.sleep)

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
            return RedirectResponse(asked.refused(), 302, SECURITY_HEADERS)
        if decision == "continue":
            return self._agree(request, form, person, asked)
        return self._remember(request, _again(request), person)

    def _agree(
        self, request: Request, form: Form, person: Person, asked: DialogRequest
    ) -> Response:
        decision = _read_decision(form, person)
        if asked.all_or_nothing:  # facts 1.4, FLB: every permission of the configuration, or none
            decision = replace(decision, declined=frozenset())
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
        response = RedirectResponse(asked.ended(code, grant), 302, SECURITY_HEADERS)
        return self._remember(request, response, person)

    def _remember(self, request: Request, response: Response, person: Person | None) -> Response:
        """Who is 'logged in at Facebook', in the sandbox's own cookie."""
        path = root_of(request, self.state.config) or "/"
        if person is None:
            response.delete_cookie(_COOKIE, path=path, httponly=True, samesite="lax")
        else:
            response.set_cookie(_COOKIE, person.key, path=path, httponly=True, samesite="lax")
        return response

    def _show(self, request: Request, person: Person | None, asked: DialogRequest) -> Response:
        """Who are you; what you allowed already; or the consent."""
        if person is None:
            met = [person for person, _ in self.state.world.met()]
            connected = {person.key for person in met if person.grant is not None}
            people = {"people": self.state.world.cast, "connected": connected}
            return self.pages.show(request, "who.html", people)
        permissions = newly_asked(person, asked.scopes, again=asked.asks_again)
        context = {"person": person, "asked": asked, "permissions": permissions}
        if person.grant is not None and not permissions and not asked.asks_again:
            return self.pages.show(request, "continue.html", context)
        choices = [
            AssetChoice(kind, title, _offered(person, kind))
            for kind, (title, prefix) in _ASSET_KINDS.items()
            if any(scope.startswith(prefix) for scope in asked.scopes)
        ]
        return self.pages.show(request, "consent.html", {**context, "choices": choices})


async def _form(request: Request) -> Form:
    if request.method != "POST":
        return {}
    raw = await limited_body(request)
    return parse_qs(raw.decode("utf-8", "replace"), keep_blank_values=True)


def _again(request: Request) -> Response:
    """Back to the same dialog, by GET."""
    return RedirectResponse(f"?{request.url.query}", 303, SECURITY_HEADERS)


@dataclass(frozen=True, slots=True)
class AssetChoice:
    """One kind of asset on the consent page, names by id; the first hundred get a box each."""

    kind: str
    title: str
    offered: Mapping[str, str]

    @property
    def shown(self) -> list[tuple[str, str]]:
        """Id and name of those with a box of their own."""
        return list(self.offered.items())[:_SHOWN_ASSETS]

    @property
    def more(self) -> int:
        """How many share one box."""
        return max(0, len(self.offered) - _SHOWN_ASSETS)


def _offered(person: Person, kind: str) -> dict[str, str]:
    """What the dialog lets the person choose: names by id, of Instagram accounts user names."""
    name = "username" if kind == "instagram_accounts" else "name"
    offered = {key: one for key, one in person.assets[kind].items() if one.offered}
    return {key: getattr(one, name) or key for key, one in offered.items()}


def _read_decision(form: Form, person: Person) -> Decision:
    """The posted choice. `shown` names the assets that the browser's form had boxes for."""
    chosen = {kind: _chosen(form, person, kind) for kind in _ASSET_KINDS}
    named = {kind: ids for kind, ids in chosen.items() if ids is not None}
    return Decision(named, frozenset(_values(form, "declined")))


def _chosen(form: Form, person: Person, kind: str) -> frozenset[str] | None:
    ticked = frozenset(_values(form, kind))
    if ticked == ALL:
        return ALL
    offered = _offered(person, kind)
    strange = ticked - offered.keys()
    if strange:
        raise DialogUnavailable(
            "Nothing of that id", f"{person.key} is not offered {', '.join(sorted(strange))}."
        )
    if kind in form.get("shown", []):
        rest = list(offered)[_SHOWN_ASSETS:] if f"more_{kind}" in form else []
        return ticked | frozenset(rest)
    return ticked or None


def _values(form: Form, name: str) -> list[str]:
    """A repeated field; commas inside a value separate as well."""
    return [part for value in form.get(name, []) for part in value.split(",") if part]


def _kept(request: Request) -> str:
    """The person of the sandbox's cookie. Our own keys are never quoted, so splitting is all."""
    pairs = (pair.partition("=") for pair in request.headers.get("cookie", "").split("; "))
    return next((value for name, _, value in pairs if name == _COOKIE), "")
