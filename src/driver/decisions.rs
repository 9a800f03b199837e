//! What the user decides: conflicts and refused changes.

use whimbrel_protocol::Fields;

use super::{Driver, News, Written};
use crate::error::{Code, Result};
use crate::json::FromJson;
use crate::model::uuid_v7;
use crate::ports::{Clock, Platform, Random};
use crate::store::{Confirmation, LocalWrite, Resolution};
use crate::sync::Event;

impl<P: Platform> Driver<P> {
    /// Decides a conflict; see [`Resolution`] for its JSON.
    ///
    /// # Errors
    /// `conflict/not-found`, `conflict/undecided`, `conflict/deleted`, those of bad values, and those of the store.
    pub async fn resolve(&self, position: u64, resolution: &str) -> Result<()> {
        let resolution = Resolution::parse(resolution.as_bytes(), Code::OptionsInvalid)?;
        let confirmed = self.inner.store.resolve(position, &resolution, self.now()).await?;
        self.decided(confirmed).await;
        Ok(())
    }

    /// Decides all open conflicts of an entity the same way, oldest first; how many there were. Those before one that fails are decided.
    ///
    /// # Errors
    /// As [`Driver::resolve`].
    pub async fn resolve_all(&self, entity: &str, resolution: &str) -> Result<u64> {
        self.schema().entity(entity)?;
        let resolution = Resolution::parse(resolution.as_bytes(), Code::OptionsInvalid)?;
        let mut count = 0;
        for position in self.inner.store.conflicts_of(entity).await? {
            match self.inner.store.resolve(position, &resolution, self.now()).await {
                Ok(confirmed) => self.tell_confirmed(confirmed),
                // Another tab was first.
                Err(error) if error.code() == Code::ConflictNotFound => continue,
                Err(error) => {
                    self.decided(Vec::new()).await;
                    return Err(error);
                }
            }
            count += 1;
        }
        self.decided(Vec::new()).await;
        Ok(count)
    }

    /// Takes a resolution back; whether the conflict is open again. Otherwise the server had it already, and a change writes the values back.
    ///
    /// # Errors
    /// `conflict/not-found`, `conflict/too-late`, and those of the store.
    pub async fn undo(&self, position: u64) -> Result<bool> {
        let (is_open, confirmed) = self.inner.store.undo(position, &self.new_id(), self.now()).await?;
        self.decided(confirmed).await;
        Ok(is_open)
    }

    /// Sends a refused change again, with other values where `patch` (a JSON object) has some; then those that were refused because of it, as far as
    /// that is possible. What was written.
    ///
    /// # Errors
    /// `row/not-found`, those of a write, and those of the store; then nothing has changed.
    pub async fn resend(&self, position: u64, patch: &str) -> Result<Vec<Written>> {
        let patch = Patch::parse(patch.as_bytes(), Code::OptionsInvalid)?.0;
        let store = &self.inner.store;
        let dependents = store.refused_dependents(position).await?;
        let (first, confirmed) = store.resend(position, &patch, &self.new_id(), self.now()).await?;
        self.tell_confirmed(confirmed);
        let mut written = vec![first];
        for position in dependents {
            // One that cannot be written yet stays where it is.
            if let Ok((again, confirmed)) = store.resend(position, &Fields::new(), &self.new_id(), self.now()).await {
                self.tell_confirmed(confirmed);
                written.push(again);
            }
        }
        self.decided(Vec::new()).await;
        let written = written.into_iter();
        Ok(written.map(|LocalWrite { change, entity, id, .. }| Written { change, entity, id }).collect())
    }

    /// Forgets a refused change for good, and what depends on it.
    ///
    /// # Errors
    /// `row/not-found` when there is none at that position.
    pub async fn discard(&self, position: u64) -> Result<()> {
        let confirmed = self.inner.store.discard(position).await?;
        self.decided(confirmed).await;
        Ok(())
    }

    async fn decided(&self, confirmed: Vec<Confirmation>) {
        self.tell_confirmed(confirmed);
        self.after_commit().await;
        self.feed(Event::Wrote);
    }

    pub(super) fn tell_confirmed(&self, confirmed: Vec<Confirmation>) {
        if !confirmed.is_empty() {
            self.tell(News::Confirmed(confirmed));
        }
    }

    fn now(&self) -> i64 {
        self.inner.ports.clock.now_ms()
    }

    fn new_id(&self) -> String {
        uuid_v7(self.now(), self.inner.ports.random.bytes16())
    }
}

/// Values by field.
struct Patch(Fields);

impl FromJson for Patch {
    fn from_json(mut object: crate::json::Object) -> Result<Self> {
        let patch = object.map("patch")?;
        object.end()?;
        Ok(Self(patch))
    }
}
