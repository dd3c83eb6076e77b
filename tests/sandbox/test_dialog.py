"""The login dialog: pages, decisions, and the three ways in which it can fail (facts 1)."""

from collections.abc import AsyncGenerator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from igauth.sandbox.app import Sandbox, SandboxConfig
from igauth.sandbox.world.cast import CAST
from tests.sandbox.facebook import ALL_SCOPES, REDIRECT_URI, Facebook, dialog_url


def query_of(answer: httpx.Response) -> dict[str, list[str]]:
    """The query of a redirect, with the junk fragment taken off."""
    assert answer.status_code == 302, answer.text
    return parse_qs(urlsplit(answer.headers["location"]).query, keep_blank_values=True)


async def decide(facebook: Facebook, *, person: str = "ada", **more: object) -> httpx.Response:
    """One POST, as curl would send it; `url_…` keys change the dialog's query."""
    url = {key.removeprefix("url_"): value for key, value in more.items() if key.startswith("url_")}
    form = {key: value for key, value in more.items() if not key.startswith("url_")}
    return await facebook.http.post(
        dialog_url(facebook.sandbox, **url),  # type: ignore[arg-type]
        data={"person": person, "decision": "continue", **form},
    )


# --- success, facts 1.4 ---


async def test_one_post_consents_to_everything(facebook: Facebook) -> None:
    """A single POST with person and decision ends at the redirect_uri with code (facts 1.4)."""
    answer = await decide(facebook)

    assert query_of(answer).keys() == {"code", "state"}
    assert query_of(answer)["state"] == ["st&te=1"]
    assert answer.headers["location"].startswith(REDIRECT_URI + "?code=AQB")


async def test_success_carries_the_junk_fragment(facebook: Facebook) -> None:
    """`#_=_` ends the redirect (facts 1.4, trap 5)."""
    answer = await decide(facebook)

    assert answer.headers["location"].endswith("#_=_")


async def test_codes_are_long_and_opaque(facebook: Facebook) -> None:
    """A code has several hundred characters, and no two are alike (facts 1.4)."""
    first, second = [query_of(await decide(facebook))["code"][0] for _ in range(2)]

    assert len(first) >= 200
    assert first != second


async def test_return_scopes_lists_granted_and_denied(facebook: Facebook) -> None:
    """return_scopes=true adds two comma lists (facts 1.4)."""
    answer = await decide(facebook, url_return_scopes="true", declined=["email"])

    assert query_of(answer)["denied_scopes"] == ["email"]
    granted = query_of(answer)["granted_scopes"][0].split(",")
    assert set(granted) == {"public_profile", *ALL_SCOPES.split(",")} - {"email"}


async def test_redirect_uri_with_a_query_keeps_it(facebook: Facebook) -> None:
    """The answer is joined with & when the redirect_uri has a query (facts 1.1)."""
    answer = await decide(facebook, url_redirect_uri=REDIRECT_URI + "?a=1")

    assert answer.headers["location"].startswith(REDIRECT_URI + "?a=1&code=")


async def test_without_state_none_comes_back(facebook: Facebook) -> None:
    """`state` is returned only when it was sent (facts 1.1)."""
    answer = await decide(facebook, url_state=None)

    assert "state" not in query_of(answer)


async def test_repeated_fields_choose_assets(facebook: Facebook) -> None:
    """Repeated `pages` and `instagram_accounts` limit the grant to them (facts 4.4, trap 7)."""
    ada = facebook.sandbox.world.person("ada")
    pages, accounts = list(ada.pages)[:2], list(ada.accounts)[:1]
    await decide(facebook, pages=pages, instagram_accounts=accounts)

    assert ada.grant is not None
    assert ada.grant.choice.pages == frozenset(pages)
    assert ada.grant.choice.instagram_accounts == frozenset(accounts)


async def test_an_asset_that_is_not_offered_is_refused(facebook: Facebook) -> None:
    """A Page id that the person doesn't have fails loudly instead of being dropped."""
    answer = await decide(facebook, pages=["1"])

    assert answer.status_code == 400
    assert "not offered 1" in answer.text


async def test_all_means_now_and_in_future(facebook: Facebook) -> None:
    """`pages=all` leaves target_ids out (facts 4.4)."""
    await decide(facebook, pages=["all"])

    ada = facebook.sandbox.world.person("ada")
    assert ada.grant is not None
    assert ada.grant.choice.pages is None


# --- refusal, facts 1.5 ---


