//! The contract of the storage port, on the storage in memory.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod storage_contract;

use std::cell::RefCell;
use std::collections::BTreeMap;

use futures_executor::block_on;
use whimbrel::memory::MemoryStorage;

#[test]
fn memory_keeps_the_contract() {
    let disks = RefCell::new(BTreeMap::<String, MemoryStorage>::new());
    block_on(storage_contract::run_all(async |name: &str| {
        disks.borrow_mut().entry(name.to_owned()).or_default().connect()
    }));
}
