//! Realms: which one a token is for, and what becomes of the others when one is away.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tempfile::TempDir;
use whimbrel_conformance::{Target, run};
use whimbrel_server::{HookError, Hooks, OpenCause, RealmError, open_all};

use super::Here;
use super::detach::said;
use crate::auth::{Signer, issuer};
use crate::support::{Api, Backend as _, CONFIG, RealmServer, code_of, config_in, with_realms};

const CONFORMANCE: &str = include_str!("../../../conformance/conformance.toml");

/// A configuration with both realms in places of the first kind.
async fn both(folder: &TempDir, config: &str, tokens: &str) -> String {
    let mut places = Vec::new();
    for name in ["acme", "globex"] {
        places.push((name, Here::realm(folder.path(), 0, name).await));
    }
    with_realms(config, tokens, &places)
}

#[tokio::test]
async fn every_case_of_the_protocol_in_a_realm() {
    let folder = Arc::new(TempDir::new().unwrap());
    let tokens = r#"tokens = [
  { token = "ana", user = "ana", scopes = ["all", "team:a", "team:b", "role:boss"], realm = "acme" },
  { token = "ben", user = "ben", scopes = ["all", "team:b"], realm = "acme" },
]"#;
    let config = both(&folder, CONFORMANCE, tokens).await;
    let server = RealmServer::start_with::<Here>(folder, &config, Hooks::default()).await;
    let target = Target { url: server.url.clone(), token: "ana".into(), other_token: Some("ben".into()) };
    let report = run(&target, "").await;
    assert!(report.failed.is_empty() && report.left_out == 0 && report.passed.len() > 100, "{report}");
}

#[tokio::test]
async fn r5_a_token_is_for_the_realm_that_its_claim_says_and_for_no_other() {
    let folder = Arc::new(TempDir::new().unwrap());
    let places = [
        ("acme", Here::realm(folder.path(), 0, "acme").await),
        ("globex", Here::realm(folder.path(), 0, "globex").await),
    ];
    let by_claim = issuer("id", "{sub}", &format!("realm = \"{{org}}\"\n{}", key("secret", "HS256", "secretFile")));
    let of_one = issuer("staff", "{sub}", &format!("realm = \"globex\"\n{}", key("ec.pub.pem", "ES256", "pemFile")));
    let config = with_realms(&CONFIG.replace("\"development\"", "\"jwt\""), &(by_claim + &of_one), &places);
    let server = RealmServer::start_with::<Here>(folder, &config, Hooks::default()).await;
    let (signer, staff) = (Signer::new(Algorithm::HS256, "secret", None), Signer::new(Algorithm::ES256, "ec.pem", None));
    let (acme, globex) = (signer.token(json!({"org": "acme"})), signer.token(json!({"org": ["globex"]})));
    server.api(&acme).accepted("create", "note", "n", json!({"set": {"title": "acme's"}})).await;
    let rows = async |token: &str| {
        let lines = server.api(token).pull(&["note"], &json!([])).await;
        lines.iter().map(|line| line["rows"]["data"].as_array().map_or(0, Vec::len)).sum::<usize>()
    };
    assert_eq!((rows(&acme).await, rows(&globex).await), (1, 0));
    // What the token of an issuer of one realm claims besides counts for nothing.
    assert_eq!(rows(&staff.token(json!({"iss": "staff", "org": "acme"}))).await, 0);
    let mut answers = Vec::new();
    for org in [json!(null), json!("nobodys"), json!(""), json!(["acme", "globex"]), json!("ACME"), json!(7), json!("acme ")] {
        let api = server.api(&signer.token(json!({ "org": org })));
        for (method, path) in [("POST", "/v1/push"), ("POST", "/v1/pull"), ("GET", "/v1/events")] {
            let request = api.http.request(method.parse().unwrap(), format!("{}{path}", api.url)).bearer_auth(&api.token);
            let answer = request.send().await.unwrap();
            answers.push((answer.status(), answer.text().await.unwrap()));
            assert_eq!(code_of(answers.last().unwrap()), "auth/forbidden", "{org} {path}");
        }
    }
    // No realm and a realm that is not here are the same answer.
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == 403), "{answers:?}");
}

fn key(file: &str, algorithm: &str, kind: &str) -> String {
    format!("keys = [{{ algorithm = \"{algorithm}\", {kind} = \"KEYS/{file}\" }}]")
}

