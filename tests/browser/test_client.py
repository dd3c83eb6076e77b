"""The package `igauth`, as the service serves it, in a page: against the service itself."""

import json
from typing import Any

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import NewVisitor
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

# What browsers from Safari 15.0 on lack, taken away before any script runs (B28).
OLD_BROWSER = """
for (const [owner, names] of [
  [URL, ["canParse", "parse"]], [AbortSignal, ["timeout", "any", "abort"]],
  [window, ["structuredClone", "BroadcastChannel"]], [Object, ["hasOwn", "groupBy"]],
  [Map, ["groupBy"]], [Promise, ["withResolvers", "try"]], [Array, ["fromAsync"]],
  [Array.prototype, ["at", "findLast", "toSorted", "toReversed", "with"]],
  [String.prototype, ["at", "isWellFormed"]], [AbortSignal.prototype, ["reason"]],
  [URLSearchParams.prototype, ["size"]],
]) for (const name of names) delete owner[name];
"""
HEARD = """new Promise((done) => {
  const look = () => heard.length ? done(heard) : setTimeout(look, 20);
  look();
})"""
IGAUTH = 'const { Igauth, IgauthError } = await import("/example/igauth.js");'


async def _run(visitor: Visitor, script: str, argument: Any = None) -> Any:
    """Runs a script with the package at hand; a rejection with an IgauthError becomes its facts."""
    return await visitor.page.evaluate(
        f"""async (argument) => {{
          {IGAUTH}
          const igauth = window.igauth ??= new Igauth();
          try {{ {script} }} catch (error) {{
            if (!(error instanceof IgauthError)) throw error;
            return {{ ...error, isError: error instanceof Error, message: error.message }};
          }}
        }}""",
        argument,
    )


async def test_everything_of_a_person(ada: Visitor) -> None:
    """Session, accounts, connections, check, sessions: as the service answers them."""
    found = await _run(
        ada,
        """const [{ id }] = await igauth.connections();
        const session = await igauth.session(), accounts = await igauth.accounts();
        return { session, accounts, checked: (await igauth.verify(id)).id === id,
          sessions: (await igauth.sessions()).map(({ current }) => current) };""",
    )
    assert found["session"]["user"]["name"] == "Ada Invented"
    assert len(found["accounts"]["data"]) == 3
    assert (found["checked"], found["sessions"]) == (True, [True])


async def test_equal_questions_are_asked_once(ada: Visitor) -> None:
    """Three calls at a time are one request; the next costs a 304 and gives the same object."""
    asked: list[str | None] = []

    async def count(route: Route) -> None:
        asked.append(route.request.headers.get("if-none-match"))
        await route.continue_()

    await ada.page.route("**/me/instagram-accounts", count)
    same = await _run(
        ada,
        """const all = await Promise.all([igauth.accounts(), igauth.accounts(), igauth.accounts()]);
        const later = await igauth.accounts();
        return [...all, later].every((each) => each === all[0]);""",
    )
    assert same
    assert [tag is None for tag in asked] == [True, False]


async def test_one_caller_gives_up(ada: Visitor) -> None:
    """An aborted caller is let go at once; who asked with it still gets the answer."""
    outcome = await _run(
        ada,
        """const stop = new AbortController();
        const [first, second] = [igauth.accounts({ signal: stop.signal }), igauth.accounts()];
        stop.abort();
        return { gone: await first.catch((error) => error.name),
          there: (await second).data.length };""",
    )
    assert outcome == {"gone": "AbortError", "there": 3}


@pytest.mark.parametrize(
    ("code", "retryable", "wait", "requests"),
    [
        ("overloaded", True, None, 3),
        ("facebook_rate_limited", True, "120", 1),
        ("reconnect_required", False, None, 1),
    ],
)
async def test_only_what_may_pass_is_asked_again(
    ada: Visitor, code: str, retryable: bool, wait: str | None, requests: int
) -> None:
    """Twice more where the problem says `retryable` and no long wait; what is final at once."""
    count = 0
    problem = {"code": code, "title": "T", "detail": "D", "retryable": retryable, "status": 503}

    async def refuse(route: Route) -> None:
        nonlocal count
        count += 1
        headers = {"Content-Type": "application/problem+json", "X-Request-ID": "r1"}
        headers |= {"Retry-After": wait} if wait else {}
        await route.fulfill(status=503, headers=headers, body=json.dumps(problem))

    ada.watch.provoked.add(503)
    await ada.page.route("**/me/connections", refuse)
    error = await _run(ada, "return await igauth.connections();")
    assert (count, error["code"], error["retryable"]) == (requests, code, retryable)
    assert (error["status"], error["requestId"], error["isError"]) == (503, "r1", True)
    assert error["retryAfter"] == (int(wait) if wait else None)


