//! A client that says what a case wants, right or wrong, and remembers what was said.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::answer::Answer;
use crate::case::Talk;
use crate::check::{Checked, Verdict, broken, holds, list, same, version};
use crate::lines::Lines;

/// Characters of a body that a report shows.
const SHOWN: usize = 700;

/// One store on one device.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
    pub(crate) id: String,
    last_seq: u64,
    talk: Talk,
}

impl Client {
    pub(crate) fn new(http: reqwest::Client, url: &str, token: &str, talk: Talk) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self { http, url, token: token.to_owned(), id: Uuid::new_v4().to_string(), last_seq: 0, talk }
    }

    /// The same client with another one's token.
    pub(crate) fn as_user_of(&self, other: &Self) -> Self {
        Self { token: other.token.clone(), ..self.clone() }
    }

    /// A request without a token.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// A request with the token.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(&self.token)
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// A body of JSON, as it is.
    pub(crate) fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.request(Method::POST, path).header("content-type", "application/json").body(body)
    }

    /// Sends a request, and remembers both.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Checked<Answer> {
        let request = request.build()?;
        let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
        self.note(format!("{} {} {}", request.method(), request.url().path(), shown(body)));
        let answer = self.http.execute(request).await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.bytes().await?.to_vec();
        self.note(format!("  {status} {}", shown(&body)));
        Ok(Answer { status, headers, body })
    }

    fn note(&self, what: String) {
        if let Ok(mut talk) = self.talk.lock() {
            talk.push(what);
        }
    }

    /// A change with the next `seq`; `what` overrides anything.
    pub(crate) fn change(&mut self, op: &str, entity: &str, id: &str, what: Value) -> Value {
        self.last_seq += 1;
        let mut change = json!({
            "seq": self.last_seq, "change": Uuid::new_v4().to_string(), "entity": entity, "id": id, "op": op, "at": 1_000
        });
        if let (Some(change), Value::Object(what)) = (change.as_object_mut(), what) {
            change.extend(what);
        }
        change
    }

    /// The body of a push.
    pub(crate) fn body(&self, changes: &[Value]) -> Value {
        json!({ "protocol": 1, "client": self.id, "schema": 1, "changes": changes })
    }

    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Checked<Answer> {
        self.send(self.post(path, body.to_string())).await
    }

    /// Pushes a body that must be taken; the answer, checked as far as every answer can be.
    pub(crate) async fn push_body(&self, body: &Value) -> Checked<Value> {
        let answer = self.post_json("/v1/push", body).await?;
        answer.is_success("application/json")?;
        let answer = answer.json()?;
        same("protocol", &answer["protocol"], 1)?;
        holds(answer["last_seq"].is_u64(), "last_seq is no number")?;
        let (changes, outcomes) = (list("changes", &body["changes"])?, list("outcomes", &answer["outcomes"])?);
        holds(changes.len() == outcomes.len(), "there are not as many outcomes as changes")?;
        for (change, outcome) in changes.iter().zip(outcomes) {
            same("the outcome's seq", &outcome["seq"], change["seq"].clone())?;
            check_outcome(outcome)?;
        }
        Ok(answer)
    }

    /// Pushes changes that must be decided; their outcomes.
    pub(crate) async fn push(&self, changes: &[Value]) -> Checked<Vec<Value>> {
        let answer = self.push_body(&self.body(changes)).await?;
        Ok(list("outcomes", &answer["outcomes"])?.to_vec())
    }

    /// Pushes one change; its outcome.
    pub(crate) async fn one(&mut self, op: &str, entity: &str, id: &str, what: Value) -> Checked<Value> {
        let change = self.change(op, entity, id, what);
        self.push(&[change]).await?.pop().map_or_else(|| broken("there is no outcome"), Ok)
    }

    /// Pushes one change that must be accepted; the row's version.
    pub(crate) async fn accepted(&mut self, op: &str, entity: &str, id: &str, what: Value) -> Checked<u64> {
        let outcome = self.one(op, entity, id, what).await?;
        same("outcome", &outcome["outcome"], "accepted")?;
        version("version", &outcome["version"])
    }

    /// Pushes one change that must be refused with that code; the outcome.
    pub(crate) async fn rejected(
        &mut self,
        op: &str,
        entity: &str,
        id: &str,
        what: Value,
        code: &str,
    ) -> Checked<Value> {
        let outcome = self.one(op, entity, id, what).await?;
        same("outcome", &outcome["outcome"], "rejected")?;
        same("code", &outcome["code"], code)?;
        Ok(outcome)
    }

    /// A push that must be a problem as a whole.
    pub(crate) async fn refused(&self, body: &Value, code: &str) -> Verdict {
        self.post_json("/v1/push", body).await?.is_problem(code)
    }

    pub(crate) fn pull_body(&self, entities: &[&str], cursors: &Value) -> Value {
        json!({ "protocol": 1, "client": self.id, "schema": 1, "entities": entities, "cursors": cursors })
    }

    /// Pulls; the answer's lines, which are complete and in the order that the protocol has.
    pub(crate) async fn pull(&self, entities: &[&str], cursors: &Value) -> Checked<Lines> {
        self.pull_with(&self.pull_body(entities, cursors)).await
    }

    pub(crate) async fn pull_with(&self, body: &Value) -> Checked<Lines> {
        let answer = self.post_json("/v1/pull", body).await?;
        answer.is_success("application/x-ndjson")?;
        Lines::read(&answer.text())
    }

    /// The row as the server has it, from a whole pull of its entity; none when it is in no bucket.
    pub(crate) async fn row(&self, entity: &str, id: &str) -> Checked<Option<Value>> {
        Ok(self.pull(&[entity], &json!([])).await?.row(id))
    }
}

fn check_outcome(outcome: &Value) -> Verdict {
    match outcome["outcome"].as_str() {
        Some("accepted" | "duplicate" | "superseded") => version("version", &outcome["version"]).map(|_| ()),
        Some("conflict") => match &outcome["row"] {
            Value::Null => Ok(()),
            row => {
                version("the row's version", &row["version"])?;
                holds(row["fields"].is_object(), "the row of a conflict has no fields")
            }
        },
        Some("rejected") => {
            holds(outcome["code"].is_string() && outcome["message"].is_string(), "a refusal has no code or message")?;
            holds(outcome["fields"].is_object(), "a refusal's fields are no object")
        }
        Some("retry") => holds(outcome["after_ms"].is_u64(), "a retry has no after_ms"),
        _ => broken(format!("{outcome} is none of the six outcomes")),
    }
}

fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let start: String = text.trim_end().chars().take(SHOWN).collect();
    if start.len() < text.trim_end().len() { format!("{start}… ({} bytes)", body.len()) } else { start }
}
