//! Transactions over several calls: they read what they have written, and whatever runs beside them, in this tab or another one, they come out as
//! if one had run after the other.
//!
//! A failing case is printed as the list of what ran; `property/mod.rs` says how many there are and how to see one again.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod property;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::Poll;

use futures_executor::block_on;
use futures_util::future::{join, join_all};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use whimbrel::error::{Code, Error, Result};
use whimbrel::memory::MemoryStorage;
use whimbrel::model::{Entity, Field, FieldRef, FieldType, Query, Schema};
use whimbrel::ports::Durability;
use whimbrel::store::{LocalWrite, Store};
use whimbrel_protocol::Op;

type Tab = Store<MemoryStorage>;

fn schema() -> Schema {
    let kind = FieldType::Integer;
    let field = Field { name: "count".to_owned(), kind, optional: true, index: true, ..Field::default() };
    let entity = Entity { name: "box".to_owned(), fields: vec![field], ..Entity::default() };
    Schema { version: 1, entities: vec![entity], ..Schema::default() }
}

async fn open(disk: &MemoryStorage, cache: usize) -> Tab {
    Store::open(disk.connect(), schema(), Durability::Relaxed, Some(cache)).await.unwrap()
}

fn change(op: Op, id: &str, count: Option<i64>) -> LocalWrite {
    thread_local!(static LAST: Cell<u32> = const { Cell::new(0) });
    LAST.set(LAST.get() + 1);
    let fields = count.map_or(json!({}), |count| json!({ "count": count }));
    LocalWrite {
        op,
        entity: "box".to_owned(),
        id: id.to_owned(),
        fields: serde_json::from_value(fields).unwrap(),
        change: format!("change {}", LAST.get()),
        at: 0,
    }
}

async fn write(tab: &Tab, op: Op, id: &str, count: Option<i64>) -> Result<()> {
    tab.write(&[change(op, id, count)]).await.map(|_| ())
}

async fn get(tab: &Tab, id: &str) -> Result<Option<i64>> {
    let row = tab.get_json("box", id).await?;
    Ok(row.map(|row| serde_json::from_str::<Json>(&row).unwrap()["count"].as_i64().unwrap()))
}

fn below(count: i64) -> Query {
    Query::parse("box", &serde_json::from_value(json!({"where": {"count": {"lt": count}}})).unwrap(), &schema())
        .unwrap()
}

fn code<T>(result: Result<T>) -> Option<Code> {
    result.err().map(|error: Error| error.code())
}

