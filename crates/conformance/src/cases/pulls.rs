//! What a pull brings.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::case::{World, cases};
use crate::check::{Verdict, holds, same};
use crate::lines::Lines;

cases! {
    "pull/first", "Order: without a cursor a bucket comes as its rows in ascending order of id, by bytes" => first;
    "pull/next", "POST /v1/pull: with a cursor comes what has changed since, and nothing else" => next;
    "pull/gone", "POST /v1/pull, gone: pairs of an id and the version at which it left" => gone;
    "pull/once", "Order: each record is in the changes at most once, with its newest state" => once;
    "pull/columns", "POST /v1/pull, rows: columns are id, _version, then all fields" => columns;
    "pull/batches", "POST /v1/pull, rows: at most 2,000 in a line; more and version of cursors" => batches;
    "pull/cut", "How to read it: the server goes on from a committed cursor, and no row is skipped" => cut;
    "pull/buckets", "POST /v1/pull: the server chooses the buckets from the user's scopes" => buckets;
    "pull/nothing", "POST /v1/pull: no entities, no buckets" => nothing;
    "pull/unknown-entity", "POST /v1/pull: an entity the server does not know is pull/unknown-entity" => unknown_entity;
    "pull/moved", "What a server must keep: a row that changes its scope is gone from the one in the change that brings it into the other" => moved;
    "pull/stands", "POST /v1/pull, stands: a stand of this server changes nothing, one that it never stood at begins anew with restored" => stands;
    "pull/own", "What a server must keep: a client's own writes are pulled like any other" => own;
}

async fn first(world: &World) -> Verdict {
    let mut ana = world.ana();
    let unique = world.id();
    let mut changes = Vec::new();
    for prefix in ["z", "a", "Z", "ñ", "🐦", "\u{e000}"] {
        changes.push(ana.change("create", "entry", &format!("{prefix}{unique}"), json!({"set": {"text": "t"}})));
    }
    ana.push(&changes).await?;
    let pulled = ana.pull(&["entry"], &json!([])).await?;
    let ids: Vec<String> = pulled.rows("entry/all").into_iter().map(|row| row.0).collect();
    holds(ids.is_sorted(), "the rows are not in the order of their ids")?;
    let there = ids.iter().filter(|id| id.ends_with(&unique)).count();
    holds(there == changes.len(), format!("{there} of {} new rows are there", changes.len()))
}

async fn next(world: &World) -> Verdict {
    let (mut ana, ids) = (world.ana(), [world.id(), world.id()]);
    for id in &ids {
        ana.accepted("create", "note", id, json!({"set": {"title": "t"}})).await?;
    }
    let before = ana.pull(&["note"], &json!([])).await?;
    let version = ana.accepted("update", "note", &ids[0], json!({"set": {"count": 3}})).await?;
    let after = ana.pull(&["note"], &before.next()).await?;
    holds(after.resync("note/all").is_none(), "a cursor of just now cannot be continued")?;
    same("pending", &json!(after.pending("note/all")), 1)?;
    let rows: Vec<(String, u64)> = after.rows("note/all").into_iter().map(|row| (row.0, row.1)).collect();
    same("the rows", &json!(rows), json!([[ids[0], version]]))?;
    let last = after.cursors("note/all");
    let covered = last.last().and_then(|cursor| cursor["version"].as_u64());
    holds(covered >= Some(version), "the cursor does not cover the change before it")?;
    let nothing = ana.pull(&["note"], &after.next()).await?;
    holds(nothing.rows("note/all").is_empty() && nothing.gone("note/all").is_empty(), "nothing has changed")
}

async fn gone(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    ana.accepted("create", "note", &id, json!({"set": {"title": "t"}})).await?;
    let before = ana.pull(&["note"], &json!([])).await?;
    let version = ana.accepted("delete", "note", &id, json!({})).await?;
    let after = ana.pull(&["note"], &before.next()).await?;
    same("what is gone", &json!(after.gone("note/all")), json!([[id, version]]))?;
    holds(after.row(&id).is_none(), "what is gone comes as a row, too")?;
    let anew = ana.pull(&["note"], &json!([])).await?;
    holds(anew.row(&id).is_none(), "a deleted row is in a first pull")
}

async fn once(world: &World) -> Verdict {
    let (mut ana, [changed, passing]) = (world.ana(), [world.id(), world.id()]);
    ana.accepted("create", "note", &changed, json!({"set": {"title": "t"}})).await?;
    let before = ana.pull(&["note"], &json!([])).await?;
    for count in 1..4 {
        ana.accepted("update", "note", &changed, json!({"set": {"count": count}})).await?;
    }
    ana.accepted("create", "note", &passing, json!({"set": {"title": "t"}})).await?;
    ana.accepted("delete", "note", &passing, json!({})).await?;
    let after = ana.pull(&["note"], &before.next()).await?;
    let counts: Vec<Value> = after.rows("note/all").into_iter().map(|row| row.2["count"].clone()).collect();
    same("count, for each time the row comes", &json!(counts), json!([3]))?;
    holds(after.row(&passing).is_none(), "a row that was deleted since is brought")
}

async fn columns(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    let version = ana.accepted("create", "doc", &id, json!({"set": {"title": "t"}})).await?;
    let row = ana.row("doc", &id).await?.unwrap_or_default();
    same("the row", &row, json!({"_version": version, "title": "t", "body": null}))
}

