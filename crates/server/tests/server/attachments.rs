//! Attachments over HTTP: who may, in parts, again after a cut, and never anything but what the address says.

use std::io::{Read, Write};

use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Server;
use crate::support::{Api, code_of};

const CONFIG: &str = r#"
data = "test.sqlite"
[attachments]
maxBytes = 4_000_000
[auth]
mode = "development"
tokens = [
  { token = "t-ana", user = "ana", scopes = ["team:a", "team:b"] },
  { token = "t-ben", user = "ben", scopes = ["team:b"] },
]
[[entity]]
name = "task"
policy = "lastWriteWins"
allow = { read = ["*"], write = ["*"] }
scopes = ["team:{team}"]
fields = [
  { name = "team", type = "text" },
  { name = "photo", type = "attachment", column = "photo_address" },
  { name = "plan", type = "attachment" },
]
"#;

fn content(bytes: usize, seed: u8) -> Vec<u8> {
    (0..bytes).map(|place| (place / 7 + usize::from(seed)) as u8).collect()
}

fn address_of(content: &[u8]) -> String {
    format!("sha256-{:x}", Sha256::digest(content))
}

async fn server() -> Server {
    Server::start_with(CONFIG).await
}

/// A task of team b, with that photo.
async fn refer(api: &mut Api, id: &str, address: &str) {
    api.accepted("create", "task", id, json!({"set": {"team": "b", "photo": address}})).await;
}

fn url(api: &Api, address: &str) -> String {
    format!("{}/v1/attachments/{address}", api.url)
}

async fn part(api: &Api, address: &str, offset: usize, size: usize, part: &[u8]) -> (StatusCode, String) {
    let place = [("offset", offset), ("size", size)];
    let request = api.http.patch(format!("{}?offset={}&size={}", url(api, address), place[0].1, place[1].1));
    let request = request.bearer_auth(&api.token).header(header::CONTENT_TYPE, "image/jpeg").body(part.to_vec());
    let answer = request.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

async fn state(api: &Api, address: &str) -> Value {
    let answer = api.http.get(format!("{}/state", url(api, address))).bearer_auth(&api.token).send().await.unwrap();
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    answer.json().await.unwrap()
}

async fn get(api: &Api, address: &str, range: Option<&str>) -> (StatusCode, Vec<u8>, Option<String>) {
    let request = api.http.get(url(api, address)).bearer_auth(&api.token);
    let request = range.map_or(request.try_clone().unwrap(), |range| request.header(header::RANGE, range));
    let answer = request.send().await.unwrap();
    let content_range = answer.headers().get(header::CONTENT_RANGE).map(|value| value.to_str().unwrap().to_owned());
    (answer.status(), answer.bytes().await.unwrap().to_vec(), content_range)
}

#[tokio::test]
async fn in_parts_and_back_in_ranges() {
    let server = server().await;
    let mut ana = server.ana();
    let photo = content(2_500_000, 1);
    let address = address_of(&photo);
    refer(&mut ana, "t", &address).await;
    assert_eq!(state(&ana, &address).await, json!({"protocol": 1, "received": 0, "complete": false}));
    let missing = get(&ana, &address, None).await;
    assert_eq!(code_of(&(missing.0, String::from_utf8(missing.1).unwrap())), "attachment/not-found");
    let mut offset = 0;
    for piece in photo.chunks(1_048_576) {
        let (status, body) = part(&ana, &address, offset, photo.len(), piece).await;
        offset += piece.len();
        assert_eq!(status, StatusCode::OK, "{body}");
        let state: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&state["received"], &state["complete"]), (&json!(offset), &json!(offset == photo.len())));
    }
    let ben = server.ben();
    let complete = json!({"protocol": 1, "received": 2_500_000, "complete": true, "type": "image/jpeg"});
    assert_eq!(state(&ben, &address).await, complete);
    assert_eq!(get(&ben, &address, None).await, (StatusCode::OK, photo.clone(), None));
    let (status, bytes, range) = get(&ben, &address, Some("bytes=1000000-1999999")).await;
    assert_eq!((status, range.as_deref()), (StatusCode::PARTIAL_CONTENT, Some("bytes 1000000-1999999/2500000")));
    assert!(bytes == photo[1_000_000..2_000_000]);
    let (_, rest, _) = get(&ben, &address, Some("bytes=2400000-")).await;
    assert!(rest == photo[2_400_000..]);
    let outside = get(&ben, &address, Some("bytes=2500000-")).await;
    assert_eq!(code_of(&(outside.0, String::from_utf8(outside.1).unwrap())), "attachment/range");
    let answer = ben.http.get(url(&ben, &address)).bearer_auth(&ben.token).send().await.unwrap();
    let text = |name| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(
        (text(header::CONTENT_TYPE), text(header::CONTENT_DISPOSITION)),
        ("image/jpeg".into(), "attachment".into())
    );
    assert_eq!(
        (text(header::CONTENT_LENGTH), text(header::X_CONTENT_TYPE_OPTIONS)),
        ("2500000".into(), "nosniff".into())
    );
    // It is here: another part of it changes nothing.
    let (status, body) = part(&ben, &address, 0, photo.len(), b"x").await;
    assert_eq!((status, serde_json::from_str::<Value>(&body).unwrap()), (StatusCode::OK, complete));
}

