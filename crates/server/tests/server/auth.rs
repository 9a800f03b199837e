//! Tokens of issuers (JWT): whom they let in, and how the others are refused. The keys are those of `keys/`, made for these tests.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{StatusCode, header};
use serde_json::{Value, json};

use crate::support::{Api, CONFIG, Replica, code_of};

type Server = crate::support::Server<crate::support::Sqlite>;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/keys");

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{FOLDER}/{name}")).unwrap()
}

/// What makes tokens: an issuer, or somebody who would like to be one.
#[derive(Clone)]
pub(super) struct Signer {
    header: Header,
    key: EncodingKey,
}

impl Signer {
    pub(super) fn new(algorithm: Algorithm, name: &str, kid: Option<&str>) -> Self {
        let bytes = file(name);
        let key = match algorithm {
            Algorithm::HS256 => Ok(EncodingKey::from_secret(bytes.trim_ascii_end())),
            Algorithm::RS256 => EncodingKey::from_rsa_pem(&bytes),
            Algorithm::ES256 => EncodingKey::from_ec_pem(&bytes),
            _ => EncodingKey::from_ed_pem(&bytes),
        };
        Self { header: Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) }, key: key.unwrap() }
    }

    /// Ana's token for ten minutes; `claims` overrides anything, `null` takes it away.
    pub(super) fn token(&self, claims: Value) -> String {
        let mut all = json!({ "iss": "id", "aud": "app", "sub": "ana", "exp": now() + 600, "teams": ["a"] });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        all.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        encode(&self.header, &all, &self.key).unwrap()
    }

    /// Its public half, as a JWKS has it.
    pub(super) fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.header.alg).unwrap();
        jwk.common.key_id.clone_from(&self.header.kid);
        serde_json::to_value(jwk).unwrap()
    }
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(super) fn issuer(name: &str, user: &str, keys: &str) -> String {
    format!(
        "[[auth.issuers]]\nissuer = \"{name}\"\naudience = [\"app\"]\nleewaySeconds = 0\nuser = \"{user}\"\n\
         scopes = [\"all\", \"team:{{teams}}\"]\n{}\n",
        keys.replace("KEYS", FOLDER)
    )
}

/// The suite's entities, with issuers in place of development tokens.
pub(super) fn config(issuers: &[String]) -> String {
    let (before, rest) = CONFIG.split_once("[auth]").unwrap();
    let (_, entities) = rest.split_once("[[entity]]").unwrap();
    format!("{before}[auth]\nmode = \"jwt\"\n{}[[entity]]{entities}", issuers.concat())
}

/// One issuer with a key of each kind.
const ALL_KEYS: &str = r#"keys = [
  { algorithm = "HS256", secretFile = "KEYS/secret", kid = "hs" },
  { algorithm = "RS256", pemFile = "KEYS/rsa.pub.pem", kid = "rs" },
  { algorithm = "ES256", pemFile = "KEYS/ec.pub.pem", kid = "es" },
  { algorithm = "EdDSA", pemFile = "KEYS/ed.pub.pem", kid = "ed" },
]"#;

async fn with_all_keys() -> Server {
    Server::start_with(&config(&[issuer("id", "{sub}", ALL_KEYS)])).await
}

/// What a pull with this token is answered: its status, its code or `start`'s user, its detail, and the challenge.
pub(super) async fn ask(server: &Server, token: &str) -> (u16, String, String, String) {
    ask_at(&server.url, token).await
}

async fn ask_at(url: &str, token: &str) -> (u16, String, String, String) {
    let api = Api::new(url, token);
    let body = json!({ "protocol": 1, "client": api.client, "schema": 1, "entities": ["note"] });
    let request = api.http.post(format!("{}/v1/pull", api.url)).bearer_auth(token).json(&body);
    let answer = request.send().await.unwrap();
    let challenge = answer.headers().get(header::WWW_AUTHENTICATE);
    let challenge = challenge.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    if status == StatusCode::OK {
        let start: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        return (200, start["start"]["user"].as_str().unwrap().to_owned(), String::new(), challenge);
    }
    let detail = serde_json::from_str::<Value>(&text).unwrap()["detail"].as_str().unwrap_or_default().to_owned();
    (status.as_u16(), code_of(&(status, text)), detail, challenge)
}

