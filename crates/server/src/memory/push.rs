//! A push being applied to a copy.

use std::collections::BTreeMap;

use tokio::sync::OwnedMutexGuard;
use whimbrel_protocol::{Outcome, Version};

use super::MemoryStorage;
use super::state::{MemoryState, Remembered};
use crate::model::Entity;
use crate::storage::{Client, Decided, PushTransaction, Record, StorageResult, Write, Written};

/// A push being applied. Dropped without a commit, it has never been.
#[derive(Debug)]
pub struct MemoryPush {
    storage: MemoryStorage,
    state: MemoryState,
    marked: Option<MemoryState>,
    _turn: OwnedMutexGuard<()>,
}

impl MemoryPush {
    pub(super) fn new(storage: MemoryStorage, turn: OwnedMutexGuard<()>) -> Self {
        let state = storage.backup();
        Self { storage, state, marked: None, _turn: turn }
    }
}

impl PushTransaction for MemoryPush {
    async fn client(&mut self, client: &str) -> StorageResult<Option<Client>> {
        Ok(self.state.clients.get(client).cloned())
    }

    async fn decided(&mut self, client: &str, from: u64) -> StorageResult<Vec<Decided>> {
        let own = self.state.outcomes.range((client.to_owned(), from)..);
        let own = own.take_while(|((of, _), _)| of == client);
        Ok(own.map(|(_, remembered)| remembered.decided.clone()).collect())
    }

    async fn own_version(&mut self, client: &str, entity: &Entity, id: &str) -> StorageResult<Option<Version>> {
        let own = self.state.outcomes.iter().filter(|((of, _), _)| of == client);
        let own = own.filter_map(|(_, remembered)| remembered.own.as_ref());
        let of_record = own.filter(|((of, own), _)| *of == entity.name && own == id);
        Ok(of_record.map(|(_, version)| *version).max())
    }

    async fn record(&mut self, entity: &Entity, id: &str) -> StorageResult<Record> {
        Ok(self.state.record(&entity.name, id))
    }

    async fn write(&mut self, entity: &Entity, id: &str, write: Write<'_>) -> StorageResult<Written> {
        let row = match write {
            Write::Insert(row) => Some(row.clone()),
            Write::Update { row, fields } => {
                let mut merged = self.state.row(&entity.name, id).cloned().unwrap_or_default();
                merged.resize(entity.fields.len(), crate::model::Value::Null);
                for field in fields {
                    if let (Some(place), Some(value)) = (merged.get_mut(*field), row.get(*field)) {
                        *place = value.clone();
                    }
                }
                Some(merged)
            }
            Write::Delete => None,
        };
        Ok(Written::Done(self.state.write(entity, id, row)))
    }

    async fn times(&mut self, entity: &Entity, id: &str) -> StorageResult<BTreeMap<usize, i64>> {
        Ok(self.state.times(&entity.name, id))
    }

    async fn note_times(&mut self, entity: &Entity, id: &str, fields: &[usize], at: i64) -> StorageResult<()> {
        fields.iter().for_each(|field| self.state.note_time(&entity.name, id, *field, at));
        Ok(())
    }

    async fn mark(&mut self) -> StorageResult<()> {
        self.marked = Some(self.state.clone());
        Ok(())
    }

    async fn keep(&mut self) -> StorageResult<()> {
        self.marked = None;
        Ok(())
    }

    async fn roll_back(&mut self) -> StorageResult<()> {
        if let Some(marked) = self.marked.take() {
            self.state = marked;
        }
        Ok(())
    }

    async fn remember(&mut self, client: &str, decided: &Decided, record: (&str, &str)) -> StorageResult<()> {
        let own = match decided.outcome {
            Outcome::Accepted { version } => Some(((record.0.to_owned(), record.1.to_owned()), version)),
            _ => None,
        };
        let remembered = Remembered { decided: decided.clone(), own };
        self.state.outcomes.insert((client.to_owned(), decided.seq), remembered);
        Ok(())
    }

    async fn save_client(&mut self, id: &str, client: &Client) -> StorageResult<()> {
        self.state.clients.insert(id.to_owned(), client.clone());
        self.state.outcomes.retain(|(of, seq), _| of != id || *seq > client.ack);
        Ok(())
    }

    async fn commit(self) -> StorageResult<()> {
        self.storage.restore(self.state);
        Ok(())
    }
}
