"""Faults: what can go wrong on demand, and when it strikes (facts 17.11, 10)."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from igauth.sandbox.app import Sandbox
from igauth.sandbox.control.faults import ENDPOINTS, KINDS, PRESETS
from tests.sandbox.facebook import REDIRECT_URI, Facebook, Sleeps, dialog_url, error_of


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("unknown_error", (500, 1, None)),
        ("unavailable", (503, 2, None)),
        ("throttled_app", (403, 4, None)),
        ("throttled_user", (400, 17, None)),
        ("throttled_instagram", (400, 80002, None)),
        ("permission_denied", (403, 10, None)),
        ("permission_denied_400", (400, 10, None)),
        ("app_removed", (400, 190, 458)),
        ("password_changed_bare", (400, 190, None)),
        ("token_bad_401", (401, 190, None)),
    ],
)
async def test_presets_by_name(
    facebook: Facebook, preset: str, expected: tuple[int, int | None, int | None]
) -> None:
    """The codes and statuses of facts 10.2 and 17.11."""
    token = await facebook.token()
    facebook.sandbox.faults.preset(preset)

    assert error_of(await facebook.get("/me", token)) == expected


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_is_a_valid_fault(sandbox: Sandbox, name: str) -> None:
    """Each can be planned as it is."""
    assert sandbox.faults.preset(name).preset == name


async def test_throttles_bring_usage_headers(facebook: Facebook) -> None:
    """x-app-usage at 100, and minutes in the business header; no Retry-After (11.1-11.2, 11.7)."""
    token = await facebook.token()
    facebook.sandbox.faults.preset("throttled_app", times=1)
    facebook.sandbox.faults.preset("throttled_instagram", times=1)
    app = await facebook.get("/me", token)
    instagram = await facebook.get("/me", token)

    assert json.loads(app.headers["x-app-usage"])["call_count"] == 100
    assert app.json()["error"]["is_transient"] is True
    (entries,) = json.loads(instagram.headers["x-business-use-case-usage"]).values()
    assert entries[0]["estimated_time_to_regain_access"] == 12
    assert "retry-after" not in app.headers


async def test_times_counts_down(facebook: Facebook) -> None:
    """Two strikes, then all is well; without `times` until removed."""
    token = await facebook.token()
    fault = facebook.sandbox.faults.add("me", code=1, times=2)
    statuses = [(await facebook.get("/me", token)).status_code for _ in range(3)]

    assert statuses == [500, 500, 200]
    assert facebook.sandbox.faults.left(fault) is None
    assert len(facebook.sandbox.faults) == 0


async def test_a_fault_stays_until_removed(facebook: Facebook) -> None:
    """`remove` and `clear` end it."""
    token = await facebook.token()
    fault = facebook.sandbox.faults.add("me", code=1)
    first = await facebook.get("/me", token)
    facebook.sandbox.faults.remove(fault.id)
    second = await facebook.get("/me", token)

    assert [first.status_code, second.status_code] == [500, 200]


async def test_a_fault_for_one_person(facebook: Facebook) -> None:
    """Others are spared, at the token endpoint as well."""
    facebook.sandbox.faults.add("any", code=2, person="ben")
    ada = facebook.sandbox.authorize("ada", redirect_uri=REDIRECT_URI)
    ben = facebook.sandbox.authorize("ben", redirect_uri=REDIRECT_URI)

    assert (await facebook.exchange(ada)).status_code == 200
    assert error_of(await facebook.exchange(ben)) == (503, 2, None)


async def test_a_fault_of_an_edge_strikes_its_expansion(facebook: Facebook) -> None:
    """/me with accounts expanded fails as /me/accounts does (facts 6.6)."""
    token = await facebook.token()
    facebook.sandbox.faults.add("accounts", code=1)
    edge = await facebook.get("/me/accounts", token)
    expanded = await facebook.get("/me", token, fields="id,accounts.limit(5){id}")
    plain = await facebook.get("/me", token, fields="id")

    assert [edge.status_code, expanded.status_code, plain.status_code] == [500, 500, 200]


async def test_any_spares_dialog_and_parts(facebook: Facebook) -> None:
    """`any` is every Graph request, but neither the dialog nor single parts of a batch."""
    token = await facebook.token()
    facebook.sandbox.faults.add("any", code=1, times=1)
    struck = await facebook.batch(token, [{"method": "GET", "relative_url": "me"}])
    whole = await facebook.batch(token, [{"method": "GET", "relative_url": "me"}])

    assert struck.status_code == 500
    assert whole.json()[0]["code"] == 200


# --- after the effect, facts 2.5, 17.11, trap 9 ---


async def test_a_code_is_consumed_though_the_answer_is_lost(facebook: Facebook) -> None:
    """The connection is cut after the work was done; a retry is 36009 (facts 2.5, trap 9)."""
    facebook.sandbox.faults.preset("exchange_cut_after", times=1)
    code = facebook.sandbox.authorize("ada", redirect_uri=REDIRECT_URI)
    with pytest.raises(httpx.RemoteProtocolError):
        await facebook.exchange(code)

    assert error_of(await facebook.exchange(code)) == (400, 100, 36009)


async def test_a_code_survives_a_cut_before_the_effect(facebook: Facebook) -> None:
    """Without after_effect nothing was done."""
    facebook.sandbox.faults.add("exchange", "cut", times=1)
    code = facebook.sandbox.authorize("ada", redirect_uri=REDIRECT_URI)
    with pytest.raises(httpx.RemoteProtocolError):
        await facebook.exchange(code)

    assert (await facebook.exchange(code)).status_code == 200


async def test_a_dialog_can_be_cut_after_consent(facebook: Facebook) -> None:
    """Consent was given, the redirect got lost."""
    facebook.sandbox.faults.add("dialog", "cut", after_effect=True, times=1)
    url = (
        f"/dialog/oauth?client_id={facebook.sandbox.config.app_id}&redirect_uri={REDIRECT_URI}"
        "&scope=pages_show_list"
    )
    with pytest.raises(httpx.RemoteProtocolError):
        await facebook.http.post(url, data={"person": "ada", "decision": "continue"})

    assert facebook.sandbox.world.person("ada").grant is not None


# --- kinds, facts 10.7 ---


async def test_html_from_a_proxy(facebook: Facebook) -> None:
    """502 text/html (facts 10.7)."""
    facebook.sandbox.faults.preset("bad_gateway")
    answer = await facebook.get("/me")

    assert answer.status_code == 502
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("preset", "content"),
    [("empty_ok", b""), ("null_ok", b"null"), ("false_ok", b"false"), ("list_ok", b"[1,2]")],
)
async def test_odd_bodies_at_200(facebook: Facebook, preset: str, content: bytes) -> None:
    """Empty, null, false (facts 2.3, 10.7)."""
    facebook.sandbox.faults.preset(preset)
    answer = await facebook.get("/me")

    assert (answer.status_code, answer.content) == (200, content)


async def test_half_a_json(facebook: Facebook) -> None:
    """A body that can't be parsed (facts 10.7)."""
    facebook.sandbox.faults.preset("half_json")
    answer = await facebook.get("/me")

    with pytest.raises(ValueError, match="line 1"):
        answer.json()


