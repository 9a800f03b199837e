//! Who does nothing does not stay: heads that do not come, TLS that does not begin, answers that nobody takes; and who has to wait.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{Api, CONFIG};
use crate::tls::{TLS, with_certificate};

type Server = crate::support::Server<crate::support::Sqlite>;

/// What never happens is noticed by then; nothing here takes as long.
const NEVER: Duration = Duration::from_secs(60);

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(NEVER, work).await.unwrap_or_else(|_| panic!("{what} has not ended"))
}

async fn start(limits: &str) -> Server {
    Server::start_with(&format!("{CONFIG}\n[limits]\n{limits}")).await
}

async fn connect(url: &str) -> TcpStream {
    let port: u16 = url.rsplit_once(':').unwrap().1.parse().unwrap();
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

/// Everything that still comes, to the end of the connection, also one that breaks.
async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    _ = in_time("the connection", stream.read_to_end(&mut all)).await;
    String::from_utf8(all).unwrap()
}

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
const WELL: &str = r#"{"status":"ok"}"#;

/// The answer to one more request on an open connection.
async fn healthy(stream: &mut TcpStream) {
    stream.write_all(HEALTH).await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with(WELL) {
        let mut piece = [0; 1024];
        let length = in_time("the answer", stream.read(&mut piece)).await.unwrap();
        assert!(length > 0, "{answer}");
        answer += std::str::from_utf8(&piece[..length]).unwrap();
    }
}

#[tokio::test]
async fn heads_that_do_not_come_are_not_waited_for() {
    let server = start("headSeconds = 1").await;
    let mut silent = connect(&server.url).await;
    assert_eq!(rest(&mut silent).await, "");
    let mut slow = connect(&server.url).await;
    slow.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let said = rest(&mut slow).await;
    assert!(!said.contains(WELL), "{said}");
    let mut idle = connect(&server.url).await;
    healthy(&mut idle).await;
    assert_eq!(rest(&mut idle).await, "", "between two requests as before the first");
}

#[tokio::test]
async fn who_does_not_begin_tls_is_not_waited_for() {
    let folder = with_certificate();
    let server = Server::start_in(folder, &format!("{CONFIG}\n[limits]\nhandshakeSeconds = 1\n{TLS}")).await;
    let mut silent = connect(&server.url).await;
    assert_eq!(rest(&mut silent).await, "");
}

/// A connection that takes nothing of an answer of 20 MB: more than sockets hold.
async fn taking_nothing(server: &Server) -> TcpStream {
    let body = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) \
                INSERT INTO note (id, title, body) SELECT i, 't', hex(zeroblob(100000)) FROM n";
    server.sql(body).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(server.url.strip_prefix("http://").unwrap().parse().unwrap()).await.unwrap();
    let body = json!({"protocol": 1, "client": server.ana().client, "schema": 1, "entities": ["note"]}).to_string();
    let head = format!(
        "POST /v1/pull HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t-ana\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut begins = [0; 15];
    stream.read_exact(&mut begins).await.unwrap();
    assert_eq!(&begins, b"HTTP/1.1 200 OK");
    stream
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_cut_off() {
    let server = start("idleSeconds = 1\nconnections = 1").await;
    let mut stalled = taking_nothing(&server).await;
    // There is room for one: whoever comes next is answered when the other has gone.
    healthy(&mut connect(&server.url).await).await;
    let taken = rest(&mut stalled).await;
    assert!(taken.contains(r#"{"start":"#) && !taken.contains(r#"{"end":"#), "{} bytes", taken.len());
}

#[tokio::test]
async fn more_connections_than_there_may_be_wait_for_their_turn() {
    let server = start("connections = 2").await;
    let (mut first, mut second) = (connect(&server.url).await, connect(&server.url).await);
    healthy(&mut first).await;
    healthy(&mut second).await;
    let mut third = connect(&server.url).await;
    third.write_all(HEALTH).await.unwrap();
    // Those who are there are answered as often as they like, before the third is taken at all.
    for _ in 0..20 {
        healthy(&mut first).await;
        healthy(&mut second).await;
    }
    let early = third.try_read(&mut [0; 1024]);
    assert_eq!(early.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    drop(second);
    let mut answer = [0; 15];
    in_time("the answer", third.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

/// What is no HTTP never gets to where problems are made: a status, no body, and the connection ends.
#[tokio::test]
async fn what_is_no_http_is_answered_with_a_status() {
    let server = start("").await;
    let large = format!("GET /health HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(70_000));
    let many = format!("GET /health HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(200));
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "y".repeat(66_000));
    for (request, status) in [
        ("no http\r\n\r\n", "400 Bad Request"),
        ("GET /health HTTP/1.1\r\nno header\r\n\r\n", "400 Bad Request"),
        ("GET /health HTTP/9.9\r\nhost: x\r\n\r\n", "400 Bad Request"),
        ("GET /\u{1} HTTP/1.1\r\nhost: x\r\n\r\n", "400 Bad Request"),
        (&large, "431 Request Header Fields Too Large"),
        (&many, "431 Request Header Fields Too Large"),
        (&long, "431 Request Header Fields Too Large"),
    ] {
        let mut stream = connect(&server.url).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request:.50}: {answer}");
    }
    // What begins as HTTP and goes on as something else does.
    let post = "POST /v1/push HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t-ana\r\ncontent-type: application/json\r\n";
    for rest_of_it in ["transfer-encoding: chunked\r\n\r\nzz\r\n", "transfer-encoding: chunked\r\n\r\n2\r\n{}x\r\n"] {
        let mut stream = connect(&server.url).await;
        stream.write_all(format!("{post}{rest_of_it}").as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("request/malformed"), "{answer}");
    }
}

/// The answer comes, however much is still being sent, and whatever it is that is refused.
#[tokio::test]
async fn who_is_still_sending_is_told_why_it_is_refused() {
    let server = start("").await;
    let ana = server.ana();
    let body = vec![b' '; 12_000_000];
    let post = |api: &Api, token: &str, kind: &str| {
        let request = api.http.post(format!("{}/v1/push", api.url)).bearer_auth(token);
        request.header("content-type", kind).body(body.clone())
    };
    for (request, status) in [
        (post(&ana, "t-ana", "application/json"), 413),
        (post(&ana, "nobody's", "application/json"), 401),
        (post(&ana, "t-ana", "text/plain"), 415),
    ] {
        for _ in 0..10 {
            let answer = request.try_clone().unwrap().send().await.unwrap();
            assert_eq!(answer.status(), status);
            assert!(answer.text().await.unwrap().contains("urn:whimbrel:problem:"));
        }
    }
}
