//! `whimbrel-sim --seeds N [--seed S]`: so many worlds, on all cores.

mod scenarios;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use clap::Parser;
use whimbrel_sim::{Fault, Outcome, run};

/// Lives through worlds made from seeds, and judges them
#[derive(Parser)]
struct Arguments {
    /// How many worlds
    #[arg(long, value_name = "N", default_value_t = 300)]
    seeds: u64,
    /// The first seed; with `--seeds 1` its story is told
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Does not ask that every kind of fault has happened
    #[arg(long)]
    any_faults: bool,
    /// Stops at the first world in which something is wrong
    #[arg(long)]
    stop: bool,
    /// Plays the scenarios of a folder instead, with a crash at their steps
    #[arg(long, value_name = "FOLDER")]
    scenarios: Option<PathBuf>,
    /// Only scenarios whose names contain this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// A crash at every step of this distance only
    #[arg(long, value_name = "N", default_value_t = 1)]
    stride: u64,
    /// Tells the story of the scenario named by `--only` with a crash at this step; 0 is none
    #[arg(long, value_name = "STEP")]
    tell: Option<u64>,
}

/// The exit code when something was not as it must be.
const FOUND: u8 = 3;
/// Violations of one seed that are printed.
const PRINTED: usize = 8;

#[derive(Default)]
struct Totals {
    steps: u64,
    faults: Vec<u64>,
    violations: u64,
    failed: Vec<Outcome>,
}

fn main() -> ExitCode {
    let Arguments { seeds, seed, any_faults, stop, scenarios, only, stride, tell } = Arguments::parse();
    if let Some(folder) = scenarios {
        if let Some(step) = tell {
            return scenarios::tell(&folder, &only, step).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
        }
        return match scenarios::play_all(&folder, &only, stride.max(1)) {
            Some(true) => ExitCode::SUCCESS,
            Some(false) => ExitCode::from(FOUND),
            None => ExitCode::FAILURE,
        };
    }
    let is_over = AtomicBool::new(false);
    let (next, totals) = (AtomicU64::new(seed), Mutex::new(Totals::default()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= seed.saturating_add(seeds) || is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let outcome = run(number, seeds == 1);
                    if let Ok(mut totals) = totals.lock() {
                        totals.add(outcome);
                        if stop && totals.violations > 0 {
                            is_over.store(true, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let Ok(totals) = totals.into_inner() else { return ExitCode::FAILURE };
    totals.print(seeds, any_faults)
}

impl Totals {
    fn add(&mut self, outcome: Outcome) {
        self.steps += outcome.steps;
        self.faults.resize(Fault::ALL.len(), 0);
        for (total, count) in self.faults.iter_mut().zip(&outcome.faults) {
            *total += count;
        }
        self.violations += outcome.violations.len() as u64;
        outcome.story.iter().for_each(|line| println!("{line}"));
        if !outcome.violations.is_empty() {
            self.failed.push(Outcome { story: Vec::new(), ..outcome });
        }
    }

    fn print(mut self, seeds: u64, any_faults: bool) -> ExitCode {
        for (fault, count) in Fault::ALL.iter().zip(&self.faults) {
            println!("{count:>10}  {}", fault.word());
        }
        self.failed.sort_by_key(|outcome| outcome.seed);
        for outcome in self.failed.iter().take(PRINTED) {
            println!("seed {} (see it again: --seeds 1 --seed {}):", outcome.seed, outcome.seed);
            outcome.violations.iter().take(PRINTED).for_each(|violation| println!("  {violation}"));
        }
        let unreached: Vec<&str> = Fault::ALL
            .iter()
            .zip(&self.faults)
            .filter(|(_, count)| **count == 0)
            .map(|(fault, _)| fault.word())
            .collect();
        if !unreached.is_empty() && !any_faults {
            println!("never happened: {}", unreached.join(", "));
        }
        let (steps, faults, violations) = (self.steps, self.faults.iter().sum::<u64>(), self.violations);
        println!("seeds: {seeds} steps: {steps} faults: {faults} violations: {violations}");
        if violations == 0 && (unreached.is_empty() || any_faults) {
            ExitCode::SUCCESS
        } else if violations > 0 {
            ExitCode::from(FOUND)
        } else {
            ExitCode::FAILURE
        }
    }
}
