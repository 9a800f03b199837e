//! Names of entities, fields, tables and columns.
//!
//! **Invariant:** a checked name can stand between double quotes in SQL and as a key of a JavaScript object without
//! meaning anything else there: it begins with a letter, so `__proto__` and the engine's own `_version` are none.

/// Bytes of a name, at most.
pub const NAME_BYTES_MAX: usize = 64;

/// The name cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name \"{name}\" cannot be used: a letter, then letters, digits and _, {NAME_BYTES_MAX} at most")]
pub struct NameError {
    name: String,
}

pub(crate) fn check_name(name: &str) -> Result<(), NameError> {
    let begins_well = name.starts_with(|first: char| first.is_ascii_alphabetic());
    let plain = name.chars().all(|each| each.is_ascii_alphanumeric() || each == '_');
    if begins_well && plain && name.len() <= NAME_BYTES_MAX { Ok(()) } else { Err(NameError { name: name.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[test]
    fn names() {
        for good in ["a", "workOrder", "place_id", "x9", &"a".repeat(64)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "_version", "__proto__", "9x", "a b", "a\"b", "naïve", "a-b", &"a".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
