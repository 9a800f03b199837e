//! `detectConflicts`, and what a base is worth.

use serde_json::{Value, json};

use crate::case::{World, cases};
use crate::check::{Verdict, holds, same};

cases! {
    "conflicts/newer", "Policies, detectConflicts: a conflict when the row is newer than base, with the server's row" => newer;
    "conflicts/delete", "Policies, detectConflicts: also a delete" => delete;
    "conflicts/no-base", "Policies, detectConflicts: without a base the row is newer" => no_base;
    "conflicts/own", "Policies: versions of this client's remembered changes count as seen" => own;
    "conflicts/create", "Policies, detectConflicts: a create of an existing id is a conflict" => create;
    "conflicts/deleted", "Policies: an update of a deleted record is a conflict without row" => deleted;
    "conflicts/base-ahead", "POST /v1/push, base: one that is newer than the clock counts as left out" => base_ahead;
    "conflicts/other-history", "POST /v1/push, base: one of another history counts as left out" => other_history;
}

/// Title and body of a new record.
fn made() -> Value {
    json!({"set": {"title": "a", "body": "b"}})
}

async fn newer(world: &World) -> Verdict {
    let (mut ana, mut other, id) = (world.ana(), world.ana(), world.id());
    let base = ana.accepted("create", "doc", &id, made()).await?;
    let theirs = other.accepted("update", "doc", &id, json!({"set": {"title": "c"}, "base": base})).await?;
    let outcome = ana.one("update", "doc", &id, json!({"set": {"body": "d"}, "base": base})).await?;
    same("outcome", &outcome["outcome"], "conflict")?;
    same("row", &outcome["row"], json!({"version": theirs, "fields": {"title": "c", "body": "b"}}))?;
    same("the row's body", &ana.row("doc", &id).await?.unwrap_or_default()["body"], "b")?;
    ana.accepted("update", "doc", &id, json!({"set": {"body": "d"}, "base": theirs})).await.map(|_| ())
}

async fn delete(world: &World) -> Verdict {
    let (mut ana, mut other, id) = (world.ana(), world.ana(), world.id());
    let base = ana.accepted("create", "doc", &id, made()).await?;
    let theirs = other.accepted("update", "doc", &id, json!({"set": {"title": "c"}, "base": base})).await?;
    same("outcome", &ana.one("delete", "doc", &id, json!({"base": base})).await?["outcome"], "conflict")?;
    ana.accepted("delete", "doc", &id, json!({"base": theirs})).await.map(|_| ())
}

async fn no_base(world: &World) -> Verdict {
    let (mut ana, mut other, id) = (world.ana(), world.ana(), world.id());
    ana.accepted("create", "doc", &id, made()).await?;
    same("outcome", &other.one("update", "doc", &id, json!({"set": {"title": "c"}})).await?["outcome"], "conflict")
}

async fn own(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    let base = ana.accepted("create", "doc", &id, made()).await?;
    // As if the answers had not arrived.
    ana.accepted("update", "doc", &id, json!({"set": {"title": "c"}, "base": base})).await?;
    ana.accepted("update", "doc", &id, json!({"set": {"title": "d"}, "base": base})).await?;
    let both = [
        ana.change("update", "doc", &id, json!({"set": {"title": "e"}, "base": base})),
        ana.change("update", "doc", &id, json!({"set": {"title": "f"}, "base": base})),
    ];
    for outcome in ana.push(&both).await? {
        same("outcome", &outcome["outcome"], "accepted")?;
    }
    Ok(())
}

async fn create(world: &World) -> Verdict {
    let (mut ana, mut other, id) = (world.ana(), world.ana(), world.id());
    let there = ana.accepted("create", "doc", &id, made()).await?;
    let outcome = other.one("create", "doc", &id, json!({"set": {"title": "x"}})).await?;
    same("outcome", &outcome["outcome"], "conflict")?;
    same("the row's version", &outcome["row"]["version"], there)
}

async fn deleted(world: &World) -> Verdict {
    let (mut ana, mut other, id) = (world.ana(), world.ana(), world.id());
    let base = ana.accepted("create", "doc", &id, made()).await?;
    ana.accepted("delete", "doc", &id, json!({"base": base})).await?;
    for (op, set) in [("update", json!({"title": "c"})), ("create", json!({"title": "c"}))] {
        let outcome = other.one(op, "doc", &id, json!({"set": set, "base": base})).await?;
        same("outcome", &outcome["outcome"], "conflict")?;
        holds(outcome.get("row").is_none(), "a conflict with a deleted record has a row")?;
    }
    Ok(())
}

async fn base_ahead(world: &World) -> Verdict {
    let (mut ana, mut other, id) = (world.ana(), world.ana(), world.id());
    ana.accepted("create", "doc", &id, made()).await?;
    let ahead = json!({"set": {"title": "c"}, "base": (1_u64 << 53) - 1});
    same("outcome", &other.one("update", "doc", &id, ahead).await?["outcome"], "conflict")
}

async fn other_history(world: &World) -> Verdict {
    let (mut ana, mut other, id) = (world.ana(), world.ana(), world.id());
    let base = ana.accepted("create", "doc", &id, made()).await?;
    let change = other.change("update", "doc", &id, json!({"set": {"title": "c"}, "base": base}));
    let mut body = other.body(&[change]);
    body["history"] = json!("of another database");
    same("outcome", &other.push_body(&body).await?["outcomes"][0]["outcome"], "conflict")?;
    let history = ana.pull(&["place"], &json!([])).await?.start()["history"].clone();
    let change = other.change("update", "doc", &id, json!({"set": {"title": "c"}, "base": base}));
    let mut body = other.body(&[change]);
    body["history"] = history;
    same("outcome with the right history", &other.push_body(&body).await?["outcomes"][0]["outcome"], "accepted")
}
