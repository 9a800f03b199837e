//! What a body must be.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::case::{World, cases};
use crate::check::{Verdict, broken, holds, same};

cases! {
    "bodies/content-type", "Requests in general: bodies are application/json, else request/content-type" => content_type;
    "bodies/gzip", "Requests in general: a body may come with Content-Encoding: gzip" => gzipped;
    "bodies/encoding", "Problems: an encoding other than gzip is request/content-type" => encoding;
    "bodies/broken-gzip", "Problems: broken gzip is request/malformed" => broken_gzip;
    "bodies/answers-gzip", "Requests in general: answers are compressed when the request accepts gzip" => answers;
    "bodies/unknown-keys", "Requests in general: unknown keys in a request are request/malformed" => unknown_keys;
    "bodies/shape", "Problems: what is not JSON of the expected shape is request/malformed" => shape;
    "bodies/protocol", "Requests in general: another protocol is 426, whatever else the body holds" => protocol;
    "bodies/ids", "Problems: a client or change id that is no UUID is request/malformed" => ids;
    "bodies/depth", "Limits: a request nests at most 64 levels" => depth;
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Into memory it cannot fail; were it to, the server would say that this is no gzip.
    _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

async fn content_type(world: &World) -> Verdict {
    let ana = world.ana();
    let body = ana.body(&[]).to_string();
    for wrong in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let request = ana.request(Method::POST, "/v1/push").header(CONTENT_TYPE, wrong).body(body.clone());
        ana.send(request).await?.is_problem("request/content-type")?;
    }
    ana.send(ana.request(Method::POST, "/v1/pull").body("{}")).await?.is_problem("request/content-type")?;
    let right =
        ana.request(Method::POST, "/v1/push").header(CONTENT_TYPE, "application/json; charset=utf-8").body(body);
    ana.send(right).await?.is_success("application/json")
}

async fn gzipped(world: &World) -> Verdict {
    let mut ana = world.ana();
    let change = ana.change("create", "entry", &world.id(), json!({"set": {"text": "t"}}));
    let body = gzip(ana.body(&[change]).to_string().as_bytes());
    let answer = ana.send(ana.post("/v1/push", body).header(CONTENT_ENCODING, "gzip")).await?;
    answer.is_success("application/json")?;
    same("outcome", &answer.json()?["outcomes"][0]["outcome"], "accepted")?;
    let body = gzip(ana.pull_body(&["place"], &json!([])).to_string().as_bytes());
    ana.send(ana.post("/v1/pull", body).header(CONTENT_ENCODING, "gzip")).await?.is_success("application/x-ndjson")
}

async fn encoding(world: &World) -> Verdict {
    let ana = world.ana();
    for other in ["deflate", "zstd"] {
        let request = ana.post("/v1/push", ana.body(&[]).to_string()).header(CONTENT_ENCODING, other);
        ana.send(request).await?.is_problem("request/content-type")?;
    }
    Ok(())
}

async fn broken_gzip(world: &World) -> Verdict {
    let ana = world.ana();
    let mut cut = gzip(ana.body(&[]).to_string().as_bytes());
    cut.truncate(cut.len() / 2);
    for bytes in [b"no gzip".to_vec(), cut] {
        let request = ana.post("/v1/push", bytes).header(CONTENT_ENCODING, "gzip");
        ana.send(request).await?.is_problem("request/malformed")?;
    }
    Ok(())
}

async fn answers(world: &World) -> Verdict {
    let mut ana = world.as_sent();
    let change = ana.change("create", "entry", &world.id(), json!({"set": {"text": "t"}}));
    let (push, pull) = (ana.body(&[change]), ana.pull_body(&["entry"], &json!([])));
    for (path, body) in [("/v1/push", push), ("/v1/pull", pull)] {
        let request = ana.post(path, body.to_string()).header(ACCEPT_ENCODING, "gzip");
        let answer = ana.send(request).await?;
        let encoding = answer.header(CONTENT_ENCODING);
        holds(encoding == "gzip", format!("the Content-Encoding of {path} is {encoding:?}, and should be gzip"))?;
        holds(answer.body.starts_with(&[0x1f, 0x8b]), format!("{path} is answered with what is no gzip"))?;
    }
    Ok(())
}

