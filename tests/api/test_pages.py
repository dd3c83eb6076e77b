"""The pages that people meet are the operator's: their words, their language, their way back."""

from datetime import UTC, datetime
from typing import Any

import pytest

from igauth.api.languages import all_texts, texts_for
from igauth.api.pages import Brand, Pages
from igauth.api.problems import ProblemWriter
from igauth.domain import Provider
from igauth.errors import DatabaseUnavailable, NotAuthenticated, NotFound, all_errors
from igauth.settings import Settings, SettingsRefused, load
from tests.stage import make_settings

HTML = "text/html"
BRAND = Brand(
    "Invented <Press>",
    "https://cdn.invented.test/logo.svg",
    "mailto:help@invented.test",
    "https://app.invented.test/",
)
BARE = Brand(None, None, None, "https://app.invented.test/")


def _keys(node: Any, path: str = "") -> set[str]:
    if not isinstance(node, dict):
        return {path}
    return {key for name, value in node.items() for key in _keys(value, f"{path}.{name}")}


def _page(error: Any, brand: Brand = BRAND, language: str = "") -> tuple[str, Any]:
    writer = ProblemWriter("https://connect.invented.test", Pages(brand))
    response = writer.response(error, accept=HTML, navigation=True, language=language)
    return bytes(response.body).decode(), response


@pytest.mark.parametrize("tag", sorted(all_texts()))
def test_every_language_says_everything(tag: str) -> None:
    """The same keys in each file, placeholders included, and words for every code."""
    english, other = all_texts()["en"].words, all_texts()[tag].words

    assert _keys(other) == _keys(english)
    assert {error.code for error in all_errors()} <= set(other["problems"])
    assert len(other["months"]) == 12
    for words in (english, other):
        assert "{brand}" in words["page"]["back"]
        assert "{seconds}" in words["page"]["wait"]


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("fr,en;q=0.5,de;q=0.9", "de"),
        ("de;q=0,en", "en"),
        ("en-GB,de", "en"),
        ("*", "en"),
        ("de;q=often", "en"),
        ("xx," * 10_000, "en"),
    ],
)
def test_the_language_is_the_browsers(wanted: str, given: str) -> None:
    """The best of `Accept-Language` that there is (RFC 9110 §12.5.4); rubbish is English."""
    assert texts_for(wanted).tag == given


def test_words_first_and_the_reference_below() -> None:
    """What happened, in words, before code and status; and how one gets on."""
    html, response = _page(NotAuthenticated())

    assert html.index("You are not logged in") < html.index("not_authenticated")
    assert 'href="https://connect.invented.test/auth/facebook"' in html
    assert 'href="https://app.invented.test/"' in html
    assert 'href="mailto:help@invented.test"' in html
    assert response.status_code == 401


def test_the_operators_name_and_logo() -> None:
    """Escaped, and let in by the policy: the logo's origin and no other."""
    html, response = _page(NotFound())
    policy = response.headers["Content-Security-Policy"]

    assert "Invented &lt;Press&gt;" in html
    assert 'src="https://cdn.invented.test/logo.svg"' in html
    assert "img-src https://cdn.invented.test;" in policy
    assert "igauth" not in html.replace("urn:igauth", "")


def test_without_a_brand() -> None:
    """No empty header, no picture, and still a way back."""
    html, response = _page(NotFound(), BARE)

    assert "<header" not in html
    assert "<img" not in html
    assert "Back to the application" in html
    assert "img-src" not in response.headers["Content-Security-Policy"]


def test_german() -> None:
    """All of it, and said so to browsers and caches."""
    html, response = _page(DatabaseUnavailable(retry_after=7), language="de-CH")

    assert '<html lang="de">' in html
    assert "In 7 Sekunden können Sie es noch einmal versuchen." in html
    assert "Zurück zu Invented" in html
    assert response.headers["Content-Language"] == "de"
    assert response.headers["Vary"] == "Accept-Language"


def test_moments() -> None:
    """In words of the language, in UTC, and saying so."""
    at = datetime(2026, 3, 5, 9, 7, tzinfo=UTC)

    assert all_texts()["en"].moment(at) == "5 March 2026, 09:07 UTC"
    assert all_texts()["de"].moment(at) == "5. März 2026, 09:07 Uhr (UTC)"


@pytest.mark.parametrize(
    ("name", "value", "good"),
    [
        ("brand_logo_url", "https://cdn.invented.test/l.png", True),
        ("brand_logo_url", "http://cdn.invented.test/l.png", False),
        ("brand_logo_url", "mailto:a@b.test", False),
        ("support_url", "https://help.invented.test/", True),
        ("support_url", "mailto:a@b.test", True),
        ("support_url", "javascript:alert(1)", False),
        ("brand_name", "x" * 81, False),
    ],
)
def test_addresses_of_the_brand(name: str, value: str, *, good: bool) -> None:
    """https only; help may be by mail."""
    if good:
        assert getattr(make_settings("sqlite+aiosqlite:///unused.db", **{name: value}), name)
        return
    given: dict[str, Any] = {name: value}
    with pytest.raises(SettingsRefused, match=name.upper()):
        load(Settings, **given)


def test_the_popup_loads_nothing() -> None:
    """Its address has just held a code: the operator's name is shown, the logo isn't fetched."""
    response = Pages(BRAND).page(
        "popup.html",
        all_texts()["en"],
        script=True,
        message={"source": "igauth", "ok": True},
        title="T",
        sentence="S",
        target_origin="https://app.invented.test",
        return_to="https://app.invented.test/",
    )

    assert b"Invented &lt;Press&gt;" in response.body
    assert b"<img" not in response.body
    assert "img-src" not in response.headers["Content-Security-Policy"]


def test_the_way_in_is_an_open_door() -> None:
    """Where only Instagram's is open, a page leads there, and not to a 404."""
    writer = ProblemWriter("https://connect.invented.test", Pages(BARE), Provider.INSTAGRAM)
    action = writer.problem(NotAuthenticated()).action

    assert action is not None
    assert action.url == "https://connect.invented.test/auth/instagram"
