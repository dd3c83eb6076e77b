"""`www.instagram.com/oauth/authorize`, below `/instagram` (instagram-login-facts 2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from igauth.sandbox.control.calls import Call
from igauth.sandbox.control.faults import Target
from igauth.sandbox.dialog.request import DialogUnavailable, check_redirect_uri, split_scope
from igauth.sandbox.graph.request import limited_body
from igauth.sandbox.pages import SECURITY_HEADERS, Pages, root_of
from igauth.sandbox.state import SandboxConfig, State
from igauth.sandbox.transport import Answer, Reply
from igauth.sandbox.world.instagram import BASIC, PERMISSIONS, Account

_COOKIE = "sandbox_instagram"
_NO_ROLE = "Insufficient developer role"
_DENIED = "The user denied your request"
Form = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class AuthorizeRequest:
    """The query, understood."""

    redirect_uri: str
    state: str | None
    scopes: tuple[str, ...]
    force_reauth: bool

    def back(self, **params: str) -> str:
        """Where the browser goes: the state comes along, and the junk fragment (2.4, 2.5)."""
        state = {} if self.state is None else {"state": self.state}
        joint = "&" if "?" in self.redirect_uri else "?"
        return f"{self.redirect_uri}{joint}{urlencode({**params, **state})}#_"

    def denied(self, description: str) -> str:
        """The redirect of a refusal; the description alone tells whose it was (2.5)."""
        return self.back(
            error="access_denied", error_reason="user_denied", error_description=description
        )


def understand(params: Mapping[str, str], config: SandboxConfig) -> AuthorizeRequest:
    """Checks the query; what is wrong ends in a page, never at the app (2.3)."""
    client_id = params.get("client_id", "")
    if not (client_id.isascii() and client_id.isdigit()):
        raise DialogUnavailable("Sorry, this page isn't available.", "The link may be broken.")
    if client_id != config.instagram_app_id:
        raise _invalid("Invalid platform app")
    try:
        redirect_uri = check_redirect_uri(
            params.get("redirect_uri", ""), config.instagram_redirect_uris
        )
    except DialogUnavailable:
        raise _invalid("Invalid redirect_uri") from None
    if params.get("response_type") != "code":
        raise _invalid("Invalid response_type")
    return AuthorizeRequest(
        redirect_uri,
        params.get("state"),
        _scopes(params.get("scope", "")),
        params.get("force_reauth") == "true",
    )


def _invalid(why: str) -> DialogUnavailable:
    return DialogUnavailable("Invalid Request", f"Request parameters are invalid: {why}")


def _scopes(text: str) -> tuple[str, ...]:
    scopes = split_scope(text)
    foreign = next((name for name in scopes if name not in PERMISSIONS), None)
    if foreign is not None and foreign.startswith("instagram_"):
        said = '{"message":"Business and user permissions are mutually exclusive","status":"fail"}'
        raise DialogUnavailable("Invalid Request", said)
    if foreign is not None or BASIC not in scopes:
        raise _invalid(f"Invalid scope: {foreign or text}")
    return tuple(scopes)


@dataclass(slots=True)
class AuthorizePage:
    """Who is signed in, what they allow, and the redirect back.

    One POST with `person` (an account's key) and `decision` does all; browsers take two steps.
    """

    state: State
    pages: Pages

    async def __call__(self, request: Request) -> Response:
        """Answers GET and POST of the page."""
        form: Form = {}
        if request.method == "POST":
            text = (await limited_body(request)).decode("utf-8", "replace")
            form = parse_qs(text, keep_blank_values=True)
        account = self.state.instagram.accounts.get(form.get("person", [_kept(request)])[0])
        call = self.state.calls.begin(self._entry(request, account))
        try:
            asked = understand(dict(parse_qsl(request.url.query)), self.state.config)
            response = self._struck(call, asked) or self._step(request, form, account, asked)
        except DialogUnavailable as unavailable:
            said = {"title": unavailable.title, "text": unavailable.text}
            response = self.pages.show(request, "unavailable.html", said, 400)
        self.state.calls.end(call, response.status_code)
        return response

    def _entry(self, request: Request, account: Account | None) -> Call:
        return Call(
            at=self.state.clock(),
            method=request.method,
            endpoint="instagram_dialog",
            path="/instagram/oauth/authorize",
            version=None,
            person=account.key if account else None,
        )

    def _struck(self, call: Call, asked: AuthorizeRequest) -> Response | None:
        """A `graph_error` goes back as a redirect, another kind is answered as anywhere."""
        fault = self.state.faults.take(Target(frozenset({"instagram_dialog"}), call.person))
        if fault is None:
            return None
        call.fault = fault.preset or fault.kind
        if fault.kind == "graph_error":
            there = asked.denied(fault.error.message)
            return RedirectResponse(there, 302, SECURITY_HEADERS)
        answer = Answer(200, b"")
        return Reply(fault.spoil(answer, self.state.config.default_version), self.state.sleep)

    def _step(
        self, request: Request, form: Form, account: Account | None, asked: AuthorizeRequest
    ) -> Response:
        if "switch" in form:
            return self._remember(request, _again(request), None)
        decision = form.get("decision", [""])[0]
        if account is None or (asked.force_reauth and request.method == "GET"):
            return self._show(request, None, asked)
        if decision == "cancel":
            return RedirectResponse(asked.denied(_DENIED), 302, SECURITY_HEADERS)
        if decision == "continue":
            declined = {part for value in form.get("declined", []) for part in value.split(",")}
            return self._agree(request, account, asked, declined)
        return self._remember(request, self._show(request, account, asked), account)

    def _agree(
        self, request: Request, account: Account, asked: AuthorizeRequest, declined: set[str]
    ) -> Response:
        if account.no_role == "page":
            raise DialogUnavailable("Invalid Request", _NO_ROLE)
        if account.no_role == "redirect":
            return RedirectResponse(asked.denied(_NO_ROLE), 302, SECURITY_HEADERS)
        granted = tuple(name for name in asked.scopes if name not in declined)
        code = self.state.instagram.add_code(
            account, asked.redirect_uri, granted, self.state.clock()
        )
        self.state.touch()
        response = RedirectResponse(asked.back(code=code.text), 302, SECURITY_HEADERS)
        return self._remember(request, response, account)

    def _show(self, request: Request, account: Account | None, asked: AuthorizeRequest) -> Response:
        everybody = [*self.state.instagram.accounts.values()]
        context = {"account": account, "accounts": everybody, "asked": asked, "basic": BASIC}
        return self.pages.show(request, "instagram.html", context)

    def _remember(self, request: Request, response: Response, account: Account | None) -> Response:
        """Who is signed in at Instagram, in the sandbox's own cookie."""
        path = root_of(request, self.state.config) or "/"
        if account is None:
            response.delete_cookie(_COOKIE, path=path, httponly=True, samesite="lax")
        else:
            response.set_cookie(_COOKIE, account.key, path=path, httponly=True, samesite="lax")
        return response


def _again(request: Request) -> Response:
    return RedirectResponse(f"?{request.url.query}", 303, SECURITY_HEADERS)


def _kept(request: Request) -> str:
    pairs = (pair.partition("=") for pair in request.headers.get("cookie", "").split("; "))
    return next((value for name, _, value in pairs if name == _COOKIE), "")