pub(super) async fn assert_in(server: &Server, token: &str, user: &str) {
    assert_eq!(ask(server, token).await, (200, user.to_owned(), String::new(), String::new()));
}

pub(super) async fn assert_refused(server: &Server, token: &str, why: &str) {
    let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{why}\"");
    let expected = (401, "auth/unauthenticated".to_owned(), why.to_owned(), challenge);
    assert_eq!(ask(server, token).await, expected, "{token:.300}");
}

#[tokio::test]
async fn each_algorithm_lets_in() {
    let server = with_all_keys().await;
    let signers = [
        (Algorithm::HS256, "secret", "hs"),
        (Algorithm::RS256, "rsa.pem", "rs"),
        (Algorithm::ES256, "ec.pem", "es"),
        (Algorithm::EdDSA, "ed.pem", "ed"),
    ];
    for (algorithm, name, kid) in signers {
        let signer = Signer::new(algorithm, name, Some(kid));
        assert_in(&server, &signer.token(json!({})), "ana").await;
        // Without a name for the key, those of the algorithm are tried.
        assert_in(&server, &Signer::new(algorithm, name, None).token(json!({ "sub": 7 })), "7").await;
        let mut api = Api::new(&server.url, &signer.token(json!({ "sub": kid })));
        api.accepted("create", "task", kid, json!({ "set": { "title": "t", "team": "a" } })).await;
        let other = api.push_one("create", "task", "x", json!({ "set": { "title": "t", "team": "b" } })).await;
        assert_eq!(other["code"], "auth/scope", "team b is not among the token's");
    }
}

#[tokio::test]
async fn tokens_that_are_not_right_say_why() {
    let server = with_all_keys().await;
    let signer = Signer::new(Algorithm::ES256, "ec.pem", Some("es"));
    let of = |claims: Value| signer.token(claims);
    assert_in(&server, &of(json!({ "aud": ["x", "app"], "nbf": now() - 1 })), "ana").await;
    let cases = [
        (of(json!({ "exp": now() - 1 })), "the token has expired"),
        (of(json!({ "exp": null })), "the token does not say when it expires"),
        (of(json!({ "exp": "never" })), "the token does not say when it expires"),
        (of(json!({ "nbf": now() + 600 })), "the token is not valid yet"),
        (of(json!({ "aud": "another" })), "the token is for another audience"),
        (of(json!({ "aud": null })), "the token is for another audience"),
        (of(json!({ "iss": "another" })), "the token is of an issuer that is not known here"),
        (of(json!({ "iss": null })), "the token is of an issuer that is not known here"),
        (of(json!({ "iss": ["id"] })), "the token is of an issuer that is not known here"),
        (of(json!({ "sub": null })), "the token names no user"),
        (of(json!({ "sub": ["ana", "ben"] })), "the token has claims of the wrong type"),
        (of(json!({ "nbf": "soon" })), "the token has claims of the wrong type"),
        (of(json!({ "sub": "" })), "the token names no user"),
        ("t-ana".to_owned(), "the token is not a signed JWT"),
        ("..".to_owned(), "the token is not a signed JWT"),
        (format!("{}.x", of(json!({}))), "the token is not a signed JWT"),
        ("x".repeat(16 * 1024 + 1), "the token is too long"),
    ];
    for (token, why) in cases {
        assert_refused(&server, &token, why).await;
    }
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let server = with_all_keys().await;
    let signer = Signer::new(Algorithm::ES256, "ec.pem", Some("es"));
    let good = signer.token(json!({}));
    let [header, claims, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("{good}") };
    let others = signer.token(json!({ "sub": "ben" }));
    let other_claims = others.split('.').nth(1).unwrap();
    let wrong = "the token's signature is wrong";
    // {"alg":"none"}, and as it could be written.
    for header in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJOb25lIn0"] {
        for token in [format!("{header}.{claims}."), format!("{header}.{claims}.{signature}")] {
            assert_refused(&server, &token, "the token is not a signed JWT").await;
        }
    }
    assert_refused(&server, &format!("{header}.{other_claims}.{signature}"), wrong).await;
    assert_refused(&server, &format!("{header}.{claims}."), wrong).await;
    assert_refused(&server, &format!("{header}.{claims}.{signature}A"), wrong).await;
    assert_refused(&server, &Signer::new(Algorithm::ES256, "ec-other.pem", Some("es")).token(json!({})), wrong).await;
    // The key comes with the token: whose it is, nobody knows.
    let mut forger = Signer::new(Algorithm::ES256, "ec-other.pem", Some("es"));
    forger.header.jwk = Some(serde_json::from_value(forger.jwk()).unwrap());
    forger.header.jku = Some("http://127.0.0.1:9/".to_owned());
    assert_refused(&server, &forger.token(json!({})), wrong).await;
    // The public key as if it were a secret: everybody could sign with it.
    for (kid, why) in [(Some("rs"), "the token's algorithm is not that of its key"), (None, wrong)] {
        let confused = Signer::new(Algorithm::HS256, "rsa.pub.pem", kid);
        assert_refused(&server, &confused.token(json!({})), why).await;
    }
    let untrimmed = EncodingKey::from_secret(&file("rsa.pub.pem"));
    let confused = Signer { key: untrimmed, ..Signer::new(Algorithm::HS256, "rsa.pub.pem", Some("rs")) };
    assert_refused(&server, &confused.token(json!({})), "the token's algorithm is not that of its key").await;
    let unknown = Signer::new(Algorithm::ES256, "ec.pem", Some("nothing"));
    assert_refused(&server, &unknown.token(json!({})), "the token's key is not known here").await;
    // What must be understood (crit) and is not.
    let mut critical = signer.clone();
    critical.header.crit = Some(vec!["b64".to_owned()]);
    assert_refused(&server, &critical.token(json!({})), "the token is not a signed JWT").await;
}

