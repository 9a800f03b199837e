//! `[limits]` in a file.

use std::time::Duration;

use super::tests::{GOOD, load};
use super::{Rate, Sizes, Waits};

fn with(limits: &str) -> String {
    GOOD.replace("[auth]", &format!("[limits]\n{limits}\n[auth]"))
}

#[test]
fn without_them_they_are_the_protocols() {
    let edge = load(GOOD).unwrap().edge;
    assert_eq!(edge.sizes, Sizes::default());
    assert_eq!(
        (edge.sizes.body_bytes, edge.sizes.inflated_bytes, edge.sizes.push_changes, edge.sizes.change_bytes),
        (1_048_576, 8_388_608, 500, 262_144)
    );
    assert_eq!((edge.sizes.depth, edge.waits), (64, Waits::default()));
    assert_eq!((edge.user_rate, edge.client_rate), (None, None), "of development");
    assert_eq!(edge.body_timeout, Some(Duration::from_secs(300)));
}

#[test]
fn each_can_be_said() {
    let edge = load(&with(
        "bodyBytes = 65536\ninflatedBytes = 65536\npushChanges = 1\nchangeBytes = 1024\ndepth = 8\n\
         headSeconds = 1\nhandshakeSeconds = 2\nidleSeconds = 3\nconnections = 4\nbodySeconds = 5\n\
         userPerSecond = 6\nclientPerSecond = 7\nclientBurst = 8",
    ));
    let edge = edge.unwrap().edge;
    let sizes = Sizes { body_bytes: 65_536, inflated_bytes: 65_536, push_changes: 1, change_bytes: 1_024, depth: 8 };
    assert_eq!(edge.sizes, sizes);
    let [head, handshake, idle, body] = [1, 2, 3, 5].map(Duration::from_secs);
    assert_eq!((edge.waits, edge.body_timeout), (Waits { head, handshake, idle, connections: 4 }, Some(body)));
    let rates = [Rate { per_second: 6, burst: 1_000 }, Rate { per_second: 7, burst: 8 }].map(Some);
    assert_eq!([edge.user_rate, edge.client_rate], rates);
}

#[test]
fn none_is_above_the_protocols_or_below_what_clients_cope_with() {
    for (limits, said) in [
        ("bodyBytes = 1048577", "5:13: config/value: limits.bodyBytes: is 1048577; it is 65536 to 1048576"),
        ("bodyBytes = 65535", "5:13: config/value: limits.bodyBytes: is 65535; it is 65536 to 1048576"),
        ("inflatedBytes = 8388609", "config/value: limits.inflatedBytes: is 8388609; it is 65536 to 8388608"),
        ("pushChanges = 501", "config/value: limits.pushChanges: is 501; it is 1 to 500"),
        ("pushChanges = 0", "config/value: limits.pushChanges: is 0; it is 1 to 500"),
        ("changeBytes = 262145", "config/value: limits.changeBytes: is 262145; it is 1024 to 262144"),
        ("depth = 65", "config/value: limits.depth: is 65; it is 8 to 64"),
        ("depth = 7", "config/value: limits.depth: is 7; it is 8 to 64"),
        ("headSeconds = 0", "config/value: limits.headSeconds: is 0; it is 1 to 3600"),
        ("connections = 0", "config/value: limits.connections: is 0; it is 1 to 1000000"),
        (
            "bodyByte = 65536",
            "5:1: config/unknown-key: limits.bodyByte: there is no such key here; did you mean bodyBytes?",
        ),
        (
            "bodyBytes = 65536",
            "5:13: config/value: limits.bodyBytes: a change of 262144 bytes (changeBytes) and 4096 around it would not fit into a body of 65536 (bodyBytes)",
        ),
        (
            "bodyBytes = 65536\nchangeBytes = 61441",
            "6:15: config/value: limits.changeBytes: a change of 61441 bytes (changeBytes) and 4096 around it would",
        ),
        (
            "inflatedBytes = 1048575",
            "5:17: config/value: limits.inflatedBytes: is 1048575, below the 1048576 of a body as it is sent (bodyBytes)",
        ),
    ] {
        let told = load(&with(limits)).unwrap_err();
        assert!(told.contains(said), "{limits}: {told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    load(&with("bodyBytes = 65536\nchangeBytes = 61440")).unwrap();
}
