"""`igauth doctor`, as people and scripts read it (contract §1)."""

import json
import re

from tests.cli.commands import MARK, Command, free_port, serving


def test_doctor_tells_what_is_missing(command: Command) -> None:
    """Exit 1 and a line for each fault with its mend, without values."""
    ended = command("doctor", FACEBOOK_CLIENT_ID=MARK)

    assert ended.code == 1
    assert re.findall(r"^not well  settings: (\w+):", ended.out, re.M) == [
        *("FACEBOOK_CLIENT_ID", "FACEBOOK_CLIENT_SECRET", "FRONTEND_URL", "KEYS"),
    ]
    assert ended.out.count("          mend: ") == 4
    assert MARK not in ended.out + ended.err


def test_doctor_prints_each_finding_and_what_to_paste(command: Command, sqlite_url: str) -> None:
    """`well`, `warning` or `not well` at the start of a line; the three URLs; the sentences."""
    ended = command(
        "doctor",
        **serving(
            sqlite_url,
            ALLOW_FAKE_FACEBOOK="true",
            FACEBOOK_GRAPH_URL=f"http://127.0.0.1:{free_port()}",
            FRONTEND_URL="http://127.0.0.1:5173/",
        ),
    )
    verdicts = re.findall(r"^(well|warning|not well) +([\w ]+): ", ended.out, re.M)

    assert ended.code == 1
    assert verdicts == [
        ("well", "settings"),
        ("well", "database"),
        ("well", "keys"),
        ("not well", "Facebook app"),
        ("not well", "Graph version"),
        ("well", "Login configuration"),
        ("warning", "front end"),
        ("warning", "Facebook"),
    ]
    for place in ("callback", "deauthorize", "data-deletion"):
        assert f"http://localhost:8000/auth/facebook/{place}\n" in ended.out
    assert "instagram_content_publish: publishes" in ended.out


def test_doctor_for_scripts(command: Command, sqlite_url: str) -> None:
    """`{"data": [...]}`; the exit code says the same."""
    ended = command(
        "doctor",
        "--json",
        **serving(
            sqlite_url,
            ALLOW_FAKE_FACEBOOK="true",
            FACEBOOK_GRAPH_URL=f"http://127.0.0.1:{free_port()}",
        ),
    )
    found = json.loads(ended.out)["data"]

    assert ended.code == 1
    assert {each["verdict"] for each in found} == {"well", "warning", "not well"}
    assert all(set(each) == {"verdict", "subject", "text", "mend"} for each in found)


def test_refused_settings_for_scripts(command: Command) -> None:
    """The same shape where nothing could be tried."""
    ended = command("doctor", "--json")

    assert ended.code == 1
    assert {each["verdict"] for each in json.loads(ended.out)["data"]} == {"not well"}
