//! What an app decides about changes besides the rules here: who may make one (`authorize`), and whether it is right (`validate`).
//!
//! ```text
//! admit ─► decide ─► authorize ─► validate ─► write          refused: `rejected`, and nothing is written
//! ```
//!
//! A hook is asked inside the push's transaction, with the row as it would be stored. Nobody else writes meanwhile, so it is to be quick: what takes
//! longer than [`HOOK_TIMEOUT`] ends the push with `server/busy`, and nothing of it was done.
//!
//! **Invariant:** what a hook did not see is not written, and what was written it has seen; a change that is sent again is not asked about again.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use whimbrel_protocol::{Op, Outcome};

use crate::model::{Entity, Row, User, Value};
use crate::storage::{StorageError, StorageResult};

/// How long a hook may take.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// The code of a refusal whose own cannot be one.
const REFUSED: &str = "app/refused";

/// A change as it would be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Who makes it, with all scopes.
    pub user: User,
    /// The entity's name.
    pub entity: String,
    /// The record's id.
    pub id: String,
    /// What is done. A create of a record that is there already, as `lastWriteWins` allows, is an update of it.
    pub op: Op,
    /// The values as they are, by field; none of a new record.
    pub before: Option<Values>,
    /// The values as they would be stored; none of a deletion.
    pub after: Option<Values>,
}

/// The values of a record by field.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Values(BTreeMap<String, Value>);

impl Values {
    fn of(entity: &Entity, row: &Row) -> Self {
        Self(entity.fields.iter().zip(row).map(|(field, value)| (field.name.clone(), value.clone())).collect())
    }

    /// A field's value; null when there is no such field.
    #[must_use]
    pub fn get(&self, field: &str) -> &Value {
        self.0.get(field).unwrap_or(&Value::Null)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(field, value)| (field.as_str(), value))
    }
}

/// Why a change is not made.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// It is refused for good, as what is wrong with it does not pass: the client keeps it in its inbox.
    #[error("{code}: {message}")]
    Refused {
        /// A stable code of the app's own: `area/what`.
        code: String,
        /// One sentence for people.
        message: String,
        /// What is wrong with fields, by their names.
        fields: BTreeMap<String, String>,
    },
    /// Whether it is right cannot be known now. Nothing of the whole push is done, and the client comes back.
    #[error("a hook cannot tell now: {0}")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

impl HookError {
    /// A refusal: a code such as `order/closed`, lower case with a slash, and a sentence. Anything else as a code becomes `app/refused`.
    #[must_use]
    pub fn refused(code: &str, message: impl Into<String>) -> Self {
        let is_word = |word: &str| {
            !word.is_empty()
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        let is_code = code.split_once('/').is_some_and(|(area, what)| is_word(area) && is_word(what));
        let code = if is_code { code } else { REFUSED };
        Self::Refused { code: code.to_owned(), message: message.into(), fields: BTreeMap::new() }
    }

    /// The same, which says what is wrong with a field.
    #[must_use]
    pub fn with_field(mut self, field: &str, what: impl Into<String>) -> Self {
        if let Self::Refused { fields, .. } = &mut self {
            fields.insert(field.to_owned(), what.into());
        }
        self
    }
}

/// What a hook says.
pub type HookResult = Result<(), HookError>;

type Asked = Pin<Box<dyn Future<Output = HookResult> + Send>>;
type Hook = Arc<dyn Fn(Attempt) -> Asked + Send + Sync>;

/// An app's hooks. Without any, the rules decide alone.
#[derive(Clone, Default)]
pub struct Hooks {
    authorize: Option<Hook>,
    validate: Option<Hook>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authorize, validate } = self;
        write!(formatter, "Hooks {{ authorize: {}, validate: {} }}", authorize.is_some(), validate.is_some())
    }
}

impl Hooks {
    /// Asks whether the user may do that, first of all.
    #[must_use]
    pub fn authorize<F, A>(mut self, hook: F) -> Self
    where
        F: Fn(Attempt) -> A + Send + Sync + 'static,
        A: Future<Output = HookResult> + Send + 'static,
    {
        self.authorize = Some(Arc::new(move |attempt| Box::pin(hook(attempt))));
        self
    }

    /// Asks whether the record is right as it would be.
    #[must_use]
    pub fn validate<F, A>(mut self, hook: F) -> Self
    where
        F: Fn(Attempt) -> A + Send + Sync + 'static,
        A: Future<Output = HookResult> + Send + 'static,
    {
        self.validate = Some(Arc::new(move |attempt| Box::pin(hook(attempt))));
        self
    }

    /// Whether there are none.
    #[must_use]
    pub const fn are_none(&self) -> bool {
        self.authorize.is_none() && self.validate.is_none()
    }

    /// The refusal of a change, if one of them refuses it.
    pub(crate) async fn ask(
        &self,
        user: &User,
        entity: &Entity,
        (op, id): (Op, &str),
        before: Option<&Row>,
        after: Option<&Row>,
    ) -> StorageResult<Option<Outcome>> {
        for hook in [&self.authorize, &self.validate].into_iter().flatten() {
            let values = |row: &Row| Values::of(entity, row);
            let attempt = Attempt {
                user: user.clone(),
                entity: entity.name.clone(),
                id: id.to_owned(),
                op,
                before: before.map(values),
                after: after.map(values),
            };
            match tokio::time::timeout(HOOK_TIMEOUT, hook(attempt)).await {
                Ok(Ok(())) => {}
                Ok(Err(HookError::Refused { code, message, fields })) => {
                    return Ok(Some(Outcome::Rejected { code, message, fields }));
                }
                Ok(Err(HookError::Unavailable(cause))) => return Err(StorageError::Busy(cause)),
                Err(elapsed) => return Err(StorageError::Busy(elapsed.into())),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_refusals() {
        for (given, expected) in [("order/closed", "order/closed"), ("a1/b-2", "a1/b-2"), ("", REFUSED), ("x", REFUSED)]
        {
            assert!(HookError::refused(given, "m").to_string().starts_with(expected), "{given}");
        }
        for bad in ["Order/closed", "a/b/c", "a/", "/b", "a b/c", "a/ñ"] {
            assert!(HookError::refused(bad, "m").to_string().starts_with(REFUSED), "{bad}");
        }
    }
}
