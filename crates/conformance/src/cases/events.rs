//! Hints.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::case::{World, cases};
use crate::check::{Checked, Verdict, broken, holds};
use crate::client::Client;

cases! {
    "events/changed", "GET /v1/events: an event `changed` names the bucket that has changed" => changed;
    "events/only-own" for two, "GET /v1/events: only buckets of the user" => only_own;
}

/// A hint comes at once, or a little later.
const PATIENCE: Duration = Duration::from_secs(10);

type Pieces = BoxStream<'static, reqwest::Result<Vec<u8>>>;

async fn listen(who: &Client) -> Checked<Pieces> {
    let answer = who.get("/v1/events").send().await?;
    holds(answer.status() == 200, format!("the status is {}", answer.status()))?;
    let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    holds(kind.starts_with("text/event-stream"), format!("the content type is {kind:?}"))?;
    Ok(answer.bytes_stream().map(|piece| piece.map(|piece| piece.to_vec())).boxed())
}

/// All buckets that are named until that one is.
async fn until(mut stream: Pieces, bucket: &str) -> Checked<Vec<String>> {
    let mut said = String::new();
    let mut named = Vec::new();
    while !named.iter().any(|name| name == bucket) {
        let Ok(next) = tokio::time::timeout(PATIENCE, stream.next()).await else {
            return broken(format!("no hint of {bucket} within {} s", PATIENCE.as_secs()));
        };
        let Some(piece) = next else { return broken("the stream of hints has ended") };
        said += &String::from_utf8_lossy(&piece?);
        while let Some((event, rest)) = said.split_once("\n\n") {
            let line = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            if let Some(data) = line("data:") {
                holds(line("event:") == Some("changed"), format!("a hint is no event `changed`: {event}"))?;
                let data: Value = serde_json::from_str(data).unwrap_or_default();
                let buckets = data["buckets"].as_array().into_iter().flatten();
                named.extend(buckets.filter_map(|bucket| bucket.as_str().map(str::to_owned)));
            }
            said = rest.to_owned();
        }
    }
    Ok(named)
}

async fn changed(world: &World) -> Verdict {
    let mut ana = world.ana();
    let hints = listen(&ana).await?;
    ana.accepted("create", "doc", &world.id(), json!({"set": {"title": "t"}})).await?;
    until(hints, "doc/all").await.map(|_| ())
}

async fn only_own(world: &World) -> Verdict {
    let (mut ana, ben) = (world.ana(), world.ben());
    let hints = listen(&ben).await?;
    ana.accepted("create", "secret", &world.id(), json!({"set": {"text": "t"}})).await?;
    ana.accepted("create", "task", &world.id(), json!({"set": {"title": "t", "team": "a"}})).await?;
    ana.accepted("create", "doc", &world.id(), json!({"set": {"title": "t"}})).await?;
    let named = until(hints, "doc/all").await?;
    let foreign = named.iter().any(|bucket| bucket.starts_with("secret/") || bucket == "task/team:a");
    holds(!foreign, format!("{named:?} are not all the user's"))
}
