//! What the user decides, as the app asks for it: each method one read or one transaction.

use whimbrel_protocol::Fields;

use super::confirmation::Confirmation;
use super::conflict::{self, Resolution};
use super::{Footprint, LocalWrite, Store, inbox};
use crate::error::Result;
use crate::ports::Storage;

impl<S: Storage> Store<S> {
    /// The open conflicts, oldest first, as a JSON array, and what was looked at.
    ///
    /// # Errors
    /// Those of the store, here and below.
    pub fn conflicts(&self) -> impl Future<Output = Result<(String, Footprint)>> {
        self.read_marked(conflict::list_json)
    }

    /// The changes the server refused, oldest first, as a JSON array, and what was looked at.
    ///
    /// # Errors
    /// Those of the store.
    pub fn inbox(&self) -> impl Future<Output = Result<(String, Footprint)>> {
        self.read_marked(inbox::list_json)
    }

    /// Decides a conflict, see [`conflict::resolve`].
    ///
    /// # Errors
    /// As there.
    pub async fn resolve(&self, position: u64, resolution: &Resolution, at: i64) -> Result<Vec<Confirmation>> {
        Ok(self.transact(|txn| conflict::resolve(txn, position, resolution, at)).await?.value)
    }

    /// The open conflicts of an entity, oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub fn conflicts_of(&self, entity: &str) -> impl Future<Output = Result<Vec<u64>>> {
        self.read(move |view| conflict::positions_of(view, entity))
    }

    /// Takes a resolution back, see [`conflict::undo`].
    ///
    /// # Errors
    /// As there.
    pub async fn undo(&self, position: u64, change: &str, at: i64) -> Result<(bool, Vec<Confirmation>)> {
        Ok(self.transact(|txn| conflict::undo(txn, position, change, at)).await?.value)
    }

    /// What a discard of a refused change would take along, as a JSON array.
    ///
    /// # Errors
    /// `row/not-found` when there is none at that position.
    pub fn dependents(&self, position: u64) -> impl Future<Output = Result<String>> {
        self.read(move |view| inbox::dependents_json(view, position))
    }

    /// The refused changes that depend on one.
    ///
    /// # Errors
    /// `row/not-found` when there is none at that position.
    pub fn refused_dependents(&self, position: u64) -> impl Future<Output = Result<Vec<u64>>> {
        self.read(move |view| inbox::refused_dependents(view, position))
    }

    /// Writes a refused change anew, see [`inbox::resend`].
    ///
    /// # Errors
    /// As there.
    pub async fn resend(
        &self,
        position: u64,
        patch: &Fields,
        change: &str,
        at: i64,
    ) -> Result<(LocalWrite, Vec<Confirmation>)> {
        Ok(self.transact(|txn| inbox::resend(txn, position, patch, change, at)).await?.value)
    }

    /// Forgets a refused change for good, see [`inbox::discard`].
    ///
    /// # Errors
    /// As there.
    pub async fn discard(&self, position: u64) -> Result<Vec<Confirmation>> {
        Ok(self.transact(|txn| inbox::discard(txn, position)).await?.value)
    }
}
