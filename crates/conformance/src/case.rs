//! What a case is, and the world it finds.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use crate::check::Verdict;
use crate::client::Client;

/// The server to look at.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it is, without `/v1`.
    pub url: String,
    /// A token of the first user.
    pub token: String,
    /// A token of the second user; cases about two users are left out without it.
    pub other_token: Option<String>,
}

/// One case.
pub(crate) struct Case {
    /// `area/what`.
    pub(crate) name: &'static str,
    /// What PROTOCOL.md says: the section and the rule.
    pub(crate) rule: &'static str,
    /// Whether it needs the second user.
    pub(crate) is_of_two: bool,
    pub(crate) run: for<'w> fn(&'w World) -> Pin<Box<dyn Future<Output = Verdict> + Send + 'w>>,
}

/// A list of cases: the name, the rule, the function.
macro_rules! cases {
    ($($name:literal $(for $two:ident)?, $rule:literal => $function:path;)+) => {
        pub(super) const CASES: &[crate::case::Case] = &[$(crate::case::Case {
            name: $name,
            rule: $rule,
            is_of_two: {
                const WORDS: &[&str] = &[$(stringify!($two))?];
                !WORDS.is_empty()
            },
            run: |world| Box::pin($function(world)),
        }),+];
    };
}
pub(crate) use cases;

/// What was sent and answered, the newest last.
pub(crate) type Talk = Arc<Mutex<Vec<String>>>;

/// How much of it a report shows.
const SHOWN: usize = 3;

/// What a case finds: clients, and ids that nobody has used.
pub(crate) struct World {
    target: Target,
    http: reqwest::Client,
    talk: Talk,
}

impl World {
    pub(crate) fn new(target: &Target) -> Self {
        Self { target: target.clone(), http: reqwest::Client::new(), talk: Talk::default() }
    }

    /// A new client of the first user.
    pub(crate) fn ana(&self) -> Client {
        self.client(&self.target.token)
    }

    /// A new client of the second user.
    pub(crate) fn ben(&self) -> Client {
        self.client(self.target.other_token.as_deref().unwrap_or_default())
    }

    /// A new client of the first user that takes answers as they are.
    pub(crate) fn as_sent(&self) -> Client {
        let http = reqwest::Client::builder().no_gzip().build().unwrap_or_default();
        Client::new(http, &self.target.url, &self.target.token, Arc::clone(&self.talk))
    }

    fn client(&self, token: &str) -> Client {
        Client::new(self.http.clone(), &self.target.url, token, Arc::clone(&self.talk))
    }

    /// An id that nobody has used.
    pub(crate) fn id(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }

    /// The last things said.
    pub(crate) fn talk(&self) -> Vec<String> {
        let talk = self.talk.lock().map(|talk| talk.clone()).unwrap_or_default();
        talk.iter().skip(talk.len().saturating_sub(SHOWN)).cloned().collect()
    }
}
