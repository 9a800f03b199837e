//! A server that takes less than the protocol has: what is over its limits is refused with a code, and an engine gets everything through all the same.

use std::io::Write;

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::{Api, CONFIG, code_of};

type Server = crate::support::Server<crate::support::Sqlite>;

const LIMITS: &str =
    "[limits]\nbodyBytes = 65536\ninflatedBytes = 131072\npushChanges = 10\nchangeBytes = 2048\ndepth = 8\n";

async fn start() -> Server {
    Server::start_with(&format!("{CONFIG}{LIMITS}")).await
}

fn post(api: &Api, body: Vec<u8>) -> RequestBuilder {
    let request = api.http.post(format!("{}/v1/push", api.url)).bearer_auth(&api.token);
    request.header("content-type", "application/json").body(body)
}

async fn code(request: RequestBuilder) -> String {
    let answer = request.send().await.unwrap();
    if answer.status() == 200 { "ok".to_owned() } else { code_of(&(answer.status(), answer.text().await.unwrap())) }
}

#[tokio::test]
async fn bodies_pushes_and_depth_are_limited_as_configured() {
    let server = start().await;
    let ana = server.ana();
    let padded = |bytes: usize| {
        let body = ana.request(&[], 0).to_string();
        let padding = " ".repeat(bytes - body.len());
        (body + &padding).into_bytes()
    };
    let gzip = |bytes: usize| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&padded(bytes)).unwrap();
        post(&ana, encoder.finish().unwrap()).header("content-encoding", "gzip")
    };
    assert_eq!(code(post(&ana, padded(65_536))).await, "ok");
    assert_eq!(code(post(&ana, padded(65_537))).await, "request/too-large");
    assert_eq!(code(gzip(131_072)).await, "ok");
    assert_eq!(code(gzip(131_073)).await, "request/too-large");
    let nested = |levels: usize| {
        let value: Value = serde_json::from_str(&("[".repeat(levels) + &"]".repeat(levels))).unwrap();
        ana.clone().change("create", "note", "n", json!({"set": {"title": value}}))
    };
    // With the four levels around it.
    assert_eq!(code(post(&ana, ana.request(&[nested(4)], 0).to_string().into())).await, "ok");
    assert_eq!(code(post(&ana, ana.request(&[nested(5)], 0).to_string().into())).await, "request/malformed");
    let mut other = server.ana();
    let many: Vec<Value> = (0..11).map(|number| other.change("create", "note", &number.to_string(), title())).collect();
    assert_eq!(code(post(&other, other.request(&many, 0).to_string().into())).await, "request/too-large");
    assert_eq!(code(post(&other, other.request(&many[..10], 0).to_string().into())).await, "ok");
    server.ana().accepted("create", "note", "after", title()).await;
}

fn title() -> Value {
    json!({"set": {"title": "t"}})
}

/// A request with a change over the protocol's limit is the sender's fault. One over this server's is not: it is refused, and the others are not.
#[tokio::test]
async fn a_change_over_the_servers_limit_is_refused_by_itself() {
    let server = start().await;
    let mut ana = server.ana();
    let large = json!({"set": {"title": "t", "body": "x".repeat(2048)}});
    let changes = [
        ana.change("create", "note", "a", title()),
        ana.change("create", "note", "b", large.clone()),
        ana.change("create", "note", "c", title()),
    ];
    let outcomes = ana.push(&changes).await;
    let said = |outcome: &Value| (outcome["outcome"].as_str().unwrap().to_owned(), outcome["code"].clone());
    let [accepted, rejected] =
        [("accepted".to_owned(), json!(null)), ("rejected".to_owned(), json!("value/too-large"))];
    assert_eq!(outcomes.iter().map(said).collect::<Vec<_>>(), [accepted.clone(), rejected.clone(), accepted]);
    // As it was, when it is sent again.
    assert_eq!(said(&ana.push(&changes).await[1]), rejected);
    assert_eq!(server.number("SELECT count(*) FROM note").await, 2);
}
