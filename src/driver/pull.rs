//! A pull: the server's lines, stored as they come, each piece together with the cursor that covers it.

use whimbrel_protocol::{PROTOCOL_VERSION, PullLine, PullRequest, Stand, Start};

use super::lines::Lines;
use super::load::File;
use super::pieces::Pieces;
use super::storing::Storing;
use super::{Driver, exchange};
use crate::error::{Code, Error};
use crate::json::{FromJson, to_text};
use crate::model::Unit;
use crate::ports::{Body, Clock, Platform, Transport};
use crate::store::Piece;
use crate::sync::{Event, Failure, Progress, RunId, UnitId};

/// The media type of a pull's answer.
const NDJSON: &str = "application/x-ndjson";
/// What a line of rows begins with; everything else is decoded as a [`PullLine`].
const ROWS_LINE: &[u8] = b"{\"rows\":";

/// Bytes of a row above which the developer is told, once, that local records should be light (R4).
const ROW_BYTES_ADVISED: u32 = 64 * 1024;

/// Where an answer comes from. One type for both, so that storing is compiled once.
pub(super) enum Source<B> {
    Network(B),
    File(File),
}

impl<B: Body> Body for Source<B> {
    async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Self::Network(body) => body.chunk().await,
            Self::File(next) => Ok(next().await),
        }
    }
}

/// The lines of an answer on this platform.
pub(super) type AnswerLines<P> = Lines<Source<<<P as Platform>::Transport as Transport>::Body>>;

impl<P: Platform> Driver<P> {
    pub(super) async fn pull(self, run: RunId, unit: UnitId) -> Result<(), Failure> {
        let Unit { name, pull: entities, policy, .. } = self.unit(unit)?;
        let idle = policy.idle_timeout_ms;
        if !entities.is_empty() {
            match self.pull_entities(run, &entities, idle).await {
                // A server that answers for all of them at once does not say which one it is.
                Err(failure) if is_denial(&failure) && entities.len() > 1 => {
                    self.pull_one_by_one(run, &entities, idle).await?
                }
                pulled => pulled?,
            }
        }
        self.store.succeeded(self.inner.ports.clock.now_ms(), &name).await?;
        self.after_commit().await;
        self.feed(Event::Pulled(run));
        Ok(())
    }

    /// A server that was put back to an earlier state has lost what it had accepted: people are told.
    async fn look_for_lost(&self, entities: &[String], stands: &[Stand]) -> Result<(), Error> {
        if let Some(lost) = self.store.settle_restored(entities, stands).await? {
            let detail = format!(
                "the server was put back to an earlier state; {lost} accepted changes of this device are lost there, \
                 and records that are gone with them are in the inbox"
            );
            self.report(true, Error::new(Code::ServerRestored, detail));
        }
        Ok(())
    }

    async fn pull_entities(&self, run: RunId, entities: &[String], idle: Option<u32>) -> Result<(), Failure> {
        let unplaced = self.store.unplaced(entities).await?;
        let stands = self.store.stands(entities).await?;
        let request = self.pull_request(entities, stands.clone()).await?;
        let response = self.exchange(("pull", run), request.into(), NDJSON, idle).await?;
        let lines = Lines::new(Source::Network(response.body));
        self.receive(lines, entities, Some(run)).await?;
        self.store.settle_unplaced(&unplaced).await?;
        self.look_for_lost(entities, &stands).await?;
        Ok(())
    }

    /// What the user may not see holds up nothing else.
    async fn pull_one_by_one(&self, run: RunId, entities: &[String], idle: Option<u32>) -> Result<(), Failure> {
        for entity in entities {
            let entity = std::slice::from_ref(entity);
            match self.pull_entities(run, entity, idle).await {
                Err(failure) if is_denial(&failure) => self.feed(Event::Denied(run, entity.to_vec())),
                pulled => pulled?,
            }
        }
        Ok(())
    }

    async fn pull_request(&self, entities: &[String], stands: Vec<Stand>) -> Result<String, Error> {
        let store = &self.store;
        let request = PullRequest {
            protocol: PROTOCOL_VERSION,
            client: store.client_id().await?,
            schema: store.schema().version,
            user: store.user().await?,
            entities: entities.to_vec(),
            cursors: store.cursors(entities).await?,
            stands,
        };
        to_text(&request)
    }

    /// Stores a whole answer, of a run or of a file; the run is told after every commit. When the answer breaks off, what is complete of it is stored all the
    /// same, so the next pull goes on from there.
    pub(super) async fn receive(
        &self,
        mut lines: AnswerLines<P>,
        entities: &[String],
        run: Option<RunId>,
    ) -> Result<Progress, Error> {
        let progress = |far| _ = run.map(|run| self.feed(Event::Progressed(run, far)));
        let (far, storing) = (Progress::default(), Storing::default());
        let mut answer = Answer { far, storing, reloaded: None, run, progress: &progress };
        let mut pieces = Pieces::default();
        let received = self.receive_lines(&mut lines, entities, &mut pieces, &mut answer).await;
        answer.stored().await?;
        if let Some(piece) = pieces.rest() {
            self.store_piece(piece, &mut answer).await;
            answer.stored().await?;
        }
        received?;
        let mut far = answer.far;
        far.bytes = lines.received();
        progress(far);
        while let Some(confirmed) = self.store.retire_step(entities).await? {
            self.tell_confirmed(confirmed);
        }
        if let Some(bucket) = answer.reloaded {
            let detail = format!("{bucket} came as a whole: the server could not go on from where this device was");
            self.report(false, Error::new(Code::Reloaded, detail));
        }
        self.after_commit().await;
        Ok(far)
    }

