"""Settings: read from three places, checked whole, refused whole, without a value (contract §2)."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from igauth import settings as module
from igauth.cli.dev import dev_settings, new_key_line
from igauth.sandbox.app import SandboxConfig
from igauth.settings import (
    Fault,
    RootKey,
    ServeSettings,
    Settings,
    SettingsRefused,
    is_loopback,
    load,
    origin_of,
)

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / ".env.example"
MARK = "sEkReTvAlUe"


def key_text(secret: bytes) -> str:
    """Bytes as KEYS wants them."""
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


GOOD_SECRET = bytes((7 * number + 3) % 256 for number in range(32))
OTHER_SECRET = bytes((11 * number + 5) % 256 for number in range(32))
GOOD = {
    "BASE_URL": "https://connect.example.test",
    "FACEBOOK_CLIENT_ID": "901234567890123",
    "FACEBOOK_CLIENT_SECRET": "0123456789abcdef0123456789abcdef",
    "FRONTEND_URL": "https://app.example.test/home",
    "KEYS": f"k1:{key_text(GOOD_SECRET)}",
}


@pytest.fixture(autouse=True)
def nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Path]:
    """An empty folder, no variable, no secret: what a test sets is all there is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "SECRETS_DIR", tmp_path / "secrets")
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return (yield tmp_path)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of a process that may serve."""
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def faults_of(kind: type[Settings] = ServeSettings) -> tuple[Fault, ...]:
    """What `load` refuses; none where it doesn't."""
    try:
        load(kind)
    except SettingsRefused as refused:
        return refused.faults
    return ()


# --- what is read ---


def test_the_five_required_settings_are_enough(environment: pytest.MonkeyPatch) -> None:
    """With these, `serve` has all it needs; the rest has the contract's defaults."""
    settings = load(ServeSettings)

    assert settings.app == ("901234567890123", SecretStr(GOOD["FACEBOOK_CLIENT_SECRET"]))
    assert settings.keys == (RootKey("k1", GOOD_SECRET),)
    assert settings.allowed_origins == ("https://app.example.test",)
    assert settings.redirect_uri == "https://connect.example.test/auth/facebook/callback"
    assert settings.secure


def test_the_defaults_are_the_contracts() -> None:
    """Without anything set, the table of contract §2."""
    settings = load(Settings)

    assert settings.model_dump(exclude={"database_url"}) == {
        "allow_fake_facebook": False,
        "example_app": False,
        "base_url": "http://localhost:8000",
        "facebook_client_id": None,
        "facebook_client_secret": None,
        "facebook_scopes": (
            "pages_show_list",
            "instagram_basic",
            "instagram_content_publish",
            "pages_read_engagement",
            "business_management",
        ),
        "facebook_config_id": None,
        "facebook_api_version": "v26.0",
        "facebook_graph_url": "https://graph.facebook.com",
        "facebook_dialog_url": "https://www.facebook.com",
        "frontend_url": None,
        "allowed_origins": (),
        "keys": (),
        "session_idle_days": 14,
        "session_max_days": 60,
        "accounts_max_age": 300,
        "expiring_days": 7,
        "trusted_proxies": (),
        "rate_limit_login": "30/minute",
        "rate_limit_refresh": "6/minute",
        "metrics_token": None,
        "api_docs": True,
        "log_format": None,
        "log_level": "INFO",
    }
    assert settings.database_url == SecretStr("sqlite+aiosqlite:///igauth.db")


def test_a_line_of_igauth_keys_new_is_accepted(environment: pytest.MonkeyPatch) -> None:
    """What the command prints is what the setting takes: one line, or several, newest first."""
    lines = [new_key_line() for _ in range(3)]
    environment.setenv("KEYS", ",\n ".join(lines))

    assert [key.kid for key in load(ServeSettings).keys] == [line.split(":")[0] for line in lines]


@pytest.mark.parametrize("text", [key_text(GOOD_SECRET), key_text(GOOD_SECRET) + "="])
def test_a_key_may_be_padded(environment: pytest.MonkeyPatch, text: str) -> None:
    """base64url with or without its `=`."""
    environment.setenv("KEYS", f"k1:{text}")

    assert load(ServeSettings).keys[0].secret == GOOD_SECRET


