//! Pages, directories and log records that are damaged or lost: whatever is read afterwards is right or missing, never old; what is missing is
//! said and fetched again; and what waits for the server is all there.
//!
//! A failing case is printed; `property/mod.rs` says how many there are and how to see one again.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod property;

use std::collections::BTreeMap;

use futures_executor::block_on;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use whimbrel::error::Code;
use whimbrel::memory::{MemoryStorage, Mirroring};
use whimbrel::model::{Entity, Field, FieldType, Policy, Schema};
use whimbrel::ports::{Durability, Storage};
use whimbrel::store::{LocalWrite, Piece, Query, Store, write};
use whimbrel_protocol::{BucketCursor, Op};

const IDS: u8 = 24;
const KINDS: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone)]
enum Act {
    /// Rows of a pull, with a new version each.
    Pull(Vec<u8>),
    /// A local change: a new kind, or a deletion.
    Write(u8, Option<u8>),
    /// All into pages, and as few runs as there can be.
    Compact,
    /// A step of the work that keeps the store small.
    Step,
}

/// What is hit.
#[derive(Debug, Clone, Copy)]
enum Place {
    Page(prop::sample::Index),
    Directory,
    Record(prop::sample::Index),
}

/// What happens, and whether it is lost or other bytes.
type Accident = (Place, bool);

#[derive(Debug, Clone)]
struct Story {
    acts: Vec<Act>,
    accidents: Vec<Accident>,
    reopens: bool,
    /// Changes that another tab catches up with after the accidents, if it can.
    behind: usize,
    cache: Option<usize>,
}

fn story() -> impl Strategy<Value = Story> {
    let act = prop_oneof![
        3 => prop::collection::vec(0..IDS, 1..20).prop_map(Act::Pull),
        3 => (0..IDS, prop::option::weighted(0.8, 0..3_u8)).prop_map(|(id, kind)| Act::Write(id, kind)),
        2 => Just(Act::Compact),
        2 => Just(Act::Step),
    ];
    let place = prop_oneof![
        4 => any::<prop::sample::Index>().prop_map(Place::Page),
        1 => Just(Place::Directory),
        1 => any::<prop::sample::Index>().prop_map(Place::Record),
    ];
    let accidents = prop::collection::vec((place, any::<bool>()), 1..4);
    let cache = prop_oneof![Just(None), Just(Some(0))];
    (prop::collection::vec(act, 1..14), accidents, any::<bool>(), 0..4_usize, cache)
        .prop_map(|(acts, accidents, reopens, behind, cache)| Story { acts, accidents, reopens, behind, cache })
}

fn schema() -> Schema {
    let field =
        |name: &str, index| Field { name: name.to_owned(), kind: FieldType::text(None), index, ..Field::default() };
    let fields = vec![field("kind", true), field("title", false)];
    let order = Entity { name: "order".to_owned(), policy: Policy::LastWriteWins, fields, ..Entity::default() };
    Schema { version: 1, entities: vec![order], ..Schema::default() }
}

async fn open(disk: &MemoryStorage, cache: Option<usize>) -> Store<MemoryStorage> {
    let store = Store::open(disk.connect(), schema(), Durability::Relaxed, cache).await.unwrap();
    store.ensure_client_id("5f0c0000-0000-4000-8000-000000000001").await.unwrap();
    store
}

/// What should be there.
#[derive(Default)]
struct Model {
    version: u64,
    server: BTreeMap<String, (u64, String)>,
    local: BTreeMap<String, Option<String>>,
}

impl Model {
    fn visible(&self) -> BTreeMap<String, String> {
        let mut rows: BTreeMap<_, _> = self.server.iter().map(|(id, (_, kind))| (id.clone(), kind.clone())).collect();
        for (id, kind) in &self.local {
            match kind {
                Some(kind) => drop(rows.insert(id.clone(), kind.clone())),
                None => drop(rows.remove(id)),
            }
        }
        rows
    }
}

