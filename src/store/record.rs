//! Log records: what a commit wrote, for the tail of this tab and of others.
//!
//! ```text
//! checksum (8) | format (1) | ranges that came with pages: count, (first, last)* | (key, value)*
//! key: length × 2, + 1 for a removal | bytes
//! ```

use std::collections::BTreeMap;
use std::rc::Rc;

use super::bytes::Bytes;
use super::page::{sealed, unsealed};
use crate::error::{Code, Error, Result};
use crate::model::varint;
use crate::ports::Seq;

/// The format of log records.
const FORMAT: u8 = 1;

/// Keys and what became of them; none is a removal.
pub(super) type Changes = BTreeMap<Vec<u8>, Option<Bytes>>;

/// Two keys, the first and last of what changed.
pub(super) type Touched = (Vec<u8>, Vec<u8>);

/// The record of a commit.
pub(super) fn encode(changes: &Changes, touched: &[Touched]) -> Vec<u8> {
    let mut out = vec![0; 8];
    out.push(FORMAT);
    varint::put(touched.len() as u64, &mut out);
    for (first, last) in touched {
        varint::put_slice(first, &mut out);
        varint::put_slice(last, &mut out);
    }
    for (key, value) in changes {
        varint::put((key.len() as u64) << 1 | u64::from(value.is_none()), &mut out);
        out.extend_from_slice(key);
        if let Some(value) = value {
            varint::put_slice(value, &mut out);
        }
    }
    sealed(out)
}

/// Reads a record: its changes go to `change`, in the order of their keys; the ranges come back.
///
/// # Errors
/// `store/corrupt` naming the record; `store/newer` for a format that this engine does not know.
pub(super) fn decode(seq: Seq, bytes: Vec<u8>, change: &mut dyn FnMut(&[u8], Option<Bytes>)) -> Result<Vec<Touched>> {
    let corrupt = || Error::new(Code::StoreCorrupt, format!("log record {seq} is damaged"));
    let format = unsealed(&bytes).and_then(|rest| rest.first().copied()).ok_or_else(corrupt)?;
    if format > FORMAT {
        return Err(Error::new(Code::StoreNewer, format!("log record {seq} has format {format}, this is {FORMAT}")));
    }
    parse(&Rc::new(bytes), change).ok_or_else(corrupt)
}

fn parse(bytes: &Rc<Vec<u8>>, change: &mut dyn FnMut(&[u8], Option<Bytes>)) -> Option<Vec<Touched>> {
    let (count, mut rest) = varint::take(bytes.get(9..)?)?;
    let mut touched = Vec::new();
    for _ in 0..count {
        let (first, after) = varint::take_slice(rest)?;
        let (last, after) = varint::take_slice(after)?;
        rest = after;
        touched.push((first.to_vec(), last.to_vec()));
    }
    while !rest.is_empty() {
        let (length, after) = varint::take(rest)?;
        let (key, after) = after.split_at_checked(usize::try_from(length >> 1).ok()?)?;
        if length & 1 == 1 {
            change(key, None);
            rest = after;
        } else {
            let (value, after) = varint::take_slice(after)?;
            let end = bytes.len() - after.len();
            change(key, Some(Bytes::part(bytes, end - value.len(), end)));
            rest = after;
        }
    }
    Some(touched)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back() {
        let value = |bytes: &[u8]| Some(Bytes::from(bytes.to_vec()));
        let changes =
            Changes::from([(b"a".to_vec(), value(b"1")), (b"b".to_vec(), None), (b"c".to_vec(), value(&[0; 300]))]);
        let touched = vec![(b"x".to_vec(), b"y".to_vec())];
        let bytes = encode(&changes, &touched);
        let mut found = Changes::new();
        let read = |seq, bytes: &[u8], found: &mut Changes| {
            decode(seq, bytes.to_vec(), &mut |key, value| {
                found.insert(key.to_vec(), value);
            })
        };
        assert_eq!(read(7, &bytes, &mut found), Ok(touched));
        assert_eq!(found, changes);
        for length in 0..bytes.len() {
            let error = read(7, &bytes[..length], &mut found).unwrap_err();
            assert_eq!((error.code(), error.detail()), (Code::StoreCorrupt, "log record 7 is damaged"));
        }
        let newer = sealed([&[0; 8][..], &[2], &bytes[9..]].concat());
        assert_eq!(read(7, &newer, &mut found).unwrap_err().code(), Code::StoreNewer);
    }
}
