//! What can happen to a store, at random.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use whimbrel::model::{Row, Value};

use crate::model;

/// Ids there are.
const IDS: usize = 48;

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// A transaction of a tab; one with `fails` writes nothing in the end.
    Write {
        tab: usize,
        writes: Vec<Write>,
        fails: bool,
    },
    /// Two tabs write at once, each several transactions.
    Race {
        writes: Vec<(usize, Vec<Write>)>,
    },
    /// A tab loads rows that a pull brought, some of them twice.
    Load {
        tab: usize,
        bucket: u16,
        rows: Vec<(usize, Row)>,
    },
    /// A step of compaction.
    Compact {
        tab: usize,
    },
    /// All of the compaction there is to do.
    CompactAll {
        tab: usize,
    },
    CatchUp {
        tab: usize,
    },
    /// The tab is closed and opened again, with a cache of so many bytes.
    Reopen {
        tab: usize,
        cache: usize,
    },
    Query {
        tab: usize,
        query: Json,
    },
    /// The storage fails at its nth call from now on; then every tab starts anew.
    Crash {
        op: Box<Op>,
        call: u32,
        happens: bool,
    },
    /// The nth call of the storage from now on fails, and everybody goes on.
    Hiccup {
        op: Box<Op>,
        call: u32,
        happens: bool,
    },
    /// The tab is killed when it has had so many turns; the others go on.
    Kill {
        op: Box<Op>,
        turns: u32,
    },
}

impl Op {
    /// In which tab it happens.
    pub(crate) fn tab(&self) -> usize {
        match self {
            Self::Race { .. } => 0,
            Self::Write { tab, .. }
            | Self::Load { tab, .. }
            | Self::Compact { tab }
            | Self::CompactAll { tab }
            | Self::CatchUp { tab }
            | Self::Reopen { tab, .. }
            | Self::Query { tab, .. } => *tab,
            Self::Crash { op, .. } | Self::Hiccup { op, .. } | Self::Kill { op, .. } => op.tab(),
        }
    }
}

/// Everything that happens in a case. Shown as one line each, long texts shortened.
#[derive(Clone)]
pub(crate) struct Story(pub(crate) Vec<Op>);

impl std::fmt::Debug for Story {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|op| {
            writeln!(
                formatter,
                "{}",
                format!("{op:?}").replace(&"n".repeat(200), "200n").replace(&"m".repeat(4_000), "4000m")
            )
        })
    }
}

/// One write of a transaction.
#[derive(Debug, Clone)]
pub(crate) enum Write {
    Put(usize, Row),
    Delete(usize),
    PutPlain(u8, Vec<u8>),
    DeletePlain(u8),
}

/// The id with a number: half of them UUIDs.
pub(crate) fn id(number: usize) -> String {
    let number = number % IDS;
    if number.is_multiple_of(2) {
        format!("01935c2e-7a10-7fff-bfff-{:012x}", number * 7919 % 1000)
    } else {
        format!("id {}", number * 31 % 100)
    }
}

fn tab() -> impl Strategy<Value = usize> {
    0..2_usize
}

fn row() -> impl Strategy<Value = Row> {
    let status = prop_oneof![
        Just(Value::Null),
        prop::sample::select(vec!["open", "done", "a\u{1}b", "ä"]).prop_map(|text| Value::Text(text.to_owned()))
    ];
    let due = prop_oneof![Just(Value::Null), (-3_i64..12).prop_map(Value::Integer)];
    // Long texts fill pages, and those over 255 bytes are cut in the index.
    let note = prop_oneof![
        Just(Value::Null),
        ("[ab]{0,3}", prop::sample::select(vec![0_usize, 251, 260, 3_000]), "[ab]{0,2}")
            .prop_map(|(head, length, tail)| Value::Text(head + &"n".repeat(length) + &tail)),
    ];
    let weight = prop_oneof![Just(Value::Null), (-4_i32..4).prop_map(|number| Value::Real(f64::from(number) / 2.0))];
    let done = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::Boolean)];
    let flags = (0_u64..6, prop::bool::weighted(0.1), prop::bool::weighted(0.3));
    (status, due, note, weight, done, flags).prop_map(|(status, due, note, weight, done, (version, dirty, deleted))| {
        Row {
            version,
            buckets: vec![1],
            dirty,
            deleted: dirty && deleted,
            values: vec![status, due, note, weight, done],
        }
    })
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        6 => (0..IDS, row()).prop_map(|(id, row)| Write::Put(id, row)),
        2 => (0..IDS).prop_map(Write::Delete),
        1 => (0_u8..9, prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(key, value)| Write::PutPlain(key, value)),
        1 => (0_u8..9).prop_map(Write::DeletePlain),
    ]
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    prop::collection::vec(write(), 0..10)
}

