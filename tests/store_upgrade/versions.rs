//! An app through four versions, and what its users had on their devices at each.

use serde_json::{Value as Given, json};
use whimbrel::error::{Code, Error, Result};
use whimbrel::memory::MemoryStorage;
use whimbrel::model::{Entity, Field, FieldType, Policy, Schema, Step, StepOp, Value};
use whimbrel::ports::Durability;
use whimbrel::store::{Evolution, LocalWrite, Piece, Query, Store, next_batch, settle, write};
use whimbrel_protocol::{BucketCursor, Change, ChangeOutcome, Fields, Json, Op, Outcome, PushRequest, ServerRow};

/// The newest version.
pub(crate) const NEWEST: u32 = 4;

fn text(name: &str) -> Field {
    Field { name: name.to_owned(), ..Field::default() }
}

fn entity(name: &str, fields: Vec<Field>) -> Entity {
    Entity { name: name.to_owned(), policy: Policy::DetectConflicts, fields, ..Entity::default() }
}

/// The schema of a version.
pub(crate) fn schema(version: u32) -> Schema {
    let kind = [FieldType::text(None), FieldType::Integer, FieldType::Integer, FieldType::Real];
    let floor = Field { kind: kind[version as usize - 1].clone(), index: true, ..text("floor") };
    let mut fields = vec![Field { index: true, ..text(if version == 1 { "title" } else { "name" }) }, floor];
    if version < 3 {
        fields.insert(0, Field { optional: true, ..text("legacy") });
    } else {
        let default = Some(Value::Text("open".to_owned()));
        fields.push(Field { index: true, default, ..text("state") });
    }
    let name = if version < 4 { "workOrder" } else { "job" };
    let mut entities =
        vec![entity(name, fields), entity(if version < 3 { "note" } else { "remark" }, vec![text("body")])];
    if version < 4 {
        entities.push(entity("tag", vec![text("label")]));
    }
    Schema { version, entities, ..Schema::default() }
}

pub(crate) fn steps() -> Vec<Step> {
    let step = |version, entity: &str, op| Step { version, entity: entity.to_owned(), op };
    let floor = |by| StepOp::Convert { field: "floor".to_owned(), by };
    vec![
        step(2, "workOrder", StepOp::Rename { from: "title".to_owned(), to: "name".to_owned() }),
        step(2, "workOrder", floor(0)),
        step(3, "workOrder", StepOp::Remove("legacy".to_owned())),
        step(3, "note", StepOp::RenameEntity("remark".to_owned())),
        step(4, "workOrder", StepOp::RenameEntity("job".to_owned())),
        step(4, "job", floor(1)),
        step(4, "tag", StepOp::RemoveEntity),
    ]
}

/// 0: text to a number. 1: half of it.
pub(crate) fn convert(by: u32, values: Vec<Json>) -> Result<Vec<Json>> {
    let one = |value: Json| -> Result<Json> {
        let failed = || Error::new(Code::StepFailed, format!("{value:?}"));
        match by {
            0 => value.as_str().and_then(|text| text.parse::<i64>().ok()).map(Json::from).ok_or_else(failed),
            _ => Ok(Json::from(value.as_number().ok_or_else(failed)?.real() / 2.0)),
        }
    };
    values.into_iter().map(one).collect()
}

pub(crate) async fn open(disk: &MemoryStorage, version: u32) -> Result<Store<MemoryStorage>> {
    let steps: Vec<Step> = steps().into_iter().filter(|step| step.version <= version).collect();
    let evolution = Evolution { steps: &steps, convert: &convert };
    Store::open_with(disk.connect(), schema(version), Durability::Relaxed, None, evolution).await
}

/// A store under a schema of some version, in the words of that version.
pub(crate) struct Device {
    pub(crate) store: Store<MemoryStorage>,
    pub(crate) version: u32,
}

impl Device {
    pub(crate) async fn open(disk: &MemoryStorage, version: u32) -> Self {
        let store = open(disk, version).await.unwrap();
        store.ensure_client_id("client").await.unwrap();
        Self { store, version }
    }

