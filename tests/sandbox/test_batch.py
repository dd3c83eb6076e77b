"""Batch requests (facts 12)."""

import json

import pytest

from tests.sandbox.facebook import Facebook, error_of

PAGE = "100001000000001"


def read(url: str, **more: object) -> dict[str, object]:
    """A GET part."""
    return {"method": "GET", "relative_url": url, **more}


async def test_answers_come_in_request_order(facebook: Facebook) -> None:
    """HTTP 200 outside, failures inside, body a string of JSON (facts 12.4, trap 33)."""
    parts = [read(f"{PAGE}?fields=name"), read("17841499999999999"), read("me?fields=id")]
    answer = await facebook.batch(await facebook.token(), parts)
    body = answer.json()

    assert answer.status_code == 200
    assert [part["code"] for part in body] == [200, 400, 200]
    assert json.loads(body[0]["body"]) == {"name": "Invented Bakery", "id": PAGE}
    error = json.loads(body[1]["body"])["error"]
    assert (error["code"], error["error_subcode"]) == (100, 33)
    names = {header["name"] for header in body[1]["headers"]}
    assert "Www-Authenticate" in names


async def test_headers_can_be_left_out(facebook: Facebook) -> None:
    """No `headers` key with include_headers=false (facts 12.4)."""
    answer = await facebook.batch(await facebook.token(), [read("me")], include_headers="false")

    assert answer.json()[0].keys() == {"code", "body"}


async def test_a_version_in_the_part_is_allowed(facebook: Facebook) -> None:
    """relative_url may begin with one; else the batch's counts (facts 12.2)."""
    parts = [read("v23.0/me"), read("/me"), read("v99.0/me")]
    body = (await facebook.batch(await facebook.token(), parts)).json()
    versions = [
        header["value"]
        for part in body
        for header in part["headers"]
        if header["name"] == "Facebook-Api-Version"
    ]

    assert versions == ["v23.0", "v26.0", "v26.0"]
    assert [part["code"] for part in body] == [200, 200, 400]


async def test_fifty_parts_and_not_one_more(facebook: Facebook) -> None:
    """GraphBatchException without a code (facts 12.6)."""
    token = await facebook.token()
    fifty = await facebook.batch(token, [read("me")] * 50)
    more = await facebook.batch(token, [read("me")] * 51)

    assert len(fifty.json()) == 50
    assert more.status_code == 400
    assert more.json()["error"]["type"] == "GraphBatchException"
    assert "code" not in more.json()["error"]


async def test_a_bad_top_level_token_fails_the_lot(facebook: Facebook) -> None:
    """An object rather than an array (facts 12.7, trap 33)."""
    answer = await facebook.batch("EAAgarbage", [read("me", access_token=await facebook.token())])

    assert error_of(answer) == (400, 190, None)


async def test_a_top_level_token_is_mandatory(facebook: Facebook) -> None:
    """Even if each part has its own (facts 12.3)."""
    part = read("me", access_token=await facebook.token())
    answer = await facebook.http.post("/v26.0/", data={"batch": json.dumps([part])})

    assert error_of(answer) == (400, 104, None)


async def test_a_part_with_its_own_token_needs_its_own_proof(facebook: Facebook) -> None:
    """The top-level proof belongs to the top-level token (facts 5.1, 5.6)."""
    token = await facebook.token()
    listed = (await facebook.get("/me/accounts", token, fields="access_token")).json()["data"]
    page_token = listed[0]["access_token"]
    parts = [
        read("me?fields=name", access_token=page_token),
        read(
            f"me?fields=name&appsecret_proof={facebook.proof(page_token)}", access_token=page_token
        ),
    ]
    body = (await facebook.batch(token, parts)).json()

    assert [part["code"] for part in body] == [400, 200]
    assert json.loads(body[1]["body"])["name"] == "Invented Bakery"


async def test_a_wrong_top_level_proof(facebook: Facebook) -> None:
    """Checked whenever sent (facts 5.3)."""
    answer = await facebook.batch(await facebook.token(), [read("me")], appsecret_proof="0" * 64)

    assert error_of(answer) == (400, 100, None)


async def test_a_lost_part_is_null(facebook: Facebook) -> None:
    """null = timed out, retry that part only (facts 12.5)."""
    facebook.sandbox.faults.preset("null_part", times=1)
    body = (await facebook.batch(await facebook.token(), [read("me"), read("me")])).json()

    assert body[0] is None
    assert body[1]["code"] == 200


@pytest.mark.parametrize("endpoint", ["batch_part", "page"])
async def test_a_part_can_fail_by_fault(facebook: Facebook, endpoint: str) -> None:
    """By the part, or by the endpoint that the part asks."""
    facebook.sandbox.faults.add(endpoint, code=2, status=503, times=1)
    parts = [read(PAGE), read(PAGE)]
    body = (await facebook.batch(await facebook.token(), parts)).json()

    assert [part["code"] for part in body] == [503, 200]


async def test_dependent_and_omitted_parts_are_null(facebook: Facebook) -> None:
    """omit_response_on_success, and a parent that failed (facts 12.5)."""
    parts = [
        read("me", name="good", omit_response_on_success=True),
        read("17841499999999999", name="bad"),
        read("me", depends_on="good"),
        read("me", depends_on="bad"),
    ]
    body = (await facebook.batch(await facebook.token(), parts)).json()

    assert [part and part["code"] for part in body] == [None, 400, 200, None]


async def test_parts_can_write(facebook: Facebook) -> None:
    """A DELETE in a part; a body in a part is a form (facts 12.2)."""
    token = await facebook.token()
    parts: list[dict[str, object]] = [
        {"method": "POST", "relative_url": "me/permissions/email", "body": "method=delete"},
        {"method": "DELETE", "relative_url": "me/permissions"},
        read("me"),
    ]
    body = (await facebook.batch(token, parts)).json()

    assert [part["code"] for part in body] == [200, 200, 400]
    assert json.loads(body[2]["body"])["error"]["error_subcode"] == 458


@pytest.mark.parametrize("batch", ["", "{}", "[1]", "wat", '"x"'])
async def test_a_malformed_batch(facebook: Facebook, batch: str) -> None:
    """Code 100 for what isn't an array of objects."""
    token = await facebook.token()
    form = {"access_token": token, "appsecret_proof": facebook.proof(token), "batch": batch}
    answer = await facebook.http.post("/v26.0/", data=form)

    assert error_of(answer) == (400, 100, None)


@pytest.mark.parametrize("path", ["/", "/v26.0/", "/v26.0"])
async def test_json_bodies_and_the_host_root(facebook: Facebook, path: str) -> None:
    """JSON is read as well, at the root with or without version (facts 12.1)."""
    token = await facebook.token()
    content = {
        "access_token": token,
        "appsecret_proof": facebook.proof(token),
        "batch": [read("me")],
    }
    answer = await facebook.http.post(path, json=content)

    assert answer.json()[0]["code"] == 200


async def test_the_log_shows_parts(facebook: Facebook) -> None:
    """The batch says how many parts it had, each part which batch it belongs to."""
    await facebook.batch(await facebook.token(), [read(PAGE), read("me")])
    (batch,) = facebook.sandbox.calls.of("batch")
    parts = [call for call in facebook.sandbox.calls if call.part_of == batch.began]

    assert batch.parts == 2
    assert [(part.endpoint, part.carried, part.proof) for part in parts] == [
        ("page", "batch", "valid"),
        ("me", "batch", "valid"),
    ]