/// A load is small, and goes into the log, or fat, and becomes pages.
fn load() -> impl Strategy<Value = Op> {
    let rows = prop::collection::vec((0..IDS, row()), 1..60);
    (tab(), 1_u16..4, rows, prop::bool::weighted(0.7)).prop_map(|(tab, bucket, mut rows, is_fat)| {
        for (_, row) in rows.iter_mut().filter(|(number, _)| is_fat && number % 4 > 0) {
            if let Value::Text(note) = &mut row.values[2] {
                note.push_str(&"n".repeat(4_000));
            } else {
                row.values[2] = Value::Text("m".repeat(4_000));
            }
        }
        Op::Load { tab, bucket, rows }
    })
}

fn condition() -> BoxedStrategy<Json> {
    let number = -3_i64..12;
    let comparison = prop::sample::select(vec!["eq", "ne", "lt", "lte", "gt", "gte"]);
    let text = prop_oneof![
        prop::sample::select(vec!["open", "done", "a", "a\u{1}", ""]).prop_map(str::to_owned),
        (prop::sample::select(vec![250_usize, 254, 255, 256, 3_000]), "[ab]{0,2}")
            .prop_map(|(length, tail)| "n".repeat(length) + &tail),
    ];
    let text_field = prop::sample::select(vec!["status", "note"]);
    prop_oneof![
        (comparison.clone(), number.clone()).prop_map(|(operator, number)| json!({"due": {operator: number}})),
        (number.clone(), 0_i64..6).prop_map(|(from, length)| json!({"due": {"gte": from, "lt": from + length}})),
        prop::collection::vec(number, 0..4).prop_map(|numbers| json!({"due": {"in": numbers}})),
        (text_field.clone(), comparison, text.clone())
            .prop_map(|(field, operator, text)| json!({field: {operator: text}})),
        (text_field.clone(), text).prop_map(|(field, prefix)| json!({field: {"startsWith": prefix}})),
        (text_field.clone(), any::<bool>()).prop_map(|(field, is_null)| json!({field: {"isNull": is_null}})),
        (text_field, prop::sample::select(vec!["", "e", "nn", "na", "ba", "\u{1}b"]))
            .prop_map(|(field, part)| json!({field: {"contains": part}})),
        Just(json!({"status": null})),
        any::<bool>().prop_map(|done| json!({ "done": done })),
        (-4_i32..4).prop_map(|number| json!({"weight": {"lte": f64::from(number) / 2.0}})),
        prop::collection::vec(0..IDS, 0..5)
            .prop_map(|ids| json!({"id": {"in": ids.into_iter().map(id).collect::<Vec<_>>()}})),
        (0..IDS).prop_map(|number| json!({"id": {"gt": id(number)}})),
    ]
    .boxed()
}

/// Values of the fields of an index, and a range in the last one.
fn prefix() -> BoxedStrategy<Json> {
    let status = prop_oneof![
        prop::sample::select(vec!["open", "done"]).prop_map(|status| json!(status)),
        Just(json!(null)),
        Just(json!({"in": ["done", "open", "ä"]})),
        Just(json!({"gte": "done"})),
    ];
    let note = prop_oneof![
        prop::sample::select(vec![0_usize, 251, 260, 3_000])
            .prop_map(|length| json!("a".to_owned() + &"n".repeat(length))),
        Just(json!({"startsWith": "a"})),
        Just(json!({"in": ["", "a", "b"]})),
    ];
    let due = prop_oneof![
        (-3_i64..12).prop_map(|due| json!(due)),
        (-3_i64..12, 1_i64..6).prop_map(|(from, length)| json!({"gte": from, "lte": from + length})),
        Just(json!({"in": [1, 5, null]})),
        Just(json!({"isNull": false})),
    ];
    let done = prop_oneof![any::<bool>().prop_map(|done| json!(done)), Just(json!({"in": [true, null]}))];
    prop_oneof![
        (status.clone(), due.clone()).prop_map(|(status, due)| json!({ "status": status, "due": due })),
        (note, due.clone()).prop_map(|(note, due)| json!({ "note": note, "due": due })),
        (done, due, prop::option::of(status)).prop_map(|(done, due, status)| match status {
            Some(status) => json!({ "done": done, "due": due, "status": status }),
            None => json!({ "done": done, "due": due }),
        }),
    ]
    .boxed()
}

