//! A device under test: an engine with its storage, and what it was told.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use serde_json::{Value, json};
use whimbrel::driver::{Driver, News, Options, Write, Written};
use whimbrel::error::Result;
use whimbrel::memory::MemoryStorage;
use whimbrel::model::{Entity, Field, FieldType, OnDelete, Policy, Schema, Unit};
use whimbrel::ports::{Commit, Ports};
use whimbrel::store::{Confirmation, Query};
use whimbrel::sync::{Auto, Notice, Settlement, UnitId};
use whimbrel_merge::Rule;

use crate::platform::{FastClock, LocalTasks, Native, Network, Origin, Seeded, Token};

pub(crate) const HOME: UnitId = UnitId(0);
/// Pulls without pushing.
pub(crate) const FETCH: UnitId = UnitId(1);
/// Docs, stocks and parts.
pub(crate) const OFFICE: UnitId = UnitId(2);
/// The same without pushing.
pub(crate) const READ: UnitId = UnitId(3);

/// Labels, which are pairs.
pub(crate) const LABELS: UnitId = UnitId(4);
/// The same without pulling, and without pushing.
pub(crate) const SEND_LABELS: UnitId = UnitId(5);
pub(crate) const FETCH_LABELS: UnitId = UnitId(6);

/// Who looks at what devices commit: the device's number, and the commit.
pub(crate) type Watcher = Rc<dyn Fn(u64, &Commit)>;

thread_local!(pub(crate) static WATCHER: RefCell<Option<Watcher>> = const { RefCell::new(None) });

pub(crate) struct Device {
    pub(crate) driver: Driver<Native>,
    pub(crate) storage: MemoryStorage,
    pub(crate) told: Rc<RefCell<Vec<News>>>,
}

pub(crate) fn schema() -> Schema {
    let field =
        |name: &str, kind, optional, index| Field { name: name.to_owned(), kind, optional, index, ..Field::default() };
    let text = |max| FieldType::text(max);
    Schema {
        version: 1,
        entities: vec![
            Entity {
                name: "place".to_owned(),
                policy: Policy::ReadOnly,
                fields: vec![field("name", text(None), false, true), field("country", text(Some(2)), false, false)],
                ..Entity::default()
            },
            Entity {
                name: "workOrder".to_owned(),
                policy: Policy::LastWriteWins,
                fields: vec![
                    field("title", text(Some(200)), false, false),
                    field("status", text(None), false, true),
                    field("count", FieldType::Integer, true, false),
                ],
                ..Entity::default()
            },
            Entity {
                name: "doc".to_owned(),
                policy: Policy::DetectConflicts,
                fields: vec![
                    field("title", text(None), true, false),
                    field("body", text(None), true, false),
                    field("pages", FieldType::Integer, true, false),
                ],
                ..Entity::default()
            },
            stock(),
            Entity {
                name: "part".to_owned(),
                policy: Policy::LastWriteWins,
                fields: vec![
                    field("docId", FieldType::Ref { entity: "doc".to_owned(), on_delete: OnDelete::Keep }, true, false),
                    field("name", text(None), true, false),
                ],
                ..Entity::default()
            },
            label(),
        ],
        units: vec![
            Unit {
                name: "home".to_owned(),
                push: vec!["workOrder".to_owned()],
                pull: vec!["place".to_owned(), "workOrder".to_owned()],
                ..Unit::default()
            },
            Unit { name: "fetch".to_owned(), push: Vec::new(), pull: vec!["workOrder".to_owned()], ..Unit::default() },
            Unit { name: "office".to_owned(), push: office(), pull: office(), ..Unit::default() },
            Unit { name: "read".to_owned(), push: Vec::new(), pull: office(), ..Unit::default() },
            unit("labels", true, true),
            unit("sendLabels", true, false),
            unit("fetchLabels", false, true),
        ],
    }
}

fn office() -> Vec<String> {
    ["doc", "stock", "part"].map(str::to_owned).to_vec()
}

