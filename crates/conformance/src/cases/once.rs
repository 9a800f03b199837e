//! Exactly once.

use serde_json::{Value, json};

use crate::case::{World, cases};
use crate::check::{Verdict, holds, same};
use crate::client::Client;

cases! {
    "once/outcomes", "POST /v1/push: as many outcomes as changes, in their order; last_seq is the last that is decided" => outcomes;
    "once/empty", "POST /v1/push: an empty list is allowed, and asks for last_seq" => empty;
    "once/versions", "Words: versions grow with each accepted change" => versions;
    "once/duplicate", "Exactly once: what was accepted is answered as duplicate with its version, and does nothing again" => duplicate;
    "once/more-behind", "Exactly once: new changes may stand behind those that are sent again" => more_behind;
    "once/refusal-again", "Exactly once: the first outcome is given again, also when it would be another one today" => refusal_again;
    "once/conflict-again", "Exactly once: a conflict is given again as it was" => conflict_again;
    "once/gap", "Exactly once: a push that begins after last_seq + 1 is push/gap, and nothing is done" => gap;
    "once/gap-inside", "Exactly once: a push that skips a seq is push/gap" => gap_inside;
    "once/gap-ack", "Exactly once: an ack above last_seq is push/gap" => gap_ack;
    "once/order", "Problems: seq that do not ascend are request/malformed" => order;
    "once/fork", "Exactly once: a known seq with another change id is push/fork, and nothing is done" => fork;
    "once/fork-content", "Exactly once: a known seq with another content (entity, id, op, set) is push/fork" => fork_content;
    "once/asked", "Exactly once: of a change that names the entity - the content does not count: it asks what became of it" => asked;
    "once/fork-ack", "Exactly once: a seq up to ack is push/fork" => fork_ack;
    "once/end", "POST /v1/push, end: the answer says last_seq, what comes afterwards is a fork, and it may be asked again" => end;
    "once/end-alone", "POST /v1/push, end: only without changes" => end_alone;
}

fn entry(ana: &mut Client, world: &World) -> Value {
    ana.change("create", "entry", &world.id(), json!({"set": {"text": "t"}}))
}

async fn outcomes(world: &World) -> Verdict {
    let mut ana = world.ana();
    let changes = [
        entry(&mut ana, world),
        ana.change("create", "entry", &world.id(), json!({"set": {}})),
        entry(&mut ana, world),
    ];
    let answer = ana.push_body(&ana.body(&changes)).await?;
    same("last_seq", &answer["last_seq"], 3)?;
    for (place, outcome) in ["accepted", "rejected", "accepted"].into_iter().enumerate() {
        same("outcome", &answer["outcomes"][place]["outcome"], outcome)?;
    }
    Ok(())
}

async fn empty(world: &World) -> Verdict {
    let mut ana = world.ana();
    same("last_seq", &ana.push_body(&ana.body(&[])).await?["last_seq"], 0)?;
    let change = entry(&mut ana, world);
    ana.push(&[change]).await?;
    let mut body = ana.body(&[]);
    body["ack"] = json!(1);
    same("last_seq", &ana.push_body(&body).await?["last_seq"], 1)
}

async fn versions(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    let created = ana.accepted("create", "note", &id, json!({"set": {"title": "t"}})).await?;
    let updated = ana.accepted("update", "note", &id, json!({"set": {"count": 1}})).await?;
    let deleted = ana.accepted("delete", "note", &id, json!({})).await?;
    holds(created < updated && updated < deleted, format!("{created}, {updated}, {deleted} do not grow"))
}

async fn duplicate(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    let change = ana.change("create", "note", &id, json!({"set": {"title": "t", "count": 1}}));
    let body = ana.body(&[change]);
    let first = ana.push_body(&body).await?;
    // What comes in between shows whether it is done again.
    let since = ana.accepted("update", "note", &id, json!({"set": {"count": 2}})).await?;
    let again = ana.push_body(&body).await?;
    same("outcome", &again["outcomes"][0]["outcome"], "duplicate")?;
    same("version", &again["outcomes"][0]["version"], first["outcomes"][0]["version"].clone())?;
    same("last_seq", &again["last_seq"], 2)?;
    let row = ana.row("note", &id).await?.unwrap_or_default();
    same("the row's version", &row["_version"], since)?;
    same("count", &row["count"], 2)
}

async fn more_behind(world: &World) -> Verdict {
    let mut ana = world.ana();
    let (first, second) = (entry(&mut ana, world), entry(&mut ana, world));
    ana.push(std::slice::from_ref(&first)).await?;
    let outcomes = ana.push(&[first, second]).await?;
    let said: Vec<&Value> = outcomes.iter().map(|outcome| &outcome["outcome"]).collect();
    same("the outcomes", &json!(said), json!(["duplicate", "accepted"]))
}

async fn refusal_again(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    let too_early = ana.change("update", "note", &id, json!({"set": {"count": 1}}));
    let body = ana.body(&[too_early]);
    let first = ana.push_body(&body).await?;
    same("code", &first["outcomes"][0]["code"], "row/not-found")?;
    ana.accepted("create", "note", &id, json!({"set": {"title": "t"}})).await?;
    let again = ana.push_body(&body).await?;
    same("the outcome", &again["outcomes"][0], first["outcomes"][0].clone())?;
    same("count", &ana.row("note", &id).await?.unwrap_or_default()["count"], Value::Null)
}

