//! The policies that know no conflict.

use serde_json::json;

use crate::case::{World, cases};
use crate::check::{Verdict, holds, same};

cases! {
    "policies/read-only", "Policies, readOnly: everything is rejected with policy/read-only" => read_only;
    "policies/append-only", "Policies, appendOnly: inserts; row/exists for an id that is there, policy/append-only for the rest" => append_only;
    "policies/last-write-wins", "Policies, lastWriteWins: the fields in set and no others, in order of arrival" => last_write_wins;
    "policies/create-again", "Policies, lastWriteWins: a create of an existing row is an update" => create_again;
    "policies/no-change", "Policies: an update that changes no value is accepted with the version the row has" => no_change;
}

async fn read_only(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    ana.rejected("create", "place", &id, json!({"set": {"name": "n"}}), "policy/read-only").await?;
    ana.rejected("update", "place", &id, json!({"set": {"name": "n"}}), "policy/read-only").await?;
    ana.rejected("delete", "place", &id, json!({}), "policy/read-only").await?;
    holds(ana.row("place", &id).await?.is_none(), "a client has written what is read only")
}

async fn append_only(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    ana.accepted("create", "entry", &id, json!({"set": {"text": "one"}})).await?;
    ana.rejected("create", "entry", &id, json!({"set": {"text": "two"}}), "row/exists").await?;
    ana.rejected("update", "entry", &id, json!({"set": {"text": "two"}}), "policy/append-only").await?;
    ana.rejected("delete", "entry", &id, json!({}), "policy/append-only").await?;
    same("text", &ana.row("entry", &id).await?.unwrap_or_default()["text"], "one")
}

async fn last_write_wins(world: &World) -> Verdict {
    let (mut ana, mut other, id) = (world.ana(), world.ana(), world.id());
    let base = ana.accepted("create", "note", &id, json!({"set": {"title": "a", "count": 1, "body": "b"}})).await?;
    other
        .accepted("update", "note", &id, json!({"set": {"title": "b", "count": 2}, "base": base, "at": 9_000}))
        .await?;
    // Made on the same base and earlier, but it arrives later.
    let last = ana.accepted("update", "note", &id, json!({"set": {"title": "c"}, "base": base, "at": 8_000})).await?;
    let row = ana.row("note", &id).await?.unwrap_or_default();
    same("title", &row["title"], "c")?;
    same("count, which the last one did not name", &row["count"], 2)?;
    same("body", &row["body"], "b")?;
    same("the row's version", &row["_version"], last)
}

async fn create_again(world: &World) -> Verdict {
    let (mut ana, mut other, id) = (world.ana(), world.ana(), world.id());
    ana.accepted("create", "note", &id, json!({"set": {"title": "a", "body": "b"}})).await?;
    other.accepted("create", "note", &id, json!({"set": {"title": "c"}})).await?;
    let row = ana.row("note", &id).await?.unwrap_or_default();
    same("title", &row["title"], "c")?;
    same("body", &row["body"], "b")
}

async fn no_change(world: &World) -> Verdict {
    for (entity, set) in [("note", json!({"title": "t"})), ("doc", json!({"title": "t"}))] {
        let (mut ana, id) = (world.ana(), world.id());
        let made = ana.accepted("create", entity, &id, json!({"set": set})).await?;
        let again = ana.accepted("update", entity, &id, json!({"set": set, "base": made})).await?;
        holds(made == again, format!("the version is {again}, and should be {made}"))?;
    }
    Ok(())
}
