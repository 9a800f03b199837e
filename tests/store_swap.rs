//! What has left a bucket that came as a whole again leaves in one transaction, of all entities.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

use std::cell::RefCell;
use std::rc::Rc;

use futures_executor::block_on;
use serde_json::{Value as Json, json};
use whimbrel::memory::MemoryStorage;
use whimbrel::model::{Entity, Field, FieldType, Schema};
use whimbrel::ports::Durability;
use whimbrel::store::{Piece, Read as _, Store};
use whimbrel_protocol::BucketCursor;

const ENTITIES: [&str; 2] = ["order", "note"];
const ROWS: usize = 1_500;

fn schema() -> Schema {
    let title = Field { name: "title".to_owned(), kind: FieldType::text(None), index: true, ..Field::default() };
    let entity = |name: &str| Entity { name: name.to_owned(), fields: vec![title.clone()], ..Entity::default() };
    Schema { version: 1, entities: ENTITIES.map(entity).to_vec(), ..Schema::default() }
}

async fn pull(store: &Store<MemoryStorage>, entity: &str, rows: usize) {
    let bucket = format!("{entity}/all");
    let data: Vec<Json> = (0..rows).map(|row| json!([format!("{row:05}"), 1, "Pump"])).collect();
    let line = json!({"rows": {"bucket": bucket, "columns": ["id", "_version", "title"], "data": data}}).to_string();
    let mut piece = Piece::rows(store.decode_rows(line.as_bytes()).unwrap());
    piece.close(BucketCursor { bucket, cursor: "c".to_owned(), more: false, version: None }).unwrap();
    store.apply(piece).await.unwrap();
}

async fn rows(store: &Store<MemoryStorage>) -> Vec<usize> {
    let mut counts = Vec::new();
    for entity in ENTITIES {
        counts.push(store.read(|view| view.keys_with_prefix(view.entity_map(entity)?, &[])).await.unwrap().len());
    }
    counts
}

#[test]
fn a_resync_ends_in_one_transaction_over_all_entities() {
    block_on(async {
        let disk = MemoryStorage::new();
        let store = Store::open(disk.connect(), schema(), Durability::Relaxed, None).await.unwrap();
        for entity in ENTITIES {
            pull(&store, entity, ROWS).await;
        }
        for (entity, rows) in ENTITIES.into_iter().zip([3, 5]) {
            store.restart_bucket(&format!("{entity}/all"), false).await.unwrap();
            pull(&store, entity, rows).await;
        }
        assert_eq!(rows(&store).await, [ROWS, ROWS], "until the end all is there");
        let commits = Rc::new(RefCell::new(Vec::new()));
        let heard = Rc::clone(&commits);
        store.on_change(Box::new(move |change| heard.borrow_mut().push(change.seq)));
        let entities = ENTITIES.map(str::to_owned);
        while store.retire_step(&entities).await.unwrap().is_some() {}
        assert_eq!(rows(&store).await, [3, 5]);
        assert_eq!(commits.borrow().len(), 1, "{commits:?}");
    });
}
