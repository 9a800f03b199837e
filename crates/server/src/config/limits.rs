//! `[limits]`: how many requests, how slow ones, how large ones.
//!
//! **Invariant:** no limit is above the protocol's, which clients know, and none below what a client can cope with: `docs/PROTOCOL.md`, Limits.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use whimbrel_protocol::{BODY_BYTES_MAX, BODY_INFLATED_BYTES_MAX, CHANGE_BYTES_MAX, JSON_DEPTH_MAX, PUSH_CHANGES_MAX};

use super::edge::Rate;
use super::finding::{Findings, Place};

/// How long a body may take when it is not said: enough for the largest over 30 kbit/s.
const BODY_TIMEOUT: Duration = Duration::from_secs(300);
/// Bytes of a body, at least: a pull names a cursor for each of its buckets.
const BODY_BYTES_MIN: usize = 64 * 1024;
/// Bytes of a change, at least.
const CHANGE_BYTES_MIN: usize = 1024;
/// Bytes of a body around its changes, at most.
const ENVELOPE_BYTES_MAX: usize = 4 * 1024;
/// Levels of nesting, at least: twice what a push has.
const DEPTH_MIN: usize = 8;

const _: () = assert!(CHANGE_BYTES_MAX + ENVELOPE_BYTES_MAX <= BODY_BYTES_MAX);

/// How large requests may be. By default as large as the protocol has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of a body as it was sent.
    pub body_bytes: usize,
    /// Bytes of a body after decompression.
    pub inflated_bytes: usize,
    /// Changes in a push.
    pub push_changes: usize,
    /// Bytes of a change as JSON. A larger one is refused by itself.
    pub change_bytes: usize,
    /// Levels of nesting.
    pub depth: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            body_bytes: BODY_BYTES_MAX,
            inflated_bytes: BODY_INFLATED_BYTES_MAX,
            push_changes: PUSH_CHANGES_MAX,
            change_bytes: CHANGE_BYTES_MAX,
            depth: JSON_DEPTH_MAX,
        }
    }
}

/// How many connections there may be, and for how long one may do nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// For the head of a request, and between two requests.
    pub head: Duration,
    /// For the start of TLS.
    pub handshake: Duration,
    /// While nothing of an answer is taken.
    pub idle: Duration,
    /// Connections at the same time; more wait.
    pub connections: usize,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            connections: 10_000,
        }
    }
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub(super) struct LimitsEntry {
    /// Requests of one user a second, in the long run; 100 when absent and `[auth]` is not for development, 0 for no limit.
    #[schemars(range(max = 1_000_000))]
    user_per_second: Option<u32>,
    /// Requests of one user at once; 1000 when absent.
    #[schemars(range(min = 1, max = 1_000_000))]
    user_burst: Option<u32>,
    /// Pushes and pulls of one client a second, in the long run; 20 when absent and `[auth]` is not for development, 0 for no limit.
    #[schemars(range(max = 1_000_000))]
    client_per_second: Option<u32>,
    /// Pushes and pulls of one client at once; 200 when absent.
    #[schemars(range(min = 1, max = 1_000_000))]
    client_burst: Option<u32>,
    /// How long the body of a request may take to arrive; 300 when absent.
    #[schemars(range(min = 1, max = 3600))]
    body_seconds: Option<u64>,
    /// How long the head of a request may take, and how long a connection may wait for the next one; 30 when absent.
    #[schemars(range(min = 1, max = 3600))]
    head_seconds: Option<u64>,
    /// How long the start of TLS may take; 10 when absent.
    #[schemars(range(min = 1, max = 3600))]
    handshake_seconds: Option<u64>,
    /// How long nothing of an answer may be taken; 60 when absent.
    #[schemars(range(min = 1, max = 3600))]
    idle_seconds: Option<u64>,
    /// Connections at the same time, more wait; 10000 when absent.
    #[schemars(range(min = 1, max = 1_000_000))]
    connections: Option<u32>,
    /// Bytes of a body as it is sent; 1048576 when absent.
    #[schemars(range(min = BODY_BYTES_MIN, max = BODY_BYTES_MAX))]
    body_bytes: Option<u32>,
    /// Bytes of a body after decompression; 8388608 when absent.
    #[schemars(range(min = BODY_BYTES_MIN, max = BODY_INFLATED_BYTES_MAX))]
    inflated_bytes: Option<u32>,
    /// Changes in a push; 500 when absent.
    #[schemars(range(min = 1, max = PUSH_CHANGES_MAX))]
    push_changes: Option<u32>,
    /// Bytes of a change as JSON, 262144 when absent. A larger one is refused by itself.
    #[schemars(range(min = CHANGE_BYTES_MIN, max = CHANGE_BYTES_MAX))]
    change_bytes: Option<u32>,
    /// Levels of nesting of a body; 64 when absent.
    #[schemars(range(min = DEPTH_MIN, max = JSON_DEPTH_MAX))]
    depth: Option<u32>,
}

