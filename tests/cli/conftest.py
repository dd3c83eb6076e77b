"""A command, in an empty folder, with only the settings that a test gives it."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from igauth import settings as settings_module
from igauth.settings import Settings
from tests.cli.commands import Command, logging_as_it_was, run_here


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Command]:
    """Runs `igauth …` in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings_module, "SECRETS_DIR", tmp_path / "secrets")
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    with logging_as_it_was():
        yield partial(run_here, monkeypatch, capsys)