/// Long, so that a few rows are several pages.
fn title() -> String {
    "x".repeat(6_000)
}

async fn pull(store: &Store<MemoryStorage>, rows: &BTreeMap<String, (u64, String)>) {
    let data: Vec<Json> = rows.iter().map(|(id, (version, kind))| json!([id, version, kind, title()])).collect();
    let columns = ["id", "_version", "kind", "title"];
    let line = json!({"rows": {"bucket": "order/all", "columns": columns, "data": data}}).to_string();
    let mut piece = Piece::rows(store.decode_rows(line.as_bytes()).unwrap());
    piece
        .close(BucketCursor { bucket: "order/all".to_owned(), cursor: "c".to_owned(), more: false, version: None })
        .unwrap();
    store.apply(piece).await.unwrap();
}

async fn perform(store: &Store<MemoryStorage>, model: &mut Model, act: &Act, number: usize) {
    match act {
        Act::Pull(ids) => {
            let mut rows = BTreeMap::new();
            // The server has no record that was made here and not sent.
            let names = ids.iter().map(|id| format!("{id:02}"));
            for name in names.filter(|name| model.server.contains_key(name) || !model.local.contains_key(name)) {
                model.version += 1;
                rows.insert(name, (model.version, KINDS[(model.version % 3) as usize].to_owned()));
            }
            pull(store, &rows).await;
            model.server.extend(rows);
        }
        Act::Write(id, kind) => {
            let id = format!("{id:02}");
            let kind = kind.map(|kind| KINDS[usize::from(kind)].to_owned());
            let is_there = model.visible().contains_key(&id);
            let op = match (&kind, is_there) {
                (Some(_), true) => Op::Update,
                (Some(_), false) => Op::Create,
                (None, _) => Op::Delete,
            };
            let fields = match op {
                Op::Create => json!({"kind": kind, "title": title()}),
                Op::Update => json!({"kind": kind}),
                Op::Delete => json!({}),
            };
            let fields = serde_json::from_value(fields).unwrap();
            let change = format!("00000000-0000-7000-8000-{number:012}");
            let one = LocalWrite { op, entity: "order".to_owned(), id: id.clone(), fields, change, at: 0 };
            let written = store.transact(|txn| write(txn, &one)).await;
            if written.is_ok() && model.visible().get(&id) != kind.as_ref() {
                if op == Op::Delete && !model.server.contains_key(&id) {
                    model.local.remove(&id);
                } else {
                    model.local.insert(id, kind);
                }
            }
        }
        Act::Compact => store.compact().await.unwrap(),
        Act::Step => drop(store.compact_step().await.unwrap()),
    }
}

async fn found(store: &Store<MemoryStorage>, query: Json) -> BTreeMap<String, String> {
    let query = Query::parse("order", &serde_json::from_value(query).unwrap(), &schema()).unwrap();
    let (rows, _) = store.query(&query).await.unwrap();
    let rows: Vec<Json> = serde_json::from_str(&rows).unwrap();
    let text = |value: &Json| value.as_str().unwrap_or("nothing").to_owned();
    rows.iter().map(|row| (text(&row["id"]), text(&row["kind"]))).collect()
}

fn troubles(store: &Store<MemoryStorage>) -> Vec<Code> {
    std::iter::from_fn(|| store.take_trouble()).map(|trouble| trouble.code()).collect()
}

/// Other bytes, of the same length.
fn spoil(bytes: &mut [u8]) {
    bytes.iter_mut().skip(9).step_by(7).for_each(|byte| *byte ^= 0x55);
}

fn happen(disk: &MemoryStorage, (place, is_lost): &Accident) {
    let pages = disk.page_ids();
    match place {
        Place::Page(page) if !pages.is_empty() && *is_lost => disk.lose(*page.get(&pages)),
        Place::Page(page) if !pages.is_empty() => disk.damage(*page.get(&pages), |bytes| spoil(bytes)),
        Place::Page(_) => {}
        Place::Directory => disk.damage_directory(|bytes| if *is_lost { bytes.clear() } else { spoil(bytes) }),
        Place::Record(place) => disk.damage_log(|log| {
            let numbers: Vec<u64> = log.keys().copied().collect();
            let Some(number) = (!numbers.is_empty()).then(|| place.get(&numbers)) else { return };
            if *is_lost { drop(log.remove(number)) } else { spoil(log.get_mut(number).unwrap()) }
        }),
    }
}

