//! An app's files.

use std::sync::Arc;

use reqwest::header;
use tempfile::TempDir;

use super::Server;
use crate::support::{CONFIG, code_of};

async fn server_with_files() -> Server {
    let folder = Arc::new(TempDir::new().unwrap());
    let files = folder.path().join("dist");
    std::fs::create_dir_all(files.join("assets")).unwrap();
    for (name, text) in [
        ("index.html", "<!doctype html>the app"),
        ("sw.js", "// worker"),
        ("manifest.webmanifest", "{}"),
        ("assets/index-Bx3kZ9aQ.js", "// app"),
    ] {
        std::fs::write(files.join(name), text).unwrap();
    }
    std::fs::write(folder.path().join("secret.txt"), "secret").unwrap();
    Server::start_in(folder, &CONFIG.replace("data =", "static = \"dist\"\ndata =")).await
}

#[tokio::test]
async fn files_navigations_and_what_is_missing() {
    let server = server_with_files().await;
    let http = reqwest::Client::new();
    let get = async |path: &str, accept: &str| {
        let answer = http.get(format!("{}{path}", server.url)).header(header::ACCEPT, accept).send().await.unwrap();
        let caching = answer.headers()[header::CACHE_CONTROL].to_str().unwrap().to_owned();
        assert_eq!(answer.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        (answer.status().as_u16(), caching, answer.text().await.unwrap())
    };
    let page = "<!doctype html>the app";
    let html = "text/html,application/xhtml+xml,*/*;q=0.8";
    for path in ["/", "/index.html", "/orders/7", "/orders?id=7"] {
        assert_eq!(get(path, html).await, (200, "no-cache".into(), page.into()), "{path}");
    }
    assert_eq!(get("/sw.js", "*/*").await.1, "no-cache");
    assert_eq!(get("/manifest.webmanifest", "*/*").await.1, "no-cache");
    let asset = get("/assets/index-Bx3kZ9aQ.js", "*/*").await;
    assert_eq!(asset, (200, "public, max-age=31536000, immutable".into(), "// app".into()));
    for (path, accept) in [("/assets/gone-Bx3kZ9aQ.js", "*/*"), ("/v1/nothing", html), ("/..%2fsecret.txt", "*/*")] {
        let (status, caching, body) = get(path, accept).await;
        assert_eq!((status, caching.as_str()), (404, "no-store"), "{path}");
        let code = code_of(&(reqwest::StatusCode::NOT_FOUND, body));
        assert_eq!(code, "request/not-found");
    }
}

#[tokio::test]
async fn files_are_read_and_endpoints_stay_endpoints() {
    let server = server_with_files().await;
    let http = reqwest::Client::new();
    let answer = http.post(format!("{}/index.html", server.url)).send().await.unwrap();
    assert_eq!(code_of(&(answer.status(), answer.text().await.unwrap())), "request/method");
    let answer = http.get(format!("{}/v1/push", server.url)).send().await.unwrap();
    assert_eq!(code_of(&(answer.status(), answer.text().await.unwrap())), "request/method");
    let answer = http.head(format!("{}/", server.url)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}