async def test_a_redirect_to_another_place(facebook: Facebook) -> None:
    """A client should not follow it."""
    facebook.sandbox.faults.preset("redirect")
    answer = await facebook.get("/me")

    assert answer.status_code == 302
    assert answer.headers["location"].startswith("https://www.facebook.example.test/")


async def test_a_delay_waits_through_the_injected_sleep(facebook: Facebook, sleeps: Sleeps) -> None:
    """The answer is good, and nothing waits in real time."""
    facebook.sandbox.faults.preset("slow")
    answer = await facebook.get("/me", await facebook.token())

    assert answer.status_code == 200
    assert sleeps.seconds[-1] == 3.0


async def test_headers_on_a_good_answer(facebook: Facebook) -> None:
    """A `delay` of nothing only adds headers, e.g. high usage (facts 11.1)."""
    token = await facebook.token()
    facebook.sandbox.faults.preset("usage_high")
    answer = await facebook.get("/me", token)

    assert answer.status_code == 200
    assert json.loads(answer.headers["x-app-usage"])["call_count"] == 95


async def test_a_dripping_answer(facebook: Facebook, sleeps: Sleeps) -> None:
    """Byte by byte, with a pause after each."""
    token = await facebook.token()
    facebook.sandbox.faults.add("me", "drip", delay_seconds=2)
    answer = await facebook.get("/me", token)

    assert answer.json()["name"] == "Ada Invented"
    assert sleeps.seconds == [2.0] * len(answer.content)


async def test_an_oversized_answer_can_be_left(facebook: Facebook) -> None:
    """More than two megabytes, streamed, so that a client's cap ends it early."""
    facebook.sandbox.faults.preset("oversize")
    seen = 0
    async with facebook.http.stream("GET", "/v26.0/me") as answer:
        async for chunk in answer.aiter_bytes():
            seen += len(chunk)
            if seen > 2_000_000:
                break

    assert 2_000_000 < seen < 2_200_000


