"""Settings: read from three places, checked whole, refused whole, without a value (contract §2)."""

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from igauth import settings as module
from igauth.cli.dev import dev_settings
from igauth.domain import Provider
from igauth.key_lines import new_key_line
from igauth.sandbox.app import SandboxConfig
from igauth.settings import (
    Fault,
    RootKey,
    ServeSettings,
    Settings,
    SettingsRefused,
    load,
)

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / ".env.example"
MARK = "sEkReTvAlUe"


def key_text(secret: bytes) -> str:
    """Bytes as KEYS wants them."""
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


GOOD_SECRET = hashlib.sha256(b"invented").digest()
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
        "instagram_client_id": None,
        "instagram_client_secret": None,
        "instagram_scopes": ("instagram_business_basic", "instagram_business_content_publish"),
        "instagram_api_version": "v26.0",
        "instagram_authorize_url": "https://www.instagram.com",
        "instagram_token_url": "https://api.instagram.com",
        "instagram_graph_url": "https://graph.instagram.com",
        "outbound_proxy": None,
        "frontend_url": None,
        "allowed_origins": (),
        "connect_return_urls": (),
        "webhook_allowed_hosts": (),
        "keys": (),
        "session_idle_days": 14,
        "session_max_days": 60,
        "accounts_max_age": 300,
        "expiring_days": 7,
        "trusted_proxies": (),
        "rate_limit_login": "30/minute",
        "rate_limit_refresh": "6/minute",
        "rate_limit_service": "1200/minute",
        "metrics_token": None,
        "api_docs": True,
        "brand_name": None,
        "brand_logo_url": None,
        "support_url": None,
        "log_format": None,
        "log_level": "INFO",
    }
    assert settings.database_url == SecretStr("sqlite+aiosqlite:///igauth.db")


def test_a_secrets_file_is_read(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`/run/secrets`: the setting's name in lower case, a line end after the value."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "keys").write_text(f"{new_key_line()}\n{new_key_line()}\n")
    (tmp_path / "secrets" / "facebook_client_secret").write_text(f"{'f00d' * 8}\n")
    environment.delenv("KEYS")
    environment.delenv("FACEBOOK_CLIENT_SECRET")
    settings = load(ServeSettings)

    assert len(settings.keys) == 2
    assert settings.app[1].get_secret_value() == "f00d" * 8


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
        ("sqlite+aiosqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql://h/d?sslmode=require", "postgresql+asyncpg://h/d?sslmode=require"),
    ],
)
def test_database_urls_are_mapped_to_their_drivers(
    monkeypatch: pytest.MonkeyPatch, given: str, mapped: str
) -> None:
    """Plain URLs are accepted, and kept whole."""
    monkeypatch.setenv("DATABASE_URL", given)

    assert load(Settings).database_url.get_secret_value() == mapped


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


def test_dev_ignores_what_production_needs(environment: pytest.MonkeyPatch) -> None:
    """`igauth dev` heeds FACEBOOK_*, INSTAGRAM_*, KEYS, DATABASE_URL not even where senseless."""
    for name in Settings.model_fields:
        if name.startswith(("facebook_", "instagram_")) or name in ("keys", "database_url"):
            environment.setenv(name.upper(), MARK)
    facebook = SandboxConfig()
    settings = dev_settings("http://localhost:8000", facebook, keys=new_key_line())

    assert settings.app == (facebook.app_id, SecretStr(facebook.app_secret))
    assert MARK not in repr({name: getattr(settings, name) for name in Settings.model_fields})
    assert MARK not in settings.database_url.get_secret_value()


# --- two doors ---

FACEBOOK = {
    "FACEBOOK_CLIENT_ID": "901234567890123",
    "FACEBOOK_CLIENT_SECRET": "0123456789abcdef0123456789abcdef",
}
INSTAGRAM = {
    "INSTAGRAM_CLIENT_ID": "26000000000000041",
    "INSTAGRAM_CLIENT_SECRET": "fedcba9876543210fedcba9876543210",
}


@pytest.mark.parametrize(
    ("pairs", "doors"),
    [
        (FACEBOOK, (Provider.FACEBOOK,)),
        (INSTAGRAM, (Provider.INSTAGRAM,)),
        (FACEBOOK | INSTAGRAM, (Provider.FACEBOOK, Provider.INSTAGRAM)),
    ],
    ids=["facebook", "instagram", "both"],
)
def test_a_door_is_open_where_its_pair_is_set(
    environment: pytest.MonkeyPatch, pairs: dict[str, str], doors: tuple[Provider, ...]
) -> None:
    """Either door may be the only one (contract §2, §10)."""
    for name in FACEBOOK | INSTAGRAM:
        environment.setenv(name, pairs.get(name, ""))
    settings = load(ServeSettings)

    assert settings.open_doors == doors
    assert settings.facebook_open is (Provider.FACEBOOK in doors)
    assert settings.instagram_open is (Provider.INSTAGRAM in doors)
    for door in doors:
        app_id, secret = settings.app_of(door)
        assert (app_id, secret.get_secret_value()) == tuple(
            pairs[f"{door.upper()}_CLIENT_{half}"] for half in ("ID", "SECRET")
        )
        assert settings.redirect_uri_of(door) == (
            f"https://connect.example.test/auth/{door}/callback"
        )


