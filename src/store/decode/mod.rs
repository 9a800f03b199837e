//! A line of rows, from the server's JSON straight to rows as they are stored.
//!
//! ```text
//! {"rows":{"bucket":"order/team:7","columns":["id","_version","title"],"data":[["x",5,"Pump"],…]}}
//! ```
//!
//! **Invariant:** a line is taken whole or refused: `protocol/malformed` with the place.

use std::rc::Rc;

use whimbrel_protocol::PULL_BATCH_ROWS_MAX;

use super::batch::{BatchRow, RowBatch};
use super::handle::Store;
use crate::error::{Code, Error, Result};
use crate::json::{RawText, Tokens};
use crate::model::{Kind, Table, Tables, ValueRef, encode_value, is_id, key};
use crate::ports::Storage;

impl<S: Storage> Store<S> {
    /// Decodes a line of rows.
    ///
    /// # Errors
    /// `protocol/malformed`.
    pub fn decode_rows(&self, line: &[u8]) -> Result<RowBatch> {
        decode(line, &Rc::clone(&self.core.state.borrow().tables))
    }
}

/// What a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Id,
    Version,
    Field(usize, Kind),
    /// Of a newer schema.
    Unknown,
}

/// Decodes a line of rows.
fn decode(line: &[u8], tables: &Tables) -> Result<RowBatch> {
    if std::str::from_utf8(line).is_err() {
        return Err(Error::new(Code::ProtocolMalformed, "a line of rows is not UTF-8"));
    }
    let mut tokens = Tokens::new(line, Code::ProtocolMalformed);
    tokens.expect(b'{')?;
    tokens.key("rows")?;
    tokens.expect(b'{')?;
    tokens.key("bucket")?;
    let bucket = tokens.owned_text()?;
    let entity = bucket.split_once('/').map_or(bucket.as_str(), |(entity, _)| entity);
    let table = tables.get(entity).map_err(|error| tokens.malformed(error.detail()))?;
    tokens.expect(b',')?;
    tokens.key("columns")?;
    let columns = columns(&mut tokens, table)?;
    tokens.expect(b',')?;
    tokens.key("data")?;
    let mut decoder = Decoder::new(columns, table);
    let mut batch = RowBatch::new(bucket, Rc::clone(table));
    batch.arena.reserve(line.len());
    tokens.expect(b'[')?;
    if !tokens.eat(b']') {
        loop {
            if batch.rows.len() >= PULL_BATCH_ROWS_MAX {
                return Err(tokens.malformed(&format!("over {PULL_BATCH_ROWS_MAX} rows in a line")));
            }
            decoder.row(&mut tokens, &mut batch)?;
            if !tokens.goes_on(b']')? {
                break;
            }
        }
    }
    tokens.expect(b'}')?;
    tokens.expect(b'}')?;
    tokens.end()?;
    Ok(batch)
}

fn columns(tokens: &mut Tokens<'_>, table: &Table) -> Result<Vec<Column>> {
    let mut columns = Vec::new();
    tokens.expect(b'[')?;
    if !tokens.eat(b']') {
        loop {
            let column = match tokens.owned_text()?.as_str() {
                "id" => Column::Id,
                "_version" => Column::Version,
                name => {
                    let known = table.columns.iter().position(|column| column.place.is_some() && column.name == name);
                    let kind = known.and_then(|slot| table.columns.get(slot)).map(|column| column.kind);
                    known.zip(kind).map_or(Column::Unknown, |(slot, kind)| Column::Field(slot, kind))
                }
            };
            if column != Column::Unknown && columns.contains(&column) {
                return Err(tokens.malformed("a column comes twice"));
            }
            columns.push(column);
            if !tokens.goes_on(b']')? {
                break;
            }
        }
    }
    if !columns.contains(&Column::Id) || !columns.contains(&Column::Version) {
        return Err(tokens.malformed("the columns id and _version must be there"));
    }
    Ok(columns)
}

struct Decoder {
    columns: Vec<Column>,
    /// Whether the values come in the order in which they are stored.
    is_in_order: bool,
    /// Values that come in another order, encoded; in front, the defaults of columns that do not come.
    scratch: Vec<u8>,
    /// Bytes of these defaults.
    defaults: usize,
    /// By slot: where a value is in `scratch`; first as it is for a row without any, then of the present one.
    absent: Vec<(usize, usize)>,
    spans: Vec<(usize, usize)>,
}

