//! Who asks.

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, WWW_AUTHENTICATE};

use crate::answer::Answer;
use crate::case::{World, cases};
use crate::check::{Checked, Verdict, holds};

cases! {
    "tokens/none", "Requests in general: without a token 401, before anything of the body is read; WWW-Authenticate is Bearer" => none;
    "tokens/wrong", "Requests in general: a wrong token is 401 with WWW-Authenticate: Bearer error=\"invalid_token\"" => wrong;
    "tokens/scheme", "Requests in general: a token comes as Bearer, and as nothing else" => scheme;
}

/// Method and path of everything that needs a token. The bodies are wrong as well, but who asks comes first.
fn guarded() -> Vec<(Method, String)> {
    let address = format!("/v1/attachments/sha256-{}", "0".repeat(64));
    vec![
        (Method::POST, "/v1/push".into()),
        (Method::POST, "/v1/pull".into()),
        (Method::GET, "/v1/events".into()),
        (Method::GET, address.clone()),
        (Method::GET, format!("{address}/state")),
        (Method::PATCH, format!("{address}?offset=0&size=1")),
    ]
}

async fn ask(world: &World, method: &Method, path: &str, authorization: Option<&str>) -> Checked<Answer> {
    let ana = world.ana();
    let request = ana.bare(method.clone(), path).body("{");
    let answer = match authorization {
        Some(authorization) => ana.send(request.header(AUTHORIZATION, authorization)).await?,
        None => ana.send(request).await?,
    };
    answer.is_problem("auth/unauthenticated")?;
    Ok(answer)
}

async fn none(world: &World) -> Verdict {
    for (method, path) in guarded() {
        let answer = ask(world, &method, &path, None).await?;
        let challenge = answer.header(WWW_AUTHENTICATE);
        holds(challenge == "Bearer", format!("WWW-Authenticate is {challenge:?}, and should be Bearer"))?;
    }
    Ok(())
}

async fn wrong(world: &World) -> Verdict {
    for (method, path) in guarded() {
        let answer = ask(world, &method, &path, Some("Bearer not-a-token")).await?;
        let challenge = answer.header(WWW_AUTHENTICATE);
        let is_named = challenge.starts_with("Bearer ") && challenge.contains("error=\"invalid_token\"");
        holds(is_named, format!("WWW-Authenticate is {challenge:?}"))?;
    }
    Ok(())
}

async fn scheme(world: &World) -> Verdict {
    for authorization in ["Basic YTpi", "Bearer", "not-a-token"] {
        ask(world, &Method::POST, "/v1/push", Some(authorization)).await?;
    }
    Ok(())
}
