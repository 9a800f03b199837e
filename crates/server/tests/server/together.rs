//! New records that come in a row are inserted at once, and nobody can tell. A group of its own makes a change go by itself.

use serde_json::{Value, json};

use super::{Here, Server};
use crate::support::{Backend as _, Draw, Replica};

/// Kinds of new records in a row, the last one being what a record usually is.
const KINDS: u32 = 12;

/// What may be wrong with one: a text that is too long, no text, an id that was there or is twice in the row, a constraint, a parent that is refused.
fn one(draw: &mut Draw, place: usize) -> (String, Value) {
    let title = format!("t{place}");
    match draw.below(KINDS * 4) {
        0 => (format!("n{place}"), json!({"title": "far too long"})),
        1 => (format!("n{place}"), json!({"body": "b"})),
        2 => ("here".to_owned(), json!({"title": title})),
        3 => ("deleted".to_owned(), json!({"title": title})),
        4 => (format!("n{}", place.saturating_sub(1)), json!({"title": title})),
        5 => (format!("n{place}"), json!({"title": title, "body": "unique"})),
        6 => (format!("n{place}"), json!({"title": title, "noteId": format!("n{}", place.saturating_sub(1))})),
        _ => (format!("n{place}"), json!({"title": title, "count": place})),
    }
}

/// The outcomes of a row of creations and what there is afterwards, with each change by itself or as they come.
/// Without a seed nothing is wrong with any of them.
async fn push(seed: Option<u64>, alone: bool, sql: &str) -> (Vec<Value>, Value) {
    let server = Server::start().await;
    server.sql("CREATE UNIQUE INDEX once ON note (body)").await;
    let mut ana = server.ana();
    ana.accepted("create", "note", "here", json!({"set": {"title": "t"}})).await;
    ana.accepted("create", "note", "deleted", json!({"set": {"title": "t"}})).await;
    ana.accepted("delete", "note", "deleted", json!({})).await;
    server.sql(sql).await;
    let mut draw = seed.map(Draw);
    let mut changes = Vec::new();
    for place in 0..8 {
        let plain = || (format!("n{place}"), json!({"title": format!("t{place}")}));
        let (id, set) = draw.as_mut().map_or_else(plain, |draw| one(draw, place));
        let mut rest = json!({ "set": set });
        if alone {
            rest["group"] = json!(format!("g{place}"));
        }
        changes.push(ana.change("create", "note", &id, rest));
    }
    let outcomes = ana.push(&changes).await;
    let mut replica = Replica::default();
    replica.sync(&ana, &["note", "entry"]).await;
    let rows = [replica.rows("note/all"), replica.rows("entry/all")];
    let versions: Vec<u64> = rows[0].keys().map(|id| replica.version("note/all", id)).collect();
    (outcomes, json!([rows, versions]))
}

#[tokio::test]
async fn whoever_pushes_cannot_tell_whether_they_went_at_once() {
    let mut all_accepted = 0;
    for seed in 1..=20 {
        let (together, rows) = push(Some(seed), false, "").await;
        let (alone, expected) = push(Some(seed), true, "").await;
        assert_eq!(together, alone, "seed {seed}");
        assert_eq!(rows, expected, "seed {seed}");
        all_accepted += usize::from(together.iter().all(|outcome| outcome["outcome"] == "accepted"));
    }
    assert!((3..=17).contains(&all_accepted), "{all_accepted} of 20: no fair mixture");
}

#[tokio::test]
async fn an_app_that_writes_on_gets_the_versions_of_one_after_the_other() {
    for sql in [Here::AUDIT_NOTES, Here::NO_N3] {
        let (together, rows) = push(None, false, sql).await;
        let (alone, expected) = push(None, true, sql).await;
        assert_eq!((together, rows), (alone, expected), "{sql}");
    }
}
