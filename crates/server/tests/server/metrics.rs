//! The server's figures, and its log.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use reqwest::header;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{CONFIG, code_of};

type Server = crate::support::Server<crate::support::Sqlite>;

const TOKEN: &str = "0123456789abcdef";

#[tokio::test]
async fn who_has_the_token_reads_what_was_counted() {
    let server = Server::start_with(&format!("{CONFIG}[metrics]\ntoken = \"{TOKEN}\"")).await;
    let mut ana = server.ana();
    ana.accepted("create", "note", "1", json!({"set": {"title": "t"}})).await;
    assert_eq!(ana.push_one("create", "note", "2", json!({})).await["outcome"], "rejected");
    ana.pull(&["note"], &json!([])).await;
    let events = ana.http.get(format!("{}/v1/events", ana.url)).bearer_auth(&ana.token).send().await.unwrap();
    _ = ana.http.get(format!("{}/of/nobody", ana.url)).send().await.unwrap();

    let url = format!("{}/metrics", ana.url);
    for wrong in [None, Some("t-ana"), Some("")] {
        let request = ana.http.get(&url);
        let request = wrong.map_or_else(|| ana.http.get(&url), |token| request.bearer_auth(token));
        let answer = request.send().await.unwrap();
        assert_eq!(code_of(&(answer.status(), answer.text().await.unwrap())), "auth/unauthenticated", "{wrong:?}");
    }
    let answer = ana.http.get(&url).bearer_auth(TOKEN).send().await.unwrap();
    assert!(answer.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    let text = answer.text().await.unwrap();
    for line in [
        r#"whimbrel_requests_total{method="POST",route="/v1/push",status="200"} 2"#,
        r#"whimbrel_requests_total{method="GET",route="other",status="404"} 1"#,
        r#"whimbrel_request_seconds_count{route="/v1/pull"} 1"#,
        r#"whimbrel_push_changes_total{outcome="accepted"} 1"#,
        r#"whimbrel_push_changes_total{outcome="rejected"} 1"#,
        "whimbrel_pull_rows_total 1",
        "whimbrel_pull_seconds_count 1",
        "whimbrel_pulls_open 0",
        "whimbrel_event_streams_open 1",
        "whimbrel_version 1",
        "whimbrel_horizon 0",
        r#"whimbrel_connections_open{pool="writer"} 1"#,
    ] {
        assert!(text.lines().any(|each| each == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("whimbrel_stored_bytes ") && text.contains("# HELP whimbrel_version "), "{text}");
    assert!(
        !text.contains("t-ana") && !text.contains("\"ana") && !text.contains("of/nobody"),
        "labels are not what clients say: {text}"
    );
    drop(events);
}

#[tokio::test]
async fn without_a_token_in_the_configuration_there_is_nothing() {
    let server = Server::start().await;
    let answer = server.ana().http.get(format!("{}/metrics", server.url)).bearer_auth("").send().await.unwrap();
    assert_eq!(code_of(&(answer.status(), answer.text().await.unwrap())), "request/not-found");
}

#[tokio::test]
async fn the_log_can_be_json_with_the_names_of_request_and_run() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("server.toml");
    std::fs::write(&file, CONFIG).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_whimbrel-server"))
        .args(["--listen", "127.0.0.1:0", "--log-format", "json", "--config"])
        .arg(&file)
        .env("RUST_LOG", "info")
        .env_remove("DATABASE_URL")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap();
    let http = reqwest::Client::new();
    let ask = async |run: &str, id: &str| {
        let request = http.get(format!("{url}/v1/ping?nonce=secret")).header("whimbrel-run", run);
        let answer = request.header("x-request-id", id).send().await.unwrap();
        answer.headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(ask("run-7", "req-1").await, "req-1");
    let given = ask("run \"8\"", "re q").await;
    assert_eq!(given.len(), 32, "one of the server's own: {given}");
    let stopping = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(stopping.success());
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(|line| line.unwrap());
    let lines: Vec<Value> =
        lines.map(|line| serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"))).collect();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let of = |id: &str| lines.iter().find(|line| line["span"]["id"] == id).unwrap_or_else(|| panic!("{lines:?}"));
    let first = of("req-1");
    assert_eq!((&first["span"]["run"], &first["span"]["route"]), (&json!("run-7"), &json!("/v1/ping")));
    assert_eq!(
        (&first["status"], &first["message"], &first["level"]),
        (&json!(200), &json!("answered"), &json!("INFO"))
    );
    assert!(first["ms"].is_u64() && first["timestamp"].is_string());
    assert_eq!(of(&given)["span"].get("run"), None);
    assert!(lines.iter().all(|line| !line.to_string().contains("secret")), "queries are not logged");
}