async fn batches(world: &World) -> Verdict {
    let mut ana = world.ana();
    for _ in 0..5 {
        let mut changes = Vec::new();
        for _ in 0..500 {
            changes.push(ana.change("create", "entry", &world.id(), json!({"set": {"text": "t"}})));
        }
        ana.push(&changes).await?;
    }
    let pulled = ana.pull(&["entry"], &json!([])).await?;
    let (batches, cursors) = (pulled.batches("entry/all"), pulled.cursors("entry/all"));
    holds(batches.len() > 1, "2,500 rows come in one line")?;
    let more: Vec<bool> = cursors.iter().map(|cursor| cursor["more"] == true).collect();
    let right = more.iter().rev().enumerate().all(|(place, more)| *more == (place > 0));
    holds(right, format!("more of the cursors is {more:?}; all but the last should say so"))?;
    let is_left_out = cursors.first().is_some_and(|cursor| cursor["version"].is_null());
    holds(is_left_out, "the first cursor has a version in the middle of a snapshot")
}

async fn cut(world: &World) -> Verdict {
    let mut ana = world.ana();
    let mut changes = Vec::new();
    for _ in 0..500 {
        changes.push(ana.change("create", "entry", &world.id(), json!({"set": {"text": "t"}})));
    }
    ana.push(&changes).await?;
    let whole = ana.pull(&["entry"], &json!([])).await?;
    // Alone it may be all that there is; after the case of batches it is not.
    let Some(cursor) = whole.cursors("entry/all").first().cloned() else { return Ok(()) };
    let come = whole.batches("entry/all").first().copied().unwrap_or_default();
    // Written behind and before the place where it was cut.
    let (behind, before) = (format!("~{}", world.id()), format!("!{}", world.id()));
    for id in [&behind, &before] {
        ana.accepted("create", "entry", id, json!({"set": {"text": "t"}})).await?;
    }
    let sent = json!([{"bucket": "entry/all", "cursor": cursor["cursor"]}]);
    let rest = ana.pull(&["entry"], &sent).await?;
    holds(rest.resync("entry/all").is_none(), "a cursor in the middle cannot be continued")?;
    let ids = |pulled: &Lines| pulled.rows("entry/all").into_iter().map(|row| row.0).collect::<Vec<_>>();
    let (all, rest) = (ids(&whole), BTreeSet::from_iter(ids(&rest)));
    let missed = all.iter().skip(come).filter(|id| !rest.contains(*id)).count();
    holds(missed == 0, format!("{missed} rows behind the cut do not come"))?;
    holds(rest.contains(&behind) && rest.contains(&before), "a row written after the cut does not come")?;
    let again = all.iter().take(come).filter(|id| rest.contains(*id)).count();
    holds(again == 0, format!("{again} rows before the cut come again"))
}

async fn buckets(world: &World) -> Verdict {
    let ana = world.ana();
    let pulled = ana.pull(&["task", "place", "task"], &json!([])).await?;
    let mut buckets = pulled.buckets();
    buckets.sort();
    same("the buckets", &json!(buckets), json!(["place/all", "task/team:a", "task/team:b"]))
}

async fn nothing(world: &World) -> Verdict {
    let pulled = world.ana().pull(&[], &json!([])).await?;
    holds(pulled.buckets().is_empty(), "buckets come that nobody asked for")
}

async fn unknown_entity(world: &World) -> Verdict {
    let ana = world.ana();
    let body = ana.pull_body(&["note", "nothing"], &json!([]));
    ana.post_json("/v1/pull", &body).await?.is_problem("pull/unknown-entity")
}

async fn moved(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    ana.accepted("create", "task", &id, json!({"set": {"title": "t", "team": "a"}})).await?;
    let before = ana.pull(&["task"], &json!([])).await?;
    let version = ana.accepted("update", "task", &id, json!({"set": {"team": "b"}})).await?;
    let after = ana.pull(&["task"], &before.next()).await?;
    same("what is gone from team:a", &json!(after.gone("task/team:a")), json!([[id, version]]))?;
    let rows: Vec<(String, u64)> = after.rows("task/team:b").into_iter().map(|row| (row.0, row.1)).collect();
    same("what is new in team:b", &json!(rows), json!([[id, version]]))
}

async fn stands(world: &World) -> Verdict {
    let mut ana = world.ana();
    let change = ana.change("create", "note", &world.id(), json!({"set": {"title": "t"}}));
    let Value::String(stand) = ana.push_body(&ana.body(&[change])).await?["stand"].clone() else {
        // A server may have none.
        return Ok(());
    };
    let before = ana.pull(&["note"], &json!([])).await?;
    let with = |stand: &str| {
        let mut body = ana.pull_body(&["note"], &before.next());
        body["stands"] = json!([{"entity": "note", "stand": stand}]);
        body
    };
    let right = ana.pull_with(&with(&stand)).await?;
    holds(right.resync("note/all").is_none(), "a stand of just now begins anew")?;
    let strange = ana.pull_with(&with("of another server")).await?;
    let restored = strange.resync("note/all").map_or(Value::Null, |resync| resync["restored"].clone());
    same("restored, where the server never stood", &restored, true)
}

async fn own(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    let before = ana.pull(&["entry"], &json!([])).await?;
    ana.accepted("create", "entry", &id, json!({"set": {"text": "t"}})).await?;
    let after = ana.pull(&["entry"], &before.next()).await?;
    holds(after.row(&id).is_some(), "the client's own row does not come")
}