async fn judge(story: &Story) {
    let disk = MemoryStorage::new();
    let (mut store, mut model) = (open(&disk, story.cache).await, Model::default());
    let mut other = None;
    for (number, act) in story.acts.iter().enumerate() {
        if number + story.behind == story.acts.len() {
            other = Some(open(&disk, story.cache).await);
        }
        perform(&store, &mut model, act, number).await;
    }
    if story.reopens {
        store = open(&disk, story.cache).await;
    }
    story.accidents.iter().for_each(|accident| happen(&disk, accident));
    let is_page = |(place, _): &Accident| matches!(place, Place::Page(_));
    let mut told = Vec::new();
    if let Some(other) = other {
        // It finds the damage first, while the store is open here.
        let visible = model.visible();
        other.catch_up().await.unwrap();
        let rows = found(&other, json!({})).await;
        assert!(rows.iter().all(|(id, kind)| visible.get(id) == Some(kind)), "{rows:?} is not of {visible:?}");
        assert_eq!(other.counts().await.unwrap().pending, model.local.len() as u64);
        told = troubles(&other);
        store.catch_up().await.unwrap();
    }
    if !story.accidents.iter().all(is_page) || (story.cache.is_none() && story.reopens) {
        store = open(&disk, story.cache).await;
        told.extend(troubles(&store));
    }
    let visible = model.visible();
    // Twice: reading finds the bad pages, and after that all is settled.
    let mut rows = found(&store, json!({})).await;
    for _ in 0..2 {
        assert!(rows.iter().all(|(id, kind)| visible.get(id) == Some(kind)), "{rows:?} is not of {visible:?}");
        for kind in KINDS {
            let by_index = found(&store, json!({"where": {"kind": kind}})).await;
            assert!(by_index.iter().all(|(id, kind)| visible.get(id) == Some(kind)), "{by_index:?} for {kind}");
        }
        rows = found(&store, json!({})).await;
    }
    for kind in KINDS {
        let expected: BTreeMap<_, _> =
            rows.iter().filter(|(_, of)| *of == kind).map(|(id, of)| (id.clone(), of.clone())).collect();
        assert_eq!(found(&store, json!({"where": {"kind": kind}})).await, expected, "the index for {kind}");
    }
    let (count, cursors) = (store.counts().await.unwrap(), store.cursors(&["order".to_owned()]).await.unwrap());
    assert_eq!(count.pending, model.local.len() as u64);
    if rows != visible {
        assert_eq!(cursors, [], "what is missing is fetched");
        told.extend(troubles(&store));
        assert!(told.contains(&Code::StoreCorrupt), "and said");
    }
    // Everything that the server has comes again.
    pull(&store, &model.server).await;
    while store.retire_step(&["order".to_owned()]).await.unwrap().is_some() {}
    for store in [&store, &open(&disk, story.cache).await] {
        assert_eq!(found(store, json!({})).await, visible);
        assert_eq!(store.counts().await.unwrap().pending, model.local.len() as u64);
        store.compact().await.unwrap();
        assert_eq!(found(store, json!({})).await, visible);
    }
}

#[test]
fn what_is_read_after_damage_is_right_or_missing() {
    property::check(10, story, |story| block_on(judge(&story)));
}

