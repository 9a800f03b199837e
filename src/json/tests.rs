//! What is read and written here is what `serde_json` reads and writes.

use proptest::prelude::*;
use serde_json::{Value, json};
use whimbrel_protocol::{BucketCursor, Change, Fields, Json, Op, PullRequest, PushRequest, Stand};

use super::*;
use crate::error::Code;

/// Both readers take it for the same, or refuse it.
fn check_read(text: &[u8]) {
    let own = parse(text, Code::ProtocolMalformed);
    let shown = String::from_utf8_lossy(text);
    match serde_json::from_slice::<Value>(text) {
        // As text, where `0.0` is not `-0.0`.
        Ok(theirs) => assert_eq!(serde_json::to_string(&own.unwrap()).unwrap(), theirs.to_string(), "{shown}"),
        Err(error) => assert_eq!(own.map_err(|own| own.code()), Err(Code::ProtocolMalformed), "{shown}: {error}"),
    }
}

fn check_written(value: &Value) {
    let own: Json = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(to_text(&own).unwrap(), value.to_string());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-10_i64..10).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[\\x00-\\x20\"\\\\/a-c\u{7f}\u{e4}\u{2028}\u{1f600}]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("[a-c]|__proto__|", inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Text that is JSON, or nearly.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&str; 40] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u",
        "\\ud83d",
        "\\ude00",
        "\\u00",
        "00e4",
        "/",
        "b",
        "\\n",
        "\t",
        " ",
        "\n",
        "\r",
        "\u{b}",
        "\u{feff}",
        "\u{0}",
        "true",
        "fals",
        "null",
        "-",
        "0",
        "7",
        "00",
        ".",
        "e",
        "E",
        "+",
        "1e400",
        "18446744073709551615",
        "9223372036854775809",
        "\"a\":1,",
        "\"a\":2",
        "\u{1f600}",
    ];
    let piece = prop_oneof![
        8 => prop::sample::select(&PIECES[..]).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    let change = (any::<prop::sample::Index>(), 0_usize..3, piece);
    (any_json(), prop::collection::vec(change, 0..4)).prop_map(|(json, changes)| {
        let mut text = json.to_string().into_bytes();
        for (place, removed, put) in changes {
            let place = place.index(text.len() + 1);
            let end = text.len().min(place + removed);
            text.splice(place..end, put);
        }
        text
    })
}

/// Text that is a number, or nearly.
fn nearly_number() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[0-9]{1,25}",
        "-?0{0,2}[0-9]{0,20}\\.?[0-9]{0,20}([eE][-+]?[0-9]{0,4})?",
        "[1-9]\\.[0-9]{15,40}e-?(30[0-9]|31[0-9]|32[0-9])",
        "[0-9]{15,18}(e-?[0-3]?[0-9])?",
        "[0-9]{14,16}e-?2[0-5]",
        any::<f64>().prop_map(|real| format!("{real:e}")),
    ]
}

#[test]
fn edges_are_as_elsewhere() {
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let deep_objects = |levels: usize| "{\"a\":".repeat(levels) + "1" + &"}".repeat(levels);
    let (one, tiny) = ("1".to_owned() + &"0".repeat(400), "0.".to_owned() + &"0".repeat(400) + "1e390");
    let middle = "2.4703282292062327208299439567354e-324";
    for text in [
        "",
        " ",
        "-",
        "-0",
        "-0.0",
        "-0e5",
        "0",
        "00",
        "01",
        "-01",
        "1.",
        ".1",
        "1.e5",
        "1e",
        "1e+",
        "1E+2",
        "1e400",
        "-1e400",
        "1e-400",
        "0e999999999999999999999",
        "1e999999999999999999999",
        "1e-999999999999999999999",
        "1e18446744073709551617",
        "1e-18446744073709551617",
        "1.5e308",
        "1.8e308",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "5e-324",
        "2e-324",
        "3e-324",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "9007199254740993",
        "9007199254740993.0",
        "9007199254740992.99999999999999999999999999",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "-9223372036854775809",
        "123456789012345678901234567890",
        "+1",
        "0x10",
        "1 2",
        "NaN",
        "Infinity",
        "nul",
        "nulll",
        "true",
        "tru",
        "truefalse",
        "[truefalse]",
        "[1,]",
        "[,1]",
        "{\"a\":1,}",
        "{,}",
        "{\"a\"}",
        "{a:1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1,\"a\":2}",
        "{\"b\":1,\"a\":2,\"b\":{}}",
        "{\"__proto__\":{\"x\":1}}",
        "[1}",
        "{]",
        "\"",
        "\"\\",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u+123\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0061\"",
        "\"\\ud83d\\ude00\"",
        "\"\\uD83D\\uDE00\"",
        "\"\\ude00\"",
        "\"\\ud83dx\"",
        "\"\\ud83d\\ud83d\"",
        "\"\\u0000\"",
        "\"\t\"",
        "\"\u{7f}\"",
        "\u{feff}1",
        "1\u{feff}",
        "[1]]",
        "[1] ",
        "\u{a0}1",
        "/**/1",
        "'a'",
        &deep(127),
        &deep(128),
        &deep(10_000),
        &deep_objects(127),
        &deep_objects(128),
        &"[".repeat(100_000),
        &one,
        &tiny,
        middle,
    ] {
        check_read(text.as_bytes());
    }
    for bytes in [&b"\"\xff\""[..], b"\xff", b"\"\xed\xa0\x80\"", b"\"\xc0\x80\"", b"{\"\xff\":1}"] {
        check_read(bytes);
    }
}

