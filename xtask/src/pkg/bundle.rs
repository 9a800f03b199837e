//! The package's TypeScript: one script with the engine inside, those that stand on it or beside it, and the types beside them.

use std::fs;

use super::engine::MODULES;
use super::{Mode, Stamp, dist_dir, generated_dir, metafile, source_dir};
use crate::failure::Failure;
use crate::npm;
use crate::workspace::Workspace;

/// The oldest language level of the browsers that have all else the engine needs.
const LANGUAGE: &str = "es2022";

/// What an app can import. All but the first take the first as it is, so that an app has the engine, and its classes, once.
const ENTRIES: [&str; 4] = ["index", "attachments", "service-worker", "capacitor"];

/// Bundles each entry into a script of `dist`.
pub(super) fn scripts(workspace: &Workspace, mode: Mode) -> Result<(), Failure> {
    let (source, metafile) = (source_dir(workspace), metafile(workspace));
    let dist = dist_dir(workspace);
    let outputs = ENTRIES.map(|entry| dist.join(entry).with_extension("js"));
    let [index, attachments, worker, capacitor] = &outputs;
    let stamp = stamp(workspace, "bundle", &format!("{} {LANGUAGE}", mode.name()))?;
    stamp.run(&[index, attachments, worker, capacitor, &metafile], || {
        // What an earlier source was built to must not be published with this one; the types, which are missing then, follow.
        if dist.is_dir() {
            fs::remove_dir_all(&dist).map_err(Failure::file("removing", &dist))?;
        }
        let entries = ENTRIES.map(|entry| source.join(entry).with_extension("ts"));
        let call = entries.into_iter().fold(npm::tool(workspace, "esbuild")?, |call, entry| call.arg(entry));
        let call = call.args([
            "--bundle",
            "--external:./index.js",
            "--format=esm",
            "--sourcemap=external",
            "--log-level=warning",
        ]);
        let call = call.arg(format!("--target={LANGUAGE}")).arg(format!("--outdir={}", dist.display()));
        let call = call.arg(format!("--metafile={}", metafile.display()));
        if mode == Mode::Release { call.args(["--minify", "--legal-comments=none"]).run() } else { call.run() }
    })
}

/// Checks the types and writes `dist/**/*.d.ts`.
pub(super) fn types(workspace: &Workspace) -> Result<(), Failure> {
    let (dist, generated) = (dist_dir(workspace), generated_dir(workspace));
    stamp(workspace, "types", "")?.run(&[&dist.join("index.d.ts")], || {
        let call = npm::tool(workspace, "tsc")?.args(["--project", "pkg/tsconfig.json", "--outDir"]).arg(&dist);
        call.args(["--declaration", "--emitDeclarationOnly", "--noEmit", "false"]).run()?;
        // tsc takes the generated declarations as given and does not copy them, but those it writes refer to them.
        let to = dist.join("generated");
        fs::create_dir_all(&to).map_err(Failure::file("creating", &to))?;
        MODULES.iter().map(|module| module.types()).try_for_each(|name| {
            let from = generated.join(&name);
            fs::copy(&from, to.join(&name)).map(|_| ()).map_err(Failure::file("copying", &from))
        })
    })
}

/// Both steps read all of the source, and the settings beside it.
fn stamp(workspace: &Workspace, name: &str, parameters: &str) -> Result<Stamp, Failure> {
    Stamp::new(workspace, name, parameters)
        .input(&source_dir(workspace), &[])?
        .input(&workspace.path("pkg/tsconfig.json"), &[])?
        .input(&workspace.path("package-lock.json"), &[])
}
