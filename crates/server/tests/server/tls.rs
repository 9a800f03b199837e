//! TLS by the server itself, with a certificate that the test has made.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::auth::{Signer, ask, config, issuer};
use crate::support::CONFIG;

type Server = crate::support::Server<crate::support::Sqlite>;

/// A folder with `cert.pem` and `key.pem` for this machine.
pub(super) fn with_certificate() -> Arc<TempDir> {
    let folder = TempDir::new().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    Arc::new(folder)
}

pub(super) const TLS: &str = "[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n";

/// A connection that trusts the folder's certificate, and what is spoken on it.
async fn connect(url: &str, folder: &Path, speak: &[u8]) -> (tokio_rustls::client::TlsStream<TcpStream>, Vec<u8>) {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("cert.pem")).unwrap()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![speak.to_vec()];
    let port: u16 = url.rsplit_once(':').unwrap().1.parse().unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let spoken = stream.get_ref().1.alpn_protocol().unwrap().to_vec();
    (stream, spoken)
}

#[tokio::test]
async fn requests_come_through_tls_and_a_stop_ends_what_is_open() {
    let folder = with_certificate();
    let server = Server::start_in(Arc::clone(&folder), &format!("{CONFIG}{TLS}")).await;
    let (mut stream, spoken) = connect(&server.url, folder.path(), b"http/1.1").await;
    assert_eq!(spoken, b"http/1.1");
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains(r#"{"status":"ok"}"#), "{answer}");
    assert_eq!(connect(&server.url, folder.path(), b"h2").await.1, b"h2");

    // Hints are open, and somebody who never says hello.
    let events = b"GET /v1/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer t-ana\r\n\r\n";
    stream.write_all(events).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let port = server.url.rsplit_once(':').unwrap().1.to_owned();
    let silent = TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
    // Whoever came after it is answered, so it was taken.
    assert_eq!(connect(&server.url, folder.path(), b"h2").await.1, b"h2");
    let stopped = tokio::time::timeout(Duration::from_secs(9), server.stop()).await;
    assert!(stopped.is_ok(), "hints end, and nobody waits for a hello");
    let mut rest = Vec::new();
    // It may be cut off without a word.
    _ = stream.read_to_end(&mut rest).await;
    drop(silent);
}

#[tokio::test]
async fn plain_http_gets_nothing_from_it() {
    let folder = with_certificate();
    let server = Server::start_in(folder, &format!("{CONFIG}{TLS}")).await;
    let plain = server.url.replace("https://localhost", "http://127.0.0.1");
    assert!(reqwest::get(format!("{plain}/health")).await.is_err());
}

#[tokio::test]
async fn files_that_cannot_be_used_are_said_when_the_configuration_is_read() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("server.toml");
    std::fs::write(&file, format!("{CONFIG}{TLS}")).unwrap();
    let said = whimbrel_server::Config::load_with(&file, None).unwrap_err().to_string();
    assert!(said.contains("config/source") && said.contains("cert.pem"), "{said}");
}

/// The issuer is such a server, which has the keys as a file.
#[tokio::test]
async fn keys_come_over_https_from_whom_the_configuration_trusts() {
    let signer = Signer::new(Algorithm::ES256, "ec.pem", Some("1"));
    let folder = with_certificate();
    std::fs::create_dir(folder.path().join("files")).unwrap();
    std::fs::write(folder.path().join("files/jwks.json"), json!({ "keys": [signer.jwk()] }).to_string()).unwrap();
    let publisher = Server::start_in(Arc::clone(&folder), &format!("static = \"files\"\n{CONFIG}{TLS}")).await;
    let url = format!("jwksUrl = \"{}/jwks.json\"", publisher.url);
    let ca = format!("jwksCa = \"{}\"", folder.path().join("cert.pem").display());

    let server = Server::start_with(&config(&[issuer("id", "{sub}", &format!("{url}\n{ca}"))])).await;
    assert_eq!(ask(&server, &signer.token(json!({}))).await.0, 200);
    // The world does not know that certificate.
    let server = Server::start_with(&config(&[issuer("id", "{sub}", &url)])).await;
    assert_eq!(ask(&server, &signer.token(json!({}))).await.0, 503);
}
