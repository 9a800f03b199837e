//! The wasm modules, the engine first: from Rust to a small wasm file and the glue around it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Mode, Stamp, generated_dir, order, work_dir};
use crate::failure::Failure;
use crate::npm;
use crate::process::Call;
use crate::small_std;
use crate::toolchain::{TARGET, WasmToolchain};
use crate::workspace::Workspace;

/// A wasm module of the package.
pub(super) struct Module {
    /// The crate that it is made of.
    package: &'static str,
    /// What its files begin with.
    pub(super) stem: &'static str,
    /// What its text is called in the package's source.
    pub(super) text: &'static str,
}

/// The engine, and what only some apps load.
pub(super) const MODULES: [Module; 2] = [
    Module { package: "whimbrel", stem: "whimbrel", text: "engine" },
    Module { package: "whimbrel-attachments", stem: "whimbrel_attachments", text: "attachments" },
];

impl Module {
    fn glue(&self) -> String {
        format!("{}.js", self.stem)
    }

    pub(super) fn types(&self) -> String {
        format!("{}.d.ts", self.stem)
    }

    /// The name of one of its steps.
    pub(super) fn step(&self, name: &str) -> String {
        format!("{name} {}", self.text)
    }
}

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

/// What follows: functions stand in the order of the names that [`order`] gave them, imports and exports get names of a letter or two, the
/// module they come from as well, and what no page needs goes.
const LAST_OPTIONS: [&str; 4] =
    ["--reorder-functions-by-name", "--minify-imports-and-exports-and-modules", "--strip-debug", "--strip-producers"];
/// What wasm-opt then calls that module.
const SHORT_MODULE: &str = "a";

/// Compiles a module.
pub(super) fn compile(
    workspace: &Workspace,
    toolchain: WasmToolchain,
    module: &Module,
    mode: Mode,
) -> Result<PathBuf, Failure> {
    let (profile, folder) = match mode {
        Mode::Dev => ("dev", "debug"),
        Mode::Release | Mode::Profile => ("wasm", "wasm"),
    };
    // Only the cdylib: asked for the rlib as well, cargo leaves link-time optimisation out, which is a seventh of the size.
    let kind = ["--crate-type", "cdylib"];
    let arguments = ["rustc", "--package", module.package, "--lib", "--target", TARGET, "--profile", profile]
        .into_iter()
        .chain(kind);
    let call = toolchain.apply(workspace, workspace.cargo().args(arguments));
    match mode {
        Mode::Dev => call.run()?,
        Mode::Release | Mode::Profile => small_std::apply(call).run()?,
    }
    Ok(workspace.wasm_target().join(TARGET).join(folder).join(module.stem).with_extension("wasm"))
}

/// Writes the JavaScript around the engine, and the types of what passes between the two, beside the wasm that fits them.
pub(super) fn bind(workspace: &Workspace, module: &Module, wasm: &Path, mode: Mode) -> Result<PathBuf, Failure> {
    let dir = work_dir(workspace, mode);
    let bound = dir.join(format!("{}_bg.wasm", module.stem));
    let pin = workspace.wasm_bindgen_pin()?;
    let stamp = Stamp::new(workspace, &module.step("bind"), &format!("{} {pin}", mode.name())).input(wasm, &[])?;
    stamp.run(&[&bound, &dir.join(module.glue()), &dir.join(module.types())], || {
        // The default path of the wasm is left out: it would make bundlers look for a file that is not there.
        let call = Call::new("wasm-bindgen").args([
            "--target",
            "web",
            "--omit-default-module-path",
            "--out-name",
            module.stem,
        ]);
        let call = if mode == Mode::Dev { call.arg("--keep-debug") } else { call };
        call.arg("--out-dir").arg(&dir).arg(wasm).run()
    })?;
    Ok(bound)
}

/// Makes the wasm smaller; also says which names it calls by others now.
pub(super) fn optimise(workspace: &Workspace, module: &Module, wasm: &Path) -> Result<(PathBuf, Names), Failure> {
    let small = wasm.with_file_name(format!("{}_small.wasm", module.stem));
    let names = wasm.with_file_name(format!("{}_names.json", module.stem));
    let options = [&WASM_FEATURES[..], &WASM_OPTIONS].concat();
    let last = [&WASM_FEATURES[..], &LAST_OPTIONS].concat();
    let parameters = format!("{} {} {}", options.join(" "), last.join(" "), include_str!("order.rs"));
    let stamp = Stamp::new(workspace, &module.step("optimise"), &parameters).input(wasm, &[])?;
    stamp.run(&[&small, &names], || {
        let tool = || npm::tool(workspace, "wasm-opt");
        tool()?.args(options).arg(wasm).arg("--output").arg(&small).run()?;
        let bytes = fs::read(&small).map_err(Failure::file("reading", &small))?;
        fs::write(&small, order::named(&bytes)?).map_err(Failure::file("writing", &small))?;
        let call = tool()?.args(last).arg(&small).arg("--output").arg(&small);
        fs::write(&names, call.capture()?).map_err(Failure::file("writing", &names))
    })?;
    let text = fs::read_to_string(&names).map_err(Failure::file("reading", &names))?;
    let names = serde_json::from_str(&text).map_err(Failure::content("names.json"))?;
    Ok((small, names))
}

