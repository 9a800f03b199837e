//! Values and ids as bytes that sort as they do.
//!
//! ```text
//! null < false < true < numbers < text          each behind a tag byte; text ends with 0, and is escaped so that no 0 is inside
//! id: UUID (16 bytes) < any other text          so ids sort as their text does among UUIDs and among others
//! ```
//!
//! **Invariant:** byte order is value order, and no encoding is the beginning of another: what follows a value sorts only among equals.

use std::cmp::Ordering;

use super::ValueRef;
use super::id::canonical_uuid;

const NULL: u8 = 0x10;
const FALSE: u8 = 0x20;
const TRUE: u8 = 0x21;
const NUMBER: u8 = 0x30;
const TEXT: u8 = 0x40;
const UUID: u8 = 0x01;
const OTHER_ID: u8 = 0x02;

/// Bytes of a text that an index keeps, at most. Longer texts share the place of their beginning.
pub const INDEXED_TEXT_BYTES_MAX: usize = 255;

/// What ends a text, and what the two bytes that it is made of become inside: `0` → `1 1`, `1` → `1 2`.
const END: u8 = 0;
const ESCAPE: u8 = 1;

/// Appends a value.
pub fn encode_value(value: ValueRef<'_>, out: &mut Vec<u8>) {
    match value {
        ValueRef::Null => out.push(NULL),
        ValueRef::Boolean(value) => out.push(if value { TRUE } else { FALSE }),
        ValueRef::Integer(value) => encode_number(value as f64, out),
        ValueRef::Real(value) => encode_number(value, out),
        ValueRef::Text(_) | ValueRef::Uuid(_) => {
            out.push(TEXT);
            encode_text(value.text(&mut [0; 36]).unwrap_or_default(), out);
        }
    }
}

/// Appends a value as an index keeps it: text over [`INDEXED_TEXT_BYTES_MAX`] is cut.
pub fn encode_indexed(value: ValueRef<'_>, out: &mut Vec<u8>) {
    match value {
        ValueRef::Text(text) => encode_value(ValueRef::Text(text.get(..INDEXED_TEXT_BYTES_MAX).unwrap_or(text)), out),
        ValueRef::Null | ValueRef::Boolean(_) | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Uuid(_) => {
            encode_value(value, out);
        }
    }
}

/// Appends the beginning that every text starting with `prefix` has, and no other value.
pub fn encode_text_prefix(prefix: &[u8], out: &mut Vec<u8>) {
    out.push(TEXT);
    encode_text(prefix.get(..INDEXED_TEXT_BYTES_MAX).unwrap_or(prefix), out);
    out.pop();
}

/// Appends an id.
pub fn encode_id(id: &str, out: &mut Vec<u8>) {
    if let Some(uuid) = canonical_uuid(id.as_bytes()) {
        out.push(UUID);
        out.extend_from_slice(&uuid);
    } else {
        out.push(OTHER_ID);
        encode_text(id.as_bytes(), out);
    }
}

/// The key of one id.
#[must_use]
pub fn id_key(id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(id.len() + 2);
    encode_id(id, &mut key);
    key
}

/// Appends the text of the id at the front of `key`; what follows it, or `None` when there is no id.
pub fn decode_id<'a>(key: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    match key.split_first()? {
        (&UUID, rest) => {
            let (bytes, rest) = rest.split_first_chunk::<16>()?;
            let mut text = uuid::Uuid::encode_buffer();
            out.extend_from_slice(uuid::Uuid::from_bytes(*bytes).hyphenated().encode_lower(&mut text).as_bytes());
            Some(rest)
        }
        (&OTHER_ID, rest) => decode_text(rest, out),
        _ => None,
    }
}

/// Appends the text of an escaped text; what follows its end.
fn decode_text<'a>(key: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (text, rest) = split_text(key)?;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        out.push(if *byte == ESCAPE { bytes.next()?.checked_sub(1)? } else { *byte });
    }
    Some(rest)
}

