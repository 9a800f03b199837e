//! Backup and restore, each step as docs/OPERATIONS.md has it, of a server that runs as a program; also of one that was killed.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::Here;
use super::program::Program;
use crate::support::{Api, Backend as _, CONFIG, Replica, code_of};

const PHOTOS: &str = r#"
[[entity]]
name = "photo"
policy = "lastWriteWins"
allow = { read = ["*"], write = ["*"] }
scopes = ["all"]
fields = [{ name = "content", type = "attachment" }]
"#;
const ENTITIES: [&str; 3] = ["note", "doc", "photo"];

fn start(folder: &Path, arguments: &[&str]) -> Program {
    Program::start_with(folder, &format!("{CONFIG}{PHOTOS}"), arguments)
}

fn stop(program: Program) {
    program.signal("-TERM");
    assert_eq!(program.wait().code(), Some(0));
}

fn title(title: &str) -> Value {
    json!({"set": {"title": title}})
}

async fn upload(api: &mut Api, id: &str, content: &[u8]) -> String {
    let address = format!("sha256-{:x}", Sha256::digest(content));
    api.accepted("create", "photo", id, json!({"set": {"content": address}})).await;
    let url = format!("{}/v1/attachments/{address}?offset=0&size={}", api.url, content.len());
    let part = api.http.patch(url).bearer_auth(&api.token).body(content.to_vec()).send().await.unwrap();
    assert_eq!(part.status(), StatusCode::OK);
    address
}

async fn download(api: &Api, address: &str) -> Result<Vec<u8>, String> {
    let url = format!("{}/v1/attachments/{address}", api.url);
    let answer = api.http.get(url).bearer_auth(&api.token).send().await.unwrap();
    match answer.status() {
        StatusCode::OK => Ok(answer.bytes().await.unwrap().to_vec()),
        status => Err(code_of(&(status, answer.text().await.unwrap()))),
    }
}

/// The folder of attachments, there and back.
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("rm").arg("-rf").arg(to).status().unwrap().success());
    assert!(Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
}

/// Pulls all; which buckets came as a whole again, and whether each of them says that it is because of a restored backup.
async fn sync(replica: &mut Replica, api: &Api) -> BTreeMap<String, bool> {
    let lines = replica.sync(api, &ENTITIES).await;
    let resync = lines.iter().filter_map(|line| line.get("resync"));
    resync
        .map(|line| (line["bucket"].as_str().unwrap().to_owned(), line["restored"].as_bool().unwrap_or(false)))
        .collect()
}

fn titles(replica: &Replica) -> Vec<(String, String)> {
    let rows = replica.rows("note/all").into_iter();
    rows.map(|(id, row)| (id, row["title"].as_str().unwrap().to_owned())).collect()
}

/// Two devices: what Ana wrote was all accepted, partly behind the backup; Ben has a change that waits.
async fn story(is_killed: bool) {
    let folder = TempDir::new().unwrap();
    let (folder, photos) = (folder.path(), folder.path().join("test.sqlite.attachments"));
    let program = start(folder, &[]);
    let (mut ana, mut ben) = (Api::new(&program.url, "t-ana"), Api::new(&program.url, "t-ben"));
    ana.accepted("create", "note", "1", title("one")).await;
    ana.accepted("create", "doc", "1", title("one")).await;
    let kept = upload(&mut ana, "p", b"a photo").await;
    let early = ben.change("create", "note", "2", title("two"));
    ben.push(std::slice::from_ref(&early)).await;
    ben.accepted("delete", "note", "2", json!({})).await;

    // While it runs: the database first, then the contents.
    Here::dump(folder).await;
    copy(&photos, &folder.join("photos"));

    let late = ana.change("create", "note", "3", title("three"));
    ana.push(std::slice::from_ref(&late)).await;
    ana.accepted("update", "note", "1", title("one!")).await;
    let lost = upload(&mut ana, "q", b"another").await;
    let mut device = Replica::default();
    assert!(sync(&mut device, &ben).await.is_empty());
    assert_eq!(titles(&device), [("1", "one!"), ("3", "three")].map(|(id, title)| (id.into(), title.into())));
    if is_killed {
        program.signal("-KILL");
        program.wait();
    } else {
        stop(program);
    }

    Here::put_back(folder).await;
    copy(&folder.join("photos"), &photos);
    stop(start(folder, &["--new-history"]));
    let program = start(folder, &[]);

    let (mut ana, mut ben) = (ana.moved(&program.url), ben.moved(&program.url));
    let anew = sync(&mut device, &ben).await;
    // That it was restored says the new history, which `start` names.
    let all = ["doc/all", "note/all", "photo/all"].map(|bucket| (bucket.to_owned(), false));
    assert_eq!(anew.into_iter().collect::<Vec<_>>(), all, "each bucket comes as a whole again");
    assert_eq!(titles(&device), [("1".to_owned(), "one".to_owned())]);
    assert!(sync(&mut device, &ben).await.is_empty(), "once");
    // What was accepted before the backup is known: nothing is applied twice, and what was deleted stays deleted.
    let waiting = ben.change("create", "note", "4", title("four"));
    let again = ben.request(std::slice::from_ref(&waiting), 2);
    assert_eq!(ben.push_raw(&again).await.1["outcomes"][0]["outcome"], "accepted");
    assert_eq!(ben.push_raw(&again).await.1["outcomes"][0]["outcome"], "duplicate");
    assert_eq!(ben.push_one("create", "note", "2", title("two")).await["code"], "row/deleted");
    // What was accepted behind it is not: her device is told so, becomes another client, and can send it again.
    let next = ana.change("create", "note", "5", title("five"));
    let refused = ana.post("/v1/push", &ana.request(&[next], 6)).await;
    assert_eq!(code_of(&refused), "push/gap");
    let mut end = ana.request(&[], 0);
    end["end"] = json!(true);
    assert_eq!(ana.push_raw(&end).await.1["last_seq"], 3, "from here on nothing arrived");
    let mut ana = Api::new(&program.url, "t-ana");
    for (id, words) in [("3", "three"), ("5", "five")] {
        ana.accepted("create", "note", id, title(words)).await;
    }
    // Writes past the server are numbered as before.
    Here::sql(folder, "INSERT INTO note (id, title) VALUES ('6', 'six')").await;
    assert!(sync(&mut device, &ben).await.is_empty());
    let expected = [("1", "one"), ("3", "three"), ("4", "four"), ("5", "five"), ("6", "six")];
    assert_eq!(titles(&device), expected.map(|(id, title)| (id.to_owned(), title.to_owned())));
    // Contents: that of the backup is here; of the other not even the row is, until the device sends both again.
    assert_eq!(download(&ben, &kept).await, Ok(b"a photo".to_vec()));
    assert_eq!(download(&ben, &lost).await, Err("attachment/unreferenced".to_owned()));
    upload(&mut ana, "q", b"another").await;
    assert_eq!(download(&ben, &lost).await, Ok(b"another".to_vec()));
    stop(program);
}

#[tokio::test]
async fn after_a_restore_clients_begin_anew_and_lose_nothing() {
    story(false).await;
}

/// What a killed server has left beside its database belongs to none that is put in its place.
#[tokio::test]
async fn a_backup_takes_the_place_of_what_a_killed_server_has_left() {
    story(true).await;
}
