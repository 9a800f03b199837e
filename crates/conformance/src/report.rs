//! What came of a run.

use std::fmt;

/// What came of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// The names of the cases that went as they should.
    pub passed: Vec<&'static str>,
    /// Those that did not.
    pub failed: Vec<Failed>,
    /// How many were not tried, because there was no token of a second user.
    pub left_out: usize,
}

/// A case that did not go as the protocol says.
#[derive(Debug)]
pub struct Failed {
    /// Its name.
    pub name: &'static str,
    /// The rule of docs/PROTOCOL.md that is broken.
    pub rule: &'static str,
    /// What was wrong.
    pub what: String,
    /// What was sent and answered last.
    pub talk: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.passed {
            writeln!(formatter, "passed  {name}")?;
        }
        for Failed { name, rule, what, talk } in &self.failed {
            writeln!(formatter, "FAILED  {name}")?;
            writeln!(formatter, "        PROTOCOL.md, {rule}")?;
            writeln!(formatter, "        {what}")?;
            for said in talk {
                writeln!(formatter, "          {}", said.replace('\n', "\n          "))?;
            }
        }
        if self.left_out > 0 {
            writeln!(formatter, "{} cases of two users were left out: --other-token", self.left_out)?;
        }
        write!(formatter, "{} passed, {} failed", self.passed.len(), self.failed.len())
    }
}
