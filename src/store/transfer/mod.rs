//! Taking data out of a store and into one, as lines of JSON (NDJSON) that people and tools can read.
//!
//! ```text
//! {"whimbrel":"outbox","format":1,"name":"rounds","schema":3,"client":"5f0c…","counts":{"pending":1,"rejected":0,"conflicts":0}}
//! {"outbox":7,"is":{…}}   {"inbox":4,"is":{…}}   {"conflicts":9,"is":{…}}                                      by position
//! {"system":"bucket/workOrder/team:7","is":{…}}  {"system":"count/position","is":7}                            "store" only,
//! {"row":["workOrder","01…"],"is":{"version":5,"buckets":[1],"fields":{…}}}  {"base":…} like it  {"confirmed":"01…","is":{…}}   like these
//! {"end":{"lines":5,"checksum":"0a1b2c3d4e5f6071"}}
//! ```
//!
//! The checksum is XXH64 of every line and its newline, each seeded with that of the line before it, from 0. A line without `is` says that
//! there is no such thing; of several lines about one thing, the last one counts.
//!
//! An export goes through the keys piece by piece, each piece a read of its own, so writes go on and memory stays small. What is changed
//! behind it meanwhile it notes, and says again at the end, until in one read there is nothing to say again.
//!
//! **Invariant:** all lines together are the store at one moment, that of the end.
//! **Invariant:** nothing of a file is in a store whose end was not reached and right. (A whole store is loaded as it comes, and removed
//! again.)
//! **Invariant:** a change that was sent and not answered is never sent from a second store: it may have arrived, so the user decides.

mod export;
mod import;
mod lines;
mod queue;
mod tracker;
mod whole;

pub use export::Export;
pub use import::{Import, Imported};
pub(super) use tracker::Tracker;
pub(super) use whole::check as check_importing;

/// The format of exports.
const FORMAT: u64 = 1;
/// The kinds of exports.
const OUTBOX: &str = "outbox";
const STORE: &str = "store";

/// The checksum up to a line.
fn checksum(so_far: u64, line: &[u8]) -> u64 {
    xxhash_rust::xxh64::xxh64(line, so_far)
}
