//! The surface that the npm package wraps: conversions and nothing else.

mod call;
mod dto;
mod engine;
mod moving;
mod options;
mod records;
mod session;
mod syncing;

pub use dto::{ConfirmedDto, ErrorDto, EventDto, ProgressDto, StatusDto};
pub use engine::Engine;
pub use options::{AutoDto, EveryDto, OpenDto};