    pub(crate) fn order(&self) -> &'static str {
        if self.version < 4 { "workOrder" } else { "job" }
    }

    pub(crate) fn name(&self) -> &'static str {
        if self.version == 1 { "title" } else { "name" }
    }

    /// A floor, counted in whole floors, as this version writes it.
    pub(crate) fn floor(&self, floor: i64) -> Given {
        match self.version {
            1 => json!(floor.to_string()),
            2 | 3 => json!(floor),
            _ => json!(floor as f64 / 2.0),
        }
    }

    pub(crate) async fn write(&self, op: Op, entity: &str, id: &str, fields: Given) -> Result<()> {
        let number = self.store.seq();
        let write_ = LocalWrite {
            op,
            entity: entity.to_owned(),
            id: id.to_owned(),
            fields: serde_json::from_value::<Fields>(fields).unwrap(),
            change: format!("00000000-0000-7000-8000-{number:012}"),
            at: 7,
        };
        self.store.transact(|txn| write(txn, &write_).map(drop)).await.map(drop)
    }

    pub(crate) async fn create(&self, id: &str, name: &str, floor: i64) -> Result<()> {
        self.write(Op::Create, self.order(), id, json!({self.name(): name, "floor": self.floor(floor)})).await
    }

    /// A pull brings orders: id, name, floor.
    pub(crate) async fn pull(&self, rows: &[(&str, &str, i64)]) {
        for rows in rows.chunks(1_000) {
            self.pull_some(rows).await;
        }
    }

    async fn pull_some(&self, rows: &[(&str, &str, i64)]) {
        let bucket = format!("{}/all", self.order());
        let data: Vec<Given> = rows.iter().map(|(id, name, floor)| json!([id, 5, name, self.floor(*floor)])).collect();
        let columns = ["id", "_version", self.name(), "floor"];
        let line = format!(
            "{{\"rows\":{{\"bucket\":{},\"columns\":{},\"data\":{}}}}}",
            json!(bucket),
            json!(columns),
            json!(data)
        );
        let mut piece = Piece::rows(self.store.decode_rows(line.as_bytes()).unwrap());
        piece.close(BucketCursor { bucket, cursor: "c".to_owned(), more: false, version: None }).unwrap();
        self.store.apply(piece).await.unwrap();
    }

    /// What goes to the server next.
    pub(crate) async fn push(&self) -> Vec<Change> {
        let entities: Vec<String> = self.store.schema().entities.iter().map(|entity| entity.name.clone()).collect();
        let batch = self.store.transact(|txn| next_batch(txn, &entities)).await.unwrap().value;
        batch.map(|batch| serde_json::from_str::<PushRequest>(&batch.body).unwrap().changes).unwrap_or_default()
    }

    pub(crate) async fn settle(&self, seq: u64, outcome: Outcome) {
        let outcomes = [ChangeOutcome { seq, outcome }];
        self.store.transact(|txn| settle(txn, &outcomes)).await.unwrap();
    }

    pub(crate) async fn all(&self, entity: &str) -> Given {
        let (rows, _) = self.store.query(&Query::all(entity)).await.unwrap();
        serde_json::from_str(&rows).unwrap()
    }

    pub(crate) async fn inbox(&self) -> Given {
        serde_json::from_str(&self.store.inbox().await.unwrap().0).unwrap()
    }

    /// Everything a device can have: rows of the server, changes that wait, one that was sent, a refused one, a conflict. Gives the change that
    /// was sent and not answered.
    pub(crate) async fn fill(&self) -> Change {
        let orders = [("r0", "Pump", 4), ("r1", "Roof", 6), ("r2", "Door", 8), ("r5", "Lamp", 2)];
        self.pull(&orders).await;
        let order = self.order();
        self.create("r4", "Refused", 10).await.unwrap();
        let refused = self.push().await.remove(0);
        let fields =
            [(self.name().to_owned(), "too short".to_owned()), ("floor".to_owned(), "too high".to_owned())].into();
        let (code, message) = ("value/type".to_owned(), "no".to_owned());
        self.settle(refused.seq, Outcome::Rejected { code, message, fields }).await;
        self.write(Op::Update, order, "r5", json!({"floor": self.floor(12)})).await.unwrap();
        let met = self.push().await.remove(0);
        let theirs = json!({self.name(): "Lamp", "floor": self.floor(14)});
        let row = Some(ServerRow { version: 6, fields: serde_json::from_value(theirs).unwrap() });
        self.settle(met.seq, Outcome::Conflict { row }).await;
        self.write(Op::Update, order, "r1", json!({self.name(): "Sent", "floor": self.floor(16)})).await.unwrap();
        let sent = self.push().await.remove(0);
        self.write(Op::Update, order, "r0", json!({"floor": self.floor(18)})).await.unwrap();
        self.create("r3", "New", 20).await.unwrap();
        self.write(Op::Delete, order, "r2", json!({})).await.unwrap();
        let note = if self.version < 3 { "note" } else { "remark" };
        self.write(Op::Create, note, "n", json!({"body": "b"})).await.unwrap();
        if self.version < 4 {
            self.write(Op::Create, "tag", "t", json!({"label": "l"})).await.unwrap();
        }
        sent
    }
}
