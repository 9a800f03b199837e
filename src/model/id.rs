//! Ids of records: any short text; the engine's own are UUIDs of version 7, which grow with time.

use whimbrel_protocol::ID_BYTES_MAX;

use crate::error::{Code, Error, Result};

/// Whether a text can be an id: 1 to 128 bytes, no control characters.
///
/// # Errors
/// `value/id`.
pub fn check_id(id: &str) -> Result<()> {
    if is_id(id) {
        return Ok(());
    }
    let detail = format!("an id has 1 to {ID_BYTES_MAX} bytes and no control characters; this one has {}", id.len());
    Err(Error::new(Code::InvalidId, detail))
}

/// The same as an answer.
pub(crate) fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= ID_BYTES_MAX && !id.bytes().any(|byte| byte < 0x20 || byte == 0x7f)
}

/// A new id from the time and random bytes: a UUID of version 7 (RFC 9562), lower case with hyphens.
#[must_use]
pub fn uuid_v7(now_ms: i64, random: [u8; 16]) -> String {
    let millis = u64::try_from(now_ms).unwrap_or(0);
    let [a, b, c, d, e, f, g, h, i, j, ..] = random;
    let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &[a, b, c, d, e, f, g, h, i, j]).into_uuid();
    uuid.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()).to_owned()
}

/// The bytes of a UUID in its one canonical form (lower case, hyphens); anything else is not taken for one, so that it comes back as it was.
pub(crate) fn canonical_uuid(id: &[u8]) -> Option<[u8; 16]> {
    let id: &[u8; 36] = id.try_into().ok()?;
    if id[8] != b'-' || id[13] != b'-' || id[18] != b'-' || id[23] != b'-' {
        return None;
    }
    let digits = id.iter().enumerate().filter(|(place, _)| !matches!(place, 8 | 13 | 18 | 23));
    let mut bytes = [0; 16];
    let mut wrong = 0;
    let mut digits = digits.map(|(_, digit)| *digit);
    for byte in &mut bytes {
        let (high, low) = (hex(digits.next()?), hex(digits.next()?));
        wrong |= high | low;
        *byte = high << 4 | low & 15;
    }
    (wrong & 0xf0 == 0).then_some(bytes)
}

const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => 0xf0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_text() {
        assert!(check_id("a").is_ok());
        assert!(check_id(&"x".repeat(128)).is_ok());
        assert!(check_id("Zürich/1").is_ok());
        for bad in ["", &"x".repeat(129), "a\nb", "a\u{7f}", "\0"] {
            assert_eq!(check_id(bad).unwrap_err().code(), Code::InvalidId);
        }
    }

    #[test]
    fn a_new_id_has_the_time_in_front() {
        let id = uuid_v7(0x0193_5c2e_7a10, [0xff; 16]);
        assert_eq!(id, "01935c2e-7a10-7fff-bfff-ffffffffffff");
        assert!(uuid_v7(-5, [0; 16]).starts_with("00000000-0000-7000-8000-"));
    }

    #[test]
    fn only_the_canonical_form_is_taken_for_a_uuid() {
        let bytes = canonical_uuid(b"01935c2e-7a10-7fff-bfff-0123456789ab").unwrap();
        assert_eq!(bytes, [1, 0x93, 0x5c, 0x2e, 0x7a, 0x10, 0x7f, 0xff, 0xbf, 0xff, 1, 0x23, 0x45, 0x67, 0x89, 0xab]);
        for other in [
            &b"01935C2E-7a10-7fff-bfff-0123456789ab"[..],
            b"01935c2e-7a10-7fff-bfff-0123456789a",
            b"01935c2e07a10-7fff-bfff-0123456789ab",
            b"01935c2e-7a10-7fff-bfff-0123456789ag",
            b"01935c2e-7a10-7fff-bfff-012345678-ab",
        ] {
            assert_eq!(canonical_uuid(other), None);
        }
    }
}
