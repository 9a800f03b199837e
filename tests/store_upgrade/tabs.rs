//! Tabs of different versions at the same time.

use std::cell::RefCell;
use std::rc::Rc;

use futures_executor::block_on;
use serde_json::json;
use whimbrel::error::Code;
use whimbrel::memory::MemoryStorage;
use whimbrel::ports::Storage;
use whimbrel_protocol::Op;

use crate::contents;
use crate::versions::{Device, NEWEST, open};

#[test]
fn an_older_tab_notices_with_its_next_write_and_writes_nothing() {
    block_on(async {
        let disk = MemoryStorage::new();
        let old = Device::open(&disk, 1).await;
        let ends: Rc<RefCell<Vec<String>>> = Rc::default();
        let ear = Rc::clone(&ends);
        old.store.on_end(Box::new(move |why| ear.borrow_mut().push(why.to_string())));
        old.create("a", "Pump", 4).await.unwrap();
        let now = Device::open(&disk, NEWEST).await;
        let before = contents(&disk).await;
        assert_eq!(old.create("b", "Roof", 6).await.unwrap_err().code(), Code::StoreNewer);
        assert_eq!(old.store.get_json("workOrder", "a").await.unwrap_err().code(), Code::StoreNewer);
        assert_eq!(old.store.catch_up().await.unwrap_err().code(), Code::StoreNewer);
        assert_eq!(contents(&disk).await, before);
        assert_eq!(*ends.borrow(), ["store/newer: the store has version 4 of the schema, this app has version 1"]);
        assert_eq!(now.all("job").await, json!([{"id": "a", "name": "Pump", "floor": 2.0, "state": "open"}]));
    });
}

#[test]
fn an_older_tab_notices_when_it_looks() {
    block_on(async {
        let disk = MemoryStorage::new();
        let old = Device::open(&disk, 2).await;
        open(&disk, 3).await.unwrap();
        assert_eq!(old.store.catch_up().await.unwrap_err().code(), Code::StoreNewer);
    });
}

/// An old tab writes all the time while a new one converts: every write that was acknowledged is there in the new words, and no other.
#[test]
fn what_an_older_tab_wrote_before_it_was_stopped_is_converted() {
    block_on(async {
        for delay in [0, 5, 20, 100] {
            let disk = MemoryStorage::new();
            let old = Device::open(&disk, 1).await;
            let rows: Vec<String> = (0..5_000).map(|number| format!("{number:05}")).collect();
            let rows: Vec<(&str, &str, i64)> = rows.iter().map(|id| (id.as_str(), "Pump", 2)).collect();
            old.pull(&rows).await;
            let mut saved = 1;
            let writes = async {
                for number in 0..500_i64 {
                    if number % 20 == 0 {
                        // Whoever never rests is always first.
                        pause(&disk, 5).await;
                    }
                    let floor = json!({"floor": (number * 2).to_string()});
                    match old.write(Op::Update, "workOrder", "04999", floor).await {
                        Ok(()) => saved = number,
                        Err(error) => {
                            assert_eq!(error.code(), Code::StoreNewer);
                            return;
                        }
                    }
                }
                panic!("nobody stopped it");
            };
            let upgrade = async {
                pause(&disk, delay).await;
                open(&disk, NEWEST).await.unwrap()
            };
            let ((), _) = futures_util::future::join(writes, upgrade).await;
            let now = Device::open(&disk, NEWEST).await;
            let row = now.store.get_json("job", "04999").await.unwrap().unwrap();
            let floor = serde_json::from_str::<serde_json::Value>(&row).unwrap()["floor"].as_f64().unwrap();
            assert!((floor - saved as f64).abs() < 0.1, "{floor} and not {saved}");
        }
    });
}

/// Lets others go on.
async fn pause(disk: &MemoryStorage, times: u32) {
    for _ in 0..times {
        disk.connect().log(u64::MAX).await.unwrap();
    }
}

#[test]
fn two_new_tabs_upgrade_together() {
    block_on(async {
        let disk = MemoryStorage::new();
        let old = Device::open(&disk, 1).await;
        let rows: Vec<String> = (0..5_000).map(|number| format!("{number:05}")).collect();
        let rows: Vec<(&str, &str, i64)> = rows.iter().map(|id| (id.as_str(), "Pump", 2)).collect();
        old.pull(&rows).await;
        old.create("a", "New", 4).await.unwrap();
        let (one, two) = futures_util::future::join(open(&disk, NEWEST), open(&disk, NEWEST)).await;
        for store in [one.unwrap(), two.unwrap()] {
            store.catch_up().await.unwrap();
            let row = store.get_json("job", "04999").await.unwrap().unwrap();
            assert_eq!(row, r#"{"id":"04999","name":"Pump","floor":1.0,"state":"open"}"#);
            let row = store.get_json("job", "a").await.unwrap().unwrap();
            assert_eq!(row, r#"{"id":"a","name":"New","floor":2.0,"state":"open"}"#);
        }
    });
}