impl Decoder {
    fn new(columns: Vec<Column>, table: &Table) -> Self {
        let slots = columns.iter().filter_map(|column| match column {
            Column::Field(slot, _) => Some(*slot),
            Column::Id | Column::Version | Column::Unknown => None,
        });
        // The id is in front of the body, so it has to come before the values.
        let id_is_first = columns.first() == Some(&Column::Id);
        let is_sorted = id_is_first && slots.is_sorted();
        let (mut scratch, mut absent) = (Vec::new(), Vec::new());
        for (slot, known) in table.columns.iter().enumerate() {
            let from = scratch.len();
            if let Some(default) = &known.default
                && !columns.contains(&Column::Field(slot, known.kind))
            {
                encode_value(default.as_ref(), &mut scratch);
            }
            absent.push((from, scratch.len()));
        }
        let (is_in_order, defaults) = (is_sorted && scratch.is_empty(), scratch.len());
        Self { columns, is_in_order, scratch, defaults, spans: absent.clone(), absent }
    }

    fn row(&mut self, tokens: &mut Tokens<'_>, batch: &mut RowBatch) -> Result<()> {
        let start = batch.arena.len();
        let mut row = BatchRow { version: 0, id: start as u32, body: 0, end: 0 };
        self.scratch.truncate(self.defaults);
        self.spans.clone_from(&self.absent);
        let mut next_slot = 0;
        tokens.expect(b'[')?;
        for (place, column) in self.columns.iter().enumerate() {
            if place > 0 {
                tokens.expect(b',')?;
            }
            match column {
                Column::Id => {
                    id(tokens, &mut batch.arena)?;
                    row.body = batch.arena.len() as u32;
                }
                Column::Version => {
                    let version = tokens.number()?.integer().and_then(|version| u64::try_from(version).ok());
                    row.version = version.ok_or_else(|| tokens.malformed("a version is a whole number from 0"))?;
                }
                Column::Field(slot, kind) if self.is_in_order => {
                    for _ in next_slot..*slot {
                        encode_value(ValueRef::Null, &mut batch.arena);
                    }
                    next_slot = slot + 1;
                    value(tokens, *kind, &mut batch.arena)?;
                }
                Column::Field(slot, kind) => {
                    let from = self.scratch.len();
                    value(tokens, *kind, &mut self.scratch)?;
                    if let Some(span) = self.spans.get_mut(*slot) {
                        *span = (from, self.scratch.len());
                    }
                }
                Column::Unknown => tokens.skip()?,
            }
        }
        tokens.expect(b']')?;
        if !self.is_in_order {
            for (from, to) in &self.spans {
                match self.scratch.get(*from..*to) {
                    Some(value) if from < to => batch.arena.extend_from_slice(value),
                    _ => encode_value(ValueRef::Null, &mut batch.arena),
                }
            }
        }
        row.end = batch.arena.len() as u32;
        batch.rows.push(row);
        Ok(())
    }
}

fn id(tokens: &mut Tokens<'_>, out: &mut Vec<u8>) -> Result<()> {
    let text = tokens.text()?;
    let unescaped = tokens.unescaped(text)?;
    let id = match &unescaped {
        Some(text) => Some(text.as_str()),
        None => std::str::from_utf8(text.inner).ok(),
    };
    let id = id.filter(|id| is_id(id)).ok_or_else(|| tokens.malformed("not an id"))?;
    key::encode_id(id, out);
    Ok(())
}

fn value(tokens: &mut Tokens<'_>, kind: Kind, out: &mut Vec<u8>) -> Result<()> {
    let next = tokens.peek();
    if next == Some(b'n') {
        tokens.word("null")?;
        encode_value(ValueRef::Null, out);
        return Ok(());
    }
    match kind {
        Kind::Text if next == Some(b'"') => {
            let text: RawText<'_> = tokens.text()?;
            match tokens.unescaped(text)? {
                Some(text) => encode_value(ValueRef::Text(text.as_bytes()), out),
                None => encode_value(ValueRef::Text(text.inner), out),
            }
        }
        Kind::Integer => {
            let number = tokens.number()?.integer();
            let number = number.ok_or_else(|| tokens.malformed("not a whole number within ±(2⁵³ − 1)"))?;
            encode_value(ValueRef::Integer(number), out);
        }
        Kind::Real => {
            let number = tokens.number()?;
            encode_value(ValueRef::Real(number.real()), out);
        }
        Kind::Boolean if next == Some(b't') => {
            tokens.word("true")?;
            encode_value(ValueRef::Boolean(true), out);
        }
        Kind::Boolean if next == Some(b'f') => {
            tokens.word("false")?;
            encode_value(ValueRef::Boolean(false), out);
        }
        Kind::Text | Kind::Boolean => return Err(tokens.malformed("a value is not of its field's type")),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
