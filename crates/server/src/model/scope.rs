//! Scopes: which rows belong together, and which of them a user may see.
//!
//! A template is a literal such as `all`, or a literal and one field at the end such as `country:{country}`. One field
//! and only at the end, so that two different rows can never be given the same scope by clever values.

use super::{Row, Value};

/// How the rows of an entity get a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScopeTemplate {
    /// Every row is in it.
    Everyone(String),
    /// The prefix and the value of a field.
    ByField {
        /// What stands before the value, for example `country:`.
        prefix: String,
        /// The field's position in the entity.
        field: usize,
    },
}

/// Why a text is no scope template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeTemplateError {
    /// It does not have the form.
    #[error(
        "\"{0}\" is no scope: a literal such as all, or a literal and one field at the end such as team:{{teamId}}"
    )]
    Form(String),
    /// It names a field that the entity does not have.
    #[error("\"{template}\" names the field \"{field}\", which the entity does not have")]
    UnknownField {
        /// The template.
        template: String,
        /// The name.
        field: String,
    },
}

impl ScopeTemplate {
    /// Reads a template; `position` finds a field of the entity by its name.
    ///
    /// # Errors
    /// [`ScopeTemplateError`].
    pub fn parse(text: &str, position: impl Fn(&str) -> Option<usize>) -> Result<Self, ScopeTemplateError> {
        let form = || ScopeTemplateError::Form(text.to_owned());
        match text.split_once('{') {
            None if text.is_empty() || text.contains('}') => Err(form()),
            None => Ok(Self::Everyone(text.to_owned())),
            Some((prefix, rest)) => {
                let field = rest.strip_suffix('}').filter(|field| !field.contains(['{', '}'])).ok_or_else(form)?;
                if prefix.is_empty() || prefix.contains('}') {
                    return Err(form());
                }
                let position = position(field).ok_or_else(|| ScopeTemplateError::UnknownField {
                    template: text.to_owned(),
                    field: field.to_owned(),
                })?;
                Ok(Self::ByField { prefix: prefix.to_owned(), field: position })
            }
        }
    }

    /// The row's scope by this template; none when the field is empty.
    #[must_use]
    pub fn scope_of(&self, row: &Row) -> Option<String> {
        match self {
            Self::Everyone(scope) => Some(scope.clone()),
            Self::ByField { prefix, field } => match row.get(*field)? {
                Value::Text(text) => Some(format!("{prefix}{text}")),
                Value::Integer(number) => Some(format!("{prefix}{number}")),
                Value::Null | Value::Boolean(_) | Value::Real(_) => None,
            },
        }
    }

    /// Whether rows of this template can be in that scope.
    #[must_use]
    pub fn covers(&self, scope: &str) -> bool {
        match self {
            Self::Everyone(own) => own == scope,
            Self::ByField { prefix, .. } => scope.starts_with(prefix.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ScopeTemplate, String> {
        ScopeTemplate::parse(text, |name| (name == "team").then_some(1)).map_err(|error| error.to_string())
    }

    #[test]
    fn templates() {
        assert_eq!(parse("all"), Ok(ScopeTemplate::Everyone("all".into())));
        assert_eq!(parse("team:{team}"), Ok(ScopeTemplate::ByField { prefix: "team:".into(), field: 1 }));
        for bad in ["", "{team}", "a}", "a:{team}b", "a:{team}{team}", "a}{team}", "a:{team", "a:{{team}}"] {
            assert!(parse(bad).is_err_and(|error| error.contains("is no scope")), "{bad}");
        }
        assert!(parse("a:{other}").is_err_and(|error| error.contains("does not have")));
    }

    #[test]
    fn scopes_of_rows() {
        let by_team = parse("team:{team}").unwrap();
        assert_eq!(by_team.scope_of(&vec![Value::Null, Value::Text("7".into())]), Some("team:7".into()));
        assert_eq!(by_team.scope_of(&vec![Value::Null, Value::Integer(7)]), Some("team:7".into()));
        assert_eq!(by_team.scope_of(&vec![Value::Null, Value::Null]), None);
        assert!(by_team.covers("team:7") && !by_team.covers("all"));
    }
}
