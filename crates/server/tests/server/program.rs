//! The real binary: starting, stopping, being killed.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::Here;
use crate::support::{Api, Backend as _, CONFIG, Replica};

struct Program {
    child: Child,
    url: String,
}

impl Program {
    fn start(folder: &Path) -> Self {
        std::fs::write(folder.join("server.toml"), CONFIG).unwrap();
        let mut child = command(folder).args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        assert!(url.starts_with("http://127.0.0.1:") && !url.ends_with(":0"), "{url}");
        Self { child, url }
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn wait(mut self) -> ExitStatus {
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

fn command(folder: &Path) -> Command {
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

/// Pushes as a client does that never gives up: what was not answered is sent again, unchanged.
struct Stubborn {
    api: Api,
    unanswered: Option<Value>,
    pushes: usize,
    /// `seq` → outcome, each as it was first answered.
    answered: Vec<Value>,
    /// Has a permit for each answer.
    answers: Arc<Semaphore>,
}

impl Stubborn {
    fn next_request(&mut self, number: usize) -> Value {
        let push = self.pushes;
        self.pushes += 1;
        let made = format!("{number}-{push}");
        let changes = [
            self.api.change("create", "entry", &made, json!({"set": {"text": "t"}})),
            self.api.change("create", "note", &made, json!({"set": {"title": "t", "count": push}})),
            self.api.change("create", "note", &format!("{made}-bad"), json!({"set": {}})),
        ];
        self.api.request(&changes, 0)
    }

    /// Pushes until the server is gone.
    async fn push_until_killed(&mut self, number: usize) {
        loop {
            let request = match self.unanswered.take() {
                Some(request) => request,
                None => self.next_request(number),
            };
            let sent = self.api.http.post(format!("{}/v1/push", self.api.url)).bearer_auth(&self.api.token);
            let answer = match sent.json(&request).send().await {
                Ok(answer) => answer.json::<Value>().await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => {
                    self.answered.extend(answer["outcomes"].as_array().unwrap().clone());
                    self.answers.add_permits(1);
                }
                Err(_) => {
                    self.unanswered = Some(request);
                    return;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_being_killed_and_nothing_is_there_twice() {
    const ROUNDS: u32 = 6;
    const CLIENTS: usize = 3;
    let folder = TempDir::new().unwrap();
    let answers = Arc::new(Semaphore::new(0));
    let client = |_| Stubborn {
        api: Api::new("", "t-ana"),
        unanswered: None,
        pushes: 0,
        answered: Vec::new(),
        answers: Arc::clone(&answers),
    };
    let mut clients: Vec<Stubborn> = (0..CLIENTS).map(client).collect();
    for round in 0..ROUNDS {
        let program = Program::start(folder.path());
        let mut running = Vec::new();
        for (number, mut client) in clients.drain(..).enumerate() {
            client.api.url = program.url.clone();
            running.push(tokio::spawn(async move {
                client.push_until_killed(number).await;
                client
            }));
        }
        // In the middle of the next ones.
        answers.acquire_many(7 + 5 * round).await.unwrap().forget();
        program.signal("-KILL");
        assert_eq!(program.wait().code(), None);
        for client in running {
            clients.push(client.await.unwrap());
        }
    }
    let program = Program::start(folder.path());
    for client in &mut clients {
        client.api.url = program.url.clone();
        let request = client.unanswered.take().unwrap();
        let (status, body) = client.api.push_raw(&request).await;
        assert_eq!(status, 200, "{body}");
        client.answered.extend(body["outcomes"].as_array().unwrap().clone());
    }
    let mut replica = Replica::default();
    replica.sync(&clients[0].api, &["entry", "note"]).await;
    let pushes: usize = clients.iter().map(|client| client.pushes).sum();
    assert!(pushes > CLIENTS * ROUNDS as usize, "{pushes} pushes are no load");
    // An `entry` that was made twice would be a refusal, for they are append-only.
    assert_eq!(replica.rows("entry/all").len(), pushes);
    assert_eq!(replica.rows("note/all").len(), pushes);
    for client in &clients {
        let seqs: Vec<u64> = client.answered.iter().map(|outcome| outcome["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, (1..=3 * client.pushes as u64).collect::<Vec<_>>());
        for outcome in &client.answered {
            let expected = if outcome["seq"].as_u64().unwrap() % 3 == 0 {
                vec!["rejected"]
            } else {
                vec!["accepted", "duplicate"]
            };
            assert!(expected.contains(&outcome["outcome"].as_str().unwrap()), "{outcome}");
        }
    }
    program.signal("-TERM");
    assert_eq!(program.wait().code(), Some(0));
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
    assert!(said.contains("entity.0.policy") && said.contains("server.toml"), "{said}");

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
