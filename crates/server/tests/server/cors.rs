//! Pages of other origins: those that are named, and no others.

use reqwest::{Method, header};

use crate::support::{CONFIG, code_of};

type Server = crate::support::Server<crate::support::Sqlite>;

const ORIGINS: [&str; 4] =
    ["https://app.example.com", "capacitor://localhost", "ionic://localhost", "https://localhost"];

async fn server() -> Server {
    let origins = format!("[cors]\norigins = {ORIGINS:?}\n[auth]");
    Server::start_with(&CONFIG.replace("[auth]", &origins)).await
}

fn address() -> String {
    format!("/v1/attachments/sha256-{}", "0".repeat(64))
}

async fn preflight(server: &Server, path: &str, method: &str, origin: &str) -> header::HeaderMap {
    let request = reqwest::Client::new()
        .request(Method::OPTIONS, format!("{}{path}", server.url))
        .header(header::ORIGIN, origin)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, method)
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-encoding,content-type");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.headers().clone()
}

fn words(headers: &header::HeaderMap, name: header::HeaderName) -> Vec<String> {
    headers[name].to_str().unwrap().split(',').map(|word| word.trim().to_lowercase()).collect()
}

#[tokio::test]
async fn named_origins_may_ask() {
    let server = server().await;
    let paths = [
        ("/v1/push", "POST"),
        ("/v1/pull", "POST"),
        ("/v1/events", "GET"),
        (&address(), "GET"),
        (&address(), "PATCH"),
        (&format!("{}/state", address()), "GET"),
    ];
    for (path, method) in paths {
        for origin in ORIGINS {
            let headers = preflight(&server, path, method, origin).await;
            assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], origin);
            assert!(words(&headers, header::ACCESS_CONTROL_ALLOW_METHODS).contains(&method.to_lowercase()));
            let allowed = words(&headers, header::ACCESS_CONTROL_ALLOW_HEADERS);
            for needed in ["authorization", "content-encoding", "content-type", "range"] {
                assert!(allowed.contains(&needed.to_owned()), "{path}: {allowed:?}");
            }
            assert!(words(&headers, header::VARY).contains(&"origin".to_owned()));
            assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
        }
    }
}

#[tokio::test]
async fn other_origins_may_not() {
    let server = server().await;
    let others = [
        "https://app.example.com.evil.example",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://evil.example",
        "capacitor://localhost2",
        "http://localhost",
        "null",
        "*",
    ];
    for origin in others {
        let headers = preflight(&server, "/v1/push", "POST", origin).await;
        assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), "{origin}");
    }
    let without = Server::start().await;
    let ping = |server: &Server| {
        reqwest::Client::new().get(format!("{}/v1/ping?nonce=1", server.url)).header(header::ORIGIN, ORIGINS[0]).send()
    };
    assert!(!ping(&without).await.unwrap().headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    assert_eq!(ping(&server).await.unwrap().headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], ORIGINS[0]);
}

#[tokio::test]
async fn a_page_can_read_why_it_was_refused() {
    let server = server().await;
    for (path, token, code) in [
        ("/v1/push".to_owned(), "wrong", "auth/unauthenticated"),
        (address(), "t-ana", "attachment/unreferenced"),
        ("/v1/nothing".to_owned(), "t-ana", "request/not-found"),
    ] {
        let method = if path == "/v1/push" { Method::POST } else { Method::GET };
        let request = reqwest::Client::new().request(method, format!("{}{path}", server.url)).bearer_auth(token);
        let answer = request.header(header::ORIGIN, ORIGINS[1]).send().await.unwrap();
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], ORIGINS[1]);
        let exposed = words(answer.headers(), header::ACCESS_CONTROL_EXPOSE_HEADERS);
        assert!(exposed.contains(&"retry-after".to_owned()) && exposed.contains(&"www-authenticate".to_owned()));
        assert_eq!(code_of(&(answer.status(), answer.text().await.unwrap())), code, "{path}");
    }
}