async def test_a_hang_ends_with_the_clients_patience(facebook: Facebook) -> None:
    """No answer until the caller gives up; the log shows no status."""
    token = await facebook.token()
    facebook.sandbox.faults.preset("hang")
    with pytest.raises(httpx.ReadTimeout):
        await facebook.http.get("/v26.0/me", params={"access_token": token}, timeout=0.01)

    assert facebook.sandbox.calls.of("me")[-1].status is None


async def test_a_hang_can_be_cancelled(facebook: Facebook) -> None:
    """A budget on the wall clock cancels the waiting."""
    facebook.sandbox.faults.preset("hang")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await facebook.http.get("/v26.0/me", timeout=None)


async def test_the_log_names_the_fault(facebook: Facebook) -> None:
    """A call shows by which fault it was struck."""
    facebook.sandbox.faults.preset("bad_gateway")
    await facebook.get("/me")

    assert [call.fault for call in facebook.sandbox.calls] == ["bad_gateway"]


async def test_pictures_can_fail_too(facebook: Facebook) -> None:
    """The files behind picture links belong to the endpoint `picture`."""
    facebook.sandbox.faults.add("picture", "html", status=500)
    answer = await facebook.http.get("/_pictures/1.svg")

    assert answer.status_code == 500


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "wat"},
        {"kind": "wat"},
        {"times": 0},
        {"status": 99},
        {"delay_seconds": -1},
        {"colour": "red"},
        {"preset": "wat"},
        {"headers": {"x-app-usage": "é"}},
        {"headers": {"x-app-usage": "a\r\nb: c"}},
        {"headers": {"bad name": "x"}},
    ],
)
def test_nonsense_is_not_planned(sandbox: Sandbox, wrong: dict[str, object]) -> None:
    """Clear validation errors, and nothing planned."""
    with pytest.raises(ValidationError):
        sandbox.faults.plan({"endpoint": "me", **wrong})

    assert len(sandbox.faults) == 0


def test_endpoints_and_kinds() -> None:
    """The vocabulary that the control API promises."""
    endpoints = (
        "dialog exchange upgrade debug_token me permissions accounts businesses owned_pages "
        "client_pages page instagram_account batch batch_part revoke picture any"
    )
    assert set(ENDPOINTS) >= set(endpoints.split())
    kinds = "graph_error inner_error html empty garbage cut half hang delay oversize drip redirect"
    assert set(KINDS) == set(kinds.split())


async def test_latency_of_every_answer(facebook: Facebook, sleeps: Sleeps) -> None:
    """One wait for each HTTP request, not for each part of a batch."""
    token = await facebook.token()
    facebook.sandbox.state.latency_seconds = 0.2
    await facebook.batch(token, [{"method": "GET", "relative_url": "me"}] * 3)

    assert sleeps.seconds == [0.2]


async def test_round_trips_count_what_had_to_wait(facebook: Facebook) -> None:
    """Calls side by side are one trip, calls after each other are several."""
    token = await facebook.token()
    facebook.sandbox.calls.clear()
    await asyncio.gather(*(facebook.get("/me", token) for _ in range(3)))
    side_by_side = facebook.sandbox.calls.round_trips()
    await facebook.get("/me", token)

    assert side_by_side <= 3
    assert facebook.sandbox.calls.round_trips() == side_by_side + 1


@pytest.mark.parametrize(
    ("code", "status"), [(1, 500), (2, 503), (4, 403), (200, 403), (190, 400), (None, 400)]
)
def test_statuses_follow_codes(sandbox: Sandbox, code: int | None, status: int) -> None:
    """Unless one is given (facts 10.2)."""
    fault = sandbox.faults.add("me", code=code)

    assert fault.error.status == status


async def test_pictures_and_dialog_can_be_slow(facebook: Facebook, sleeps: Sleeps) -> None:
    """A delay is waited, then all goes on as usual."""
    facebook.sandbox.faults.add("picture", "delay", delay_seconds=4)
    facebook.sandbox.faults.add("dialog", "delay", delay_seconds=5)
    picture = await facebook.http.get("/_pictures/1.svg")
    dialog = await facebook.http.get(dialog_url(facebook.sandbox))

    assert sleeps.seconds == [4.0, 5.0]
    assert (picture.status_code, dialog.status_code) == (403, 200)


