//! A client that says what it is told to, right or wrong.

use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) type Lines = Vec<Value>;

#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) client: String,
    next_seq: u64,
}

impl Api {
    pub(crate) fn new(url: &str, token: &str) -> Self {
        let http = reqwest::Client::builder().build().unwrap();
        Self { http, url: url.to_owned(), token: token.to_owned(), client: Uuid::new_v4().to_string(), next_seq: 1 }
    }

    /// The same client, with the server somewhere else.
    pub(crate) fn moved(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    /// A change with the next `seq`; `what` overrides anything.
    pub(crate) fn change(&mut self, op: &str, entity: &str, id: &str, what: Value) -> Value {
        let seq = self.next_seq;
        self.next_seq += 1;
        let mut change =
            json!({ "seq": seq, "change": Uuid::new_v4().to_string(), "entity": entity, "id": id, "op": op, "at": 1 });
        change.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
        change
    }

    pub(crate) fn request(&self, changes: &[Value], ack: u64) -> Value {
        json!({ "protocol": 1, "client": self.client, "schema": 1, "ack": ack, "changes": changes })
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (StatusCode, String) {
        let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.token).json(body);
        let response = request.send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    /// Pushes; the answer's body.
    pub(crate) async fn push_raw(&self, request: &Value) -> (StatusCode, Value) {
        let (status, body) = self.post("/v1/push", request).await;
        (status, serde_json::from_str(&body).unwrap())
    }

    /// Pushes changes that are expected to be answered; their outcomes.
    pub(crate) async fn push(&self, changes: &[Value]) -> Vec<Value> {
        let (status, body) = self.push_raw(&self.request(changes, 0)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        outcomes_of(&body)
    }

    /// Pushes one change; its outcome without the `seq`.
    pub(crate) async fn push_one(&mut self, op: &str, entity: &str, id: &str, what: Value) -> Value {
        let change = self.change(op, entity, id, what);
        let mut outcome = self.push(&[change]).await.remove(0);
        outcome.as_object_mut().unwrap().remove("seq");
        outcome
    }

    /// Pushes one change that must be accepted; the row's version.
    pub(crate) async fn accepted(&mut self, op: &str, entity: &str, id: &str, what: Value) -> u64 {
        let outcome = self.push_one(op, entity, id, what).await;
        assert_eq!(outcome["outcome"], "accepted", "{outcome}");
        outcome["version"].as_u64().unwrap()
    }

    pub(crate) async fn pull(&self, entities: &[&str], cursors: &Value) -> Lines {
        let request =
            json!({ "protocol": 1, "client": self.client, "schema": 1, "entities": entities, "cursors": cursors });
        let (status, body) = self.post("/v1/pull", &request).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub(crate) fn outcomes_of(body: &Value) -> Vec<Value> {
    body["outcomes"].as_array().unwrap().clone()
}

/// The code of a problem, after checking that it is one.
pub(crate) fn code_of(answer: &(StatusCode, String)) -> String {
    let (status, body) = answer;
    let problem: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("not a problem: {status} {body}"));
    let code = problem["code"].as_str().unwrap();
    assert_eq!(problem["type"], format!("urn:whimbrel:problem:{code}"));
    assert_eq!(problem["status"], status.as_u16());
    assert!(problem["title"].is_string() && problem["retryable"].is_boolean(), "{problem}");
    code.to_owned()
}
