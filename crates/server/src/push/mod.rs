//! `POST /v1/push`: the rules, over the storage port.
//!
//! ```text
//! envelope ─► sequence (replay | new) ─► per change or group: admit ─► record ─► decide ─► hooks ─► write ─► remember
//! └ 400, 413  └ 409                      └───────────── one savepoint ─────────────┘
//! ```
//! New records in a row are tried at once first (`together`), because a device that was away sends hundreds of them.
//!
//! **Invariant:** effects, outcomes and the client's `last_seq` are committed together, or none of them is.
//! **Invariant:** a refused change leaves nothing behind and stops nothing after it.

mod admit;
mod bases;
mod decide;
mod envelope;
mod pair;
mod refusal;
mod sequence;
mod together;

use std::collections::BTreeMap;

use whimbrel_merge::Rule;
use whimbrel_protocol::{
    Change, ChangeOutcome, Op, Outcome, PROTOCOL_VERSION, ProblemCode, PushRequest, PushResponse, Version,
};

use self::admit::{Admitted, admit};
use self::decide::{Decision, Known, decide};
use self::pair::Presence;
use self::refusal::Refusal;
use crate::config::Sizes;
use crate::fault::Fault;
use crate::hooks::Hooks;
use crate::model::{Entities, Entity, FieldType, Policy, Row, User, Value};
use crate::stand;
use crate::storage::{Client, Decided, PushTransaction, Record, Storage, StorageResult, Write, Written};

/// The `ack` of a client that has ended: more than was ever decided.
const ENDED: u64 = (1 << 53) - 1;

/// What a server's configuration, and the app around it, say of pushes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) entities: &'a Entities,
    pub(crate) hooks: &'a Hooks,
    pub(crate) sizes: &'a Sizes,
}

/// Applies a push at a time (milliseconds since 1970).
///
/// # Errors
/// [`Fault`] when the request as a whole cannot be served; then nothing was done.
pub(crate) async fn push<S: Storage>(
    storage: &S,
    rules: Rules<'_>,
    user: &User,
    request: &PushRequest,
    now: i64,
) -> Result<PushResponse, Fault> {
    envelope::check(request, rules.sizes)?;
    user.check(request.user.as_deref())?;
    let mut transaction = storage.begin_push().await?;
    let known = transaction.client(&request.client).await?;
    let mut client = known.unwrap_or_else(|| Client { user: user.id.clone(), last_seq: 0, ack: 0 });
    if client.user != user.id {
        return Err(Fault::new(ProblemCode::OtherUser, "this client id belongs to another user"));
    }
    let decided = match request.changes.first() {
        Some(first) if first.seq <= client.last_seq => transaction.decided(&request.client, first.seq).await?,
        _ => Vec::new(),
    };
    if request.end {
        client.ack = ENDED;
        transaction.save_client(&request.client, &client).await?;
        transaction.commit().await?;
        let last_seq = client.last_seq;
        return Ok(PushResponse { protocol: PROTOCOL_VERSION, outcomes: Vec::new(), last_seq, stand: None });
    }
    let (mut outcomes, new) = sequence::split(request, &client, decided)?;
    let mut newest = storage.head().await?.version;
    if let Some(history) = &request.history {
        newest = newest.min(storage.history_until(history).await?.unwrap_or(0));
    }
    let new = bases::known(new, newest);
    let client_id = request.client.as_str();
    let mut pusher = Pusher {
        transaction: &mut transaction,
        rules,
        user,
        client: client_id,
        now,
        written: Vec::new(),
        refused: Vec::new(),
        decided: Vec::new(),
    };
    for run in new.chunk_by(|earlier, later| belong_together(earlier, later) || together::are_alike(earlier, later)) {
        match pusher.insert_together(run).await? {
            Some(inserted) => outcomes.extend(inserted),
            None => {
                for group in run.chunk_by(belong_together) {
                    outcomes.extend(pusher.apply(group).await?);
                }
            }
        }
    }
    pusher.transaction.remember_all(client_id, &pusher.decided).await?;
    client.last_seq = new.last().map_or(client.last_seq, |change| change.seq);
    client.ack = client.ack.max(request.ack);
    transaction.save_client(&request.client, &client).await?;
    transaction.commit().await?;
    // Each of these says how the record is now, and a server that was put back may not know of that.
    let tells = |answer: &ChangeOutcome| !matches!(answer.outcome, Outcome::Rejected { .. } | Outcome::Retry { .. });
    let stand = if outcomes.iter().any(tells) { Some(stand::write(&storage.head().await?)) } else { None };
    Ok(PushResponse { protocol: PROTOCOL_VERSION, outcomes, last_seq: client.last_seq, stand })
}

