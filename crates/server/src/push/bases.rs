//! Which bases say something: those that were versions here.
//!
//! After a database was restored from a backup, devices have versions of changes that are lost, and the same numbers are given to others. A base
//! that is newer than what the two histories have in common, or than the clock, is none: with `detectConflicts` the change meets the row that is
//! here, and people see both.

use std::borrow::Cow;

use whimbrel_protocol::{Change, Version};

/// The changes, without bases that are newer than that.
pub(super) fn known(changes: &[Change], newest: Version) -> Cow<'_, [Change]> {
    if !changes.iter().any(|change| change.base.is_some_and(|base| base > newest)) {
        return Cow::Borrowed(changes);
    }
    let cleared = |change: &Change| Change { base: change.base.filter(|base| *base <= newest), ..change.clone() };
    Cow::Owned(changes.iter().map(cleared).collect())
}
