//! The lines that set-up prints: one for each tool, in columns.

use std::fmt::Display;

use crate::say::say;

/// The tool was there.
pub(super) fn present(tool: &str, detail: impl Display) {
    say!("  {tool:<24} present    {detail}");
}

/// The tool is missing and is about to be installed.
pub(super) fn installing(tool: &str, why: impl Display) {
    say!("  {tool:<24} installing {why}");
}

/// The tool was missing and is there now.
pub(super) fn installed(tool: &str, detail: impl Display) {
    say!("  {tool:<24} installed  {detail}");
}
