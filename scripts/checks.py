"""The project's own rules that no linter knows; standard library only. Run by `make check`.

1. No file names the host of a package registry: whoever installs chooses where from.
2. No module of the package is longer than 500 lines.
3. Every decision record is numbered, and has its four headings in order.
4. Cookies are read by api/cookies.py alone, and redirects written by api/redirects.py alone.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_LINES = 500
HEADINGS = ["Context", "Decision", "Consequences", "Alternatives"]

# Put together here, so that this file passes its own check.
_REGISTRIES = (
    ("py", "pi.org"),
    ("python", "hosted.org"),
    ("npm", "js.org"),
    ("npm", "js.com"),
    ("yarn", "pkg.com"),
    ("anaconda", ".org"),
    ("crates", ".io"),
    ("ruby", "gems.org"),
)
_REGISTRY_HOST = re.compile("|".join(re.escape("".join(parts)) for parts in _REGISTRIES), re.I)
_INDEX_OPTION = re.compile(
    r"(index|registry|find[-_]links)[-_]?(url)?\W{1,4}(https?|file)" + "://", re.I
)

_PACKAGE = ROOT / "src" / "igauth"
_ONE_PLACE = (
    (
        re.compile(r"request\.cookies|cookie_parser|SimpleCookie|http\.cookies"),
        ("api/cookies.py",),
        "reads a cookie; api/cookies.py does that, strictly",
    ),
    (
        re.compile(r"""["']Location["']|RedirectResponse"""),
        ("api/redirects.py", "sandbox/"),
        "writes a Location; api/redirects.py does that, in ASCII",
    ),
)


def project_files() -> list[Path]:
    """What git tracks or would add; without git, all but what is hidden or built."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)  # noqa: S603  # a constant
    except (OSError, subprocess.CalledProcessError):
        return [path for path in ROOT.rglob("*") if path.is_file() and not _is_built(path)]
    names = listed.stdout.decode().split("\0")
    return [path for name in names if name and (path := ROOT / name).is_file()]


def _is_built(path: Path) -> bool:
    folders = path.relative_to(ROOT).parts[:-1]
    return any(
        folder in ("build", "dist", "node_modules", "__pycache__") for folder in folders
    ) or any(folder.startswith(".") and folder != ".ci" for folder in folders)


def registry_hosts() -> Iterator[str]:
    """Each line that names a registry or an index's address."""
    for path in project_files():
        text = path.read_bytes().decode("utf-8", "ignore")
        for number, line in enumerate(text.splitlines(), start=1):
            if _REGISTRY_HOST.search(line) or _INDEX_OPTION.search(line):
                yield f"{path.relative_to(ROOT)}:{number}: names a package registry's address"


def long_modules() -> Iterator[str]:
    """Each module of the package with more than MOST_LINES lines."""
    for path in sorted(_PACKAGE.rglob("*.py")):
        lines = len(path.read_text("utf-8").splitlines())
        if lines > MOST_LINES:
            yield f"{path.relative_to(ROOT)}: has {lines} lines; {MOST_LINES} are the most"


def out_of_place() -> Iterator[str]:
    """Each line that does by itself what one module does for all."""
    for path in sorted(_PACKAGE.rglob("*.py")):
        name = path.relative_to(_PACKAGE).as_posix()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            for pattern, homes, said in _ONE_PLACE:
                if pattern.search(line) and not name.startswith(homes):
                    yield f"{path.relative_to(ROOT)}:{number}: {said}"


def odd_decisions() -> Iterator[str]:
    """Each decision record that lacks a heading, or whose number is missing or taken."""
    taken: dict[str, str] = {}
    for path in sorted((ROOT / "docs" / "decisions").glob("*.md")):
        name = path.relative_to(ROOT)
        number = re.match(r"\d{4}(?=-[a-z0-9-]+\.md$)", path.name)
        if number is None:
            yield f"{name}: must be called NNNN-title.md"
        elif (first := taken.setdefault(number[0], path.name)) != path.name:
            yield f"{name}: has the number of {first}"
        if re.findall(r"^## (.+?)\s*$", path.read_text("utf-8"), re.M) != HEADINGS:
            yield f"{name}: its headings must be {', '.join(HEADINGS)}"


def main() -> None:
    """Exits 1 and prints every breach, or exits 0."""
    breaches = [*registry_hosts(), *long_modules(), *out_of_place(), *odd_decisions()]
    if breaches:
        sys.exit("\n".join(breaches))


if __name__ == "__main__":
    main()
