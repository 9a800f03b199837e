//! Rows to begin with: a JSON file with an array of objects, loaded once into an entity that never had any.
//!
//! The file is read on a thread of its own and handed over in parts, so memory does not depend on its size.
//!
//! **Invariant:** the same file gives the same ids on every server and at every start.

mod convert;
mod read;

use std::path::PathBuf;

use tokio::sync::mpsc;

pub use self::convert::Misfit;
use crate::config::Seed;
use crate::model::{Entities, Entity, Row};
use crate::storage::{Database, SeedRows, StorageError};

/// Rows handed over at once.
const ROWS_PER_PART: usize = 5_000;
/// Parts that may wait to be written.
const PARTS_WAITING_MAX: usize = 2;

/// The rows could not be loaded. None was.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The file is not there or cannot be read.
    #[error("seed {file}: {cause}")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// It is not an array of JSON objects.
    #[error("seed {file}: {cause}")]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Where and why.
        #[source]
        cause: serde_json::Error,
    },
    /// An object does not fit the entity.
    #[error("seed {file}: object {number}: {what}")]
    Object {
        /// The file.
        file: PathBuf,
        /// Which object, from 1.
        number: u64,
        /// What is wrong with it.
        what: Misfit,
    },
    /// Reading stopped without saying why.
    #[error("seed {file}: reading stopped in the middle")]
    Interrupted {
        /// The file.
        file: PathBuf,
    },
    /// The database failed.
    #[error("seeding: {0}")]
    Storage(#[from] StorageError),
}

/// Loads all seeds that were not loaded before.
///
/// # Errors
/// [`SeedError`]; what was loaded from earlier seeds stays.
pub async fn plant<D: Database>(storage: &D, entities: &Entities, seeds: &[Seed]) -> Result<(), SeedError> {
    for seed in seeds {
        let Some(entity) = entities.find(&seed.entity) else { continue };
        let begun = std::time::Instant::now();
        let (sender, parts) = mpsc::channel(PARTS_WAITING_MAX);
        let reading = Reading { seed: seed.clone(), entity: entity.clone(), parts, sender: Some(sender) };
        if let Some(rows) = storage.seed(entity, reading).await? {
            let ms = begun.elapsed().as_millis();
            tracing::info!(entity = entity.name, rows, ms, file = %seed.file.display(), "seeded");
        }
    }
    Ok(())
}

type Part = Result<Vec<(String, Row)>, SeedError>;

/// A seed's rows. The file is opened when the first are asked for, so a seed that is in already needs no file.
struct Reading {
    seed: Seed,
    entity: Entity,
    parts: mpsc::Receiver<Part>,
    sender: Option<mpsc::Sender<Part>>,
}

impl SeedRows for Reading {
    type Error = SeedError;

    /// An empty part is the end that was meant; a channel that just closes is not.
    async fn next(&mut self) -> Result<Option<Vec<(String, Row)>>, SeedError> {
        if let Some(sender) = self.sender.take() {
            let (seed, entity) = (self.seed.clone(), self.entity.clone());
            tokio::task::spawn_blocking(move || {
                let read = read::read(&seed, &entity, ROWS_PER_PART, |rows| sender.blocking_send(Ok(rows)).is_ok());
                // When the receiver has gone there is nobody to be told.
                _ = sender.blocking_send(read.map(|()| Vec::new()));
            });
        }
        match self.parts.recv().await {
            Some(part) => Ok(Some(part?).filter(|rows| !rows.is_empty())),
            None => Err(SeedError::Interrupted { file: self.seed.file.clone() }),
        }
    }
}
