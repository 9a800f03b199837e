//! Times, memory, and how busy the machine is.

use std::fs;
use std::time::Duration;

/// Durations, of which some quantiles are of interest.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn print(&mut self, what: &str) {
        self.0.sort_unstable();
        let at = |share: f64| {
            let place = (self.0.len().saturating_sub(1) as f64 * share).round() as usize;
            self.0.get(place).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
        };
        println!(
            "{what}: {} requests, p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            self.0.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}

/// The most that a process has had in memory since [`forget_peak`], in MiB.
pub(crate) fn peak_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
}

pub(crate) fn forget_peak(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
}

pub(crate) fn load_average() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    let numbers: Vec<&str> = load.split_whitespace().take(3).collect();
    format!("load average {}", numbers.join(", "))
}

pub(crate) fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
