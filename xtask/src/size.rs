//! `cargo xtask size`: what a page must load, and whether the repository allows it.
//!
//! **Invariant:** everything that the entry imports counts, now or later; a file cannot leave the sum by being split off.
//! **Invariant:** the last line of the output is `total_gzip_kib: N`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde::Deserialize;

use crate::failure::Failure;
use crate::pkg;
use crate::say::say;
use crate::workspace::Workspace;

const ENTRY: &str = "pkg/dist/index.js";
/// What an app loads beside it when it imports that, too. Not in the sum: the entry does not import them.
const OPTIONAL: [&str; 2] = ["pkg/dist/attachments.js", "pkg/dist/service-worker.js"];
const BUDGET_FILE: &str = "size-budget.toml";
const KIB: f64 = 1024.0;

/// What the repository allows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    total_gzip_kib: f64,
}

/// The part of esbuild's account that is read here.
#[derive(Deserialize)]
struct Bundle {
    outputs: BTreeMap<String, Output>,
}

#[derive(Deserialize)]
struct Output {
    imports: Vec<Import>,
}

#[derive(Deserialize)]
struct Import {
    path: String,
    #[serde(default)]
    external: bool,
}

/// One file that a page loads.
struct Loaded {
    path: String,
    bytes: usize,
    gzip_bytes: usize,
}

/// Builds the package and weighs it.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    pkg::build(workspace, pkg::Mode::Release)?;
    let budget = budget(&read(workspace, BUDGET_FILE)?)?;
    let metafile = pkg::metafile(workspace);
    let account = fs::read_to_string(&metafile).map_err(Failure::file("reading", &metafile))?;
    let files = loaded_by(ENTRY, &account)?;
    let files = files.into_iter().map(|path| weigh(workspace, path)).collect::<Result<Vec<_>, _>>()?;
    let optional = OPTIONAL.map(|path| weigh(workspace, path.to_owned()));
    print(&files, &optional.into_iter().collect::<Result<Vec<_>, _>>()?, budget);
    check(total_kib(&files), budget)
}

fn read(workspace: &Workspace, name: &str) -> Result<String, Failure> {
    let path = workspace.path(name);
    fs::read_to_string(&path).map_err(Failure::file("reading", &path))
}

fn budget(text: &str) -> Result<f64, Failure> {
    let budget: Budget = toml::from_str(text).map_err(Failure::content(BUDGET_FILE))?;
    Ok(budget.total_gzip_kib)
}

/// The files that a page loads for `entry`: itself and all it imports, directly or not.
fn loaded_by(entry: &str, account: &str) -> Result<BTreeSet<String>, Failure> {
    let bundle: Bundle = serde_json::from_str(account).map_err(Failure::content("esbuild.json"))?;
    let mut found = BTreeSet::new();
    let mut waiting = vec![entry.to_owned()];
    while let Some(path) = waiting.pop() {
        let Some(output) = bundle.outputs.get(&path) else {
            return Err(Failure::Content { file: "esbuild.json".to_owned(), reason: format!("{path} was not built") });
        };
        // What stays outside the bundle belongs to the app that imports the package.
        let imports = output.imports.iter().filter(|import| !import.external);
        if found.insert(path) {
            waiting.extend(imports.map(|import| import.path.clone()));
        }
    }
    Ok(found)
}

fn weigh(workspace: &Workspace, path: String) -> Result<Loaded, Failure> {
    let file = workspace.path(&path);
    let content = fs::read(&file).map_err(Failure::file("reading", &file))?;
    let gzip = pkg::gzip(&content).map_err(Failure::file("compressing", &file))?;
    Ok(Loaded { path, bytes: content.len(), gzip_bytes: gzip.len() })
}

fn total_kib(files: &[Loaded]) -> f64 {
    kib(files.iter().map(|file| file.gzip_bytes).sum())
}

fn kib(bytes: usize) -> f64 {
    bytes as f64 / KIB
}

fn print(files: &[Loaded], optional: &[Loaded], budget: f64) {
    say!("{:>10} {:>10}  minified, KiB", "raw", "gzip -9");
    for file in files {
        say!("{:>10.1} {:>10.1}  {}", kib(file.bytes), kib(file.gzip_bytes), file.path);
    }
    for file in optional {
        say!("{:>10.1} {:>10.1}  {}, for who imports it", kib(file.bytes), kib(file.gzip_bytes), file.path);
    }
    say!("budget_gzip_kib: {budget:.1}");
    say!("total_gzip_kib: {:.1}", total_kib(files));
}

fn check(found: f64, budget: f64) -> Result<(), Failure> {
    if found <= budget { Ok(()) } else { Err(Failure::OverBudget { found, budget }) }
}

#[cfg(test)]
mod tests {
    use super::{Loaded, budget, check, loaded_by, total_kib};

    const ACCOUNT: &str = r#"{"inputs": {}, "outputs": {
        "a.js": {"bytes": 1, "imports": [{"path": "b.js", "kind": "import-statement"}, {"path": "react", "external": true}]},
        "b.js": {"imports": [{"path": "c.js", "kind": "dynamic-import"}, {"path": "a.js"}]},
        "c.js": {"imports": []}, "a.js.map": {"imports": []}, "other.js": {"imports": []}}}"#;

    #[test]
    fn everything_the_entry_imports_counts_and_nothing_else() {
        let files: Vec<String> = loaded_by("a.js", ACCOUNT).unwrap().into_iter().collect();
        assert_eq!(files, ["a.js", "b.js", "c.js"]);
    }

    #[test]
    fn an_entry_that_was_not_built_is_an_error_and_not_zero() {
        let failure = loaded_by("missing.js", ACCOUNT).unwrap_err();
        assert_eq!(failure.to_string(), "esbuild.json: missing.js was not built");
    }

    #[test]
    fn the_budget_is_a_limit_that_may_be_reached() {
        assert!(check(130.0, 130.0).is_ok());
        let failure = check(130.04, 130.0).unwrap_err().to_string();
        assert!(failure.starts_with("the package is over its size budget: 130.0 KiB of 130.0 KiB"), "{failure}");
    }

    #[test]
    fn the_total_is_the_sum_in_kib() {
        let file = |gzip_bytes| Loaded { path: String::new(), bytes: 0, gzip_bytes };
        assert!((total_kib(&[file(1024), file(512)]) - 1.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_budget_file_says_one_thing() {
        assert!((budget("total_gzip_kib = 130.0").unwrap() - 130.0).abs() < f64::EPSILON);
        assert!((budget("total_gzip_kib = 130 # goal 108").unwrap() - 130.0).abs() < f64::EPSILON);
        assert!(budget("total_gzip_kib = 130\nexcept = 40").unwrap_err().to_string().contains("unknown field"));
        assert!(budget("total_gzip = 130").unwrap_err().to_string().starts_with("size-budget.toml: "));
    }
}
