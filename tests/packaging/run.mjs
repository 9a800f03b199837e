/**
 * The package as somebody else gets it: packed, installed into a throw-away app, type-checked, built with Vite and with esbuild, and
 * imported by Node. It needs `pkg/dist` (`cargo xtask pkg`) and no network.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const pkg = join(root, "pkg");

/** Beside these, only declarations are in the package. */
const FILES = ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "dist/attachments.js", "dist/capacitor.js", "dist/index.js", "dist/service-worker.js", "package.json"];

if (!existsSync(join(pkg, "dist/index.js"))) {
  console.error("pkg/dist is not there: run `cargo xtask pkg` first");
  process.exit(1);
}

const app = mkdtempSync(join(tmpdir(), "whimbrel-packaging-"));
try {
  cpSync(join(root, "tests/packaging/app"), app, { recursive: true });
  const tarball = step("npm pack holds what a page needs and nothing else", pack);
  step("what stands on the engine has no second one", oneEngine);
  step("npm install needs no network and no other package", () => install(tarball));
  for (const resolution of ["bundler", "nodenext"]) {
    step(`its types are right for moduleResolution ${resolution}`, () => typeCheck(resolution));
  }
  step("vite build", () => run("vite", ["build", "--logLevel", "warn"]));
  step("esbuild --bundle", () =>
    run("esbuild", ["main.ts", "--bundle", "--format=esm", "--target=es2022", "--outfile=out/main.js"]),
  );
  step("a service worker is one classic script", worker);
  step("each bundle is one script with the engine inside", () =>
    [join(app, "dist/assets"), join(app, "out")].forEach(checkBundle),
  );
  step("the entry for Capacitor is a script of its own, without the engine", () => {
    assert.ok(readFileSync(join(app, "node_modules/whimbrel/dist/capacitor.js")).length < 2_000);
  });
  step("in Node the import does nothing and open() says why not", server);
} finally {
  rmSync(app, { recursive: true, force: true });
}

function pack() {
  const [packed] = JSON.parse(npm(pkg, "pack", "--json", "--pack-destination", app));
  const paths = packed.files.map((file) => file.path);
  assert.deepEqual(paths.filter((path) => !path.endsWith(".d.ts")).sort(), FILES);
  assert.ok(paths.includes("dist/index.d.ts"));
  return join(app, packed.filename);
}

/** A second engine would have classes of its own, and weigh a quarter of a megabyte. */
function oneEngine() {
  for (const [name, modules] of [
    ["attachments", 1],
    ["service-worker", 0],
  ]) {
    const script = readFileSync(join(pkg, `dist/${name}.js`), "utf8");
    assert.equal(script.match(/["'`]H4sI/g)?.length ?? 0, modules, `wasm modules in ${name}.js`);
    assert.match(script, /from ?"\.\/index\.js"/);
  }
}

function install(tarball) {
  npm(app, "install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", tarball);
  const installed = readdirSync(join(app, "node_modules")).filter((name) => !name.startsWith("."));
  assert.deepEqual(installed, ["whimbrel"]);
}

function typeCheck(resolution) {
  const modules = resolution === "bundler" ? "esnext" : "nodenext";
  const strict = ["--strict", "--exactOptionalPropertyTypes", "--skipLibCheck", "false", "--types", ""];
  run("tsc", [
    "main.ts",
    "worker.ts",
    "--noEmit",
    "--target",
    "es2022",
    "--module",
    modules,
    "--moduleResolution",
    resolution,
    ...strict,
  ]);
}

function worker() {
  run("esbuild", ["worker.ts", "--bundle", "--format=iife", "--target=es2022", "--outfile=worker/worker.js"]);
  checkBundle(join(app, "worker"));
}

function checkBundle(folder) {
  const scripts = readdirSync(folder);
  assert.equal(scripts.length, 1, `${folder} holds ${scripts.join(", ")}`);
  const script = readFileSync(join(folder, scripts[0]), "utf8");
  // The start of every gzip file, as base64.
  assert.match(script, /["'`]H4sI/);
  assert.doesNotMatch(script, /import\.meta\.url|\.wasm["'`]/);
}

function server() {
  const said = execFileSync(process.execPath, ["server.mjs"], { cwd: app, encoding: "utf8" });
  assert.equal(said.trim(), "store/unavailable");
}

function step(name, work) {
  const result = work();
  console.log(`ok  ${name}`);
  return result;
}

function npm(folder, ...args) {
  return execFileSync("npm", args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

function run(tool, args) {
  execFileSync(join(root, "node_modules/.bin", tool), args, { cwd: app, stdio: "inherit" });
}
