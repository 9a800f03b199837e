//! An entry of the outbox as it stands there, of which only what is around its values is read. What goes to the server is a part of it, byte for byte.
//!
//! ```text
//! {"change":…,"entity":…,"id":…,"op":…,"base":…,"set":{…},"was":{…},"at":…,"schema":1,"seq":7}
//!  ╰──────────────────────────── words ─────────────────────────────────╯
//! ```
//!
//! Reading and writing the values of each change was a fifth of what draining a long queue took. Entries that are more than that (folded ones, those
//! with words of another schema, those in a conflict) are read whole, see [`Entry`].

use whimbrel_protocol::Op;

use super::Interrupt;
use super::outbox::{Entry, op_of};
use super::system::from_json;
use crate::error::Code;
use crate::json::{Tokens, put_integer, to_json};

/// What is around the values of a plain entry.
pub(super) struct Envelope<'a> {
    pub(super) change: &'a str,
    pub(super) entity: &'a str,
    pub(super) id: &'a str,
    pub(super) op: Op,
    pub(super) seq: Option<u64>,
    /// The members that a change has at the server as well.
    pub(super) words: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Of an entry that is plain.
    pub(super) fn read(json: &'a [u8]) -> Option<Self> {
        let (end, seq) = tail(json)?;
        let words = json.get(1..end)?;
        let mut tokens = Tokens::new(json, Code::StoreCorrupt);
        tokens.expect(b'{').ok()?;
        let mut member = |name| {
            tokens.key(name).ok()?;
            let text = tokens.text().ok()?;
            let is_plain = tokens.unescaped(text).ok()?.is_none() && tokens.eat(b',');
            std::str::from_utf8(text.inner).ok().filter(|_| is_plain)
        };
        let (change, entity, id) = (member("change")?, member("entity")?, member("id")?);
        Some(Self { change, entity, id, op: op_of(member("op")?)?, seq, words })
    }
}

/// Whether it is seen at the end of an entry that it has its number and is in no conflict. Of others, the whole of it says so.
pub(super) fn is_numbered(json: &[u8]) -> bool {
    matches!(tail(json), Some((_, Some(_))))
}

/// Where the words of a plain entry end, and its number.
fn tail(json: &[u8]) -> Option<(usize, Option<u64>)> {
    let (before, number) = digits_at_end(json.strip_suffix(b"}")?)?;
    let (before, seq) = match before.strip_suffix(b",\"seq\":") {
        Some(before) => (digits_at_end(before)?.0, Some(number)),
        None => (before, None),
    };
    Some((before.strip_suffix(b",\"schema\":")?.len(), seq))
}

fn digits_at_end(text: &[u8]) -> Option<(&[u8], u64)> {
    let before = text.iter().rposition(|byte| !byte.is_ascii_digit())? + 1;
    let (before, digits) = text.split_at_checked(before)?;
    Some((before, std::str::from_utf8(digits).ok()?.parse().ok()?))
}

/// Appends an entry as the change that goes to the server under that number, the same at every attempt.
pub(super) fn put_change(json: &[u8], seq: u64, out: &mut Vec<u8>) -> Result<(), Interrupt> {
    match Envelope::read(json) {
        Some(Envelope { words, .. }) => put_words(words, seq, out),
        None => out.extend_from_slice(&to_json(&from_json::<Entry>(json)?.into_change(seq))?),
    }
    Ok(())
}

/// The same of an entry whose words are known.
pub(super) fn put_words(words: &[u8], seq: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"seq\":");
    put_integer(seq, out);
    out.push(b',');
    out.extend_from_slice(words);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use whimbrel_protocol::{Change, Fields, Json};

    use super::super::outbox::Sent;
    use super::*;

    fn fields() -> impl Strategy<Value = Fields> {
        let values = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::Boolean),
            ".{0,12}".prop_map(Json::Text),
            Just(Json::Text(",\"schema\":1,\"seq\":7}".to_owned())),
            Just(Json::Text(",\"schema\":1}".to_owned())),
        ];
        proptest::collection::vec(("[a-z]{1,6}", values), 0..4).prop_map(Fields::from)
    }

    prop_compose! {
        fn entry()(
            (change, id) in (".{0,9}", ".{0,9}"),
            op in prop_oneof![Just(Op::Create), Just(Op::Update), Just(Op::Delete)],
            (base, seq) in (any::<Option<u64>>(), any::<Option<u64>>()),
            (set, was) in (fields(), fields()),
            (schema, at, conflict) in (any::<u32>(), any::<i64>(), proptest::bool::weighted(0.2)),
            folded in proptest::option::weighted(0.2, ".{0,9}"),
            sent in proptest::option::weighted(0.2, (fields(), fields())),
        ) -> Entry {
            let entity = "order".to_owned();
            let sent = sent.map(|(set, was)| Sent { entity: "job".to_owned(), set, was });
            Entry { change, folded: folded.into_iter().collect(), entity, id, op, base, set, was, schema, at, seq, sent, conflict }
        }
    }

    proptest! {
        #[test]
        fn an_envelope_says_what_the_entry_says(entry in entry()) {
            let json = to_json(&entry).unwrap();
            let is_plain = entry.folded.is_empty() && entry.sent.is_none() && !entry.conflict;
            prop_assert_eq!(is_numbered(&json), is_plain && entry.seq.is_some());
            let Some(envelope) = Envelope::read(&json) else {
                let has_escapes = |text: &str| text.contains(|sign| matches!(sign, '"' | '\\' | '\0'..=' '));
                prop_assert!(!is_plain || has_escapes(&entry.id) || has_escapes(&entry.change));
                return Ok(());
            };
            prop_assert!(is_plain);
            let Envelope { change, entity, id, op, seq, .. } = envelope;
            prop_assert_eq!((change, entity, id, op, seq), (&*entry.change, &*entry.entity, &*entry.id, entry.op, entry.seq));
        }

        #[test]
        fn a_change_is_written_as_if_the_entry_were_read(entry in entry(), seq: u64) {
            let mut out = Vec::new();
            put_change(&to_json(&entry).unwrap(), seq, &mut out).map_err(|_| "not read").unwrap();
            prop_assert_eq!(&out, &to_json(&entry.clone().into_change(seq)).unwrap());
            prop_assert_eq!(serde_json::from_slice::<Change>(&out).unwrap(), entry.into_change(seq));
        }

        #[test]
        fn bytes_that_are_no_entry_are_no_envelope_or_have_one(bytes: Vec<u8>) {
            _ = Envelope::read(&bytes).is_some();
        }
    }
}
