//! Whatever comes: bytes, and requests that are nearly right. An answer of the protocol each time, no fault of the server, and no memory to speak of.
//!
//! `PROPTEST_CASES` says how many. cargo-fuzz needs a nightly compiler, which is not used here.

use std::io::Write;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use whimbrel_server::{Hints, MemoryAttachments, MemoryStorage, router_with};

use crate::support::{CONFIG, config_in};

/// By how much the process may grow in all cases of a test together: a body after decompression, its tree, and what the allocator keeps.
const GROWTH_KIB_MAX: u64 = 192 * 1024;

struct Target {
    runtime: tokio::runtime::Runtime,
    router: Router,
}

impl Target {
    fn new() -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let config = config_in(folder.path(), CONFIG);
        let storage = Arc::new(MemoryStorage::new("h"));
        let router = router_with(&config, storage, Hints::default(), Arc::new(MemoryAttachments::default()));
        Self { runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(), router }
    }

    /// Status and body of an answer.
    fn ask(&self, path: &str, encoding: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let request =
            Request::post(path).header("authorization", "Bearer t-ana").header("content-type", "application/json");
        let request = request.header("content-encoding", encoding).body(Body::from(body)).unwrap();
        self.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request).await.unwrap();
            let status = answer.status().as_u16();
            (status, answer.into_body().collect().await.unwrap().to_bytes().to_vec())
        })
    }

    /// The answer is one that the protocol has.
    fn check(&self, path: &str, encoding: &str, body: &[u8]) -> Result<u16, TestCaseError> {
        let (status, answer) = self.ask(path, encoding, body.to_vec());
        let shown =
            || format!("{path} {encoding} {:?} -> {status}", String::from_utf8_lossy(&body[..body.len().min(300)]));
        prop_assert!([200, 400, 403, 404, 409, 413, 415, 426].contains(&status), "{}", shown());
        if status == 200 {
            let text = std::str::from_utf8(&answer).unwrap();
            let last = text.lines().last().unwrap_or_default();
            prop_assert!(serde_json::from_str::<Value>(last).is_ok(), "{}", shown());
            prop_assert!(path != "/v1/pull" || last == r#"{"end":{}}"#, "{}", shown());
        } else {
            let problem: Value = serde_json::from_slice(&answer).unwrap();
            prop_assert_eq!(&problem["status"], &json!(status));
        }
        Ok(status)
    }
}

/// The most that this process has had in memory.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn golden() -> [(&'static str, Value); 2] {
    let (client, change) = ("5f0c5f0c-5f0c-4f0c-8f0c-5f0c5f0c5f0c", "0190c0de-0190-7190-8190-0190c0de0190");
    let update = json!({"seq": 2, "change": change, "entity": "note", "id": "n", "op": "update", "base": 1, "group": "g",
        "set": {"count": 2, "ratio": 0.5, "done": true}, "was": {"count": null}, "at": 1_795_449_600_000_i64});
    let create = json!({"seq": 1, "change": change, "entity": "note", "id": "n", "op": "create", "set": {"title": "t"},
        "at": 1});
    let push = json!({"protocol": 1, "client": client, "schema": 3, "ack": 0, "history": "h", "user": "ana", "end": false,
        "changes": [create, update]});
    let pull = json!({"protocol": 1, "client": client, "schema": 3, "user": "ana", "entities": ["note", "task"],
        "cursors": [{"bucket": "note/all", "cursor": "4f1c2a9d0b7e6c35.e.d.1"}],
        "stands": [{"entity": "note", "stand": "9b2e.1042"}]});
    [("/v1/push", push), ("/v1/pull", pull)]
}

/// What may stand in the place of any value.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        (1_usize..200_000).prop_map(|length| Value::from("x".repeat(length))),
        (1_usize..120).prop_map(|depth| (0..depth).fold(json!(1), |inner, _| json!([inner]))),
        (1_usize..700).prop_map(|length| json!(vec![json!({"seq": 1}); length])),
        Just(json!({})),
    ]
}

/// Every place of a tree, by its pointer.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(map) => map.iter().for_each(|(key, inner)| places(inner, &format!("{at}/{key}"), found)),
        Value::Array(list) => list.iter().enumerate().for_each(|(n, inner)| places(inner, &format!("{at}/{n}"), found)),
        _ => {}
    }
}

fn spoil(mut body: Value, changes: &[(Index, Value, bool)]) -> Value {
    for (place, value, is_added) in changes {
        let mut all = Vec::new();
        places(&body, "", &mut all);
        let Some(found) = body.pointer_mut(place.get(all.as_slice()).as_str()) else { continue };
        match found {
            Value::Object(map) if *is_added => _ = map.insert("odd".into(), value.clone()),
            Value::Object(map) if value.is_null() && !map.is_empty() => {
                let key = map.keys().nth(place.index(map.len())).cloned().unwrap();
                map.remove(&key);
            }
            Value::Array(list) if *is_added => list.push(value.clone()),
            other => *other = value.clone(),
        }
    }
    body
}

