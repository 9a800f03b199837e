//! How often somebody may ask: a bucket of tokens for each, which fills again with time.
//!
//! **Invariant:** what is remembered is bounded; a bucket that is full again is forgotten, for it is like one that never was.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use whimbrel_protocol::ProblemCode;

use crate::config::Rate;
use crate::fault::Fault;

/// Buckets that are remembered, at most. When there are more that are not full, all begin anew: to refuse somebody for others' requests
/// would be worse.
const BUCKETS_MAX: usize = 50_000;

/// The buckets of all users, or of all clients.
#[derive(Debug)]
pub(super) struct Rates {
    rate: Option<Rate>,
    what: &'static str,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Rates {
    pub(super) fn new(what: &'static str, rate: Option<Rate>) -> Self {
        Self { rate, what, buckets: Mutex::default() }
    }

    /// Counts a request of somebody.
    ///
    /// # Errors
    /// `request/too-many`.
    pub(super) fn count(&self, who: &str) -> Result<(), Fault> {
        self.count_at(who, Instant::now())
    }

    fn count_at(&self, who: &str, now: Instant) -> Result<(), Fault> {
        let Some(rate) = self.rate else { return Ok(()) };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(who) {
            buckets.retain(|_, bucket| filled(rate, *bucket, now) < f64::from(rate.burst));
            if buckets.len() >= BUCKETS_MAX {
                buckets.clear();
            }
        }
        let full = Bucket { tokens: f64::from(rate.burst), at: now };
        let tokens = filled(rate, buckets.get(who).copied().unwrap_or(full), now);
        let is_let_in = tokens >= 1.0;
        let left = if is_let_in { tokens - 1.0 } else { tokens };
        buckets.insert(who.to_owned(), Bucket { tokens: left, at: now });
        if is_let_in {
            return Ok(());
        }
        let Rate { per_second, burst } = rate;
        let detail = format!("a {} may ask {per_second} times a second, {burst} times at once", self.what);
        Err(Fault::new(ProblemCode::TooMany, detail))
    }
}

/// The tokens that a bucket has by now.
fn filled(rate: Rate, bucket: Bucket, now: Instant) -> f64 {
    let since: Duration = now.saturating_duration_since(bucket.at);
    since.as_secs_f64().mul_add(f64::from(rate.per_second), bucket.tokens).min(f64::from(rate.burst))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate_and_each_by_themselves() {
        let rates = Rates::new("user", Some(Rate { per_second: 2, burst: 3 }));
        let start = Instant::now();
        let asks = |who: &str, ms: u64| rates.count_at(who, start + Duration::from_millis(ms)).is_ok();
        assert_eq!([0, 0, 0, 0].map(|ms| asks("ana", ms)), [true, true, true, false]);
        assert!(asks("ben", 0));
        assert_eq!([499, 500, 501, 1000, 1001].map(|ms| asks("ana", ms)), [false, true, false, true, false]);
        // However long it was away, it gets a burst and no more.
        assert_eq!([90_000; 4].map(|ms| asks("ana", ms)), [true, true, true, false]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let rates = Rates::new("client", Some(Rate { per_second: 1, burst: 2 }));
        let start = Instant::now();
        for number in 0..BUCKETS_MAX * 2 {
            // A new one each millisecond, full again after a second.
            let now = start + Duration::from_millis(number as u64);
            rates.count_at(&number.to_string(), now).unwrap();
            assert!(rates.buckets.lock().unwrap().len() <= BUCKETS_MAX);
        }
        assert!(Rates::new("user", None).count("ana").is_ok());
    }
}
