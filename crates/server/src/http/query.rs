//! Query strings, read strictly: what is no text is refused, and not made into one.

use axum::extract::Query;
use axum::http::Uri;
use serde::de::DeserializeOwned;

/// What a query says; none when it says anything else, or is no text. (Readers of forms put `U+FFFD` for what they cannot read: an answer to that is
/// an answer to something that nobody asked.)
pub(super) fn read<T: DeserializeOwned>(uri: &Uri) -> Option<T> {
    let query = uri.query().unwrap_or_default();
    is_text(query.as_bytes()).then(|| Query::try_from_uri(uri).ok().map(|Query(read)| read)).flatten()
}

/// Whether every `%` begins two hexadecimal digits, and all of it is UTF-8 then.
fn is_text(mut query: &[u8]) -> bool {
    let mut text = Vec::with_capacity(query.len());
    loop {
        match query {
            [] => return std::str::from_utf8(&text).is_ok(),
            [b'%', high, low, rest @ ..] => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (Some(high), Some(low)) = (digit(*high), digit(*low)) else { return false };
                // Two digits of four bits.
                text.push(u8::try_from(high * 16 + low).unwrap_or_default());
                query = rest;
            }
            [b'%', ..] => return false,
            [byte, rest @ ..] => {
                text.push(*byte);
                query = rest;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_is_read() {
        let of = |query: &str| {
            let uri = format!("/v1/ping?{query}").parse().unwrap();
            read::<std::collections::BTreeMap<String, String>>(&uri)?.remove("nonce")
        };
        assert_eq!(of("nonce=a%20b%C3%B1+c").as_deref(), Some("a bñ c"));
        assert_eq!(of("nonce=%EF%BF%BD").as_deref(), Some("\u{fffd}"), "who says it means it");
        assert_eq!(of("nonce=").as_deref(), Some(""));
        for odd in ["nonce=%ff", "nonce=%C3", "nonce=a&other=%ff", "nonce=%", "nonce=%4", "nonce=%zz", "nonce=%C3&%B1"]
        {
            assert_eq!(of(odd), None, "{odd}");
        }
    }
}
