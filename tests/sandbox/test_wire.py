"""What every Graph answer has in common: versions, escapes, headers, envelope (facts 0, 1, 10)."""

import json
import re

import httpx
import pytest

from tests.sandbox.facebook import Facebook, error_of


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("v26.0", "v26.0"),
        ("v23.0", "v23.0"),
        ("v21.0", "v21.0"),
        ("v20.0", "v21.0"),
        ("v2.12", "v21.0"),
    ],
)
async def test_the_version_header_tells_the_version_served(
    facebook: Facebook, asked: str, served: str
) -> None:
    """Expired versions are silently served by the oldest usable (facts 1.13, trap 1)."""
    token = await facebook.token()
    params = {"access_token": token, "appsecret_proof": facebook.proof(token)}
    answer = await facebook.http.get(f"/{asked}/me", params=params)

    assert answer.status_code == 200
    assert answer.headers["facebook-api-version"] == served


async def test_no_version_is_the_apps_default(facebook: Facebook) -> None:
    """A dashboard setting decides (facts 1.15, trap 3)."""
    token = await facebook.token()
    params = {"access_token": token, "appsecret_proof": facebook.proof(token)}
    answer = await facebook.http.get("/me", params=params)

    assert answer.headers["facebook-api-version"] == "v25.0"


@pytest.mark.parametrize("version", ["v27.0", "v99.0", "v25.1"])
async def test_a_version_of_the_future_is_read_as_a_path(facebook: Facebook, version: str) -> None:
    """400/2500 'Unknown path components' (facts 1.14, trap 2)."""
    answer = await facebook.http.get(f"/{version}/me")

    assert error_of(answer) == (400, 2500, None)
    assert answer.json()["error"]["message"] == "Unknown path components: /me"
    assert b'"Unknown path components: \\/me"' in answer.content


async def test_raw_bytes_are_escaped(facebook: Facebook) -> None:
    """`/` is `\\/`, non-ASCII is `\\uXXXX`, JSON is compact (facts 0.6, 6.1)."""
    token = await facebook.token("hana", scope="pages_show_list,email")
    fields = "id,email,picture{url},accounts{name,link}"
    answer = await facebook.get("/me", token, fields=fields)

    assert answer.content.isascii()
    assert b"\\/" in answer.content
    assert re.search(rb"[^\\]/", answer.content) is None
    assert b"\\u2028" in answer.content
    assert b"\\u202e" in answer.content
    assert b"\\ud800" in answer.content
    assert b"\\u0000" in answer.content
    assert b"hana\\u0040example.test" in answer.content
    assert b'": ' not in answer.content
    assert answer.json()["email"] == "hana@example.test"


async def test_success_headers(facebook: Facebook) -> None:
    """The header set of facts 0.9."""
    answer = await facebook.get("/me", await facebook.token())

    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    assert answer.headers["cache-control"] == "private, no-cache, no-store, must-revalidate"
    assert answer.headers["pragma"] == "no-cache"
    assert answer.headers["expires"] == "Sat, 01 Jan 2000 00:00:00 GMT"
    assert re.fullmatch(r'"[0-9a-f]{40}"', answer.headers["etag"])
    assert answer.headers["vary"] == "Origin"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["strict-transport-security"] == "max-age=15552000; preload"
    assert answer.headers["x-fb-rlafr"] == "0"
    assert answer.headers.keys() >= {"x-fb-request-id", "x-fb-trace-id", "x-fb-rev", "x-fb-debug"}


async def test_bodies_of_some_size_are_gzipped(facebook: Facebook) -> None:
    """Then with a bare content type and Vary: Accept-Encoding (facts 0.9)."""
    token = await facebook.token("fay")
    answer = await facebook.get("/me/accounts", token)

    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.json()["data"]) == 25


async def test_if_none_match_is_not_honoured(facebook: Facebook) -> None:
    """ETag handling died with v26.0's clean-up (facts 1.17)."""
    token = await facebook.token()
    first = await facebook.get("/me", token)
    headers = {"authorization": f"Bearer {token}", "if-none-match": first.headers["etag"]}
    params = {"appsecret_proof": facebook.proof(token)}
    again = await facebook.http.get("/v26.0/me", params=params, headers=headers)

    assert again.status_code == 200


