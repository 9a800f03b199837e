//! The conformance suite can fail: between it and a right server stands somebody who gets one thing wrong at a time.

use std::sync::Arc;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use whimbrel_conformance::{Target, run};

use crate::support::{Server, Sqlite};

const CONFIG: &str = include_str!("../../../conformance/conformance.toml");

/// A request or an answer on its way.
struct Passing {
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
    status: StatusCode,
}

impl Passing {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn set(&mut self, body: &Value) {
        self.body = body.to_string().into_bytes();
    }

    /// Changes every line of a pull's answer; what becomes null is left out.
    fn each_line(&mut self, change: impl Fn(&mut Value)) {
        let text = String::from_utf8(std::mem::take(&mut self.body)).unwrap();
        for line in text.lines() {
            let mut line = serde_json::from_str(line).unwrap();
            change(&mut line);
            if !line.is_null() {
                self.body.extend(format!("{line}\n").into_bytes());
            }
        }
    }
}

type Spoil = fn(&mut Passing);

/// Starts somebody in between.
async fn between(server: &str, request: Spoil, answer: Spoil) -> Target {
    let (server, http) = (Arc::new(server.to_owned()), reqwest::Client::builder().no_gzip().build().unwrap());
    let pass = move |incoming: Request| {
        let (server, http) = (Arc::clone(&server), http.clone());
        async move { forward(&server, &http, incoming, request, answer).await }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, Router::new().fallback(pass)).await.unwrap() });
    Target { url, token: "ana".into(), other_token: Some("ben".into()) }
}

async fn forward(server: &str, http: &reqwest::Client, incoming: Request, request: Spoil, answer: Spoil) -> Response {
    let (mut parts, body) = incoming.into_parts();
    for name in [header::HOST, header::CONTENT_LENGTH, header::ACCEPT_ENCODING] {
        parts.headers.remove(name);
    }
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    let path = parts.uri.path().to_owned();
    let mut passing = Passing { path, headers: parts.headers, body, status: StatusCode::OK };
    request(&mut passing);
    let sent = http.request(parts.method, format!("{server}{}", parts.uri)).headers(passing.headers).body(passing.body);
    let sent = sent.send().await.unwrap();
    let (status, mut headers) = (sent.status(), sent.headers().clone());
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let mut back = Passing { path: passing.path, headers, body: sent.bytes().await.unwrap().to_vec(), status };
    answer(&mut back);
    (back.status, back.headers, Bytes::from(back.body)).into_response()
}

fn nothing(_: &mut Passing) {}

/// Which cases must fail, and one that must not, when requests and answers are spoilt like that.
#[track_caller]
fn check(must_fail: &[&str], must_pass: &str, request: Spoil, answer: Spoil) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(async {
        let server = Server::<Sqlite>::start_with(CONFIG).await;
        let target = between(&server.url, request, answer).await;
        for name in must_fail {
            let report = run(&target, name).await;
            assert!(report.failed.iter().any(|failed| failed.name == *name), "{name} did not see it: {report}");
            assert!(report.to_string().ends_with(" failed") && report.to_string().contains("PROTOCOL.md, "));
        }
        let report = run(&target, must_pass).await;
        assert!(report.failed.is_empty() && !report.passed.is_empty(), "{report}");
    });
}

#[test]
fn nothing_wrong() {
    check(&[], "once/", nothing, nothing);
}

#[test]
fn removals_are_forgotten() {
    let spoil: Spoil = |answer| {
        answer.path.ends_with("/pull").then(|| {
            answer.each_line(|line| {
                if line.get("gone").is_some() {
                    *line = Value::Null
                }
            })
        });
    };
    check(&["pull/gone", "pull/moved"], "pull/next", nothing, spoil);
}

#[test]
fn everything_is_accepted_anew() {
    let spoil: Spoil = |answer| {
        let text = String::from_utf8_lossy(&answer.body).replace("\"duplicate\"", "\"accepted\"");
        answer.body = text.into_bytes();
    };
    check(&["once/duplicate", "once/more-behind", "once/fork-ack"], "once/gap", nothing, spoil);
}

