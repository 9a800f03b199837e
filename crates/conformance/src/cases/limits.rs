//! Limits of the wire.

use reqwest::header::CONTENT_ENCODING;
use serde_json::{Value, json};

use super::bodies::gzip;
use crate::case::{World, cases};
use crate::check::{Verdict, holds, same};

cases! {
    "limits/changes", "Limits: 500 changes in a push are taken, 501 are request/too-large" => changes;
    "limits/change", "Limits: a change of over 256 KiB as JSON is request/too-large" => change;
    "limits/body", "Limits: a body of over 1 MiB as sent is request/too-large" => body;
    "limits/inflated", "Limits: a body of over 8 MiB after decompression is request/too-large" => inflated;
    "limits/group", "POST /v1/push: a group of over 128 bytes is request/malformed" => group;
    "limits/row", "Codes of rejected: value/too-large when the row would be over 256 KiB" => row;
}

async fn changes(world: &World) -> Verdict {
    let mut ana = world.ana();
    let mut all: Vec<Value> = Vec::new();
    for _ in 0..501 {
        all.push(ana.change("create", "entry", &world.id(), json!({"set": {"text": "t"}})));
    }
    ana.refused(&ana.body(&all), "request/too-large").await?;
    all.truncate(500);
    let answer = ana.push_body(&ana.body(&all)).await?;
    same("last_seq", &answer["last_seq"], 500)
}

async fn change(world: &World) -> Verdict {
    let mut ana = world.ana();
    let body = "x".repeat(256 * 1024);
    let large = ana.change("create", "note", &world.id(), json!({"set": {"title": "t", "body": body}}));
    ana.refused(&ana.body(&[large]), "request/too-large").await
}

async fn body(world: &World) -> Verdict {
    let ana = world.ana();
    let padded = |bytes: usize| {
        let body = ana.body(&[]).to_string();
        let padding = " ".repeat(bytes.saturating_sub(body.len()));
        body + &padding
    };
    ana.send(ana.post("/v1/push", padded(1024 * 1024))).await?.is_success("application/json")?;
    ana.send(ana.post("/v1/push", padded(1024 * 1024 + 1))).await?.is_problem("request/too-large")
}

async fn inflated(world: &World) -> Verdict {
    let ana = world.ana();
    let padded = |bytes: usize| gzip(format!("{}{}", ana.body(&[]), " ".repeat(bytes)).as_bytes());
    let over = ana.post("/v1/push", padded(8 * 1024 * 1024)).header(CONTENT_ENCODING, "gzip");
    ana.send(over).await?.is_problem("request/too-large")?;
    let within = ana.post("/v1/push", padded(7 * 1024 * 1024)).header(CONTENT_ENCODING, "gzip");
    ana.send(within).await?.is_success("application/json")
}

async fn group(world: &World) -> Verdict {
    let mut ana = world.ana();
    let change = ana.change("create", "entry", &world.id(), json!({"set": {"text": "t"}, "group": "g".repeat(129)}));
    ana.refused(&ana.body(&[change]), "request/malformed").await
}

async fn row(world: &World) -> Verdict {
    let (mut ana, id) = (world.ana(), world.id());
    let half = "x".repeat(200 * 1024);
    ana.accepted("create", "note", &id, json!({"set": {"title": "t", "body": half}})).await?;
    ana.rejected("update", "note", &id, json!({"set": {"more": half}}), "value/too-large").await?;
    let row = ana.row("note", &id).await?.unwrap_or_default();
    holds(row["more"].is_null(), "what was refused is in the row")?;
    // So that later pulls are not made long by it.
    ana.accepted("delete", "note", &id, json!({})).await.map(|_| ())
}