#[tokio::test]
async fn only_who_sees_a_row_that_refers_to_it() {
    let server = server().await;
    let (mut ana, ben) = (server.ana(), server.ben());
    let photo = content(100, 2);
    let address = address_of(&photo);
    let unreferenced = async |api: &Api| {
        for answer in [
            part(api, &address, 0, photo.len(), &photo).await,
            (get(api, &address, None).await.0, String::from_utf8(get(api, &address, None).await.1).unwrap()),
        ] {
            assert_eq!(code_of(&answer), "attachment/unreferenced");
        }
        assert_eq!(state(api, &address).await["code"], "attachment/unreferenced");
    };
    unreferenced(&ana).await;
    ana.accepted("create", "task", "t", json!({"set": {"team": "a", "plan": address}})).await;
    unreferenced(&ben).await;
    assert_eq!(part(&ana, &address, 0, photo.len(), &photo).await.0, StatusCode::OK);
    unreferenced(&ben).await;
    // The row moves to a team of his, and away from the other.
    ana.accepted("update", "task", "t", json!({"set": {"team": "b"}})).await;
    assert_eq!(get(&ben, &address, None).await.1, photo);
    ana.accepted("update", "task", "t", json!({"set": {"plan": null}})).await;
    unreferenced(&ana).await;
    unreferenced(&ben).await;
    let answer = ana.http.get(url(&ana, &address)).send().await.unwrap();
    assert_eq!(code_of(&(answer.status(), answer.text().await.unwrap())), "auth/unauthenticated");
}

#[tokio::test]
async fn a_field_takes_addresses_only() {
    let server = server().await;
    let outcome = server.ana().push_one("create", "task", "t", json!({"set": {"photo": "photo.jpg"}})).await;
    assert_eq!((&outcome["outcome"], &outcome["code"]), (&json!("rejected"), &json!("value/type")));
}

#[tokio::test]
async fn wrong_parts_are_refused() {
    let server = server().await;
    let mut ana = server.ana();
    let photo = content(3_000_000, 3);
    let address = address_of(&photo);
    refer(&mut ana, "t", &address).await;
    assert_eq!(code_of(&part(&ana, &address, 10, photo.len(), b"x").await), "attachment/offset");
    assert_eq!(code_of(&part(&ana, &address, 0, 4_000_001, b"x").await), "attachment/too-large");
    assert_eq!(code_of(&part(&ana, &address, 0, 2, b"xyz").await), "request/too-large");
    assert_eq!(code_of(&part(&ana, "sha256-abc", 0, 1, b"x").await), "request/malformed");
    let request = ana.http.patch(url(&ana, &address)).bearer_auth(&ana.token).body("x").send().await.unwrap();
    assert_eq!(code_of(&(request.status(), request.text().await.unwrap())), "request/malformed");
    let request = ana.http.delete(url(&ana, &address)).bearer_auth(&ana.token).send().await.unwrap();
    assert_eq!(code_of(&(request.status(), request.text().await.unwrap())), "request/method");
    let received = state(&ana, &address).await["received"].as_u64().unwrap();
    assert_eq!(received, 0, "what was refused left nothing");
}

