//! Random numbers from `crypto.getRandomValues`.

use crate::ports::Random;

/// The browser's source of random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct BrowserRandom;

impl Random for BrowserRandom {
    fn bytes16(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        if getrandom::fill(&mut bytes).is_err() {
            // A scope without `crypto`. Ids need to be unique, not secret, so the weaker source is better than none.
            bytes.fill_with(weak_byte);
        }
        bytes
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 ≤ random < 1")]
fn weak_byte() -> u8 {
    (js_sys::Math::random() * 256.0) as u8
}
