//! What the app is told.

use crate::error::Error;
use crate::store::Confirmation;
use crate::sync::Notice;

/// One piece of news.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// Of the sync.
    Sync(Notice),
    /// Changes have come to their end; at least one.
    Confirmed(Vec<Confirmation>),
    /// Changes of a store that was lost, or damaged, have been taken over; or there was less damage than that.
    Recovered,
    /// Something a developer should see.
    Report(Report),
    /// The engine has ended by itself, and why: the last piece of news there is.
    Ended(Error),
}

/// Something a developer should see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whether data or sync is at risk; a warning otherwise.
    pub grave: bool,
    /// What it is.
    pub error: Error,
}
