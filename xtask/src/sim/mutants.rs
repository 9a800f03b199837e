//! Whether the simulation sees what it is for: the engine or the server is broken on purpose, one way at a time, and it must go red.
//!
//! A file of `crates/sim/mutants` says in which file what stands instead of what. It is done to a copy of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use super::PROGRAM;
use crate::failure::Failure;
use crate::process::Call;
use crate::say::say;
use crate::workspace::Workspace;

const FOLDER: &str = "crates/sim/mutants";
/// What of the repository is compiled.
const COPIED: [&str; 4] = ["Cargo.lock", "src", "crates", "xtask"];
const MANIFEST: &str = "Cargo.toml";
/// The version line of all crates of the repository, and that of the copy: Cargo tells crates of one name and version in two workspaces apart by
/// nothing, and would give what was built of a broken one to whoever builds the whole one next.
const VERSION: &str = "version = \"0.1.0\"";
const VERSION_OF_COPY: &str = "version = \"0.1.0-mutant\"";
/// A library that is also made for other languages has a file name without Cargo's mark, whatever its version: it, too, would be given to the next.
const KINDS: &str = "crate-type = [\"cdylib\", \"rlib\"]";
const KINDS_OF_COPY: &str = "crate-type = [\"rlib\"]";
/// Worlds in which a mutant has to show.
const SEEDS: u64 = 300;
/// The exit code of a simulation that has found something.
const FOUND: i32 = 3;

/// What is broken, and where.
#[derive(Debug, PartialEq, Eq)]
struct Mutant<'a> {
    what: &'a str,
    file: &'a str,
    instead_of: &'a str,
    stands: &'a str,
}

/// Breaks the code in every way there is a file for.
pub(super) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let tree = workspace.target().join("mutants");
    fs::create_dir_all(&tree).map_err(Failure::file("making", &tree))?;
    for mutant in files(&workspace.path(FOLDER))? {
        let text = fs::read_to_string(&mutant).map_err(Failure::file("reading", &mutant))?;
        let wrong = |reason: &str| Failure::Content { file: mutant.display().to_string(), reason: reason.to_owned() };
        let Mutant { what, file, instead_of, stands } = parse(&text).ok_or_else(|| wrong("it is of another form"))?;
        say!("--- {what}");
        for name in COPIED {
            let copied = tree.join(name);
            remove_gone(&workspace.path(name), &copied)?;
            copy(&workspace.path(name), &copied)?;
        }
        rename(&workspace.path(MANIFEST), &tree.join(MANIFEST))?;
        let broken = tree.join(file);
        let code = fs::read_to_string(&broken).map_err(Failure::file("reading", &broken))?;
        let code =
            replace_once(&code, instead_of, stands).ok_or_else(|| wrong("what is to be replaced is not there once"))?;
        fs::write(&broken, code).map_err(Failure::file("writing", &broken))?;
        // What the repository depends on is compiled already.
        let cargo = Call::new("cargo").dir(&tree).env("CARGO_TARGET_DIR", workspace.target());
        let cargo = cargo.args(PROGRAM).arg("--");
        match cargo.args(["--any-faults", "--stop", &format!("--seeds={SEEDS}")]).run() {
            Err(Failure::Exit { status, .. }) if status.code() == Some(FOUND) => say!("--- seen"),
            Err(failure) => return Err(failure),
            Ok(()) => return Err(wrong("the simulation does not see it")),
        }
    }
    Ok(())
}

/// Copies the manifest so that nothing which is built by it is taken for the repository's own.
fn rename(from: &Path, to: &Path) -> Result<(), Failure> {
    let mut text = fs::read_to_string(from).map_err(Failure::file("reading", from))?;
    for (own, of_copy) in [(VERSION, VERSION_OF_COPY), (KINDS, KINDS_OF_COPY)] {
        text = replace_once(&text, own, of_copy).ok_or_else(|| Failure::Content {
            file: from.display().to_string(),
            reason: format!("{own} is not there once"),
        })?;
    }
    fs::write(to, text).map_err(Failure::file("writing", to))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).map_err(Failure::file("reading", folder))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}

fn parse(text: &str) -> Option<Mutant<'_>> {
    let (what, rest) = text.split_once("\n--- file\n")?;
    let (file, rest) = rest.split_once("\n--- instead of\n")?;
    let (instead_of, stands) = rest.split_once("\n--- stands\n")?;
    Some(Mutant { what, file, instead_of, stands: stands.trim_end_matches('\n') })
}

/// The text with `new` in the place of the one `old` it has.
fn replace_once(text: &str, old: &str, new: &str) -> Option<String> {
    (text.matches(old).count() == 1).then(|| text.replacen(old, new, 1))
}

/// Copies files that differ, so that cargo compiles only what is another.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    if from.is_dir() {
        fs::create_dir_all(to).map_err(Failure::file("making", to))?;
        let entries = fs::read_dir(from).map_err(Failure::file("reading", from))?;
        return entries.flatten().try_for_each(|entry| copy(&entry.path(), &to.join(entry.file_name())));
    }
    let bytes = fs::read(from).map_err(Failure::file("reading", from))?;
    if fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    fs::write(to, bytes).map_err(Failure::file("writing", to))
}

/// Removes what an older copy has and the repository has no more: Cargo would find it.
fn remove_gone(from: &Path, to: &Path) -> Result<(), Failure> {
    let Ok(entries) = fs::read_dir(to) else { return Ok(()) };
    for path in entries.flatten().map(|entry| entry.path()) {
        let original = path.file_name().map(|name| from.join(name)).unwrap_or_default();
        match (path.is_dir(), original.exists()) {
            (true, true) => remove_gone(&original, &path)?,
            (true, false) => fs::remove_dir_all(&path).map_err(Failure::file("removing", &path))?,
            (false, false) => fs::remove_file(&path).map_err(Failure::file("removing", &path))?,
            (false, true) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_goes_from_the_copy() {
        let folder = std::env::temp_dir().join(format!("whimbrel-mutants-{}", std::process::id()));
        let (from, to) = (folder.join("from"), folder.join("to"));
        for file in ["from/a/kept", "to/a/kept", "to/a/gone", "to/b/gone"].map(|file| folder.join(file)) {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        remove_gone(&from, &to).unwrap();
        assert!(to.join("a/kept").exists() && !to.join("a/gone").exists() && !to.join("b").exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_says_what_stands_instead_of_what() {
        let text = "It breaks.\n--- file\nsrc/lib.rs\n--- instead of\n  a\n  b\n--- stands\n  c\n";
        let expected = Mutant { what: "It breaks.", file: "src/lib.rs", instead_of: "  a\n  b", stands: "  c" };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse("It breaks.\n--- file\nsrc/lib.rs\n"), None);
    }

    #[test]
    fn what_is_replaced_is_there_once() {
        assert_eq!(replace_once("a b c", "b", "x").as_deref(), Some("a x c"));
        assert_eq!(replace_once("a b b", "b", "x"), None);
        assert_eq!(replace_once("a c", "b", "x"), None);
    }
}
