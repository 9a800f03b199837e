//! A tokenizer for JSON that takes what it needs and copies nothing. What it does not understand is an error with its place.

use crate::error::{Code, Error, Result};
use crate::model::json::plain_length;

/// The largest whole number that JavaScript holds exactly.
const INTEGER_MAX: u64 = (1 << 53) - 1;
/// Brackets inside each other in a value that is passed over, at most.
const DEPTH_MAX: usize = whimbrel_protocol::JSON_DEPTH_MAX;

/// A reader of JSON text. The text is UTF-8.
pub(super) struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A string as it stands in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawText<'a> {
    /// Between the quotes.
    pub(super) inner: &'a [u8],
    /// With the quotes, when there are escapes in it.
    escaped: Option<&'a [u8]>,
}

/// A number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Whole(i64),
    Real(f64),
}

impl<'a> Tokens<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// An error here.
    pub(super) fn malformed(&self, what: &str) -> Error {
        Error::new(Code::ProtocolMalformed, format!("a line of rows, byte {}: {what}", self.at))
    }

    /// The next byte that is no white space; it is not taken.
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Takes a byte if it is next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes a byte that must be next.
    pub(super) fn expect(&mut self, byte: u8) -> Result<()> {
        if self.eat(byte) { Ok(()) } else { Err(self.malformed(&format!("\"{}\" is missing", char::from(byte)))) }
    }

    /// Takes a word that must be next.
    pub(super) fn word(&mut self, word: &str) -> Result<()> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(self.malformed(&format!("{word} is missing")));
        }
        self.at += word.len();
        Ok(())
    }

    /// Takes `"name":`, which must be next.
    pub(super) fn key(&mut self, name: &str) -> Result<()> {
        let text = self.text()?;
        if text.escaped.is_some() || text.inner != name.as_bytes() {
            return Err(self.malformed(&format!("\"{name}\" comes before this")));
        }
        self.expect(b':')
    }

    /// Takes `,` or the bracket that ends a list; whether the list goes on.
    pub(super) fn goes_on(&mut self) -> Result<bool> {
        if self.eat(b',') {
            return Ok(true);
        }
        self.expect(b']')?;
        Ok(false)
    }

    /// Takes a string.
    pub(super) fn text(&mut self) -> Result<RawText<'a>> {
        self.expect(b'"')?;
        let start = self.at;
        let mut has_escapes = false;
        loop {
            self.at += plain_length(self.bytes.get(self.at..).unwrap_or_default());
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    has_escapes = true;
                    self.at += 2;
                }
                Some(_) => return Err(self.malformed("a control character in a string")),
                None => return Err(self.malformed("a string has no end")),
            }
        }
        let inner = self.bytes.get(start..self.at).unwrap_or_default();
        self.at += 1;
        let escaped = has_escapes.then(|| self.bytes.get(start - 1..self.at).unwrap_or_default());
        Ok(RawText { inner, escaped })
    }

    /// The text of a string, when it has escapes.
    pub(super) fn unescaped(&self, text: RawText<'a>) -> Result<Option<String>> {
        let Some(escaped) = text.escaped else { return Ok(None) };
        serde_json::from_slice(escaped).map(Some).map_err(|error| self.malformed(&error.to_string()))
    }

    /// A string as its own text.
    pub(super) fn owned_text(&mut self) -> Result<String> {
        let text = self.text()?;
        match self.unescaped(text)? {
            Some(text) => Ok(text),
            None => String::from_utf8(text.inner.to_vec()).map_err(|_| self.malformed("not UTF-8")),
        }
    }

    /// Takes a number.
    pub(super) fn number(&mut self) -> Result<Number> {
        self.peek();
        let start = self.at;
        let is_negative = self.bytes.get(self.at) == Some(&b'-');
        self.at += usize::from(is_negative);
        let digits = self.at;
        let mut number: u64 = 0;
        while let Some(digit) = self.bytes.get(self.at).filter(|byte| byte.is_ascii_digit()) {
            number = number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let is_plain = !matches!(self.bytes.get(self.at), Some(b'.' | b'e' | b'E'));
        let has_zeros = self.at - digits > 1 && self.bytes.get(digits) == Some(&b'0');
        if self.at == digits || has_zeros {
            self.at = start;
            return Err(self.malformed("not a number"));
        }
        if is_plain && number <= INTEGER_MAX {
            let number = number as i64;
            return Ok(Number::Whole(if is_negative { -number } else { number }));
        }
        while self.bytes.get(self.at).is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
        {
            self.at += 1;
        }
        let token = self.bytes.get(start..self.at).unwrap_or_default();
        let real: f64 = serde_json::from_slice(token).map_err(|_| self.malformed("not a number"))?;
        Ok(Number::Real(real))
    }

    /// Takes any value.
    pub(super) fn skip(&mut self) -> Result<()> {
        let mut depth = 0;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.text()?;
                }
                Some(b'[' | b'{') => {
                    self.at += 1;
                    depth += 1;
                }
                Some(b']' | b'}') if depth > 0 => {
                    self.at += 1;
                    depth -= 1;
                }
                Some(b',' | b':') if depth > 0 => self.at += 1,
                Some(b't') => self.word("true")?,
                Some(b'f') => self.word("false")?,
                Some(b'n') => self.word("null")?,
                _ => {
                    self.number()?;
                }
            }
            if depth == 0 {
                return Ok(());
            }
            if depth > DEPTH_MAX {
                return Err(self.malformed("nested too deep"));
            }
        }
    }

    /// Nothing but white space is left.
    pub(super) fn end(&mut self) -> Result<()> {
        if self.peek().is_none() { Ok(()) } else { Err(self.malformed("something follows the end")) }
    }
}

impl Number {
    /// As a whole number within ±(2⁵³ − 1), also when it was written as `3.0` or `3e0`.
    pub(super) fn whole(self) -> Option<i64> {
        match self {
            Self::Whole(number) => Some(number),
            Self::Real(real) => (real.fract() == 0.0 && real.abs() <= INTEGER_MAX as f64).then_some(real as i64),
        }
    }

    pub(super) const fn real(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Real(real) => real,
        }
    }
}