#[test]
fn it_sees_what_it_writes_and_nobody_else_does_before_the_commit() {
    block_on(async {
        let disk = MemoryStorage::new();
        let (tab, other) = (open(&disk, 0).await, open(&disk, 0).await);
        write(&tab, Op::Create, "a", Some(1)).await.unwrap();
        let tx = tab.begin();
        write(&tx, Op::Create, "b", Some(2)).await.unwrap();
        write(&tx, Op::Update, "a", Some(5)).await.unwrap();
        assert_eq!((get(&tx, "a").await, get(&tx, "b").await), (Ok(Some(5)), Ok(Some(2))));
        assert_eq!((tx.count(below(9)).await, tx.count(below(5)).await), (Ok(2), Ok(1)));
        let (rows, _) = tx.query(&below(9)).await.unwrap();
        assert_eq!(rows, r#"[{"id":"a","count":5},{"id":"b","count":2}]"#);
        assert_eq!((get(&tab, "a").await, get(&tab, "b").await), (Ok(Some(1)), Ok(None)));
        write(&tx, Op::Delete, "b", None).await.unwrap();
        assert_eq!(get(&tx, "b").await, Ok(None));
        tx.commit().await.unwrap();
        other.catch_up().await.unwrap();
        for tab in [&tab, &other] {
            assert_eq!((get(tab, "a").await, get(tab, "b").await), (Ok(Some(5)), Ok(None)));
        }
        assert_eq!(tab.counts().await.unwrap().pending, 1);
    });
}

#[test]
fn it_is_all_or_nothing_and_leaves_no_trace_without_a_commit() {
    block_on(async {
        let disk = MemoryStorage::new();
        let tab = open(&disk, 0).await;
        let before = tab.seq();
        let tx = tab.begin();
        write(&tx, Op::Create, "a", Some(1)).await.unwrap();
        // What is refused is refused at the call, and takes nothing with it.
        assert_eq!(code(write(&tx, Op::Create, "a", Some(2)).await), Some(Code::RowExists));
        assert_eq!(code(write(&tx, Op::Update, "b", Some(2)).await), Some(Code::RowNotFound));
        let both = [change(Op::Create, "c", Some(1)), change(Op::Create, "a", None)];
        assert_eq!(code(tx.write(&both).await), Some(Code::RowExists));
        assert_eq!((get(&tx, "a").await, get(&tx, "c").await), (Ok(Some(1)), Ok(None)));
        drop(tx);
        assert_eq!((tab.seq(), get(&tab, "a").await), (before, Ok(None)));
    });
}

#[test]
fn what_was_read_and_then_changed_is_a_conflict_at_once() {
    block_on(async {
        let disk = MemoryStorage::new();
        let (tab, other) = (open(&disk, 0).await, open(&disk, 0).await);
        write(&tab, Op::Create, "a", Some(1)).await.unwrap();
        let tx = tab.begin();
        assert_eq!(get(&tx, "a").await, Ok(Some(1)));
        write(&tab, Op::Update, "a", Some(2)).await.unwrap();
        assert_eq!(code(get(&tx, "x").await), Some(Code::TransactionConflict));
        assert_eq!(code(write(&tx, Op::Create, "b", None).await), Some(Code::TransactionConflict));
        // Another tab's commit is found at the latest when it is to be committed.
        other.catch_up().await.unwrap();
        let tx = tab.begin();
        assert_eq!(tx.count(below(9)).await, Ok(1));
        write(&other, Op::Create, "c", Some(3)).await.unwrap();
        write(&tx, Op::Create, "b", Some(1)).await.unwrap();
        assert_eq!(code(tx.commit().await), Some(Code::TransactionConflict));
        assert_eq!(get(&tab, "b").await, Ok(None));
        assert_eq!(tab.begin().count(below(9)).await, Ok(2));
    });
}

#[test]
fn a_refusal_is_an_answer_that_counts_as_read() {
    block_on(async {
        let tab = open(&MemoryStorage::new(), 0).await;
        let tx = tab.begin();
        assert_eq!(code(write(&tx, Op::Update, "a", Some(1)).await), Some(Code::RowNotFound));
        write(&tx, Op::Create, "b", Some(1)).await.unwrap();
        write(&tab, Op::Create, "a", Some(1)).await.unwrap();
        assert_eq!(code(tx.commit().await), Some(Code::TransactionConflict));
    });
}

#[test]
fn a_write_that_does_not_fit_any_more_is_a_conflict_and_others_are_not_in_its_way() {
    block_on(async {
        let disk = MemoryStorage::new();
        let (tab, other) = (open(&disk, 0).await, open(&disk, 0).await);
        write(&tab, Op::Create, "a", Some(1)).await.unwrap();
        let tx = tab.begin();
        write(&tx, Op::Update, "a", Some(2)).await.unwrap();
        write(&other, Op::Delete, "a", None).await.unwrap();
        assert_eq!(code(tx.commit().await), Some(Code::TransactionConflict));
        let tx = tab.begin();
        assert_eq!(get(&tx, "b").await, Ok(None));
        write(&tx, Op::Create, "c", Some(2)).await.unwrap();
        write(&tab, Op::Create, "d", Some(3)).await.unwrap();
        write(&other, Op::Create, "e", Some(4)).await.unwrap();
        assert_eq!(get(&tx, "f").await, Ok(None));
        tx.commit().await.unwrap();
        assert_eq!(tab.count(below(9)).await, Ok(3));
    });
}

#[test]
fn those_that_are_committed_together_see_each_other() {
    block_on(async {
        let disk = MemoryStorage::new();
        let tab = open(&disk, 0).await;
        write(&tab, Op::Create, "a", Some(0)).await.unwrap();
        disk.set_delay(20);
        let add = || async {
            let tx = tab.begin();
            let count = get(&tx, "a").await?.unwrap();
            write(&tx, Op::Update, "a", Some(count + 1)).await?;
            tx.commit().await
        };
        // While this one is on its way, the others are planned to fly together.
        let (first, done) = join(write(&tab, Op::Create, "b", None), join_all((0..8).map(|_| add()))).await;
        first.unwrap();
        let committed = done.iter().filter(|done| done.is_ok()).count();
        assert_eq!((committed, get(&tab, "a").await), (1, Ok(Some(1))));
        assert!(done.into_iter().filter_map(code).all(|code| code == Code::TransactionConflict));
    });
}

const IDS: [&str; 4] = ["a", "b", "c", "d"];

/// A step of a program. What it reads goes into the program's number, and what it writes is that number.
#[derive(Debug, Clone)]
enum Step {
    Get(usize),
    Count(i64),
    /// How many there are, what they come to, and the least of them.
    Whole,
    Create(usize),
    Update(usize),
    Delete(usize),
    /// Lets others go on.
    Wait(u8),
}

/// What runs in a tab: a transaction, or a single write beside all of them.
#[derive(Debug, Clone)]
struct Program {
    tab: usize,
    steps: Vec<Step>,
    is_alone: bool,
}

fn mixed(number: i64, read: i64) -> i64 {
    (number * 31 + read).rem_euclid(10)
}

type Model = BTreeMap<&'static str, i64>;

/// What a program does when nothing runs beside it; the number it ends with.
fn model(model: &mut Model, program: &Program) -> i64 {
    let mut number = 1;
    for step in &program.steps {
        let read = match *step {
            Step::Get(id) => model.get(IDS[id]).copied().unwrap_or(-1),
            Step::Count(than) => model.values().filter(|count| **count < than).count() as i64,
            Step::Whole => {
                let least = model.values().min().copied().unwrap_or(-1);
                model.len() as i64 + model.values().sum::<i64>() + 100 * least
            }
            Step::Create(id) => {
                let is_there = model.contains_key(IDS[id]);
                model.entry(IDS[id]).or_insert(number);
                i64::from(is_there)
            }
            Step::Update(id) => model.get_mut(IDS[id]).map_or(1, |count| {
                *count = number;
                0
            }),
            Step::Delete(id) => i64::from(model.remove(IDS[id]).is_none()),
            Step::Wait(_) => continue,
        };
        number = mixed(number, read);
    }
    number
}

async fn wait(times: u8) {
    let mut left = times;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What a refusal says; whether there was one.
fn refused(result: Result<()>) -> Result<i64> {
    match result {
        Ok(()) => Ok(0),
        Err(error) if matches!(error.code(), Code::RowExists | Code::RowNotFound) => Ok(1),
        Err(error) => Err(error),
    }
}

async fn whole(tx: &Tab) -> Result<i64> {
    let all = || Query::all("box");
    let sum = tx.sum(all(), 0).await?;
    let least = tx.end(all(), FieldRef::Place(0), false).await?.parse().unwrap_or(-1);
    Ok(tx.count(all()).await? as i64 + sum.total() as i64 + 100 * least)
}

async fn run_once(tab: &Tab, program: &Program) -> Result<i64> {
    let tx = if program.is_alone { tab.clone() } else { tab.begin() };
    let mut number = 1;
    for step in &program.steps {
        let read = match *step {
            Step::Get(id) => get(&tx, IDS[id]).await?.unwrap_or(-1),
            Step::Count(than) => tx.count(below(than)).await? as i64,
            Step::Whole => whole(&tx).await?,
            Step::Create(id) => refused(write(&tx, Op::Create, IDS[id], Some(number)).await)?,
            Step::Update(id) => refused(write(&tx, Op::Update, IDS[id], Some(number)).await)?,
            Step::Delete(id) => refused(write(&tx, Op::Delete, IDS[id], None).await)?,
            Step::Wait(times) => {
                wait(times).await;
                continue;
            }
        };
        number = mixed(number, read);
    }
    tx.commit().await?;
    Ok(number)
}

async fn run(tab: &Tab, program: &Program) -> i64 {
    loop {
        match run_once(tab, program).await {
            Ok(number) => return number,
            Err(error) => assert_eq!(error.code(), Code::TransactionConflict, "{error}"),
        }
        // What another tab has committed is learned by that; whoever only reads has nobody to tell it.
        tab.catch_up().await.unwrap();
    }
}

fn program() -> impl Strategy<Value = Program> {
    let id = 0..IDS.len();
    let write = prop_oneof![
        id.clone().prop_map(Step::Create),
        id.clone().prop_map(Step::Update),
        id.clone().prop_map(Step::Delete),
    ];
    let step = prop_oneof![
        3 => id.prop_map(Step::Get),
        1 => (0_i64..10).prop_map(Step::Count),
        1 => Just(Step::Whole),
        3 => write.clone(),
        1 => (1_u8..8).prop_map(Step::Wait),
    ];
    let transaction = (0..2_usize, prop::collection::vec(step, 1..6));
    let transaction = transaction.prop_map(|(tab, steps)| Program { tab, steps, is_alone: false });
    let alone = (0..2_usize, write).prop_map(|(tab, step)| Program { tab, steps: vec![step], is_alone: true });
    prop_oneof![4 => transaction, 1 => alone]
}

/// Whether the programs, in some order, come to these numbers and this end.
fn is_serial(start: &Model, programs: &[Program], numbers: &[i64], end: &Model) -> bool {
    fn go(state: &Model, left: &mut Vec<usize>, programs: &[Program], numbers: &[i64], end: &Model) -> bool {
        if left.is_empty() {
            return state == end;
        }
        for place in 0..left.len() {
            let next = left.remove(place);
            let mut after = state.clone();
            let number = model(&mut after, &programs[next]);
            let is_found = number == numbers[next] && go(&after, left, programs, numbers, end);
            left.insert(place, next);
            if is_found {
                return true;
            }
        }
        false
    }
    go(start, &mut (0..programs.len()).collect(), programs, numbers, end)
}

async fn contents(tab: &Tab) -> Model {
    let mut model = Model::new();
    for id in IDS {
        model.extend(get(tab, id).await.unwrap().map(|count| (id, count)));
    }
    model
}

#[test]
fn whatever_runs_at_once_comes_out_as_if_it_had_run_in_some_order() {
    let case = || {
        let start = prop::collection::btree_map(prop::sample::select(&IDS[..]), 0_i64..10, 0..4);
        (start, prop::collection::vec(program(), 1..6), 0_u32..6, any::<bool>())
    };
    property::check(100, case, |(start, programs, delay, is_compacted)| {
        block_on(async {
            let disk = MemoryStorage::new();
            let tabs = [open(&disk, 0).await, open(&disk, 1 << 25).await];
            for (id, count) in &start {
                write(&tabs[0], Op::Create, id, Some(*count)).await.unwrap();
            }
            if is_compacted {
                tabs[0].compact().await.unwrap();
            }
            tabs[1].catch_up().await.unwrap();
            disk.set_delay(delay);
            let numbers = join_all(programs.iter().map(|program| run(&tabs[program.tab], program))).await;
            for tab in &tabs {
                tab.catch_up().await.unwrap();
                let end = contents(tab).await;
                assert!(is_serial(&start, &programs, &numbers, &end), "{numbers:?}, {end:?}");
            }
        });
    });
}
