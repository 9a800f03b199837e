//! Taking an export in, as it comes: lines are cut out, counted and checked; what becomes of them depends on what kind of export it is.

use super::super::handle::Store;
use super::super::keys::MapId;
use super::super::record::Changes;
use super::export::hex;
use super::lines::{self, Line};
use super::{FORMAT, OUTBOX, STORE, checksum, queue, whole};
use crate::error::{Code, Error, Result};
use crate::json::{self, Object};
use crate::ports::Storage;

/// Bytes of a line, at most: a row or a change, whose limits are lower.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of lines that become one transaction, about.
const BATCH_BYTES: usize = 256 * 1024;
/// Bytes of what waits, at most: it is kept until the end has said that it is whole.
const OUTBOX_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What an import came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Imported {
    /// Whether it was a whole store.
    pub whole: bool,
    /// Records that were stored.
    pub records: u64,
    /// Changes that wait now, for the server or (in a conflict) for the user.
    pub changes: u64,
    /// Changes that lie in the inbox now: refused ones, and those that were sent before and not answered.
    pub refused: u64,
    /// Changes that were here already.
    pub skipped: u64,
}

/// An import under way. It ends with [`Import::finish`] or [`Import::abort`].
pub struct Import<S> {
    pub(super) store: Store<S>,
    kind: Option<Kind>,
    /// The exporting client.
    pub(super) client: String,
    /// What marks the database as being loaded by this one.
    pub(super) mark: Vec<u8>,
    /// What came and has no newline yet.
    buffer: Vec<u8>,
    lines: u64,
    checksum: u64,
    is_complete: bool,
    /// Lines that wait for their transaction.
    pub(super) batch: Vec<Line>,
    /// Bytes of what waits.
    bytes: usize,
    /// What an outbox has.
    pub(super) queue: Changes,
    pub(super) imported: Imported,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Outbox,
    Whole,
}

impl<S: Storage> Store<S> {
    /// Begins an import.
    #[must_use]
    pub fn import(&self) -> Import<S> {
        Import {
            store: self.clone(),
            kind: None,
            client: String::new(),
            mark: Vec::new(),
            buffer: Vec::new(),
            lines: 0,
            checksum: 0,
            is_complete: false,
            batch: Vec::new(),
            bytes: 0,
            queue: Changes::new(),
            imported: Imported::default(),
        }
    }
}

