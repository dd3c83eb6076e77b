"""Origins, sites and loopback: what browsers make of an address."""

import pytest

from igauth.origins import is_loopback, origin_of, same_site


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://a.test", "https://a.test"),
        ("HTTPS://A.test:443/x?y#z", "https://a.test"),
        ("http://a.test:443", "http://a.test:443"),
        ("http://a.test:080/", "http://a.test"),
        ("http://[::1]:9/", "http://[::1]:9"),
    ],
)
def test_an_origin_is_scheme_host_and_odd_port(url: str, origin: str) -> None:
    """RFC 6454: lower case, no default port."""
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        *("", "a.test", "//a.test", "/a", "javascript:alert(1)", "data:,x", "https:a.test"),
        *("https:///a.test", "https://a.test\\@b.test", "https://a.test\t", "https://a\n.test"),
        *("https://a@b.test", "https://a:b@c.test", "https://:80", "https://a.test:x"),
        *("https://ä.test", "https://a%2etest", "https://a.test:-1", "https://[::1", "https://a,b"),
        *("ws://a.test", "https://\x00a.test", "https://a.test\u00a0"),
    ],
)
def test_what_has_no_origin_is_refused(url: str) -> None:
    """Everything that a browser and we might read differently."""
    with pytest.raises(ValueError, match=r"^(?!.*a\.test)"):
        origin_of(url)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://localhost", True),
        ("http://app.localhost:3000", True),
        ("http://127.0.0.1", True),
        ("http://127.8.8.8", True),
        ("http://[::1]", True),
        ("http://0.0.0.0", False),
        ("http://10.0.0.1", False),
        ("http://localhost.test", False),
        ("http://notlocalhost", False),
    ],
)
def test_only_this_machine_is_loopback(url: str, loopback: bool) -> None:
    """Names that merely look like it aren't."""
    assert is_loopback(url) is loopback


@pytest.mark.parametrize(
    ("front_end", "service"),
    [
        ("https://app.example.com", "https://connect.example.com"),
        ("https://example.com", "https://connect.example.com:8443"),
        ("https://app.example.co.uk", "https://connect.example.co.uk"),
        ("http://localhost:5173", "http://localhost:8000"),
        ("http://127.0.0.1:5173", "http://127.0.0.1:8000"),
    ],
)
def test_one_site(front_end: str, service: str) -> None:
    """Ports and subdomains don't matter: a SameSite=Lax cookie goes along."""
    assert same_site(front_end, service)


@pytest.mark.parametrize(
    ("front_end", "service"),
    [
        ("https://app.example.com", "https://connect.example.org"),
        ("https://one.co.uk", "https://other.co.uk"),
        ("https://one.github.io", "https://other.github.io"),
        ("https://one.up.railway.app", "https://other.up.railway.app"),
        ("http://localhost:5173", "http://127.0.0.1:8000"),
        ("http://localhost:5173", "https://connect.example.com"),
        ("http://10.0.0.1", "http://10.0.0.2"),
    ],
)
def test_two_sites(front_end: str, service: str) -> None:
    """No cookie of the service is sent from there (defect B4)."""
    assert not same_site(front_end, service)
