"""The example app as it is served (contract §5), and what its files alone can tell."""

import re
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

import igauth
from tests.stage import FACEBOOK, Browser, make_settings, open_stage

FILES = Path(igauth.__file__).parent / "example"
PAGE = (FILES / "index.html").read_text("utf-8")
MODULES = sorted(FILES.glob("*.js"))


@pytest.fixture
async def visitor(sqlite_url: str) -> AsyncGenerator[Browser]:
    """A browser of a service with EXAMPLE_APP=true."""
    async with open_stage(make_settings(sqlite_url, example_app=True)) as stage:
        yield stage.browser()


async def test_page_has_a_strict_policy(visitor: Browser) -> None:
    """Nothing inline, nothing from elsewhere but pictures; nobody may frame it."""
    response = await visitor.get("/")

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        f"img-src 'self' https: data: {FACEBOOK}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    )


async def test_page_knows_the_offline_facebook(visitor: Browser) -> None:
    """Where Facebook is a stand-in, the page links to its control panel."""
    response = await visitor.get("/")

    assert f'<meta name="offline-facebook" content="{FACEBOOK}/_control/">' in response.text


async def test_page_at_the_real_facebook(sqlite_url: str) -> None:
    """With the real Facebook there is no panel, and no other origin for pictures."""
    real = {"facebook_dialog_url": "https://www.facebook.com", "allow_fake_facebook": False}
    async with open_stage(make_settings(sqlite_url, example_app=True, **real)) as stage:
        response = await stage.browser().get("/")

    assert "img-src 'self' https: data:;" in response.headers["content-security-policy"]
    assert response.text == PAGE


async def test_unchanged_files_cost_a_304(visitor: Browser) -> None:
    """The page and its modules carry an ETag."""
    for path in ("/", "/example/app.js"):
        first = await visitor.get(path)
        again = await visitor.get(path, if_none_match=first.headers["etag"])

        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("igauth.js", "text/javascript; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
async def test_files_have_their_media_type(visitor: Browser, name: str, media_type: str) -> None:
    """`nosniff` makes browsers refuse a module of another type."""
    response = await visitor.get(f"/example/{name}")

    assert response.headers["content-type"] == media_type
    assert response.content == (FILES / name).read_bytes()


@pytest.mark.parametrize("name", ["index.html", "nothing.js", "..%2fapp.py", "%2e%2e", "app.js/"])
async def test_other_names_are_not_found(visitor: Browser, name: str) -> None:
    """Only the app's own files, and the page only at `/`."""
    response = await visitor.get(f"/example/{name}", sec_fetch_mode="cors")

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_off_by_default(sqlite_url: str) -> None:
    """Without EXAMPLE_APP there is nothing at `/`."""
    async with open_stage(make_settings(sqlite_url)) as stage:
        for path in ("/", "/example/app.js"):
            response = await stage.browser().get(path, sec_fetch_mode="cors")

            assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_page_has_nothing_inline() -> None:
    """No script, style or handler in the page: the policy would refuse it."""
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", PAGE)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_modules_parse_no_markup(module: Path) -> None:
    """Names and biographies are hostile: text is set as text, and nothing is evaluated."""
    text = module.read_text("utf-8")

    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text)
    assert "DOMParser" not in text


def test_every_file_that_is_named_exists() -> None:
    """The page's and the modules' references."""
    named = set(re.findall(r'(?:src|href)="/example/([^"]+)"', PAGE))
    for module in MODULES:
        named |= set(re.findall(r'from "\./([^"]+)"', module.read_text("utf-8")))

    assert named == {path.name for path in FILES.iterdir()} - {"index.html"}


def test_client_stands_alone() -> None:
    """`igauth.js` is to be copied: it imports nothing."""
    assert not re.search(r"^\s*import\b", (FILES / "igauth.js").read_text("utf-8"), re.M)
