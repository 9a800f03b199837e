//! A pull: the server's lines, stored as they come, each piece together with the cursor that covers it.

use whimbrel_protocol::{BucketCursor, PROTOCOL_VERSION, PullLine, PullRequest, Start};

use super::lines::Lines;
use super::{Driver, exchange};
use crate::error::{Code, Error};
use crate::json::FromJson;
use crate::ports::{Body, Platform};
use crate::store::{Piece, decode_rows};
use crate::sync::{Event, Failure, Progress, RunId, UnitId};

/// The media type of a pull's answer.
const NDJSON: &str = "application/x-ndjson";
/// What a line of rows begins with; everything else is decoded as a [`PullLine`].
const ROWS_LINE: &[u8] = b"{\"rows\":";

impl<P: Platform> Driver<P> {
    pub(super) async fn pull(&self, run: RunId, unit: UnitId) -> Result<(), Failure> {
        let entities = self.unit(unit)?.pull.clone();
        if !entities.is_empty() {
            let request = self.pull_request(&entities).await?;
            let response = self.exchange(run, "pull", request, NDJSON).await?;
            let lines = Lines::new(response.body);
            self.receive(lines, &entities, |progress| self.feed(Event::Progressed(run, progress))).await?;
        }
        self.feed(Event::Pulled(run));
        Ok(())
    }

    async fn pull_request(&self, entities: &[String]) -> Result<String, Error> {
        let store = &self.inner.store;
        let request = PullRequest {
            protocol: PROTOCOL_VERSION,
            client: store.client_id().await?,
            schema: store.schema().version,
            entities: entities.to_vec(),
            cursors: store.cursors(entities).await?,
        };
        serde_json::to_string(&request).map_err(|error| Error::new(Code::Internal, error.to_string()))
    }

    /// Stores a whole answer. `progress` is called after every commit.
    pub(super) async fn receive<B: Body>(
        &self,
        mut lines: Lines<B>,
        entities: &[String],
        progress: impl Fn(Progress),
    ) -> Result<Progress, Error> {
        let mut far = Progress::default();
        let mut pieces = Pieces::default();
        loop {
            let Some(line) = lines.next().await? else {
                return Err(Error::new(Code::ProtocolTruncated, "the answer has no end"));
            };
            let step = self.take_line(line, &mut pieces)?;
            match step {
                Step::Start(start) => {
                    far.to_pull = start.buckets.iter().map(|bucket| bucket.pending).sum();
                    self.inner.store.grant(entities, &start.buckets).await?;
                }
                Step::More => continue,
                Step::Commit(cursor) => {
                    let piece = pieces.finish(cursor)?;
                    far.pulled += piece.len();
                    far.to_pull = far.to_pull.max(far.pulled);
                    self.inner.store.apply(piece).await?;
                }
                Step::Restart(bucket) => self.inner.store.restart_bucket(&bucket).await?,
                Step::End => break,
            }
            far.bytes = lines.received();
            progress(far);
        }
        while self.inner.store.retire_step(entities).await? {}
        self.after_commit().await;
        Ok(far)
    }

    fn take_line(&self, line: &[u8], pieces: &mut Pieces) -> Result<Step, Error> {
        if line.starts_with(ROWS_LINE) {
            pieces.add(decode_rows(line, &self.inner.store.schema())?)?;
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
            PullLine::Cursor(cursor) => Ok(Step::Commit(cursor)),
            PullLine::Resync { bucket } => Ok(Step::Restart(bucket)),
            PullLine::Error(problem) => Err(exchange::of_problem(&problem)),
            PullLine::End {} => Ok(Step::End),
        }
    }
}

/// What a line asks for.
enum Step {
    Start(Start),
    More,
    Commit(BucketCursor),
    Restart(String),
    End,
}

/// What has come since the last cursor.
#[derive(Default)]
struct Pieces {
    waiting: Option<Piece>,
}

impl Pieces {
    fn add(&mut self, piece: Piece) -> Result<(), Error> {
        match &mut self.waiting {
            Some(waiting) => waiting.join(piece),
            None => {
                self.waiting = Some(piece);
                Ok(())
            }
        }
    }

    fn finish(&mut self, cursor: BucketCursor) -> Result<Piece, Error> {
        let mut piece = self.waiting.take().unwrap_or_else(|| Piece::empty(&cursor.bucket));
        piece.close(cursor)?;
        Ok(piece)
    }
}
