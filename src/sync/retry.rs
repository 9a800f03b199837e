//! When to try again: exponential backoff with full jitter, `random(0, min(cap, base · 2ⁿ))`
//! (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).

use crate::error::{Code, Error};
use crate::model::Backoff;

/// What a failure means for the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// After a backoff, by itself.
    Backoff,
    /// Not by itself: the session needs a token; any trigger tries again.
    WhenSignedIn,
    /// Not unchanged; a trigger by the app tries again.
    Never,
}

impl Retry {
    /// The class of a failure.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        match error.code() {
            Code::Unauthenticated => Self::WhenSignedIn,
            _ if error.is_retryable() => Self::Backoff,
            _ => Self::Never,
        }
    }
}

/// How long to wait before attempt `attempt + 1`, when `attempt` (from 1) have failed. `draw(max)` gives a number in `0..=max`.
#[must_use]
pub fn backoff_ms(attempt: u32, backoff: Backoff, retry_after_ms: Option<u64>, draw: impl FnOnce(u64) -> u64) -> u64 {
    let doublings = attempt.saturating_sub(1).min(16);
    let ceiling = backoff.cap_ms.min(backoff.base_ms << doublings);
    draw(ceiling).max(retry_after_ms.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_to_the_cap_and_never_overflows() {
        let ceilings: Vec<u64> =
            [1, 2, 3, 6, 7, 8, u32::MAX].map(|n| backoff_ms(n, Backoff::default(), None, |max| max)).to_vec();
        assert_eq!(ceilings, [1_000, 2_000, 4_000, 32_000, 60_000, 60_000, 60_000]);
        let own = Backoff { base_ms: 10, cap_ms: 25 };
        assert_eq!([1, 2, 3].map(|n| backoff_ms(n, own, None, |max| max)), [10, 20, 25]);
    }

    #[test]
    fn the_servers_word_is_a_minimum() {
        assert_eq!(backoff_ms(1, Backoff::default(), Some(90_000), |_| 0), 90_000);
        assert_eq!(backoff_ms(1, Backoff::default(), Some(10), |max| max), 1_000);
    }

    #[test]
    fn failures_fall_into_classes() {
        let of = |code| Retry::of(&Error::new(code, ""));
        assert_eq!(of(Code::Unreachable), Retry::Backoff);
        assert_eq!(of(Code::ServerBusy), Retry::Backoff);
        assert_eq!(of(Code::Unauthenticated), Retry::WhenSignedIn);
        assert_eq!(of(Code::Forbidden), Retry::Never);
        assert_eq!(of(Code::ProtocolMalformed), Retry::Never);
    }
}