/// Where there is no mirror, all that waits is still in pages and log, with a directory or without.
async fn judge_without_mirror(story: &Story) {
    let disk = MemoryStorage::new();
    disk.set_mirror(Mirroring::Off);
    let (store, mut model) = (open(&disk, story.cache).await, Model::default());
    for (number, act) in story.acts.iter().enumerate() {
        perform(&store, &mut model, act, number).await;
    }
    happen(&disk, &(Place::Directory, story.reopens));
    let (store, visible) = (open(&disk, story.cache).await, model.visible());
    let rows = found(&store, json!({})).await;
    assert!(rows.iter().all(|(id, kind)| visible.get(id) == Some(kind)), "{rows:?} is not of {visible:?}");
    assert_eq!(store.counts().await.unwrap().pending, model.local.len() as u64);
    pull(&store, &model.server).await;
    for store in [&store, &open(&disk, story.cache).await] {
        assert_eq!(found(store, json!({})).await, visible);
        assert_eq!(store.counts().await.unwrap().pending, model.local.len() as u64);
    }
}

#[test]
fn without_a_mirror_no_change_is_lost_with_the_directory() {
    property::check(5, story, |story| block_on(judge_without_mirror(&story)));
}

#[test]
fn a_page_that_was_read_badly_once_is_kept() {
    block_on(async {
        let disk = MemoryStorage::new();
        let (store, mut model) = (open(&disk, Some(0)).await, Model::default());
        perform(&store, &mut model, &Act::Pull((0..IDS).collect()), 0).await;
        perform(&store, &mut model, &Act::Compact, 1).await;
        assert_eq!(found(&store, json!({})).await, model.visible());
        assert_eq!((troubles(&store), store.cursors(&["order".to_owned()]).await.unwrap().len()), (Vec::new(), 1));
    });
}

/// What a newer engine wrote is no damage, also beside damage, and is left as it is.
#[test]
fn what_is_newer_is_not_begun_anew() {
    block_on(async {
        for is_directory in [true, false] {
            let disk = MemoryStorage::new();
            let (store, mut model) = (open(&disk, None).await, Model::default());
            perform(&store, &mut model, &Act::Pull((0..IDS).collect()), 0).await;
            perform(&store, &mut model, &Act::Compact, 1).await;
            perform(&store, &mut model, &Act::Write(3, Some(2)), 2).await;
            perform(&store, &mut model, &Act::Write(4, Some(2)), 3).await;
            let newer = |bytes: &mut Vec<u8>| {
                bytes[8] += 1;
                let checksum = xxhash_rust::xxh64::xxh64(&bytes[8..], 0).to_le_bytes();
                bytes[..8].copy_from_slice(&checksum);
            };
            disk.damage_log(|log| {
                spoil(log.first_entry().unwrap().get_mut());
                if !is_directory {
                    newer(log.last_entry().unwrap().get_mut());
                }
            });
            if is_directory {
                disk.damage_directory(newer);
            }
            let before = disk.load().await;
            let refused = Store::open(disk.connect(), schema(), Durability::Relaxed, None).await.err();
            assert_eq!(refused.map(|error| error.code()), Some(Code::StoreNewer));
            assert_eq!(disk.load().await, before);
        }
    });
}

/// Where there is no mirror, what was in the bad page is lost; what was not is there.
#[test]
fn without_a_mirror_what_is_not_in_the_bad_page_is_kept() {
    block_on(async {
        let disk = MemoryStorage::new();
        disk.set_mirror(Mirroring::Off);
        let (store, mut model) = (open(&disk, Some(0)).await, Model::default());
        perform(&store, &mut model, &Act::Pull((0..IDS).collect()), 0).await;
        let pages = disk.page_ids();
        perform(&store, &mut model, &Act::Write(3, Some(2)), 1).await;
        pages.iter().for_each(|page| disk.lose(*page));
        let rows = found(&store, json!({})).await;
        assert_eq!(rows, BTreeMap::from([("03".to_owned(), "c".to_owned())]), "the log is right");
        assert_eq!(store.counts().await.unwrap().pending, 1);
        assert_eq!(troubles(&store).first(), Some(&Code::StoreCorrupt));
        pull(&store, &model.server).await;
        assert_eq!(found(&store, json!({})).await, model.visible());
    });
}
