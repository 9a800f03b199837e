//! The keys of an issuer that publishes them (JWKS): fetched for the first token, kept, fetched again when they are old or a
//! token names one that is not here.
//!
//! **Invariant:** whoever sends tokens with names of keys that do not exist makes this server ask the issuer once a minute, no more.
//! **Invariant:** keys that were fetched are used until others were: an issuer that is away signs nobody out.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OwnedMutexGuard};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::Refusal;
use super::keys::{self, Key, KeyError};

/// After so long keys are fetched anew, so that one that was withdrawn is not taken for ever.
const AGE_MAX: Duration = Duration::from_secs(10 * 60);
/// How often keys are fetched because they are old, or because a token's is not among them, at most.
const EVERY: Duration = Duration::from_secs(60);
/// How often they are asked for as long as there are none, at most.
const EVERY_WITHOUT: Duration = Duration::from_secs(5);
/// How long a fetch may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a JWKS, at most.
const BYTES_MAX: u64 = 256 * 1024;
/// Redirects that are followed, at most.
const REDIRECTS_MAX: u32 = 3;

#[derive(Debug)]
pub(super) struct Remote {
    url: String,
    agent: ureq::Agent,
    /// Empty until they were fetched once.
    keys: RwLock<Arc<Vec<Key>>>,
    /// Held while keys are being fetched, so that one fetches for all.
    attempts: Arc<Mutex<Attempts>>,
}

/// When keys were fetched, or were to be.
#[derive(Debug, Default)]
struct Attempts {
    fetched: Option<Instant>,
    tried: Option<Instant>,
    tried_for_unknown: Option<Instant>,
    failed: bool,
}

impl Attempts {
    /// Whether they are to be fetched now; `unknown` says that a token's key is not here.
    fn is_due(&self, now: Instant, unknown: bool) -> bool {
        let past = |then: Option<Instant>, least| then.is_none_or(|then| now.saturating_duration_since(then) >= least);
        match self.fetched {
            None => past(self.tried, EVERY_WITHOUT),
            Some(_) if unknown => past(self.tried_for_unknown, EVERY),
            Some(_) => past(self.fetched, AGE_MAX) && past(self.tried, EVERY),
        }
    }

    fn begin(&mut self, now: Instant, unknown: bool) {
        // The first fetch of all is for nobody's name.
        if unknown && self.fetched.is_some() {
            self.tried_for_unknown = Some(now);
        }
        self.tried = Some(now);
    }
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Http(#[from] ureq::Error),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error("the fetch was cut off")]
    CutOff,
}

impl Remote {
    /// Of the certificates that the address must hang on, what is none is left out: the configuration has looked.
    pub(super) fn new(url: String, ca: Option<&[u8]>) -> Self {
        let roots = ca.map_or(RootCerts::WebPki, |pem| {
            let certificates = parse_pem(pem).filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            });
            RootCerts::new_with_certs(&certificates.collect::<Vec<_>>())
        });
        let agent = ureq::Agent::config_builder()
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .timeout_global(Some(TIMEOUT))
            .max_redirects(REDIRECTS_MAX)
            .https_only(url.starts_with("https://"))
            .build()
            .new_agent();
        Self { url, agent, keys: RwLock::default(), attempts: Arc::default() }
    }

    /// The keys that a token with this `kid` may be signed with.
    pub(super) async fn named(self: &Arc<Self>, kid: Option<&str>, now: Instant) -> Result<Vec<Key>, Refusal> {
        let found = self.find(kid);
        if !found.is_empty() {
            // When somebody fetches already, that will do.
            if let Ok(attempts) = Arc::clone(&self.attempts).try_lock_owned()
                && attempts.is_due(now, false)
            {
                tokio::spawn(Arc::clone(self).fetch(attempts, now, false));
            }
            return Ok(found);
        }
        let mut attempts = Arc::clone(&self.attempts).lock_owned().await;
        let mut found = self.find(kid);
        if found.is_empty() && attempts.is_due(now, true) {
            // A task of its own: a request that is given up must not take the keys of all others with it.
            attempts = match tokio::spawn(Arc::clone(self).fetch(attempts, now, true)).await {
                Ok(attempts) => attempts,
                Err(_) => return Err(Refusal::KeysUnavailable),
            };
            found = self.find(kid);
        }
        if found.is_empty() && attempts.failed {
            return Err(Refusal::KeysUnavailable);
        }
        Ok(found)
    }

    fn find(&self, kid: Option<&str>) -> Vec<Key> {
        let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
        keys::named(&keys, kid)
    }

    async fn fetch(
        self: Arc<Self>,
        mut attempts: OwnedMutexGuard<Attempts>,
        now: Instant,
        unknown: bool,
    ) -> OwnedMutexGuard<Attempts> {
        attempts.begin(now, unknown);
        let (agent, url) = (self.agent.clone(), self.url.clone());
        let fetched = tokio::task::spawn_blocking(move || get(&agent, &url)).await.unwrap_or(Err(FetchError::CutOff));
        attempts.failed = fetched.is_err();
        match fetched {
            Ok(keys) => {
                tracing::debug!(url = self.url, keys = keys.len(), "an issuer's keys were fetched");
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
                attempts.fetched = Some(now);
            }
            Err(error) => tracing::warn!(url = self.url, "an issuer's keys cannot be fetched: {error}"),
        }
        attempts
    }
}

fn get(agent: &ureq::Agent, url: &str) -> Result<Vec<Key>, FetchError> {
    let mut answer = agent.get(url).header("accept", "application/json").call()?;
    let bytes = answer.body_mut().with_config().limit(BYTES_MAX).read_to_vec()?;
    Ok(keys::read_jwks(&bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_keys_are_fetched() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut attempts = Attempts::default();
        assert!(attempts.is_due(at(0), true));
        attempts.begin(at(0), true);
        // It failed: there are none yet.
        assert!(!attempts.is_due(at(4), true) && attempts.is_due(at(5), true));
        attempts.begin(at(5), true);
        attempts.fetched = Some(at(5));
        // The first key that is not among them may have come since; the next has to wait.
        assert!(!attempts.is_due(at(6), false) && attempts.is_due(at(6), true));
        attempts.begin(at(6), true);
        assert!(!attempts.is_due(at(65), true) && attempts.is_due(at(66), true));
        // Old ones are fetched again, and when that fails not at once again.
        assert!(!attempts.is_due(at(604), false) && attempts.is_due(at(605), false));
        attempts.begin(at(605), false);
        assert!(!attempts.is_due(at(664), false) && attempts.is_due(at(665), false));
    }
}
