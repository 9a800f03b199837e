//! `POST /v1/pull`: the rules, over the storage port.
//!
//! A bucket without a cursor is brought in two phases. The snapshot goes through its rows by id and leaves out what is
//! newer than the version it began at; the changes then go on from that version. Whatever changes between the answers in which
//! a snapshot comes has a newer version, so it comes with the changes: no row is skipped, however long the way.
//!
//! ```text
//!             no cursor            snapshot read to its end
//!   (start) ────────────► Snapshot ────────────────────────► Changes ──► bucket complete
//!      │  cursor continued ▲                                   ▲   (up to the head of the answer's state)
//!      └───────────────────┴───────────────────────────────────┘
//! ```
//!
//! A cursor that cannot be continued begins anew with `resync`: it is of another lineage, below the horizon, or of changes that were lost when the
//! database was restored.
//!
//! **Invariant:** an answer is of one state of the database, whatever is written while it is on its way. A moment that was held for too long is taken
//! away, and the answer ends with an error behind its last cursor; the client asks again from there.
//! **Invariant:** a line is made when it is asked for; nothing is kept but one page.

mod cursor;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use uuid::Uuid;
use whimbrel_protocol::{
    BucketCursor, BucketInfo, Gone, Json, Number, PROTOCOL_VERSION, PULL_BATCH_ROWS_MAX, PULL_LINE_BYTES_MAX,
    ProblemCode, PullLine, PullRequest, RowBatch, Start, Version,
};

use self::cursor::{Lineage, Place, Position};
use crate::fault::Fault;
use crate::model::{Entities, Entity, ROW_BYTES_MAX, User};
use crate::stand;
use crate::storage::{Bucket, Head, Page, PageLimit, Read, Storage, StorageResult};

/// Bytes of values in a page, about: the row that exceeds it is the last.
const PAGE_BYTES_MAX: usize = 256 * 1024;
/// JSON may write one byte as six (`\u0000`); no row that was pushed is over [`ROW_BYTES_MAX`].
const _: () = assert!((PAGE_BYTES_MAX + ROW_BYTES_MAX) * 6 < PULL_LINE_BYTES_MAX);

const PAGE_LIMIT: PageLimit = PageLimit { rows: PULL_BATCH_ROWS_MAX, bytes: PAGE_BYTES_MAX };

/// An answer on its way.
pub(crate) struct Pull<M> {
    moment: M,
    head: Head,
    entities: Arc<Entities>,
    waiting: VecDeque<Progress>,
    lines: VecDeque<PullLine>,
    ended: bool,
}

/// How far one bucket has come.
struct Progress {
    entity: String,
    scope: String,
    name: String,
    lineage: Lineage,
    /// Whether the bucket begins anew, and whether that is because changes were lost.
    resync: Option<bool>,
    /// The era of the version in `position`.
    era: String,
    position: Position,
}

impl<M: Read> Pull<M> {
    /// Begins an answer.
    ///
    /// # Errors
    /// `request/malformed`, `pull/unknown-entity`, or the storage's.
    pub(crate) async fn begin<S: Storage<Moment = M>>(
        storage: &S,
        entities: Arc<Entities>,
        user: &User,
        request: &PullRequest,
    ) -> Result<Self, Fault> {
        if Uuid::try_parse(&request.client).is_err() {
            return Err(Fault::new(ProblemCode::Malformed, "client is not a UUID"));
        }
        user.check(request.user.as_deref())?;
        storage.refresh_views().await?;
        let moment = storage.moment().await?;
        let head = moment.head().await?;
        let restored = stand::lost(&moment, &head, &request.stands).await?;
        let mut forbidden = Vec::new();
        let mut waiting: VecDeque<Progress> = VecDeque::new();
        for wanted in &request.entities {
            let entity = entities
                .find(wanted)
                .ok_or_else(|| Fault::new(ProblemCode::UnknownEntity, format!("there is no entity {wanted:?}")))?;
            if waiting.iter().all(|progress| progress.entity != entity.name) {
                let scopes = entity.scopes_for(user);
                if scopes.is_empty() {
                    forbidden.push(entity.name.clone());
                }
                for scope in scopes {
                    let mut progress =
                        Progress::begin(&moment, &head, user, Bucket { entity, scope }, &request.cursors).await?;
                    if restored.contains(&entity.name.as_str()) {
                        progress.start_over(&head, true);
                    }
                    waiting.push_back(progress);
                }
            }
        }
        let mut buckets = Vec::with_capacity(waiting.len());
        for progress in &waiting {
            let pending = progress.count(&moment, &head, &entities).await?;
            buckets.push(BucketInfo { bucket: progress.name.clone(), pending });
        }
        let user = Some(user.owner());
        let start = Start { protocol: PROTOCOL_VERSION, history: head.history.clone(), user, forbidden, buckets };
        Ok(Self { moment, head, entities, waiting, lines: [PullLine::Start(start)].into(), ended: false })
    }

