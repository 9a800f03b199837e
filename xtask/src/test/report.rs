//! The end of a test run: what passed, what did not, and how to see it again.

use std::fmt;
use std::time::Duration;

use super::step::Step;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed {
        time: Duration,
    },
    Failed {
        time: Duration,
    },
    /// Not run, because an earlier step failed.
    Skipped,
}

/// The steps so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    steps: Vec<(Step, Outcome)>,
}

impl Report {
    pub(super) fn add(&mut self, step: Step, outcome: Outcome) {
        self.steps.push((step, outcome));
    }

    pub(super) fn has_failed(&self) -> bool {
        self.count(|outcome| matches!(outcome, Outcome::Failed { .. })) > 0
    }

    fn count(&self, is_counted: impl Fn(Outcome) -> bool) -> usize {
        self.steps.iter().filter(|(_, outcome)| is_counted(*outcome)).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "\n=== summary")?;
        for (step, outcome) in &self.steps {
            let name = step.name();
            match outcome {
                Outcome::Passed { time } => writeln!(formatter, "{name:<12} passed  {:>7.1} s", time.as_secs_f64())?,
                Outcome::Failed { time } => {
                    writeln!(formatter, "{name:<12} FAILED  {:>7.1} s", time.as_secs_f64())?;
                    writeln!(formatter, "{:<12} again:  cargo xtask test --only {name}", "")?;
                }
                Outcome::Skipped => writeln!(formatter, "{name:<12} skipped")?,
            }
        }
        let passed = self.count(|outcome| matches!(outcome, Outcome::Passed { .. }));
        let failed = self.count(|outcome| matches!(outcome, Outcome::Failed { .. }));
        let skipped = self.count(|outcome| outcome == Outcome::Skipped);
        write!(formatter, "{passed} passed, {failed} failed")?;
        if skipped > 0 {
            write!(formatter, ", {skipped} skipped")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Report, Step};
    use std::time::Duration;

    #[test]
    fn a_failed_run_ends_with_the_way_to_repeat_it_and_the_totals() {
        let time = Duration::from_millis(1250);
        let mut report = Report::default();
        report.add(Step::Fmt, Outcome::Passed { time });
        assert!(!report.has_failed());
        report.add(Step::Clippy, Outcome::Failed { time });
        report.add(Step::Size, Outcome::Skipped);
        assert!(report.has_failed());
        let expected = "
=== summary
fmt          passed      1.2 s
clippy       FAILED      1.2 s
             again:  cargo xtask test --only clippy
size         skipped
1 passed, 1 failed, 1 skipped";
        assert_eq!(report.to_string(), expected);
    }

    #[test]
    fn a_run_without_failures_ends_with_its_totals() {
        let mut report = Report::default();
        report.add(Step::Fmt, Outcome::Passed { time: Duration::ZERO });
        assert!(report.to_string().ends_with("\n1 passed, 0 failed"));
    }
}
