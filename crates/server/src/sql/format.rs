//! The format of the server's own tables: a number that the database keeps, and what brings an older one up.
//!
//! ```text
//! found      nothing      1 … FORMAT - 1               FORMAT          above
//!            made anew    each step, in one            used as         refused, nothing
//!                         transaction with attaching   it is           is touched
//! ```
//!
//! **Invariant:** a step that was released is never changed; the next one is added behind it.

use super::AttachError;

/// What this server makes and uses.
pub(crate) const FORMAT: usize = 2;

/// A change of the tables that is the same for all back ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// To 2: there is a secret that signs cursors. Those of before are not signed, so their clients begin anew.
    CursorKey,
}

/// From 1 to 2, from 2 to 3, and so on.
const STEPS: [Step; FORMAT - 1] = [Step::CursorKey];

/// The steps from the format that was found; tables that say nothing are of the first one.
pub(crate) fn steps_from(noted: Option<&str>) -> Result<&'static [Step], AttachError> {
    let found = noted.map_or(Some(1), |text| text.parse::<usize>().ok()).unwrap_or(usize::MAX);
    STEPS.get(found.saturating_sub(1)..).ok_or(AttachError::Newer { known: FORMAT })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_ones_are_brought_up_and_newer_ones_refused() {
        assert_eq!(steps_from(None).unwrap(), [Step::CursorKey]);
        assert_eq!(steps_from(Some("1")).unwrap(), [Step::CursorKey]);
        assert!(steps_from(Some("2")).unwrap().is_empty());
        for newer in ["3", "99", "of tomorrow"] {
            assert!(matches!(steps_from(Some(newer)), Err(AttachError::Newer { known: FORMAT })), "{newer}");
        }
    }
}