async def test_error_headers_and_envelope(facebook: Facebook) -> None:
    """no-store, no ETag, WWW-Authenticate, fbtrace_id == x-fb-request-id (facts 0.10, 10.1)."""
    answer = await facebook.get("/17841499999999999", await facebook.token())

    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers
    assert answer.headers["www-authenticate"].startswith(
        'OAuth "Facebook Platform" "invalid_request" "Unsupported get request. Object with ID'
    )
    assert answer.json()["error"]["fbtrace_id"] == answer.headers["x-fb-request-id"]
    assert answer.headers["x-fb-trace-id"] != answer.headers["x-fb-request-id"]
    assert list(answer.json()["error"]) == [
        "message",
        "type",
        "code",
        "error_subcode",
        "fbtrace_id",
    ]


async def test_transient_and_user_facing_fields(facebook: Facebook) -> None:
    """error_user_title, error_user_msg, is_transient where there are any (facts 10.1, 10.9)."""
    token = await facebook.token("jo")
    error = (await facebook.get("/100010000000002", token)).json()["error"]

    assert error["is_transient"] is False
    assert error["error_user_title"] == "Two-factor authentication required"
    assert error["error_user_msg"]


@pytest.mark.parametrize(
    "path", ["/?ids=1,2", "/v21.0/?ids=1,2", "/v26.0?ids=me", "/v26.0/me?ids=1"]
)
async def test_multi_get_is_gone(facebook: Facebook, path: str) -> None:
    """HTTP 500 with code 100, on every version (facts 12.9, traps 31, 32)."""
    answer = await facebook.http.get(path)

    assert error_of(answer) == (500, 100, None)
    assert "deprecated in v26.0+" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", (400, 100, 33)),
        ("/me/posts", (400, 100, None)),
        ("/100001000000001/feed", (400, 100, None)),
        ("/me/accounts/more", (400, 2500, None)),
        ("/somealias", (404, 803, None)),
        ("/oauth/authorize", (400, 2500, None)),
    ],
)
async def test_unknown_paths_are_refused_and_recorded(
    facebook: Facebook, path: str, expected: tuple[int, int | None, int | None]
) -> None:
    """As Graph refuses them (facts 6.5, 10.2), and `calls.unknown()` makes a test see it."""
    answer = await facebook.get(path, await facebook.token())

    assert error_of(answer) == expected
    assert [call.path for call in facebook.sandbox.calls.unknown()] == [path]


async def test_known_paths_are_not_recorded_as_unknown(facebook: Facebook) -> None:
    """The alarm is silent while all is well."""
    token = await facebook.token("dora")
    for path in ("/me", "/me/accounts", "/me/permissions", "/me/businesses", "/me/picture"):
        await facebook.get(path, token)

    assert facebook.sandbox.calls.unknown() == []