#[tokio::test]
async fn every_endpoint_asks() {
    let server = with_all_keys().await;
    let http = reqwest::Client::new();
    let expired = Signer::new(Algorithm::HS256, "secret", None).token(json!({ "exp": 1 }));
    let address = format!("/v1/attachments/sha256-{}", "0".repeat(64));
    let paths = [
        (reqwest::Method::POST, "/v1/push".to_owned()),
        (reqwest::Method::POST, "/v1/pull".to_owned()),
        (reqwest::Method::GET, "/v1/events".to_owned()),
        (reqwest::Method::GET, address.clone()),
        (reqwest::Method::GET, format!("{address}/state")),
        (reqwest::Method::PATCH, format!("{address}?offset=0&size=1")),
    ];
    for (method, path) in paths {
        let request = || http.request(method.clone(), format!("{}{path}", server.url)).body("{");
        let cases =
            [(request(), "Bearer"), (request().bearer_auth(&expired), "error_description=\"the token has expired\"")];
        for (request, challenge) in cases {
            let answer = request.send().await.unwrap();
            let said = answer.headers()[header::WWW_AUTHENTICATE].to_str().unwrap().to_owned();
            assert!(said.ends_with(challenge), "{path}: {said}");
            assert_eq!(code_of(&(answer.status(), answer.text().await.unwrap())), "auth/unauthenticated", "{path}");
        }
    }
}

#[tokio::test]
async fn hints_end_with_the_token() {
    let server = with_all_keys().await;
    let signer = Signer::new(Algorithm::HS256, "secret", None);
    let listen = async || {
        let token = signer.token(json!({ "exp": now() + 2 }));
        let request = reqwest::Client::new().get(format!("{}/v1/events", server.url)).bearer_auth(token);
        request.send().await.unwrap()
    };
    let mut answer = listen().await;
    // On a machine that is very busy the token may have ended on its way.
    while answer.status() == StatusCode::UNAUTHORIZED {
        answer = listen().await;
    }
    assert_eq!(answer.status(), StatusCode::OK);
    // It would never end by itself; comments keep it open.
    assert!(!answer.text().await.unwrap().contains("event:"));
}

