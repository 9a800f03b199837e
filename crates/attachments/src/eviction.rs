//! What leaves when there is more than the budget allows: what was wanted longest ago.
//!
//! **Invariant:** only what the server has. What is not uploaded counts in the sum and stays, however large it is.

use crate::Entry;

/// The contents that leave, the least recently wanted first. Those that are `busy` stay.
#[must_use]
pub fn to_evict<'a>(entries: &'a [Entry], budget: u64, busy: &[String]) -> Vec<&'a str> {
    let mut stored: u64 = entries.iter().map(|entry| entry.size).sum();
    let mut candidates: Vec<&Entry> =
        entries.iter().filter(|entry| entry.is_uploaded && !busy.contains(&entry.address)).collect();
    candidates.sort_by(|a, b| (a.used_at, &a.address).cmp(&(b.used_at, &b.address)));
    let mut leaving = Vec::new();
    for entry in candidates {
        if stored <= budget {
            break;
        }
        stored = stored.saturating_sub(entry.size);
        leaving.push(entry.address.as_str());
    }
    leaving
}