async fn conflict_again(world: &World) -> Verdict {
    let (mut ana, mut other, id) = (world.ana(), world.ana(), world.id());
    let base = ana.accepted("create", "doc", &id, json!({"set": {"title": "a"}})).await?;
    other.accepted("update", "doc", &id, json!({"set": {"title": "b"}, "base": base})).await?;
    let late = ana.change("update", "doc", &id, json!({"set": {"title": "c"}, "base": base}));
    let body = ana.body(&[late]);
    let first = ana.push_body(&body).await?;
    same("outcome", &first["outcomes"][0]["outcome"], "conflict")?;
    other.accepted("update", "doc", &id, json!({"set": {"title": "d"}})).await?;
    same("the outcome", &ana.push_body(&body).await?["outcomes"][0], first["outcomes"][0].clone())
}

async fn gap(world: &World) -> Verdict {
    let mut ana = world.ana();
    let (first, second) = (entry(&mut ana, world), entry(&mut ana, world));
    ana.refused(&ana.body(std::slice::from_ref(&second)), "push/gap").await?;
    let outcomes = ana.push(&[first, second]).await?;
    same("the outcome of what was refused as a whole", &outcomes[1]["outcome"], "accepted")
}

async fn gap_inside(world: &World) -> Verdict {
    let mut ana = world.ana();
    let (first, _, third) = (entry(&mut ana, world), entry(&mut ana, world), entry(&mut ana, world));
    ana.refused(&ana.body(&[first, third]), "push/gap").await?;
    same("last_seq", &ana.push_body(&ana.body(&[])).await?["last_seq"], 0)
}

async fn gap_ack(world: &World) -> Verdict {
    let mut ana = world.ana();
    let change = entry(&mut ana, world);
    let mut body = ana.body(&[change]);
    body["ack"] = json!(1);
    ana.refused(&body, "push/gap").await
}

async fn order(world: &World) -> Verdict {
    let mut ana = world.ana();
    let (first, second) = (entry(&mut ana, world), entry(&mut ana, world));
    ana.refused(&ana.body(&[second, first.clone()]), "request/malformed").await?;
    ana.refused(&ana.body(&[first.clone(), first]), "request/malformed").await
}

async fn fork(world: &World) -> Verdict {
    let mut ana = world.ana();
    let mut twin = ana.clone();
    let (mine, its) = (entry(&mut ana, world), entry(&mut twin, world));
    let behind = entry(&mut twin, world);
    ana.push(&[mine]).await?;
    ana.refused(&ana.body(&[its, behind]), "push/fork").await?;
    same("last_seq", &ana.push_body(&ana.body(&[])).await?["last_seq"], 1)
}

async fn fork_content(world: &World) -> Verdict {
    let mut ana = world.ana();
    let change = entry(&mut ana, world);
    ana.push(std::slice::from_ref(&change)).await?;
    for (key, value) in [("set", json!({"text": "u"})), ("id", json!(world.id())), ("op", json!("update"))] {
        let mut other = change.clone();
        other[key] = value;
        ana.refused(&ana.body(&[other]), "push/fork").await?;
    }
    same("outcome", &ana.push(&[change]).await?[0]["outcome"], "duplicate")
}

async fn asked(world: &World) -> Verdict {
    let mut ana = world.ana();
    let mut change = entry(&mut ana, world);
    let version = ana.push(std::slice::from_ref(&change)).await?[0]["version"].clone();
    change["entity"] = json!("-");
    change["set"] = json!({});
    let again = ana.push(&[change]).await?;
    same("outcome", &again[0]["outcome"], "duplicate")?;
    same("version", &again[0]["version"], version)
}

async fn fork_ack(world: &World) -> Verdict {
    let mut ana = world.ana();
    let changes = [entry(&mut ana, world), entry(&mut ana, world)];
    ana.push(&changes).await?;
    let mut acknowledged = ana.body(&[]);
    acknowledged["ack"] = json!(1);
    ana.push_body(&acknowledged).await?;
    ana.refused(&ana.body(&changes), "push/fork").await?;
    let outcomes = ana.push(&changes[1..]).await?;
    same("the outcome that was not acknowledged", &outcomes[0]["outcome"], "duplicate")
}

async fn end(world: &World) -> Verdict {
    let mut ana = world.ana();
    let changes = [entry(&mut ana, world), entry(&mut ana, world)];
    ana.push(&changes).await?;
    let mut end = ana.body(&[]);
    end["end"] = json!(true);
    for _ in 0..2 {
        same("last_seq", &ana.push_body(&end).await?["last_seq"], 2)?;
    }
    ana.refused(&ana.body(&changes), "push/fork").await?;
    let third = entry(&mut ana, world);
    ana.refused(&ana.body(&[third]), "push/fork").await
}

async fn end_alone(world: &World) -> Verdict {
    let mut ana = world.ana();
    let change = entry(&mut ana, world);
    let mut body = ana.body(&[change]);
    body["end"] = json!(true);
    ana.refused(&body, "request/malformed").await
}
