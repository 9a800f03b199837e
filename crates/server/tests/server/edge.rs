//! How requests come in: how many, how slow, and how answers are compressed.

use std::time::Duration;

use reqwest::{RequestBuilder, header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Api, CONFIG, code_of};

type Server = crate::support::Server<crate::support::Sqlite>;

async fn start(limits: &str) -> Server {
    Server::start_with(&format!("{CONFIG}\n[limits]\n{limits}")).await
}

/// The code of an answer, or `ok`.
async fn code(request: RequestBuilder) -> String {
    let answer = request.send().await.unwrap();
    if answer.status().is_success() {
        return "ok".to_owned();
    }
    if answer.status() == 429 {
        assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
    }
    code_of(&(answer.status(), answer.text().await.unwrap()))
}

fn push(api: &Api) -> RequestBuilder {
    api.http.post(format!("{}/v1/push", api.url)).bearer_auth(&api.token).json(&api.request(&[], 0))
}

#[tokio::test]
async fn a_client_and_a_user_may_ask_so_often_and_others_do_not_notice() {
    let server = start("clientPerSecond = 1\nclientBurst = 3\nuserPerSecond = 1\nuserBurst = 5").await;
    let (ana, other, ben) = (server.ana(), server.ana(), server.ben());
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(code(push(&ana)).await);
    }
    assert_eq!(codes, ["ok", "ok", "ok", "request/too-many"]);
    // Another client of hers, until she herself is too many.
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(code(push(&other)).await);
    }
    assert_eq!(codes[0], "ok");
    assert_eq!(codes[2], "request/too-many");
    let state = ana.http.get(format!("{}/v1/events", ana.url)).bearer_auth(&ana.token);
    assert_eq!(code(state).await, "request/too-many", "whatever she asks for");
    assert_eq!(code(push(&ben)).await, "ok");
    assert_eq!(code(ana.http.get(format!("{}/v1/ping?nonce=1", ana.url))).await, "ok", "needs no user");
}

/// The first push of a queue of 10,000 changes, and all pulls of an app that has just been opened, come at once.
#[tokio::test]
async fn what_a_client_sends_at_once_passes_the_usual_limits() {
    let server = start("userPerSecond = 100\nclientPerSecond = 20").await;
    let ana = server.ana();
    for _ in 0..100 {
        assert_eq!(code(push(&ana)).await, "ok");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = start("bodySeconds = 1").await;
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    let head = "POST /v1/push HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t-ana\r\n\
                content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let length = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request/timeout"), "{answer}");
}

#[tokio::test]
async fn answers_come_as_gzip_or_brotli() {
    let server = Server::start().await;
    let mut ana = server.ana();
    for id in 0..20 {
        ana.accepted("create", "note", &format!("n{id}"), json!({"set": {"title": "t"}})).await;
    }
    // One that unpacks nothing by itself.
    ana.http = reqwest::Client::builder().no_gzip().no_brotli().build().unwrap();
    let pull = json!({ "protocol": 1, "client": ana.client, "schema": 1, "entities": ["note"] });
    for (accepted, sent) in [("gzip", "gzip"), ("br", "br"), ("gzip, deflate, br, zstd", "br"), ("zstd", "")] {
        let pull = ana.http.post(format!("{}/v1/pull", ana.url)).bearer_auth(&ana.token).json(&pull);
        let document = ana.http.get(format!("{}/v1/openapi.json", ana.url));
        for request in [pull, document] {
            let answer = request.header(header::ACCEPT_ENCODING, accepted).send().await.unwrap();
            let encoding = answer.headers().get(header::CONTENT_ENCODING).map_or("", |value| value.to_str().unwrap());
            assert_eq!(encoding, sent, "{accepted}");
            let bytes = answer.bytes().await.unwrap().to_vec();
            let plain = match sent {
                "gzip" => std::io::read_to_string(flate2::read::GzDecoder::new(&*bytes)).unwrap(),
                "br" => std::io::read_to_string(brotli::Decompressor::new(&*bytes, 4096)).unwrap(),
                _ => String::from_utf8(bytes).unwrap(),
            };
            let last = plain.trim_end().lines().last().unwrap();
            assert!(last == "{\"end\":{}}" || serde_json::from_str::<Value>(&plain).is_ok(), "{accepted}: {plain}");
        }
    }
}
