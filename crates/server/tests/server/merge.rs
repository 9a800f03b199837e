//! The policy `merge`: what becomes of changes that meet, field by field.

use serde_json::{Value, json};

use super::Server;
use crate::support::{CONFIG, Replica};

const STOCK: &str = r#"
[[entity]]
name = "stock"
policy = "merge"
allow = { read = ["*"], write = ["*"] }
scopes = ["all"]
fields = [
  { name = "title", type = "text", max = 10, required = true },
  { name = "owner", type = "text", merge = "server" },
  { name = "place", type = "text", merge = "client" },
  { name = "note", type = "text", merge = "newest" },
  { name = "count", type = "integer", merge = "sum" },
  { name = "tags", type = "text", max = 12, merge = "union" },
]
[[entity]]
name = "part"
policy = "merge"
allow = { read = ["*"], write = ["*"] }
scopes = ["all"]
fields = [{ name = "stockId", type = "ref", entity = "stock" }, { name = "title", type = "text" }]
"#;

async fn server() -> Server {
    Server::start_with(&format!("{CONFIG}{STOCK}")).await
}

async fn row(server: &Server) -> Value {
    let mut replica = Replica::default();
    replica.sync(&server.ana(), &["stock"]).await;
    replica.rows("stock/all")["s"].clone()
}

fn made() -> Value {
    json!({"set": {"title": "Screws", "owner": "o", "place": "p", "note": "n", "count": 10, "tags": "a\nb"}, "at": 1_000})
}

#[tokio::test]
async fn changes_that_do_not_meet_are_all_written_and_those_that_do_by_rule() {
    let server = server().await;
    let (mut ana, mut ben) = (server.ana(), server.ben());
    let base = ana.accepted("create", "stock", "s", made()).await;
    let theirs = json!({
        "base": base, "at": 3_000,
        "set": {"owner": "ben", "place": "ben", "note": "ben", "count": 7, "tags": "a\nb\nc"},
        "was": {"owner": "o", "place": "p", "note": "n", "count": 10, "tags": "a\nb"},
    });
    ben.accepted("update", "stock", "s", theirs).await;
    let mine = json!({
        "base": base, "at": 2_000,
        "set": {"title": "Bolts", "owner": "ana", "place": "ana", "note": "ana", "count": 15, "tags": "b\nd"},
        "was": {"title": "Screws", "owner": "o", "place": "p", "note": "n", "count": 10, "tags": "a\nb"},
    });
    ana.accepted("update", "stock", "s", mine).await;
    let expected =
        json!({"title": "Bolts", "owner": "ben", "place": "ana", "note": "ben", "count": 12, "tags": "b\nc\nd"});
    assert_eq!(row(&server).await, expected);
}

#[tokio::test]
async fn the_newest_is_the_one_that_was_written_last_and_no_clock_is_ahead_of_the_servers() {
    let server = server().await;
    let (mut ana, mut ben) = (server.ana(), server.ben());
    ana.accepted("create", "stock", "s", made()).await;
    let note = |value: &str, at: i64| json!({"set": {"note": value}, "was": {"note": "n"}, "at": at});
    let far_ahead = 8_000_000_000_000;
    ana.accepted("update", "stock", "s", note("early", 2_000)).await;
    ben.accepted("update", "stock", "s", note("late", 3_000)).await;
    assert_eq!(row(&server).await["note"], "late");
    ana.accepted("update", "stock", "s", note("between", 2_500)).await;
    assert_eq!(row(&server).await["note"], "late");
    ana.accepted("update", "stock", "s", note("from the future", far_ahead)).await;
    ben.accepted("update", "stock", "s", note("also from there", far_ahead)).await;
    assert_eq!(row(&server).await["note"], "also from there");
}

#[tokio::test]
async fn without_a_rule_two_changes_of_a_field_are_a_conflict_and_nothing_of_the_second_is_done() {
    let server = server().await;
    let (mut ana, mut ben) = (server.ana(), server.ben());
    let base = ana.accepted("create", "stock", "s", made()).await;
    let title = |value: &str| json!({"base": base, "set": {"title": value, "count": 11}, "was": {"title": "Screws", "count": 10}});
    let version = ben.accepted("update", "stock", "s", title("Nails")).await;
    let outcome = ana.push_one("update", "stock", "s", title("Bolts")).await;
    assert_eq!((&outcome["outcome"], &outcome["row"]["version"]), (&json!("conflict"), &json!(version)));
    assert_eq!(outcome["row"]["fields"]["title"], "Nails");
    assert_eq!(row(&server).await["count"], 11);
    // Two who wrote the same are not in conflict.
    let same = json!({"base": base, "set": {"title": "Nails"}, "was": {"title": "Screws"}});
    assert_eq!(ana.accepted("update", "stock", "s", same).await, version);
}

#[tokio::test]
async fn a_merged_value_that_a_field_does_not_hold_is_a_conflict() {
    let server = server().await;
    let (mut ana, mut ben) = (server.ana(), server.ben());
    ana.accepted("create", "stock", "s", made()).await;
    let tags = |value: &str| json!({"set": {"tags": value}, "was": {"tags": "a\nb"}});
    ben.accepted("update", "stock", "s", tags("a\nb\nlonger")).await;
    let outcome = ana.push_one("update", "stock", "s", tags("a\nb\nlong")).await;
    assert_eq!(outcome["outcome"], "conflict", "{outcome}");
}

#[tokio::test]
async fn a_deletion_of_what_others_have_changed_is_a_conflict_and_so_is_a_change_of_what_is_deleted() {
    let server = server().await;
    let (mut ana, mut ben) = (server.ana(), server.ben());
    let base = ana.accepted("create", "stock", "s", made()).await;
    let version = ben.accepted("update", "stock", "s", json!({"set": {"count": 11}, "was": {"count": 10}})).await;
    let delete = json!({"base": base, "was": {"title": "Screws", "count": 10}});
    let outcome = ana.push_one("delete", "stock", "s", delete).await;
    assert_eq!((&outcome["outcome"], &outcome["row"]["version"]), (&json!("conflict"), &json!(version)));
    // Somebody has set it back: it is what the deletion was decided on.
    ben.accepted("update", "stock", "s", json!({"set": {"count": 10}, "was": {"count": 11}})).await;
    let delete = json!({"base": base, "was": {"title": "Screws", "count": 10}});
    ana.accepted("delete", "stock", "s", delete).await;
    let late = ben.push_one("update", "stock", "s", json!({"set": {"count": 12}, "was": {"count": 10}})).await;
    assert_eq!((&late["outcome"], &late["row"]), (&json!("conflict"), &Value::Null));
    let again = ben.push_one("create", "stock", "s", made()).await;
    assert_eq!((&again["outcome"], &again["row"]), (&json!("conflict"), &Value::Null));
}

#[tokio::test]
async fn a_child_of_a_refused_parent_is_refused_with_the_parents_code() {
    let server = server().await;
    let mut ana = server.ana();
    let parent = ana.change("create", "stock", "s", json!({"set": {"title": "longer than ten"}}));
    let child = ana.change("create", "part", "p", json!({"set": {"stockId": "s", "title": "of s"}}));
    let grandchild = ana.change("create", "part", "q", json!({"set": {"stockId": "t", "title": "of another"}}));
    let outcomes = ana.push(&[parent, child, grandchild]).await;
    assert_eq!(outcomes[0]["code"], "value/too-long");
    assert_eq!((&outcomes[1]["outcome"], &outcomes[1]["code"]), (&json!("rejected"), &json!("value/too-long")));
    assert_eq!(outcomes[2]["outcome"], "accepted");
}