def test_a_secrets_file_is_read(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`/run/secrets`: the setting's name in lower case, a line end after the value."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "keys").write_text(f"{new_key_line()}\n{new_key_line()}\n")
    (tmp_path / "secrets" / "facebook_client_secret").write_text("from-a-file-0123456789\n")
    environment.delenv("KEYS")
    environment.delenv("FACEBOOK_CLIENT_SECRET")
    settings = load(ServeSettings)

    assert len(settings.keys) == 2
    assert settings.app[1].get_secret_value() == "from-a-file-0123456789"


def test_the_environment_wins_over_the_file_and_that_over_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Environment, `.env`, secrets, default: the first that has a value."""
    (tmp_path / "secrets").mkdir()
    for name in ("facebook_config_id", "expiring_days", "session_idle_days"):
        (tmp_path / "secrets" / name).write_text("1")
    (tmp_path / ".env").write_text("FACEBOOK_CONFIG_ID=2\nEXPIRING_DAYS=2\nFOREIGN=x\n")
    monkeypatch.setenv("FACEBOOK_CONFIG_ID", "3")
    settings = load(Settings)

    assert (
        settings.facebook_config_id,
        settings.expiring_days,
        settings.session_idle_days,
        settings.session_max_days,
    ) == ("3", 2, 1, 60)


def test_an_empty_value_is_none(environment: pytest.MonkeyPatch) -> None:
    """`NAME=` in a file of a compose project means the default, or a missing setting."""
    environment.setenv("ACCOUNTS_MAX_AGE", "")
    environment.setenv("METRICS_TOKEN", "")
    assert (load(ServeSettings).accounts_max_age, load(Settings).metrics_token) == (300, None)

    environment.setenv("KEYS", "")

    assert faults_of() == (Fault("KEYS", "is required"),)


@pytest.mark.parametrize(
    ("given", "mapped"),
    [
        ("sqlite:///igauth.db", "sqlite+aiosqlite:///igauth.db"),
        ("sqlite:////var/lib/igauth.db", "sqlite+aiosqlite:////var/lib/igauth.db"),
        ("sqlite+aiosqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("postgresql://u:p@h:5432/d", "postgresql+asyncpg://u:p@h:5432/d"),
        ("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql+asyncpg://u:p%40%2F@[::1]:5432/d", None),
        ("postgresql:///d?host=/run/postgresql", "postgresql+asyncpg:///d?host=/run/postgresql"),
        ("postgresql://h/d?sslmode=require", "postgresql+asyncpg://h/d?ssl=require"),
    ],
)
def test_database_urls_are_mapped_to_their_drivers(
    monkeypatch: pytest.MonkeyPatch, given: str, mapped: str | None
) -> None:
    """Plain URLs are accepted; libpq's sslmode has another name at asyncpg."""
    monkeypatch.setenv("DATABASE_URL", given)

    assert load(Settings).database_url.get_secret_value() == (mapped or given)


def test_the_example_app_needs_no_frontend_url(environment: pytest.MonkeyPatch) -> None:
    """Then a login ends at this service itself."""
    environment.delenv("FRONTEND_URL")
    environment.setenv("EXAMPLE_APP", "true")
    settings = load(ServeSettings)

    assert settings.frontend == "https://connect.example.test/"
    assert settings.allowed_origins == ("https://connect.example.test",)


def test_lists_are_comma_lists(environment: pytest.MonkeyPatch) -> None:
    """Blanks, empty pieces and repeats don't matter."""
    environment.setenv("FACEBOOK_SCOPES", " instagram_basic , pages_show_list,,instagram_basic")
    environment.setenv(
        "ALLOWED_ORIGINS", "https://A.test, http://localhost:5173/,https://a.test:443"
    )
    environment.setenv("TRUSTED_PROXIES", "10.0.0.1, 192.168.0.0/16,::1")
    settings = load(ServeSettings)

    assert settings.facebook_scopes == ("instagram_basic", "pages_show_list")
    assert settings.allowed_origins == ("https://a.test", "http://localhost:5173")
    assert settings.trusted_proxies == ("10.0.0.1/32", "192.168.0.0/16", "::1/128")


@pytest.mark.parametrize("given", ["debug", "Debug", "DEBUG"])
def test_the_log_level_may_be_written_anyhow(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """Capitals don't matter, for the format neither."""
    monkeypatch.setenv("LOG_LEVEL", given)
    monkeypatch.setenv("LOG_FORMAT", "JSON")

    assert (load(Settings).log_level, load(Settings).log_format) == ("DEBUG", "json")


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://connect.example.test/", "https://connect.example.test"),
        ("HTTPS://Connect.Example.Test:443", "https://connect.example.test"),
        ("http://localhost:80", "http://localhost"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_the_base_url_becomes_an_origin(
    monkeypatch: pytest.MonkeyPatch, given: str, origin: str
) -> None:
    """The callback is built from it: always the same bytes."""
    monkeypatch.setenv("BASE_URL", given)

    assert load(Settings).base_url == origin


def test_a_fake_facebook_needs_leave(environment: pytest.MonkeyPatch) -> None:
    """Other origins than Facebook's own are taken only where that was said."""
    environment.setenv("FACEBOOK_GRAPH_URL", "http://localhost:9000/")
    environment.setenv("FACEBOOK_DIALOG_URL", "http://localhost:9000/prefix")
    assert {fault.setting for fault in faults_of()} == {"FACEBOOK_GRAPH_URL", "FACEBOOK_DIALOG_URL"}

    environment.setenv("ALLOW_FAKE_FACEBOOK", "true")
    settings = load(ServeSettings)

    assert settings.facebook_graph_url == "http://localhost:9000"
    assert settings.facebook_dialog_url == "http://localhost:9000/prefix"


def test_dev_ignores_what_production_needs(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`igauth dev` heeds neither FACEBOOK_*, KEYS nor DATABASE_URL, even senseless ones."""
    for name in Settings.model_fields:
        if name.startswith("facebook_") or name in ("keys", "database_url"):
            environment.setenv(name.upper(), MARK)
    (tmp_path / ".igauth").mkdir()
    facebook = SandboxConfig()
    settings = dev_settings("http://localhost:8000", facebook)

    assert settings.app == (facebook.app_id, SecretStr(facebook.app_secret))
    assert MARK not in repr({name: getattr(settings, name) for name in Settings.model_fields})
    assert MARK not in settings.database_url.get_secret_value()


# --- what is refused ---


def test_serve_names_everything_that_is_missing() -> None:
    """All four in one go, in the order of the table."""
    assert faults_of() == (
        Fault("FACEBOOK_CLIENT_ID", "is required"),
        Fault("FACEBOOK_CLIENT_SECRET", "is required"),
        Fault("FRONTEND_URL", "is required unless EXAMPLE_APP is true"),
        Fault("KEYS", "is required"),
    )
    assert faults_of(Settings) == ()


def weak(secret: bytes) -> str:
    """A KEYS line of these bytes."""
    return f"k1:{key_text(secret)}"


UNSAFE = [
    ("BASE_URL", "http://connect.example.test"),
    ("BASE_URL", "connect.example.test"),
    ("BASE_URL", "ftp://connect.example.test"),
    ("BASE_URL", "https://connect.example.test/path"),
    ("BASE_URL", "https://connect.example.test?x"),
    ("BASE_URL", "https://connect.example.test#x"),
    ("BASE_URL", f"https://{MARK}:x@connect.example.test"),
    ("BASE_URL", f"https://connect.example.test:{MARK}"),
    ("BASE_URL", f"https://[{MARK}]"),
    ("BASE_URL", "https://connect.example.test:99999"),
    ("BASE_URL", "https://"),
    ("BASE_URL", "https://a b.test"),
    ("BASE_URL", "http://localhost.evil.test"),
    ("BASE_URL", "http://127.0.0.1.evil.test"),
    ("FACEBOOK_CLIENT_ID", MARK),
    ("FACEBOOK_CLIENT_ID", "12 34"),
    ("FACEBOOK_CLIENT_SECRET", "changeme"),
    ("FACEBOOK_CLIENT_SECRET", "your-app-secret"),
    ("FACEBOOK_CLIENT_SECRET", "<app secret>"),
    ("FACEBOOK_CLIENT_SECRET", "xxxxxxxx"),
    ("FACEBOOK_SCOPES", "Instagram Basic"),
    ("FACEBOOK_SCOPES", f"instagram_basic;{MARK}"),
    ("FACEBOOK_SCOPES", ","),
    ("FACEBOOK_CONFIG_ID", f"{MARK}/x"),
    ("FACEBOOK_API_VERSION", "26"),
    ("FACEBOOK_API_VERSION", f"v26.0/{MARK}"),
    ("FACEBOOK_GRAPH_URL", f"https://{MARK}.test"),
    ("FACEBOOK_GRAPH_URL", "http://graph.facebook.com"),
    ("FACEBOOK_DIALOG_URL", "https://www.facebook.com.evil.test"),
    ("FRONTEND_URL", "app.example.test"),
    ("FRONTEND_URL", "javascript:alert(1)"),
    ("FRONTEND_URL", f"https://app.example.test:{MARK}/"),
    ("FRONTEND_URL", f"https://{MARK}@app.example.test/"),
    ("FRONTEND_URL", f"https://{MARK}℀.test/"),
    ("ALLOWED_ORIGINS", "*"),
    ("ALLOWED_ORIGINS", "https://a.test,*"),
    ("ALLOWED_ORIGINS", "null"),
    ("ALLOWED_ORIGINS", "https://*.example.test"),
    ("ALLOWED_ORIGINS", "https://a.test/path"),
    ("ALLOWED_ORIGINS", f"https://a.test:{MARK}"),
    ("DATABASE_URL", f"mysql://u:{MARK}@h/d"),
    ("DATABASE_URL", MARK),
    ("DATABASE_URL", "sqlite://"),
    ("DATABASE_URL", "sqlite:///:memory:"),
    ("DATABASE_URL", "sqlite:///file::memory:?uri=true"),
    ("DATABASE_URL", "sqlite:///file:x?mode=memory&uri=true"),
    ("DATABASE_URL", f"sqlite://{MARK}"),
    ("DATABASE_URL", f"postgresql://u:p@h:{MARK}/d"),
    ("DATABASE_URL", f"postgresql://u:p@{MARK}@h/d"),
    ("DATABASE_URL", f"postgresql://u:p@h/d?options={MARK}"),
    ("KEYS", MARK),
    ("KEYS", f":{key_text(GOOD_SECRET)}"),
    ("KEYS", f"k.1:{key_text(GOOD_SECRET)}"),
    ("KEYS", f"{'k' * 33}:{key_text(GOOD_SECRET)}"),
    ("KEYS", "k1:"),
    ("KEYS", f"k1:{MARK}!"),
    ("KEYS", f"k1:{MARK}é"),
    ("KEYS", weak(GOOD_SECRET[:31])),
    ("KEYS", weak(GOOD_SECRET + b"x")),
    ("KEYS", weak(bytes(32))),
    ("KEYS", weak(b"\xff" * 32)),
    ("KEYS", weak(GOOD_SECRET[:16] * 2)),
    ("KEYS", weak(b"ab" * 16)),
    ("KEYS", weak(b"changeme-0123456789abcdefghijklm")),
    ("KEYS", weak(b"your-key-0123456789abcdefghijklm")),
    ("KEYS", f"{weak(GOOD_SECRET)},{weak(OTHER_SECRET)}"),
    ("KEYS", f"{weak(GOOD_SECRET)},k2:{key_text(GOOD_SECRET)}"),
    ("KEYS", f"{weak(GOOD_SECRET)},{MARK}"),
    ("SESSION_IDLE_DAYS", "0"),
    ("SESSION_IDLE_DAYS", MARK),
    ("SESSION_IDLE_DAYS", "1e9"),
    ("SESSION_MAX_DAYS", "401"),
    ("SESSION_MAX_DAYS", "13"),
    ("ACCOUNTS_MAX_AGE", "-1"),
    ("EXPIRING_DAYS", MARK),
    ("TRUSTED_PROXIES", MARK),
    ("TRUSTED_PROXIES", "*"),
    ("TRUSTED_PROXIES", "10.0.0.1,proxy.example.test"),
    ("RATE_LIMIT_LOGIN", MARK),
    ("RATE_LIMIT_LOGIN", "30"),
    ("RATE_LIMIT_LOGIN", "0/minute"),
    ("RATE_LIMIT_REFRESH", "-1/minute"),
    ("RATE_LIMIT_REFRESH", "30/minute;1/second"),
    ("ALLOW_FAKE_FACEBOOK", MARK),
    ("API_DOCS", MARK),
    ("EXAMPLE_APP", MARK),
    ("LOG_FORMAT", MARK),
    ("LOG_LEVEL", MARK),
]


@pytest.mark.parametrize(("name", "value"), UNSAFE)
def test_an_unsafe_value_is_refused_by_name_alone(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """One fault, one line, the setting's name, and nothing of its value."""
    environment.setenv(name, value)

    (fault,) = faults_of()

    assert fault.setting == name
    assert len(str(fault).splitlines()) == 1
    assert MARK.lower() not in str(fault).lower()
    assert len(value) < 12 or value not in str(fault)


def test_every_setting_is_refused_in_one_go(environment: pytest.MonkeyPatch) -> None:
    """A start shows all that is wrong at once, and no value."""
    wrong = {name: value for name, value in UNSAFE if MARK in value}
    for name, value in wrong.items():
        environment.setenv(name, value)

    faults = faults_of()

    assert {fault.setting for fault in faults} >= wrong.keys()
    assert len(faults) == len({fault.setting for fault in faults})
    assert MARK not in repr(faults)


def test_a_bad_base_url_gives_the_example_app_no_second_fault(
    environment: pytest.MonkeyPatch,
) -> None:
    """FRONTEND_URL isn't asked for where EXAMPLE_APP is true."""
    environment.delenv("FRONTEND_URL")
    environment.setenv("EXAMPLE_APP", "true")
    environment.setenv("BASE_URL", MARK)

    assert [fault.setting for fault in faults_of()] == ["BASE_URL"]


def test_a_refusal_carries_no_value_anywhere(environment: pytest.MonkeyPatch) -> None:
    """Neither text, arguments nor the chain of causes shows what was given."""
    environment.setenv("KEYS", f"k1:{MARK}!")
    environment.setenv("FACEBOOK_CLIENT_ID", MARK)
    with pytest.raises(SettingsRefused) as refused:
        load(ServeSettings)

    assert MARK not in repr(refused.value) + str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_the_app_is_demanded_where_it_is_needed() -> None:
    """Settings that aren't for `serve` may lack the app; who asks for it is told."""
    with pytest.raises(SettingsRefused) as refused:
        _ = load(Settings).app

    assert [fault.setting for fault in refused.value.faults] == [
        "FACEBOOK_CLIENT_ID",
        "FACEBOOK_CLIENT_SECRET",
    ]


# --- what is kept ---


def test_settings_are_frozen(environment: pytest.MonkeyPatch) -> None:
    """Nobody changes them on the way."""
    with pytest.raises(ValueError, match="frozen"):
        load(ServeSettings).base_url = "https://evil.test"  # type: ignore[misc]  # it must fail


def test_settings_print_without_secrets(environment: pytest.MonkeyPatch) -> None:
    """Neither key, app secret, database password nor metrics token."""
    environment.setenv("DATABASE_URL", f"postgresql://u:{MARK}@h/d")
    environment.setenv("METRICS_TOKEN", MARK)
    settings = load(ServeSettings)

    for shown in (repr(settings), str(settings), settings.model_dump_json(exclude={"keys"})):
        assert MARK not in shown
        assert GOOD["FACEBOOK_CLIENT_SECRET"] not in shown
        assert repr(GOOD_SECRET)[2:20] not in shown
    assert repr(GOOD_SECRET)[2:20] not in repr(settings.keys)


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


# --- what is written down ---


@pytest.mark.skipif(not EXAMPLE.exists(), reason=".env.example is not written yet")
def test_the_example_file_names_every_setting() -> None:
    """`.env.example` and Settings know the same names, each once."""
    lines = EXAMPLE.read_text().splitlines()
    named = [match[1] for line in lines if (match := re.match(r"#? ?([A-Z][A-Z_]+)=", line))]

    assert sorted(named) == sorted(name.upper() for name in Settings.model_fields)


@pytest.mark.skipif(not EXAMPLE.exists(), reason=".env.example is not written yet")
def test_the_example_file_serves_nothing_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Copied unchanged it is refused: no sample secret or key is ever taken for a real one."""
    (tmp_path / ".env").write_text(EXAMPLE.read_text())
    faulty = {fault.setting for fault in faults_of()}

    assert {"FACEBOOK_CLIENT_SECRET", "KEYS"} <= faulty
