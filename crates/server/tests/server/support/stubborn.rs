//! A client that never gives up: what was not answered is sent again, unchanged.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{Api, Replica};

pub(crate) struct Stubborn {
    pub(crate) api: Api,
    number: usize,
    unanswered: Option<Value>,
    pushes: usize,
    /// Outcomes in the order of their `seq`, each as it was first answered.
    answered: Vec<Value>,
    /// Has a permit for each answer.
    answers: Arc<Semaphore>,
}

impl Stubborn {
    pub(crate) fn several(count: usize, answers: &Arc<Semaphore>) -> Vec<Self> {
        let one = |number| Self {
            api: Api::new("", "t-ana"),
            number,
            unanswered: None,
            pushes: 0,
            answered: Vec::new(),
            answers: Arc::clone(answers),
        };
        (0..count).map(one).collect()
    }

    fn next_request(&mut self) -> Value {
        let made = format!("{}-{}", self.number, self.pushes);
        let changes = [
            self.api.change("create", "entry", &made, json!({"set": {"text": "t"}})),
            self.api.change("create", "note", &made, json!({"set": {"title": "t", "count": self.pushes}})),
            self.api.change("create", "note", &format!("{made}-bad"), json!({"set": {}})),
        ];
        self.pushes += 1;
        self.api.request(&changes, 0)
    }

    /// Pushes once; false when there was no answer, or one that says to try again.
    pub(crate) async fn push(&mut self) -> bool {
        let request = match self.unanswered.take() {
            Some(request) => request,
            None => self.next_request(),
        };
        let sent = self.api.http.post(format!("{}/v1/push", self.api.url)).bearer_auth(&self.api.token);
        let answer = match sent.json(&request).send().await {
            Ok(answer) => answer.json::<Value>().await.ok(),
            Err(_) => None,
        };
        match answer.as_ref().and_then(|answer| answer["outcomes"].as_array()) {
            Some(outcomes) => {
                self.answered.extend(outcomes.clone());
                self.answers.add_permits(1);
                true
            }
            None => {
                if let Some(problem) = answer {
                    assert_eq!(problem["retryable"], true, "{problem}");
                }
                self.unanswered = Some(request);
                false
            }
        }
    }

    /// Pushes what waits, and checks that everything was decided once and is there.
    pub(crate) async fn judge(clients: &mut [Self]) {
        for client in &mut *clients {
            while client.unanswered.is_some() {
                client.push().await;
            }
        }
        let mut replica = Replica::default();
        replica.sync(&clients[0].api, &["entry", "note"]).await;
        let pushes: usize = clients.iter().map(|client| client.pushes).sum();
        // An `entry` that was made twice would be a refusal, for they are append-only.
        assert_eq!(replica.rows("entry/all").len(), pushes);
        assert_eq!(replica.rows("note/all").len(), pushes);
        for client in clients {
            let seqs: Vec<u64> = client.answered.iter().map(|outcome| outcome["seq"].as_u64().unwrap()).collect();
            assert_eq!(seqs, (1..=3 * client.pushes as u64).collect::<Vec<_>>());
            for outcome in &client.answered {
                let is_bad = outcome["seq"].as_u64().unwrap() % 3 == 0;
                let expected: &[&str] = if is_bad { &["rejected"] } else { &["accepted", "duplicate"] };
                assert!(expected.contains(&outcome["outcome"].as_str().unwrap()), "{outcome}");
            }
        }
    }
}
