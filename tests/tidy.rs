//! The house rules that a program can check: sizes of files and functions, where the platform may be asked for, links that lead somewhere.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

/// Folders with nothing of ours in them, wherever they are.
const NOT_OURS: [&str; 5] = ["target", "node_modules", "dist", "generated", ".git"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files with one of the extensions, by their paths below the root.
fn files(extensions: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !NOT_OURS.contains(&name.as_str()) {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known)) {
                let shown = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                found.push((shown, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty());
    found.sort();
    found
}

#[track_caller]
fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

#[test]
fn files_are_small() {
    let found: Vec<String> = files(&["rs", "ts"])
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    none("too large: split them by purpose", &found);
}

#[test]
fn functions_are_short() {
    let mut found = Vec::new();
    // A test may be a long table.
    for (path, text) in files(&["rs"]).into_iter().filter(|(path, _)| !path.contains("tests")) {
        for (name, lines) in functions(&text).into_iter().filter(|(_, lines)| *lines > FUNCTION_LINES_MAX) {
            found.push(format!("{path}: {name} has {lines} lines"));
        }
    }
    none("longer than 70 lines", &found);
}

/// Names and lengths, by rustfmt's indentation: a function ends with the first brace that stands where it began.
fn functions(text: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some((before, after)) = line.split_once("fn ") else { continue };
        let words = before.split_whitespace().all(|word| word.starts_with("pub") || ["async", "const"].contains(&word));
        let rest = lines.get(start..).unwrap_or_default();
        let has_body = rest.iter().find(|line| line.ends_with(['{', '}', ';'])).is_some_and(|line| line.ends_with('{'));
        if words && has_body {
            let end = format!("{}}}", " ".repeat(line.len() - line.trim_start().len()));
            let name = after.split('(').next().unwrap_or_default();
            found.extend(rest.iter().position(|line| *line == end).map(|length| (name, length + 1)));
        }
    }
    found
}

#[test]
fn a_function_is_measured_from_its_name_to_its_brace() {
    let text = "impl A {\n    pub(crate) async fn long(\n        &self,\n    ) {\n        if x {\n        }\n    }\n\n    fn one(&self) {}\n    fn none(\n    );\n}\n";
    assert_eq!(functions(text), [("long", 6)]);
}

#[test]
fn the_platform_is_asked_for_in_one_place() {
    let found: Vec<String> = files(&["rs"])
        .into_iter()
        .filter(|(path, _)| path.starts_with("src/") && path != "src/lib.rs")
        .filter(|(_, text)| text.lines().any(|line| line.contains("cfg(") && line.contains("target_")))
        .map(|(path, _)| path)
        .collect();
    none("cfg(target_…) stands in src/lib.rs only", &found);
}

/// Requirements of the specification, R1 to R23.
const REQUIREMENTS: u32 = 23;

#[test]
fn every_requirement_is_in_the_name_of_a_test_and_in_the_table() {
    let texts: String = files(&["rs", "ts"])
        .into_iter()
        .filter(|(path, _)| path.contains("tests/") && path != "tests/tidy.rs")
        .map(|(_, text)| text.to_lowercase())
        .collect();
    let table = fs::read_to_string(root().join("docs/REQUIREMENTS.md")).unwrap();
    let is_named = |number: u32| {
        let (rust, script) = (format!("fn r{number}_"), format!("r{number}: "));
        let starts = |quote: char| texts.contains(&format!("(\"{script}").replace('"', &quote.to_string()));
        texts.contains(&rust) || texts.contains(&format!("_r{number}_")) || starts('"') || starts('`')
    };
    let missing = |number: &u32| !is_named(*number) || !table.contains(&format!("| R{number} |"));
    let found: Vec<String> = (1..=REQUIREMENTS).filter(missing).map(|number| format!("R{number}")).collect();
    none("no test has it in its name, or docs/REQUIREMENTS.md does not have it", &found);
}

#[test]
fn the_table_of_requirements_names_tests_that_have_the_number() {
    let table = fs::read_to_string(root().join("docs/REQUIREMENTS.md")).unwrap();
    let mut found = Vec::new();
    for line in table.lines().filter(|line| line.starts_with("| R")) {
        let cells: Vec<&str> = line.split(" | ").collect();
        let number = cells.first().unwrap().trim_start_matches("| R").trim().to_owned();
        for file in cells.last().unwrap().split('`').skip(1).step_by(2) {
            // Types are shown by what compiles.
            let text = fs::read_to_string(root().join(file)).unwrap_or_default().to_lowercase();
            let has = text.contains(&format!("r{number}_")) || text.contains(&format!("r{number}: "));
            if !has && !file.starts_with("tests/types/") {
                found.push(format!("R{number}: {file}"));
            }
        }
    }
    none("the table says that these show it", &found);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut found = Vec::new();
    for (path, text) in files(&["md"]) {
        let folder = root().join(&path).parent().map(PathBuf::from).unwrap_or_default();
        for target in links(&text) {
            let file = target.split('#').next().unwrap_or_default();
            let is_elsewhere = file.contains("://") || file.starts_with("mailto:");
            if !is_elsewhere && !file.is_empty() && !folder.join(file).exists() {
                found.push(format!("{path}: {target}"));
            }
        }
        for name in named(&text) {
            if !root().join(name).exists() {
                found.push(format!("{path}: `{name}`"));
            }
        }
    }
    none("dead links", &found);
}

/// What stands in the brackets behind `[text]`.
fn links(text: &str) -> Vec<&str> {
    text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next()).collect()
}

/// Files of the repository that a text names in backticks by their whole paths.
fn named(text: &str) -> Vec<&str> {
    let folders = ["src/", "tests/", "docs/", "pkg/src/", "xtask/src/", "crates/", "benches/", "www/src/"];
    let quoted = text.split('`').skip(1).step_by(2);
    let whole = quoted.filter(|name| folders.iter().any(|folder| name.starts_with(folder)));
    whole.filter(|name| !name.contains(['*', ' ', '{', '…', '<'])).collect()
}
