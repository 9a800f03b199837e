//! Every shape on the wire, pinned. A failure here is a change of the protocol: it needs a new version, not a new
//! expectation.

#![allow(clippy::unwrap_used, reason = "the helpers are test code too")]

use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use whimbrel_protocol::*;

/// The value is written exactly as `text`, and `text` is read back as the value.
fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, text: &str) {
    assert_eq!(serde_json::to_string(value).unwrap(), text);
    assert_eq!(&serde_json::from_str::<T>(text).unwrap(), value);
}

fn refused<T: DeserializeOwned>(text: &str) {
    assert!(serde_json::from_str::<T>(text).is_err(), "{text}");
}

fn fields(value: serde_json::Value) -> Fields {
    serde_json::from_value(value).unwrap()
}

fn values(value: serde_json::Value) -> Vec<Json> {
    serde_json::from_value(value).unwrap()
}

#[test]
fn push_request() {
    let change = Change {
        seq: 7,
        change: "0190c0de-0000-7000-8000-000000000001".into(),
        entity: "workOrder".into(),
        id: "w1".into(),
        op: Op::Update,
        base: Some(41),
        set: fields(json!({"status": "done"})),
        was: fields(json!({"status": "open"})),
        group: Some("g1".into()),
        at: 1_700_000_000_000,
    };
    let request = PushRequest {
        protocol: 1,
        client: "c1".into(),
        schema: 3,
        ack: 6,
        history: None,
        end: false,
        user: Some("ana".into()),
        changes: vec![change],
    };
    check(
        &request,
        concat!(
            r#"{"protocol":1,"client":"c1","schema":3,"ack":6,"user":"ana","changes":[{"seq":7,"#,
            r#""change":"0190c0de-0000-7000-8000-000000000001","entity":"workOrder","id":"w1","op":"update","base":41,"#,
            r#""set":{"status":"done"},"was":{"status":"open"},"group":"g1","at":1700000000000}]}"#
        ),
    );
}