#[test]
fn derived_shapes_are_written_as_elsewhere() {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    enum Kind {
        UpDown,
    }
    #[derive(serde::Serialize)]
    struct Inner(u8);
    #[derive(serde::Serialize)]
    struct Shape<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        absent: Option<u32>,
        none: Option<i64>,
        some: Option<i8>,
        kind: Kind,
        inner: Inner,
        pair: (char, f32),
        empty: [u16; 0],
        map: std::collections::BTreeMap<&'a str, Value>,
    }
    let map = [("\"", json!({})), ("b", json!([{}, []]))].into_iter().collect();
    let inner = Inner(255);
    let shape = Shape {
        absent: None,
        none: None,
        some: Some(-1),
        kind: Kind::UpDown,
        inner,
        pair: ('\u{e4}', 0.5),
        empty: [],
        map,
    };
    assert_eq!(to_text(&shape).unwrap(), serde_json::to_string(&shape).unwrap());
    assert_eq!(to_text(&f64::NAN).unwrap(), "null");
}

#[test]
fn requests_are_written_as_the_server_reads_them() {
    let change = Change {
        seq: 1,
        change: "c".to_owned(),
        entity: "order".to_owned(),
        id: "\u{e4}".to_owned(),
        op: Op::Update,
        base: Some(7),
        set: serde_json::from_value(json!({"b": 0.1, "a": null})).unwrap(),
        was: Fields::new(),
        group: None,
        at: -5,
    };
    let changes = vec![change.clone(), Change { base: None, group: Some("g".to_owned()), ..change }];
    let user = Some("ana".to_owned());
    let push = PushRequest {
        protocol: 1,
        client: "c".to_owned(),
        schema: 2,
        ack: 3,
        history: None,
        end: false,
        user,
        changes,
    };
    assert_eq!(serde_json::from_str::<PushRequest>(&to_text(&push).unwrap()).unwrap(), push);
    assert_eq!(to_text(&push).unwrap(), serde_json::to_string(&push).unwrap());
    let cursor = BucketCursor { bucket: "order/all".to_owned(), cursor: "x".to_owned(), more: true, version: None };
    let (client, entities) = ("c".to_owned(), vec!["order".to_owned()]);
    let stands = vec![Stand { entity: "order".to_owned(), stand: "e.9".to_owned() }];
    let user = Some("ana".to_owned());
    let pull = PullRequest { protocol: 1, client, schema: 2, user, entities, cursors: vec![cursor], stands };
    assert_eq!(to_text(&pull).unwrap(), serde_json::to_string(&pull).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn json_is_written_and_read_as_elsewhere(value in any_json()) {
        check_written(&value);
        check_read(value.to_string().as_bytes());
        check_read(serde_json::to_string_pretty(&value).unwrap().as_bytes());
    }

    #[test]
    fn what_is_nearly_json_is_taken_for_the_same(text in nearly_json()) {
        check_read(&text);
    }

    #[test]
    fn numbers_are_right_to_the_last_bit(text in nearly_number()) {
        check_read(text.as_bytes());
    }
}