async def test_texts_that_cant_be_encoded(facebook: Facebook) -> None:
    """A lone surrogate in a fault's text is no crash of the sandbox."""
    for kind in ("html", "garbage", "graph_error"):
        facebook.sandbox.faults.add("me", kind, body="\ud800", message="\ud800", times=1)
        assert (await facebook.get("/me")).status_code in (200, 400, 502)
    facebook.sandbox.faults.add("dialog", "redirect", message="\ud800", times=1)

    assert (await facebook.http.get(dialog_url(facebook.sandbox))).status_code == 302


async def test_a_broken_dialog_page(facebook: Facebook) -> None:
    """HTML without a redirect (facts 1.7)."""
    facebook.sandbox.faults.preset("dialog_broken")
    answer = await facebook.http.get(dialog_url(facebook.sandbox))

    assert answer.status_code == 500
    assert "Sorry, something went wrong" in answer.text


# --- narrowed: by person, node, field, limit; each endpoint, with a count or for ever ---

PAGE = "100001000000001"
_ASKS: dict[str, Any] = {
    "dialog": lambda facebook, _token: facebook.http.post(
        dialog_url(facebook.sandbox), data={"person": "ada", "decision": "continue"}
    ),
    "exchange": lambda facebook, _token: facebook.exchange(
        facebook.sandbox.authorize("ada", redirect_uri=REDIRECT_URI)
    ),
    "upgrade": lambda facebook, token: facebook.upgrade(token),
    "app_token": lambda facebook, _token: facebook.exchange(None, grant_type="client_credentials"),
    "debug_token": lambda facebook, token: facebook.get(
        "/debug_token", facebook.sandbox.ledger.app_token, input_token=token
    ),
    "batch": lambda facebook, token: facebook.batch(token, []),
    "batch_part": lambda facebook, token: _part(facebook, token),
    "revoke": lambda facebook, token: facebook.get("/me/permissions/email", token, method="DELETE"),
    "picture": lambda facebook, _token: _picture(facebook),
    "business": lambda facebook, token: facebook.get("/2000001000000001", token),
    "owned_pages": lambda facebook, token: facebook.get("/2000001000000001/owned_pages", token),
    "client_pages": lambda facebook, token: facebook.get("/2000001000000001/client_pages", token),
    "page": lambda facebook, token: facebook.get(f"/{PAGE}", token),
    "instagram_account": lambda facebook, token: facebook.get("/17841401000000001", token),
    "any": lambda facebook, token: facebook.get("/me", token),
    "me": lambda facebook, token: facebook.get("/me", token),
    **{
        edge: lambda facebook, token, edge=edge: facebook.get(f"/me/{edge}", token)
        for edge in ("permissions", "accounts", "businesses")
    },
}


async def _part(facebook: Facebook, token: str) -> httpx.Response:
    (part,) = (await facebook.batch(token, [{"method": "GET", "relative_url": "me"}])).json()
    return httpx.Response(part["code"])


async def _picture(facebook: Facebook) -> httpx.Response:
    token = await facebook.token()
    fields = "profile_picture_url"
    account = (await facebook.get("/17841401000000001", token, fields=fields)).json()
    return await facebook.http.get(account[fields])


@pytest.mark.parametrize(
    "endpoint", [each for each in ENDPOINTS if not each.startswith("instagram") or each in _ASKS]
)
async def test_each_endpoint_can_be_struck_for_one_person_and_once(
    facebook: Facebook, endpoint: str
) -> None:
    """By the control API: somebody else's fault spares the call, one's own strikes it once."""
    facebook.sandbox.world.person("ada").add_business("Ada's portfolio")
    token = await facebook.token()
    whose = [] if endpoint == "app_token" else ["ben", "ada"]  # an app's token is nobody's
    for person in whose:
        wanted = {"endpoint": endpoint, "kind": "html", "status": 599, "person": person, "times": 1}
        assert (await facebook.http.post("/_control/faults", json=wanted)).status_code == 201
    if not whose:
        facebook.sandbox.faults.add(endpoint, "html", status=599, times=1)
    statuses = [(await _ASKS[endpoint](facebook, token)).status_code for _ in range(2)]

    assert statuses[0] == 599
    assert statuses[1] < 400
    assert [fault.person for fault in facebook.sandbox.faults] == whose[:1]