#[test]
fn push_request_without_what_may_be_left_out() {
    let text = r#"{"protocol":1,"client":"c","schema":1,"changes":[{"seq":1,"change":"x","entity":"e","id":"i","op":"delete","at":0}]}"#;
    let request: PushRequest = serde_json::from_str(text).unwrap();
    assert_eq!((request.ack, &request.user), (0, &None));
    assert!(!serde_json::to_string(&request).unwrap().contains("user"));
    assert_eq!((request.changes[0].base, request.changes[0].op), (None, Op::Delete));
    assert!(request.changes[0].set.is_empty() && request.changes[0].was.is_empty());
    let written = serde_json::to_string(&request.changes[0]).unwrap();
    assert_eq!(written, r#"{"seq":1,"change":"x","entity":"e","id":"i","op":"delete","set":{},"was":{},"at":0}"#);
}

#[test]
fn push_request_refuses_what_it_does_not_know() {
    refused::<PushRequest>(r#"{"protocol":1,"client":"c","schema":1,"changes":[],"extra":1}"#);
    refused::<PushRequest>(r#"{"protocol":1,"client":"c","schema":1}"#);
    refused::<Change>(r#"{"seq":1,"change":"x","entity":"e","id":"i","op":"Create","at":0}"#);
    refused::<Change>(r#"{"seq":-1,"change":"x","entity":"e","id":"i","op":"create","at":0}"#);
}

#[test]
fn ops() {
    check(&Op::Create, r#""create""#);
    check(&Op::Update, r#""update""#);
    check(&Op::Delete, r#""delete""#);
}

#[test]
fn push_response_and_every_outcome() {
    let outcomes = vec![
        Outcome::Accepted { version: 9 },
        Outcome::Duplicate { version: 8 },
        Outcome::Conflict { row: Some(ServerRow { version: 4, fields: fields(json!({"title": "t"})) }) },
        Outcome::Conflict { row: None },
        Outcome::Rejected {
            code: "value/too-long".into(),
            message: "m".into(),
            fields: [("title".to_owned(), "f".to_owned())].into(),
        },
        Outcome::Retry { after_ms: 500 },
        Outcome::Superseded { version: 7, fields: Some(fields(json!({"title": "t"}))) },
        Outcome::Superseded { version: 7, fields: None },
    ];
    let outcomes = outcomes.into_iter().zip(1..).map(|(outcome, seq)| ChangeOutcome { seq, outcome }).collect();
    check(
        &PushResponse { protocol: 1, outcomes, last_seq: 5, stand: Some("e.9".into()) },
        concat!(
            r#"{"protocol":1,"outcomes":["#,
            r#"{"seq":1,"outcome":"accepted","version":9},"#,
            r#"{"seq":2,"outcome":"duplicate","version":8},"#,
            r#"{"seq":3,"outcome":"conflict","row":{"version":4,"fields":{"title":"t"}}},"#,
            r#"{"seq":4,"outcome":"conflict"},"#,
            r#"{"seq":5,"outcome":"rejected","code":"value/too-long","message":"m","fields":{"title":"f"}},"#,
            r#"{"seq":6,"outcome":"retry","after_ms":500},"#,
            r#"{"seq":7,"outcome":"superseded","version":7,"fields":{"title":"t"}},"#,
            r#"{"seq":8,"outcome":"superseded","version":7}],"last_seq":5,"stand":"e.9"}"#
        ),
    );
}

#[test]
fn pull_request() {
    check(
        &PullRequest {
            protocol: 1,
            client: "c1".into(),
            schema: 1,
            user: Some("ana".into()),
            entities: vec!["place".into()],
            cursors: vec![BucketCursor {
                bucket: "place/country:ES".into(),
                cursor: "x".into(),
                more: false,
                version: None,
            }],
            stands: vec![Stand { entity: "place".into(), stand: "e.9".into() }],
        },
        concat!(
            r#"{"protocol":1,"client":"c1","schema":1,"user":"ana","entities":["place"],"#,
            r#""cursors":[{"bucket":"place/country:ES","cursor":"x","more":false}],"stands":[{"entity":"place","stand":"e.9"}]}"#
        ),
    );
    let bare: PullRequest = serde_json::from_str(r#"{"protocol":1,"client":"c","schema":1,"entities":[]}"#).unwrap();
    assert!(bare.cursors.is_empty() && bare.stands.is_empty() && bare.user.is_none());
    refused::<PullRequest>(r#"{"protocol":1,"client":"c","schema":1,"entities":[],"usr":"ana"}"#);
}

#[test]
fn every_line_of_a_pull() {
    check(
        &PullLine::Start(Start {
            protocol: 1,
            history: "h".into(),
            user: None,
            forbidden: Vec::new(),
            buckets: vec![BucketInfo { bucket: "b".into(), pending: 2 }],
        }),
        r#"{"start":{"protocol":1,"history":"h","buckets":[{"bucket":"b","pending":2}]}}"#,
    );
    check(
        &PullLine::Start(Start {
            protocol: 1,
            history: "h".into(),
            user: Some("ana".into()),
            forbidden: vec!["place".into()],
            buckets: Vec::new(),
        }),
        r#"{"start":{"protocol":1,"history":"h","user":"ana","forbidden":["place"],"buckets":[]}}"#,
    );
    check(
        &PullLine::Rows(RowBatch {
            bucket: "b".into(),
            columns: vec!["id".into(), "_version".into(), "name".into(), "lat".into()],
            data: vec![values(json!(["p1", 3, "Vila", 42.5])), values(json!(["p2", 4, null, -1.0]))],
        }),
        r#"{"rows":{"bucket":"b","columns":["id","_version","name","lat"],"data":[["p1",3,"Vila",42.5],["p2",4,null,-1.0]]}}"#,
    );
    check(
        &PullLine::Gone(Gone { bucket: "b".into(), rows: vec![("p1".into(), 7)] }),
        r#"{"gone":{"bucket":"b","rows":[["p1",7]]}}"#,
    );
    check(
        &PullLine::Cursor(BucketCursor { bucket: "b".into(), cursor: "x".into(), more: true, version: None }),
        r#"{"cursor":{"bucket":"b","cursor":"x","more":true}}"#,
    );
    check(
        &PullLine::Cursor(BucketCursor { bucket: "b".into(), cursor: "x".into(), more: false, version: Some(7) }),
        r#"{"cursor":{"bucket":"b","cursor":"x","more":false,"version":7}}"#,
    );
    check(&PullLine::Resync { bucket: "b".into(), restored: false }, r#"{"resync":{"bucket":"b"}}"#);
    check(&PullLine::Resync { bucket: "b".into(), restored: true }, r#"{"resync":{"bucket":"b","restored":true}}"#);
    check(&PullLine::End {}, r#"{"end":{}}"#);
    check(
        &PullLine::Error(Problem::new(ProblemCode::Internal, None)),
        concat!(
            r#"{"error":{"type":"urn:whimbrel:problem:server/internal","code":"server/internal","status":500,"#,
            r#""title":"The server failed.","retryable":true}}"#
        ),
    );
}

#[test]
fn problem_and_pong() {
    check(
        &Problem::new(ProblemCode::Gap, Some("the last seq known is 4".into())),
        concat!(
            r#"{"type":"urn:whimbrel:problem:push/gap","code":"push/gap","status":409,"#,
            r#""title":"The server misses changes before these.","detail":"the last seq known is 4","retryable":false}"#
        ),
    );
    check(&Pong { nonce: "n".into(), protocol: 1, history: "h".into() }, r#"{"nonce":"n","protocol":1,"history":"h"}"#);
}

#[test]
fn every_problem_code() {
    let table: Vec<String> = ProblemCode::ALL
        .iter()
        .map(|code| format!("{} {} {}", code.as_str(), code.status(), code.is_retryable()))
        .collect();
    assert_eq!(
        table,
        [
            "request/malformed 400 false",
            "request/too-large 413 false",
            "request/content-type 415 false",
            "request/not-found 404 false",
            "request/method 405 false",
            "protocol/upgrade-required 426 false",
            "auth/unauthenticated 401 false",
            "auth/forbidden 403 false",
            "auth/other-user 403 false",
            "push/gap 409 false",
            "push/fork 409 false",
            "pull/unknown-entity 404 false",
            "server/busy 503 true",
            "request/too-many 429 true",
            "request/timeout 408 true",
            "server/internal 500 true",
            "attachment/unreferenced 404 false",
            "attachment/not-found 404 true",
            "attachment/offset 409 false",
            "attachment/too-large 413 false",
            "attachment/range 416 false",
            "attachment/damaged 422 false",
        ]
    );
    for code in ProblemCode::ALL {
        check(code, &format!("{:?}", code.as_str()));
    }
}

#[test]
fn limits() {
    assert_eq!((PROTOCOL_VERSION, PUSH_CHANGES_MAX, PULL_BATCH_ROWS_MAX), (1, 500, 2_000));
    assert_eq!((BODY_BYTES_MAX, BODY_INFLATED_BYTES_MAX, CHANGE_BYTES_MAX), (1_048_576, 8_388_608, 262_144));
    assert_eq!((JSON_DEPTH_MAX, ID_BYTES_MAX, PULL_LINE_BYTES_MAX), (64, 128, 4_194_304));
}

#[test]
fn attachment_states() {
    let some = AttachmentState { protocol: 1, received: 1_048_576, complete: false, media_type: None };
    check(&some, r#"{"protocol":1,"received":1048576,"complete":false}"#);
    let all = AttachmentState { protocol: 1, received: 3, complete: true, media_type: Some("image/jpeg".into()) };
    check(&all, r#"{"protocol":1,"received":3,"complete":true,"type":"image/jpeg"}"#);
}

#[test]
fn attachment_addresses() {
    let digits = "0123456789abcdef".repeat(4);
    assert!(is_attachment_address(&format!("sha256-{digits}")));
    for bad in
        [digits.clone(), format!("sha256-{digits}0"), format!("sha256-{}", digits.to_uppercase()), "sha256-".into()]
    {
        assert!(!is_attachment_address(&bad), "{bad}");
    }
}