/// The number at the front of `key`; `None` when something else is there.
#[must_use]
pub fn decode_number(key: &[u8]) -> Option<f64> {
    let (tag, rest) = key.split_first()?;
    let bits = u64::from_be_bytes(*rest.first_chunk()?);
    let bits = if bits >> 63 == 0 { !bits } else { bits ^ (1 << 63) };
    (*tag == NUMBER).then(|| f64::from_bits(bits))
}

/// The value at the front of `key` as it is encoded, and what follows it.
#[must_use]
pub fn split_value(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let (tag, rest) = key.split_first()?;
    let length = match *tag {
        NULL | FALSE | TRUE => 1,
        NUMBER => 9,
        TEXT => split_text(rest)?.0.len() + 2,
        _ => return None,
    };
    key.split_at_checked(length)
}

/// So many values at the front of `key` as they are encoded, and what follows them.
#[must_use]
pub fn split_values(key: &[u8], count: usize) -> Option<(&[u8], &[u8])> {
    let mut rest = key;
    for _ in 0..count {
        rest = split_value(rest)?.1;
    }
    key.split_at_checked(key.len() - rest.len())
}

/// Whether a value as an index keeps it may stand for several different ones.
#[must_use]
pub fn is_cut(encoded: &[u8]) -> bool {
    encoded.len() >= INDEXED_TEXT_BYTES_MAX + 2
}

/// How two values sort; the same order as that of their bytes.
#[must_use]
pub fn compare(left: ValueRef<'_>, right: ValueRef<'_>) -> Ordering {
    match (left, right) {
        (ValueRef::Uuid(left), ValueRef::Uuid(right)) => left.cmp(&right),
        (ValueRef::Text(_) | ValueRef::Uuid(_), ValueRef::Text(_) | ValueRef::Uuid(_)) => {
            left.text(&mut [0; 36]).cmp(&right.text(&mut [0; 36]))
        }
        (ValueRef::Integer(left), ValueRef::Integer(right)) => left.cmp(&right),
        _ => rank(left).cmp(&rank(right)).then_with(|| sortable(left).cmp(&sortable(right))),
    }
}

const fn rank(value: ValueRef<'_>) -> u8 {
    match value {
        ValueRef::Null => NULL,
        ValueRef::Boolean(false) => FALSE,
        ValueRef::Boolean(true) => TRUE,
        ValueRef::Integer(_) | ValueRef::Real(_) => NUMBER,
        ValueRef::Text(_) | ValueRef::Uuid(_) => TEXT,
    }
}

fn sortable(value: ValueRef<'_>) -> u64 {
    match value {
        ValueRef::Integer(value) => sortable_bits(value as f64),
        ValueRef::Real(value) => sortable_bits(value),
        ValueRef::Null | ValueRef::Boolean(_) | ValueRef::Text(_) | ValueRef::Uuid(_) => 0,
    }
}

fn encode_number(number: f64, out: &mut Vec<u8>) {
    out.push(NUMBER);
    out.extend_from_slice(&sortable_bits(number).to_be_bytes());
}

/// The bits of a number, changed so that they sort as numbers do: the sign turned over, and all of a negative number.
fn sortable_bits(number: f64) -> u64 {
    // Adding zero makes -0.0 into 0.0: they are equal.
    let bits = (number + 0.0).to_bits();
    if bits >> 63 == 0 { bits ^ (1 << 63) } else { !bits }
}

fn encode_text(text: &[u8], out: &mut Vec<u8>) {
    if text.iter().any(|byte| *byte <= ESCAPE) {
        for byte in text {
            if *byte <= ESCAPE {
                out.push(ESCAPE);
                out.push(byte + 1);
            } else {
                out.push(*byte);
            }
        }
    } else {
        out.extend_from_slice(text);
    }
    out.push(END);
}

