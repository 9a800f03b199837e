//! Isolation: whatever of another user's is put into a request gives nothing, and the answer is the same as for what nobody has.
//!
//! Each probe is a request of Ben's with something of Ana's in it, beside the same request with something that is not there. What cannot be hidden
//! is said in the table, with the reason.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Server;
use super::events::Events;
use crate::support::{Api, CONFIG};

pub(super) const PHOTOS: &str = r#"
[[entity]]
name = "photo"
policy = "detectConflicts"
allow = { read = ["*"], write = ["*"] }
scopes = ["team:{team}"]
fields = [
  { name = "team", type = "text" },
  { name = "text", type = "text" },
  { name = "content", type = "attachment" },
]
"#;

/// What is in Ana's records, and must be in no answer to Ben.
pub(super) const SECRET: &str = "between-us";

/// Endpoints of which nothing is anybody's.
const OPEN: &[(&str, &str)] = &[
    ("/v1/ping", "says who the server is, to anybody"),
    ("/v1/openapi.json", "the same for everybody"),
    ("/health", "whether the database can be reached, to anybody"),
    ("/metrics", "to whoever has the token of the configuration, which is no user's; without one it is not there"),
    ("/metrics", "the operator's: counts, and nothing of anybody's"),
];

/// Endpoints that are probed below.
const PROBED: &[&str] =
    &["/v1/push", "/v1/pull", "/v1/events", "/v1/attachments/{address}", "/v1/attachments/{address}/state"];

pub(super) struct Probe {
    pub(super) what: &'static str,
    pub(super) method: Method,
    /// Path and body with something of Ana's, and with something of nobody's.
    pub(super) of_ana: (String, Value),
    pub(super) of_nobody: (String, Value),
    /// What the answer tells all the same, and why that has to be.
    told: Option<&'static str>,
}

/// What Ana has, and what nobody has.
pub(super) struct Things {
    client: [String; 2],
    user: [String; 2],
    team: [String; 2],
    record: [String; 2],
    pub(super) address: [String; 2],
    pub(super) cursor: [String; 2],
    change: [String; 2],
    stand: [String; 2],
}

fn address_of(content: &str) -> String {
    format!("sha256-{:x}", Sha256::digest(content))
}

pub(super) async fn things(mut ana: Api) -> Things {
    let content = SECRET;
    let (record, address) = ("ana's photo".to_owned(), address_of(content));
    let set = json!({"set": {"team": "a", "text": SECRET, "content": address}, "group": "g"});
    let change = ana.change("create", "photo", &record, set);
    let (_, answer) = ana.push_raw(&ana.request(std::slice::from_ref(&change), 0)).await;
    assert_eq!(answer["outcomes"][0]["outcome"], "accepted", "{answer}");
    let path = format!("{}/v1/attachments/{address}?offset=0&size={}", ana.url, content.len());
    let sent = ana.http.patch(path).bearer_auth(&ana.token).body(content).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    let lines = ana.pull(&["photo"], &json!([])).await;
    let cursor = lines.iter().find(|line| line["cursor"]["bucket"] == "photo/team:a").unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Things {
        client: [ana.client.clone(), Uuid::new_v4().to_string()],
        user: ["ana".into(), "nobody-at-all".into()],
        team: ["a".into(), "of-nobody".into()],
        record: [record, "nobody's photo".into()],
        address: [address, address_of("nothing")],
        cursor: [text(&cursor["cursor"]["cursor"]), "no.cursor".into()],
        change: [text(&change["change"]), Uuid::new_v4().to_string()],
        stand: [text(&answer["stand"]), text(&answer["stand"])],
    }
}

/// A probe that sends the same with each of the two.
fn probe(what: &'static str, method: Method, pair: &[String; 2], request: impl Fn(&str) -> (String, Value)) -> Probe {
    Probe { what, method, of_ana: request(&pair[0]), of_nobody: request(&pair[1]), told: None }
}

