//! Values and their types.

use serde_json::{Value, json};

use crate::case::{World, cases};
use crate::check::{Verdict, holds, same};

/// 2⁵³ − 1.
const WHOLE_MAX: i64 = 9_007_199_254_740_991;

cases! {
    "values/kept", "Values: what is written comes back as it was" => kept;
    "values/null", "Values: a field that is left out of a new record is null" => left_out;
    "values/whole", "Values: 5.0 is an integer" => whole;
    "values/type", "Codes of rejected: value/type, with the field" => types;
    "values/bounds", "Values: integers and timestamps are within 2^53 - 1" => bounds;
    "values/too-long", "Values: max counts Unicode scalar values; value/too-long" => too_long;
    "values/required", "Codes of rejected: value/required, for null as for what is left out" => required;
    "values/id", "Words: ids are 1 to 128 bytes without control characters; value/id" => ids;
    "values/unknown", "Codes of rejected: schema/unknown-entity, schema/unknown-field (id is not a field)" => unknown;
    "values/all-fields", "Codes of rejected: fields names all that is wrong" => all_fields;
    "values/attachment", "Values: an attachment is sha256- and 64 hexadecimal digits in lower case" => attachment;
}

async fn kept(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    let row = json!({
        "title": "ñ🐦\"\\\n", "count": -WHOLE_MAX, "ratio": 0.1, "done": true, "dueAt": 1_795_449_600_000_i64, "noteId": id,
        "body": "", "more": null
    });
    let version = ana.accepted("create", "note", &id, json!({"set": row})).await?;
    let mut expected = row;
    expected["_version"] = version.into();
    same("the row", &ana.row("note", &id).await?.unwrap_or_default(), expected)
}

async fn left_out(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    ana.accepted("create", "note", &id, json!({"set": {"title": "t"}})).await?;
    let row = ana.row("note", &id).await?.unwrap_or_default();
    for field in ["count", "ratio", "done", "dueAt", "noteId", "body", "more"] {
        let is_null = row.as_object().is_some_and(|row| row.get(field) == Some(&Value::Null));
        holds(is_null, format!("{field} is {}, and should be null", row[field]))?;
    }
    Ok(())
}

async fn whole(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    ana.accepted("create", "note", &id, json!({"set": {"title": "t", "count": 5.0}})).await?;
    let count = ana.row("note", &id).await?.unwrap_or_default()["count"].clone();
    holds(count.as_f64() == Some(5.0), format!("count is {count}, and should be 5"))
}

async fn types(world: &World) -> Verdict {
    let mut ana = world.ana();
    for (field, value) in [
        ("title", json!(1)),
        ("count", json!("1")),
        ("count", json!(1.5)),
        ("ratio", json!("1.5")),
        ("done", json!(1)),
        ("dueAt", json!("2026-11-26")),
        ("noteId", json!(5)),
        ("body", json!({"a": 1})),
    ] {
        let mut set = json!({"title": "t"});
        set[field] = value;
        let outcome = ana.rejected("create", "note", &world.id(), json!({"set": set}), "value/type").await?;
        holds(outcome["fields"][field].is_string(), format!("{field} is not named in fields"))?;
    }
    Ok(())
}

async fn bounds(world: &World) -> Verdict {
    let mut ana = world.ana();
    for field in ["count", "dueAt"] {
        for value in [WHOLE_MAX, -WHOLE_MAX] {
            ana.accepted("create", "note", &world.id(), json!({"set": {"title": "t", field: value}})).await?;
        }
        for value in [WHOLE_MAX + 1, -WHOLE_MAX - 1] {
            let set = json!({"set": {"title": "t", field: value}});
            ana.rejected("create", "note", &world.id(), set, "value/type").await?;
        }
    }
    Ok(())
}

async fn too_long(world: &World) -> Verdict {
    let mut ana = world.ana();
    ana.accepted("create", "note", &world.id(), json!({"set": {"title": "🐦".repeat(10)}})).await?;
    let set = json!({"set": {"title": "🐦".repeat(11)}});
    let outcome = ana.rejected("create", "note", &world.id(), set, "value/too-long").await?;
    holds(outcome["fields"]["title"].is_string(), "title is not named in fields")
}

async fn required(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    for set in [json!({}), json!({"title": null})] {
        let outcome = ana.rejected("create", "note", &id, json!({"set": set}), "value/required").await?;
        holds(outcome["fields"]["title"].is_string(), "title is not named in fields")?;
    }
    ana.accepted("create", "note", &id, json!({"set": {"title": "t"}})).await?;
    ana.rejected("update", "note", &id, json!({"set": {"title": null}}), "value/required").await.map(|_| ())
}

async fn ids(world: &World) -> Verdict {
    let mut ana = world.ana();
    for id in ["", "a\u{1}b", "a\nb", "a\u{7f}", &"x".repeat(129), &"ñ".repeat(65)] {
        ana.rejected("create", "entry", id, json!({"set": {"text": "t"}}), "value/id").await?;
    }
    let id = format!("ñ~ %🐦{}", world.id());
    let id = format!("{id}{}", "x".repeat(128 - id.len()));
    ana.accepted("create", "entry", &id, json!({"set": {"text": "t"}})).await?;
    holds(ana.row("entry", &id).await?.is_some(), "a record with an odd id of 128 bytes does not come back")
}

async fn unknown(world: &World) -> Verdict {
    let mut ana = world.ana();
    ana.rejected("create", "nothing", &world.id(), json!({"set": {}}), "schema/unknown-entity").await?;
    for field in ["colour", "id", "_version"] {
        let set = json!({"set": {"text": "t", field: "x"}});
        ana.rejected("create", "entry", &world.id(), set, "schema/unknown-field").await?;
    }
    Ok(())
}

async fn all_fields(world: &World) -> Verdict {
    let mut ana = world.ana();
    let set = json!({"title": "much too long", "count": "x", "done": 5});
    let outcome = ana.one("create", "note", &world.id(), json!({"set": set})).await?;
    same("outcome", &outcome["outcome"], "rejected")?;
    for field in ["title", "count", "done"] {
        holds(outcome["fields"][field].is_string(), format!("{field} is not named in fields"))?;
    }
    Ok(())
}

async fn attachment(world: &World) -> Verdict {
    let mut ana = world.ana();
    for wrong in ["photo.jpg".to_owned(), format!("sha256-{}", "A".repeat(64)), format!("sha256-{}", "a".repeat(63))] {
        let set = json!({"set": {"title": "t", "team": "a", "photo": wrong}});
        ana.rejected("create", "task", &world.id(), set, "value/type").await?;
    }
    let set = json!({"set": {"title": "t", "team": "a", "photo": format!("sha256-{}", "a".repeat(64))}});
    ana.accepted("create", "task", &world.id(), set).await.map(|_| ())
}
