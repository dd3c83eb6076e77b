"""Node and the tools of clients/js, where this machine has them."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[2] / "clients" / "js"
Run = Callable[..., str]


def find_tools() -> Run:
    """Runs programs in clients/js, whose tools are installed; skips the test without node."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        if os.environ.get("IGAUTH_REQUIRE_NODE") == "1":
            pytest.fail("THE PACKAGE'S TESTS ARE REQUIRED: no node and npm on PATH")
        pytest.skip("THE PACKAGE WASN'T BUILT OR TYPE-CHECKED: no node and npm on PATH")
    if not (CLIENT / "node_modules" / "esbuild").exists():
        _run("npm", "ci", "--prefer-offline", "--no-fund", "--no-audit")
    return _run


def _run(*command: str, cwd: Path = CLIENT, **environment: str) -> str:
    """What a program printed; fails with all that it said."""
    done = subprocess.run(  # constants of the tests
        command,
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
