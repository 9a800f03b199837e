//! Permanent refusals of one change, with their codes.
//!
//! Codes are public: never reworded, never reused. `docs/PROTOCOL.md` lists them.

use std::collections::BTreeMap;

use whimbrel_protocol::Outcome;

use crate::model::Entity;
use crate::storage::Constraint;

macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $message:literal;)+) => {
        /// Why a change is refused for good.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Refusal { $($(#[doc = $doc])+ $name,)+ }

        impl Refusal {
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)+];

            pub(crate) const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)+ }
            }
        }
    };
}

refusals! {
    /// No such entity.
    UnknownEntity = "schema/unknown-entity", "The server has no such kind of record.";
    /// A field that the entity does not have.
    UnknownField = "schema/unknown-field", "The server does not know a field of this record.";
    /// A value of another type.
    ValueType = "value/type", "A value is not of its field's type.";
    /// A text over its limit.
    ValueTooLong = "value/too-long", "A text is too long.";
    /// A row over its limit.
    ValueTooLarge = "value/too-large", "The record is too large.";
    /// A required field without a value.
    ValueRequired = "value/required", "A required field has no value.";
    /// An id that cannot be one.
    InvalidId = "value/id", "The record's id is empty, too long or not plain text.";
    /// Nothing to change: the record was never here.
    RowNotFound = "row/not-found", "There is no such record.";
    /// A create of a record that is here already.
    RowExists = "row/exists", "A record with this id exists already.";
    /// The record was deleted and stays deleted.
    RowDeleted = "row/deleted", "The record was deleted.";
    /// The entity is not written by clients.
    ReadOnly = "policy/read-only", "These records cannot be changed.";
    /// The entity takes new records only.
    AppendOnly = "policy/append-only", "These records cannot be changed once they are made.";
    /// The record, before or after the change, is in none of the user's scopes.
    Scope = "auth/scope", "This record is not among those you may change.";
    /// The user may not do this with records of this entity.
    Operation = "auth/operation", "You may not do this with records of this kind.";
    /// Another change of the same group was not accepted.
    Group = "group/failed", "Another change that belongs to this one was not accepted.";
    /// A record that stands for a pair: its id is another pair's, or one of the two would be another one.
    Pair = "constraint/pair", "A record that stands for a pair of others has their id, and keeps both.";
    /// The database: the value must be unique.
    Unique = "constraint/unique", "Another record has the same value where it must be unique.";
    /// The database: a referenced record.
    ForeignKey = "constraint/foreign-key", "A record that this one refers to is missing, or others still refer to it.";
    /// The database: a condition of its own.
    Check = "constraint/check", "The record does not meet a condition of the database.";
}

impl Refusal {
    pub(crate) fn outcome(self) -> Outcome {
        self.with_fields(BTreeMap::new())
    }

    pub(crate) fn with_fields(self, fields: BTreeMap<String, String>) -> Outcome {
        Outcome::Rejected { code: self.code().to_owned(), message: self.message().to_owned(), fields }
    }
}

impl Refusal {
    /// The refusal by a constraint of the database, with what it says of the fields it is about.
    pub(crate) fn of_database(constraint: Constraint, entity: &Entity, fields: &[usize]) -> Outcome {
        let (refusal, what) = match constraint {
            Constraint::Unique => (Self::Unique, "another record has this value"),
            Constraint::ForeignKey => (Self::ForeignKey, "there is no such record"),
            Constraint::Check => (Self::Check, "does not meet a condition of the database"),
        };
        let fields = fields.iter().filter_map(|position| entity.fields.get(*position));
        refusal.with_fields(fields.map(|field| (field.name.clone(), what.to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Refusal;

    #[test]
    fn codes_are_unique_and_documented() {
        let document = include_str!("../../../../docs/PROTOCOL.md");
        let mut seen = std::collections::BTreeSet::new();
        for refusal in Refusal::ALL {
            assert!(seen.insert(refusal.code()), "{} is there twice", refusal.code());
            assert!(document.contains(&format!("`{}`", refusal.code())), "{} is not in PROTOCOL.md", refusal.code());
        }
    }
}
