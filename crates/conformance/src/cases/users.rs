//! What is another user's.

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::case::{World, cases};
use crate::check::{Verdict, holds, same};

cases! {
    "users/start", "POST /v1/pull, start: user is who the token says" => start;
    "users/wrong-user", "POST /v1/push and pull, user: another user's is auth/other-user, and nothing is done" => wrong_user;
    "users/client" for two, "POST /v1/push, client: it belongs to the first user who pushed with it; auth/other-user" => client;
    "users/end" for two, "POST /v1/push, end: nobody ends another user's client" => end;
    "users/buckets" for two, "POST /v1/pull, start: only the user's buckets; rows of others do not come" => buckets;
    "users/forbidden" for two, "POST /v1/pull, start: forbidden names the entities of which the user may see nothing" => forbidden;
    "users/cursors" for two, "POST /v1/pull: another user's cursor gives nothing" => cursors;
    "users/records" for two, "Policies: a record in none of the user's scopes is auth/scope, to change, delete or make anew" => records;
    "users/conflicts" for two, "Policies: no outcome tells what is in a record that the user does not see" => nothing_told;
    "users/operation" for two, "Codes of rejected: auth/operation for what the user may not do to records of this entity" => operation;
    "users/contents" for two, "Attachments, who may: a content of rows that the user does not see is attachment/unreferenced, whether it is here or not" => contents;
    "users/uploads" for two, "GET state: received is of this user's upload; uploads of two do not meet" => uploads;
}

async fn start(world: &World) -> Verdict {
    let ana = world.ana();
    let user = ana.pull(&[], &json!([])).await?.start()["user"].clone();
    holds(user.is_string(), "start has no user")?;
    let mut body = ana.body(&[]);
    body["user"] = user;
    ana.push_body(&body).await.map(|_| ())
}

async fn wrong_user(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    let change = ana.change("create", "entry", &id, json!({"set": {"text": "t"}}));
    let mut push = ana.body(&[change]);
    push["user"] = json!("somebody else");
    ana.refused(&push, "auth/other-user").await?;
    let mut pull = ana.pull_body(&["entry"], &json!([]));
    pull["user"] = json!("somebody else");
    ana.post_json("/v1/pull", &pull).await?.is_problem("auth/other-user")?;
    same("last_seq", &ana.push_body(&ana.body(&[])).await?["last_seq"], 0)
}

async fn client(world: &World) -> Verdict {
    let (mut ana, ben) = (world.ana(), world.ben());
    ana.accepted("create", "entry", &world.id(), json!({"set": {"text": "t"}})).await?;
    let mut taken = ana.as_user_of(&ben);
    let id = world.id();
    let change = taken.change("create", "entry", &id, json!({"set": {"text": "t"}}));
    taken.refused(&taken.body(&[change]), "auth/other-user").await?;
    taken.refused(&taken.body(&[]), "auth/other-user").await?;
    holds(ana.row("entry", &id).await?.is_none(), "a change under another user's client was done")
}

async fn end(world: &World) -> Verdict {
    let (mut ana, ben) = (world.ana(), world.ben());
    ana.accepted("create", "entry", &world.id(), json!({"set": {"text": "t"}})).await?;
    let taken = ana.as_user_of(&ben);
    let mut end = taken.body(&[]);
    end["end"] = json!(true);
    taken.refused(&end, "auth/other-user").await?;
    ana.accepted("create", "entry", &world.id(), json!({"set": {"text": "t"}})).await.map(|_| ())
}

async fn buckets(world: &World) -> Verdict {
    let (mut ana, ben, ids) = (world.ana(), world.ben(), [world.id(), world.id()]);
    for (id, team) in ids.iter().zip(["a", "b"]) {
        ana.accepted("create", "task", id, json!({"set": {"title": "t", "team": team}})).await?;
    }
    let pulled = ben.pull(&["task"], &json!([])).await?;
    same("the buckets", &json!(pulled.buckets()), json!(["task/team:b"]))?;
    holds(pulled.row(&ids[1]).is_some(), "a row of the user's team does not come")?;
    let whole = pulled.whole();
    holds(!whole.contains(&ids[0]) && !whole.contains("team:a"), "something of another team comes")
}

async fn forbidden(world: &World) -> Verdict {
    let pulled = world.ben().pull(&["secret", "doc"], &json!([])).await?;
    same("forbidden", &pulled.start()["forbidden"], json!(["secret"]))?;
    same("the buckets", &json!(pulled.buckets()), json!(["doc/all"]))?;
    let mine = world.ana().pull(&["secret"], &json!([])).await?;
    same("forbidden of who sees it", &mine.start()["forbidden"], Value::Null)
}