/// The same for a profiler: with the names that people know functions by, in the order in which they come.
pub(super) fn optimise_named(workspace: &Workspace, module: &Module, wasm: &Path) -> Result<PathBuf, Failure> {
    let small = wasm.with_file_name(format!("{}_named.wasm", module.stem));
    let options = [&WASM_FEATURES[..], &WASM_OPTIONS, &["--debuginfo", "--strip-producers"]].concat();
    let stamp = Stamp::new(workspace, &module.step("optimise-named"), &options.join(" ")).input(wasm, &[])?;
    stamp.run(&[&small], || {
        npm::tool(workspace, "wasm-opt")?.args(options).arg(wasm).arg("--output").arg(&small).run()
    })?;
    Ok(small)
}

/// Puts the glue and its types into the package's source, with the names that the wasm has.
pub(super) fn place_glue(workspace: &Workspace, module: &Module, mode: Mode, names: &Names) -> Result<(), Failure> {
    let (from, to) = (work_dir(workspace, mode), generated_dir(workspace));
    fs::create_dir_all(&to).map_err(Failure::file("creating", &to))?;
    let glue = module.glue();
    for name in [&glue, &module.types()] {
        let (from, to) = (from.join(name), to.join(name));
        let text = fs::read_to_string(&from).map_err(Failure::file("reading", &from))?;
        let text = if *name == glue { names.replace_in(name, &text)? } else { text };
        // What is there already keeps its time.
        if fs::read_to_string(&to).ok().as_ref() != Some(&text) {
            fs::write(&to, text).map_err(Failure::file("writing", &to))?;
        }
    }
    Ok(())
}

/// What wasm-opt calls by shorter names: those of wasm-bindgen have a hash each, and stand in the wasm and in the glue.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Names {
    /// Module, name, and the name now.
    imports: Vec<(String, String, String)>,
    /// The name, and the name now.
    exports: Vec<(String, String)>,
}

impl Names {
    /// The glue for the shorter names. It has each import once, as a key, and each export as a property of `wasm`.
    fn replace_in(&self, file: &str, glue: &str) -> Result<String, Failure> {
        let Some((module, ..)) = self.imports.first() else { return Ok(glue.to_owned()) };
        let names = self.imports.iter().map(|(_, old, new)| (format!("{old}:"), new.as_str()));
        let mut keys: HashMap<String, &str> = names.chain([(format!("\"{module}\":"), SHORT_MODULE)]).collect();
        let exports: HashMap<&str, &str> = self.exports.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
        let mut text = String::with_capacity(glue.len());
        for line in glue.split_inclusive('\n') {
            let word = line.trim_start();
            let key = word.split_inclusive(':').next().unwrap_or_default();
            text.push_str(line.strip_suffix(word).unwrap_or_default());
            let rest = match keys.remove(key) {
                Some(new) => {
                    text.extend([new, ":"]);
                    word.strip_prefix(key).unwrap_or_default()
                }
                None => word,
            };
            replace_properties(rest, &exports, &mut text);
        }
        let missing = |key| Failure::Content { file: file.to_owned(), reason: format!("{key} is not where it was") };
        keys.into_keys().next().map_or(Ok(text), |key| Err(missing(key)))
    }
}

/// Writes a line with other names for the properties of `wasm`.
fn replace_properties(line: &str, names: &HashMap<&str, &str>, text: &mut String) {
    let mut parts = line.split("wasm.");
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '$').unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        text.push_str("wasm.");
        text.push_str(names.get(name).unwrap_or(&name));
        text.push_str(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    const GLUE: &str = "function call() {\n    return wasm.engine_open(wasm.memory.buffer, old_wasm.engine_open_x);\n}\n\
        const import0 = {\n    __wbg_get_0af: function(arg0) { return wasm.engine_open(arg0); },\n};\n\
        return {\n    \"./glue.js\": import0,\n};\n";

    fn names() -> Names {
        let import = ("./glue.js".to_owned(), "__wbg_get_0af".to_owned(), "$".to_owned());
        Names { imports: vec![import], exports: vec![("engine_open".to_owned(), "b".to_owned())] }
    }

    #[test]
    fn the_glue_has_the_names_of_the_wasm() {
        let wanted = "function call() {\n    return wasm.b(wasm.memory.buffer, old_wasm.engine_open_x);\n}\n\
            const import0 = {\n    $: function(arg0) { return wasm.b(arg0); },\n};\n\
            return {\n    a: import0,\n};\n";
        assert_eq!(names().replace_in("whimbrel.js", GLUE).unwrap(), wanted);
        assert_eq!(
            Names::default().replace_in("whimbrel.js", GLUE).unwrap(),
            GLUE,
            "a development build keeps its names"
        );
    }

    #[test]
    fn an_import_that_the_glue_does_not_have_is_a_failure() {
        let failure = names().replace_in("whimbrel.js", &GLUE.replace("_0af", "_0b0")).unwrap_err();
        assert_eq!(failure.to_string(), "whimbrel.js: __wbg_get_0af: is not where it was");
    }
}