impl<S: Storage> Import<S> {
    /// Takes the next bytes, cut anywhere. After an error only [`Import::abort`] makes sense.
    ///
    /// # Errors
    /// `import/…`, `store/newer`, every code of a value that cannot be, and those of the store.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end + 1);
            rest = after;
            let mut whole = std::mem::take(&mut self.buffer);
            whole.extend_from_slice(line);
            self.take(&whole).await?;
        }
        self.buffer.extend_from_slice(rest);
        if self.buffer.len() > LINE_BYTES_MAX {
            return Err(self.malformed("a line is over 4 MiB"));
        }
        Ok(())
    }

    /// Ends an import whose bytes have all come: now it counts.
    ///
    /// # Errors
    /// As [`Import::push`].
    pub async fn finish(&mut self) -> Result<Imported> {
        if !self.is_complete || !self.buffer.is_empty() {
            return Err(Error::new(Code::ImportTruncated, format!("it has no end; {} lines are there", self.lines)));
        }
        match self.kind {
            Some(Kind::Whole) => whole::finish(self).await?,
            _ => queue::finish(self).await?,
        }
        Ok(self.imported)
    }

    /// Ends an import that failed or is no longer wanted: the database is as it was before.
    ///
    /// # Errors
    /// Those of the store; then what is left is removed later.
    pub async fn abort(self) -> Result<()> {
        if self.kind == Some(Kind::Whole) { self.store.remove_import(Some(&self.mark)).await } else { Ok(()) }
    }

    async fn take(&mut self, line: &[u8]) -> Result<()> {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if self.is_complete {
            return if text.is_empty() { Ok(()) } else { Err(self.malformed("something follows the end")) };
        }
        let Some(kind) = self.kind else { return self.begin(line, text).await };
        let schema = self.store.schema();
        let parsed = lines::parse_line(text, &schema)
            .map_err(|error| Error::new(error.code(), format!("line {}: {}", self.lines + 1, error.detail())))?;
        if let Line::End { lines, checksum } = parsed {
            return self.end(lines, &checksum).await;
        }
        self.count(line);
        match (kind, parsed) {
            (Kind::Outbox, Line::Key(key, value)) => {
                self.bytes += line.len();
                if self.bytes > OUTBOX_BYTES_MAX {
                    let detail = format!("{OUTBOX_BYTES_MAX} bytes of changes are possible in one import");
                    return Err(Error::new(Code::ValueTooLarge, detail));
                }
                match value {
                    Some(value) => drop(self.queue.insert(key, Some(value.into()))),
                    None => drop(self.queue.remove(&key)),
                }
            }
            (Kind::Outbox, _) => return Err(self.malformed("a row in an export of what waits")),
            (Kind::Whole, line_of) => {
                self.batch.push(line_of);
                self.bytes += line.len();
                if self.bytes >= BATCH_BYTES {
                    self.store_batch().await?;
                }
            }
        }
        Ok(())
    }

    async fn begin(&mut self, line: &[u8], text: &[u8]) -> Result<()> {
        let code = Code::ImportMalformed;
        let not_ours = |error: Error| Error::new(code, format!("this is no export: {}", error.detail()));
        let mut header = json::parse(text, code).and_then(|json| Object::of(json, code)).map_err(not_ours)?;
        let kind = header.text("whimbrel").map_err(not_ours)?;
        let format = header.number("format")?;
        if format > FORMAT {
            return Err(Error::new(Code::StoreNewer, format!("the export has format {format}, this is {FORMAT}")));
        }
        let (version, ours) = (header.number("schema")?, u64::from(self.store.schema().version));
        if version != ours {
            let detail = format!("the export is of version {version} of the schema, this is {ours}");
            return Err(Error::new(Code::ImportSchema, detail));
        }
        self.client = header.text("client")?;
        self.kind = Some(match kind.as_str() {
            OUTBOX => Kind::Outbox,
            STORE => {
                self.mark = whole::begin(&self.store).await?;
                Kind::Whole
            }
            _ => return Err(self.malformed("this is an export of another kind")),
        });
        self.imported.whole = kind == STORE;
        self.count(line);
        Ok(())
    }

    async fn end(&mut self, lines: u64, checksum: &str) -> Result<()> {
        if lines != self.lines || checksum.as_bytes() != hex(self.checksum) {
            let detail = format!("{} lines came, {lines} were exported; or some are others", self.lines);
            return Err(Error::new(Code::ImportDamaged, detail));
        }
        self.store_batch().await?;
        self.is_complete = true;
        Ok(())
    }

    fn count(&mut self, line: &[u8]) {
        self.checksum = checksum(self.checksum, line);
        self.lines += 1;
    }

    async fn store_batch(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        if self.kind == Some(Kind::Whole) && !batch.is_empty() {
            self.imported.records += batch.iter().filter(|line| line.is_record()).count() as u64;
            whole::store(&self.store, &batch, &self.mark).await?;
        }
        self.bytes = 0;
        Ok(())
    }

    fn malformed(&self, what: &str) -> Error {
        Error::new(Code::ImportMalformed, format!("line {}: {what}", self.lines + 1))
    }
}

impl Line {
    /// Whether it brings a record of the app.
    const fn is_record(&self) -> bool {
        matches!(self, Self::Row { is_base: false, row: Some(_), .. })
    }

    /// The map of a key, unless it is a row.
    pub(super) fn map(key: &[u8]) -> MapId {
        MapId(super::super::keys::map_of(key))
    }
}