async def test_changes_are_never_repeated(ada: Visitor) -> None:
    """A check that fails is reported, not sent again."""
    count = 0

    async def cut(route: Route) -> None:
        nonlocal count
        count += 1
        await route.abort()

    ada.watch.allowed.add("net::ERR_FAILED")
    await ada.page.route("**/verify", cut)
    error = await _run(ada, "return await igauth.verify('some');")
    assert (count, error["code"], error["retryable"]) == (1, "network", True)


async def test_a_failure_never_comes_back(visitor: Visitor) -> None:
    """After a refusal the address is clean; no address that is given sends it again (B2)."""
    await visitor.open("/?tab=1&error=access_denied&error_description=x&request_id=abc#here")
    await visitor.see_signed_out()
    assert visitor.page.url == f"{visitor.service.origin}/?tab=1#here"
    links = await _run(
        visitor,
        """history.replaceState(null, "", argument);
        const taken = new Igauth();
        const returnTo = location.origin + argument;
        return { code: taken.loginError.code, id: taken.loginError.requestId, now: location.href,
          given: igauth.loginUrl({ returnTo }),
          action: igauth.actionUrl({ kind: "login", url: "/auth/instagram" }, returnTo) };""",
        "/?error=access_denied&request_id=abc",
    )
    origin = visitor.service.origin
    assert (links["code"], links["id"], links["now"]) == ("access_denied", "abc", f"{origin}/")
    for link in (links["given"], links["action"]):
        assert "error" not in link
        assert "request_id" not in link
    answer = await visitor.context.request.get(links["given"], max_redirects=0)
    assert answer.status == 302


async def test_another_librarys_error_stays(visitor: Visitor) -> None:
    """`?error=` without igauth's `request_id` isn't ours to take."""
    await visitor.open("/?error=theirs")
    await visitor.see_signed_out()
    assert visitor.page.url == f"{visitor.service.origin}/?error=theirs"


async def test_session_changes_are_heard(ada: Visitor) -> None:
    """A logout in this tab and one elsewhere: each listener hears it once, until it leaves."""
    other = await ada.open_tab()
    await other.open()
    await other.see_accounts()
    listen = """window.heard = [];
      window.leave = igauth.onSessionChange(({ authenticated }) => heard.push(authenticated));
      await igauth.session(); return heard.length;"""
    assert [await _run(tab, listen) for tab in (ada, other)] == [0, 0]

    await _run(ada, "await igauth.logout(); return heard;")
    assert await other.page.evaluate(HEARD) == [False]
    assert await _run(ada, "leave(); return heard;") == [False]


async def test_a_session_that_ended_is_heard(ada: Visitor) -> None:
    """A 401 on the way tells who listens, without being asked."""
    ada.watch.provoked.add(401)
    await _run(
        ada,
        """window.heard = [];
        igauth.onSessionChange((now) => heard.push(now.authenticated));
        await igauth.session();""",
    )
    await ada.context.clear_cookies()
    error = await _run(ada, "return await igauth.connections();")
    assert (error["code"], error["action"]["kind"]) == ("not_authenticated", "login")
    assert await ada.page.evaluate(HEARD) == [False]


async def test_an_old_browser(new_visitor: NewVisitor) -> None:
    """Without what Safari 15 lacks: a refusal, a login, ways out, a logout (B28)."""
    visitor = await new_visitor()
    await visitor.context.add_init_script(OLD_BROWSER)
    await visitor.open()
    assert (
        await visitor.page.evaluate("[typeof URL.canParse, typeof [].at].join()")
        == "undefined,undefined"
    )
    await visitor.link("Continue with Facebook").click()
    await visitor.introduce("ada")
    await visitor.decide("cancel")
    await expect(visitor.test_id("login-error", code="access_denied")).to_be_visible()
    await visitor.link("Continue with Facebook").click()
    await visitor.decide("continue")
    await visitor.see_accounts()
    await expect(visitor.test_id("account-card")).to_have_count(3)
    await expect(visitor.link("Link an Instagram account")).to_have_count(1)
    await visitor.go_to("Connections")
    await expect(visitor.test_id("connection-status", status="active")).to_be_visible()
    await visitor.page.get_by_role("banner").get_by_role("button", name="Log out").click()
    await visitor.see_signed_out()
