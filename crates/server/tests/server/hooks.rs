//! Hooks of an app, through the library and through the example that embeds it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use reqwest::StatusCode;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use whimbrel_server::{Attempt, Embedded, HookError, Hooks, Value, embed};

use super::Here;
use crate::support::{Api, Backend as _, CONFIG, config_in};

/// A server with hooks, at an address, until it is dropped.
async fn serve(folder: &TempDir, config: &str, hooks: Hooks) -> (Embedded, String) {
    let config = Here::configured(folder.path(), config_in(folder.path(), config)).await;
    let embedded = embed(&config, hooks).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = embedded.router();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (embedded, url)
}

#[tokio::test]
async fn r11_hooks_see_what_would_be_stored_and_refuse_by_field() {
    let seen: Arc<Mutex<Vec<Attempt>>> = Arc::default();
    let heard = Arc::clone(&seen);
    let hooks = Hooks::default()
        .authorize(async |attempt| match attempt.user.id.as_str() {
            "ben" => Err(HookError::refused("app/not-ben", "Not Ben.")),
            _ => Ok(()),
        })
        .validate(move |attempt| {
            heard.lock().unwrap().push(attempt.clone());
            async move {
                // It may wait for others.
                tokio::task::yield_now().await;
                match attempt.after.as_ref().map(|note| note.get("count")) {
                    Some(Value::Integer(count)) if *count > 9 => {
                        Err(HookError::refused("note/count", "Too many.").with_field("count", "is over 9"))
                    }
                    _ => Ok(()),
                }
            }
        });
    let folder = TempDir::new().unwrap();
    let (_embedded, url) = serve(&folder, CONFIG, hooks).await;
    let (mut ana, mut ben) = (Api::new(&url, "t-ana"), Api::new(&url, "t-ben"));
    // Several at once are asked about one by one, and the good ones are made.
    let changes: Vec<_> = [5, 10, 7]
        .map(|n| ana.change("create", "note", &n.to_string(), json!({"set": {"title": "t", "count": n}})))
        .into();
    let outcomes = ana.push(&changes).await;
    let refused = json!({"seq": 2, "outcome": "rejected", "code": "note/count", "message": "Too many.", "fields": {"count": "is over 9"}});
    assert_eq!((&outcomes[0]["outcome"], &outcomes[1], &outcomes[2]["outcome"]), (&json!("accepted"), &refused, &json!("accepted")));
    // An update that does not name the field is seen with it.
    ana.accepted("update", "note", "5", json!({"set": {"title": "u"}})).await;
    ana.accepted("delete", "note", "5", json!({})).await;
    let seen = seen.lock().unwrap().clone();
    let told: Vec<String> = seen
        .iter()
        .map(|attempt| {
            let of = |values: &Option<whimbrel_server::Values>| match values {
                Some(values) => format!("{:?} {:?}", values.get("title"), values.get("count")),
                None => "-".to_owned(),
            };
            format!("{:?} {}: {} → {}", attempt.op, attempt.id, of(&attempt.before), of(&attempt.after))
        })
        .collect();
    let text = |title: &str, count: i64| format!("Text(\"{title}\") Integer({count})");
    let expected = [
        format!("Create 5: - → {}", text("t", 5)),
        format!("Create 10: - → {}", text("t", 10)),
        format!("Create 7: - → {}", text("t", 7)),
        format!("Update 5: {} → {}", text("t", 5), text("u", 5)),
        format!("Delete 5: {} → -", text("u", 5)),
    ];
    assert_eq!(told, expected);
    // What is sent again is answered as before, and nobody is asked.
    assert_eq!(ana.push(&changes).await[1], refused);
    assert_eq!(ben.push_one("create", "note", "9", json!({"set": {"title": "t"}})).await["code"], "app/not-ben");
    assert_eq!(Here::number(folder.path(), "SELECT count(*) FROM note").await, 1);
}

#[tokio::test]
async fn r12_a_hook_that_cannot_tell_leaves_the_push_undone() {
    let hooks = Hooks::default().validate(async |attempt| match attempt.id.as_str() {
        "later" => Err(HookError::Unavailable("the other service is away".into())),
        "panic" => panic!("a fault of the app"),
        _ => Ok(()),
    });
    let folder = TempDir::new().unwrap();
    let (embedded, url) = serve(&folder, CONFIG, hooks).await;
    for (id, status, code) in [
        ("later", StatusCode::SERVICE_UNAVAILABLE, "server/busy"),
        ("panic", StatusCode::INTERNAL_SERVER_ERROR, "server/internal"),
    ] {
        let mut ana = Api::new(&url, "t-ana");
        let changes = ["good", id].map(|id| ana.change("create", "note", id, json!({"set": {"title": "t"}})));
        let (answered, body) = ana.push_raw(&ana.request(&changes, 0)).await;
        assert_eq!((answered, body["code"].as_str().unwrap()), (status, code), "{body}");
        assert!(!body.to_string().contains("away"), "{body}");
        assert_eq!(Here::number(folder.path(), "SELECT count(*) FROM note").await, 0);
    }
    embedded.close().await.unwrap();
}

const ORDERS: &str = r#"
[[entity]]
name = "order"
table = "orders"
policy = "lastWriteWins"
allow = { read = ["*"], write = ["*"] }
scopes = ["all"]
fields = [{ name = "status", type = "text" }, { name = "total", type = "integer" }]
"#;

#[tokio::test]
async fn r11_the_example_serves_an_app_and_refuses() {
    let folder = TempDir::new().unwrap();
    let config = format!("{CONFIG}{ORDERS}").replacen("\"team:a\"", "\"team:a\", \"role:lead\"", 1);
    std::fs::write(folder.path().join("server.toml"), config).unwrap();
    // Cargo builds examples with the tests, and puts them beside.
    let example = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples/embed");
    let mut program = Command::new(example);
    program.arg(folder.path().join("server.toml")).arg("127.0.0.1:0").stdout(Stdio::piped());
    Here::hand_over(folder.path(), &mut program);
    let mut child = program.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
    assert_eq!(reqwest::get(format!("{url}/hello")).await.unwrap().text().await.unwrap(), "hello");
    let (mut ana, mut ben) = (Api::new(&format!("{url}/sync"), "t-ana"), Api::new(&format!("{url}/sync"), "t-ben"));
    let order = |total: i64| json!({"set": {"status": "closed", "total": total}});
    let refused = ben.push_one("create", "order", "1", order(10_001)).await;
    let message = "An order that large is not made on a device.";
    let fields = json!({"total": "is over 10000"});
    assert_eq!(refused, json!({"outcome": "rejected", "code": "order/too-large", "message": message, "fields": fields}));
    ben.accepted("create", "order", "1", order(10_000)).await;
    let refused: Json = ben.push_one("update", "order", "1", json!({"set": {"status": "open"}})).await;
    assert_eq!(refused["code"], "order/closed");
    ana.accepted("update", "order", "1", json!({"set": {"status": "open"}})).await;
    ben.accepted("update", "order", "1", json!({"set": {"total": 5}})).await;
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
