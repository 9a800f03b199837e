//! Records that stand for a pair: each pair is there once or not, and an add wins over a removal when it came after it.

use serde_json::{Value, json};

use super::Server;
use crate::support::{Api, CONFIG, Replica};

fn config(policy: &str) -> String {
    format!(
        r#"{CONFIG}
[[entity]]
name = "tag"
policy = "{policy}"
allow = {{ read = ["*"], write = ["*"] }}
scopes = ["all"]
pair = ["noteId", "placeId"]
fields = [
  {{ name = "noteId", type = "ref", entity = "note", column = "note_id" }},
  {{ name = "placeId", type = "ref", entity = "place", column = "place_id" }},
  {{ name = "body", type = "text" }},
  {{ name = "rank", type = "integer" }},
]
"#
    )
}

async fn server() -> Server {
    Server::start_with(&config("lastWriteWins")).await
}

const ID: &str = "n1~p1";

/// An add at a time, and what else there is to it.
fn add(at: i64, more: Value) -> Value {
    let mut set = json!({"noteId": "n1", "placeId": "p1", "body": null, "rank": null});
    set.as_object_mut().unwrap().extend(more.get("set").and_then(Value::as_object).cloned().unwrap_or_default());
    let mut change = json!({"at": at});
    change.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    change["set"] = set;
    change
}

async fn create(api: &mut Api, at: i64, more: Value) -> Value {
    api.push_one("create", "tag", ID, add(at, more)).await
}

async fn delete(api: &mut Api, at: i64, base: u64) -> Value {
    api.push_one("delete", "tag", ID, json!({"at": at, "base": base})).await
}

fn version(outcome: &Value) -> u64 {
    assert_eq!(outcome["outcome"], "accepted", "{outcome}");
    outcome["version"].as_u64().unwrap()
}

async fn row(server: &Server) -> Option<Value> {
    let mut replica = Replica::default();
    replica.sync(&server.ana(), &["tag"]).await;
    replica.rows("tag/all").get(ID).cloned()
}

#[tokio::test]
async fn r16_adding_twice_is_one_row_whatever_the_policy() {
    for (policy, second) in [
        ("lastWriteWins", json!({"body": "two", "rank": 2})),
        ("merge", json!({"body": "one", "rank": 2})),
        ("detectConflicts", json!({"body": "one", "rank": 2})),
        ("appendOnly", json!({"body": "one", "rank": null})),
    ] {
        let server = Server::start_with(&config(policy)).await;
        let (mut ana, mut ben) = (server.ana(), server.ben());
        version(&create(&mut ana, 10, json!({"set": {"body": "one"}})).await);
        version(&create(&mut ben, 20, json!({"set": {"body": "two", "rank": 2}})).await);
        // What it has no value for stays.
        version(&create(&mut ana, 30, json!({})).await);
        let expected = json!({"noteId": "n1", "placeId": "p1", "body": second["body"], "rank": second["rank"]});
        assert_eq!(row(&server).await, Some(expected), "{policy}");
    }
}

#[tokio::test]
async fn of_an_add_and_a_removal_that_do_not_know_of_each_other_the_later_one_wins() {
    // Time of the second add, of the removal, and which comes first; what is left.
    for (add_at, removal_at, add_first, is_there) in [
        (30, 20, true, true),
        (30, 20, false, true),
        (20, 30, true, false),
        (20, 30, false, false),
        (30, 30, true, false),
        (30, 30, false, false),
    ] {
        let server = server().await;
        let (mut ana, mut ben, mut cleo) = (server.ana(), server.ben(), server.ana());
        // Everybody has seen the pair; Cleo takes it away and Ben adds it again, and Ana removes what she saw.
        let first = version(&create(&mut cleo, 10, json!({})).await);
        let removed = version(&delete(&mut cleo, 11, first).await);
        let there = if add_first {
            let again = version(&create(&mut ben, add_at, json!({"base": removed})).await);
            let outcome = delete(&mut ana, removal_at, first).await;
            if is_there {
                let fields = json!({"noteId": "n1", "placeId": "p1", "body": null, "rank": null});
                assert_eq!(outcome, json!({"outcome": "superseded", "version": again, "fields": fields}));
            } else {
                version(&outcome);
            }
            row(&server).await.is_some()
        } else {
            // Hers is the later removal, though nothing is left to be removed.
            assert_eq!(version(&delete(&mut ana, removal_at, first).await), removed);
            let outcome = create(&mut ben, add_at, json!({"base": first})).await;
            if is_there {
                version(&outcome);
            } else {
                assert_eq!(outcome, json!({"outcome": "superseded", "version": removed}));
            }
            row(&server).await.is_some()
        };
        assert_eq!(there, is_there, "add at {add_at}, removal at {removal_at}, add first: {add_first}");
    }
}

