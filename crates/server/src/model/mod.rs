//! What the server holds: entities with typed fields, rows of values, and scopes.
//!
//! **Invariant:** a row's values stand in the order of its entity's fields, one for each.

use whimbrel_protocol::ProblemCode;

use crate::fault::Fault;

mod allow;
mod entity;
mod id;
mod name;
mod scope;
mod value;

pub use allow::{Allow, Grant};
pub use entity::{Entities, Entity, Field, FieldType, Policy, View};
pub(crate) use id::is_id;
pub(crate) use name::check_name;
pub use name::{NAME_BYTES_MAX, NameError};
pub use scope::{ScopeTemplate, ScopeTemplateError};
pub use value::{INTEGER_MAX, Value, ValueError};

/// Bytes of the values of a row, at most.
pub(crate) const ROW_BYTES_MAX: usize = whimbrel_protocol::CHANGE_BYTES_MAX;

/// The values of a row, in the order of the entity's fields.
pub type Row = Vec<Value>;

/// Who asks: the user, and the scopes the user may see and change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's name, as the token says it.
    pub id: String,
    /// Scopes such as `all` or `country:ES`.
    pub scopes: Vec<String>,
    /// The realm that the token is for; none where the server has none. The same name in another realm is somebody else.
    pub realm: Option<String>,
}

impl User {
    /// Whose a store of this user's is: with realms, the same name in another one is somebody else's. No realm has a `/` in its name.
    pub(crate) fn owner(&self) -> String {
        self.realm.as_ref().map_or_else(|| self.id.clone(), |realm| format!("{realm}/{}", self.id))
    }

    /// Whether a store is this user's, as far as it says whose it is.
    ///
    /// # Errors
    /// `auth/other-user`.
    pub(crate) fn check(&self, store_of: Option<&str>) -> Result<(), Fault> {
        match store_of {
            Some(other) if other != self.owner() => {
                Err(Fault::new(ProblemCode::OtherUser, "this store belongs to another user"))
            }
            Some(_) | None => Ok(()),
        }
    }
}
