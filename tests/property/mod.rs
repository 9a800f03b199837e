//! How the store's property tests run: so many cases, on all cores, and again from a seed.
//!
//! `WHIMBREL_CASES` says how thorough all of them are: so many cases has the store's model test, and the others have a share of that. It is
//! 2,000 when nothing is said; `cargo xtask test --long` says 100,000.
//!
//! Cases are made in portions, each from a seed of its own. A failure names the seed of its portion, and `WHIMBREL_SEED` runs just that.

#![allow(dead_code, reason = "each test program uses what it needs")]

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, thread};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Cases when nothing is said.
const CASES: u64 = 2_000;
/// Cases made from one seed.
const PORTION: u64 = 20;
/// How often a failing case is made smaller at most.
const SHRINK_STEPS_MAX: u32 = 4_000;

/// Lets `test` judge so many hundredths of `WHIMBREL_CASES` cases of `strategy`; what it panics with is a failure.
///
/// # Panics
///
/// When a case fails, with the smallest one that still does, and how to run it again.
pub(crate) fn check<S: Strategy>(percent: u64, strategy: impl Fn() -> S + Sync, test: impl Fn(S::Value) + Sync) {
    let cases = number("WHIMBREL_CASES").unwrap_or(CASES) * percent / 100;
    let (first, portions) = match number("WHIMBREL_SEED") {
        Some(seed) => (seed, 1),
        // Short enough to be typed.
        None => (RandomState::new().build_hasher().finish() >> 24, cases.div_ceil(PORTION).max(1)),
    };
    let (next, failure) = (AtomicU64::new(0), Mutex::new(None));
    let work = || {
        let go = || {
            let portion = next.fetch_add(1, Ordering::Relaxed);
            if portion >= portions || failure.lock().unwrap().is_some() {
                return ControlFlow::Break(());
            }
            let seed = first + portion;
            if let Err(message) = run(seed, &strategy(), &test) {
                failure.lock().unwrap().get_or_insert(format!("{message}\nagain with WHIMBREL_SEED={seed}"));
            }
            ControlFlow::Continue(())
        };
        while go().is_continue() {}
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    if let Some(message) = failure.into_inner().unwrap() {
        panic!("{message}");
    }
}

fn run<S: Strategy>(seed: u64, strategy: &S, test: &impl Fn(S::Value)) -> Result<(), String> {
    let config = Config {
        cases: u32::try_from(PORTION).unwrap(),
        max_shrink_iters: SHRINK_STEPS_MAX,
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let outcome = TestRunner::new_with_rng(config, rng).run(strategy, |case| {
        test(case);
        Ok(())
    });
    outcome.map_err(|failure| failure.to_string())
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}
