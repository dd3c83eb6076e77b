"""clients/js: the built file is fresh, small and typed by the API; the tarball works elsewhere."""

import json
import re
from pathlib import Path

import pytest

import igauth
from tests.clients.tools import CLIENT, Run, find_tools

SERVED = Path(igauth.__file__).parent / "example" / "igauth.js"
CONSUMER = """
import { Igauth, IgauthError, type Code, type Listing } from "igauth";
import { IgauthProvider, useAccounts, useIgauth } from "igauth/react";
import { createElement } from "react";

const igauth = new Igauth("https://connect.example.com", { retries: 1 });
const address: string = igauth.loginUrl({ door: "instagram", returnTo: "/after" });

function words(code: Code): string {
  switch (code) {
    case "not_authenticated": return "Log in";
    case "popup_blocked": return address;
    // @ts-expect-error: no such code
    case "nonsense": return "";
    default: return code;
  }
}

export async function main(signal: AbortSignal): Promise<string> {
  const session = await igauth.session();
  if (!session.authenticated) return session.login_urls.facebook ?? "closed";
  const name: string | null = session.user.name; // only somebody who is here has a name
  const { data, meta }: Listing = await igauth.accounts({ refresh: true, signal });
  try {
    await igauth.verify(meta.connections[0]?.id ?? "");
  } catch (error) {
    if (!(error instanceof IgauthError)) throw error;
    return words(error.code) + (igauth.actionUrl(error.action) ?? "");
  }
  // @ts-expect-error: can_publish may be null
  const sure: boolean = data[0]?.can_publish ?? null;
  return `${name} ${sure} ${meta.not_listed[0]?.reason === "page_not_granted"}`;
}

function Accounts() {
  const { status, user } = useIgauth();
  const { listing, error, refresh } = useAccounts();
  const children = [status, user?.name, listing?.data.length, error?.code];
  return createElement("button", { onClick: () => void refresh() }, ...children);
}

export const App = () => createElement(IgauthProvider, { igauth }, createElement(Accounts));
"""
ANYWHERE = """
import { Igauth, IgauthError } from "igauth";
const igauth = new Igauth("https://connect.example.com/");
const returnTo = "https://app.example.com/a?error=x&b=1&request_id=y#c";
console.log(igauth.loginUrl({ door: "facebook", returnTo, prompt: "select" }));
console.log(igauth.loginUrl());
console.log(new IgauthError({ code: "offline", title: "T" }) instanceof Error);
"""


@pytest.fixture(scope="module")
def tools() -> Run:
    """Node's, in clients/js."""
    return find_tools()


def test_the_served_file_is_built_from_the_source(tools: Run, tmp_path: Path) -> None:
    """Byte for byte, and as small as promised; after a change run: npm run build."""
    told = tools("node", "scripts/build.mjs", str(tmp_path))

    assert len(re.findall(r"\d+ bytes minified and gzipped", told)) == 2
    assert SERVED.read_text("utf-8") == (tmp_path / "index.js").read_text("utf-8")


def test_types_follow_the_api(tools: Run) -> None:
    """src/api.ts is what docs/openapi.json says, and the whole is type-checked under strict."""
    tools("node", "scripts/types.mjs", "--check")
    tools("node", "node_modules/typescript/bin/tsc", "--noEmit")


def test_no_any() -> None:
    """Nothing in the package is untyped."""
    sources = (CLIENT / "src").glob("*.ts")

    assert [path.name for path in sources if re.search(r"\bany\b(?!body)", _code(path))] == []


@pytest.fixture
def project(tools: Run, tmp_path: Path) -> Path:
    """An empty project with the tarball in it, as `npm install` would unpack it."""
    tools("npm", "run", "--silent", "build")
    packed = json.loads(
        tools("npm", "pack", "--json", "--ignore-scripts", "--pack-destination", str(tmp_path))
    )
    files = {each["path"] for each in packed[0]["files"]}
    assert {
        "package.json",
        "README.md",
        "dist/index.js",
        "dist/index.d.ts",
        "dist/react.js",
    } <= files
    assert not any(name.startswith(("src/", "scripts/")) for name in files)
    modules = tmp_path / "node_modules"
    (modules / "igauth").mkdir(parents=True)
    tarball = tmp_path / packed[0]["filename"]
    tools("tar", "-xzf", str(tarball), "--strip-components=1", "-C", str(modules / "igauth"))
    for name in ("typescript", "react", "@types", "csstype"):
        (modules / name).symlink_to(CLIENT / "node_modules" / name)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    return tmp_path


def test_the_tarball_in_an_empty_project(tools: Run, project: Path) -> None:
    """It type-checks under strict without skipLibCheck, and runs on a server without a DOM."""
    (project / "main.ts").write_text(CONSUMER)
    (project / "tsconfig.json").write_text(
        json.dumps(
            {
                "compilerOptions": {
                    "strict": True,
                    "noEmit": True,
                    "exactOptionalPropertyTypes": True,
                    "noUncheckedIndexedAccess": True,
                    "module": "preserve",
                    "moduleResolution": "bundler",
                    "target": "es2022",
                    "lib": ["es2022", "dom"],
                    "types": [],
                },
                "files": ["main.ts"],
            }
        )
    )
    tools("node", str(CLIENT / "node_modules/typescript/bin/tsc"), "-p", str(project), cwd=project)

    (project / "server.js").write_text(ANYWHERE)
    assert tools("node", "server.js", cwd=project).splitlines() == [
        "https://connect.example.com/auth/facebook"
        "?return_to=https%3A%2F%2Fapp.example.com%2Fa%3Fb%3D1%23c&prompt=select",
        "https://connect.example.com/auth/facebook",
        "true",
    ]


def _code(path: Path) -> str:
    """A source without its comments and strings of prose."""
    return re.sub(r"//.*|/\*.*?\*/|\"[^\"]*\"", "", path.read_text("utf-8"), flags=re.S)
