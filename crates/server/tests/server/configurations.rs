//! Every configuration of the repository is a good one, and its editor knows the schema.

use std::path::{Path, PathBuf};
use std::process::Command;

use whimbrel_server::Config;

const NOT_OURS: [&str; 4] = ["target", "node_modules", "dist", ".git"];

fn configurations() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().parent().unwrap();
    let (mut folders, mut found) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !NOT_OURS.contains(&name.as_str()) {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                let text = std::fs::read_to_string(&path).unwrap();
                if text.contains("\n[[entity]]") {
                    found.push((path, text));
                }
            }
        }
    }
    found
}

#[test]
fn all_of_them_are_good() {
    let all = configurations();
    assert!(all.len() >= 4, "{all:?}");
    for (file, text) in all {
        Config::load_with(&file, None).unwrap_or_else(|error| panic!("{error}"));
        let schema = text.lines().next().and_then(|line| line.strip_prefix("#:schema "));
        let schema = schema.unwrap_or_else(|| panic!("{}: no #:schema in the first line", file.display()));
        assert!(file.with_file_name(schema).is_file(), "{}: there is no {schema}", file.display());
    }
}

/// `BLESS=1 cargo nextest run` writes them anew. `tsc` compiles both, in the steps `js` and `demo` of `cargo xtask test`.
#[test]
fn r16_apps_have_what_their_server_has() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().parent().unwrap();
    for (config, package, types) in [
        ("crates/server/tests/server/every.toml", "../../pkg/src/index.js", "tests/types/every.ts"),
        ("www/server.toml", "whimbrel", "www/src/server.ts"),
    ] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_whimbrel-server"));
        program.args(["types", "--package", package, "--config"]).arg(root.join(config)).env_remove("DATABASE_URL");
        let output = program.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let made = String::from_utf8(output.stdout).unwrap();
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(root.join(types), &made).unwrap();
        }
        let there = std::fs::read_to_string(root.join(types)).unwrap_or_default();
        assert_eq!(there, made, "{types} is not what {config} says; BLESS=1 writes it anew");
    }
}
