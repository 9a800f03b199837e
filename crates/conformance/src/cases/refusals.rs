//! Records that are not there, and parents that were refused.

use serde_json::json;

use crate::case::{World, cases};
use crate::check::{Verdict, holds, same};

cases! {
    "refusals/not-found", "Codes of rejected: row/not-found for an update or a delete of a record that was never here" => not_found;
    "refusals/deleted", "Policies: a deleted record stays deleted; row/deleted for a create or an update of its id" => deleted;
    "refusals/deleted-again", "Policies: deleting again is accepted, with the version at which it went" => deleted_again;
    "refusals/parent", "Policies: what refers to a new record that was refused in the same request has that record's code" => parent;
    "refusals/scope", "Policies: the record must be in one of the user's scopes before and after, else auth/scope" => scope;
    "refusals/nothing-left", "Problems: a request with a problem has had no effect at all" => nothing_left;
}

async fn not_found(world: &World) -> Verdict {
    let mut ana = world.ana();
    ana.rejected("update", "note", &world.id(), json!({"set": {"count": 1}}), "row/not-found").await?;
    ana.rejected("delete", "note", &world.id(), json!({}), "row/not-found").await.map(|_| ())
}

async fn deleted(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    ana.accepted("create", "note", &id, json!({"set": {"title": "t"}})).await?;
    ana.accepted("delete", "note", &id, json!({})).await?;
    ana.rejected("create", "note", &id, json!({"set": {"title": "t"}}), "row/deleted").await?;
    ana.rejected("update", "note", &id, json!({"set": {"count": 1}}), "row/deleted").await?;
    holds(ana.row("note", &id).await?.is_none(), "a deleted record came back")
}

async fn deleted_again(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    ana.accepted("create", "note", &id, json!({"set": {"title": "t"}})).await?;
    let went = ana.accepted("delete", "note", &id, json!({})).await?;
    ana.accepted("create", "entry", &world.id(), json!({"set": {"text": "t"}})).await?;
    let again = ana.accepted("delete", "note", &id, json!({})).await?;
    holds(again == went, format!("the version is {again}, and should be {went}"))
}

async fn parent(world: &World) -> Verdict {
    let (mut ana, [parent, child, grandchild]) = (world.ana(), [world.id(), world.id(), world.id()]);
    let changes = [
        ana.change("create", "note", &parent, json!({"set": {"title": "much too long"}})),
        ana.change("create", "note", &child, json!({"set": {"title": "t", "noteId": parent}})),
        ana.change("create", "note", &grandchild, json!({"set": {"title": "t", "noteId": child}})),
        ana.change("create", "note", &world.id(), json!({"set": {"title": "t"}})),
    ];
    let outcomes = ana.push(&changes).await?;
    for outcome in outcomes.iter().take(3) {
        same("code", &outcome["code"], "value/too-long")?;
    }
    same("the outcome of what does not refer to it", &outcomes[3]["outcome"], "accepted")
}

async fn scope(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    let other = json!({"set": {"title": "t", "team": "of-nobody"}});
    ana.rejected("create", "task", &id, other, "auth/scope").await?;
    ana.accepted("create", "task", &id, json!({"set": {"title": "t", "team": "a"}})).await?;
    ana.rejected("update", "task", &id, json!({"set": {"team": "of-nobody"}}), "auth/scope").await?;
    let row = ana.row("task", &id).await?.unwrap_or_default();
    same("team", &row["team"], "a")
}

async fn nothing_left(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    let good = ana.change("create", "entry", &id, json!({"set": {"text": "t"}}));
    let bad = ana.change("create", "entry", &world.id(), json!({"set": {"text": "t"}, "surprise": 1}));
    ana.refused(&ana.body(&[good, bad]), "request/malformed").await?;
    same("last_seq", &ana.push_body(&ana.body(&[])).await?["last_seq"], 0)?;
    holds(ana.row("entry", &id).await?.is_none(), "a change of a request that was refused is there")
}
