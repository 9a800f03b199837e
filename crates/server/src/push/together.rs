//! New records that are inserted at once. What every single one would meet is decided here as for one alone; where any of it is not plain, nothing
//! is done, and they go one by one.
//!
//! **Invariant:** whoever pushes cannot tell whether they went at once.

use std::collections::BTreeMap;

use whimbrel_protocol::{Change, ChangeOutcome, Op, Outcome};

use super::Pusher;
use super::admit::admit;
use super::decide::{Decision, Known, decide};
use crate::storage::{PushTransaction, Record, StorageResult};

/// Whether two changes in a row are new records of one entity, each by itself.
pub(super) fn are_alike(earlier: &Change, later: &Change) -> bool {
    let is_new = |change: &Change| change.op == Op::Create && change.group.is_none();
    is_new(earlier) && is_new(later) && earlier.entity == later.entity
}

impl<'a, T: PushTransaction> Pusher<'a, T> {
    /// Inserts new records of one entity; none when they, or one of them, have to be looked at by themselves.
    pub(super) async fn insert_together(&mut self, run: &'a [Change]) -> StorageResult<Option<Vec<ChangeOutcome>>> {
        let [first, second, ..] = run else { return Ok(None) };
        if !self.rules.hooks.are_none() {
            return Ok(None);
        }
        let Some(entity) = self.rules.entities.find(&first.entity).filter(|entity| !entity.keeps_times()) else {
            return Ok(None);
        };
        if !are_alike(first, second) {
            return Ok(None);
        }
        let mut rows = Vec::with_capacity(run.len());
        for change in run {
            let Ok(admitted) = admit(self.rules, self.user, change) else { return Ok(None) };
            if self.refused_parent(&admitted).is_some() {
                return Ok(None);
            }
            let known = Known { record: Record::Unknown, own: None, times: BTreeMap::new(), at: change.at };
            let Decision::Insert(row) = decide(admitted, self.user, known) else { return Ok(None) };
            rows.push((change.id.clone(), row));
        }
        let Some(last) = self.transaction.insert_new(entity, &rows).await? else { return Ok(None) };
        let mut outcomes = Vec::with_capacity(run.len());
        for (change, version) in run.iter().rev().zip((1..=last).rev()) {
            self.written.push((&change.entity, &change.id, version));
            outcomes.push(Outcome::Accepted { version });
        }
        outcomes.reverse();
        Ok(Some(self.remember(run, outcomes)))
    }
}
