//! The package's TypeScript: one script with the engine inside, and the types beside it.

use std::fs;

use super::{Mode, Stamp, dist_dir, generated_dir, metafile, source_dir};
use crate::failure::Failure;
use crate::npm;
use crate::workspace::Workspace;

/// The oldest language level of the browsers that have all else the engine needs.
const LANGUAGE: &str = "es2022";

/// Bundles `src/index.ts` into `dist/index.js`.
pub(super) fn scripts(workspace: &Workspace, mode: Mode) -> Result<(), Failure> {
    let (entry, metafile) = (source_dir(workspace).join("index.ts"), metafile(workspace));
    let dist = dist_dir(workspace);
    let output = dist.join("index.js");
    let stamp = stamp(workspace, "bundle", &format!("{} {LANGUAGE}", mode.name()))?;
    stamp.run(&[&output, &metafile], || {
        // What an earlier source was built to must not be published with this one; the types, which are missing then, follow.
        if dist.is_dir() {
            fs::remove_dir_all(&dist).map_err(Failure::file("removing", &dist))?;
        }
        let call = npm::tool(workspace, "esbuild")?.arg(entry);
        let call = call.args(["--bundle", "--format=esm", "--sourcemap=external", "--log-level=warning"]);
        let call = call.arg(format!("--target={LANGUAGE}")).arg(format!("--outfile={}", output.display()));
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
        let name = "whimbrel.d.ts";
        fs::copy(generated.join(name), to.join(name))
            .map(|_| ())
            .map_err(Failure::file("copying", &generated.join(name)))
    })
}

/// Both steps read all of the source, and the settings beside it.
fn stamp(workspace: &Workspace, name: &str, parameters: &str) -> Result<Stamp, Failure> {
    Stamp::new(workspace, name, parameters)
        .input(&source_dir(workspace), &[])?
        .input(&workspace.path("pkg/tsconfig.json"), &[])?
        .input(&workspace.path("package-lock.json"), &[])
}
