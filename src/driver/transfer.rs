//! Exports and imports that are under way: the package asks for the next piece, or brings it, when it can take it or has it.
//!
//! **Invariant:** while a whole store is imported, its tab holds the lock of the runs: nobody syncs, and when the tab dies, whoever gets the lock
//! next removes what is left.

use std::cell::{Cell, RefCell};

use super::Driver;
use super::lead::Hold;
use crate::error::{Code, Error, Result};
use crate::ports::Platform;
use crate::store::{Export, Import, Imported};

/// A transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferId(pub u32);

pub(super) enum Transfer<P: Platform> {
    Export(Box<Export<P::Storage>>),
    Import(Box<Import<P::Storage>>, Option<Hold<P>>),
}

pub(super) struct Transfers<P: Platform> {
    last: Cell<u32>,
    /// Those that nobody works on at this moment.
    open: RefCell<Vec<(TransferId, Transfer<P>)>>,
}

impl<P: Platform> Default for Transfers<P> {
    fn default() -> Self {
        Self { last: Cell::new(0), open: RefCell::default() }
    }
}

impl<P: Platform> Transfers<P> {
    fn add(&self, transfer: Transfer<P>) -> TransferId {
        let id = TransferId(self.last.get() + 1);
        self.last.set(id.0);
        self.open.borrow_mut().push((id, transfer));
        id
    }

    fn take(&self, id: TransferId) -> Result<Transfer<P>> {
        let mut open = self.open.borrow_mut();
        let place = open.iter().position(|(known, _)| *known == id);
        let gone = || Error::new(Code::StoreClosed, "this transfer has ended");
        place.map(|place| open.swap_remove(place).1).ok_or_else(gone)
    }

    pub(super) fn clear(&self) {
        self.open.borrow_mut().clear();
    }
}

impl<P: Platform> Driver<P> {
    /// Begins an export, of all that waits or of the whole store.
    #[must_use]
    pub fn begin_export(&self, is_whole: bool) -> TransferId {
        let export = self.inner.store.export(&self.inner.lock_name, is_whole);
        self.inner.transfers.add(Transfer::Export(Box::new(export)))
    }

    /// The next piece of an export; `None` at its end, which ends it.
    ///
    /// # Errors
    /// Those of an export; they end it.
    pub async fn export_next(&self, id: TransferId) -> Result<Option<Vec<u8>>> {
        let Transfer::Export(mut export) = self.inner.transfers.take(id)? else { return Ok(None) };
        let piece = export.next().await?;
        if piece.is_some() {
            self.inner.transfers.open.borrow_mut().push((id, Transfer::Export(export)));
        }
        Ok(piece)
    }

    /// Begins an import.
    #[must_use]
    pub fn begin_import(&self) -> TransferId {
        self.inner.transfers.add(Transfer::Import(Box::new(self.inner.store.import()), None))
    }

    /// Takes the next bytes of an import.
    ///
    /// # Errors
    /// Those of an import; they end it, and the database is as it was.
    pub async fn import_next(&self, id: TransferId, bytes: &[u8]) -> Result<()> {
        let Transfer::Import(mut import, mut guard) = self.inner.transfers.take(id)? else { return Ok(()) };
        if guard.is_none() {
            guard = Some(self.acquire(false, Box::new(|| ())).await?);
        }
        match import.push(bytes).await {
            Ok(()) => {
                self.inner.transfers.open.borrow_mut().push((id, Transfer::Import(import, guard)));
                Ok(())
            }
            Err(error) => {
                let undone = import.abort().await;
                self.report_failure(undone);
                Err(error)
            }
        }
    }

    /// Ends an import whose bytes have all come.
    ///
    /// # Errors
    /// As [`Driver::import_next`].
    pub async fn import_end(&self, id: TransferId) -> Result<Imported> {
        let Transfer::Import(mut import, _guard) = self.inner.transfers.take(id)? else {
            return Err(Error::new(Code::StoreClosed, "this is no import"));
        };
        let imported = import.finish().await;
        if imported.is_err() {
            let undone = import.abort().await;
            self.report_failure(undone);
        }
        self.after_commit().await;
        self.feed(crate::sync::Event::Wrote);
        imported
    }

    /// Ends a transfer that is no longer wanted; an import leaves nothing behind.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn end_transfer(&self, id: TransferId) -> Result<()> {
        match self.inner.transfers.take(id) {
            Ok(Transfer::Import(import, _guard)) => import.abort().await,
            Ok(Transfer::Export(_)) | Err(_) => Ok(()),
        }
    }

    /// An import that is in the way may be one whose tab has died.
    pub(super) fn look_after_import(&self, error: &Error) {
        if error.code() == Code::ImportRunning {
            self.remove_dead_import();
        }
    }

    /// Removes what an import has left whose tab has died: it holds the lock as long as it lives.
    pub(super) fn remove_dead_import(&self) {
        let driver = self.clone();
        self.spawn(async move {
            let removed = driver.remove_left_import().await;
            driver.report_failure(removed);
        });
    }

    async fn remove_left_import(&self) -> Result<()> {
        if !self.inner.store.has_import().await? {
            return Ok(());
        }
        let _guard = self.acquire(false, Box::new(|| ())).await?;
        self.inner.store.catch_up().await?;
        self.inner.store.remove_import(None).await?;
        self.after_commit().await;
        Ok(())
    }
}