fn belong_together(earlier: &Change, later: &Change) -> bool {
    earlier.group.is_some() && earlier.group == later.group
}

/// Whether a change has gone well; what belongs to it can too.
const fn is_good(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Accepted { .. } | Outcome::Superseded { .. })
}

/// What hooks make of a decision to write.
async fn ask_hooks(
    hooks: &Hooks,
    user: &User,
    entity: &Entity,
    change: &Change,
    (before, decision): (Option<&Row>, Decision),
) -> StorageResult<Decision> {
    let (op, after) = match &decision {
        Decision::Insert(row) => (Op::Create, Some(row)),
        Decision::Update { row, .. } => (Op::Update, Some(row)),
        Decision::Delete => (Op::Delete, None),
        Decision::Stays(_) | Decision::Settled(_) => return Ok(decision),
    };
    let refused = hooks.ask(user, entity, (op, &change.id), before, after).await?;
    Ok(refused.map_or(decision, Decision::Settled))
}

struct Pusher<'a, T> {
    transaction: &'a mut T,
    rules: Rules<'a>,
    user: &'a User,
    client: &'a str,
    now: i64,
    /// Entity, id and new version of what this request wrote so far.
    written: Vec<(&'a str, &'a str, Version)>,
    /// The new records that this request was refused, and why.
    refused: Vec<(&'a str, &'a str, Outcome)>,
    /// What this request decided, and of which record: remembered at its end.
    decided: Vec<(Decided, (&'a str, &'a str))>,
}

impl<'a, T: PushTransaction> Pusher<'a, T> {
    /// Applies a single change or a group, all or nothing, and remembers the outcomes.
    async fn apply(&mut self, group: &'a [Change]) -> StorageResult<Vec<ChangeOutcome>> {
        self.transaction.mark().await?;
        let written_before = self.written.len();
        let mut outcomes = Vec::with_capacity(group.len());
        for change in group {
            let outcome = self.apply_one(change).await?;
            let is_good = is_good(&outcome);
            outcomes.push(outcome);
            if !is_good {
                break;
            }
        }
        match outcomes.iter().position(|outcome| !is_good(outcome)) {
            None => self.transaction.keep().await?,
            Some(failed) => {
                self.transaction.roll_back().await?;
                self.written.truncate(written_before);
                let cause = outcomes.swap_remove(failed);
                outcomes = group.iter().map(|_| Refusal::Group.outcome()).collect();
                outcomes.splice(failed..=failed, [cause]);
            }
        }
        Ok(self.remember(group, outcomes))
    }

    async fn apply_one(&mut self, change: &'a Change) -> StorageResult<Outcome> {
        let admitted = match admit(self.rules, self.user, change) {
            Ok(admitted) => admitted,
            Err(refused) => return Ok(refused),
        };
        if let Some(refused) = self.refused_parent(&admitted) {
            return Ok(refused);
        }
        let entity = admitted.entity;
        let record = self.transaction.record(entity, &change.id).await?;
        let own = self.own_version(entity, change, &record).await?;
        let times =
            if entity.keeps_times() { self.transaction.times(entity, &change.id).await? } else { BTreeMap::new() };
        // A device whose clock is ahead must not win for longer than until now.
        let at = change.at.min(self.now);
        let presence = entity.pair.and_then(|pair| Presence::read(pair, &times));
        let before = match &record {
            Record::Live { row, .. } if !self.rules.hooks.are_none() => Some(row.clone()),
            Record::Live { .. } | Record::Deleted { .. } | Record::Unknown => None,
        };
        let known = Known { record, own, times, at };
        let decision = decide(admitted, self.user, known);
        let decision = ask_hooks(self.rules.hooks, self.user, entity, change, (before.as_ref(), decision)).await?;
        let is_made = matches!(decision, Decision::Insert(_) | Decision::Delete);
        let outcome = match decision {
            Decision::Insert(row) => {
                let fields: Vec<usize> = (0..row.len()).collect();
                self.note_times(entity, change, &fields, at).await?;
                self.write(entity, change, Write::Insert(&row)).await?
            }
            Decision::Update { row, fields } => {
                self.note_times(entity, change, &fields, at).await?;
                self.write(entity, change, Write::Update { row: &row, fields: &fields }).await?
            }
            Decision::Delete => self.write(entity, change, Write::Delete).await?,
            Decision::Stays(version) => {
                self.written.push((&change.entity, &change.id, version));
                Outcome::Accepted { version }
            }
            Decision::Settled(outcome) => outcome,
        };
        if let (Some(pair), Outcome::Accepted { version }, Op::Create | Op::Delete) = (entity.pair, &outcome, change.op)
        {
            let made = is_made.then_some(*version);
            self.note_presence(entity, change, pair, Presence::after(presence, made, *version, at)).await?;
        }
        Ok(outcome)
    }

