//! Rows as bytes.
//!
//! ```text
//! header: flags and bucket count (1) | version | buckets          body: value, value, … in catalog order
//! flags: 1 deleted, 2 dirty, the rest: how many buckets (63: the number follows)
//! value: 0 null, 1 false, 2 true, 3 whole number (zigzag), 4 real (8 bytes), 5 text that is a UUID (16 bytes),
//!        6 + n text of n bytes (255: the length follows)
//! ```
//!
//! References are UUIDs mostly: written as text they would be a fifth of a row, and the part of it that no compression makes smaller.
//!
//! **Invariant:** a row that ends early has null for the fields that came later.

use super::id::canonical_uuid;
use super::value::{Value, ValueRef};
use super::varint;
use crate::error::{Code, Error, Result};
use crate::json::put_text;

const DELETED: u8 = 1;
const DIRTY: u8 = 2;
const BUCKETS_INLINE: usize = 63;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INTEGER: u8 = 3;
const REAL: u8 = 4;
const UUID: u8 = 5;
const TEXT: u8 = 6;
const LONG_TEXT: u8 = 255;
const SHORT_TEXT_BYTES_MAX: usize = (LONG_TEXT - TEXT) as usize - 1;

/// A row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    /// The server's version; 0 when the server has none.
    pub version: u64,
    /// The numbers of the buckets it is in.
    pub buckets: Vec<u16>,
    /// Whether local changes wait to be sent.
    pub dirty: bool,
    /// Whether it was deleted here and the server does not know yet.
    pub deleted: bool,
    /// Its values.
    pub values: Vec<Value>,
}

impl Row {
    /// The row as bytes, its values in the order they are in.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + 12 * self.values.len());
        encode_header(self.version, &self.buckets, self.dirty, self.deleted, &mut out);
        for value in &self.values {
            encode_value(value.as_ref(), &mut out);
        }
        out
    }

    /// The row of some bytes.
    ///
    /// # Errors
    /// `store/corrupt`.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        RowRef::new(bytes).map(|row| row.to_row())
    }
}

/// Appends a header.
pub(crate) fn encode_header(version: u64, buckets: &[u16], dirty: bool, deleted: bool, out: &mut Vec<u8>) {
    let inline = buckets.len().min(BUCKETS_INLINE);
    let flags = if deleted { DELETED } else { 0 } | if dirty { DIRTY } else { 0 };
    out.push(flags | (inline as u8) << 2);
    if inline == BUCKETS_INLINE {
        varint::put(buckets.len() as u64, out);
    }
    varint::put(version, out);
    for bucket in buckets {
        varint::put(u64::from(*bucket), out);
    }
}

/// Appends a value.
pub(crate) fn encode_value(value: ValueRef<'_>, out: &mut Vec<u8>) {
    match value {
        ValueRef::Null => out.push(NULL),
        ValueRef::Boolean(false) => out.push(FALSE),
        ValueRef::Boolean(true) => out.push(TRUE),
        ValueRef::Integer(number) => {
            out.push(INTEGER);
            varint::put(varint::zigzag(number), out);
        }
        ValueRef::Real(number) => {
            out.push(REAL);
            out.extend_from_slice(&number.to_le_bytes());
        }
        ValueRef::Uuid(bytes) => {
            out.push(UUID);
            out.extend_from_slice(&bytes);
        }
        ValueRef::Text(text) if text.len() <= SHORT_TEXT_BYTES_MAX => {
            if let Some(bytes) = canonical_uuid(text) {
                return encode_value(ValueRef::Uuid(bytes), out);
            }
            out.push(TEXT + text.len() as u8);
            out.extend_from_slice(text);
        }
        ValueRef::Text(text) => {
            out.push(LONG_TEXT);
            varint::put_slice(text, out);
        }
    }
}

/// A row somewhere in bytes.
#[derive(Debug, Clone, Copy)]
pub struct RowRef<'a> {
    flags: u8,
    version: u64,
    bucket_count: usize,
    buckets: &'a [u8],
    body: &'a [u8],
}