/// An escaped text without its end, and what follows.
fn split_text(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = key.iter().position(|byte| *byte == END)?;
    let (text, rest) = key.split_at_checked(end)?;
    Some((text, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Value;

    fn bytes(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        encode_value(value.as_ref(), &mut out);
        out
    }

    /// The value as a row gives it.
    fn kept(value: &Value) -> ValueRef<'_> {
        match value.as_ref() {
            ValueRef::Text(text) => canonical_uuid(text).map_or(ValueRef::Text(text), ValueRef::Uuid),
            other => other,
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Boolean),
            (-(1_i64 << 53) + 1..1 << 53).prop_map(Value::Integer),
            (-9_i64..9).prop_map(Value::Integer),
            prop::num::f64::NORMAL.prop_map(Value::Real),
            (-9_i32..9).prop_map(|n| Value::Real(f64::from(n) / 2.0)),
            "[\\x00-\\x02ab\u{e4}]{0,4}|[a-c]{8}-[ab]{4}-[ab]{4}-[ab]{4}-[ab]{12}".prop_map(Value::Text),
        ]
    }

    proptest! {
        #[test]
        fn bytes_sort_as_values_do(left in values(), right in values()) {
            let order = compare(left.as_ref(), right.as_ref());
            prop_assert_eq!(bytes(&left).cmp(&bytes(&right)), order);
            prop_assert_eq!(compare(kept(&left), right.as_ref()), order);
            prop_assert_eq!(compare(kept(&left), kept(&right)), order);
            let mut as_kept = Vec::new();
            encode_value(kept(&left), &mut as_kept);
            prop_assert_eq!(as_kept, bytes(&left));
            if order != Ordering::Equal {
                prop_assert!(!bytes(&right).starts_with(&bytes(&left)));
            }
        }

        #[test]
        fn a_value_ends_where_it_says(value in values(), tail in prop::collection::vec(any::<u8>(), 0..4)) {
            let mut key = bytes(&value);
            let length = key.len();
            key.extend_from_slice(&tail);
            prop_assert_eq!(split_value(&key), Some((&key[..length], &tail[..])));
            let number = match value {
                Value::Integer(number) => Some(number as f64),
                Value::Real(number) => Some(number),
                _ => None,
            };
            prop_assert_eq!(decode_number(&key), number);
        }

        #[test]
        fn ids_come_back(id in "[\\x00-\\x02ab\u{e4}-]{1,40}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}") {
            let mut key = id_key(&id);
            key.push(9);
            let mut text = Vec::new();
            prop_assert_eq!(decode_id(&key, &mut text), Some(&[9][..]));
            prop_assert_eq!(text, id.as_bytes());
        }

        #[test]
        fn a_prefix_is_of_its_texts_only(text in "[\\x00-\\x02ab]{0,5}", prefix in "[\\x00-\\x02ab]{0,3}") {
            let mut beginning = Vec::new();
            encode_text_prefix(prefix.as_bytes(), &mut beginning);
            let starts = bytes(&Value::Text(text.clone())).starts_with(&beginning);
            prop_assert_eq!(starts, text.starts_with(&prefix));
        }
    }

    #[test]
    fn the_order_of_types() {
        let mixed = [
            Value::Null,
            Value::Boolean(false),
            Value::Boolean(true),
            Value::Real(-1e300),
            Value::Integer(-2),
            Value::Real(-1.5),
            Value::Real(0.0),
            Value::Integer(1),
            Value::Real(1.5),
            Value::Integer(2),
            Value::Text(String::new()),
            Value::Text("a".to_owned()),
            Value::Text("a\0".to_owned()),
            Value::Text("a\u{1}".to_owned()),
            Value::Text("aa".to_owned()),
        ];
        assert!(mixed.windows(2).all(|pair| bytes(&pair[0]) < bytes(&pair[1])));
        assert_eq!(bytes(&Value::Real(-0.0)), bytes(&Value::Integer(0)));
    }

    #[test]
    fn an_index_cuts_long_text() {
        let (mut short, mut long) = (Vec::new(), Vec::new());
        encode_indexed(ValueRef::Text(&[b'x'; 254]), &mut short);
        encode_indexed(ValueRef::Text(&[b'x'; 9000]), &mut long);
        assert_eq!((short.len(), is_cut(&short), long.len(), is_cut(&long)), (256, false, 257, true));
    }
}
