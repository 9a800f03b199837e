//! The engine: from Rust to a small wasm file and the glue around it.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Mode, Stamp, generated_dir, work_dir};
use crate::failure::Failure;
use crate::npm;
use crate::process::Call;
use crate::small_std;
use crate::toolchain::{TARGET, WasmToolchain};
use crate::workspace::Workspace;

const CRATE: &str = "whimbrel";

/// What rustc may emit for this target by default. wasm-opt reads a file with fewer as broken.
const WASM_FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// How wasm-opt makes it smaller. Twice, because the second time finds what the first has made possible.
///
/// Nothing but the far end of the stack is below address 1024, because rustc has the linker put the stack first; knowing that, wasm-opt
/// folds more additions into the offsets of loads and stores. The two are worth 2 KB of 184 (gzip -9).
const WASM_OPTIONS: [&str; 3] = ["-Oz", "-Oz", "--low-memory-unused"];

/// Compiles the engine.
pub(super) fn compile(workspace: &Workspace, toolchain: WasmToolchain, mode: Mode) -> Result<PathBuf, Failure> {
    let (profile, folder) = match mode {
        Mode::Dev => ("dev", "debug"),
        Mode::Release => ("wasm", "wasm"),
    };
    // Only the cdylib: asked for the rlib as well, cargo leaves link-time optimisation out, which is a seventh of the size.
    let kind = ["--crate-type", "cdylib"];
    let arguments =
        ["rustc", "--package", CRATE, "--lib", "--target", TARGET, "--profile", profile].into_iter().chain(kind);
    let call = toolchain.apply(workspace, workspace.cargo().args(arguments));
    match mode {
        Mode::Dev => call.run()?,
        Mode::Release => small_std::apply(call).run()?,
    }
    Ok(workspace.wasm_target().join(TARGET).join(folder).join(CRATE).with_extension("wasm"))
}

/// Writes the JavaScript around the engine, and the types of what passes between the two, into the package's source.
pub(super) fn bind(workspace: &Workspace, wasm: &Path, mode: Mode) -> Result<PathBuf, Failure> {
    let dir = work_dir(workspace, mode);
    let bound = dir.join(format!("{CRATE}_bg.wasm"));
    let generated = generated_dir(workspace);
    let glue = [format!("{CRATE}.js"), format!("{CRATE}.d.ts")];
    let pin = workspace.wasm_bindgen_pin()?;
    let stamp = Stamp::new(workspace, "bind", &format!("{} {pin}", mode.name())).input(wasm, &[])?;
    let outputs: Vec<PathBuf> = glue.iter().map(|name| generated.join(name)).chain([bound.clone()]).collect();
    let outputs: Vec<&Path> = outputs.iter().map(PathBuf::as_path).collect();
    stamp.run(&outputs, || {
        // The default path of the wasm is left out: it would make bundlers look for a file that is not there.
        let call =
            Call::new("wasm-bindgen").args(["--target", "web", "--omit-default-module-path", "--out-name", CRATE]);
        let call = if mode == Mode::Dev { call.arg("--keep-debug") } else { call };
        call.arg("--out-dir").arg(&dir).arg(wasm).run()?;
        fs::create_dir_all(&generated).map_err(Failure::file("creating", &generated))?;
        for name in &glue {
            let from = dir.join(name);
            fs::copy(&from, generated.join(name)).map_err(Failure::file("copying", &from))?;
        }
        Ok(())
    })?;
    Ok(bound)
}

/// Makes the wasm smaller.
pub(super) fn optimise(workspace: &Workspace, wasm: &Path) -> Result<PathBuf, Failure> {
    let small = wasm.with_file_name(format!("{CRATE}_small.wasm"));
    let options = [&WASM_FEATURES[..], &WASM_OPTIONS, &["--strip-debug", "--strip-producers"]].concat();
    let stamp = Stamp::new(workspace, "optimise", &options.join(" ")).input(wasm, &[])?;
    stamp.run(&[&small], || {
        npm::tool(workspace, "wasm-opt")?.args(options).arg(wasm).arg("--output").arg(&small).run()
    })?;
    Ok(small)
}