fn unit(name: &str, pushes: bool, pulls: bool) -> Unit {
    let labels = |wanted: bool| if wanted { vec!["label".to_owned()] } else { Vec::new() };
    Unit { name: name.to_owned(), push: labels(pushes), pull: labels(pulls), ..Unit::default() }
}

fn label() -> Entity {
    let reference = |name: &str, entity: &str| Field {
        name: name.to_owned(),
        kind: FieldType::Ref { entity: entity.to_owned(), on_delete: OnDelete::Keep },
        ..Field::default()
    };
    let body = Field { name: "body".to_owned(), optional: true, ..Field::default() };
    Entity {
        name: "label".to_owned(),
        policy: Policy::LastWriteWins,
        fields: vec![reference("orderId", "workOrder"), reference("docId", "doc"), body],
        pair: Some(["orderId", "docId"].map(str::to_owned)),
        ..Entity::default()
    }
}

fn stock() -> Entity {
    let field =
        |name: &str, kind, rule| Field { name: name.to_owned(), kind, optional: true, rule, ..Field::default() };
    Entity {
        name: "stock".to_owned(),
        policy: Policy::Merge,
        fields: vec![
            field("title", FieldType::text(None), None),
            field("owner", FieldType::text(None), Some(Rule::Server)),
            field("count", FieldType::Integer, Some(Rule::Sum)),
            field("tags", FieldType::text(None), Some(Rule::Union)),
        ],
        locked_offline: true,
        ..Entity::default()
    }
}

impl Device {
    pub(crate) async fn open(storage: MemoryStorage, network: &Network, origin: &Origin, token: &'static str) -> Self {
        Self::open_with(storage, network, origin, vec![token], Auto::default()).await
    }

    pub(crate) async fn open_with(
        storage: MemoryStorage,
        network: &Network,
        origin: &Origin,
        tokens: Vec<&'static str>,
        auto: Auto,
    ) -> Self {
        Self::try_open_with(storage, network, origin, tokens, auto).await.unwrap()
    }

    pub(crate) async fn try_open(storage: MemoryStorage, network: &Network) -> Result<Self> {
        Self::try_open_with(storage, network, &Origin::default(), vec!["ana"], Auto::default()).await
    }

    /// A device whose schema has these units.
    pub(crate) async fn with_units(network: &Network, units: Vec<Unit>) -> Self {
        let (storage, origin, schema) = (MemoryStorage::new(), Origin::default(), Schema { units, ..schema() });
        Self::open_schema(storage, network, &origin, vec!["ana"], Auto::default(), schema).await.unwrap()
    }

    async fn try_open_with(
        storage: MemoryStorage,
        network: &Network,
        origin: &Origin,
        tokens: Vec<&'static str>,
        auto: Auto,
    ) -> Result<Self> {
        Self::open_schema(storage, network, origin, tokens, auto, schema()).await
    }

    async fn open_schema(
        storage: MemoryStorage,
        network: &Network,
        origin: &Origin,
        tokens: Vec<&'static str>,
        auto: Auto,
        schema: Schema,
    ) -> Result<Self> {
        thread_local!(static SEED: Cell<u64> = const { Cell::new(0) });
        SEED.set(SEED.get() + 1);
        let ports = Ports {
            transport: Some(network.clone()),
            clock: FastClock,
            random: Seeded(Cell::new(SEED.get())),
            lock: origin.clone(),
            tabs: origin.tab(),
            session: Token(Rc::new(RefCell::new(tokens))),
            spawn: LocalTasks,
        };
        let told: Rc<RefCell<Vec<News>>> = Rc::default();
        let ear = Rc::clone(&told);
        let options = Options { schema, steps: Vec::new(), auto, strict: false, cache_bytes: None };
        let listener = Box::new(move |news| ear.borrow_mut().push(news));
        let (number, watcher) = (SEED.get(), WATCHER.with_borrow(Clone::clone));
        let connection =
            storage.connect().watched(move |commit| watcher.iter().for_each(|watcher| watcher(number, commit)));
        let driver = Driver::open(connection, ports, options, "test".to_owned(), listener).await?;
        Ok(Self { driver, storage, told })
    }

