// What generators of clients make of docs/openapi.json: three of them, type-checked under strict,
// without `any`. Installs them into a temporary folder: `npm run generators`, now and then.

import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const TOOLS = ["openapi-typescript@7", "@hey-api/openapi-ts", "orval@7", "typescript@5"];
const RUNS = {
  "openapi-typescript": ["openapi-typescript", "openapi.json", "-o", "out/openapi-typescript/index.ts"],
  "hey-api": ["openapi-ts", "-i", "openapi.json", "-o", "out/hey-api", "-p", "@hey-api/typescript"],
  orval: ["orval", "--input", "openapi.json", "--output", "out/orval/index.ts", "--client", "fetch"],
};
const CHECK = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom,dom.iterable", "--module", "preserve", "--moduleResolution", "bundler"];

const folder = mkdtempSync(join(tmpdir(), "generators-"));
const run = (program, ...rest) => execFileSync(program, rest, { cwd: folder, stdio: ["ignore", "pipe", "inherit"], encoding: "utf8" });
const sources = (name) => readdirSync(join(folder, "out", name), { recursive: true }).filter((file) => file.endsWith(".ts")).map((file) => join(folder, "out", name, file));

try {
  cpSync(fileURLToPath(new URL("../../../docs/openapi.json", import.meta.url)), join(folder, "openapi.json"));
  writeFileSync(join(folder, "package.json"), '{"private": true, "type": "module"}');
  run("npm", "install", "--no-fund", "--no-audit", "--no-package-lock", ...TOOLS);
  for (const [name, command] of Object.entries(RUNS)) {
    run("npx", ...command);
    const files = sources(name);
    run("npx", "tsc", ...CHECK, ...files);
    const loose = files.filter((file) => /[:<|]\s*any\b/.test(readFileSync(file, "utf8")));
    console.log(`${name}: ${files.length} files, strict, ${loose.length ? `any in ${loose}` : "no any"}`);
    if (loose.length) process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