#[test]
fn a_refusal_is_decided_anew() {
    // A server that knows changes by nothing but their ids, and of those only what it accepted.
    let spoil: Spoil = |answer| {
        let mut body = answer.json();
        if body["outcomes"][0]["code"] == "row/not-found" && body["last_seq"] == 2 {
            body["outcomes"][0] = json!({"seq": 1, "outcome": "accepted", "version": 9});
            answer.set(&body);
        }
    };
    check(&["once/refusal-again"], "once/duplicate", nothing, spoil);
}

#[test]
fn users_are_not_told_apart() {
    let spoil: Spoil = |request| {
        if request.headers.get(header::AUTHORIZATION).is_some_and(|token| token == "Bearer ben") {
            request.headers.insert(header::AUTHORIZATION, "Bearer ana".parse().unwrap());
        }
    };
    let all = [
        "users/client",
        "users/end",
        "users/buckets",
        "users/forbidden",
        "users/cursors",
        "users/records",
        "users/conflicts",
        "users/contents",
        "users/uploads",
    ];
    check(&all, "users/start", spoil, nothing);
}

#[test]
fn whatever_is_not_known_is_overlooked() {
    let spoil: Spoil = |request| {
        let mut body = request.json();
        if let Some(body) = body.as_object_mut() {
            body.remove("surprise");
            for change in body.get_mut("changes").and_then(Value::as_array_mut).into_iter().flatten() {
                change.as_object_mut().unwrap().remove("surprise");
            }
            request.set(&json!(body));
        }
    };
    check(&["bodies/unknown-keys", "refusals/nothing-left"], "once/duplicate", spoil, nothing);
}

#[test]
fn a_base_says_nothing() {
    let spoil: Spoil = |request| {
        let mut body = request.json();
        for change in body["changes"].as_array_mut().into_iter().flatten() {
            change.as_object_mut().unwrap().remove("base");
        }
        if request.path.ends_with("/push") && !request.body.is_empty() {
            request.set(&body);
        }
    };
    check(&["conflicts/newer", "conflicts/other-history", "pairs/known"], "conflicts/no-base", spoil, nothing);
}

#[test]
fn rows_come_as_they_please() {
    let spoil: Spoil = |answer| {
        let turn = |line: &mut Value| {
            line["rows"]["data"].as_array_mut().into_iter().for_each(|rows| rows.reverse());
            if line["rows"]["data"].is_null() {
                line.as_object_mut().unwrap().remove("rows");
            }
        };
        answer.path.ends_with("/pull").then(|| answer.each_line(turn));
    };
    check(&["pull/first"], "pull/nothing", nothing, spoil);
}

#[test]
fn a_portal_answers_the_ping() {
    let spoil: Spoil = |answer| {
        if answer.path.ends_with("/ping") {
            answer.body = br#"{"nonce":"1","protocol":1,"history":"x"}"#.to_vec();
        }
    };
    check(&["ping/nonce", "ping/history"], "health", nothing, spoil);
}

#[test]
fn a_problem_is_a_page() {
    let spoil: Spoil = |answer| {
        if !answer.status.is_success() {
            answer.headers.insert(header::CONTENT_TYPE, "text/html".parse().unwrap());
            answer.headers.remove(header::WWW_AUTHENTICATE);
        }
    };
    check(&["tokens/none", "problems/method", "once/gap", "limits/changes"], "once/duplicate", nothing, spoil);
}

#[test]
fn a_content_may_be_run() {
    let spoil: Spoil = |answer| drop(answer.headers.remove(header::CONTENT_SECURITY_POLICY));
    check(&["attachments/safe"], "attachments/parts", nothing, spoil);
}

#[test]
fn answers_break_off_and_nobody_says_so() {
    let spoil: Spoil = |answer| {
        answer.path.ends_with("/pull").then(|| {
            answer.each_line(|line| {
                if line.get("end").is_some() {
                    *line = Value::Null
                }
            })
        });
    };
    check(&["pull/next", "pull/nothing"], "once/more-behind", nothing, spoil);
}
