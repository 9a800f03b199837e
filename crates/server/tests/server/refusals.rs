//! Whatever is wrong with a request, the answer is a problem document (RFC 9457) with a code.

use std::collections::BTreeSet;
use std::io::Write;

use reqwest::{Method, RequestBuilder, header};
use serde_json::{Value, json};

use crate::support::{Api, CONFIG, code_of};

type Server = crate::support::Server<crate::support::Sqlite>;
/// What is wrong, the request, and the code that it earns.
type Case = (&'static str, RequestBuilder, &'static str);

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An otherwise good request to an endpoint that takes a body.
fn send(api: &Api, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    let request = api.http.post(format!("{}{path}", api.url)).bearer_auth(&api.token).body(body);
    request.header(header::CONTENT_TYPE, "application/json")
}

/// What can be wrong with any body, for an endpoint with a good one.
fn bodies(api: &Api, path: &str, good: &Value) -> Vec<Case> {
    let with = |key: &str, value: Value| {
        let mut body = good.clone();
        body[key] = value;
        body.to_string()
    };
    let encoded = |name: &'static str, body: Vec<u8>| send(api, path, body).header(header::CONTENT_ENCODING, name);
    let deep = "[".repeat(65) + &"]".repeat(65);
    let padded = format!("{good}{}", " ".repeat(8 * 1024 * 1024));
    let without_type = api.http.post(format!("{}{path}", api.url)).bearer_auth(&api.token).body(good.to_string());
    let of_a_form = without_type.try_clone().unwrap().header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let plain = api.http.post(format!("{}{path}", api.url)).header(header::CONTENT_TYPE, "application/json");
    vec![
        ("no token", plain.try_clone().unwrap().body("{"), "auth/unauthenticated"),
        ("a wrong token", plain.try_clone().unwrap().bearer_auth("wrong").body("{"), "auth/unauthenticated"),
        ("another user's store", send(api, path, with("user", json!("ben"))), "auth/other-user"),
        ("no JSON", send(api, path, "{"), "request/malformed"),
        ("no UTF-8", send(api, path, vec![b'"', 0xff, b'"']), "request/malformed"),
        ("another shape", send(api, path, "[]"), "request/malformed"),
        ("a key that nobody knows", send(api, path, with("surprise", json!(1))), "request/malformed"),
        ("too deep", send(api, path, deep), "request/malformed"),
        ("a client that is no UUID", send(api, path, with("client", json!("me"))), "request/malformed"),
        ("another version", send(api, path, with("protocol", json!(2))), "protocol/upgrade-required"),
        ("over the limit", send(api, path, padded.clone()), "request/too-large"),
        ("far over it, of nobody", plain.try_clone().unwrap().body(padded.clone()), "auth/unauthenticated"),
        ("over it when unpacked", encoded("gzip", gzip(padded.as_bytes())), "request/too-large"),
        ("no gzip", encoded("gzip", b"no gzip".to_vec()), "request/malformed"),
        ("cut gzip", encoded("gzip", gzip(good.to_string().as_bytes())[..20].to_vec()), "request/malformed"),
        ("an encoding that is not taken", encoded("br", b"x".to_vec()), "request/content-type"),
        ("an encoding in an encoding", encoded("gzip, gzip", b"x".to_vec()), "request/content-type"),
        ("no content type", without_type, "request/content-type"),
        ("another content type", of_a_form, "request/content-type"),
    ]
}

