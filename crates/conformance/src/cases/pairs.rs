//! Pairs.

use serde_json::{Value, json};

use crate::case::{World, cases};
use crate::check::{Checked, Verdict, holds, same};
use crate::client::Client;

cases! {
    "pairs/id", "Pairs: the id is both ids with ~ between them, % and ~ escaped; constraint/pair" => id;
    "pairs/sides", "Pairs: an update that changes one of the two is rejected with constraint/pair" => sides;
    "pairs/twice", "Pairs: an add of a pair that is there is accepted: it is there once" => twice;
    "pairs/unknown", "Pairs: a removal of a pair that is unknown is row/not-found" => unknown;
    "pairs/later", "Pairs: of an add and a removal that do not know of each other the one with the greater at counts" => later;
    "pairs/tie", "Pairs: a tie is the removal's" => tie;
    "pairs/known", "Pairs: what was made in knowledge is later, whatever the clocks say" => known;
    "pairs/own", "Pairs: the last version that this client gave the pair counts as known" => own;
    "pairs/superseded", "Pairs: superseded says what is there instead, and fails no group" => superseded;
}

/// A pair nobody has used.
struct Pair {
    id: String,
    note: String,
    place: String,
}

impl Pair {
    fn new(world: &World) -> Self {
        let (note, place) = (world.id(), world.id());
        Self { id: format!("{note}~{place}"), note, place }
    }

    async fn add(&self, who: &mut Client, at: i64, base: Option<u64>) -> Checked<Value> {
        let set = json!({"noteId": self.note, "placeId": self.place, "rank": at});
        let mut what = json!({"set": set, "at": at});
        if let Some(base) = base {
            what["base"] = base.into();
        }
        who.one("create", "link", &self.id, what).await
    }

    async fn remove(&self, who: &mut Client, at: i64, base: u64) -> Checked<Value> {
        who.one("delete", "link", &self.id, json!({"at": at, "base": base})).await
    }

    async fn is_there(&self, who: &Client) -> Checked<bool> {
        Ok(who.row("link", &self.id).await?.is_some())
    }
}

/// The version that a client knows its buckets up to.
async fn seen(who: &Client) -> Checked<u64> {
    let pulled = who.pull(&["link"], &json!([])).await?;
    let cursors = pulled.cursors("link/all");
    Ok(cursors.last().and_then(|cursor| cursor["version"].as_u64()).unwrap_or_default())
}

async fn id(world: &World) -> Verdict {
    let mut ana = world.ana();
    let (note, place) = (format!("a~%{}", world.id()), world.id());
    let set = json!({"set": {"noteId": note, "placeId": place}});
    let right = format!("{}~{place}", note.replace('%', "%25").replace('~', "%7E"));
    for wrong in [format!("{note}~{place}"), world.id(), right.replace("%7E", "%7e")] {
        ana.rejected("create", "link", &wrong, set.clone(), "constraint/pair").await?;
    }
    ana.accepted("create", "link", &right, set).await.map(|_| ())
}

async fn sides(world: &World) -> Verdict {
    let (mut ana, pair) = (world.ana(), Pair::new(world));
    same("outcome", &pair.add(&mut ana, 1_000, None).await?["outcome"], "accepted")?;
    let set = json!({"set": {"noteId": world.id()}});
    ana.rejected("update", "link", &pair.id, set, "constraint/pair").await.map(|_| ())
}

async fn twice(world: &World) -> Verdict {
    let (mut ana, mut other, pair) = (world.ana(), world.ana(), Pair::new(world));
    for who in [&mut ana, &mut other] {
        same("outcome", &pair.add(who, 1_000, None).await?["outcome"], "accepted")?;
    }
    let rows = ana.pull(&["link"], &json!([])).await?.rows("link/all");
    let count = rows.iter().filter(|row| row.0 == pair.id).count();
    holds(count == 1, format!("the pair is there {count} times"))
}

async fn unknown(world: &World) -> Verdict {
    let (mut ana, pair) = (world.ana(), Pair::new(world));
    ana.rejected("delete", "link", &pair.id, json!({}), "row/not-found").await.map(|_| ())
}

