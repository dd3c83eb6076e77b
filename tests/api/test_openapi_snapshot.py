"""The OpenAPI document in docs/ is the one that the program makes."""

import json
from pathlib import Path

from igauth.app import create_app
from tests.stage import make_settings

SNAPSHOT = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_snapshot_is_fresh() -> None:
    """A change of the API shows in review; after one, run: make openapi."""
    closed = {"facebook_client_id": None, "facebook_client_secret": None}
    settings = make_settings("sqlite+aiosqlite:///unused.db", **closed)  # then all is documented
    made = create_app(settings).openapi()

    assert json.loads(SNAPSHOT.read_text()) == json.loads(json.dumps(made))
