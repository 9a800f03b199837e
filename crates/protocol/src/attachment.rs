//! `/v1/attachments/{address}`: contents that rows refer to by their address.

use serde::{Deserialize, Serialize};

/// Bytes of one part of an upload, at most.
pub const ATTACHMENT_PART_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of one attachment, at most; a server may have a smaller limit of its own.
pub const ATTACHMENT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Bytes of an attachment's media type, at most.
pub const ATTACHMENT_TYPE_BYTES_MAX: usize = 128;
/// What an address begins with; 64 hexadecimal digits follow, in lower case.
pub const ATTACHMENT_ADDRESS_PREFIX: &str = "sha256-";

const _: () = assert!(ATTACHMENT_BYTES_MAX.is_multiple_of(ATTACHMENT_PART_BYTES_MAX as u64));
const _: () = assert!(ATTACHMENT_PART_BYTES_MAX <= crate::BODY_BYTES_MAX);

/// How much of an attachment the server has: the answer to `GET …/state`, and to every part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AttachmentState {
    /// [`crate::PROTOCOL_VERSION`].
    pub protocol: u32,
    /// Bytes that the server has, of this user's upload or of the whole. The next part begins here.
    pub received: u64,
    /// Whether all of it is here and its hash is the address: only then can it be downloaded.
    pub complete: bool,
    /// The media type that came with it, once it is complete.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

/// Whether a text is the address of an attachment.
#[must_use]
pub fn is_attachment_address(text: &str) -> bool {
    let digits = text.strip_prefix(ATTACHMENT_ADDRESS_PREFIX);
    digits.is_some_and(|digits| {
        digits.len() == 64 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}