async def test_cancel_redirects_with_the_four_errors(facebook: Facebook) -> None:
    """The person's refusal has exactly Facebook's parameters (facts 1.5)."""
    answer = await decide(facebook, decision="cancel")

    assert answer.headers["location"] == (
        f"{REDIRECT_URI}?error=access_denied&error_code=200&error_description=Permissions+error"
        "&error_reason=user_denied&state=st%26te%3D1#_=_"
    )


async def test_cancel_leaves_an_earlier_grant_alone(facebook: Facebook) -> None:
    """Refusing a second time takes nothing away (facts 1.5)."""
    await decide(facebook)
    before = facebook.sandbox.world.person("ada").grant
    await decide(facebook, decision="cancel")

    assert facebook.sandbox.world.person("ada").grant is before


# --- declined permissions and re-consent, facts 1.1 and traps 7, 8 ---


async def test_declined_stays_declined_without_rerequest(facebook: Facebook) -> None:
    """What was declined once is silently not asked again (trap 8)."""
    await decide(facebook, declined=["instagram_basic"])
    await decide(facebook)

    grant = facebook.sandbox.world.person("ada").grant
    assert grant is not None
    assert grant.permissions["instagram_basic"] == "declined"


async def test_rerequest_asks_again(facebook: Facebook) -> None:
    """auth_type=rerequest asks for declined permissions and for the assets (facts 1.1)."""
    ada = facebook.sandbox.world.person("ada")
    await decide(facebook, declined=["instagram_basic"], pages=list(ada.pages)[:1])
    await decide(facebook, url_auth_type="rerequest")

    assert ada.grant is not None
    assert ada.grant.permissions["instagram_basic"] == "granted"
    assert ada.grant.choice.pages == frozenset(ada.pages)


async def test_second_login_keeps_the_choice_of_assets(facebook: Facebook) -> None:
    """A plain login again keeps what was chosen before (facts 1.1)."""
    ada = facebook.sandbox.world.person("ada")
    await decide(facebook, pages=list(ada.pages)[:1])
    await decide(facebook)

    assert ada.grant is not None
    assert ada.grant.choice.pages == frozenset(list(ada.pages)[:1])


async def test_a_new_permission_is_asked_on_a_second_login(facebook: Facebook) -> None:
    """Only permissions never asked before are asked (facts 1.1)."""
    await decide(facebook, url_scope="pages_show_list")
    page = await facebook.http.get(dialog_url(facebook.sandbox, scope="pages_show_list,email"))

    assert 'value="email"' in page.text
    assert 'value="pages_show_list"' not in page.text


async def test_lapsed_data_access_needs_reauthorize(facebook: Facebook) -> None:
    """Only auth_type=reauthorize renews what has lapsed (facts 3.8, trap 14)."""
    await decide(facebook)
    facebook.sandbox.clock.advance(91 * 86_400)
    await decide(facebook)
    grant = facebook.sandbox.world.person("ada").grant
    assert grant is not None
    assert grant.data_access_until < facebook.sandbox.clock()

    await decide(facebook, url_auth_type="reauthorize")

    grant = facebook.sandbox.world.person("ada").grant
    assert grant is not None
    assert grant.data_access_until > facebook.sandbox.clock()