fn push(client: Option<&str>, change: Value) -> (String, Value) {
    let fresh = Uuid::new_v4().to_string();
    let mut all = json!({"seq": 1, "change": Uuid::new_v4().to_string(), "entity": "photo", "id": format!("by {fresh}"), "at": 1,
        "op": "create", "set": {"team": "b"}});
    all.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let body = json!({"protocol": 1, "client": client.unwrap_or(&fresh), "schema": 1, "changes": [all]});
    ("/v1/push".into(), body)
}

fn pull(more: Value) -> (String, Value) {
    let mut body = json!({"protocol": 1, "client": Uuid::new_v4().to_string(), "schema": 1, "entities": ["photo"]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ("/v1/pull".into(), body)
}

pub(super) fn probes(of: &Things) -> Vec<Probe> {
    let post = |what, pair, request: &dyn Fn(&str) -> (String, Value)| probe(what, Method::POST, pair, request);
    let ids = "ids are of one space for all: whoever takes one that is taken has to be refused";
    let client = "the id of a client is a UUID that only its device knows; whoever has it must not write under it";
    let mut all = vec![
        post("client of a push", &of.client, &|client| push(Some(client), json!({}))),
        post("user of a push", &of.user, &|user| {
            let (path, mut body) = push(None, json!({}));
            body["user"] = json!(user);
            (path, body)
        }),
        post("record to update", &of.record, &|id| push(None, json!({"id": id, "op": "update", "set": {"text": "x"}}))),
        post("record to draw into one's team", &of.record, &|id| {
            push(None, json!({"id": id, "op": "update", "set": {"team": "b"}}))
        }),
        post("record to delete", &of.record, &|id| push(None, json!({"id": id, "op": "delete", "set": {}}))),
        post("record to make again", &of.record, &|id| push(None, json!({"id": id}))),
        post("scope to write into", &of.team, &|team| push(None, json!({"id": "into", "set": {"team": team}}))),
        post("change id", &of.change, &|id| push(None, json!({"change": id, "id": format!("by {id}")}))),
        post("content to refer to", &of.address, &|address| {
            push(None, json!({"id": "refers", "set": {"team": "of-nobody", "content": address}}))
        }),
        post("client that ends", &of.client, &|client| {
            ("/v1/push".into(), json!({"protocol": 1, "client": client, "schema": 1, "end": true, "changes": []}))
        }),
        post("client of a pull", &of.client, &|client| pull(json!({"client": client}))),
        post("user of a pull", &of.user, &|user| pull(json!({"user": user}))),
        post("bucket", &of.team, &|team| {
            pull(json!({"cursors": [{"bucket": format!("photo/team:{team}"), "cursor": "x"}]}))
        }),
        post("cursor under its own name", &of.cursor, &|cursor| {
            pull(json!({"cursors": [{"bucket": "photo/team:a", "cursor": cursor}]}))
        }),
        post("cursor under one's own bucket", &of.cursor, &|cursor| {
            pull(json!({"cursors": [{"bucket": "photo/team:b", "cursor": cursor}]}))
        }),
        post("stand", &of.stand, &|stand| pull(json!({"stands": [{"entity": "photo", "stand": stand}]}))),
    ];
    for (what, method, rest) in [
        ("content", Method::GET, ""),
        ("state of a content", Method::GET, "/state"),
        ("part of a content", Method::PATCH, "?offset=0&size=10"),
        ("part of a complete content", Method::PATCH, "?offset=10&size=10"),
    ] {
        all.push(probe(what, method, &of.address, |address| (format!("/v1/attachments/{address}{rest}"), Value::Null)));
    }
    for probe in &mut all {
        probe.told = match probe.what {
            "client of a push" | "client that ends" => Some(client),
            what if what.starts_with("record to ") => Some(ids),
            _ => None,
        };
    }
    all
}

/// Status, kind and body, without what is the request's own and without numbers.
pub(super) async fn ask(ben: &Api, method: &Method, (path, body): &(String, Value), of: &Things) -> (u16, String) {
    let request = ben.http.request(method.clone(), format!("{}{path}", ben.url)).bearer_auth(&ben.token);
    let request = if body.is_null() { request } else { request.json(body) };
    let answer = request.send().await.unwrap();
    let (status, kind) = (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap().to_owned());
    let mut text = answer.text().await.unwrap();
    assert!(!text.contains(SECRET), "{path} {body}: {text}");
    for thing in [&of.user, &of.record, &of.address, &of.change].into_iter().flatten() {
        text = text.replace(thing.as_str(), "•");
    }
    text.retain(|letter| !letter.is_ascii_digit());
    (status, format!("{kind} {text}"))
}

#[tokio::test]
async fn r5_what_is_another_users_gives_nothing_and_looks_like_what_is_not_there() {
    let server = Server::start_with(&format!("{CONFIG}{PHOTOS}")).await;
    let (things, ben) = (things(server.ana()).await, server.ben());
    let before = server.ana().pull(&["photo"], &json!([])).await;
    let mut told = Vec::new();
    for probe in probes(&things) {
        let of_ana = ask(&ben, &probe.method, &probe.of_ana, &things).await;
        assert!(!of_ana.1.contains("team:a"), "{}: {of_ana:?}", probe.what);
        let of_nobody = ask(&ben, &probe.method, &probe.of_nobody, &things).await;
        match probe.told {
            None => assert_eq!(of_ana, of_nobody, "{}", probe.what),
            // Once the reason has gone, the exception goes.
            Some(why) => {
                assert_ne!(of_ana, of_nobody, "{}: {why}", probe.what);
                told.push(probe.what);
            }
        }
    }
    assert_eq!(told.len(), 6, "{told:?}");
    let rows = |lines: &[Value]| -> Vec<Value> {
        let batches = lines.iter().filter(|line| line["rows"]["bucket"] == "photo/team:a");
        batches.map(|line| line["rows"]["data"].clone()).collect()
    };
    let after = server.ana().pull(&["photo"], &json!([])).await;
    assert_eq!(rows(&after), rows(&before), "nothing of Ana's has changed");
}

#[tokio::test]
async fn r5_a_stream_of_hints_says_nothing_of_what_others_see() {
    let server = Server::start_with(&format!("{CONFIG}{PHOTOS}")).await;
    let (mut ana, mut heard) = (server.ana(), Events::listen(&server.ben()).await);
    ana.accepted("create", "photo", "p", json!({"set": {"team": "a"}})).await;
    ana.accepted("update", "photo", "p", json!({"set": {"text": SECRET}})).await;
    ana.accepted("create", "note", "n", json!({"set": {"title": "t"}})).await;
    assert_eq!(heard.next().await.unwrap(), r#"{"buckets":["note/all"]}"#);
}

/// The paths of the router, from its source: nobody adds one that is not in the tables above.
#[test]
fn every_endpoint_is_in_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    let mut routes = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        // What is on a line of its own; a test has the word in a text.
        for (place, word) in text.match_indices(".route(").filter(|(place, _)| text[..*place].ends_with(' ')) {
            let path = text[place + word.len()..].trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            routes.insert(path.expect("a path is written out where it is routed").to_owned());
        }
    }
    let known: BTreeSet<String> =
        OPEN.iter().map(|(path, _)| *path).chain(PROBED.iter().copied()).map(str::to_owned).collect();
    let unknown: Vec<&String> = routes.difference(&known).collect();
    assert!(unknown.is_empty(), "not in the table of isolation: {unknown:?}");
    assert!(PROBED.iter().all(|path| routes.contains(*path)), "{routes:?}");
}

#[tokio::test]
async fn the_probes_cover_what_they_say() {
    let server = Server::start_with(&format!("{CONFIG}{PHOTOS}")).await;
    let probes = probes(&things(server.ana()).await);
    for path in PROBED.iter().filter(|path| **path != "/v1/events") {
        let (start, end) = path.split_once("{address}").unwrap_or((path, ""));
        let covers = |probe: &Probe| {
            let asked = probe.of_ana.0.split('?').next().unwrap();
            asked.starts_with(start) && asked.ends_with(end)
        };
        assert!(probes.iter().any(covers), "{path} is not probed");
    }
}
