//! Statements about answers, each of which can be wrong.

use serde_json::Value;

/// Why a case did not go as the protocol says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// An answer is not as it must be.
    #[error("{0}")]
    Rule(String),
    /// There was no answer.
    #[error("no answer: {0}")]
    Unanswered(#[from] reqwest::Error),
}

pub(crate) type Checked<T> = Result<T, Broken>;
pub(crate) type Verdict = Checked<()>;

/// It is not as it must be.
pub(crate) fn broken<T>(what: impl Into<String>) -> Checked<T> {
    Err(Broken::Rule(what.into()))
}

/// `what` says what must be.
pub(crate) fn holds(holds: bool, what: impl Into<String>) -> Verdict {
    if holds { Ok(()) } else { broken(what) }
}

/// `what` names the thing.
pub(crate) fn same(what: &str, found: &Value, expected: impl Into<Value>) -> Verdict {
    let expected = expected.into();
    holds(*found == expected, format!("{what} is {found}, and should be {expected}"))
}

/// A version: a whole number from 1 to below 2⁵³.
pub(crate) fn version(what: &str, found: &Value) -> Checked<u64> {
    match found.as_u64() {
        Some(version) if (1..1 << 53).contains(&version) => Ok(version),
        _ => broken(format!("{what} is {found}, and should be a version: 1 to 2^53 - 1")),
    }
}

/// A list.
pub(crate) fn list<'a>(what: &str, found: &'a Value) -> Checked<&'a [Value]> {
    match found {
        Value::Array(list) => Ok(list),
        _ => broken(format!("{what} is {found}, and should be a list")),
    }
}

/// A text.
pub(crate) fn text<'a>(what: &str, found: &'a Value) -> Checked<&'a str> {
    found.as_str().map_or_else(|| broken(format!("{what} is {found}, and should be a text")), Ok)
}
