"""Replays the first stage of the Dockerfile in a scratch folder, and tries what came out.

For machines without a container engine; standard library only. Run by `make replay`. What it can't
show: the base image, the second stage, and how an engine runs the result.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_OUR_FOLDERS = re.compile(r"(?<![\w./-])/(?=(?:venv|src|wheels)\b)")
_UNCHECKED_HASH = b"\x01\0\0\0"
_PATIENCE_SECONDS = 600


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction of a Dockerfile, its lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield name.upper(), rest.strip()


class Replay:
    """The stage's state: where it stands, and its environment."""

    def __init__(self, scratch: Path, base: Path) -> None:
        self._scratch = scratch
        self._folder = scratch
        self._environment = {
            **{name: value for name, value in os.environ.items() if name[:6] != "PYTHON"},
            "PATH": f"{base / 'bin'}:{os.environ['PATH']}",
        }
        self._sent = _build_context()

    def step(self, name: str, rest: str) -> None:
        """Does one instruction."""
        if name == "ENV":
            self._environment |= dict(part.split("=", 1) for part in rest.split())
        elif name == "WORKDIR":
            self._folder = self._scratch / rest.lstrip("/")
            self._folder.mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                self._copy(source, target)
        elif name == "RUN":
            self.run(["sh", "-ec", _OUR_FOLDERS.sub(f"{self._scratch}/", rest)], self._folder)
        elif name not in ("ARG", "FROM"):
            sys.exit(f"replay: {name} in the first stage is not known to this script")

    def run(self, command: list[str], folder: Path, **more: str) -> None:
        """Runs to its end, or ends the replay."""
        subprocess.run(  # noqa: S603  # the Dockerfile's own steps
            command,
            cwd=folder,
            env=self._environment | more,
            check=True,
            timeout=_PATIENCE_SECONDS,
        )

    def _copy(self, source: str, target: str) -> None:
        if source not in self._sent:
            sys.exit(f"replay: .dockerignore keeps {source} out of the build")
        where = self._folder / target
        if (ROOT / source).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(ROOT / source, where, ignore=ignored)
        else:
            shutil.copy2(ROOT / source, where / source if where.is_dir() else where)


def _build_context() -> set[str]:
    """What .dockerignore lets through: it shuts everything out, then names exceptions."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    return {line[1:] for line in lines if line.startswith("!")}


def examine(replay: Replay, scratch: Path) -> None:
    """The program runs from the venv alone, and writes nothing into it."""
    venv, data = scratch / "venv", scratch / "data"
    data.mkdir()
    before = _files(venv)
    for arguments in (["--help"], ["keys", "new"], ["openapi"], ["migrate"]):
        with open(scratch / "said", "w") as said:
            subprocess.run(  # noqa: S603  # what was just built
                [venv / "bin" / "igauth", *arguments],
                cwd=data,
                env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
                stdout=said,
                check=True,
                timeout=_PATIENCE_SECONDS,
            )
    if _files(venv) != before:
        sys.exit("replay: running igauth wrote into its own folder")
    bare = [path for path in venv.glob("lib/**/igauth/**/*.py") if not _is_compiled(path)]
    if bare:
        sys.exit(f"replay: without byte code: {bare[0]}")
    if list(venv.glob("lib/**/pip")):
        sys.exit("replay: pip travels along")
    size = sum(path.stat().st_size for path in venv.rglob("*") if path.is_file()) >> 20
    sys.stdout.write(f"replay: /venv has {len(before)} files, {size} MB; migrated and answered\n")


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def _is_compiled(path: Path) -> bool:
    found = list((path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"))
    return len(found) == 1 and found[0].read_bytes()[4:8] == _UNCHECKED_HASH


def main() -> None:
    """Exits 0 when every step worked and the result runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="stands in for the base image's")
    chosen = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="igauth-image-") as folder:
        scratch, base = Path(folder).resolve(), Path(folder).resolve() / "base"
        subprocess.run([chosen.python, "-m", "venv", base], check=True)  # noqa: S603  # named by who runs this
        replay = Replay(scratch, base)
        stage = (ROOT / "Dockerfile").read_text("utf-8").split("\nFROM ")[1]
        for name, rest in instructions(f"FROM {stage}"):
            sys.stdout.write(f"replay: {name} {rest}\n")
            sys.stdout.flush()
            replay.step(name, rest)
        examine(replay, scratch)
    sys.stdout.write(f"replay: {time.monotonic() - began:.0f} s\n")


if __name__ == "__main__":
    main()
