//! The cases of the sync protocol, against any server: what docs/PROTOCOL.md says must be, tried over HTTP.
//!
//! ```text
//! cases/* ─► a list of (name, rule, what to do) ─► World: clients of two users ─► the server
//!                                                    │ what was sent and answered
//!                                 Report ◄───────────┘
//! ```
//! The server must have the entities and users of `crates/conformance/conformance.toml`. Cases share its database and hold each other up in nothing:
//! each has clients and records of its own.
//!
//! **Invariant:** nothing of Whimbrel's own code is used, so a mistake that it makes on both sides is seen.

#![allow(
    clippy::indexing_slicing,
    reason = "a JSON value has null for what it has not; a place that a case has not made itself fails that case"
)]

mod answer;
mod case;
mod cases;
mod check;
mod client;
mod lines;
mod report;

pub use case::Target;
pub use report::{Failed, Report};

use std::panic::AssertUnwindSafe;

use case::World;
use futures_util::FutureExt as _;

/// Runs the cases whose names contain a text, one after the other.
pub async fn run(target: &Target, only: &str) -> Report {
    let mut report = Report::default();
    for case in cases::all().filter(|case| case.name.contains(only)) {
        if case.is_of_two && target.other_token.is_none() {
            report.left_out += 1;
            continue;
        }
        let world = World::new(target);
        let what = match AssertUnwindSafe((case.run)(&world)).catch_unwind().await {
            Ok(Ok(())) => None,
            Ok(Err(broken)) => Some(broken.to_string()),
            Err(_) => Some("an answer is so different that the case did not know what to do".to_owned()),
        };
        match what {
            None => report.passed.push(case.name),
            Some(what) => report.failed.push(Failed { name: case.name, rule: case.rule, what, talk: world.talk() }),
        }
    }
    report
}
