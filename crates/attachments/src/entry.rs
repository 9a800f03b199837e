//! What is known of a content.

/// A content that is here, or on its way here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its address.
    pub address: String,
    /// Its bytes.
    pub size: u64,
    /// Whether the server has it, so that it can be had again.
    pub is_uploaded: bool,
    /// When it was added (milliseconds since 1970).
    pub added_at: i64,
    /// When it was last wanted.
    pub used_at: i64,
}
