//! Every scenario of a folder, each with a crash at its steps, on all cores.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use whimbrel_sim::{Played, Scenario};

/// Violations that are printed.
const PRINTED: usize = 20;

/// What came of all.
#[derive(Default)]
struct Totals {
    steps: u64,
    crashes: u64,
    failed: BTreeMap<String, Vec<String>>,
}

/// Plays those whose names contain a text: once as they are, then with a crash at every step of that distance. Whether all went well; none when the
/// files cannot be read.
pub(crate) fn play_all(folder: &Path, only: &str, stride: u64) -> Option<bool> {
    let mut scenarios = Vec::new();
    for entry in fs::read_dir(folder).ok()? {
        let path = entry.ok()?.path();
        let name = path.file_stem()?.to_string_lossy().into_owned();
        if !name.contains(only) {
            continue;
        }
        match Scenario::parse(&fs::read_to_string(&path).ok()?) {
            Ok(scenario) => scenarios.push((name, scenario)),
            Err(why) => {
                println!("{name}: {why}");
                return None;
            }
        }
    }
    scenarios.sort_by(|left, right| left.0.cmp(&right.0));
    let (next, totals) = (AtomicUsize::new(0), Mutex::new(Totals::default()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((name, scenario)) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let played = play(name, scenario, stride);
                    if let Ok(mut totals) = totals.lock() {
                        totals.steps += played.steps;
                        totals.crashes += played.crashes;
                        totals.failed.extend(played.failed);
                    }
                }
            });
        }
    });
    let Totals { steps, crashes, failed } = totals.into_inner().ok()?;
    for (place, what) in failed.iter().take(PRINTED) {
        println!("{place}:");
        what.iter().take(PRINTED).for_each(|line| println!("  {line}"));
    }
    println!("scenarios: {} steps: {steps} crashes: {crashes} violations: {}", scenarios.len(), failed.len());
    Some(failed.is_empty() && !scenarios.is_empty())
}

fn play(name: &str, scenario: &Scenario, stride: u64) -> Totals {
    let clean = scenario.play(None, false);
    let mut totals = Totals { steps: clean.steps, ..Totals::default() };
    if !clean.violations.is_empty() {
        totals.failed.insert(format!("{name}, without a crash"), clean.violations);
        return totals;
    }
    // Another place to begin for each, so that all together see every distance from a beginning.
    let first = 1 + name.bytes().map(u64::from).sum::<u64>() % stride;
    let mut step = first;
    while step <= clean.steps {
        let Played { mut violations, end, .. } = scenario.play(Some(step), false);
        if end != clean.end && !scenario.any_end {
            violations.push(format!("the end is another one: {}", difference(&clean.end, &end)));
        }
        if !violations.is_empty() {
            totals.failed.insert(format!("{name}, crash at step {step:>4}"), violations);
        }
        totals.crashes += 1;
        step += stride;
    }
    totals
}

fn difference(expected: &[String], found: &[String]) -> String {
    let only = |left: &[String], right: &[String]| {
        left.iter().filter(|line| !right.contains(line)).cloned().collect::<Vec<_>>().join("; ")
    };
    format!("expected {}, found {}", only(expected, found), only(found, expected))
}

/// Tells the story of one scenario with a crash at a step.
pub(crate) fn tell(folder: &Path, name: &str, step: u64) -> Option<()> {
    let text = fs::read_to_string(folder.join(format!("{name}.txt"))).ok()?;
    let played = Scenario::parse(&text).ok()?.play((step > 0).then_some(step), true);
    played.story.iter().chain(&played.violations).chain(&played.end).for_each(|line| println!("{line}"));
    Some(())
}