/// Bytes that are taken out, put in or changed.
fn scratch(mut bytes: Vec<u8>, changes: &[(Index, u8, u8)]) -> Vec<u8> {
    for (place, byte, how) in changes {
        let place = place.index(bytes.len().max(1));
        match how % 4 {
            0 if place < bytes.len() => bytes[place] = *byte,
            1 if place < bytes.len() => _ = bytes.remove(place),
            2 => bytes.truncate(place),
            _ => bytes.insert(place.min(bytes.len()), *byte),
        }
    }
    bytes
}

fn run<S: Strategy>(strategy: S, test: impl Fn(&Target, S::Value) -> Result<(), TestCaseError>) {
    let target = Target::new();
    for (path, body) in golden() {
        target.ask(path, "identity", body.to_string().into_bytes());
    }
    let before = peak_kib();
    let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() });
    runner.run(&strategy, |value| test(&target, value)).unwrap();
    let grown = peak_kib().saturating_sub(before);
    println!("{} cases, grown by {grown} KiB", runner.config().cases);
    assert!(grown < GROWTH_KIB_MAX, "grown by {grown} KiB");
    assert_eq!(target.ask("/v1/push", "identity", fresh().to_string().into_bytes()).0, 200, "it still works");
}

fn fresh() -> Value {
    let id = uuid::Uuid::new_v4().to_string();
    json!({"protocol": 1, "client": id, "schema": 1, "changes": []})
}

#[test]
fn bytes() {
    let bytes = proptest::collection::vec(any::<u8>(), 0..2_000);
    run((bytes, any::<bool>()), |target, (bytes, is_gzip)| {
        for path in ["/v1/push", "/v1/pull"] {
            let encoding = if is_gzip { "gzip" } else { "identity" };
            prop_assert!(target.check(path, encoding, &bytes)? >= 400);
            // As a stream that says it is gzip, and begins like it.
            let like_gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], bytes.as_slice()].concat();
            prop_assert!(target.check(path, "gzip", &like_gzip)? >= 400);
        }
        Ok(())
    });
}

#[test]
fn requests_that_are_nearly_right() {
    let changes = proptest::collection::vec((any::<Index>(), odd(), any::<bool>()), 1..4);
    run((0_usize..2, changes, any::<bool>()), |target, (which, changes, is_gzip)| {
        let (path, body) = golden()[which].clone();
        let body = spoil(body, &changes).to_string().into_bytes();
        if is_gzip {
            target.check(path, "gzip", &gzip(&body)).map(|_| ())
        } else {
            target.check(path, "identity", &body).map(|_| ())
        }
    });
}

#[test]
fn requests_with_scratches_plain_and_packed() {
    let changes = proptest::collection::vec((any::<Index>(), any::<u8>(), any::<u8>()), 1..6);
    run((0_usize..2, changes, 0_u8..3), |target, (which, changes, how)| {
        let (path, body) = golden()[which].clone();
        let body = body.to_string().into_bytes();
        match how {
            0 => target.check(path, "identity", &scratch(body, &changes)),
            1 => target.check(path, "gzip", &gzip(&scratch(body, &changes))),
            _ => target.check(path, "gzip", &scratch(gzip(&body), &changes)),
        }
        .map(|_| ())
    });
}

#[test]
fn cursors_and_stands() {
    let changes = proptest::collection::vec((any::<Index>(), any::<u8>(), any::<u8>()), 0..6);
    run((changes, any::<String>(), any::<bool>()), |target, (changes, text, is_text)| {
        let client = uuid::Uuid::new_v4().to_string();
        let first = json!({"protocol": 1, "client": client, "schema": 1, "entities": ["note"]});
        let (_, answer) = target.ask("/v1/pull", "identity", first.to_string().into_bytes());
        let answer = String::from_utf8(answer).unwrap();
        let cursor = answer.split("\"cursor\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let spoilt = String::from_utf8_lossy(&scratch(cursor.into_bytes(), &changes)).into_owned();
        let cursor = if is_text { text } else { spoilt };
        let mut next = first;
        next["cursors"] = json!([{"bucket": "note/all", "cursor": cursor}]);
        next["stands"] = json!([{"entity": "note", "stand": cursor}, {"entity": cursor, "stand": "x"}]);
        prop_assert_eq!(target.check("/v1/pull", "identity", next.to_string().as_bytes())?, 200);
        Ok(())
    });
}

/// What is small on its way and large when it is unpacked stops at its limit.
#[test]
fn bombs() {
    let before = peak_kib();
    let target = Target::new();
    let one = gzip(&vec![b' '; 64 * 1024 * 1024]);
    let many = one.repeat(8);
    for bomb in [one, many, gzip(&gzip(&vec![b'['; 32 * 1024 * 1024]))] {
        assert!([400, 413].contains(&target.check("/v1/push", "gzip", &bomb).unwrap()));
    }
    let grown = peak_kib().saturating_sub(before);
    println!("grown by {grown} KiB");
    // Of which 64 MiB are this test's own.
    assert!(grown < GROWTH_KIB_MAX, "grown by {grown} KiB");
}