#[tokio::test]
async fn r5_another_users_client_id_store_and_cursors_give_nothing() {
    let server = with_all_keys().await;
    let signer = Signer::new(Algorithm::EdDSA, "ed.pem", Some("ed"));
    let mut ana = Api::new(&server.url, &signer.token(json!({})));
    ana.accepted("create", "task", "t", json!({ "set": { "title": "secret", "team": "a" } })).await;
    let mut replica = Replica::default();
    replica.sync(&ana, &["task"]).await;
    assert_eq!(replica.rows("task/team:a").len(), 1);
    let token = signer.token(json!({ "sub": "ben", "teams": ["b"] }));
    let mut as_ana = ana.clone();
    as_ana.token.clone_from(&token);
    let change = as_ana.change("create", "note", "n", json!({ "set": { "title": "t" } }));
    let pushed = as_ana.post("/v1/push", &as_ana.request(&[change], 0)).await;
    assert_eq!(code_of(&pushed), "auth/other-user");
    let ben = Api::new(&server.url, &token);
    let mut request = ben.request(&[], 0);
    request["user"] = json!("ana");
    assert_eq!(code_of(&ben.post("/v1/push", &request).await), "auth/other-user");
    let lines = ben.pull(&["task"], &replica.cursors()).await;
    let start = &lines[0]["start"];
    assert_eq!(
        (&start["user"], &start["buckets"]),
        (&json!("ben"), &json!([{ "bucket": "task/team:b", "pending": 0 }]))
    );
    assert!(!json!(lines).to_string().contains("secret"), "{lines:?}");
}

#[tokio::test]
async fn r5_issuers_are_not_each_other() {
    let hs = "keys = [{ algorithm = \"HS256\", secretFile = \"KEYS/secret\" }]";
    let es = "keys = [{ algorithm = \"ES256\", pemFile = \"KEYS/ec.pub.pem\" }]";
    let staff = issuer("staff", "staff:{sub}", es);
    let server = Server::start_with(&config(&[issuer("id", "{sub}", hs), staff])).await;
    let own = Signer::new(Algorithm::HS256, "secret", Some("whatever"));
    let theirs = Signer::new(Algorithm::ES256, "ec.pem", None);
    let (ana, staff_ana) = (own.token(json!({})), theirs.token(json!({ "iss": "staff" })));
    assert_in(&server, &ana, "ana").await;
    assert_in(&server, &staff_ana, "staff:ana").await;
    for (signer, iss) in [(&own, "staff"), (&theirs, "id")] {
        let token = signer.token(json!({ "iss": iss }));
        assert_refused(&server, &token, "the token's algorithm is not that of its key").await;
    }
    // The same sub is another user.
    let mut api = Api::new(&server.url, &ana);
    api.accepted("create", "note", "n", json!({ "set": { "title": "t" } })).await;
    api.token = staff_ana;
    assert_eq!(code_of(&api.post("/v1/push", &api.request(&[], 0)).await), "auth/other-user");
}

/// The program itself, on an address that others reach: with tokens that are a secret it may.
#[tokio::test]
async fn the_program_takes_its_secret_from_the_environment() {
    let folder = tempfile::TempDir::new().unwrap();
    let keys = "keys = [{ algorithm = \"HS256\", secretEnv = \"WHIMBREL_TEST_SECRET\" }]";
    let path = folder.path().join("server.toml");
    std::fs::write(&path, config(&[issuer("id", "{sub}", keys)])).unwrap();
    let program = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_whimbrel-server"));
        command.arg("--config").arg(&path).args(["--listen", "0.0.0.0:0"]).env_remove("DATABASE_URL");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let without = program().env_remove("WHIMBREL_TEST_SECRET").output().unwrap();
    let said = String::from_utf8_lossy(&without.stderr);
    assert!(without.status.code() == Some(2) && said.contains("no variable WHIMBREL_TEST_SECRET"), "{said}");
    let secret = String::from_utf8(file("secret")).unwrap();
    let mut child = program().env("WHIMBREL_TEST_SECRET", secret.trim_end()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().rsplit_once(':').unwrap().1;
    let token = Signer::new(Algorithm::HS256, "secret", None).token(json!({}));
    let answered = ask_at(&format!("http://127.0.0.1:{port}"), &token).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(answered, (200, "ana".to_owned(), String::new(), String::new()));
}
