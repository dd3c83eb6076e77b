"""The bench's Facebook answers as Meta does, as far as a client can tell (graph-facts §2-§9)."""

import json
from typing import Any
from urllib.parse import urlencode

from benchmarks.graph_answers import APP_ID, Answers, code_for, parse_fields

TOKEN = b"Bearer EAAinventedLong250x0000000007"


def asked(path: str, authorization: bytes = TOKEN, /, **query: str) -> Any:
    """The body for one GET."""
    return json.loads(
        Answers().answer(f"/v26.0/{path}".encode(), urlencode(query).encode(), authorization, b"")
    )


def test_a_code_becomes_a_token_and_that_a_long_lived_one() -> None:
    """graph-facts 2.3, 3.2: what names the person goes along."""
    answers = Answers()
    code = urlencode({"code": code_for(3, 42)}).encode()
    short = json.loads(answers.answer(b"/v26.0/oauth/access_token", b"", b"", code))
    form = urlencode({"fb_exchange_token": short["access_token"]}).encode()
    long = json.loads(answers.answer(b"/v26.0/oauth/access_token", b"", b"", form))

    assert short == {
        "access_token": "EAAinventedShort3x0000000042",
        "token_type": "bearer",
        "expires_in": 5127,
    }
    assert long["access_token"] == "EAAinventedLong3x0000000042"
    assert answers.calls == {"oauth/access_token": 2}


def test_a_token_is_told_whose_it_is() -> None:
    """graph-facts 4.2: our app's, a user's, and the same person as `/me`."""
    told = asked("debug_token", b"", input_token="EAAinventedLong1x0000000042")["data"]
    person = asked("me", b"Bearer EAAinventedLong1x0000000042", fields="id,name")

    assert (told["app_id"], told["type"], told["is_valid"]) == (APP_ID, "USER", True)
    assert told["user_id"] == person["id"]


def test_fields_come_in_their_order_and_the_id_last() -> None:
    """graph-facts 0.5."""
    assert list(asked("me", fields="name")) == ["name", "id"]
    assert list(asked("me", fields="id,name")) == ["id", "name"]


def test_an_edge_inside_a_node_has_pages_of_its_own() -> None:
    """graph-facts 6.6."""
    fields = "id,accounts.limit(2){id,instagram_business_account{id,username}}"
    accounts = asked("me", fields=fields)["accounts"]

    assert [sorted(each) for each in accounts["data"]] == [["id", "instagram_business_account"]] * 2
    assert sorted(accounts["data"][0]["instagram_business_account"]) == ["id", "username"]
    assert "next" in accounts["paging"]


def test_cursors_lead_to_the_end() -> None:
    """graph-facts 7.4: `paging.next` only while there is more, cursors on every page."""
    seen, query = [], {"fields": "id", "limit": "100"}
    while True:
        part = asked("me/accounts", TOKEN, **query)
        seen += [each["id"] for each in part["data"]]
        query["after"] = part["paging"]["cursors"]["after"]
        if "next" not in part["paging"]:
            break

    assert len(seen) == len(set(seen)) == 250


def test_a_batch_has_its_bodies_as_strings() -> None:
    """graph-facts 12.4: each part with its own status."""
    page_id = asked("me/accounts", fields="id")["data"][4]["id"]
    parts = [{"method": "GET", "relative_url": f"{page_id}?fields=id,name"}]
    form = {"batch": json.dumps(parts), "access_token": TOKEN.decode()}
    (part,) = json.loads(Answers().answer(b"/v26.0/", b"", b"", urlencode(form).encode()))

    assert part["code"] == 200
    assert json.loads(part["body"]) == {"id": page_id, "name": "Invented Bakery 4"}


def test_slashes_are_escaped() -> None:
    """graph-facts 0.6."""
    raw = Answers().answer(b"/v26.0/me", b"fields=picture%7Burl%7D", TOKEN, b"")

    assert b"https:\\/\\/" in raw


def test_fields_are_read_as_meta_reads_them() -> None:
    """graph-facts 6.6: names, limits, what is asked within."""
    assert parse_fields("id,a.limit(5){b,c{d}},e") == [
        ("id", None, []),
        ("a", 5, [("b", None, []), ("c", None, [("d", None, [])])]),
        ("e", None, []),
    ]
