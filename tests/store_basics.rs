//! The store by example: what one transaction, two tabs, a failing storage and a cold start come to.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_executor::block_on;
use futures_util::future::join_all;
use whimbrel::error::{Code, Error};
use whimbrel::memory::{Call, Fault, MemoryStorage};
use whimbrel::model::{Entity, Field, FieldType, Row, Schema, Value};
use whimbrel::ports::Durability;
use whimbrel::store::{Interrupt, MapId, Read, Store, Txn};

fn schema() -> Schema {
    let field =
        |name: &str, kind, index| Field { name: name.to_owned(), kind, optional: true, index, ..Field::default() };
    let fields = vec![field("title", FieldType::text(None), true), field("count", FieldType::Integer, false)];
    let entity = Entity { name: "order".to_owned(), fields, ..Entity::default() };
    Schema { version: 1, entities: vec![entity], ..Schema::default() }
}

async fn open(disk: &MemoryStorage) -> Store<MemoryStorage> {
    Store::open(disk.connect(), schema(), Durability::Relaxed, None).await.unwrap()
}

fn row(title: &str, count: i64) -> Row {
    Row { version: 1, values: vec![Value::Text(title.to_owned()), Value::Integer(count)], ..Row::default() }
}

async fn get(store: &Store<MemoryStorage>, key: &str) -> Option<String> {
    let bytes = store.read(|view| view.read(MapId::SYSTEM, key.as_bytes())).await.unwrap();
    bytes.map(|bytes| String::from_utf8(bytes).unwrap())
}

fn put(txn: &mut Txn<'_>, key: &str, value: &str) {
    txn.put(MapId::SYSTEM, key.as_bytes(), value.as_bytes().to_vec());
}

#[test]
fn a_transaction_is_there_after_it_and_after_a_reload() {
    block_on(async {
        let disk = MemoryStorage::new();
        let store = open(&disk).await;
        let before = store.seq();
        let committed = store
            .transact(|txn| {
                put(txn, "a", "1");
                assert_eq!(txn.read(MapId::SYSTEM, b"a")?, Some(b"1".to_vec()));
                txn.put_row("order", "x", &row("Pump", 4))?;
                Ok(5)
            })
            .await
            .unwrap();
        assert_eq!((committed.value, committed.seq), (5, before + 1));
        for store in [store, open(&disk).await] {
            assert_eq!(get(&store, "a").await.as_deref(), Some("1"));
            let found = store.read(|view| view.row("order", "x")).await.unwrap();
            assert_eq!(found, Some(row("Pump", 4)));
        }
    });
}

#[test]
fn a_closure_that_fails_harms_only_itself() {
    block_on(async {
        let disk = MemoryStorage::new();
        let store = open(&disk).await;
        disk.set_delay(10);
        let good = |key: &'static str| {
            let store = store.clone();
            async move {
                store
                    .transact(|txn| {
                        put(txn, key, "1");
                        Ok(())
                    })
                    .await
            }
        };
        let bad = store.transact(|txn| {
            put(txn, "bad", "1");
            Err::<(), _>(Interrupt::from(Error::new(Code::RowExists, "no")))
        });
        let before = store.seq();
        let (first, bad, second, third) = block_join(good("a"), bad, good("b"), good("c")).await;
        assert_eq!(bad.unwrap_err().code(), Code::RowExists);
        assert_eq!((first.unwrap().seq, second.unwrap().seq, third.unwrap().seq), (before + 1, before + 2, before + 2));
        assert_eq!((get(&store, "bad").await, get(&store, "c").await.as_deref()), (None, Some("1")));
    });
}