@pytest.mark.parametrize("kind", sorted({"cut", "half", "hang", "delay", "drip", "garbage"}))
@pytest.mark.parametrize("endpoint", ["exchange", "debug_token", "accounts", "dialog", "picture"])
async def test_each_way_to_fail_lasts_until_removed(
    facebook: Facebook, endpoint: str, kind: str
) -> None:
    """Latency, hang, half answers, resets: at any endpoint, for ever where no count is given."""
    token = await facebook.token()
    facebook.sandbox.faults.add(endpoint, kind, delay_seconds=0.5, person="ada")
    facebook.http.timeout = httpx.Timeout(0.05)
    for _ in range(2):
        if kind in ("cut", "half", "hang"):
            with pytest.raises(httpx.TransportError):
                await _ASKS[endpoint](facebook, token)
        else:
            assert (await _ASKS[endpoint](facebook, token)).is_success or endpoint == "dialog"
    facebook.sandbox.faults.clear()

    assert (await _ASKS[endpoint](facebook, token)).status_code < 400


async def test_half_an_answer_ends_in_the_middle(facebook: Facebook) -> None:
    """The head promises the whole, and the work was done; then the connection is gone (17.11)."""
    facebook.sandbox.faults.preset("half_answer", endpoint="exchange", times=1)
    code = facebook.sandbox.authorize("ada", redirect_uri=REDIRECT_URI)
    with pytest.raises(httpx.ReadError):
        await facebook.exchange(code)

    assert error_of(await facebook.exchange(code)) == (400, 100, 36009)


async def test_half_a_part_of_a_batch_is_null(facebook: Facebook) -> None:
    """A part has no connection of its own (facts 12.5)."""
    facebook.sandbox.faults.add("batch_part", "half", times=1)
    answer = await facebook.batch(await facebook.token(), [{"relative_url": "me"}] * 2)

    assert [part and part["code"] for part in answer.json()] == [None, 200]


async def test_a_fault_of_one_node(facebook: Facebook) -> None:
    """A Page's own 190 strikes that Page alone, in a batch as well (facts 10.2, A22)."""
    token = await facebook.token()
    facebook.sandbox.faults.preset("page_token_needed", node=PAGE)
    parts = [{"relative_url": page} for page in (PAGE, "100001000000002")]
    answer = await facebook.batch(token, parts)

    assert error_of(await facebook.get(f"/{PAGE}", token)) == (400, 190, 2069032)
    assert [part["code"] for part in answer.json()] == [400, 200]
    assert (await facebook.get("/me/accounts", token)).status_code == 200


async def test_a_pages_own_190_in_an_edge(facebook: Facebook) -> None:
    """It can end a whole list, though the person's token lives (facts 10.2, A22)."""
    token = await facebook.token()
    facebook.sandbox.faults.preset("page_token_required", endpoint="accounts")

    assert error_of(await facebook.get("/me/accounts", token)) == (400, 190, None)
    assert (await facebook.debug(token))["is_valid"] is True


async def test_a_fault_of_one_field(facebook: Facebook) -> None:
    """A forbidden nested field fails the list and its expansion, and nothing else (7.2b, B23)."""
    token = await facebook.token()
    facebook.sandbox.faults.preset("nested_permission")
    nested = "id,instagram_business_account{id}"
    struck = [
        await facebook.get("/me/accounts", token, fields=nested),
        await facebook.get("/me", token, fields=f"id,accounts{{{nested}}}"),
    ]
    spared = [
        await facebook.get("/me/accounts", token, fields="id"),
        await facebook.get("/me", token, fields="id,accounts{id}"),
        await facebook.get(f"/{PAGE}", token, fields=nested),
    ]

    assert [error_of(answer) for answer in struck] == [(403, 10, None)] * 2
    assert [answer.status_code for answer in spared] == [200] * 3


@pytest.mark.parametrize(
    ("field", "struck"),
    [("instagram_business_account.username", True), ("accounts.username", False), ("name", True)],
)
async def test_a_field_may_be_named_by_its_path(
    facebook: Facebook, field: str, struck: bool
) -> None:
    """The end of the dotted path decides."""
    token = await facebook.token()
    facebook.sandbox.faults.add("me", code=10, field=field)
    fields = "name,accounts{instagram_business_account{username}}"
    answer = await facebook.get("/me", token, fields=fields)

    assert (answer.status_code == 403) is struck