#[tokio::test]
async fn what_has_another_hash_is_thrown_away() {
    let server = server().await;
    let mut ana = server.ana();
    let photo = content(1000, 4);
    let address = address_of(&photo);
    refer(&mut ana, "t", &address).await;
    assert_eq!(part(&ana, &address, 0, 1000, &photo[..500]).await.0, StatusCode::OK);
    assert_eq!(code_of(&part(&ana, &address, 500, 1000, &photo[..500]).await), "attachment/damaged");
    assert_eq!(state(&ana, &address).await, json!({"protocol": 1, "received": 0, "complete": false}));
    assert_eq!(part(&ana, &address, 0, 1000, &photo).await.0, StatusCode::OK);
    assert_eq!(get(&ana, &address, None).await.1, photo);
}

#[tokio::test]
async fn two_users_at_once_and_the_empty_one() {
    let server = server().await;
    let (mut ana, ben) = (server.ana(), server.ben());
    let photo = content(1000, 5);
    let address = address_of(&photo);
    refer(&mut ana, "t", &address).await;
    assert_eq!(part(&ana, &address, 0, 1000, &photo[..600]).await.0, StatusCode::OK);
    assert_eq!(state(&ben, &address).await["received"], 0, "an upload belongs to a user");
    assert_eq!(part(&ben, &address, 0, 1000, &content(1000, 9)[..600]).await.0, StatusCode::OK);
    assert_eq!(part(&ana, &address, 600, 1000, &photo[600..]).await.0, StatusCode::OK);
    assert_eq!(state(&ben, &address).await["complete"], true);
    assert_eq!(get(&ben, &address, None).await.1, photo);
    let empty = address_of(b"");
    ana.accepted("create", "task", "e", json!({"set": {"team": "b", "photo": empty}})).await;
    assert_eq!(part(&ana, &empty, 0, 0, b"").await.0, StatusCode::OK);
    assert_eq!(get(&ben, &empty, None).await.1, b"");
}

#[tokio::test]
async fn requests_that_race_for_an_upload_leave_it_right() {
    let server = server().await;
    let mut ana = server.ana();
    let photo = content(900_000, 6);
    let address = address_of(&photo);
    refer(&mut ana, "t", &address).await;
    let racing = (0..6).map(|_| async {
        loop {
            let now = state(&ana, &address).await;
            if now["complete"] == true {
                break;
            }
            let offset = now["received"].as_u64().unwrap() as usize;
            let end = (offset + 100_000).min(photo.len());
            let answer = part(&ana, &address, offset, photo.len(), &photo[offset..end]).await;
            assert!(answer.0.is_success() || code_of(&answer) == "attachment/offset", "{answer:?}");
        }
    });
    futures_util::future::join_all(racing).await;
    assert!(get(&ana, &address, None).await.1 == photo);
}

/// Sends the beginning of a part, and waits until the server has it. What is sent goes into the socket of a client that then hangs up.
async fn cut_off(api: &Api, address: &str, size: usize, sent: &[u8], announced: usize) {
    let host = api.url.strip_prefix("http://").unwrap().to_owned();
    let head = format!(
        "PATCH /v1/attachments/{address}?offset=0&size={size} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\n\
         content-length: {announced}\r\n\r\n",
        api.token
    );
    let sent = sent.to_vec();
    tokio::task::spawn_blocking(move || {
        let mut socket = std::net::TcpStream::connect(host).unwrap();
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(&sent).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        // An answer, or the end: either way it is done with the part.
        _ = socket.read_to_end(&mut Vec::new());
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_part_that_breaks_off_goes_on_where_it_did_also_after_a_restart() {
    let server = server().await;
    let mut ana = server.ana();
    let photo = content(1_000_000, 7);
    let address = address_of(&photo);
    refer(&mut ana, "t", &address).await;
    cut_off(&ana, &address, photo.len(), &photo[..700_000], photo.len()).await;
    let received = state(&ana, &address).await["received"].as_u64().unwrap() as usize;
    assert!((600_000..=700_000).contains(&received), "{received} bytes were kept of 700,000");
    let folder = server.stop().await;
    let server = Server::start_in(folder, CONFIG).await;
    let mut again = server.ana();
    again.client = ana.client;
    assert_eq!(state(&again, &address).await["received"], received);
    let (status, body) = part(&again, &address, received, photo.len(), &photo[received..]).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(get(&again, &address, None).await.1 == photo);
}
