//! Every problem code, each from the request that earns it.

use std::io::Write;

use reqwest::header;
use serde_json::{Value, json};

use super::{Here, Server};
use crate::support::{Api, Backend as _, code_of};

async fn send(request: reqwest::RequestBuilder) -> String {
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    code_of(&(response.status(), response.text().await.unwrap()))
}

fn post(api: &Api, path: &str) -> reqwest::RequestBuilder {
    let request = api.http.post(format!("{}{path}", api.url)).bearer_auth(&api.token);
    request.header(header::CONTENT_TYPE, "application/json")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn tokens() {
    let server = Server::start().await;
    let api = server.ana();
    for path in ["/v1/push", "/v1/pull"] {
        let url = format!("{}{path}", api.url);
        for authorization in [None, Some("Bearer wrong"), Some("Bearer"), Some("Basic t-ana"), Some("t-ana")] {
            // The body is wrong as well, but who asks comes first.
            let mut request = api.http.post(&url).body("{");
            if let Some(authorization) = authorization {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            assert_eq!(send(request).await, "auth/unauthenticated", "{path} {authorization:?}");
        }
    }
    assert_eq!(send(api.http.get(format!("{}/v1/events", api.url))).await, "auth/unauthenticated");
    let answer = api.http.post(format!("{}/v1/push", api.url)).send().await.unwrap();
    assert_eq!(answer.headers()[header::WWW_AUTHENTICATE], "Bearer");
}

#[tokio::test]
async fn paths_and_methods() {
    let server = Server::start().await;
    let api = server.ana();
    let url = |path: &str| format!("{}{path}", api.url);
    for path in ["/", "/v1", "/v1/nothing", "/v2/push", "/index.html"] {
        assert_eq!(send(api.http.get(url(path))).await, "request/not-found", "{path}");
    }
    assert_eq!(send(api.http.get(url("/v1/push"))).await, "request/method");
    assert_eq!(send(api.http.delete(url("/v1/pull"))).await, "request/method");
    assert_eq!(send(api.http.post(url("/v1/ping?nonce=1"))).await, "request/method");
}

#[tokio::test]
async fn content_types_and_encodings() {
    let server = Server::start().await;
    let api = server.ana();
    let body = api.request(&[], 0).to_string();
    let bare = |body: String| api.http.post(format!("{}/v1/push", api.url)).bearer_auth("t-ana").body(body);
    assert_eq!(send(bare(body.clone())).await, "request/content-type");
    for wrong in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        assert_eq!(
            send(bare(body.clone()).header(header::CONTENT_TYPE, wrong)).await,
            "request/content-type",
            "{wrong}"
        );
    }
    let brotli = post(&api, "/v1/push").header(header::CONTENT_ENCODING, "br").body(body.clone());
    assert_eq!(send(brotli).await, "request/content-type");
    for right in ["application/json", "Application/JSON; charset=utf-8"] {
        let answer = bare(body.clone()).header(header::CONTENT_TYPE, right).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{right}");
    }
}

#[tokio::test]
async fn shapes() {
    let server = Server::start().await;
    let mut api = server.ana();
    let good = api.change("create", "note", "n", json!({"set": {"title": "t"}}));
    let with = |key: &str, value: Value| {
        let mut change = good.clone();
        change[key] = value;
        api.request(&[change], 0)
    };
    let mut other_client = api.request(&[], 0);
    other_client["client"] = json!("me");
    let second = json!({"seq": 1});
    // With the four levels around it one too many; with one less it is merely the wrong type of one field.
    let nested = |levels| serde_json::from_str::<Value>(&("[".repeat(levels) + &"]".repeat(levels))).unwrap();
    let not_too_deep = with("set", json!({"title": nested(60)})).to_string();
    let answer = post(&api, "/v1/push").body(not_too_deep).send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(answer["outcomes"][0]["code"], "value/type");
    let deep = with("set", json!({"title": nested(61)})).to_string();
    let bodies = [
        "".to_owned(),
        "{".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "{}".to_owned(),
        "\u{feff}{}".to_owned(),
        deep,
        r#"{"protocol":"1"}"#.to_owned(),
        other_client.to_string(),
        with("seq", json!(0)).to_string(),
        with("seq", json!(-1)).to_string(),
        with("seq", json!(1.5)).to_string(),
        with("change", json!("not a uuid")).to_string(),
        with("op", json!("upsert")).to_string(),
        with("op", json!("delete")).to_string(),
        with("set", json!([])).to_string(),
        with("surprise", json!(1)).to_string(),
        with("group", json!("g".repeat(129))).to_string(),
        api.request(&[good.clone(), second], 0).to_string(),
        api.request(&[good.clone(), good.clone()], 0).to_string(),
    ];
    for body in bodies {
        assert_eq!(send(post(&api, "/v1/push").body(body.clone())).await, "request/malformed", "{body:.200}");
    }
    let [a, b, c] = [("g", 1), ("h", 2), ("g", 3)].map(|(group, seq)| {
        let mut change = good.clone();
        change["group"] = json!(group);
        change["seq"] = json!(seq);
        change
    });
    let torn = api.request(&[a, b, c], 0).to_string();
    assert_eq!(send(post(&api, "/v1/push").body(torn)).await, "request/malformed");
    let invalid_utf8 = post(&api, "/v1/push").body(vec![0xff, 0xfe]);
    assert_eq!(send(invalid_utf8).await, "request/malformed");
    for body in [r#"{"protocol":1}"#, r#"{"protocol":1,"client":"me","schema":1,"entities":[]}"#] {
        assert_eq!(send(post(&api, "/v1/pull").body(body)).await, "request/malformed", "{body}");
    }
    assert_eq!(server.number("SELECT last_seq FROM whimbrel_client").await, 1);
}

#[tokio::test]
async fn a_skipped_seq_inside_a_request_is_a_gap() {
    let server = Server::start().await;
    let mut api = server.ana();
    let first = api.change("create", "note", "a", json!({"set": {"title": "t"}}));
    api.change("create", "note", "skipped", json!({}));
    let third = api.change("create", "note", "c", json!({"set": {"title": "t"}}));
    assert_eq!(send(post(&api, "/v1/push").body(api.request(&[first, third], 0).to_string())).await, "push/gap");
}

#[tokio::test]
async fn versions() {
    let server = Server::start().await;
    let api = server.ana();
    for path in ["/v1/push", "/v1/pull"] {
        for protocol in [0, 2, 99] {
            // A later protocol may look different; its version is what is answered.
            let body = json!({"protocol": protocol, "something": "new"}).to_string();
            assert_eq!(send(post(&api, path).body(body)).await, "protocol/upgrade-required");
        }
    }
}

#[tokio::test]
async fn sizes() {
    let server = Server::start().await;
    let api = server.ana();
    let note = |api: &mut Api, bytes: usize| {
        api.change("create", "note", "n", json!({"set": {"title": "t", "body": "x".repeat(bytes)}}))
    };
    let too_large_change = api.request(&[note(&mut api.clone(), 262_144)], 0);
    assert_eq!(send(post(&api, "/v1/push").body(too_large_change.to_string())).await, "request/too-large");
    let many: Vec<Value> = (0..501).map(|_| api.clone().change("delete", "note", "n", json!({}))).collect();
    assert_eq!(send(post(&api, "/v1/push").body(api.request(&many, 0).to_string())).await, "request/too-large");

    let padded = |bytes: usize| format!("{}{}", api.request(&[], 0), " ".repeat(bytes));
    let inflated = gzip(padded(8 * 1024 * 1024).as_bytes());
    assert!(inflated.len() < 100_000);
    let request = post(&api, "/v1/push").header(header::CONTENT_ENCODING, "gzip").body(inflated);
    assert_eq!(send(request).await, "request/too-large");
    let compressed = gzip(padded(7 * 1024 * 1024).as_bytes());
    let request = post(&api, "/v1/push").header(header::CONTENT_ENCODING, "gzip").body(compressed);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let request = post(&api, "/v1/push").header(header::CONTENT_ENCODING, "gzip").body("not gzip");
    assert_eq!(send(request).await, "request/malformed");
}

/// Without a socket: a client that is cut off while it still sends may not see the answer.
#[tokio::test]
async fn a_body_over_its_limit_is_refused_as_sent() {
    use tower::ServiceExt;
    let server = Server::start().await;
    let folder = server.stop().await;
    let config = crate::support::config_in(folder.path(), crate::support::CONFIG);
    let storage = Here::open(folder.path(), &config).await.unwrap();
    let router = whimbrel_server::router(&config, storage.into(), whimbrel_server::Hints::default());
    for (bytes, status) in [(1024 * 1024 + 1, 413), (1024 * 1024, 400)] {
        let request = axum::http::Request::post("/v1/push")
            .header("authorization", "Bearer t-ana")
            .header("content-type", "application/json")
            .body(axum::body::Body::from(vec![b' '; bytes]))
            .unwrap();
        assert_eq!(router.clone().oneshot(request).await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn unknown_entities_of_a_pull() {
    let server = Server::start().await;
    let api = server.ana();
    let body = json!({"protocol": 1, "client": api.client, "schema": 1, "entities": ["note", "nothing"]});
    assert_eq!(send(post(&api, "/v1/pull").body(body.to_string())).await, "pull/unknown-entity");
}

#[tokio::test]
async fn a_database_that_others_hold_is_busy_and_one_that_is_broken_is_a_fault() {
    let server = Server::start().await;
    let mut api = server.ana();
    server.sql("DROP TABLE whimbrel_client").await;
    let change = api.change("create", "note", "n", json!({"set": {"title": "t"}}));
    let body = api.request(&[change], 0).to_string();
    let answer = post(&api, "/v1/push").body(body.clone()).send().await.unwrap();
    let text = answer.text().await.unwrap();
    assert!(!text.contains("whimbrel_client"), "the inside of the server is nobody's business: {text}");
    assert_eq!(send(post(&api, "/v1/push").body(body)).await, "server/internal");

    let server = Server::start().await;
    let api = server.ana();
    let _held = server.hold().await;
    let answer = post(&api, "/v1/push").body(api.request(&[], 0).to_string()).send().await.unwrap();
    assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
    assert_eq!(code_of(&(answer.status(), answer.text().await.unwrap())), "server/busy");
}

#[tokio::test]
async fn ping_and_health() {
    let server = Server::start().await;
    let api = server.ana();
    let get = async |path: &str| {
        let answer = api.http.get(format!("{}{path}", api.url)).send().await.unwrap();
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (status, pong) = get("/v1/ping?nonce=a%20b%C3%B1").await;
    assert_eq!((status, &pong["nonce"], &pong["protocol"]), (200, &json!("a bñ"), &json!(1)));
    let (_, again) = get("/v1/ping?nonce=2").await;
    assert_eq!(pong["history"], again["history"]);
    assert_eq!(get("/health").await, (200, json!({"status": "ok"})));
    let (status, document) = get("/v1/openapi.json").await;
    assert_eq!((status, &document["paths"]["/v1/push"]["post"]["tags"][0]), (200, &json!("sync")));
    for path in ["/v1/ping", "/v1/ping?nonce", &format!("/v1/ping?nonce={}", "x".repeat(129))] {
        let (status, problem) = get(path).await;
        let expected = if path == "/v1/ping?nonce" { 200 } else { 400 };
        assert_eq!(status, expected, "{problem}");
    }
}