impl LimitsEntry {
    /// How often a user may ask, and a client.
    pub(super) fn rates(&self, is_development: bool) -> (Option<Rate>, Option<Rate>) {
        let rate = |per_second: Option<u32>, burst: Option<u32>, usual: Rate| {
            // Where tokens are no secret, who asks much is a test or a measurement.
            let per_second = per_second.unwrap_or(if is_development { 0 } else { usual.per_second });
            (per_second > 0).then(|| Rate { per_second, burst: burst.unwrap_or(usual.burst) })
        };
        let user = rate(self.user_per_second, self.user_burst, Rate { per_second: 100, burst: 1_000 });
        (user, rate(self.client_per_second, self.client_burst, Rate { per_second: 20, burst: 200 }))
    }

    pub(super) fn body_timeout(&self) -> Duration {
        self.body_seconds.map_or(BODY_TIMEOUT, Duration::from_secs)
    }

    pub(super) fn waits(&self) -> Waits {
        let seconds = |said: Option<u64>, usual| said.map_or(usual, Duration::from_secs);
        let usual = Waits::default();
        Waits {
            head: seconds(self.head_seconds, usual.head),
            handshake: seconds(self.handshake_seconds, usual.handshake),
            idle: seconds(self.idle_seconds, usual.idle),
            connections: number(self.connections, usual.connections),
        }
    }

    /// Each by itself is within its bounds, as the schema has them; here is what they must be beside each other.
    pub(super) fn sizes(&self, findings: &mut Findings) -> Sizes {
        let usual = Sizes::default();
        let sizes = Sizes {
            body_bytes: number(self.body_bytes, usual.body_bytes),
            inflated_bytes: number(self.inflated_bytes, usual.inflated_bytes),
            push_changes: number(self.push_changes, usual.push_changes),
            change_bytes: number(self.change_bytes, usual.change_bytes),
            depth: number(self.depth, usual.depth),
        };
        let Sizes { body_bytes, inflated_bytes, change_bytes, .. } = sizes;
        let limits = Place::of("limits");
        if change_bytes + ENVELOPE_BYTES_MAX > body_bytes {
            let key = if self.change_bytes.is_some() { "changeBytes" } else { "bodyBytes" };
            let what = format!(
                "a change of {change_bytes} bytes (changeBytes) and {ENVELOPE_BYTES_MAX} around it would not fit into a body of {body_bytes} (bodyBytes)"
            );
            findings.value(&limits.key(key), what);
        }
        if inflated_bytes < body_bytes {
            let what = format!("is {inflated_bytes}, below the {body_bytes} of a body as it is sent (bodyBytes)");
            findings.value(&limits.key("inflatedBytes"), what);
        }
        sizes
    }
}

fn number(said: Option<u32>, usual: usize) -> usize {
    said.and_then(|said| usize::try_from(said).ok()).unwrap_or(usual)
}