async fn cursors(world: &World) -> Verdict {
    let (mut ana, ben, id) = (world.ana(), world.ben(), world.id());
    ana.accepted("create", "task", &id, json!({"set": {"title": "t", "team": "a"}})).await?;
    let cursors = ana.pull(&["task"], &json!([])).await?.next();
    ana.accepted("update", "task", &id, json!({"set": {"title": "u"}})).await?;
    let whole = ben.pull(&["task"], &cursors).await?.whole();
    holds(!whole.contains(&id) && !whole.contains("team:a"), "another user's cursor brings something")
}

async fn records(world: &World) -> Verdict {
    let (mut ana, mut ben, id) = (world.ana(), world.ben(), world.id());
    ana.accepted("create", "task", &id, json!({"set": {"title": "t", "team": "a"}})).await?;
    ben.rejected("update", "task", &id, json!({"set": {"title": "u"}}), "auth/scope").await?;
    // Into his own team he may not draw it either.
    ben.rejected("update", "task", &id, json!({"set": {"team": "b"}}), "auth/scope").await?;
    ben.rejected("create", "task", &id, json!({"set": {"title": "u", "team": "b"}}), "auth/scope").await?;
    ben.rejected("delete", "task", &id, json!({}), "auth/scope").await?;
    let row = ana.row("task", &id).await?.unwrap_or_default();
    same("title", &row["title"], "t")?;
    same("team", &row["team"], "a")
}

async fn nothing_told(world: &World) -> Verdict {
    let (mut ana, mut ben, id) = (world.ana(), world.ben(), world.id());
    ana.accepted("create", "secret", &id, json!({"set": {"text": "between us"}})).await?;
    for (op, set) in [("create", json!({"text": "x"})), ("update", json!({"text": "x"})), ("delete", json!({}))] {
        let outcome = ben.one(op, "secret", &id, json!({"set": set})).await?;
        same("outcome", &outcome["outcome"], "rejected")?;
        holds(!outcome.to_string().contains("between us"), "an outcome tells what another user's record has")?;
    }
    Ok(())
}

async fn operation(world: &World) -> Verdict {
    let (mut ana, mut ben, id) = (world.ana(), world.ben(), world.id());
    ana.accepted("create", "rule", &id, json!({"set": {"text": "t"}})).await?;
    ben.rejected("create", "rule", &world.id(), json!({"set": {"text": "u"}}), "auth/operation").await?;
    ben.rejected("update", "rule", &id, json!({"set": {"text": "u"}}), "auth/operation").await?;
    ben.rejected("delete", "rule", &id, json!({}), "auth/operation").await?;
    let row = ben.row("rule", &id).await?.unwrap_or_default();
    same("text, which both may see", &row["text"], "t")
}

async fn contents(world: &World) -> Verdict {
    let (mut ana, ben) = (world.ana(), world.ben());
    let content = world.id();
    let digest: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    let path = format!("/v1/attachments/sha256-{digest}");
    let part = |who: &crate::client::Client| {
        who.request(Method::PATCH, &format!("{path}?offset=0&size={}", content.len())).body(content.clone())
    };
    let before = ben.send(ben.get(&path)).await?;
    before.is_problem("attachment/unreferenced")?;
    let set = json!({"set": {"title": "t", "team": "a", "photo": format!("sha256-{digest}")}});
    ana.accepted("create", "task", &world.id(), set).await?;
    holds(ana.send(part(&ana)).await?.status == 200, "the content is not taken")?;
    let after = ben.send(ben.get(&path)).await?;
    after.is_problem("attachment/unreferenced")?;
    holds(before.body == after.body, "the answer tells whether the content is here")?;
    ben.send(ben.get(&format!("{path}/state"))).await?.is_problem("attachment/unreferenced")?;
    ben.send(part(&ben)).await?.is_problem("attachment/unreferenced")
}

async fn uploads(world: &World) -> Verdict {
    let (mut ana, ben) = (world.ana(), world.ben());
    let content = world.id();
    let digest: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    let path = format!("/v1/attachments/sha256-{digest}");
    let set = json!({"set": {"title": "t", "team": "b", "photo": format!("sha256-{digest}")}});
    ana.accepted("create", "task", &world.id(), set).await?;
    let half: String = content.chars().take(10).collect();
    let part = ana.request(Method::PATCH, &format!("{path}?offset=0&size={}", content.len())).body(half);
    same("received", &ana.send(part).await?.json()?["received"], 10)?;
    let state = ben.send(ben.get(&format!("{path}/state"))).await?;
    same("received of the other user", &state.json()?["received"], 0)
}