async fn unknown_keys(world: &World) -> Verdict {
    let mut ana = world.ana();
    let change = ana.change("create", "entry", &world.id(), json!({"set": {"text": "t"}}));
    let mut in_request = ana.body(std::slice::from_ref(&change));
    in_request["surprise"] = json!(1);
    let mut strange = change.clone();
    strange["surprise"] = json!(1);
    let in_change = ana.body(&[strange]);
    for body in [in_request, in_change] {
        ana.refused(&body, "request/malformed").await?;
    }
    let mut pull = ana.pull_body(&["entry"], &json!([]));
    pull["surprise"] = json!(1);
    ana.post_json("/v1/pull", &pull).await?.is_problem("request/malformed")?;
    let answer = ana.push_body(&ana.body(&[])).await?;
    same("last_seq after refusals", &answer["last_seq"], 0)
}

async fn shape(world: &World) -> Verdict {
    let mut ana = world.ana();
    let change = ana.change("create", "entry", &world.id(), json!({"set": {"text": "t"}}));
    let with = |key: &str, value: Value| {
        let mut change = change.clone();
        change[key] = value;
        ana.body(&[change]).to_string()
    };
    let mut bodies: Vec<String> =
        ["", "{", "[]", "null", "{}", "\u{feff}{}", r#"{"protocol":"1"}"#].map(str::to_owned).to_vec();
    bodies.extend([
        with("seq", json!(0)),
        with("seq", json!(-1)),
        with("seq", json!(1.5)),
        with("op", json!("upsert")),
        with("op", json!("delete")),
        with("set", json!([])),
        with("entity", Value::Null),
        with("at", json!("now")),
    ]);
    for body in bodies {
        ana.send(ana.post("/v1/push", body)).await?.is_problem("request/malformed")?;
    }
    ana.send(ana.post("/v1/push", vec![0xff, 0xfe])).await?.is_problem("request/malformed")?;
    ana.send(ana.post("/v1/pull", r#"{"protocol":1}"#)).await?.is_problem("request/malformed")
}

async fn protocol(world: &World) -> Verdict {
    let ana = world.ana();
    for path in ["/v1/push", "/v1/pull"] {
        for protocol in [0, 2, 99] {
            let body = json!({"protocol": protocol, "something": "new"});
            ana.post_json(path, &body).await?.is_problem("protocol/upgrade-required")?;
        }
    }
    Ok(())
}

async fn ids(world: &World) -> Verdict {
    let mut ana = world.ana();
    let change = ana.change("create", "entry", &world.id(), json!({"set": {"text": "t"}, "change": "mine"}));
    ana.refused(&ana.body(&[change]), "request/malformed").await?;
    let mut push = ana.body(&[]);
    push["client"] = json!("me");
    ana.refused(&push, "request/malformed").await?;
    let mut pull = ana.pull_body(&["entry"], &json!([]));
    pull["client"] = json!("me");
    ana.post_json("/v1/pull", &pull).await?.is_problem("request/malformed")
}

async fn depth(world: &World) -> Verdict {
    let mut ana = world.ana();
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    // Four levels are around a value of `set`.
    let change = ana.change("create", "entry", &world.id(), json!({"set": {"text": "HERE"}}));
    let body = ana.body(&[change]).to_string();
    let with = |levels| body.replace("\"HERE\"", &nested(levels));
    ana.send(ana.post("/v1/push", with(61))).await?.is_problem("request/malformed")?;
    let answer = ana.send(ana.post("/v1/push", with(60))).await?;
    match answer.status {
        200 => same("code", &answer.json()?["outcomes"][0]["code"], "value/type"),
        _ => broken("a request of 64 levels is refused"),
    }
}
