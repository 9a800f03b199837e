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
    /// Whether all tabs take part. Where the platform has no locks, a substitute knows this page only.
    fn is_shared(&self) -> bool;
    /// Waits for the lock, or takes it from whoever has it (`steal`), which may be a tab that does not answer. `lost` is called when it is taken
    /// from this holder, and not when the holder gives it up.
    ///
    /// # Errors
    /// `engine/internal` when the platform has no locks and a substitute failed.
    async fn acquire(&self, name: &str, steal: bool, lost: Box<dyn Fn()>) -> Result<Self::Guard>;
}

/// Who hears messages.
pub type TabListener = Box<dyn Fn(&[u8])>;

/// Messages between the tabs of one store. A message may be lost, be late or come twice; nothing may depend on it.
pub trait TabChannel {
    /// Whether messages arrive anywhere.
    fn is_connected(&self) -> bool;
    /// Tells the other tabs something.
    fn announce(&self, message: &[u8]);
    /// Calls `listener` with what other tabs announce, until the channel is dropped.
    fn listen(&self, listener: TabListener);
}
