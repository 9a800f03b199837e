//! `GET /v1/events`: server-sent hints. Each names the buckets of the user that have changed, and nothing else.
//!
//! A hint is a reason to pull, never data: one that is missed costs time, not truth.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::sync::watch;
use whimbrel_protocol::Version;

use super::App;
use super::auth::Caller;
use super::metrics::Open;
use super::openapi::Problems;
use crate::auth::Session;
use crate::fault::Fault;
use crate::model::User;
use crate::storage::{Bucket, Storage, StorageResult};

/// How often a comment is sent, so that proxies do not end a quiet connection.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// After how long to listen again to a database that could not be listened to.
const LISTEN_AGAIN: Duration = Duration::from_secs(5);

/// Wakes the listeners. Clones wake the same ones.
#[derive(Debug, Clone)]
pub struct Hints {
    sender: Arc<watch::Sender<Woken>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    Look,
    End,
}

impl Default for Hints {
    fn default() -> Self {
        Self { sender: Arc::new(watch::Sender::new(Woken::Look)) }
    }
}

impl Hints {
    /// Something may have changed.
    pub fn wake(&self) {
        self.sender.send_if_modified(|woken| *woken == Woken::Look);
    }

    /// Ends all listeners, now and later, so that the server can stop.
    pub fn end(&self) {
        self.sender.send_replace(Woken::End);
    }

    /// Hears of changes from the database, where that tells, until it is dropped. What it does not tell is found by [`Hints::follow`].
    pub async fn listen<S: Storage>(self, storage: Arc<S>) {
        loop {
            match storage.news().await {
                Ok(()) => {
                    refresh_views(storage.as_ref()).await;
                    self.wake();
                }
                Err(error) => {
                    tracing::warn!(%error, "the database tells nothing of changes for a while");
                    tokio::time::sleep(LISTEN_AGAIN).await;
                }
            }
        }
    }

    /// Looks for changes that others made past this server, until it is dropped.
    pub async fn follow<S: Storage>(self, storage: Arc<S>, every: Duration) {
        let mut seen: Option<Version> = None;
        let mut ticks = tokio::time::interval(every);
        loop {
            ticks.tick().await;
            refresh_views(storage.as_ref()).await;
            // A database that cannot be asked now is asked again at the next tick.
            let Ok(head) = storage.head().await else { continue };
            if seen.replace(head.version).is_some_and(|seen| seen != head.version) {
                self.wake();
            }
        }
    }
}

/// What a view shows is news only when its copy has it.
async fn refresh_views<S: Storage>(storage: &S) {
    if let Err(error) = storage.refresh_views().await {
        tracing::warn!(%error, "views are looked at again later");
    }
}

/// How often the scopes of a user who listens are asked for again, where a query gives them and nothing else happens.
const SCOPES_AGAIN: Duration = Duration::from_secs(10);

struct Listener<S> {
    app: App<S>,
    storage: Arc<S>,
    /// As the token says.
    of_token: User,
    /// With the scopes of the last look.
    user: User,
    woken: watch::Receiver<Woken>,
    seen: Version,
}

/// Hints which of the user's buckets have changed, until the token ends.
#[utoipa::path(
    get, path = "/v1/events", tag = "sync", security(("token" = [])),
    responses(
        (status = 200, content_type = "text/event-stream", body = String,
         description = "Events `changed` with the data `{\"buckets\":[\"entity/scope\"]}`; comments between them."),
        Problems,
    )
)]
pub(super) async fn events<S: Storage>(State(app): State<App<S>>, caller: Caller<S>) -> Result<Response, Fault> {
    let Caller { user, session: Session { user: of_token, left }, realm, storage } = caller;
    // Listen first, look second: a change in between wakes.
    let woken = realm.hints.sender.subscribe();
    let seen = storage.head().await?.version;
    let open = Open::events(app.metrics.as_ref(), realm.name());
    let hints = stream::unfold(Listener { app, storage, of_token, user, woken, seen }, Listener::next);
    // Who listens has to show a new token when this one has ended, as everybody has.
    let ended = async move {
        match left {
            Some(left) => tokio::time::sleep(left).await,
            None => std::future::pending().await,
        }
    };
    let hints = hints.take_until(Box::pin(ended)).inspect(move |_| _ = &open);
    Ok(Sse::new(hints).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

impl<S: Storage> Listener<S> {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if *self.woken.borrow() == Woken::End {
                return None;
            }
            let again = async {
                match self.app.scopes_sql {
                    Some(_) => tokio::time::sleep(SCOPES_AGAIN).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                woken = self.woken.changed() => woken.ok()?,
                () = again => {}
            }
            let buckets = match self.changed().await {
                Ok(buckets) => buckets,
                Err(error) => {
                    tracing::error!(%error, "hints end, the client will come back");
                    return None;
                }
            };
            if !buckets.is_empty() {
                let event = Event::default().event("changed").data(json!({ "buckets": buckets }).to_string());
                return Some((Ok(event), self));
            }
        }
    }

    /// The user's buckets that changed between the last look and this one's head (what came after it is for the next one), and those that are the user's since then, or are not any more.
    async fn changed(&mut self) -> StorageResult<Vec<String>> {
        let before = match self.app.scopes_sql {
            Some(_) => {
                let now = self.app.with_scopes(&self.storage, &self.of_token).await?;
                std::mem::replace(&mut self.user, now)
            }
            None => self.user.clone(),
        };
        let head = self.storage.head().await?.version;
        let mut buckets = Vec::new();
        for entity in self.app.entities.iter() {
            let (old, new) = (entity.scopes_for(&before), entity.scopes_for(&self.user));
            let only_in = |one: &[&str], other: &[&str]| {
                let only = one.iter().filter(|scope| !other.contains(scope));
                only.map(|scope| format!("{}/{scope}", entity.name)).collect::<Vec<_>>()
            };
            buckets.extend(only_in(&old, &new));
            buckets.extend(only_in(&new, &old));
        }
        for entity in self.app.entities.iter() {
            for scope in entity.scopes_for(&self.user) {
                let bucket = format!("{}/{scope}", entity.name);
                let is_named = buckets.contains(&bucket);
                let changed = self.storage.count_changes(Bucket { entity, scope }, self.seen, head);
                if !is_named && changed.await? > 0 {
                    buckets.push(bucket);
                }
            }
        }
        self.seen = head;
        Ok(buckets)
    }
}