    /// Notes when a pair was added or removed.
    async fn note_presence(
        &mut self,
        entity: &Entity,
        change: &Change,
        [first, second]: [usize; 2],
        Presence { version, at }: Presence,
    ) -> StorageResult<()> {
        let version = i64::try_from(version).unwrap_or(i64::MAX);
        self.transaction.note_times(entity, &change.id, &[first], version).await?;
        self.transaction.note_times(entity, &change.id, &[second], at).await
    }

    /// Notes when values were written, where it counts. If the write is refused, this goes with it.
    async fn note_times(&mut self, entity: &Entity, change: &Change, fields: &[usize], at: i64) -> StorageResult<()> {
        let counts = |place: &usize| entity.fields.get(*place).is_some_and(|field| field.rule == Some(Rule::Newest));
        let fields: Vec<usize> = fields.iter().copied().filter(counts).collect();
        if fields.is_empty() {
            return Ok(());
        }
        self.transaction.note_times(entity, &change.id, &fields, at).await
    }

    /// The refusal of a new record that a change refers to: the child has nothing to stand on, and what is wrong is wrong with the parent.
    fn refused_parent(&self, child: &Admitted<'_>) -> Option<Outcome> {
        let mut parents = child.set.iter().filter_map(|(position, value)| {
            let FieldType::Ref { entity } = &child.entity.fields.get(*position)?.kind else { return None };
            let Value::Text(id) = value else { return None };
            self.refused.iter().find(|(of, own, _)| of == entity && own == id)
        });
        parents.next().map(|(_, _, outcome)| outcome.clone())
    }

    /// Asked for only where it can matter: versions are compared, and the base is older than what there is.
    async fn own_version(
        &mut self,
        entity: &Entity,
        change: &Change,
        record: &Record,
    ) -> StorageResult<Option<Version>> {
        let is_pair = entity.pair.is_some();
        let compares = is_pair || matches!(entity.policy, Policy::DetectConflicts | Policy::Merge);
        let version = match record {
            Record::Live { version, .. } if compares => *version,
            Record::Deleted { version } if is_pair => *version,
            Record::Live { .. } | Record::Deleted { .. } | Record::Unknown => return Ok(None),
        };
        if change.base.is_some_and(|base| base >= version) {
            return Ok(None);
        }
        let mine = |written: &&(&str, &str, Version)| written.0 == entity.name && written.1 == change.id;
        let here = self.written.iter().rev().find(mine).map(|written| written.2);
        Ok(here.max(self.transaction.own_version(self.client, entity, &change.id).await?))
    }

    async fn write(&mut self, entity: &Entity, change: &'a Change, write: Write<'_>) -> StorageResult<Outcome> {
        Ok(match self.transaction.write(entity, &change.id, write).await? {
            Written::Done(version) => {
                self.written.push((&change.entity, &change.id, version));
                Outcome::Accepted { version }
            }
            Written::Refused { constraint, fields } => Refusal::of_database(constraint, entity, &fields),
        })
    }

    fn remember(&mut self, group: &'a [Change], outcomes: Vec<Outcome>) -> Vec<ChangeOutcome> {
        let mut answers = Vec::with_capacity(group.len());
        for (change, outcome) in group.iter().zip(outcomes) {
            if change.op == Op::Create
                && let Outcome::Rejected { code, message, .. } = &outcome
            {
                let refusal =
                    Outcome::Rejected { code: code.clone(), message: message.clone(), fields: BTreeMap::new() };
                self.refused.push((&change.entity, &change.id, refusal));
            }
            let decided = Decided { seq: change.seq, change: sequence::identity(change), outcome };
            answers.push(ChangeOutcome { seq: change.seq, outcome: decided.outcome.clone() });
            self.decided.push((decided, (&change.entity, &change.id)));
        }
        answers
    }
}
