//! Cursors: where a client stands in a bucket, as text that only this server reads.
//!
//! ```text
//! 4f1c2a9d0b7e6c35.9b2e.s.1042.0190c0de-…   in the snapshot at version 1042, after this id
//! 4f1c2a9d0b7e6c35.9b2e.d.1100              has everything up to version 1100
//! └ lineage        └ era in which the version was the clock's
//! ```
//!
//! Restored from a backup and given no new history, a database soon has the versions again that it had before, for other changes. So versions alone
//! do not tell; eras do: one that begins at each start, and a cursor of an era that is not here, or that ended before the cursor's version, is of
//! changes that are lost.
//!
//! **Invariant:** the lineage is another one when the history, the bucket, or what its rows look like is another one;
//! such a cursor is not continued.

use uuid::Uuid;
use whimbrel_protocol::Version;

use crate::storage::{Bucket, Head};

/// Bytes of a cursor, at most; what is longer was not made here.
const CURSOR_BYTES_MAX: usize = 1024;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lineage(String);

impl Lineage {
    pub(crate) fn new(head: &Head, bucket: Bucket<'_>) -> Self {
        let mut text = format!("{}\n{}\n{}", head.history, bucket.entity.name, bucket.scope);
        for field in &bucket.entity.fields {
            text += &format!("\n{} {}", field.name, field.kind.name());
        }
        let digest = Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes()).simple().to_string();
        Self(digest.chars().take(16).collect())
    }

    pub(crate) fn write(&self, Place { era, position }: &Place) -> String {
        let Self(lineage) = self;
        match position {
            Position::Snapshot { at, after } => format!("{lineage}.{era}.s.{at}.{after}"),
            Position::Changes { after } => format!("{lineage}.{era}.d.{after}"),
        }
    }

    /// Reads a cursor. None when it is not one, or is of another lineage.
    pub(crate) fn read(&self, cursor: &str) -> Option<Place> {
        if cursor.len() > CURSOR_BYTES_MAX {
            return None;
        }
        let (era, rest) = cursor.strip_prefix(self.0.as_str())?.strip_prefix('.')?.split_once('.')?;
        let position = if let Some(snapshot) = rest.strip_prefix("s.") {
            let (at, after) = snapshot.split_once('.')?;
            Position::Snapshot { at: at.parse().ok()?, after: after.to_owned() }
        } else {
            Position::Changes { after: rest.strip_prefix("d.")?.parse().ok()? }
        };
        Some(Place { era: era.to_owned(), position })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Entity, Field, FieldType, Policy};
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

    fn lineage(history: &str, field: &str, scope: &str) -> Lineage {
        let head = Head { history: history.into(), version: 0, era: "e".into(), horizon: 0 };
        Lineage::new(&head, Bucket { entity: &entity(field), scope })
    }

    #[test]
    fn another_history_shape_or_scope_is_another_lineage() {
        let own = lineage("h", "f", "s");
        assert_eq!(own, lineage("h", "f", "s"));
        for other in [lineage("i", "f", "s"), lineage("h", "g", "s"), lineage("h", "f", "t")] {
            assert_ne!(own, other);
            let cursor = other.write(&Place { era: "e".into(), position: Position::Changes { after: 1 } });
            assert_eq!(own.read(&cursor), None);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(at in 0_u64..1 << 53, id in "\\PC{0,128}", snapshot: bool, era in "[0-9a-f]{0,12}") {
            let own = lineage("h", "f", "s");
            let position = match snapshot {
                true => Position::Snapshot { at, after: id },
                false => Position::Changes { after: at },
            };
            let place = Place { era, position };
            let cursor = own.write(&place);
            prop_assert_eq!(own.read(&cursor), Some(place));
        }

        #[test]
        fn anything_else_is_no_cursor_and_nothing_worse(text in any::<String>(), rest in "[sde.0-9]{0,12}") {
            let own = lineage("h", "f", "s");
            prop_assert_eq!(own.read(&text), None);
            let Lineage(prefix) = &own;
            _ = own.read(&format!("{prefix}{rest}"));
        }
    }
}
