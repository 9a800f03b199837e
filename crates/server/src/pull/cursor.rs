//! Cursors: where a client stands in a bucket, as text that only this server writes and reads.
//!
//! ```text
//! base64url( signature, 16 bytes ‖ era . s . 1042 . 0190c0de-… )   in the snapshot at version 1042, after this id
//! base64url( signature, 16 bytes ‖ era . d . 1100 )                has everything up to version 1100
//!                                  └ in which the version was the clock's
//! ```
//!
//! Restored from a backup and given no new history, a database soon has the versions again that it had before, for other changes. So versions alone
//! do not tell; eras do: one that begins at each start, and a cursor of an era that is not here, or that ended before the cursor's version, is of
//! changes that are lost.
//!
//! **Invariant:** the signature (HMAC-SHA256) covers the history, the user, the bucket and what its rows look like; a cursor of another one of these
//! is not continued, nor is one that was changed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use whimbrel_protocol::Version;

use crate::storage::{Bucket, Head};

/// Bytes of a cursor, at most; what is longer was not made here.
const CURSOR_BYTES_MAX: usize = 1024;
/// Bytes of a signature; the first of the hash's 32.
const SIGNATURE_BYTES: usize = 16;

/// Where a client stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Position {
    /// It is being given every row as of version `at`, by id, and has those up to `after`.
    Snapshot { at: Version, after: String },
    /// It has every change up to this version.
    Changes { after: Version },
}

impl Position {
    /// The version it has everything up to, or will have.
    pub(crate) const fn version(&self) -> Version {
        match self {
            Self::Snapshot { at: version, .. } | Self::Changes { after: version } => *version,
        }
    }
}

/// What a cursor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) era: String,
    pub(crate) position: Position,
}

/// What a cursor must have in common with the server to be continued.
#[derive(Debug, Clone)]
pub(crate) struct Lineage(Hmac<Sha256>);

impl Lineage {
    pub(crate) fn new(head: &Head, user: &str, bucket: Bucket<'_>) -> Self {
        // Keys of all lengths are right ones.
        let mut lineage =
            Self(Hmac::new_from_slice(head.secret.bytes()).unwrap_or_else(|_| Hmac::new(&[0; 64].into())));
        let Bucket { entity, scope } = bucket;
        for part in ["cursor", &head.history, user, &entity.name, scope] {
            lineage.cover(part);
        }
        for field in &entity.fields {
            lineage.cover(&field.name);
            lineage.cover(field.kind.name());
        }
        lineage
    }

    /// With its length, so that no two lists of texts are the same bytes.
    fn cover(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_be_bytes());
        self.0.update(text.as_bytes());
    }

    pub(crate) fn write(&self, Place { era, position }: &Place) -> String {
        let text = match position {
            Position::Snapshot { at, after } => format!("{era}.s.{at}.{after}"),
            Position::Changes { after } => format!("{era}.d.{after}"),
        };
        let mut cursor = self.signing(text.as_bytes()).finalize().into_bytes().to_vec();
        cursor.truncate(SIGNATURE_BYTES);
        cursor.extend_from_slice(text.as_bytes());
        URL_SAFE_NO_PAD.encode(cursor)
    }

    /// Reads a cursor. None when it is not one, or is of another lineage.
    pub(crate) fn read(&self, cursor: &str) -> Option<Place> {
        if cursor.len() > CURSOR_BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (signature, text) = bytes.split_at_checked(SIGNATURE_BYTES)?;
        self.signing(text).verify_truncated_left(signature).ok()?;
        let (era, rest) = std::str::from_utf8(text).ok()?.split_once('.')?;
        let position = if let Some(snapshot) = rest.strip_prefix("s.") {
            let (at, after) = snapshot.split_once('.')?;
            Position::Snapshot { at: at.parse().ok()?, after: after.to_owned() }
        } else {
            Position::Changes { after: rest.strip_prefix("d.")?.parse().ok()? }
        };
        Some(Place { era: era.to_owned(), position })
    }

    fn signing(&self, text: &[u8]) -> Hmac<Sha256> {
        let mut signing = self.0.clone();
        signing.update(text);
        signing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Entity, Field, FieldType, Policy};
    use crate::storage::Secret;
    use proptest::prelude::*;

    fn entity(field: &str) -> Entity {
        let field =
            Field { name: field.into(), column: field.into(), kind: FieldType::Integer, required: false, rule: None };
        Entity {
            name: "e".into(),
            table: "e".into(),
            policy: Policy::ReadOnly,
            fields: vec![field],
            scopes: vec![],
            allow: crate::model::Allow::everything(),
            view: None,
            pair: None,
        }
    }

    fn lineage(key: &[u8], history: &str, user: &str, field: &str, scope: &str) -> Lineage {
        let secret = Secret::new(key.to_vec());
        let head = Head { history: history.into(), version: 0, era: "e".into(), horizon: 0, secret };
        Lineage::new(&head, user, Bucket { entity: &entity(field), scope })
    }

    fn own() -> Lineage {
        lineage(b"k", "h", "u", "f", "s")
    }

    #[test]
    fn a_cursor_of_another_key_history_user_shape_or_scope_is_none() {
        let place = Place { era: "e".into(), position: Position::Changes { after: 1 } };
        assert_eq!(own().read(&own().write(&place)), Some(place.clone()));
        for other in [
            lineage(b"l", "h", "u", "f", "s"),
            lineage(b"k", "i", "u", "f", "s"),
            lineage(b"k", "h", "v", "f", "s"),
            lineage(b"k", "h", "u", "g", "s"),
            lineage(b"k", "h", "u", "f", "t"),
            // The same letters, parted elsewhere.
            lineage(b"k", "hu", "", "f", "s"),
        ] {
            assert_eq!(own().read(&other.write(&place)), None);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(at in 0_u64..1 << 53, id in "\\PC{0,128}", snapshot: bool, era in "[0-9a-f]{0,12}") {
            let position = match snapshot {
                true => Position::Snapshot { at, after: id },
                false => Position::Changes { after: at },
            };
            let place = Place { era, position };
            let cursor = own().write(&place);
            prop_assert!(cursor.len() <= CURSOR_BYTES_MAX);
            prop_assert_eq!(own().read(&cursor), Some(place));
        }

        #[test]
        fn one_that_was_changed_or_cut_is_none(at in 0_u64..1 << 53, bit in any::<usize>(), cut in any::<usize>()) {
            let cursor = own().write(&Place { era: "e".into(), position: Position::Changes { after: at } });
            let mut bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
            prop_assert_eq!(own().read(&cursor[..cut % cursor.len()]), None);
            let bits = bytes.len() * 8;
            bytes[bit % bits / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(own().read(&URL_SAFE_NO_PAD.encode(bytes)), None);
        }

        #[test]
        fn anything_else_is_no_cursor_and_nothing_worse(text in any::<String>(), rest in "[A-Za-z0-9_-]{0,64}") {
            prop_assert_eq!(own().read(&text), None);
            prop_assert_eq!(own().read(&rest), None);
        }
    }
}
