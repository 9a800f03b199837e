//! Whimbrel in a world made from a seed: one to five devices with one to three tabs each run the real engine, over a network that fails in
//! every way, against the real server's rules. A judge who knows neither looks at what came of it.
//!
//! ```text
//! person ─► engine ─► storage in memory          chaos: crashes, freezes, wipes, wrong clocks
//!              │ ▲
//!           network: drops, doubles, delays      judge: hears the engine, reads the server's history
//!              │ ▲
//!           router ─► rules ─► database in memory
//! ```
//!
//! **Invariant:** a seed has one story. Time, chance and the order of tasks come from [`Executor`](executor) and [`Dice`](dice) only.

mod app;
mod chaos;
mod crash;
mod device;
mod dice;
mod executor;
mod fault;
mod judge;
mod network;
mod operator;
mod origin;
mod outside;
mod pairs;
mod person;
mod platform;
mod scenario;
mod world;

pub use fault::{Fault, Faults};
pub use outside::{CONFIGURATION, Outside, Served};
pub use scenario::{Played, Scenario};
pub use world::{Outcome, run, run_on};
