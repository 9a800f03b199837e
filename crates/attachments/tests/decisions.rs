//! The decisions, against what must always hold.

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

use proptest::prelude::*;
use whimbrel_attachments::{BACKOFF_CAP_MS, Entry, Failure, Lane, Next, backoff_ms, to_evict};

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = (0..100_u64, any::<bool>(), 0..20_i64, 0..20_i64);
    prop::collection::vec(entry, 0..12).prop_map(|entries| {
        let numbered = entries.into_iter().enumerate();
        let made = numbered.map(|(number, (size, is_uploaded, added_at, used_at))| Entry {
            address: format!("sha256-{number}"),
            size,
            is_uploaded,
            added_at,
            used_at,
        });
        made.collect()
    })
}

fn sum<'a>(entries: impl Iterator<Item = &'a Entry>) -> u64 {
    entries.map(|entry| entry.size).sum()
}

proptest! {
    #[test]
    fn r17_eviction_never_takes_what_is_not_uploaded(entries in entries(), budget in 0..600_u64, busy in 0..12_usize) {
        let busy = [format!("sha256-{busy}")];
        let leaving = to_evict(&entries, budget, &busy);
        let find = |address: &str| entries.iter().find(|entry| entry.address == address).unwrap();
        prop_assert!(leaving.iter().all(|address| find(address).is_uploaded && !busy.contains(&(*address).to_owned())));
        let stays = |entry: &&Entry| !leaving.contains(&entry.address.as_str());
        let left = sum(entries.iter().filter(stays));
        let could_leave = |entry: &Entry| entry.is_uploaded && !busy.contains(&entry.address);
        prop_assert!(left <= budget || !entries.iter().filter(stays).any(could_leave), "no more than the budget, if it can be");
        // Nothing that was wanted later leaves while something stays that was wanted earlier.
        let latest = leaving.iter().map(|address| find(address).used_at).max();
        let kept = entries.iter().filter(stays).filter(|entry| could_leave(entry)).map(|entry| entry.used_at).min();
        prop_assert!(latest.zip(kept).is_none_or(|(latest, kept)| latest <= kept));
        if let Some(last) = leaving.last() {
            prop_assert!(left + find(last).size > budget, "the last one had to leave as well");
        }
    }

    /// Uploads with failures of every kind: whoever is told to be next is ready, and in the end everything has its end.
    #[test]
    fn r18_a_content_that_fails_delays_no_other(entries in entries(), fates in prop::collection::vec(0..5_u8, 0..40)) {
        let mut entries = entries;
        let referred: Vec<String> = entries.iter().skip(1).map(|entry| entry.address.clone()).collect();
        let (mut lane, mut now, mut refused) = (Lane::default(), 0_i64, Vec::new());
        for fate in fates {
            let waiting = |entry: &&Entry| !entry.is_uploaded && referred.contains(&entry.address);
            match lane.next(&entries, &referred, now) {
                Next::Upload(address) => {
                    let address = address.to_owned();
                    let entry = entries.iter_mut().find(|entry| entry.address == address).unwrap();
                    prop_assert!(!entry.is_uploaded && referred.contains(&address) && !refused.contains(&address));
                    match fate {
                        0 | 1 => {
                            entry.is_uploaded = true;
                            lane.ended(&address);
                        }
                        2 => lane.failed(&address, Failure::Temporary { retry_after_ms: 0 }, now, |max| max),
                        3 => lane.failed(&address, Failure::Unreferenced, now, |max| max),
                        _ => {
                            lane.failed(&address, Failure::Refused, now, |max| max);
                            refused.push(address);
                        }
                    }
                }
                Next::Wait(at) => {
                    prop_assert!(at > now && at <= now + BACKOFF_CAP_MS as i64);
                    now = at;
                }
                Next::Nothing => {
                    prop_assert!(entries.iter().filter(waiting).all(|entry| refused.contains(&entry.address) || lane.next(&entries, &referred, i64::MAX) == Next::Nothing));
                    lane.synced();
                }
            }
        }
        // From here on everything succeeds.
        for _ in 0..entries.len() * 3 {
            match lane.next(&entries, &referred, now) {
                Next::Upload(address) => {
                    let address = address.to_owned();
                    entries.iter_mut().find(|entry| entry.address == address).unwrap().is_uploaded = true;
                    lane.ended(&address);
                }
                Next::Wait(at) => now = at,
                Next::Nothing => lane.synced(),
            }
        }
        for entry in entries.iter().filter(|entry| !entry.is_uploaded) {
            prop_assert!(!referred.contains(&entry.address) || refused.contains(&entry.address), "{entry:?} was forgotten");
        }
    }

    #[test]
    fn the_backoff_is_that_of_the_rows(attempts in 1..40_u32, retry_after in 0..100_000_u64, part in 0..=100_u64) {
        let draw = |max: u64| max * part / 100;
        let engine = whimbrel::sync::backoff_ms(attempts, whimbrel::model::Backoff::default(), Some(retry_after), draw);
        prop_assert_eq!(backoff_ms(attempts, retry_after, draw), engine);
    }
}

#[test]
fn a_refused_one_waits_until_the_app_asks_again() {
    let entry = Entry { address: "a".to_owned(), size: 1, is_uploaded: false, added_at: 0, used_at: 0 };
    let (entries, referred) = ([entry], ["a".to_owned()]);
    let mut lane = Lane::default();
    assert_eq!(lane.next(&entries, &[], 0), Next::Nothing, "no row refers to it");
    assert_eq!(lane.next(&entries, &referred, 0), Next::Upload("a"));
    lane.failed("a", Failure::Refused, 0, |max| max);
    lane.synced();
    assert_eq!((lane.next(&entries, &referred, i64::MAX), lane.is_refused("a")), (Next::Nothing, true));
    lane.retry_now();
    assert_eq!((lane.next(&entries, &referred, 0), lane.is_refused("a")), (Next::Upload("a"), false));
    lane.failed("a", Failure::Temporary { retry_after_ms: 90_000 }, 5, |_| 0);
    assert_eq!(lane.next(&entries, &referred, 5), Next::Wait(90_005));
    lane.synced();
    assert_eq!(lane.next(&entries, &referred, 5), Next::Upload("a"));
}