    /// The next line; none after the last.
    pub(crate) async fn next(&mut self) -> Option<PullLine> {
        while self.lines.is_empty() && !self.ended {
            let Some(progress) = self.waiting.front_mut() else {
                self.ended = true;
                self.lines.push_back(PullLine::End {});
                break;
            };
            match progress.advance(&self.moment, &self.head, &self.entities, &mut self.lines).await {
                Ok(true) => _ = self.waiting.pop_front(),
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(bucket = progress.name, %error, "a pull failed in the middle");
                    self.ended = true;
                    self.lines.push_back(PullLine::Error(Fault::from(error).to_problem()));
                }
            }
        }
        self.lines.pop_front()
    }
}

impl Progress {
    async fn begin<R: Read>(
        moment: &R,
        head: &Head,
        user: &User,
        bucket: Bucket<'_>,
        cursors: &[BucketCursor],
    ) -> StorageResult<Self> {
        let Bucket { entity, scope } = bucket;
        let name = format!("{}/{scope}", entity.name);
        let lineage = Lineage::new(head, &user.id, bucket);
        let sent = cursors.iter().find(|cursor| cursor.bucket == name);
        let mut progress = Self {
            entity: entity.name.clone(),
            scope: scope.to_owned(),
            name,
            lineage,
            resync: sent.map(|_| false),
            era: head.era.clone(),
            position: Position::Snapshot { at: head.version, after: String::new() },
        };
        let Some(place) = sent.and_then(|sent| progress.lineage.read(&sent.cursor)) else { return Ok(progress) };
        let version = place.position.version();
        if version >= head.horizon {
            if head.has_been_at(moment, &place.era, version).await? {
                progress.resync = None;
                (progress.era, progress.position) = (place.era, place.position);
            } else {
                progress.resync = Some(true);
            }
        }
        Ok(progress)
    }

    /// The whole bucket is to come; whether because the database was restored.
    fn start_over(&mut self, head: &Head, is_restored: bool) {
        self.resync = Some(is_restored);
        self.era.clone_from(&head.era);
        self.position = Position::Snapshot { at: head.version, after: String::new() };
    }

    async fn count<R: Read>(&self, moment: &R, head: &Head, entities: &Entities) -> StorageResult<u64> {
        let Some(entity) = entities.find(&self.entity) else { return Ok(0) };
        let bucket = Bucket { entity, scope: &self.scope };
        match &self.position {
            Position::Snapshot { after, .. } => moment.count_snapshot(bucket, after).await,
            Position::Changes { after } => moment.count_changes(bucket, *after, head.version).await,
        }
    }

    /// Makes the next lines. True when the bucket is complete.
    async fn advance<R: Read>(
        &mut self,
        moment: &R,
        head: &Head,
        entities: &Entities,
        lines: &mut VecDeque<PullLine>,
    ) -> StorageResult<bool> {
        let Some(entity) = entities.find(&self.entity) else { return Ok(true) };
        let bucket = Bucket { entity, scope: &self.scope };
        let (page, (era, position), complete) = match &self.position {
            Position::Snapshot { at, after } => {
                let page = moment.snapshot(bucket, *at, after, PAGE_LIMIT).await?;
                let position = match page.rows.last() {
                    Some(last) if !page.complete => Position::Snapshot { at: *at, after: last.id.clone() },
                    Some(_) | None => Position::Changes { after: *at },
                };
                let complete = page.complete && head.version == *at;
                (page, (self.era.clone(), position), complete)
            }
            Position::Changes { after } => {
                let page = moment.changes(bucket, *after, head.version, PAGE_LIMIT).await?;
                let upto = head.version.max(*after);
                let reached = if page.complete { upto } else { newest(&page).unwrap_or(upto) };
                let complete = page.complete;
                (page, (head.era.clone(), Position::Changes { after: reached }), complete)
            }
        };
        if let Some(restored) = self.resync.take() {
            lines.push_back(PullLine::Resync { bucket: self.name.clone(), restored });
        }
        self.push_page(entity, page, lines);
        let place = Place { era, position };
        let cursor = self.lineage.write(&place);
        let version = match place.position {
            Position::Changes { after } => Some(after),
            Position::Snapshot { .. } => None,
        };
        (self.era, self.position) = (place.era, place.position);
        lines.push_back(PullLine::Cursor(BucketCursor { bucket: self.name.clone(), cursor, more: !complete, version }));
        Ok(complete)
    }

    fn push_page(&self, entity: &Entity, page: Page, lines: &mut VecDeque<PullLine>) {
        if !page.rows.is_empty() {
            let fields = entity.fields.iter().map(|field| field.name.clone());
            let columns = ["id".to_owned(), "_version".to_owned()].into_iter().chain(fields).collect();
            let data = page.rows.into_iter().map(|row| {
                let values = row.row.iter().map(crate::model::Value::to_json);
                [Json::Text(row.id), Json::Number(Number::Whole(row.version))].into_iter().chain(values).collect()
            });
            lines.push_back(PullLine::Rows(RowBatch { bucket: self.name.clone(), columns, data: data.collect() }));
        }
        if !page.gone.is_empty() {
            lines.push_back(PullLine::Gone(Gone { bucket: self.name.clone(), rows: page.gone }));
        }
    }
}

fn newest(page: &Page) -> Option<Version> {
    let rows = page.rows.iter().map(|row| row.version);
    rows.chain(page.gone.iter().map(|(_, version)| *version)).max()
}
