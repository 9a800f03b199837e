//! Exactly once: what of a push is new, and what was decided before.
//!
//! ```text
//!   1 … ack        ack+1 … last_seq       last_seq+1 …
//!   forgotten      remembered: replayed    new: decided now
//! ```
//!
//! **Invariant:** a `seq` is decided once. Who sends it again gets the first decision.

use uuid::Uuid;
use whimbrel_protocol::{Change, ChangeOutcome, Outcome, ProblemCode, PushRequest};

use crate::fault::Fault;
use crate::storage::{Client, Decided};

/// Splits a push into replayed outcomes and new changes.
///
/// # Errors
/// `push/gap` when changes between the last known and these are missing; `push/fork` when a `seq` belongs to another
/// change, or to one whose outcome the client has acknowledged.
pub(crate) fn split<'a>(
    request: &'a PushRequest,
    client: &Client,
    decided: Vec<Decided>,
) -> Result<(Vec<ChangeOutcome>, &'a [Change]), Fault> {
    let last = client.last_seq;
    if client.ack > last {
        return Err(Fault::new(ProblemCode::Fork, "this client has ended"));
    }
    let first = request.changes.first().map_or(last + 1, |change| change.seq);
    if first > last.saturating_add(1) || request.ack > last {
        return Err(Fault::new(ProblemCode::Gap, format!("the last seq known is {last}")));
    }
    let known = usize::try_from(last + 1 - first).unwrap_or(usize::MAX).min(request.changes.len());
    let (known, new) = request.changes.split_at_checked(known).unwrap_or((&[], &request.changes));
    let mut decided = decided.into_iter().peekable();
    let mut replayed = Vec::with_capacity(known.len());
    for change in known {
        let first = decided.next_if(|earlier| earlier.seq == change.seq && is_same(&earlier.change, change));
        let first = first.ok_or_else(|| {
            Fault::new(ProblemCode::Fork, format!("seq {} is not the change that was decided here", change.seq))
        })?;
        replayed.push(ChangeOutcome { seq: first.seq, outcome: replay(first.outcome) });
    }
    Ok((replayed, new))
}

/// The name of an entity that nobody has. A client whose change made the server fail asks under it what became of the change.
const NOBODY: &str = "-";

/// What a change is remembered by: its id, and a digest of what it does. A store that was put back to a backup gives its numbers and ids again, to
/// changes that have become others since.
pub(super) fn identity(change: &Change) -> String {
    let content = serde_json::to_vec(&(&change.entity, &change.id, change.op, &change.set)).unwrap_or_default();
    format!("{} {}", change.change, Uuid::new_v5(&Uuid::NAMESPACE_OID, &content).simple())
}

fn is_same(remembered: &str, change: &Change) -> bool {
    match remembered.split_once(' ') {
        Some((id, _)) if change.entity == NOBODY => id == change.change,
        Some(_) => remembered == identity(change),
        // From before there were digests.
        None => remembered == change.change,
    }
}

fn replay(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Accepted { version } => Outcome::Duplicate { version },
        same @ (Outcome::Duplicate { .. }
        | Outcome::Superseded { .. }
        | Outcome::Conflict { .. }
        | Outcome::Rejected { .. }
        | Outcome::Retry { .. }) => same,
    }
}
