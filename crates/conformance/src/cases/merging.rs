//! `merge`, field by field.

use serde_json::{Value, json};

use crate::case::{World, cases};
use crate::check::{Checked, Verdict, holds, same};
use crate::client::Client;

cases! {
    "merge/other-fields", "Policies, merge: a field whose current value equals was is written" => other_fields;
    "merge/same-value", "Policies, merge: a field that has the new value already is no conflict" => same_value;
    "merge/no-rule", "Policies, merge: a field without a rule makes the change a conflict, and nothing of it is done" => no_rule;
    "merge/server", "Policies, rule server: nothing is written" => by_server;
    "merge/client", "Policies, rule client: the new value is written" => by_client;
    "merge/newest", "Policies, rule newest: the value that was written later, and no clock is ahead of the server's" => by_newest;
    "merge/sum", "Policies, rule sum: current + (new - was), also when current and new are the same" => by_sum;
    "merge/union", "Policies, rule union: without what was removed, then what was added" => by_union;
    "merge/too-long", "Policies, merge: a merged value that the field does not take is a conflict" => too_long;
    "merge/delete", "Policies, merge: a delete is a conflict when the row is newer than base and not as was says" => delete;
    "merge/create", "Policies, merge: a create of an existing id is a conflict" => create;
}

fn made() -> Value {
    json!({"title": "t", "owner": "o", "shelf": "s", "memo": "m", "count": 10, "tags": "a\nb"})
}

/// A record, changed by somebody else since; the first client, the record's id, and its base.
async fn changed(world: &World, set: Value) -> Checked<(Client, String, u64)> {
    let (mut ana, mut other, id) = (world.ana(), world.ana(), world.id());
    let base = ana.accepted("create", "stock", &id, json!({"set": made()})).await?;
    let was = made();
    other.accepted("update", "stock", &id, json!({"set": set, "was": was, "base": base, "at": 3_000})).await?;
    Ok((ana, id, base))
}

/// One field of that record changed by somebody else and then here; what becomes of it.
async fn both(world: &World, field: &str, theirs: Value, mine: Value) -> Checked<Value> {
    let (mut ana, id, base) = changed(world, json!({field: theirs})).await?;
    let was = made()[field].clone();
    let change = json!({"set": {field: mine}, "was": {field: was}, "base": base, "at": 2_000});
    let version = ana.accepted("update", "stock", &id, change).await?;
    let row = ana.row("stock", &id).await?.unwrap_or_default();
    holds(row["_version"].as_u64() <= Some(version), "the row is newer than the outcome")?;
    Ok(row[field].clone())
}

async fn other_fields(world: &World) -> Verdict {
    let (mut ana, id, base) = changed(world, json!({"title": "u"})).await?;
    let mine = json!({"set": {"owner": "ana"}, "was": {"owner": "o"}, "base": base});
    ana.accepted("update", "stock", &id, mine).await?;
    let row = ana.row("stock", &id).await?.unwrap_or_default();
    same("title", &row["title"], "u")?;
    same("owner", &row["owner"], "ana")
}

async fn same_value(world: &World) -> Verdict {
    same("title", &both(world, "title", json!("u"), json!("u")).await?, "u")
}

async fn no_rule(world: &World) -> Verdict {
    let (mut ana, id, base) = changed(world, json!({"title": "u"})).await?;
    let mine = json!({"set": {"title": "v", "shelf": "x"}, "was": {"title": "t", "shelf": "s"}, "base": base});
    let outcome = ana.one("update", "stock", &id, mine).await?;
    same("outcome", &outcome["outcome"], "conflict")?;
    same("the title of the conflict's row", &outcome["row"]["fields"]["title"], "u")?;
    same("shelf", &ana.row("stock", &id).await?.unwrap_or_default()["shelf"], "s")
}

async fn by_server(world: &World) -> Verdict {
    same("owner", &both(world, "owner", json!("theirs"), json!("mine")).await?, "theirs")
}

async fn by_client(world: &World) -> Verdict {
    same("shelf", &both(world, "shelf", json!("theirs"), json!("mine")).await?, "mine")
}

async fn by_newest(world: &World) -> Verdict {
    same("memo, which they wrote later", &both(world, "memo", json!("theirs"), json!("mine")).await?, "theirs")?;
    let (mut ana, id, base) = changed(world, json!({"memo": "theirs"})).await?;
    let memo = |value: &str, at: i64| json!({"set": {"memo": value}, "was": {"memo": "m"}, "base": base, "at": at});
    ana.accepted("update", "stock", &id, memo("later", 4_000)).await?;
    same("memo, which was written later here", &ana.row("stock", &id).await?.unwrap_or_default()["memo"], "later")?;
    let far_ahead = 8_000_000_000_000;
    ana.accepted("update", "stock", &id, memo("ahead", far_ahead)).await?;
    // The server's clock has gone on since.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    world_again(&mut ana, &id, memo("also ahead", far_ahead)).await
}

async fn world_again(ana: &mut Client, id: &str, change: Value) -> Verdict {
    ana.accepted("update", "stock", id, change).await?;
    same("memo", &ana.row("stock", id).await?.unwrap_or_default()["memo"], "also ahead")
}

async fn by_sum(world: &World) -> Verdict {
    same("count", &both(world, "count", json!(7), json!(15)).await?, 12)?;
    same("count, both the same", &both(world, "count", json!(11), json!(11)).await?, 12)
}

async fn by_union(world: &World) -> Verdict {
    same("tags", &both(world, "tags", json!("a\nb\nc"), json!("b\nd")).await?, "b\nc\nd")
}

async fn too_long(world: &World) -> Verdict {
    let (mut ana, id, base) = changed(world, json!({"tags": format!("a\nb\n{}", "c".repeat(30))})).await?;
    let mine = json!({"set": {"tags": format!("a\nb\n{}", "d".repeat(30))}, "was": {"tags": "a\nb"}, "base": base});
    same("outcome", &ana.one("update", "stock", &id, mine).await?["outcome"], "conflict")
}

async fn delete(world: &World) -> Verdict {
    let (mut ana, id, base) = changed(world, json!({"title": "u"})).await?;
    let outcome = ana.one("delete", "stock", &id, json!({"was": made(), "base": base})).await?;
    same("outcome", &outcome["outcome"], "conflict")?;
    // Newer, but as it was.
    let (mut ana, id, base) = changed(world, json!({"title": "u"})).await?;
    let mut now = made();
    now["title"] = json!("u");
    ana.accepted("delete", "stock", &id, json!({"was": now, "base": base})).await.map(|_| ())
}

async fn create(world: &World) -> Verdict {
    let (mut ana, mut other, id) = (world.ana(), world.ana(), world.id());
    ana.accepted("create", "stock", &id, json!({"set": made()})).await?;
    let outcome = other.one("create", "stock", &id, json!({"set": {"title": "x"}})).await?;
    same("outcome", &outcome["outcome"], "conflict")
}
