//! The transport port: what is sent, what comes back, and every way it can go wrong.

use js_sys::Array;
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;
use whimbrel::browser::{FetchBody, FetchTransport};
use whimbrel::error::{Code, Result};
use whimbrel::ports::{Body, Method, Request, Response, Transport};

use super::page::{fake_fetch, gunzipped, is_pending, until, without_global};

fn request() -> Request {
    Request {
        method: Method::Get,
        path: "ping?nonce=1".to_owned(),
        body: String::new(),
        packed: None,
        run: None,
        token: None,
        timeout_ms: 10_000,
        idle_timeout_ms: 10_000,
    }
}

async fn answered(answer: &str, request: Request) -> (Result<Response<FetchBody>>, JsValue) {
    let seen = Array::new();
    let fake = fake_fetch(answer, &seen);
    let response = FetchTransport::new("https://example.org/v1").expect("a URL").send(request).await;
    drop(fake);
    (response, seen.get(0))
}

fn json(value: &JsValue) -> String {
    js_sys::JSON::stringify(value).expect("JSON").into()
}

fn code<T>(result: &Result<T>) -> Option<Code> {
    result.as_ref().err().map(whimbrel::error::Error::code)
}

#[wasm_bindgen_test]
async fn a_post_carries_body_and_token() {
    let post = Request {
        method: Method::Post,
        path: "push".to_owned(),
        body: r#"{"a":"ü"}"#.to_owned(),
        token: Some("secret".to_owned()),
        ..request()
    };
    let (response, sent) = answered(r#"{"status":200,"script":[]}"#, post).await;
    response.expect("an answer");
    let expected = [
        r#"{"url":"https://example.org/v1/push","method":"POST","redirect":"manual","credentials":"same-origin","#,
        r#""cache":"no-store","headers":{"authorization":"Bearer secret","content-type":"application/json"},"#,
        r#""body":"{\"a\":\"ü\"}","#,
    ];
    assert!(json(&sent).starts_with(&expected.concat()), "{}", json(&sent));
}

#[wasm_bindgen_test]
async fn a_long_body_is_compressed_where_that_can_be_done() {
    let body = format!("\"{}\"", "ü".repeat(5000));
    let post = Request { method: Method::Post, body: body.clone(), ..request() };
    let (response, sent) = answered(r#"{"status":200,"script":[]}"#, post.clone()).await;
    response.expect("an answer");
    assert!(json(&sent).contains(r#""content-encoding":"gzip""#), "{}", json(&sent));
    assert_eq!(gunzipped(&sent).await, body);

    let missing = without_global("CompressionStream");
    let (response, sent) = answered(r#"{"status":200,"script":[]}"#, post).await;
    drop(missing);
    response.expect("an answer");
    assert!(!json(&sent).contains("gzip") && json(&sent).contains("üüü"));
}

#[wasm_bindgen_test]
async fn a_get_keeps_its_query() {
    let (response, sent) = answered(r#"{"status":200,"script":[]}"#, request()).await;
    response.expect("an answer");
    let expected = r#"{"url":"https://example.org/v1/ping?nonce=1","method":"GET""#;
    assert!(json(&sent).starts_with(expected), "{}", json(&sent));
    assert!(json(&sent).contains(r#""headers":{},"#), "{}", json(&sent));
}

#[wasm_bindgen_test]
async fn the_head_of_an_answer_is_read() {
    let answer =
        r#"{"status":503,"script":[],"headers":{"Content-Type":"Application/JSON; charset=utf-8","Retry-After":"7"}}"#;
    let response = answered(answer, request()).await.0.expect("every status is an answer");
    let head = (response.status, response.content_type.as_str(), response.retry_after_ms, response.redirected);
    assert_eq!(head, (503, "application/json", Some(7000), false));

    let past = r#"{"status":429,"script":[],"headers":{"Retry-After":"Wed, 21 Oct 2015 07:28:00 GMT"}}"#;
    let response = answered(past, request()).await.0.expect("an answer");
    assert_eq!((response.status, response.retry_after_ms), (429, Some(0)));

    let nonsense = r#"{"status":429,"script":[],"headers":{"Retry-After":"soon"}}"#;
    assert_eq!(answered(nonsense, request()).await.0.expect("an answer").retry_after_ms, None);
}

#[wasm_bindgen_test]
async fn redirects_are_told_and_not_followed() {
    for properties in [r#"{"type":"opaqueredirect"}"#, r#"{"redirected":true}"#] {
        let answer = format!(r#"{{"status":204,"properties":{properties}}}"#).replace("204", "204,\"script\":[]");
        let mut response = answered(&answer, request()).await.0.expect("an answer");
        assert!(response.redirected, "{properties}");
        assert_eq!(response.body.chunk().await, Ok(None));
    }
}

#[wasm_bindgen_test]
async fn a_body_comes_in_pieces() {
    let mut body = answered(r#"{"status":200,"script":["one","","two"]}"#, request()).await.0.expect("an answer").body;
    let mut pieces = Vec::new();
    while let Some(piece) = body.chunk().await.expect("a piece") {
        pieces.extend(piece);
    }
    assert_eq!(pieces, b"onetwo");
    assert_eq!(body.chunk().await, Ok(None));
}

#[wasm_bindgen_test]
async fn a_body_that_breaks_off_is_truncated() {
    let mut body = answered(r#"{"status":200,"script":["one","!"]}"#, request()).await.0.expect("an answer").body;
    assert_eq!(body.chunk().await, Ok(Some(b"one".to_vec())));
    assert_eq!(code(&body.chunk().await), Some(Code::ProtocolTruncated));
}

#[wasm_bindgen_test]
async fn a_body_that_stands_still_times_out() {
    let impatient = Request { idle_timeout_ms: 20, ..request() };
    let mut body = answered(r#"{"status":200,"script":["one","…"]}"#, impatient).await.0.expect("an answer").body;
    assert_eq!(body.chunk().await, Ok(Some(b"one".to_vec())));
    assert_eq!(code(&body.chunk().await), Some(Code::Timeout));
}

fn is_aborted(sent: &JsValue) -> bool {
    json(sent).contains(r#""aborted":true"#)
}

#[wasm_bindgen_test]
async fn an_answer_that_never_comes_times_out_and_the_request_ends() {
    let (response, sent) = answered("{}", Request { timeout_ms: 20, ..request() }).await;
    assert_eq!(code(&response), Some(Code::Timeout));
    assert!(is_aborted(&sent));
}

#[wasm_bindgen_test]
async fn dropping_ends_the_request() {
    let (response, sent) = answered(r#"{"status":200,"script":["one","…"]}"#, request()).await;
    let response = response.expect("an answer");
    assert!(!is_aborted(&sent));
    drop(response.body);
    assert!(is_aborted(&sent));

    let seen = Array::new();
    let fake = fake_fetch("{}", &seen);
    let transport = FetchTransport::new("https://example.org/v1").expect("a URL");
    let mut sending = Box::pin(transport.send(request()));
    assert!(is_pending(sending.as_mut()).await);
    until(|| seen.length() == 1).await;
    assert!(!is_aborted(&seen.get(0)));
    drop(sending);
    assert!(is_aborted(&seen.get(0)));
    drop(fake);
}

#[wasm_bindgen_test]
async fn a_server_that_is_not_there_is_unreachable() {
    let transport = FetchTransport::new("http://127.0.0.1:1/v1").expect("a URL");
    assert_eq!(code(&transport.send(request()).await), Some(Code::Unreachable));
}

#[wasm_bindgen_test]
async fn a_real_answer_of_somebody_else_is_an_answer() {
    let transport = FetchTransport::new("/nothing/here?at=all#really").expect("a URL");
    let response = transport.send(request()).await.expect("the server of this page answers");
    assert_eq!(response.status, 404);
}

#[wasm_bindgen_test]
async fn a_token_that_no_header_can_carry_is_refused() {
    let bad = Request { token: Some("two\nlines".to_owned()), ..request() };
    assert_eq!(code(&answered("{}", bad).await.0), Some(Code::Unauthenticated));
}

#[wasm_bindgen_test]
fn only_urls_of_servers_are_taken() {
    for url in ["ftp://example.org", "http://", "javascript:alert(1)", "http://[bad"] {
        assert_eq!(code(&FetchTransport::new(url)), Some(Code::OptionsInvalid), "{url}");
    }
}
