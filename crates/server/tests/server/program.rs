//! The real binary: starting, stopping, being killed.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::json;
use tempfile::TempDir;

use super::Here;
use crate::support::{Api, Backend as _, CONFIG};

pub(super) struct Program {
    child: Child,
    pub(super) url: String,
}

impl Program {
    pub(super) fn start(folder: &Path) -> Self {
        Self::start_with(folder, CONFIG, &[])
    }

    pub(super) fn start_with(folder: &Path, config: &str, arguments: &[&str]) -> Self {
        std::fs::write(folder.join("server.toml"), config).unwrap();
        let mut command = command(folder);
        let mut child = command.args(["--listen", "127.0.0.1:0"]).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        assert!(url.starts_with("http://127.0.0.1:") && !url.ends_with(":0"), "{url}");
        Self { child, url }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(super) fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Already gone when the test ended as it should.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

pub(super) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whimbrel-server"));
    command.arg("--config").arg(folder.join("server.toml")).env("RUST_LOG", "error").stderr(Stdio::piped());
    Here::hand_over(folder, &mut command);
    command
}

fn fails(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut child = command(folder).args(arguments).stdout(Stdio::null()).spawn().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

#[tokio::test]
async fn a_signal_stops_it_cleanly() {
    for signal in ["-TERM", "-INT"] {
        let folder = TempDir::new().unwrap();
        let program = Program::start(folder.path());
        let mut ana = Api::new(&program.url, "t-ana");
        ana.accepted("create", "note", "n", json!({"set": {"title": "t"}})).await;
        program.signal(signal);
        // A connection that is merely open does not keep it from stopping.
        assert_eq!(program.wait().code(), Some(0), "{signal}");
        let wal = std::fs::metadata(folder.path().join("test.sqlite-wal")).map_or(0, |wal| wal.len());
        assert_eq!(wal, 0, "the write-ahead log was folded");
        assert_eq!(Here::number(folder.path(), "SELECT count(*) FROM note").await, 1);
    }
}

#[tokio::test]
async fn removals_are_forgotten_on_demand() {
    let folder = TempDir::new().unwrap();
    let program = Program::start(folder.path());
    let mut ana = Api::new(&program.url, "t-ana");
    ana.accepted("create", "note", "n", json!({"set": {"title": "t"}})).await;
    ana.accepted("delete", "note", "n", json!({})).await;
    let compacted = command(folder.path()).arg("--compact").output().unwrap();
    let said = String::from_utf8(compacted.stdout).unwrap();
    assert_eq!(said, "removals forgotten: 0, horizon: 0\n", "they are of today");
    // As if that had been two hundred days ago.
    Here::sql(folder.path(), "UPDATE whimbrel_era SET at = at - 17280000000").await;
    let compacted = command(folder.path()).arg("--compact").output().unwrap();
    let said = String::from_utf8(compacted.stdout).unwrap();
    assert_eq!(said, "removals forgotten: 1, horizon: 2\n");
    assert_eq!(ana.push_one("create", "note", "n", json!({"set": {"title": "t"}})).await["code"], "row/deleted");
    program.signal("-TERM");
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let folder = TempDir::new().unwrap();
    let (code, said) = fails(folder.path(), &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("server.toml") && said.contains("No such file"), "{said}");

    std::fs::write(folder.path().join("server.toml"), CONFIG.replace("lastWriteWins", "lastWriteWin")).unwrap();
    let (code, said) = fails(folder.path(), &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("server.toml:12:10: config/value: entity[note].policy: \"lastWriteWin\" is none of"), "{said}");

    std::fs::write(folder.path().join("server.toml"), CONFIG).unwrap();
    let (code, said) = fails(folder.path(), &["--listen", "0.0.0.0:0"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--insecure-development-tokens"), "{said}");
    let from_environment = command(folder.path()).env("WHIMBREL_LISTEN", "0.0.0.0:0").output().unwrap();
    assert_eq!(from_environment.status.code(), Some(2));
    let (code, said) = fails(folder.path(), &["--static", "nowhere"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("nowhere is not a folder"), "{said}");
    let (code, _) = fails(folder.path(), &["--listen", "here"]);
    assert_eq!(code, Some(2));
}

#[test]
fn check_says_what_is_wrong_by_line() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("server.toml");
    let check = |arguments: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_whimbrel-server"));
        let output = program.arg("check").args(arguments).current_dir(folder.path()).env_remove("DATABASE_URL").output();
        let output = output.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    std::fs::write(&file, CONFIG).unwrap();
    assert_eq!(check(&[]), (Some(0), "server.toml: good, 5 entities\n".to_owned()));
    std::fs::write(&file, CONFIG.replacen("max = 10", "maks = 10", 1).replacen("\"task\"", "\"doc\"", 1)).unwrap();
    let (code, said) = check(&["--config", "server.toml"]);
    let expected = "server.toml:16:36: config/unknown-key: entity[note].fields[title].maks: there is no such key here; did you mean max?\n\
                    server.toml:31:8: config/duplicate: entity[doc].name: there is another entity doc\n";
    assert_eq!((code, said.as_str()), (Some(2), expected));
    let (code, said) = check(&["--config", "nothing.toml"]);
    assert!(code == Some(2) && said.starts_with("nothing.toml: No such file"), "{said}");
}
