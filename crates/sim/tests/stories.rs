//! A seed has one story; and stories that once went wrong are kept.

#![allow(clippy::panic, reason = "a test may panic")]

use whimbrel_sim::run;

/// Seeds whose stories went wrong once, each with what it was.
const KEPT: [u64; 3] = [
    // Accepted, and deleted by another device before the first pull had ended: the row stayed for ever.
    283, 468, 591,
];

#[test]
fn a_seed_has_one_story() {
    for seed in [7, 8] {
        assert_eq!(run(seed, true), run(seed, true));
    }
}

#[test]
fn what_went_wrong_once_goes_well() {
    for seed in KEPT {
        assert_eq!(run(seed, false).violations, Vec::<String>::new(), "seed {seed}");
    }
}
