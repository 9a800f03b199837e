//! Scenarios: what people do on devices, one thing after the other, as text; played once as it is, and once for each step of storage and network
//! with a tab that dies exactly there.
//!
//! ```text
//! # What it is about.
//! a creates task 1        a, b, c are devices of ana, n is one of ben; a2 is the second tab of a
//! a goes offline          place, task, doc, note, entry, link (of ids like p~q): see `app.rs`
//! a sets w of task 1
//! server restores
//! ```
//!
//! Nothing fails but the tab that dies; a new one opens at once. People go on as people do: what they were doing when the tab died they look for, and
//! do again if it is not there.

mod parse;
mod stage;

pub use parse::Scenario;

use std::rc::Rc;

use whimbrel::sync::Auto;

use crate::executor::WORLD;
use crate::world::World;

/// Where all scenarios begin.
const SEED: u64 = 1;
/// A scenario that takes more steps than that does not end.
const STEPS_MAX: u64 = 400_000;
/// Nor does one that takes so long (milliseconds).
const END_MS: u64 = 60 * 60 * 1_000;

/// What came of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Played {
    /// Steps at which a tab could die.
    pub steps: u64,
    /// What the server has at the end, and how many conflicts and refused changes each device has.
    pub end: Vec<String>,
    /// What was not as it must be.
    pub violations: Vec<String>,
    /// What has happened, in words; empty when nobody wanted to hear it.
    pub story: Vec<String>,
}

impl Scenario {
    /// Plays it; at the step of that number, the tab dies.
    #[must_use]
    pub fn play(&self, crash_at: Option<u64>, is_told: bool) -> Played {
        let world = World::new(SEED, is_told);
        world.faults.end();
        world.auto.set(Auto::default());
        world.crash.set(crash_at);
        let done = Rc::new(std::cell::Cell::new(false));
        let (own, over, deeds) = (Rc::clone(&world), Rc::clone(&done), self.deeds.clone());
        world.executor.spawn(WORLD, async move {
            stage::play(&own, deeds).await;
            over.set(true);
        });
        while !done.get() && world.executor.steps() < STEPS_MAX && world.executor.step(END_MS).is_some() {
            if let Some(process) = world.crash.take() {
                stage::die(&world, process);
            }
        }
        if !done.get() {
            world.judge.violation("the story does not end".to_owned());
        }
        let steps = world.crash.seen();
        world.crash.set(None);
        let end = stage::look(&world);
        let played = Played { steps, end, violations: world.judge.violations(), story: world.judge.story() };
        world.end();
        played
    }
}
