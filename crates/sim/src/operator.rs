//! What the server's operator does: removals are forgotten, backups are made, and now and then one is put in place of the database.
//! Half of the time it is given a new history, as PROTOCOL.md asks, and half of the time the operator is careless.

use futures_executor::block_on;
use whimbrel_server::Storage;

use crate::fault::Fault;
use crate::world::World;

impl World {
    /// Every removal so far is older than the horizon.
    pub(crate) fn pass_horizon(&self) {
        self.note(Fault::HorizonPassed, || "the server forgets removals".to_owned());
        self.network.pairs.begin_anew();
        let now = self.executor.date_ms();
        let done = block_on(async {
            self.storage.begin_era(now).await?;
            self.storage.compact(now).await
        });
        self.look(done.map(|_| ()));
    }

    /// Makes a backup; when there is one, the server goes back to it.
    pub(crate) fn back_up_or_restore(&self) {
        if self.backup.borrow().is_some() {
            return self.restore(self.dice.one_in(2));
        }
        self.judge.note(self.executor.now(), || "a backup is made".to_owned());
        *self.backup.borrow_mut() = Some(self.storage.backup());
    }

    /// The server stops, is put back to the backup, and starts; with a new history unless the operator is careless.
    pub(crate) fn restore(&self, is_careless: bool) {
        let Some(backup) = self.backup.take() else { return };
        let (state, kept) = (self.storage.backup(), backup.writes().len());
        self.note(Fault::ServerRestored, || {
            format!("the server goes back from {} writes to {kept}, careless: {is_careless}", state.writes().len())
        });
        self.judge.lost(state.writes().get(kept..).unwrap_or_default());
        self.storage.restore(backup);
        self.network.pairs.restored();
        self.look(block_on(self.storage.begin_era(self.executor.date_ms())));
        if !is_careless {
            self.restores.set(self.restores.get() + 1);
            self.storage.renew_history(&format!("history {}", self.restores.get()));
        }
    }

    fn look(&self, done: whimbrel_server::StorageResult<()>) {
        if let Err(error) = done {
            self.judge.violation(format!("the operator cannot do it: {error}"));
        }
    }
}