#[tokio::test]
async fn who_has_seen_the_other_one_comes_after_it_whatever_clocks_say() {
    let server = server().await;
    let (mut ana, mut ben) = (server.ana(), server.ben());
    let made = version(&create(&mut ana, 1_000, json!({})).await);
    let removed = version(&delete(&mut ben, 5, made).await);
    assert_eq!(row(&server).await, None);
    let again = version(&create(&mut ana, 3, json!({"base": removed})).await);
    assert!(row(&server).await.is_some());
    // What has been seen of other fields counts for those; the removal is of the pair that was added.
    version(&ana.push_one("update", "tag", ID, json!({"set": {"body": "x"}, "base": again})).await);
    version(&delete(&mut ben, 1, again).await);
    // And what is later is never earlier, for a third: the last removal is not of time 1.
    assert_eq!(create(&mut server.ben(), 900, json!({})).await["outcome"], "superseded");
    assert_eq!(create(&mut server.ben(), 1_001, json!({})).await["outcome"], "accepted");
}

#[tokio::test]
async fn a_client_comes_after_itself_also_when_its_answers_were_lost_and_its_clock_is_put_back() {
    let server = server().await;
    let mut ana = server.ana();
    let all = [
        ana.change("create", "tag", ID, add(500, json!({}))),
        ana.change("delete", "tag", ID, json!({"at": 400})),
        ana.change("create", "tag", ID, add(300, json!({"set": {"body": "again"}}))),
    ];
    let outcomes = ana.push(&all[..2]).await;
    assert!(outcomes.iter().all(|outcome| outcome["outcome"] == "accepted"), "{outcomes:?}");
    let outcomes = ana.push(&all).await;
    let told: Vec<_> = outcomes.iter().map(|outcome| outcome["outcome"].clone()).collect();
    assert_eq!(told, ["duplicate", "duplicate", "accepted"]);
    assert_eq!(row(&server).await.unwrap()["body"], "again");
}

#[tokio::test]
async fn a_superseded_change_is_answered_the_same_again_and_gives_its_client_nothing() {
    let server = server().await;
    let (mut ana, mut ben) = (server.ana(), server.ben());
    let made = version(&create(&mut ben, 10, json!({})).await);
    let removed = version(&delete(&mut ben, 100, made).await);
    let late = ana.change("create", "tag", ID, add(50, json!({})));
    let expected = json!({"seq": 1, "outcome": "superseded", "version": removed});
    assert_eq!(ana.push(std::slice::from_ref(&late)).await, std::slice::from_ref(&expected));
    // Another add of before the removal does not come after it because the first was answered.
    let later = ana.change("create", "tag", ID, add(60, json!({})));
    let both = ana.push(&[late, later]).await;
    assert_eq!((&both[0], &both[1]["outcome"]), (&expected, &json!("superseded")));
    assert_eq!(row(&server).await, None);
}

#[tokio::test]
async fn a_group_goes_on_with_a_superseded_change_in_it() {
    let server = server().await;
    let (mut ana, mut ben) = (server.ana(), server.ben());
    let made = version(&create(&mut ben, 10, json!({})).await);
    version(&delete(&mut ben, 100, made).await);
    let changes = [
        ana.change("create", "note", "n9", json!({"set": {"title": "N"}, "group": "g"})),
        ana.change("create", "tag", ID, add(50, json!({"group": "g"}))),
    ];
    let outcomes = ana.push(&changes).await;
    assert_eq!((&outcomes[0]["outcome"], &outcomes[1]["outcome"]), (&json!("accepted"), &json!("superseded")));
}

