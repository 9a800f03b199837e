//! Record ids: made by clients, opaque to the server.

use whimbrel_protocol::ID_BYTES_MAX;

/// Whether a text can be a record's id: not empty, at most [`ID_BYTES_MAX`] bytes, no control characters.
pub(crate) fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= ID_BYTES_MAX && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::is_id;

    #[test]
    fn ids() {
        assert!(is_id("0190c0de-0000-7000-8000-000000000001") && is_id("ES-7") && is_id(&"x".repeat(128)));
        assert!(!is_id("") && !is_id(&"x".repeat(129)) && !is_id("a\0b") && !is_id("a\nb"));
    }
}