async fn block_join<A, B, C, D>(
    a: impl Future<Output = A>,
    b: impl Future<Output = B>,
    c: impl Future<Output = C>,
    d: impl Future<Output = D>,
) -> (A, B, C, D) {
    let (mut a, mut b, mut c, mut d) = (std::pin::pin!(a), std::pin::pin!(b), std::pin::pin!(c), std::pin::pin!(d));
    let (mut done_a, mut done_b, mut done_c, mut done_d) = (None, None, None, None);
    std::future::poll_fn(|context| {
        use std::task::Poll;
        macro_rules! go {
            ($future:ident, $done:ident) => {
                if $done.is_none()
                    && let Poll::Ready(output) = $future.as_mut().poll(context)
                {
                    $done = Some(output);
                }
            };
        }
        go!(a, done_a);
        go!(b, done_b);
        go!(c, done_c);
        go!(d, done_d);
        if done_a.is_some() && done_b.is_some() && done_c.is_some() && done_d.is_some() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    (done_a.unwrap(), done_b.unwrap(), done_c.unwrap(), done_d.unwrap())
}

#[test]
fn two_tabs_are_one_store() {
    block_on(async {
        let disk = MemoryStorage::new();
        let (one, two) = (open(&disk).await, open(&disk).await);
        for number in 0..20 {
            let store = if number % 3 == 0 { &one } else { &two };
            let add = |txn: &mut Txn<'_>| {
                let count = txn.read(MapId::SYSTEM, b"n")?.map_or(0, |bytes| bytes.len());
                put(txn, "n", &"x".repeat(count + 1));
                Ok(())
            };
            store.transact(add).await.unwrap();
        }
        one.catch_up().await.unwrap();
        two.catch_up().await.unwrap();
        assert_eq!(get(&one, "n").await, Some("x".repeat(20)));
        assert_eq!(get(&two, "n").await, Some("x".repeat(20)));
        assert_eq!(one.seq(), two.seq());
    });
}

#[test]
fn a_storage_that_fails_leaves_the_store_as_it_was() {
    block_on(async {
        let disk = MemoryStorage::new();
        let store = open(&disk).await;
        let error = || Error::new(Code::StoreQuota, "full");
        for (fault, is_there) in [(Fault::Before(error()), false), (Fault::After(error()), true)] {
            let mut fault = Some(fault);
            let (is_blind, blind) = (Rc::new(Cell::new(true)), Fault::Before(error()));
            let sees = Rc::clone(&is_blind);
            disk.on_call(move |call| match call {
                Call::Commit => fault.take(),
                Call::Log if is_blind.get() => Some(blind.clone()),
                _ => None,
            });
            let write = |txn: &mut Txn<'_>| {
                put(txn, "a", "1");
                Ok(())
            };
            assert_eq!(store.transact(write).await.unwrap_err().code(), Code::StoreQuota);
            assert_eq!(get(&store, "a").await, None, "where it cannot be learned, what is known will do");
            sees.set(false);
            // Whether it happened all the same is learned before anything else is read or written.
            assert_eq!(get(&store, "a").await.is_some(), is_there);
            let seen = store.transact(|txn| Ok(txn.read(MapId::SYSTEM, b"a")?.is_some())).await.unwrap().value;
            assert_eq!(seen, is_there);
        }
    });
}

#[test]
fn a_closed_store_says_so() {
    block_on(async {
        let store = open(&MemoryStorage::new()).await;
        store.close().await;
        assert_eq!(store.read(|_| Ok(())).await.unwrap_err().code(), Code::StoreClosed);
        assert_eq!(store.transact(|_| Ok(())).await.unwrap_err().code(), Code::StoreClosed);
        assert_eq!(store.catch_up().await.unwrap_err().code(), Code::StoreClosed);
    });
}

#[test]
fn a_new_index_is_built_over_what_is_there() {
    block_on(async {
        let disk = MemoryStorage::new();
        let store = open(&disk).await;
        let write = |txn: &mut Txn<'_>| {
            txn.put_row("order", "x", &row("a", 2))?;
            txn.put_row("order", "y", &row("b", 1))
        };
        store.transact(write).await.unwrap();
        let mut newer = schema();
        newer.entities[0].fields[1].index = true;
        newer.entities[0].fields.reverse();
        let newer = Store::open(disk.connect(), newer, Durability::Relaxed, None).await.unwrap();
        let keys = newer.read(|view| view.keys_with_prefix(MapId(18), &[])).await.unwrap();
        assert_eq!(keys.len(), 2);
        assert!(keys[0].ends_with(b"y\0") && keys[1].ends_with(b"x\0"));
        let found = newer.read(|view| view.row("order", "x")).await.unwrap().unwrap();
        assert_eq!(found.values, [Value::Integer(2), Value::Text("a".to_owned())]);
        // The tab with the older schema keeps the newer one's index.
        store.transact(|txn| txn.put_row("order", "z", &row("c", 0))).await.unwrap();
        newer.catch_up().await.unwrap();
        let keys = newer.read(|view| view.keys_with_prefix(MapId(18), &[])).await.unwrap();
        assert!(keys.len() == 3 && keys[0].ends_with(b"z\0"));
    });
}

