//! Units that run by themselves, and when.

/// A unit: its place in the schema's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitId(pub u16);

/// Which units run by themselves, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Auto {
    /// When the store opens.
    pub start: Option<UnitId>,
    /// When the network comes back.
    pub online: Option<UnitId>,
    /// When the app comes back to the foreground.
    pub resume: Option<UnitId>,
    /// When somebody has signed in.
    pub login: Option<UnitId>,
    /// When a record was written.
    pub change: Option<UnitId>,
    /// In an interval.
    pub every: Option<Every>,
}

/// An interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Every {
    /// The unit that runs.
    pub unit: UnitId,
    /// Seconds from one run to the next.
    pub seconds: u32,
}
