"""docs/sandbox.md is what front-end developers read: it must name all that there is."""

from pathlib import Path
from typing import get_args

import pytest

from igauth.sandbox.actions import ACTIONS
from igauth.sandbox.app import Sandbox
from igauth.sandbox.cast import CAST
from igauth.sandbox.config import SANDBOX_APP_SECRET
from igauth.sandbox.faults import ENDPOINTS, KINDS, Fault
from igauth.sandbox.presets import PRESETS
from igauth.sandbox.signed import Tamper

DOCS = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [*PRESETS, *ACTIONS, *ENDPOINTS, *KINDS, *get_args(Tamper), *(one.key for one in CAST)],
)
def test_every_name_is_documented(name: str) -> None:
    """Presets, actions, endpoints, kinds, ways of tampering, people."""
    assert f"`{name}`" in DOCS


@pytest.mark.parametrize("field", sorted(set(Fault.model_fields) - {"id"}))
def test_every_field_of_a_fault_is_documented(field: str) -> None:
    """What POST /_control/faults takes."""
    assert field in DOCS


def test_the_documented_ids_are_the_real_ones(sandbox: Sandbox) -> None:
    """User ids, and the examples of the text."""
    ada = sandbox.world.person("ada")

    assert all(f"| `{one.key}` | {one.id} |" in DOCS for one in CAST)
    assert (next(iter(ada.pages)), next(iter(ada.accounts))) == (
        "100001000000001",
        "17841401000000001",
    )
    assert sandbox.config.app_id in DOCS
    assert SANDBOX_APP_SECRET in DOCS
