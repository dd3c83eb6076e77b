"""Where settings are read from: files that can't be, and names that nobody reads (B26, B11)."""

import os
from pathlib import Path

import pytest

from igauth import settings as module
from igauth.setting_sources import unknown_names, unreadable_files
from igauth.settings import Settings, SettingsRefused, load
from tests.nobody import as_nobody, open_folder

NAMES = [name.upper() for name in Settings.model_fields]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, no variable, no secret."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "SECRETS_DIR", tmp_path / "secrets")
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def refused() -> list[str]:
    """The lines of a refusal; none where there is none."""
    try:
        load(Settings)
    except SettingsRefused as error:
        return str(error).splitlines()
    return []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("EXPIRING_DAYS=3\n".encode("utf-16"), "UTF-8"),
        ("EXPIRING_DAYS=3\n".encode("utf-16-le"), "UTF-8"),
        ("# Größe\nEXPIRING_DAYS=3\n".encode("latin-1"), "UTF-8"),
    ],
    ids=["UTF-16", "UTF-16 without its mark", "Latin-1"],
)
def test_an_env_file_in_another_encoding_is_named(alone: Path, content: bytes, said: str) -> None:
    """As PowerShell and old editors write it: one line, no traceback."""
    (alone / ".env").write_bytes(content)
    (line,) = refused()

    assert line.startswith(".env: ")
    assert said in line


def test_an_env_file_may_begin_with_a_mark(alone: Path) -> None:
    """UTF-8 as Windows' editors save it: the first name counts as well."""
    (alone / ".env").write_text("EXPIRING_DAYS=3\n", "utf-8-sig")

    assert load(Settings).expiring_days == 3


def test_a_folder_in_a_files_place_is_named(alone: Path) -> None:
    """A volume for a file that wasn't there makes one: for `.env`, and for a secret."""
    (alone / ".env").mkdir()
    (alone / "secrets" / "keys").mkdir(parents=True)

    assert [line.partition(": ")[0] for line in refused()] == [
        ".env",
        str(alone / "secrets" / "keys"),
    ]


def test_a_secret_that_is_no_text_is_named(alone: Path) -> None:
    """The file, not what is in it."""
    (alone / "secrets").mkdir()
    (alone / "secrets" / "metrics_token").write_bytes(b"\xff\xfe\x00sEkReT")
    (line,) = refused()

    assert line.startswith(str(alone / "secrets" / "metrics_token"))
    assert "sEkReT" not in line


def test_foreign_files_beside_the_secrets_do_not_matter(alone: Path) -> None:
    """Other programs' secrets, and the folders that orchestrators put there."""
    (alone / "secrets" / "..data").mkdir(parents=True)
    (alone / "secrets" / "picture").write_bytes(b"\xff\xd8")

    assert refused() == []


@pytest.mark.parametrize("forbidden", ["env", "secret", "folder"])
def test_what_this_user_may_not_read_is_named(forbidden: str) -> None:
    """Root's own file in a container that runs as somebody else."""
    with open_folder() as folder:
        secrets = folder / "secrets"
        secrets.mkdir(mode=0o755)
        (folder / ".env").write_text("EXPIRING_DAYS=3\n")
        (secrets / "keys").write_text("k1:x\n")
        place = {"env": folder / ".env", "secret": secrets / "keys", "folder": secrets}[forbidden]
        place.chmod(0)
        said = as_nobody(
            lambda: "\n".join(map(str, unreadable_files(folder / ".env", secrets, ["keys"])))
        )
        place.chmod(0o700)

    (line,) = said.splitlines()
    assert line.startswith(f"{place}: cannot be")
    assert "Permission denied" in line


def test_what_is_read_only_once_is_left_for_whom_it_is(alone: Path) -> None:
    """A pipe for `.env`, as password managers offer it, would be empty afterwards."""
    os.mkfifo(alone / ".env")

    assert list(unreadable_files(alone / ".env", None, [])) == []


# --- names ---


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SESION_MAX_DAYS", "SESSION_MAX_DAYS"),
        ("SESSION_MAX_DAY", "SESSION_MAX_DAYS"),
        ("BASE_URI", "BASE_URL"),
        ("FRONTEND_ULR", "FRONTEND_URL"),
        ("ALLOWED_ORIGIN", "ALLOWED_ORIGINS"),
        ("KEY", "KEYS"),
        ("FACEBOOK_APP_ID", None),
        ("INSTAGRAM_APP_SECRET", None),
        ("RATE_LIMIT_LISTING", None),
        ("facebook_client_key", None),
    ],
)
def test_a_name_that_looks_like_ours_is_told(name: str, meant: str | None) -> None:
    """Two letters away from a setting, or with a beginning of ours."""
    (found,) = unknown_names(NAMES, {name: "x"}, None)

    assert (found.name, found.meant) == (name, meant)
    assert name in str(found)


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "HOME", "LESS", "TERM", "LANG", "SHELL", "USER", "PWD", "SHLVL", "HOSTNAME"),
        *("SESSION_MANAGER", "PYTHONUNBUFFERED", "GPG_KEY", "PYTHON_VERSION", "LC_ALL", "MAIL"),
        *("XDG_SESSION_ID", "DBUS_SESSION_BUS_ADDRESS", "SSH_CONNECTION", "VIRTUAL_ENV", "PORT"),
        *("SANDBOX_STATE_FILE", "IGAUTH_DEV_PORT", "COMPOSE_FILE", "HTTPS_PROXY", "LOGNAME"),
        *NAMES,
        *map(str.lower, NAMES),
    ],
)
def test_other_names_are_nobodys_business(name: str) -> None:
    """What every machine sets, what other programs of ours heed, and the settings themselves."""
    assert unknown_names(NAMES, {name: "x"}, None) == []


def test_names_of_the_env_file_are_told_with_their_place(alone: Path) -> None:
    """The file holds more than ours; only what looks like ours is told."""
    (alone / ".env").write_text("OTHER=1\nSESION_MAX_DAYS=3\nBASE_URL=http://localhost\n")
    found = unknown_names(NAMES, {}, alone / ".env")

    assert [(each.name, each.place, each.meant) for each in found] == [
        ("SESION_MAX_DAYS", str(alone / ".env"), "SESSION_MAX_DAYS")
    ]