/// The pair as of a base; then one adds and another removes it, neither knowing of the other, in either order. Whether it is there.
async fn meet(world: &World, add_at: i64, removal_at: i64, is_add_first: bool) -> Checked<bool> {
    let (mut first, mut adds, mut removes, pair) = (world.ana(), world.ana(), world.ana(), Pair::new(world));
    let base = pair.add(&mut first, 1_000, None).await?["version"].as_u64().unwrap_or_default();
    // A removal nobody knows of but the first, so that the add has something to bring back.
    if is_add_first {
        pair.add(&mut adds, add_at, Some(base.saturating_sub(1))).await?;
        pair.remove(&mut removes, removal_at, base.saturating_sub(1)).await?;
    } else {
        pair.remove(&mut removes, removal_at, base).await?;
        pair.add(&mut adds, add_at, Some(base)).await?;
    }
    pair.is_there(&first).await
}

async fn later(world: &World) -> Verdict {
    for is_add_first in [true, false] {
        let add_later = meet(world, 3_000, 2_000, is_add_first).await?;
        holds(add_later, format!("the add was later, and the pair is gone (add first: {is_add_first})"))?;
        let removal_later = meet(world, 2_000, 3_000, is_add_first).await?;
        holds(!removal_later, format!("the removal was later, and the pair is there (add first: {is_add_first})"))?;
    }
    Ok(())
}

async fn tie(world: &World) -> Verdict {
    for is_add_first in [true, false] {
        holds(
            !meet(world, 2_000, 2_000, is_add_first).await?,
            format!("the pair is there (add first: {is_add_first})"),
        )?;
    }
    Ok(())
}

async fn known(world: &World) -> Verdict {
    let (mut ana, mut other, pair) = (world.ana(), world.ana(), Pair::new(world));
    let added = pair.add(&mut ana, 9_000, None).await?["version"].as_u64().unwrap_or_default();
    let removed = pair.remove(&mut other, 1_000, added).await?;
    same("outcome of a removal that knows of the add", &removed["outcome"], "accepted")?;
    holds(!pair.is_there(&ana).await?, "the pair is there after a removal that knew of it")?;
    let base = seen(&ana).await?;
    let mut third = world.ana();
    let again = pair.add(&mut third, 500, Some(base)).await?;
    same("outcome of an add that knows of the removal", &again["outcome"], "accepted")?;
    holds(pair.is_there(&ana).await?, "the pair is not there after an add that knew of the removal")
}

async fn own(world: &World) -> Verdict {
    let (mut ana, pair) = (world.ana(), Pair::new(world));
    pair.add(&mut ana, 9_000, None).await?;
    let removed = pair.remove(&mut ana, 1_000, 1).await?;
    same("outcome of one's own removal", &removed["outcome"], "accepted")?;
    let again = pair.add(&mut ana, 500, None).await?;
    same("outcome of one's own add", &again["outcome"], "accepted")
}

async fn superseded(world: &World) -> Verdict {
    let (mut ana, mut other, pair) = (world.ana(), world.ana(), Pair::new(world));
    let added = pair.add(&mut ana, 1_000, None).await?["version"].as_u64().unwrap_or_default();
    let removed = pair.remove(&mut ana, 5_000, added).await?;
    let late = json!({"noteId": pair.note, "placeId": pair.place});
    let changes = [
        other.change("create", "link", &pair.id, json!({"set": late, "at": 2_000, "group": "g"})),
        other.change("create", "entry", &world.id(), json!({"set": {"text": "t"}, "group": "g"})),
    ];
    let outcomes = other.push(&changes).await?;
    same("outcome", &outcomes[0]["outcome"], "superseded")?;
    same("version", &outcomes[0]["version"], removed["version"].clone())?;
    holds(outcomes[0].get("fields").is_none(), "superseded by a removal has fields")?;
    same("the outcome of the rest of its group", &outcomes[1]["outcome"], "accepted")?;
    // And of a removal that is not later, the row.
    let (mut third, pair) = (world.ana(), Pair::new(world));
    let added = pair.add(&mut ana, 5_000, None).await?;
    let outcome = third.one("delete", "link", &pair.id, json!({"at": 2_000})).await?;
    same("outcome", &outcome["outcome"], "superseded")?;
    same("version", &outcome["version"], added["version"].clone())?;
    same("fields", &outcome["fields"], json!({"noteId": pair.note, "placeId": pair.place, "rank": 5_000}))
}
