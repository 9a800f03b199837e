//! The surface that the npm package wraps: conversions and nothing else.

mod dto;
mod engine;
mod options;
mod session;

pub use dto::{ConfirmedDto, ErrorDto, EventDto, ProgressDto, StatusDto};
pub use engine::Engine;
pub use options::{AutoDto, EveryDto, OpenDto};