#[test]
fn many_writes_that_nobody_awaits_are_few_commits() {
    block_on(async {
        let disk = MemoryStorage::new();
        let store = open(&disk).await;
        disk.set_delay(50);
        let before = store.seq();
        let write = |number: u32| {
            store.transact(move |txn| {
                txn.put(MapId::OUTBOX, &number.to_be_bytes(), vec![1]);
                Ok(())
            })
        };
        let done = join_all((0..500).map(write)).await;
        assert!(done.iter().all(Result::is_ok));
        assert_eq!(store.seq(), before + 2);
        let items = store.read(|view| view.items(MapId::OUTBOX)).await.unwrap();
        assert_eq!(items.len(), 500);
    });
}

/// Polls a future so many times, then drops it.
async fn poll_and_drop(future: impl Future, times: usize) {
    let mut future = std::pin::pin!(future);
    let mut left = times;
    std::future::poll_fn(|context| {
        if left == 0 || future.as_mut().poll(context).is_ready() {
            return std::task::Poll::Ready(());
        }
        left -= 1;
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

#[test]
fn a_caller_that_goes_away_leaves_nothing_half_done() {
    block_on(async {
        for times in 0..12 {
            let disk = MemoryStorage::new();
            let store = open(&disk).await;
            disk.set_delay(3);
            let write = |key: &'static str| {
                store.transact(move |txn| {
                    put(txn, key, "1");
                    let count = txn.read(MapId::SYSTEM, b"n")?.map_or(0, |bytes| bytes.len());
                    put(txn, "n", &"x".repeat(count + 1));
                    Ok(())
                })
            };
            let (_, (), done, _) =
                block_join(write("a"), poll_and_drop(write("b"), times), write("c"), write("d")).await;
            done.unwrap();
            write("e").await.unwrap();
            let again = open(&disk).await;
            let is_there = |key| get(&again, key);
            let mut count = 0;
            for key in ["a", "b", "c", "d", "e"] {
                count += usize::from(is_there(key).await.is_some());
            }
            assert!(count >= 4);
            assert_eq!(get(&again, "n").await, Some("x".repeat(count)), "after {times} polls");
        }
    });
}

#[test]
fn a_bad_page_is_named_and_taken_out() {
    block_on(async {
        for is_lost in [true, false] {
            let disk = MemoryStorage::new();
            let store = open(&disk).await;
            store.transact(|txn| txn.put_row("order", "x", &row("a", 1))).await.unwrap();
            store.compact().await.unwrap();
            let page = disk.page_ids()[0];
            let cold = Store::open(disk.connect(), schema(), Durability::Relaxed, Some(0)).await.unwrap();
            if is_lost {
                disk.lose(page);
            } else {
                disk.damage(page, |bytes| bytes[20] ^= 1);
            }
            assert_eq!(cold.read(|view| view.row("order", "x")).await, Ok(None));
            let trouble = cold.take_trouble().unwrap();
            let expected = format!("page {page} is damaged or lost; what it held is fetched again: order");
            assert_eq!((trouble.code(), trouble.detail()), (Code::StoreCorrupt, expected.as_str()));
            assert!(disk.page_ids().is_empty(), "nothing else was there");
            cold.transact(|txn| txn.put_row("order", "x", &row("b", 2))).await.unwrap();
            let again = Store::open(disk.connect(), schema(), Durability::Relaxed, None).await.unwrap();
            assert_eq!(again.read(|view| view.row("order", "x")).await, Ok(Some(row("b", 2))));
        }
    });
}

#[test]
fn everybody_is_told_of_a_commit() {
    block_on(async {
        let disk = MemoryStorage::new();
        let (one, two) = (open(&disk).await, open(&disk).await);
        let told = Rc::new(RefCell::new(Vec::new()));
        for (name, store) in [("one", &one), ("two", &two)] {
            let told = Rc::clone(&told);
            store.on_change(Box::new(move |change| told.borrow_mut().push((name, change.seq, change.is_own))));
        }
        let seq = one.transact(|txn| txn.put_row("order", "x", &row("a", 1))).await.unwrap().seq;
        two.catch_up().await.unwrap();
        two.catch_up().await.unwrap();
        assert_eq!(*told.borrow(), [("one", seq, true), ("two", seq, false)]);
    });
}
