//! The surface that the npm package wraps: conversions and nothing else.

mod dto;
mod engine;
mod session;

pub use dto::{AutoDto, ConfirmedDto, ErrorDto, EventDto, EveryDto, OpenDto, ProgressDto, StatusDto};
pub use engine::Engine;