@pytest.mark.parametrize("missing", [*FACEBOOK, *INSTAGRAM])
def test_half_a_pair_is_refused(environment: pytest.MonkeyPatch, missing: str) -> None:
    """The half that lacks is named, whichever other door is open."""
    for name, value in (FACEBOOK | INSTAGRAM).items():
        environment.setenv(name, "" if name == missing else value)
    (fault,) = faults_of()

    assert fault.setting == missing
    assert "is required beside" in fault.text


def test_one_app_at_both_doors_is_refused(environment: pytest.MonkeyPatch) -> None:
    """Meta gives the Instagram app an id of its own: the same one is a mistake."""
    for name, value in (FACEBOOK | INSTAGRAM).items():
        environment.setenv(name, value)
    environment.setenv("INSTAGRAM_CLIENT_ID", FACEBOOK["FACEBOOK_CLIENT_ID"])

    assert [fault.setting for fault in faults_of()] == ["INSTAGRAM_CLIENT_ID"]


def test_pairs_are_told_with_all_other_faults(environment: pytest.MonkeyPatch) -> None:
    """One start shows what each value and what all of them together have against them."""
    environment.setenv("FACEBOOK_CLIENT_ID", "")
    environment.setenv("BASE_URL", MARK)
    environment.setenv("LOG_LEVEL", MARK)

    assert [fault.setting for fault in faults_of()] == [
        *("BASE_URL", "FACEBOOK_CLIENT_ID", "LOG_LEVEL"),
    ]


def test_a_stand_ins_secret_may_be_anything(environment: pytest.MonkeyPatch) -> None:
    """32 hexadecimal characters are Meta's; where ALLOW_FAKE_FACEBOOK is on nobody checks."""
    environment.setenv("FACEBOOK_CLIENT_SECRET", "invented")
    environment.setenv("ALLOW_FAKE_FACEBOOK", "true")

    assert load(ServeSettings).app[1].get_secret_value() == "invented"


# --- addresses, hosts, proxies ---


def test_loopback_front_ends_may_be_http(environment: pytest.MonkeyPatch) -> None:
    """Somebody develops a front end against an igauth elsewhere; nobody is on that line."""
    environment.setenv("FRONTEND_URL", "http://localhost:5173/")
    environment.setenv("ALLOWED_ORIGINS", "http://127.0.0.1:3000")

    assert load(ServeSettings).allowed_origins == ("http://127.0.0.1:3000",)


def test_beside_a_loopback_service_anything_may_be_http(environment: pytest.MonkeyPatch) -> None:
    """Where BASE_URL itself is http, https elsewhere protects nothing."""
    environment.setenv("BASE_URL", "http://localhost:8000")
    environment.setenv("FRONTEND_URL", "http://app.test:5173/")

    assert load(ServeSettings).allowed_origins == ("http://app.test:5173",)


def test_what_backends_and_webhooks_may_name(environment: pytest.MonkeyPatch) -> None:
    """Addresses by origin and path, hosts by name or number, each once."""
    environment.setenv("CONNECT_RETURN_URLS", "https://App.test/done, https://app.test")
    environment.setenv("WEBHOOK_ALLOWED_HOSTS", "Hooks.internal, 10.0.0.9, [::1],hooks.internal")
    environment.setenv("OUTBOUND_PROXY", "http://me:p%40ss@proxy.test:3128/")
    settings = load(ServeSettings)

    assert settings.connect_return_urls == ("https://app.test/done", "https://app.test/")
    assert settings.webhook_allowed_hosts == ("hooks.internal", "10.0.0.9", "::1")
    assert settings.outbound_proxy is not None
    assert settings.outbound_proxy.get_secret_value() == "http://me:p%40ss@proxy.test:3128"
    assert "p%40ss" not in repr(settings)


# --- what is refused ---