async def test_exactly_the_expansion_is_refused(facebook: Facebook) -> None:
    """/me with Pages fails; the profile, the permissions and the list by itself do not (6.6)."""
    token = await facebook.token()
    facebook.sandbox.faults.preset("expansion_refused")
    whole = await facebook.get("/me", token, fields="id,permissions,accounts.limit(100){id}")
    profile = await facebook.get("/me", token, fields="id,permissions{permission,status}")
    pages = await facebook.get("/me/accounts", token, fields="id")

    assert error_of(whole) == (403, 10, None)
    assert (profile.status_code, pages.status_code) == (200, 200)


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("reduce_data", (500, 1, None)),
        ("reduce_data_minus_3", (500, -3, None)),
        ("reduce_data_localized", (500, 1, None)),
    ],
)
async def test_too_much_data_ends_when_less_is_asked(
    facebook: Facebook, preset: str, expected: tuple[int, int, None]
) -> None:
    """In three dressings; above a limit only, as an edge and as an expansion (6.7, 10.2, B25)."""
    token = await facebook.token("fay")
    facebook.sandbox.faults.preset(preset, above_limit=50)
    large = await facebook.get("/me/accounts", token, fields="id", limit="100")
    nested = await facebook.get("/me", token, fields="accounts.limit(100){id}")
    halved = await facebook.get("/me/accounts", token, fields="id", limit="50")

    assert error_of(large) == error_of(nested) == expected
    assert len(halved.json()["data"]) == 50
    assert ("reduce" in large.json()["error"]["message"]) == (preset != "reduce_data_localized")


async def test_portfolio_edges_refuse_in_their_own_ways(facebook: Facebook) -> None:
    """For want of a role; or only where Page tokens are asked for (7.2a, 7.6, B24)."""
    token = await facebook.token("dora")
    owned, client = (f"/2000004000000001/{edge}" for edge in ("owned_pages", "client_pages"))
    facebook.sandbox.faults.preset("portfolio_role_missing", endpoint="client_pages")
    facebook.sandbox.faults.preset("portfolio_token_refused")
    with_tokens = await facebook.get(owned, token, fields="id,access_token")

    assert error_of(await facebook.get(client, token)) == (403, 200, None)
    assert error_of(with_tokens) == (400, 100, None)
    assert "(access_token) on node type (Page)" in with_tokens.json()["error"]["message"]
    assert (await facebook.get(owned, token, fields="id")).status_code == 200


# --- debug_token that doesn't speak of the token, facts 4.6a (A18) ---


async def test_debug_token_can_be_refused_itself(facebook: Facebook) -> None:
    """An outer 100 that isn't 4.6's."""
    token = await facebook.token()
    facebook.sandbox.faults.preset("debug_token_refused")
    app_token = facebook.sandbox.ledger.app_token
    answer = await facebook.get("/debug_token", app_token, input_token=token)

    assert error_of(answer) == (400, 100, None)
    assert "did not match" not in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("preset", "body"), [("debug_token_empty", {}), ("debug_token_empty_data", {"data": {}})]
)
async def test_debug_token_can_say_nothing(
    facebook: Facebook, preset: str, body: dict[str, object]
) -> None:
    """HTTP 200 without a verdict."""
    token = await facebook.token()
    facebook.sandbox.faults.preset(preset)
    app_token = facebook.sandbox.ledger.app_token
    answer = await facebook.get("/debug_token", app_token, input_token=token)

    assert (answer.status_code, answer.json()) == (200, body)


@pytest.mark.parametrize(
    ("code", "subcode"), [(1, None), (2, None), (4, None), (17, None), (190, 463)]
)
async def test_debug_token_can_call_a_living_token_invalid(
    facebook: Facebook, code: int, subcode: int | None
) -> None:
    """is_valid false with an inner code of one's choice, passing or not."""
    token = await facebook.token()
    facebook.sandbox.faults.preset("debug_token_passing", code=code, subcode=subcode, times=1)
    struck = await facebook.debug(token)
    after = await facebook.debug(token)

    assert struck["is_valid"] is False
    assert (struck["error"]["code"], struck["error"].get("subcode")) == (code, subcode)
    assert after["is_valid"] is True


@pytest.mark.parametrize("preset", ["api_blocked", "api_deactivated"])
async def test_meta_can_switch_the_whole_app_off(facebook: Facebook, preset: str) -> None:
    """Code 200 on every call, whoever it is for (facts 10.2, A20)."""
    token = await facebook.token()
    facebook.sandbox.faults.preset(preset)
    answers = [
        await _ASKS[name](facebook, token)
        for name in ("exchange", "upgrade", "debug_token", "me", "accounts", "batch", "page")
    ]

    assert {error_of(answer)[1] for answer in answers} == {200}
    assert {answer.status_code for answer in answers} <= {400, 403}