    /// A device of its own on this network.
    pub(crate) async fn new(network: &Network, token: &'static str) -> Self {
        Self::open(MemoryStorage::new(), network, &Origin::default(), token).await
    }

    pub(crate) async fn create(&self, id: &str, title: &str) -> Written {
        self.write(
            json!([{"op": "create", "entity": "workOrder", "id": id, "fields": {"title": title, "status": "open"}}]),
        )
        .await
        .unwrap()
        .remove(0)
    }

    pub(crate) async fn update(&self, id: &str, fields: Value) -> Written {
        self.write(json!([{"op": "update", "entity": "workOrder", "id": id, "fields": fields}]))
            .await
            .unwrap()
            .remove(0)
    }

    pub(crate) async fn delete(&self, id: &str) -> Written {
        self.write(json!([{"op": "delete", "entity": "workOrder", "id": id}])).await.unwrap().remove(0)
    }

    pub(crate) async fn write(&self, writes: Value) -> Result<Vec<Written>> {
        self.driver.write(Write::parse_all(&writes.to_string())?).await
    }

    /// Runs a unit and waits for its end.
    pub(crate) async fn sync(&self, unit: UnitId) -> (Settlement, Option<&'static str>) {
        let request = self.driver.trigger(&[unit], false, false, false).unwrap()[0];
        loop {
            let settled = self.told.borrow().iter().find_map(|news| match news {
                News::Sync(Notice::Settled { requests, outcome, error, .. }) if requests.contains(&request) => {
                    Some((*outcome, error.as_ref().map(|error| error.code().as_str())))
                }
                _ => None,
            });
            if let Some(settled) = settled {
                return settled;
            }
            tokio::task::yield_now().await;
        }
    }

    /// One write of an entity.
    pub(crate) async fn put(&self, op: &str, entity: &str, id: &str, fields: Value) -> Written {
        let write = match op {
            "delete" => json!([{"op": op, "entity": entity, "id": id}]),
            _ => json!([{"op": op, "entity": entity, "id": id, "fields": fields}]),
        };
        self.write(write).await.unwrap().remove(0)
    }

    /// The open conflicts.
    pub(crate) async fn conflicts(&self) -> Value {
        serde_json::from_str(&self.driver.store().conflicts().await.unwrap().0).unwrap()
    }

    /// The refused changes.
    pub(crate) async fn inbox(&self) -> Value {
        serde_json::from_str(&self.driver.store().inbox().await.unwrap().0).unwrap()
    }

    /// Decides the oldest conflict; its position.
    pub(crate) async fn resolve(&self, resolution: Value) -> Result<u64> {
        let position = self.conflicts().await[0]["position"].as_u64().unwrap();
        self.driver.resolve(position, &resolution.to_string()).await.map(|()| position)
    }

    /// All records of an entity, as JSON.
    pub(crate) async fn all(&self, entity: &str) -> Value {
        let query = Query::all(entity);
        let (rows, _) = self.driver.store().query(&query).await.unwrap();
        serde_json::from_str(&rows).unwrap()
    }

    /// Work orders as `id title` lines.
    pub(crate) async fn orders(&self) -> Vec<String> {
        let rows = self.all("workOrder").await;
        let line = |row: &Value| format!("{} {}", row["id"].as_str().unwrap(), row["title"].as_str().unwrap());
        let mut lines: Vec<String> = rows.as_array().unwrap().iter().map(line).collect();
        lines.sort();
        lines
    }

    /// What was confirmed so far.
    pub(crate) fn confirmed(&self) -> Vec<Confirmation> {
        let told = self.told.borrow();
        let confirmed = told.iter().filter_map(|news| match news {
            News::Confirmed(confirmed) => Some(confirmed.iter().cloned()),
            News::Sync(_) | News::Recovered | News::Report(_) | News::Ended(_) => None,
        });
        confirmed.flatten().collect()
    }
}