#[tokio::test]
async fn who_has_no_token_is_told_of_no_realm() {
    let server = RealmServer::start::<Here>(0, CONFIG).await;
    let get = async |path: &str, token: &str| {
        let request = reqwest::Client::new().get(format!("{}{path}", server.url));
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let history = async |token: &str| get("/v1/ping?nonce=1", token).await["history"].as_str().unwrap().to_owned();
    assert_eq!((history("").await, history("nobodys").await), (String::new(), String::new()));
    let (acme, globex) = (history("acme-ana").await, history("globex-ana").await);
    assert!(!acme.is_empty() && !globex.is_empty() && acme != globex);
    assert_eq!(get("/health", "").await, json!({"status": "ok"}));
}

#[tokio::test]
async fn a_realm_that_is_away_is_busy_and_comes_later_and_the_others_are_served() {
    let server = RealmServer::start_half::<Here>(&format!("{CONFIG}[metrics]\ntoken = \"0123456789abcdef\"")).await;
    let health = async || {
        let answer = reqwest::get(format!("{}/health", server.url)).await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let ups = async || {
        let request = reqwest::Client::new().get(format!("{}/metrics", server.url));
        let text = request.bearer_auth("0123456789abcdef").send().await.unwrap().text().await.unwrap();
        let lines = text.lines().filter(|line| line.starts_with("whimbrel_database_up{")).map(str::to_owned);
        let mut lines: Vec<String> = lines.collect();
        lines.sort();
        lines
    };
    let (mut acme, globex) = (server.api("acme-ana"), server.api("globex-twin"));
    acme.accepted("create", "note", "n", json!({"set": {"title": "t"}})).await;
    let pull = json!({"protocol": 1, "client": globex.client, "schema": 1, "entities": ["note"]});
    let refused = globex.post("/v1/pull", &pull).await;
    assert_eq!((refused.0.as_u16(), code_of(&refused).as_str()), (503, "server/busy"));
    assert_eq!(health().await, (200, json!({"status": "degraded"})));
    let up = |realm: &str, is_up: u8| format!("whimbrel_database_up{{realm=\"{realm}\"}} {is_up}");
    assert_eq!(ups().await, [up("acme", 1), up("globex", 0)]);
    Here::let_come(server.folder().path()).await;
    // It is tried again by itself; when, nobody says.
    while globex.post("/v1/pull", &pull).await.0 != 200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(health().await, (200, json!({"status": "ok"})));
    assert_eq!(ups().await, [up("acme", 1), up("globex", 1)]);
    server.api("globex-twin").accepted("create", "note", "n", json!({"set": {"title": "t"}})).await;
}

#[tokio::test]
async fn figures_say_the_realm_and_nothing_else_of_it() {
    let server = RealmServer::start::<Here>(0, &format!("{CONFIG}[metrics]\ntoken = \"0123456789abcdef\"")).await;
    server.api("acme-ana").accepted("create", "note", "n", json!({"set": {"title": "t"}})).await;
    server.api("acme-ana").pull(&["note"], &json!([])).await;
    let request = reqwest::Client::new().get(format!("{}/metrics", server.url)).bearer_auth("0123456789abcdef");
    let text = request.send().await.unwrap().text().await.unwrap();
    for line in [
        r#"whimbrel_push_changes_total{outcome="accepted",realm="acme"} 1"#,
        r#"whimbrel_pull_rows_total{realm="acme"} 1"#,
        r#"whimbrel_pulls_open{realm="acme"} 0"#,
        r#"whimbrel_version{realm="acme"} 1"#,
        r#"whimbrel_version{realm="globex"} 0"#,
        r#"whimbrel_requests_total{method="POST",route="/v1/push",status="200"} 1"#,
    ] {
        assert!(text.lines().any(|each| each == line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn rates_are_of_a_user_and_a_client_in_a_realm() {
    let limits = "[limits]\nuserPerSecond = 1\nuserBurst = 3\nclientPerSecond = 1\nclientBurst = 2";
    let server = RealmServer::start::<Here>(0, &format!("{CONFIG}{limits}")).await;
    let (acme, mut globex) = (server.api("acme-ana"), server.api("globex-ana"));
    globex.client.clone_from(&acme.client);
    let pull = json!({"protocol": 1, "client": acme.client, "schema": 1, "entities": ["note"]});
    while acme.post("/v1/pull", &pull).await.0 != 429 {}
    // The same name and the same client there are others.
    assert_eq!(globex.post("/v1/pull", &pull).await.0, 200);
}

#[tokio::test]
async fn one_database_is_not_two_realms_whatever_it_is_called() {
    let folder = TempDir::new().unwrap();
    let tokens = r#"tokens = [{ token = "a", user = "ana", realm = "acme" }]"#;
    let mut config = config_in(folder.path(), &both(&folder, CONFIG, tokens).await);
    open_all::<<Here as crate::support::Backend>::Storage>(&config, Vec::new()).await.unwrap().close().await.unwrap();
    // As with another name for the same server, or a link to the same file.
    config.realms[1].place = config.realms[0].place.clone();
    for renewed in [vec![], vec!["globex".to_owned()]] {
        let opened = open_all::<<Here as crate::support::Backend>::Storage>(&config, renewed).await;
        let error = opened.map(|_| ()).unwrap_err();
        assert!(matches!(error.cause, OpenCause::Realm(RealmError::SameHistory(_))), "{error}");
        assert!(error.to_string().starts_with("realm ") && error.to_string().contains("or a copy of it"), "{error}");
    }
}

#[tokio::test]
async fn hooks_and_seeds_know_the_realm() {
    let folder = Arc::new(TempDir::new().unwrap());
    std::fs::write(folder.path().join("all.json"), r#"[{"title": "all"}]"#).unwrap();
    std::fs::write(folder.path().join("acme.json"), r#"[{"title": "acme"}]"#).unwrap();
    let tokens = r#"tokens = [
  { token = "a", user = "ana", scopes = ["all"], realm = "acme" },
  { token = "g", user = "ana", scopes = ["all"], realm = "globex" },
]"#;
    let seeds = "[[seed]]\nentity = \"note\"\nfile = \"all.json\"\nidFrom = [\"title\"]\n\
                 [[seed]]\nentity = \"doc\"\nfile = \"acme.json\"\nidFrom = [\"title\"]\nrealm = \"acme\"\n";
    let config = format!("{}{seeds}", both(&folder, CONFIG, tokens).await);
    let hooks = Hooks::default().authorize(async |attempt| match attempt.user.realm.as_deref() {
        Some("acme") => Ok(()),
        other => Err(HookError::refused("app/realm", format!("not in {other:?}"))),
    });
    let server = RealmServer::start_with::<Here>(folder, &config, hooks).await;
    let rows = async |token: &str| {
        let lines = server.api(token).pull(&["note", "doc"], &json!([])).await;
        lines.iter().map(|line| line["rows"]["data"].as_array().map_or(0, Vec::len)).sum::<usize>()
    };
    assert_eq!((rows("a").await, rows("g").await), (2, 1));
    server.api("a").accepted("create", "note", "n", json!({"set": {"title": "t"}})).await;
    let refused = server.api("g").push_one("create", "note", "n", json!({"set": {"title": "t"}})).await;
    assert_eq!(refused["message"], "not in Some(\"globex\")");
}

#[tokio::test]
async fn commands_are_for_all_realms_or_for_one() {
    let folder = TempDir::new().unwrap();
    let tokens = r#"tokens = [{ token = "a", user = "ana", scopes = ["all"], realm = "acme" }]"#;
    std::fs::write(folder.path().join("server.toml"), both(&folder, CONFIG, tokens).await).unwrap();
    let command = |arguments: &[&str]| said(folder.path(), arguments);
    let script = command(&["attach", "--dry-run"]);
    assert_eq!(script.matches("CREATE TABLE \"note\"").count(), 2, "{script}");
    assert!(script.contains("-- realm acme\n") && script.contains("-- realm globex\n"), "{script}");
    assert_eq!(command(&["attach", "--realm", "acme"]), "");
    let script = |realm: &str| command(&["attach", "--dry-run", "--realm", realm]);
    let makes_tables = |realm: &str| script(realm).contains("CREATE TABLE \"note\"");
    assert!(!makes_tables("acme") && makes_tables("globex"), "one is attached, and the other is not");
    let forgotten = "removals forgotten: 0, horizon: 0\n";
    assert_eq!(command(&["--compact"]), format!("acme: {forgotten}globex: {forgotten}"));
    assert_eq!(command(&["--compact", "--realm", "globex"]), format!("globex: {forgotten}"));
    let attached = [script("acme"), script("globex")];
    assert_eq!(command(&["detach", "--realm", "acme"]), "");
    assert!(script("acme").len() > attached[0].len() && script("globex") == attached[1]);
    let fails = |arguments: &[&str]| {
        let output = super::program::command(folder.path()).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (arguments, what) in [
        (&["--compact", "--realm", "other"][..], "the configuration has no realm other"),
        (&["--realm", "acme"], "and there is neither"),
        (&["--data", "x"], "--data is of a server without realms"),
    ] {
        let (code, said) = fails(arguments);
        assert!(code == Some(2) && said.contains(what), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn a_new_history_is_for_one_realm_alone() {
    let folder = Arc::new(TempDir::new().unwrap());
    let tokens = r#"tokens = [
  { token = "a", user = "ana", scopes = ["all"], realm = "acme" },
  { token = "g", user = "ana", scopes = ["all"], realm = "globex" },
]"#;
    let text = both(&folder, CONFIG, tokens).await;
    let config = config_in(folder.path(), &text);
    let histories = async |server: &RealmServer| {
        let mut all = Vec::new();
        for token in ["a", "g"] {
            let lines = Api::new(&server.url, token).pull(&["note"], &json!([])).await;
            all.push(lines[0]["start"]["history"].as_str().unwrap().to_owned());
        }
        all
    };
    let server = RealmServer::start_with::<Here>(folder, &text, Hooks::default()).await;
    let before = histories(&server).await;
    let folder = server.stop().await;
    let renewed = vec!["globex".to_owned()];
    open_all::<<Here as crate::support::Backend>::Storage>(&config, renewed).await.unwrap().close().await.unwrap();
    let server = RealmServer::start_with::<Here>(folder, &text, Hooks::default()).await;
    let after = histories(&server).await;
    assert_eq!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
}
