//! Keys that an issuer publishes: fetched, kept, exchanged. The issuer is a server of the test's own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::auth::{Signer, ask, assert_in, assert_refused, config, issuer};

type Server = crate::support::Server<crate::support::Sqlite>;

const AWAY: &str = "the keys of the token's issuer cannot be fetched now";

/// Somebody who publishes keys.
struct Publisher {
    url: String,
    answer: Arc<Mutex<(StatusCode, String)>>,
    asked: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Publisher {
    async fn start(keys: &[Value]) -> Self {
        let answer = Arc::new(Mutex::new((StatusCode::OK, json!({ "keys": keys }).to_string())));
        let asked = Arc::new(AtomicUsize::new(0));
        let (given, counted) = (Arc::clone(&answer), Arc::clone(&asked));
        let answers = async move || {
            counted.fetch_add(1, Ordering::SeqCst);
            given.lock().unwrap().clone()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let router = Router::new().route("/jwks.json", get(answers));
        let serving = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { url, answer, asked, serving }
    }

    fn publish(&self, keys: &[Value]) {
        *self.answer.lock().unwrap() = (StatusCode::OK, json!({ "keys": keys }).to_string());
    }

    fn fail(&self, status: StatusCode, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn issuer(&self, name: &str) -> String {
        issuer(name, "{sub}", &format!("jwksUrl = \"{}\"", self.url))
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn assert_busy(server: &Server, token: &str) {
    assert_eq!(ask(server, token).await, (503, "server/busy".to_owned(), AWAY.to_owned(), String::new()));
}

fn signers() -> [Signer; 3] {
    [
        Signer::new(Algorithm::ES256, "ec.pem", Some("1")),
        Signer::new(Algorithm::RS256, "rsa.pem", Some("2")),
        Signer::new(Algorithm::EdDSA, "ed.pem", Some("3")),
    ]
}

#[tokio::test]
async fn keys_are_fetched_once_for_all() {
    let all = signers();
    let publisher = Publisher::start(&all.each_ref().map(Signer::jwk)).await;
    let server = Server::start_with(&config(&[publisher.issuer("id")])).await;
    let tokens = all.each_ref().map(|signer| signer.token(json!({})));
    futures_util::future::join_all((0..12).map(|nth| assert_in(&server, &tokens[nth % 3], "ana"))).await;
    assert_eq!(publisher.asked(), 1);
}

#[tokio::test]
async fn keys_change_and_are_asked_for_once_a_minute() {
    let [first, second, third] = signers();
    let publisher = Publisher::start(&[first.jwk()]).await;
    let server = Server::start_with(&config(&[publisher.issuer("id")])).await;
    assert_in(&server, &first.token(json!({})), "ana").await;
    publisher.publish(&[first.jwk(), second.jwk()]);
    assert_in(&server, &second.token(json!({})), "ana").await;
    assert_in(&server, &first.token(json!({})), "ana").await;
    assert_eq!(publisher.asked(), 2);
    // Names of keys that nobody has: whoever sends many of them does not make the server ask each time.
    publisher.publish(&[third.jwk()]);
    for nth in 0..20 {
        let forged = Signer::new(Algorithm::ES256, "ec-other.pem", Some(&format!("none-{nth}")));
        assert_refused(&server, &forged.token(json!({})), "the token's key is not known here").await;
    }
    assert_refused(&server, &third.token(json!({})), "the token's key is not known here").await;
    assert_in(&server, &first.token(json!({})), "ana").await;
    assert_eq!(publisher.asked(), 2);
}

#[tokio::test]
async fn keys_that_were_withdrawn_are_not_taken() {
    let [first, second, _] = signers();
    let publisher = Publisher::start(&[first.jwk()]).await;
    let server = Server::start_with(&config(&[publisher.issuer("id")])).await;
    assert_in(&server, &first.token(json!({})), "ana").await;
    publisher.publish(&[second.jwk()]);
    assert_in(&server, &second.token(json!({})), "ana").await;
    assert_refused(&server, &first.token(json!({})), "the token's key is not known here").await;
}

#[tokio::test]
async fn an_issuer_that_is_away_signs_nobody_out() {
    let [first, second, _] = signers();
    let publisher = Publisher::start(&[first.jwk()]).await;
    let server = Server::start_with(&config(&[publisher.issuer("id")])).await;
    assert_in(&server, &first.token(json!({})), "ana").await;
    publisher.fail(StatusCode::INTERNAL_SERVER_ERROR, "");
    // It may be right; nobody can say now. That is no reason to sign in again.
    assert_busy(&server, &second.token(json!({}))).await;
    assert_busy(&server, &second.token(json!({}))).await;
    assert_in(&server, &first.token(json!({})), "ana").await;
    assert_eq!(publisher.asked(), 2);
}

#[tokio::test]
async fn what_is_no_jwks_is_no_jwks() {
    let [first, ..] = signers();
    let bodies = ["", "<html>", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}", "{\"keys\":[{\"kty\":\"RSA\"}]}"];
    for body in bodies {
        let publisher = Publisher::start(&[]).await;
        publisher.fail(StatusCode::OK, body);
        let server = Server::start_with(&config(&[publisher.issuer("id")])).await;
        assert_busy(&server, &first.token(json!({}))).await;
    }
    let publisher = Publisher::start(&[]).await;
    publisher.fail(StatusCode::OK, &" ".repeat(256 * 1024 + 1));
    let server = Server::start_with(&config(&[publisher.issuer("id")])).await;
    assert_busy(&server, &first.token(json!({}))).await;
    // Nobody is there.
    let nobody = issuer("id", "{sub}", "jwksUrl = \"http://127.0.0.1:9/jwks.json\"");
    assert_busy(&Server::start_with(&config(&[nobody])).await, &first.token(json!({}))).await;
}

#[tokio::test]
async fn keys_that_are_for_something_else_verify_nothing() {
    let [first, ..] = signers();
    // A secret that everybody can read; a key to encrypt with; one for another algorithm.
    let secret = Signer::new(Algorithm::HS256, "secret", Some("oct"));
    let with = |kid: &str, key: &str, value: &str| {
        let mut jwk = Signer::new(Algorithm::ES256, "ec-other.pem", Some(kid)).jwk();
        jwk[key] = json!(value);
        jwk
    };
    let keys =
        [first.jwk(), secret.jwk(), with("enc", "use", "enc"), with("es384", "alg", "ES384"), json!("?"), json!({})];
    let publisher = Publisher::start(&keys).await;
    let server = Server::start_with(&config(&[publisher.issuer("id")])).await;
    assert_in(&server, &first.token(json!({})), "ana").await;
    assert_refused(&server, &secret.token(json!({})), "the token's key is not known here").await;
    for kid in ["enc", "es384"] {
        let signer = Signer::new(Algorithm::ES256, "ec-other.pem", Some(kid));
        assert_refused(&server, &signer.token(json!({})), "the token's key is not known here").await;
    }
}

#[tokio::test]
async fn r5_each_issuer_has_its_own_keys() {
    let [first, second, _] = signers();
    let (a, b) = (Publisher::start(&[first.jwk()]).await, Publisher::start(&[second.jwk()]).await);
    let server = Server::start_with(&config(&[a.issuer("a"), b.issuer("b")])).await;
    assert_in(&server, &first.token(json!({ "iss": "a" })), "ana").await;
    assert_in(&server, &second.token(json!({ "iss": "b" })), "ana").await;
    assert_refused(&server, &first.token(json!({ "iss": "b" })), "the token's key is not known here").await;
    assert_refused(&server, &second.token(json!({ "iss": "a" })), "the token's key is not known here").await;
}
