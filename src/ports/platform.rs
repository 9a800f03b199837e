//! Time, randomness, tabs.

use crate::error::Result;

/// The device's clock.
#[allow(async_fn_in_trait, reason = "single-threaded: no Send bound is ever wanted")]
pub trait Clock {
    /// Milliseconds since 1970, by the device's clock: may jump.
    fn now_ms(&self) -> i64;
    /// Waits that long, at least.
    async fn sleep(&self, ms: u32);
}

/// A source of random numbers.
pub trait Random {
    /// Sixteen random bytes.
    fn bytes16(&self) -> [u8; 16];

    /// A number in `0..=max`, for backoff jitter.
    fn up_to(&self, max: u64) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.bytes16();
        let number = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        max.checked_add(1).map_or(number, |count| number % count)
    }
}

/// A lock shared by all tabs of an origin. Dropping the guard releases it.
#[allow(async_fn_in_trait, reason = "single-threaded: no Send bound is ever wanted")]
pub trait Lock {
    /// Held until dropped.
    type Guard;
    /// Waits for the lock.
    ///
    /// # Errors
    /// `engine/internal` when the platform has no locks and a substitute failed.
    async fn acquire(&self, name: &str) -> Result<Self::Guard>;
}

/// Hints between the tabs of one store. A hint may be lost or come twice; nothing may depend on it.
pub trait TabChannel {
    /// Tells the other tabs that the log has grown.
    fn announce(&self, seq: u64);
    /// Calls `listener` with what other tabs announce, until the channel is dropped.
    fn listen(&self, listener: Box<dyn Fn(u64)>);
}
