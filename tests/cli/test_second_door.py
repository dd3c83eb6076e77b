"""Instagram Login in processes of its own: the offline one beside `igauth serve`, and `dev`."""

from pathlib import Path
from urllib.parse import urlsplit

import httpx

from igauth.sandbox.app import SandboxConfig
from tests.cli.commands import Command, free_port, listens, running, serving, until

CONFIG = SandboxConfig()


def instagram_at(address: str) -> dict[str, str]:
    """The settings that open this door alone, at a sandbox."""
    return {
        "FACEBOOK_CLIENT_ID": "",
        "FACEBOOK_CLIENT_SECRET": "",
        "INSTAGRAM_CLIENT_ID": CONFIG.instagram_app_id,
        "INSTAGRAM_CLIENT_SECRET": CONFIG.instagram_app_secret,
        "INSTAGRAM_AUTHORIZE_URL": address,
        "INSTAGRAM_TOKEN_URL": address,
        "INSTAGRAM_GRAPH_URL": address,
        "ALLOW_FAKE_FACEBOOK": "true",
    }


def connect(browser: httpx.Client, account: str) -> httpx.Response:
    """A login at the second door, over sockets."""
    page = browser.get("/auth/instagram").headers["location"]
    consent = browser.post(page, data={"person": account, "decision": "continue"})
    return browser.get(consent.headers["location"].partition("#")[0])


def test_serve_with_instagram_alone(command: Command, tmp_path: Path) -> None:
    """No Facebook setting: migrates, starts, logs in, lists; doctor and the sandbox beside it."""
    port, meta = free_port(), free_port()
    environment = serving(
        f"sqlite:///{tmp_path}/serve.db",
        BASE_URL=f"http://localhost:{port}",
        **instagram_at(f"http://localhost:{meta}/instagram"),
    )
    assert command("migrate", **environment).code == 0
    with running({}, "igauth", "sandbox", "--port", str(meta)) as sandbox:
        until(lambda: listens(meta), "the sandbox doesn't listen", sandbox.output)
        examined = command("doctor", **environment)
        with (
            running(environment, "igauth", "serve", "--port", str(port)) as service,
            httpx.Client(base_url=f"http://localhost:{port}", trust_env=False) as browser,
        ):
            service.wait_until_ready(port)
            ended = connect(browser, "studio")
            accounts = browser.get("/me/instagram-accounts").json()["data"]
            said = service.output()

    assert (ended.status_code, ended.headers["location"]) == (303, "http://localhost:5173/")
    assert [each["username"] for each in accounts] == ["studio.invented"]
    assert CONFIG.instagram_app_secret not in said
    assert examined.code == 0, examined
    for place in ("callback", "deauthorize", "data-deletion"):
        assert f"http://localhost:{port}/auth/instagram/{place}\n" in examined.out
    assert "Facebook app" not in examined.out
    assert "Instagram app" in examined.out


def test_dev_offers_both_doors(tmp_path: Path) -> None:
    """One process, one origin: the consent page below /sandbox/instagram, one list of both."""
    port = free_port()
    with (
        running({"INSTAGRAM_CLIENT_ID": "1"}, "igauth", "dev", "--port", str(port)) as service,
        httpx.Client(base_url=f"http://localhost:{port}", trust_env=False) as browser,
    ):
        service.wait_until_ready(port)
        dialog = browser.get("/auth/facebook").headers["location"]
        consent = browser.post(dialog, data={"person": "ada", "decision": "continue"})
        browser.get(consent.headers["location"].partition("#")[0])
        page = browser.get("/auth/instagram").headers["location"]
        shown = browser.get(page)
        ended = [connect(browser, each) for each in ("bakery", "studio")]
        data = browser.get("/me/instagram-accounts").json()["data"]
        picture = browser.get(data[-1]["picture_url"], follow_redirects=True)
        removed = browser.post("/sandbox/_control/instagram-accounts/studio/remove_app")

    assert urlsplit(page).path == "/sandbox/instagram/oauth/authorize"
    assert "Who are you at Instagram?" in shown.text
    assert [each.status_code for each in ended] == [303, 303]
    reached = {each["username"]: len(each["connection_ids"]) for each in data}
    assert (reached["invented.bakery"], reached["studio.invented"]) == (2, 1)
    assert (data[-1]["username"], picture.status_code) == ("studio.invented", 200)
    assert (removed.json()["deauthorize"]["status"], removed.status_code) == (200, 200)