#[tokio::test]
async fn the_identity_of_a_pair_is_the_pair() {
    let server = server().await;
    let mut ana = server.ana();
    let refused = |outcome: &Value, fields: &[&str]| {
        assert_eq!(
            (&outcome["outcome"], &outcome["code"]),
            (&json!("rejected"), &json!("constraint/pair")),
            "{outcome}"
        );
        let named: Vec<_> = outcome["fields"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(named, fields);
    };
    refused(&ana.push_one("create", "tag", "x", add(1, json!({}))).await, &["noteId", "placeId"]);
    refused(&ana.push_one("create", "tag", "p1~n1", add(1, json!({}))).await, &["noteId", "placeId"]);
    let missing = ana.push_one("create", "tag", ID, json!({"set": {"noteId": "n1"}})).await;
    assert_eq!((&missing["code"], missing["fields"].get("placeId").is_some()), (&json!("value/required"), true));
    let made = version(&create(&mut ana, 1, json!({})).await);
    let moved = ana.push_one("update", "tag", ID, json!({"set": {"placeId": "p2"}, "base": made})).await;
    refused(&moved, &[]);
    version(&ana.push_one("update", "tag", ID, json!({"set": {"placeId": "p1", "rank": 1}, "base": made})).await);
    // Ids with the sign between them in them are no other pair's.
    let odd = json!({"set": {"noteId": "a~b", "placeId": "c%"}});
    version(&ana.push_one("create", "tag", "a%7Eb~c%25", odd).await);
}

#[tokio::test]
async fn what_comes_past_the_push_has_no_time_so_a_concurrent_change_counts() {
    let server = server().await;
    let mut ana = server.ana();
    version(&create(&mut ana, 100, json!({})).await);
    server.sql("DELETE FROM tag").await;
    version(&create(&mut server.ben(), 50, json!({})).await);
    server.sql("DELETE FROM tag; INSERT INTO tag (id, note_id, place_id) VALUES ('n1~p1', 'n1', 'p1')").await;
    assert!(row(&server).await.is_some());
    // The last time that is known is that of the first add; the one of 50 was later than it, so it counts as no earlier.
    assert_eq!(delete(&mut server.ben(), 60, 1).await["outcome"], "superseded");
    version(&delete(&mut server.ben(), 100, 1).await);
    assert_eq!(row(&server).await, None);
}

#[tokio::test]
async fn with_detect_conflicts_a_removal_still_meets_what_others_wrote_into_the_pair() {
    let server = Server::start_with(&config("detectConflicts")).await;
    let (mut ana, mut ben) = (server.ana(), server.ben());
    let made = version(&create(&mut ana, 10, json!({})).await);
    version(&ana.push_one("update", "tag", ID, json!({"set": {"body": "x"}, "base": made})).await);
    let outcome = delete(&mut ben, 20, made).await;
    assert_eq!((&outcome["outcome"], &outcome["row"]["fields"]["body"]), (&json!("conflict"), &json!("x")));
}

#[tokio::test]
async fn a_cursor_says_up_to_which_version_it_is() {
    let server = server().await;
    let mut ana = server.ana();
    let made = version(&create(&mut ana, 10, json!({})).await);
    let cursor = |lines: &[Value]| lines.iter().rev().find_map(|line| line.get("cursor")).cloned().unwrap();
    let first = cursor(&ana.pull(&["tag"], &json!([])).await);
    assert_eq!(first["version"], made);
    let removed = version(&delete(&mut ana, 11, made).await);
    let known = json!([{"bucket": "tag/all", "cursor": first["cursor"]}]);
    assert_eq!(cursor(&ana.pull(&["tag"], &known).await)["version"], removed);
}
