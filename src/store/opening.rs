//! Opening a store: what is there is loaded, what was lost recovered, and an older schema brought to the present one.

use std::rc::Rc;

use super::Store;
use super::core::Core;
use super::state::State;
use super::upgrade::Evolution;
use crate::error::Result;
use crate::model::Schema;
use crate::ports::{Durability, Loaded, Storage};

/// Bytes of pages kept in memory, unless said otherwise.
const CACHE_BYTES_DEFAULT: usize = 32 * 1024 * 1024;

impl<S: Storage> Store<S> {
    /// Opens a store: what is new in the schema gets its numbers, and new indexes are built.
    ///
    /// # Errors
    /// `store/corrupt`, `store/newer`, and those of the storage.
    pub async fn open(storage: S, schema: Schema, durability: Durability, cache_bytes: Option<usize>) -> Result<Self> {
        Self::open_with(storage, schema, durability, cache_bytes, Evolution::default()).await
    }

    /// Opens a store that may have been written under an older schema.
    ///
    /// # Errors
    /// As [`Store::open`], and `schema/invalid` and `schema/step-failed`.
    pub async fn open_with(
        storage: S,
        schema: Schema,
        durability: Durability,
        cache_bytes: Option<usize>,
        evolution: Evolution<'_>,
    ) -> Result<Self> {
        let state = State::new(Loaded::default(), Rc::new(schema), cache_bytes.unwrap_or(CACHE_BYTES_DEFAULT))?;
        let core = Rc::new(Core::new(storage, durability, state));
        Box::pin(core.load(0)).await?;
        core.read_catalog().await?;
        let store = Self { core, flight: Rc::default(), is_driven: Rc::default(), within: None, fence: None };
        if store.seq() == 0 {
            store.core.is_new.set(true);
            store.recover().await?;
        }
        // Rows can be made anew when the catalog is there.
        store.core.needs_repair.set(false);
        store.evolve(evolution).await?;
        store.repair().await?;
        Ok(store)
    }
}