impl<'a> RowRef<'a> {
    /// The row in some bytes.
    ///
    /// # Errors
    /// `store/corrupt` when they have no header.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        Self::parse(bytes).ok_or_else(|| Error::new(Code::StoreCorrupt, "a row has no header"))
    }

    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (flags, rest) = bytes.split_first()?;
        let inline = usize::from(flags >> 2);
        let (bucket_count, rest) = if inline == BUCKETS_INLINE {
            let (count, rest) = varint::take(rest)?;
            (usize::try_from(count).ok()?, rest)
        } else {
            (inline, rest)
        };
        let (version, buckets) = varint::take(rest)?;
        let mut body = buckets;
        for _ in 0..bucket_count {
            body = varint::take(body)?.1;
        }
        Some(Self { flags: *flags, version, bucket_count, buckets, body })
    }

    /// The server's version.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Whether local changes wait.
    #[must_use]
    pub const fn dirty(&self) -> bool {
        self.flags & DIRTY != 0
    }

    /// Whether it was deleted here.
    #[must_use]
    pub const fn deleted(&self) -> bool {
        self.flags & DELETED != 0
    }

    /// The buckets it is in.
    #[must_use]
    pub fn buckets(&self) -> Vec<u16> {
        let mut rest = self.buckets;
        let mut numbers = Vec::with_capacity(self.bucket_count.min(rest.len()));
        for _ in 0..self.bucket_count {
            let Some((number, after)) = varint::take(rest) else { break };
            numbers.push(number as u16);
            rest = after;
        }
        numbers
    }

    /// The values, as bytes.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The values, in catalog order.
    #[must_use]
    pub const fn values(&self) -> Values<'a> {
        Values::new(self.body)
    }

    /// One value. Those before it are passed over, not read.
    #[must_use]
    pub fn field(&self, slot: usize) -> ValueRef<'a> {
        field(self.body, slot)
    }

    /// The row with its own values.
    #[must_use]
    pub fn to_row(&self) -> Row {
        Row {
            version: self.version,
            buckets: self.buckets(),
            dirty: self.dirty(),
            deleted: self.deleted(),
            values: self.values().map(ValueRef::to_value).collect(),
        }
    }

    /// Appends the row as a JSON object. `id` is its text; `names` has the beginning of every field, `,"name":`, by slot, `None` for fields that
    /// are not shown.
    pub fn write_json(&self, id: &[u8], names: &[Option<Box<[u8]>>], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":");
        put_text(id, out);
        self.write_values(names, out);
        out.push(b'}');
    }

    /// Appends the row's fields, each with a comma in front.
    pub(crate) fn write_values(&self, names: &[Option<Box<[u8]>>], out: &mut Vec<u8>) {
        let mut values = self.values();
        for name in names {
            let value = values.next().unwrap_or(ValueRef::Null);
            if let Some(name) = name {
                out.extend_from_slice(name);
                value.write_json(out);
            }
        }
    }
}

/// One value of a row's body.
#[must_use]
pub(crate) fn field(body: &[u8], slot: usize) -> ValueRef<'_> {
    let mut rest = body;
    for _ in 0..slot {
        let Some(after) = skip(rest) else { return ValueRef::Null };
        rest = after;
    }
    take(rest).map_or(ValueRef::Null, |(value, _)| value)
}

fn skip(bytes: &[u8]) -> Option<&[u8]> {
    let (tag, rest) = bytes.split_first()?;
    match *tag {
        NULL | FALSE | TRUE => Some(rest),
        INTEGER => Some(varint::take(rest)?.1),
        REAL => rest.get(8..),
        UUID => rest.get(16..),
        LONG_TEXT => Some(varint::take_slice(rest)?.1),
        short => rest.get(usize::from(short - TEXT)..),
    }
}