# --- misconfiguration, facts 1.3, 1.6, 1.7 ---


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ({"client_id": "1"}, "Invalid App ID"),
        ({"client_id": None}, "Invalid App ID"),
        ({"redirect_uri": "https://evil.example.test/"}, "URL blocked"),
        ({"redirect_uri": None}, "URL blocked"),
        ({"redirect_uri": "javascript:alert(1)"}, "URL blocked"),
        ({"redirect_uri": "http://[broken"}, "URL blocked"),
        ({"redirect_uri": "http://192.0.2.1/callback"}, "URL blocked"),
        ({"scope": "instagram_business_basic"}, "Invalid Scopes"),
        ({"scope": "pages_show_list wat"}, "Invalid Scopes"),
        ({"response_type": "token"}, "Invalid response_type"),
        ({"response_type": "wat"}, "Invalid response_type"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_misconfiguration_ends_at_facebook(
    facebook: Facebook, change: dict[str, str | None], title: str, method: str
) -> None:
    """Some mistakes show an HTML page and never come back (facts 1.7, trap 4)."""
    answer = await facebook.http.request(
        method,
        dialog_url(facebook.sandbox, "v26.0", **change),
        data={"person": "ada", "decision": "continue"} if method == "POST" else None,
    )

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
    assert "location" not in answer.headers
    assert f"<h1>{title}" in answer.text


async def test_the_alias_app_id_is_tolerated(facebook: Facebook) -> None:
    """`app_id` stands in for client_id (facts 1.1)."""
    answer = await decide(facebook, url_client_id=None, url_app_id=facebook.sandbox.config.app_id)

    assert answer.status_code == 302


async def test_the_allow_list_is_byte_equal() -> None:
    """A trailing slash or another case makes another redirect_uri (facts 1.1, Strict Mode)."""
    sandbox = Sandbox(SandboxConfig(redirect_uris=(REDIRECT_URI,)))
    async with httpx.AsyncClient(
        transport=sandbox.transport(), base_url="http://localhost:9000"
    ) as http:
        good = await http.get(dialog_url(sandbox))
        slash = await http.get(dialog_url(sandbox, redirect_uri=REDIRECT_URI + "/"))
        case = await http.get(dialog_url(sandbox, redirect_uri=REDIRECT_URI.replace("a", "A")))

    assert [good.status_code, slash.status_code, case.status_code] == [200, 400, 400]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_fault_redirects_without_error(facebook: Facebook, method: str) -> None:
    """error_code and error_message come back without `error` (facts 1.6, trap 4)."""
    facebook.sandbox.faults.preset("dialog_cannot_load")
    answer = await facebook.http.request(method, dialog_url(facebook.sandbox))

    assert query_of(answer).keys() == {"error_code", "error_message", "state"}
    assert query_of(answer)["error_code"] == ["1349048"]


async def test_an_expired_dialog_version_is_upgraded(facebook: Facebook) -> None:
    """The dialog's version is independent and silently upgraded (facts 1.20)."""
    for version in ("v12.0", "v26.0"):
        answer = await facebook.http.get(dialog_url(facebook.sandbox, version))
        assert answer.status_code == 200
    unversioned = await facebook.http.get(dialog_url(facebook.sandbox).removeprefix("/v26.0"))

    assert unversioned.status_code == 200


# --- Facebook Login for Business, facts 1.3, 1.4, 1.9 ---


@pytest.fixture
async def business() -> AsyncGenerator[Facebook]:
    """A Login-for-Business app whose configuration yields system-user tokens."""
    sandbox = Sandbox(SandboxConfig(login_for_business=True, config_system_user=True))
    async with httpx.AsyncClient(
        transport=sandbox.transport(), base_url="http://localhost:9000"
    ) as http:
        yield Facebook(sandbox, http)


async def test_a_business_app_needs_its_config_id(business: Facebook) -> None:
    """Without config_id the app 'isn't available', with no redirect (facts 1.3, trap 6)."""
    answer = await business.http.get(dialog_url(business.sandbox))

    assert answer.status_code == 400
    assert "It looks like this app isn&#39;t available" in answer.text


async def test_a_wrong_config_id(business: Facebook) -> None:
    """A page at Facebook (facts 1.7)."""
    answer = await business.http.get(dialog_url(business.sandbox, config_id="1"))

    assert answer.status_code == 400
    assert "Invalid config id" in answer.text


async def test_a_business_login_is_all_or_nothing(business: Facebook) -> None:
    """A configuration's permissions can't be declined one by one (facts 1.4)."""
    await decide(business, url_config_id="700000000000001", declined=["instagram_basic"])

    grant = business.sandbox.world.person("ada").grant
    assert grant is not None
    assert grant.names("declined") == []


async def test_a_system_user_configuration_gives_that_kind_of_token(business: Facebook) -> None:
    """type SYSTEM_USER, no expiry, and `me` isn't the person (facts 1.9, 4.3, trap 40)."""
    answer = await decide(business, person="dora", url_config_id="700000000000001")
    exchanged = await business.exchange(query_of(answer)["code"][0])
    token = exchanged.json()["access_token"]
    me = await business.get("/me", token, fields="id,client_business_id")

    assert "expires_in" not in exchanged.json()
    assert (await business.debug(token))["type"] == "SYSTEM_USER"
    assert me.json() == {"id": "1220000000000004", "client_business_id": "2000004000000001"}


# --- pages in a browser ---


async def test_two_steps_in_a_browser(facebook: Facebook) -> None:
    """Pick who you are, then consent; a cookie remembers who is logged in at Facebook."""
    url = dialog_url(facebook.sandbox)
    who = await facebook.http.get(url)
    picked = await facebook.http.post(url, data={"person": "cleo"})
    consent = await facebook.http.get(url)
    done = await facebook.http.post(url, data={"decision": "continue"})

    assert "Who are you at Facebook?" in who.text
    assert all(member.summary.split("'")[0] in who.text for member in CAST)
    assert (picked.status_code, picked.headers["location"]) == (303, "?" + url.partition("?")[2])
    assert "asks for access" in consent.text
    assert query_of(done).keys() == {"code", "state"}


async def test_consent_ticks_everything_by_default(facebook: Facebook) -> None:
    """Every Page, account and portfolio has a ticked box, every permission a decline box."""
    facebook.http.cookies.set("sandbox_person", "dora")
    page = await facebook.http.get(dialog_url(facebook.sandbox))

    dora = facebook.sandbox.world.person("dora")
    offered = sum(page.offered for page in dora.pages.values())
    assert page.text.count('name="pages"') == offered == 4
    assert page.text.count(" checked>") == offered + 4 + 1
    assert page.text.count('name="declined"') == len(ALL_SCOPES.split(","))


async def test_unticking_all_in_a_browser_means_none(facebook: Facebook) -> None:
    """The browser's form says which boxes it had, so that no tick means no asset."""
    await decide(facebook, shown=["pages", "instagram_accounts"])

    grant = facebook.sandbox.world.person("ada").grant
    assert grant is not None
    assert grant.choice.pages == frozenset()
    assert grant.choice.instagram_accounts == frozenset()


async def test_ten_thousand_pages_fit_the_form(facebook: Facebook) -> None:
    """A hundred boxes and one for the rest; ticking all gives all."""
    facebook.http.cookies.set("sandbox_person", "lou")
    page = await facebook.http.get(dialog_url(facebook.sandbox))
    lou = facebook.sandbox.world.person("lou")
    shown = list(lou.pages)[:100]
    await decide(facebook, person="lou", shown=["pages"], pages=shown, more_pages="on")

    assert "and 9,900 more" in page.text
    assert lou.grant is not None
    assert lou.grant.choice.pages == frozenset(lou.pages)


async def test_the_second_time_is_the_short_page(facebook: Facebook) -> None:
    """'Continue as X' without boxes once all was asked (facts 1.1)."""
    await decide(facebook, declined=["email"])
    page = await facebook.http.get(dialog_url(facebook.sandbox))

    assert "Continue as" in page.text
    assert "not asked again" in page.text
    assert 'type="checkbox"' not in page.text


async def test_not_you_forgets_the_person(facebook: Facebook) -> None:
    """'Not you?' leads back to the choice of people."""
    await decide(facebook)
    url = dialog_url(facebook.sandbox)
    switched = await facebook.http.post(url, data={"switch": "1"})
    page = await facebook.http.get(url)

    assert switched.status_code == 303
    assert "Who are you at Facebook?" in page.text


async def test_pages_say_that_this_is_a_simulation(facebook: Facebook) -> None:
    """Nobody takes it for Facebook."""
    page = await facebook.http.get(dialog_url(facebook.sandbox))

    assert "this is not Facebook" in page.text


async def test_security_headers_let_the_redirect_through(facebook: Facebook) -> None:
    """A strict CSP without form-action, which would stop the redirect to the app's origin."""
    page = await facebook.http.get(dialog_url(facebook.sandbox))
    policy = page.headers["content-security-policy"]

    assert "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action" not in policy


async def test_hostile_names_are_escaped(facebook: Facebook) -> None:
    """Script tags in names stay text, and a lone surrogate can be shown."""
    facebook.http.cookies.set("sandbox_person", "hana")
    page = await facebook.http.get(dialog_url(facebook.sandbox))

    assert page.status_code == 200
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text
    assert page.text.count('name="pages"') == len(facebook.sandbox.world.person("hana").pages)


async def test_the_stylesheet_is_served_by_the_sandbox(facebook: Facebook) -> None:
    """One stylesheet, for light and dark."""
    page = await facebook.http.get("/_static/sandbox.css")

    assert page.headers["content-type"].startswith("text/css")
    assert "prefers-color-scheme: dark" in page.text


async def test_mounted_under_a_prefix_links_carry_it() -> None:
    """Below /sandbox the stylesheet, the cookie's path and the panel's forms have the prefix."""
    sandbox = Sandbox(SandboxConfig(public_url="http://localhost:8000/sandbox"))
    async with httpx.AsyncClient(
        transport=sandbox.transport(), base_url="http://localhost:8000/sandbox"
    ) as http:
        page = await http.get(dialog_url(sandbox))
        picked = await http.post(dialog_url(sandbox), data={"person": "ada"})
        panel = await http.get("/_control/")

    assert 'href="/sandbox/_static/sandbox.css"' in page.text
    assert "Path=/sandbox" in picked.headers["set-cookie"]
    assert 'action="/sandbox/_control/faults"' in panel.text


async def test_nobody_of_that_name(facebook: Facebook) -> None:
    """A person who isn't in the cast is refused with a page."""
    answer = await decide(facebook, person="zed")

    assert answer.status_code == 400
    assert "Nobody of that name" in answer.text
