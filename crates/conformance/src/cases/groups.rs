//! Groups, and what a refusal stops.

use serde_json::{Value, json};

use crate::case::{World, cases};
use crate::check::{Verdict, holds, same};

cases! {
    "groups/together", "POST /v1/push, group: changes of a group are applied together or not at all" => together;
    "groups/failed", "POST /v1/push: in a group that fails, the one that failed has its own outcome, the others group/failed" => failed;
    "groups/others", "POST /v1/push: a refused change stops nothing after it, except within its group" => others;
    "groups/pieces", "POST /v1/push, group: a group in pieces is request/malformed" => pieces;
    "groups/again", "Exactly once: a group that failed is answered with its first outcomes" => again;
}

fn create(text: Option<&str>, group: Option<&str>) -> Value {
    match group {
        Some(group) => json!({"set": {"text": text}, "group": group}),
        None => json!({"set": {"text": text}}),
    }
}

async fn together(world: &World) -> Verdict {
    let (mut ana, ids) = (world.ana(), [world.id(), world.id()]);
    let changes = ids.clone().map(|id| ana.change("create", "entry", &id, create(Some("t"), Some("g"))));
    let outcomes = ana.push(&changes).await?;
    for outcome in &outcomes {
        same("outcome", &outcome["outcome"], "accepted")?;
    }
    let pulled = ana.pull(&["entry"], &json!([])).await?;
    holds(ids.iter().all(|id| pulled.row(id).is_some()), "a row of an accepted group is missing")
}

async fn failed(world: &World) -> Verdict {
    let (mut ana, ids) = (world.ana(), [world.id(), world.id(), world.id()]);
    let texts = [Some("t"), None, Some("t")];
    let mut changes = Vec::new();
    for (id, text) in ids.iter().zip(texts) {
        changes.push(ana.change("create", "entry", id, create(text, Some("g"))));
    }
    let outcomes = ana.push(&changes).await?;
    for (outcome, code) in outcomes.iter().zip(["group/failed", "value/required", "group/failed"]) {
        same("outcome", &outcome["outcome"], "rejected")?;
        same("code", &outcome["code"], code)?;
    }
    let pulled = ana.pull(&["entry"], &json!([])).await?;
    holds(ids.iter().all(|id| pulled.row(id).is_none()), "a row of a group that failed is there")
}

async fn others(world: &World) -> Verdict {
    let mut ana = world.ana();
    let changes = [
        ana.change("create", "entry", &world.id(), create(Some("t"), None)),
        ana.change("create", "entry", &world.id(), create(None, None)),
        ana.change("create", "entry", &world.id(), create(Some("t"), Some("g"))),
        ana.change("create", "entry", &world.id(), create(None, Some("g"))),
        ana.change("create", "entry", &world.id(), create(Some("t"), Some("h"))),
    ];
    let outcomes = ana.push(&changes).await?;
    let said: Vec<&Value> = outcomes.iter().map(|outcome| &outcome["outcome"]).collect();
    same("the outcomes", &json!(said), json!(["accepted", "rejected", "rejected", "rejected", "accepted"]))
}

async fn pieces(world: &World) -> Verdict {
    let mut ana = world.ana();
    let changes = [Some("g"), Some("h"), Some("g")].map(|group| {
        let id = world.id();
        ana.change("create", "entry", &id, create(Some("t"), group))
    });
    ana.refused(&ana.body(&changes), "request/malformed").await?;
    let mut other = world.ana();
    let changes = [Some("g"), None, Some("g")].map(|group| {
        let id = world.id();
        other.change("create", "entry", &id, create(Some("t"), group))
    });
    other.refused(&other.body(&changes), "request/malformed").await
}

async fn again(world: &World) -> Verdict {
    let mut ana = world.ana();
    let changes = [Some("t"), None].map(|text| {
        let id = world.id();
        ana.change("create", "entry", &id, create(text, Some("g")))
    });
    let first = ana.push(&changes).await?;
    let again = ana.push(&changes).await?;
    same("the outcomes", &json!(again), json!(first))
}
