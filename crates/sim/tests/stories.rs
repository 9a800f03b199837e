//! A seed has one story; and stories that once went wrong are kept.

#![allow(clippy::panic, reason = "a test may panic")]

use whimbrel_sim::run;

/// Seeds whose stories went wrong once, each with what it was.
const KEPT: [u64; 0] = [];

#[test]
fn a_seed_has_one_story() {
    for seed in [7, 8] {
        assert_eq!(run(seed), run(seed));
    }
}

#[test]
fn what_went_wrong_once_goes_well() {
    for seed in KEPT {
        assert_eq!(run(seed).violations, Vec::<String>::new(), "seed {seed}");
    }
}