fn others(api: &Api) -> Vec<Case> {
    let url = |path: &str| format!("{}{path}", api.url);
    let get = |path: &str| api.http.get(url(path)).bearer_auth(&api.token);
    let part = |query: &str| api.http.patch(url(&format!("/v1/attachments/{ADDRESS}{query}"))).bearer_auth(&api.token);
    let brew = Method::from_bytes(b"BREW").unwrap();
    let unknown = json!({"protocol": 1, "client": api.client, "schema": 1, "entities": ["nothing"]}).to_string();
    let mut cases = vec![
        ("no path", get("/v1/nothing"), "request/not-found"),
        ("an odd path", get("/%ff/%00"), "request/not-found"),
        ("another version's path", get("/v2/push"), "request/not-found"),
        ("figures that nobody may read", get("/metrics"), "request/not-found"),
        ("no nonce", get("/v1/ping"), "request/malformed"),
        ("a long nonce", get(&format!("/v1/ping?nonce={}", "x".repeat(129))), "request/malformed"),
        ("a nonce that is no text", get("/v1/ping?nonce=%ff"), "request/malformed"),
        ("a nonce that is half a character", get("/v1/ping?nonce=%c3"), "request/malformed"),
        ("two nonces", get("/v1/ping?nonce=1&nonce=2"), "request/malformed"),
        ("another parameter that is no text", get("/v1/ping?nonce=1&other=%ff"), "request/malformed"),
        ("hints for nobody", api.http.get(url("/v1/events")), "auth/unauthenticated"),
        ("no address", get("/v1/attachments/sha256-0"), "request/malformed"),
        ("an address that is no text", get("/v1/attachments/%ff"), "request/malformed"),
        ("an address of nobody's row", get(&format!("/v1/attachments/{ADDRESS}")), "attachment/unreferenced"),
        ("its state", get(&format!("/v1/attachments/{ADDRESS}/state")), "attachment/unreferenced"),
        ("no query", part(""), "request/malformed"),
        ("half a query", part("?offset=0"), "request/malformed"),
        ("a query of texts", part("?offset=a&size=b"), "request/malformed"),
        ("a query that is no text", part("?offset=0&size=1%ff"), "request/malformed"),
        ("a query that is too large", part("?offset=0&size=99999999999999999999"), "request/malformed"),
        ("more than may be", part("?offset=0&size=999999999999"), "attachment/too-large"),
        ("an entity that is not here", send(api, "/v1/pull", unknown), "pull/unknown-entity"),
        ("a method that nobody knows", api.http.request(brew, url("/v1/push")), "request/method"),
    ];
    for (path, wrong) in [
        ("/v1/push", Method::GET),
        ("/v1/pull", Method::DELETE),
        ("/v1/ping?nonce=1", Method::POST),
        ("/v1/events", Method::PUT),
        ("/v1/openapi.json", Method::POST),
        ("/health", Method::PATCH),
        ("/metrics", Method::POST),
        ("/v1/push", Method::OPTIONS),
    ] {
        cases.push(("another method", api.http.request(wrong, url(path)), "request/method"));
    }
    cases
}

const ADDRESS: &str = "sha256-0000000000000000000000000000000000000000000000000000000000000000";

#[tokio::test]
async fn every_bad_request_gets_a_problem_with_its_code() {
    let limits = "[limits]\nuserPerSecond = 0\nclientPerSecond = 0\n";
    let server = Server::start_with(&format!("{CONFIG}{limits}")).await;
    let api = server.ana();
    let push = api.request(&[], 0);
    let pull = json!({"protocol": 1, "client": api.client, "schema": 1, "entities": ["note"]});
    let mut cases = bodies(&api, "/v1/push", &push);
    cases.extend(bodies(&api, "/v1/pull", &pull));
    cases.extend(others(&api));
    let mut seen = BTreeSet::new();
    for (what, request, expected) in cases {
        // Also of who is still sending: the server takes the rest before it closes the connection.
        let answer = request.send().await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.text().await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json", "{what}: {body}");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store", "{what}");
        assert!(headers.contains_key("x-request-id"), "{what}");
        assert_eq!(code_of(&(status, body)), expected, "{what}");
        seen.insert(expected);
    }
    for code in
        ["request/malformed", "request/content-type", "request/too-large", "request/not-found", "request/method"]
    {
        assert!(seen.contains(code), "{code}");
    }
}