    async fn receive_lines(
        &self,
        lines: &mut AnswerLines<P>,
        entities: &[String],
        pieces: &mut Pieces,
        answer: &mut Answer<'_>,
    ) -> Result<(), Error> {
        loop {
            let Some(line) = answer.storing.beside(lines.next()).await? else {
                return Err(Error::new(Code::ProtocolTruncated, "the answer has no end"));
            };
            let step = self.take_line(line, pieces)?;
            if matches!(step, Step::More) {
                continue;
            }
            answer.stored().await?;
            match step {
                Step::Start(start) => {
                    if let Some(run) = answer.run {
                        self.meet(run, &start).await?;
                    }
                    answer.far.to_pull = start.buckets.iter().map(|bucket| bucket.pending).sum();
                    self.store.grant(entities, &start).await?;
                }
                Step::Store(piece) => {
                    answer.far.bytes = lines.received();
                    self.store_piece(*piece, answer).await;
                    continue;
                }
                Step::Restart(bucket, restored) => {
                    self.store.restart_bucket(&bucket, restored).await?;
                    answer.reloaded = Some(bucket);
                }
                Step::More => {}
                Step::End => return Ok(()),
            }
            answer.far.bytes = lines.received();
            (answer.progress)(answer.far);
        }
    }

    /// Who the server takes the user for, and what that one may not see.
    async fn meet(&self, run: RunId, start: &Start) -> Result<(), Error> {
        if let Some(user) = &start.user {
            self.store.belongs_to(user).await?;
        }
        if !start.forbidden.is_empty() {
            self.feed(Event::Denied(run, start.forbidden.clone()));
        }
        Ok(())
    }

    /// Begins to store a piece.
    async fn store_piece(&self, piece: Piece, answer: &mut Answer<'_>) {
        answer.far.pulled += piece.len() as u64;
        answer.far.to_pull = answer.far.to_pull.max(answer.far.pulled);
        let store = self.store.clone();
        answer.storing.begin(Box::pin(async move { store.apply(piece).await })).await;
    }

    fn take_line(&self, line: &[u8], pieces: &mut Pieces) -> Result<Step, Error> {
        if line.starts_with(ROWS_LINE) {
            let rows = self.store.decode_rows(line)?;
            if rows.largest() > ROW_BYTES_ADVISED && !self.inner.has_told_large.replace(true) {
                let detail = format!("a record of {} has {} bytes", rows.entity(), rows.largest());
                self.report(false, Error::new(Code::LargeRow, detail));
            }
            pieces.add(Piece::rows(rows))?;
            return Ok(Step::More);
        }
        match PullLine::parse(line, Code::ProtocolMalformed)? {
            PullLine::Start(start) if start.protocol == PROTOCOL_VERSION => Ok(Step::Start(start)),
            PullLine::Start(start) => {
                let detail = format!("the server speaks version {}, this is {PROTOCOL_VERSION}", start.protocol);
                Err(Error::new(Code::UpgradeRequired, detail))
            }
            PullLine::Rows(_) => Err(Error::new(Code::ProtocolMalformed, "white space in a line of rows")),
            PullLine::Gone(gone) => {
                pieces.add(Piece::gone(gone))?;
                Ok(Step::More)
            }
            PullLine::Cursor(cursor) => {
                Ok(pieces.close(cursor)?.map_or(Step::More, |piece| Step::Store(Box::new(piece))))
            }
            PullLine::Resync { bucket, restored } => Ok(Step::Restart(bucket, restored)),
            PullLine::Error(problem) => Err(exchange::of_problem(&problem)),
            PullLine::End {} => Ok(Step::End),
        }
    }
}

/// Whether the user may not see what was asked for, or there is no such thing.
fn is_denial(failure: &Failure) -> bool {
    matches!(failure.error.code(), Code::Forbidden | Code::UnknownEntity)
}

/// How far an answer is.
struct Answer<'p> {
    far: Progress,
    storing: Storing,
    /// A bucket that came as a whole again.
    reloaded: Option<String>,
    /// None for a file: whose answer that was is nobody's business.
    run: Option<RunId>,
    progress: &'p dyn Fn(Progress),
}

impl Answer<'_> {
    /// Waits until what was begun is stored, and says so.
    async fn stored(&mut self) -> Result<(), Error> {
        if self.storing.end().await? {
            (self.progress)(self.far);
        }
        Ok(())
    }
}

/// What a line asks for.
enum Step {
    Start(Start),
    More,
    Store(Box<Piece>),
    Restart(String, bool),
    End,
}
