//! Cursors that cannot be continued.

use serde_json::json;

use crate::case::{World, cases};
use crate::check::{Verdict, holds, text};

cases! {
    "cursors/wrong", "POST /v1/pull, resync: a cursor that is not one of this server's brings the whole bucket" => wrong;
    "cursors/other-bucket", "POST /v1/pull, resync: also one of another bucket" => other_bucket;
    "cursors/foreign", "POST /v1/pull: cursors of buckets that the user does not have are ignored" => foreign;
    "cursors/partly", "POST /v1/pull, resync: a bucket that begins anew holds up no other" => partly;
}

async fn wrong(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    ana.accepted("create", "doc", &id, json!({"set": {"title": "t"}})).await?;
    let before = ana.pull(&["doc"], &json!([])).await?;
    let whole = before.rows("doc/all").len();
    let right = text("cursor", &before.next()[0]["cursor"])?.to_owned();
    let cut: String = right.chars().skip(1).collect();
    for cursor in ["", "x", "....", &cut, &format!("{right}0"), &"9".repeat(1_024)] {
        let pulled = ana.pull(&["doc"], &json!([{"bucket": "doc/all", "cursor": cursor}])).await?;
        holds(pulled.resync("doc/all").is_some(), format!("{cursor:.80?} is continued"))?;
        let rows = pulled.rows("doc/all").len();
        holds(rows >= whole, format!("{rows} of {whole} rows come after a resync"))?;
    }
    Ok(())
}

async fn other_bucket(world: &World) -> Verdict {
    let mut ana = world.ana();
    for team in ["a", "b"] {
        ana.accepted("create", "task", &world.id(), json!({"set": {"title": "t", "team": team}})).await?;
    }
    let before = ana.pull(&["task"], &json!([])).await?.next();
    let swapped = json!([
        {"bucket": before[0]["bucket"], "cursor": before[1]["cursor"]},
        {"bucket": before[1]["bucket"], "cursor": before[0]["cursor"]},
    ]);
    let pulled = ana.pull(&["task"], &swapped).await?;
    let anew = ["task/team:a", "task/team:b"].iter().filter(|bucket| pulled.resync(bucket).is_some()).count();
    holds(anew == 2, "a cursor of another bucket is continued")
}

async fn foreign(world: &World) -> Verdict {
    let ana = world.ana();
    let cursors = json!([{"bucket": "task/team:of-nobody", "cursor": "x"}, {"bucket": "nothing/all", "cursor": "x"}]);
    let pulled = ana.pull(&["task"], &cursors).await?;
    holds(!pulled.whole().contains("of-nobody"), "a bucket that is not the user's is named")
}

async fn partly(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    ana.accepted("create", "doc", &id, json!({"set": {"title": "t"}})).await?;
    let before = ana.pull(&["doc", "place"], &json!([])).await?.next();
    let mut cursors = before;
    for cursor in cursors.as_array_mut().into_iter().flatten() {
        if cursor["bucket"] == "place/all" {
            cursor["cursor"] = json!("x");
        }
    }
    let pulled = ana.pull(&["doc", "place"], &cursors).await?;
    holds(pulled.resync("place/all").is_some(), "a wrong cursor is continued")?;
    holds(pulled.resync("doc/all").is_none() && pulled.row(&id).is_none(), "a right cursor is not continued")
}
