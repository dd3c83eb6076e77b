// dist/ for npm, and the file that the service serves and that the example app copies.
// `node scripts/build.mjs FOLDER` builds into another folder, and leaves the served file alone.

import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const MOST = { index: 4000, react: 1000 }; // bytes, minified and gzipped
const root = fileURLToPath(new URL("..", import.meta.url));
const served = join(root, "../../src/igauth/example/igauth.js");
const elsewhere = process.argv[2];
const out = elsewhere ?? join(root, "dist");

const common = { bundle: true, format: "esm", target: ["safari15", "chrome94", "firefox93"], charset: "utf8", absWorkingDir: root, write: false, logLevel: "warning" };
const bundle = async (name, options = {}) => (await build({ ...common, entryPoints: [`src/${name}.ts`], external: ["react"], ...options })).outputFiles[0].text;

const banner = { js: "// igauth for browsers: one file, no dependency, Safari 15 and up. Copy it, or `npm install igauth`.\n// Built from clients/js: change it there." };
mkdirSync(out, { recursive: true });
for (const name of ["index", "react"]) {
  writeFileSync(join(out, `${name}.js`), await bundle(name, name === "index" ? { banner } : {}));
  const size = gzipSync(await bundle(name, { minify: true }), { level: 9 }).length;
  console.log(`igauth${name === "index" ? "" : `/${name}`}: ${size} bytes minified and gzipped (${MOST[name]} at most)`);
  if (size > MOST[name]) process.exitCode = 1;
}
if (!elsewhere) {
  writeFileSync(served, await bundle("index", { banner }));
  execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "--emitDeclarationOnly"], { cwd: root, stdio: "inherit" });
}
