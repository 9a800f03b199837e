//! The store against a simple model, under random writes, loads, compaction, other tabs, small caches, a failing storage and killed tabs.
//!
//! A failing case is printed as the list of what happened; `property/mod.rs` says how many there are and how to see one again.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

#[path = "store_model/after.rs"]
mod after;
#[path = "store_model/model.rs"]
mod model;
#[path = "store_model/ops.rs"]
mod ops;
mod property;
#[path = "store_model/tab.rs"]
mod tab;
#[path = "store_model/world.rs"]
mod world;

use std::cell::Cell;
use std::rc::Rc;

use futures_executor::block_on;
use serde_json::json;
use whimbrel::model::{Row, Value};

use after::after;
use ops::{Op, Story};
use tab::perform;
use world::{World, failing};

#[test]
fn the_store_is_what_the_model_is() {
    property::check(
        100,
        || ops::story(24),
        |story| {
            block_on(async {
                let mut world = World::new().await;
                for op in &story.0 {
                    world.happen(op).await;
                }
                world.check_all().await;
                world.tabs[0].compact().await.unwrap();
                world.check_all().await;
            });
        },
    );
}

/// Found by the test above: the state had moved on, the catalog could not be read, and nobody was told what had changed, not later either.
#[test]
fn a_tab_that_fails_while_it_catches_up_tells_what_has_changed() {
    block_on(async {
        for (call, happens) in (0..8).flat_map(|call| [(call, false), (call, true)]) {
            let mut world = World::new().await;
            let row = Row { buckets: vec![1], values: vec![Value::Null; model::FIELDS.len()], ..Row::default() };
            world.happen(&Op::Query { tab: 1, query: json!({ "where": {}, "orderBy": [] }) }).await;
            world.happen(&Op::Load { tab: 0, bucket: 1, rows: vec![(0, row)] }).await;
            world.happen(&Op::CompactAll { tab: 0 }).await;
            let write = Op::Write { tab: 1, writes: vec![ops::Write::PutPlain(0, Vec::new())], fails: false };
            world.happen(&Op::Hiccup { op: Box::new(write), call, happens }).await;
            world.check_all().await;
        }
    });
}

/// One story, broken off at each of its calls of the storage in turn: before the call happened, and after.
#[test]
fn every_call_of_the_storage_may_be_the_last() {
    property::check(
        1,
        || ops::calm_story(10),
        |story| {
            block_on(async {
                let calls = broken_off(&story, u32::MAX, false).await;
                for call in 0..calls {
                    broken_off(&story, call, false).await;
                    broken_off(&story, call, true).await;
                }
            });
        },
    );
}

/// Plays a story on a storage that is gone from its nth call on, looks at what is left, and answers how many calls there were.
async fn broken_off(story: &Story, call: u32, happens: bool) -> u32 {
    let mut world = World::new().await;
    let calls = Rc::new(Cell::new(0));
    let (counted, mut fails) = (Rc::clone(&calls), failing(happens, move |number| number >= call));
    world.disk.on_call(move |kind| {
        counted.set(counted.get() + 1);
        fails(kind)
    });
    let mut last = None;
    for op in &story.0 {
        match perform(&world.disk, &mut world.tabs, op).await {
            Ok(()) => world.model = after(&world.model, op),
            Err(error) => {
                assert!(call < calls.get(), "{op:?}: {error}");
                last = Some(op);
                break;
            }
        }
    }
    world.disk.heal();
    world.disk.set_delay(0);
    world.start().await;
    if let Some(op) = last {
        world.judge(op, false).await;
    }
    world.check_all().await;
    calls.get()
}
