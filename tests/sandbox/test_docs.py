"""docs/sandbox.md is what front-end developers read: it must name all that there is."""

from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from igauth.sandbox.app import Sandbox, SandboxConfig
from igauth.sandbox.control.callbacks import Tamper
from igauth.sandbox.control.faults import ENDPOINTS, KINDS, PRESETS, Fault
from igauth.sandbox.control.people import ACTIONS
from igauth.sandbox.state import SANDBOX_APP_SECRET
from igauth.sandbox.world.cast import CAST

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


@pytest.mark.parametrize("field", [each.name for each in fields(SandboxConfig)])
def test_every_setting_is_documented(field: str) -> None:
    """Each field of the configuration, by the name of its variable (B20)."""
    assert f"`SANDBOX_{field.upper()}`" in DOCS