async def test_page_views_of_the_bare_address_go_to_the_panel(facebook: Facebook) -> None:
    """A developer who opens the sandbox in a browser finds the control panel."""
    answer = await facebook.http.get("/", headers={"accept": "text/html,*/*"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/_control/")


@pytest.mark.parametrize(
    "path", ["/settings?tab=linked_instagram", "/security/2fac/setup/intro/", "/100001000000001"]
)
async def test_links_to_facebook_end_at_a_page_of_the_sandbox(
    facebook: Facebook, path: str
) -> None:
    """A person who follows one stays offline, is told where it would lead, and no call is noted."""
    answer = await facebook.http.get(path, headers={"accept": "text/html,*/*"})

    assert answer.status_code == 200
    assert f"www.facebook.com{path.partition('?')[0]}<" in answer.text
    assert 'href="/_control/#people"' in answer.text
    assert len(facebook.sandbox.calls) == 0


async def test_a_graph_address_in_a_browser_is_answered_by_graph(facebook: Facebook) -> None:
    """With an access token it is no link, whatever the browser accepts."""
    token = await facebook.token()
    params = {"access_token": token, "appsecret_proof": facebook.proof(token)}
    answer = await facebook.http.get("/v26.0/me", params=params, headers={"accept": "text/html"})

    assert answer.json()["name"] == "Ada Invented"


async def test_writes_are_refused_as_unsupported(facebook: Facebook) -> None:
    """POST to a node that can't be written is 100/33 (facts 8.7)."""
    token = await facebook.token()
    answer = await facebook.get("/me", token, method="POST")

    assert error_of(answer) == (400, 100, 33)
    assert answer.json()["error"]["message"].startswith("Unsupported post request")


# --- usage headers, facts 11 ---


async def test_app_usage_without_instagram_fields(facebook: Facebook) -> None:
    """x-app-usage, beside cross-origin-resource-policy (facts 0.9, 11.1, 11.3)."""
    answer = await facebook.get("/me/accounts", await facebook.token(), fields="id")

    assert json.loads(answer.headers["x-app-usage"]).keys() == {
        "call_count",
        "total_cputime",
        "total_time",
    }
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "x-business-use-case-usage" not in answer.headers


async def test_business_usage_with_instagram_fields(facebook: Facebook) -> None:
    """Keyed by Instagram id, and no x-app-usage (facts 11.3, trap 34)."""
    token = await facebook.token()
    answer = await facebook.get("/me/accounts", token, fields="instagram_business_account{id}")
    usage = json.loads(answer.headers["x-business-use-case-usage"])

    assert "x-app-usage" not in answer.headers
    assert list(usage) == [f"1784140100000000{number}" for number in (1, 2, 3)]
    assert usage["17841401000000001"][0]["type"] == "instagram"
    assert usage["17841401000000001"][0]["estimated_time_to_regain_access"] == 0


async def test_a_page_node_with_instagram_has_both_keys(facebook: Facebook) -> None:
    """instagram and pages (facts 11.3)."""
    token = await facebook.token()
    page = "100001000000001"
    answer = await facebook.get(f"/{page}", token, fields="instagram_business_account{id}")
    usage = json.loads(answer.headers["x-business-use-case-usage"])

    assert [entry[0]["type"] for entry in usage.values()] == ["instagram", "pages"]


async def test_the_usage_header_has_at_most_32_objects(facebook: Facebook) -> None:
    """Facts 11.2."""
    token = await facebook.token("fay")
    fields = "instagram_business_account{id}"
    answer = await facebook.get("/me/accounts", token, fields=fields, limit="100")

    assert len(json.loads(answer.headers["x-business-use-case-usage"])) == 32


async def test_head_is_answered_like_get(facebook: Facebook) -> None:
    """HEAD gives the headers alone."""
    answer: httpx.Response = await facebook.get("/me", await facebook.token(), method="HEAD")

    assert answer.status_code == 200


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
async def test_json_bodies_that_cant_be_read(facebook: Facebook, content: bytes) -> None:
    """They count as no parameters, and are refused in Graph's way (facts 0.2)."""
    headers = {"content-type": "application/json"}
    answer = await facebook.http.post("/v26.0/oauth/access_token", content=content, headers=headers)

    assert error_of(answer) == (400, 101, None)


async def test_lone_surrogates_in_a_json_body(facebook: Facebook) -> None:
    """They are read as question marks, and refused as any garbage (facts 0.2)."""
    headers = {"content-type": "application/json"}
    content = b'{"access_token":"\\ud800","appsecret_proof":"\\ud800","method":"get"}'
    answer = await facebook.http.post("/v26.0/me", content=content, headers=headers)

    assert error_of(answer) == (400, 190, None)


async def test_fields_that_cant_be_read_are_2500(facebook: Facebook) -> None:
    """A syntax error in `fields` (facts 10.2)."""
    answer = await facebook.get("/me", await facebook.token(), fields="id,{")

    assert error_of(answer) == (400, 2500, None)


async def test_browsers_ask_for_an_icon(facebook: Facebook) -> None:
    """Their request for /favicon.ico is no unknown Graph call."""
    answer = await facebook.http.get("/favicon.ico")

    assert answer.status_code == 204
    assert facebook.sandbox.calls.unknown() == []