def test_serve_names_everything_that_is_missing() -> None:
    """All four in one go, in the order of the table."""
    assert faults_of() == (
        Fault("FACEBOOK_CLIENT_ID", "is required, or INSTAGRAM_CLIENT_ID for the other door"),
        Fault(
            "FACEBOOK_CLIENT_SECRET", "is required, or INSTAGRAM_CLIENT_SECRET for the other door"
        ),
        Fault("FRONTEND_URL", "is required unless EXAMPLE_APP is true"),
        Fault("KEYS", "is required"),
    )
    assert faults_of(Settings) == ()


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
    ("FACEBOOK_CLIENT_SECRET", "x"),
    ("FACEBOOK_CLIENT_SECRET", "0" * 32),
    ("FACEBOOK_CLIENT_SECRET", "0123456789abcdef0123456789abcde"),
    ("FACEBOOK_CLIENT_SECRET", f"0123456789abcdef012345{MARK}"),
    ("FACEBOOK_SCOPES", "Instagram Basic"),
    ("FACEBOOK_SCOPES", f"instagram_basic;{MARK}"),
    ("FACEBOOK_SCOPES", ","),
    ("FACEBOOK_SCOPES", "instagram_basic,instagram_business_basic"),
    ("FACEBOOK_CONFIG_ID", f"{MARK}/x"),
    ("FACEBOOK_API_VERSION", "26"),
    ("FACEBOOK_API_VERSION", f"v26.0/{MARK}"),
    ("FACEBOOK_GRAPH_URL", f"https://{MARK}.test"),
    ("FACEBOOK_GRAPH_URL", "http://graph.facebook.com"),
    ("FACEBOOK_DIALOG_URL", "https://www.facebook.com.evil.test"),
    ("INSTAGRAM_SCOPES", "instagram_basic"),
    ("INSTAGRAM_SCOPES", "instagram_business_basic,pages_show_list"),
    ("INSTAGRAM_SCOPES", f"instagram_business_basic;{MARK}"),
    ("INSTAGRAM_API_VERSION", f"v26.0/{MARK}"),
    ("INSTAGRAM_AUTHORIZE_URL", f"https://{MARK}.test"),
    ("INSTAGRAM_TOKEN_URL", "https://graph.instagram.com"),
    ("INSTAGRAM_GRAPH_URL", "http://graph.instagram.com"),
    ("OUTBOUND_PROXY", MARK),
    ("OUTBOUND_PROXY", f"socks5://{MARK}:1080"),
    ("OUTBOUND_PROXY", f"http://u:{MARK}@proxy:x"),
    ("OUTBOUND_PROXY", f"http://proxy:3128/{MARK}"),
    ("FRONTEND_URL", "app.example.test"),
    ("FRONTEND_URL", "http://app.example.test/"),
    ("FRONTEND_URL", "http://192.168.0.7:3000/"),
    ("FRONTEND_URL", "javascript:alert(1)"),
    ("FRONTEND_URL", f"https://app.example.test:{MARK}/"),
    ("FRONTEND_URL", f"https://{MARK}@app.example.test/"),
    ("FRONTEND_URL", f"https://{MARK}℀.test/"),
    ("ALLOWED_ORIGINS", "*"),
    ("ALLOWED_ORIGINS", "https://a.test,*"),
    ("ALLOWED_ORIGINS", "null"),
    ("ALLOWED_ORIGINS", "https://*.example.test"),
    ("ALLOWED_ORIGINS", "https://a.test/path"),
    ("ALLOWED_ORIGINS", "https://a.test,http://b.test"),
    ("ALLOWED_ORIGINS", f"https://a.test:{MARK}"),
    ("CONNECT_RETURN_URLS", "app.example.test/done"),
    ("CONNECT_RETURN_URLS", "http://app.example.test/done"),
    ("CONNECT_RETURN_URLS", f"https://app.example.test/done?x={MARK}"),
    ("CONNECT_RETURN_URLS", "https://app.example.test/#done"),
    ("CONNECT_RETURN_URLS", "*"),
    ("WEBHOOK_ALLOWED_HOSTS", "https://hooks.test"),
    ("WEBHOOK_ALLOWED_HOSTS", "*.hooks.test"),
    ("WEBHOOK_ALLOWED_HOSTS", "hooks.test:8080"),
    ("WEBHOOK_ALLOWED_HOSTS", "10.0.0.0/8"),
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
    ("KEYS", f"k1:{MARK}!"),
    ("KEYS", f"k1:{key_text(bytes(32))}"),
    ("SESSION_IDLE_DAYS", "0"),
    ("SESSION_IDLE_DAYS", MARK),
    ("SESSION_IDLE_DAYS", "1e9"),
    ("SESSION_MAX_DAYS", "401"),
    ("SESSION_MAX_DAYS", "13"),
    ("ACCOUNTS_MAX_AGE", "-1"),
    ("EXPIRING_DAYS", MARK),
    ("TRUSTED_PROXIES", MARK),
    ("TRUSTED_PROXIES", "*"),
    ("TRUSTED_PROXIES", "0.0.0.0/0"),
    ("TRUSTED_PROXIES", "10.0.0.1,::/0"),
    ("TRUSTED_PROXIES", "0.0.0.0/1,128.0.0.0/1"),
    ("TRUSTED_PROXIES", "10.0.0.1,proxy.example.test"),
    ("RATE_LIMIT_LOGIN", MARK),
    ("RATE_LIMIT_LOGIN", "30"),
    ("RATE_LIMIT_LOGIN", "0/minute"),
    ("RATE_LIMIT_REFRESH", "-1/minute"),
    ("RATE_LIMIT_REFRESH", "30/minute;1/second"),
    ("RATE_LIMIT_SERVICE", "many"),
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