fn filter() -> BoxedStrategy<Json> {
    let two = || (condition(), condition());
    prop_oneof![
        4 => prefix(),
        1 => (prefix(), condition()).prop_map(|(one, two)| json!({ "and": [one, two] })),
        2 => Just(json!({})),
        5 => condition(),
        3 => two().prop_map(|(one, two)| json!({ "and": [one, two] })),
        1 => two().prop_map(|(one, two)| json!({ "or": [one, two] })),
        1 => two().prop_map(|(one, two)| json!({ "and": [one], "not": two })),
    ]
    .boxed()
}

pub(crate) fn query() -> BoxedStrategy<Json> {
    let field = prop::sample::select(vec!["status", "due", "note", "weight", "done", "id"]);
    let direction = prop::sample::select(vec!["asc", "desc"]);
    let order = prop::collection::vec(
        (field, direction.clone()).prop_map(|(field, direction)| json!({ field: direction })),
        0..4,
    );
    // As an index has them.
    let index =
        (prop::sample::select(model::INDEXES.to_vec()), direction, 0_usize..3).prop_map(|(places, direction, skip)| {
            let names = places.iter().skip(skip).map(|place| model::FIELDS[*place].0);
            names.map(|name| json!({ name: direction })).collect::<Vec<_>>()
        });
    let order = prop_oneof![order, index];
    let limit = prop::option::weighted(0.6, 0_u32..12);
    let offset = prop::option::weighted(0.3, 0_u32..8);
    let after = prop::option::weighted(0.2, (0..IDS, row()));
    (filter(), order, limit, offset, after)
        .prop_map(|(filter, mut order, limit, offset, after)| {
            let mut seen = std::collections::BTreeSet::new();
            order.retain(|part| seen.insert(part.as_object().unwrap().keys().next().cloned()));
            let mut query = json!({ "where": filter, "orderBy": order });
            if let Some(limit) = limit {
                query["limit"] = json!(limit);
            }
            match (after, offset) {
                (Some((number, row)), _) => query["after"] = model::object(&id(number), &row),
                (None, Some(offset)) => query["offset"] = json!(offset),
                (None, None) => {}
            }
            query
        })
        .boxed()
}

/// Anything but a fault.
fn simple() -> impl Strategy<Value = Op> + Clone {
    // No page at all, one page of the largest kind, some pages, all pages.
    let cache = prop::sample::select(vec![0_usize, 1, 48 * 1024, 60_000, 1 << 25]);
    let write = (tab(), writes(), prop::bool::weighted(0.1));
    prop_oneof![
        5 => write.prop_map(|(tab, writes, fails)| Op::Write { tab, writes, fails }),
        1 => prop::collection::vec((tab(), writes()), 2..6).prop_map(|writes| Op::Race { writes }),
        5 => load(),
        3 => tab().prop_map(|tab| Op::Compact { tab }),
        2 => tab().prop_map(|tab| Op::CompactAll { tab }),
        1 => tab().prop_map(|tab| Op::CatchUp { tab }),
        2 => (tab(), cache).prop_map(|(tab, cache)| Op::Reopen { tab, cache }),
        8 => (tab(), query()).prop_map(|(tab, query)| Op::Query { tab, query }),
    ]
}

/// What happens in a case, faults included.
pub(crate) fn story(length: usize) -> impl Strategy<Value = Story> {
    let boxed = || simple().prop_map(Box::new);
    // The first calls, in which most things are over, and those in the middle of a long compaction.
    let call = || prop_oneof![0_u32..4, 0_u32..24];
    let fault = prop_oneof![
        2 => (boxed(), call(), any::<bool>()).prop_map(|(op, call, happens)| Op::Crash { op, call, happens }),
        1 => (boxed(), call(), any::<bool>()).prop_map(|(op, call, happens)| Op::Hiccup { op, call, happens }),
        1 => (boxed(), prop_oneof![0_u32..8, 0_u32..60]).prop_map(|(op, turns)| Op::Kill { op, turns }),
    ];
    prop::collection::vec(prop_oneof![8 => simple(), 1 => fault], 1..length).prop_map(Story)
}

/// What happens in a case without faults.
pub(crate) fn calm_story(length: usize) -> impl Strategy<Value = Story> {
    prop::collection::vec(simple(), 1..length).prop_map(Story)
}
