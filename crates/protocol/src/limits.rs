//! Limits that both sides keep. A sender stays below them; a receiver refuses what exceeds them.

/// Changes in one push, at most.
pub const PUSH_CHANGES_MAX: usize = 500;
/// Bytes of one request body, at most, as sent.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of one request body after decompression, at most.
pub const BODY_INFLATED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of one change as JSON, at most.
pub const CHANGE_BYTES_MAX: usize = 256 * 1024;
/// Nesting depth of a JSON value, at most.
pub const JSON_DEPTH_MAX: usize = 64;
/// Bytes of a record id, at most.
pub const ID_BYTES_MAX: usize = 128;
/// Rows in one batch of a pull, at most.
pub const PULL_BATCH_ROWS_MAX: usize = 2_000;
/// Bytes of one line of a pull's answer, at most.
pub const PULL_LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

const _: () = assert!(CHANGE_BYTES_MAX < BODY_BYTES_MAX);
const _: () = assert!(BODY_BYTES_MAX <= BODY_INFLATED_BYTES_MAX);