fn take(bytes: &[u8]) -> Option<(ValueRef<'_>, &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    Some(match *tag {
        NULL => (ValueRef::Null, rest),
        FALSE => (ValueRef::Boolean(false), rest),
        TRUE => (ValueRef::Boolean(true), rest),
        INTEGER => {
            let (number, rest) = varint::take(rest)?;
            (ValueRef::Integer(varint::unzigzag(number)), rest)
        }
        REAL => {
            let (number, rest) = rest.split_first_chunk::<8>()?;
            (ValueRef::Real(f64::from_le_bytes(*number)), rest)
        }
        UUID => {
            let (bytes, rest) = rest.split_first_chunk::<16>()?;
            (ValueRef::Uuid(*bytes), rest)
        }
        LONG_TEXT => {
            let (text, rest) = varint::take_slice(rest)?;
            (ValueRef::Text(text), rest)
        }
        short => {
            let (text, rest) = rest.split_at_checked(usize::from(short - TEXT))?;
            (ValueRef::Text(text), rest)
        }
    })
}

/// The values of a row, one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    rest: &'a [u8],
}

impl<'a> Values<'a> {
    /// The values of a row's body.
    #[must_use]
    pub const fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = ValueRef<'a>;

    fn next(&mut self) -> Option<ValueRef<'a>> {
        let (value, rest) = take(self.rest)?;
        self.rest = rest;
        Some(value)
    }

    fn nth(&mut self, n: usize) -> Option<ValueRef<'a>> {
        for _ in 0..n {
            self.rest = skip(self.rest)?;
        }
        self.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Row {
        Row {
            version: 900,
            buckets: vec![1, 300],
            dirty: true,
            deleted: false,
            values: vec![
                Value::Text("Pump \"4\"\n".to_owned()),
                Value::Null,
                Value::Integer(-5),
                Value::Real(0.1),
                Value::Boolean(true),
                Value::Text("x".repeat(248)),
                Value::Text("y".repeat(249)),
                Value::Boolean(false),
            ],
        }
    }

    #[test]
    fn a_row_comes_back() {
        let row = sample();
        let bytes = row.encode();
        assert_eq!(Row::decode(&bytes).unwrap(), row);
        let view = RowRef::new(&bytes).unwrap();
        for (slot, value) in row.values.iter().enumerate() {
            assert_eq!(view.field(slot), value.as_ref());
        }
        assert_eq!(view.field(8), ValueRef::Null);
        let many = Row { buckets: (0..100).collect(), deleted: true, ..Row::default() };
        assert_eq!(Row::decode(&many.encode()).unwrap(), many);
        assert_eq!(Row::decode(&[]).unwrap_err().code(), Code::StoreCorrupt);
    }

    #[test]
    fn the_text_of_a_uuid_takes_sixteen_bytes_and_comes_back() {
        let uuid = "0198a0b1-c2d3-7e4f-8a5b-0123456789ab";
        let alike = ["0198A0B1-C2D3-7E4F-8A5B-0123456789AB", "0198a0b1-c2d3-7e4f-8a5b-0123456789a", "not-a-uuid"];
        let text = |text: &str| Row { values: vec![Value::Text(text.to_owned())], ..Row::default() };
        assert_eq!(text(uuid).encode().len(), Row::default().encode().len() + 17);
        for value in alike.into_iter().chain([uuid]) {
            let bytes = text(value).encode();
            assert_eq!(Row::decode(&bytes).unwrap(), text(value));
            let names = [Some(b",\"place\":".to_vec().into_boxed_slice())];
            let mut json = Vec::new();
            RowRef::new(&bytes).unwrap().write_values(&names, &mut json);
            assert_eq!(json, format!(",\"place\":\"{value}\"").as_bytes());
        }
    }

    #[test]
    fn cut_bytes_never_panic() {
        let bytes = sample().encode();
        for length in 0..bytes.len() {
            let _ = Row::decode(&bytes[..length]);
        }
    }

    #[test]
    fn a_row_is_json() {
        let bytes = sample().encode();
        let name = |name: &str| Some(format!(",\"{name}\":").into_bytes().into_boxed_slice());
        let names =
            [name("title"), name("note"), name("count"), name("weight"), None, None, None, name("done"), name("new")];
        let mut out = Vec::new();
        RowRef::new(&bytes).unwrap().write_json(b"a\"1", &names, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"id":"a\"1","title":"Pump \"4\"\n","note":null,"count":-5,"weight":0.1,"done":false,"new":null}"#
        );
    }
}
