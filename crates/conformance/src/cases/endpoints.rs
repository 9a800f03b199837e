//! Ping, health, and what is not there.

use reqwest::Method;
use serde_json::json;

use crate::case::{World, cases};
use crate::check::{Verdict, same, text};

cases! {
    "ping/nonce", "GET /v1/ping: the nonce comes back, with protocol and history; no token is needed" => nonce;
    "ping/history", "GET /v1/ping: history is the one that a pull's start names, to who has the token" => history;
    "ping/nonce-limit", "GET /v1/ping: a nonce has at most 128 bytes; request/malformed" => nonce_limit;
    "health", "GET /health: {\"status\":\"ok\"}, without a token" => health;
    "problems/not-found", "Problems: request/not-found for a path that is not there" => not_found;
    "problems/method", "Problems: request/method for a method that the path does not take" => method;
}

async fn nonce(world: &World) -> Verdict {
    let ana = world.ana();
    for (sent, nonce) in [("abc", "abc"), ("a%20b%C3%B1", "a bñ"), (&"x".repeat(128), &"x".repeat(128))] {
        let answer = ana.send(ana.bare(Method::GET, &format!("/v1/ping?nonce={sent}"))).await?;
        answer.is_success("application/json")?;
        let pong = answer.json()?;
        same("nonce", &pong["nonce"], nonce)?;
        same("protocol", &pong["protocol"], 1)?;
        text("history", &pong["history"])?;
    }
    Ok(())
}

async fn history(world: &World) -> Verdict {
    let ana = world.ana();
    let pong = ana.send(ana.request(Method::GET, "/v1/ping?nonce=1")).await?.json()?;
    let pulled = ana.pull(&["place"], &json!([])).await?;
    same("history", &pong["history"], pulled.start()["history"].clone())
}

async fn nonce_limit(world: &World) -> Verdict {
    let ana = world.ana();
    for path in ["/v1/ping", &format!("/v1/ping?nonce={}", "x".repeat(129))] {
        ana.send(ana.bare(Method::GET, path)).await?.is_problem("request/malformed")?;
    }
    Ok(())
}

async fn health(world: &World) -> Verdict {
    let ana = world.ana();
    let answer = ana.send(ana.bare(Method::GET, "/health")).await?;
    answer.is_success("application/json")?;
    same("status", &answer.json()?["status"], "ok")
}

async fn not_found(world: &World) -> Verdict {
    let ana = world.ana();
    for path in ["/v1/nothing", "/v2/push"] {
        ana.send(ana.get(path)).await?.is_problem("request/not-found")?;
    }
    Ok(())
}

async fn method(world: &World) -> Verdict {
    let ana = world.ana();
    for (method, path) in [(Method::GET, "/v1/push"), (Method::DELETE, "/v1/pull"), (Method::POST, "/v1/ping?nonce=1")]
    {
        ana.send(ana.request(method, path)).await?.is_problem("request/method")?;
    }
    Ok(())
}
