//! A tokenizer for JSON that takes what it needs and copies nothing. What it does not understand is an error with its place.

use whimbrel_protocol::Number;

use super::real;
use super::text::plain_length;
use crate::error::{Code, Error, Result};

/// Brackets inside each other in a value that is passed over, at most.
const DEPTH_MAX: usize = whimbrel_protocol::JSON_DEPTH_MAX;

/// A reader of JSON text. The text is UTF-8.
pub(crate) struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The code of every error.
    code: Code,
}

/// A string as it stands in the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawText<'a> {
    /// Between the quotes.
    pub(crate) inner: &'a [u8],
    has_escapes: bool,
}

impl<'a> Tokens<'a> {
    pub(crate) const fn new(bytes: &'a [u8], code: Code) -> Self {
        Self { bytes, at: 0, code }
    }

    /// An error here.
    pub(crate) fn malformed(&self, what: &str) -> Error {
        Error::new(self.code, format!("JSON, byte {}: {what}", self.at))
    }

    /// The next byte that is no white space; it is not taken.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Takes a byte if it is next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes a byte that must be next.
    pub(crate) fn expect(&mut self, byte: u8) -> Result<()> {
        if self.eat(byte) { Ok(()) } else { Err(self.malformed(&format!("\"{}\" is missing", char::from(byte)))) }
    }

    /// Takes a word that must be next.
    pub(crate) fn word(&mut self, word: &str) -> Result<()> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(self.malformed(&format!("{word} is missing")));
        }
        self.at += word.len();
        Ok(())
    }

    /// Takes `"name":`, which must be next.
    pub(crate) fn key(&mut self, name: &str) -> Result<()> {
        let text = self.text()?;
        if text.has_escapes || text.inner != name.as_bytes() {
            return Err(self.malformed(&format!("\"{name}\" comes before this")));
        }
        self.expect(b':')
    }

    /// Takes `,` or the bracket that ends a list or an object; whether it goes on.
    pub(crate) fn goes_on(&mut self, end: u8) -> Result<bool> {
        if self.eat(b',') {
            return Ok(true);
        }
        self.expect(end)?;
        Ok(false)
    }

    /// Takes a string.
    pub(crate) fn text(&mut self) -> Result<RawText<'a>> {
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
        Ok(RawText { inner, has_escapes })
    }

    /// The text of a string, when it has escapes.
    pub(crate) fn unescaped(&self, text: RawText<'a>) -> Result<Option<String>> {
        if !text.has_escapes {
            return Ok(None);
        }
        unescape(text.inner).map(Some).ok_or_else(|| self.malformed("an escape in a string stands for nothing"))
    }

    /// A string as its own text.
    pub(crate) fn owned_text(&mut self) -> Result<String> {
        let text = self.text()?;
        match self.unescaped(text)? {
            Some(text) => Ok(text),
            None => String::from_utf8(text.inner.to_vec()).map_err(|_| self.malformed("not UTF-8")),
        }
    }

    /// Takes a number.
    pub(crate) fn number(&mut self) -> Result<Number> {
        self.peek();
        let start = self.at;
        self.decimal().ok_or_else(|| {
            self.at = start;
            self.malformed("not a number, or one that is too large")
        })
    }

    fn decimal(&mut self) -> Option<Number> {
        let is_negative = self.eat_mark(b"-");
        let mut digits = self.digits()?;
        if digits.len() > 1 && digits.starts_with(b"0") {
            return None;
        }
        let mut exponent = 0;
        let is_real = matches!(self.bytes.get(self.at), Some(b'.' | b'e' | b'E'));
        let joined;
        if self.eat_mark(b".") {
            let fraction = self.digits()?;
            exponent = -(fraction.len() as i64);
            joined = [digits, fraction].concat();
            digits = &joined;
        }
        if self.eat_mark(b"eE") {
            let is_down = self.bytes.get(self.at) == Some(&b'-');
            self.eat_mark(b"+-");
            let power = self
                .digits()?
                .iter()
                .fold(0_i64, |power, digit| power.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
            exponent = exponent.saturating_add(if is_down { -power } else { power });
        }
        if !is_real {
            let whole = digits
                .iter()
                .try_fold(0_u64, |whole, digit| whole.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
            match whole {
                Some(whole) if !is_negative => return Some(Number::Whole(whole)),
                Some(whole @ 1..) if whole <= i64::MIN.unsigned_abs() => {
                    return Some(Number::Negative((whole as i64).wrapping_neg()));
                }
                _ => {}
            }
        }
        let real = real::nearest(digits, exponent);
        real.is_finite().then_some(Number::Real(if is_negative { -real } else { real }))
    }

    /// Takes digits, of which there is at least one.
    fn digits(&mut self) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.at..)?;
        let digits = rest.split(|byte| !byte.is_ascii_digit()).next()?;
        self.at += digits.len();
        (!digits.is_empty()).then_some(digits)
    }

    /// Takes one of these bytes if it is next, without white space in front.
    fn eat_mark(&mut self, marks: &[u8]) -> bool {
        let is_next = self.bytes.get(self.at).is_some_and(|byte| marks.contains(byte));
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes any value, as it stands in the text. Whether it is JSON inside is not known yet.
    pub(crate) fn raw(&mut self) -> Result<&'a [u8]> {
        self.peek();
        let start = self.at;
        self.skip()?;
        Ok(self.bytes.get(start..self.at).unwrap_or_default())
    }

    /// Takes any value.
    pub(crate) fn skip(&mut self) -> Result<()> {
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
    pub(crate) fn end(&mut self) -> Result<()> {
        if self.peek().is_none() { Ok(()) } else { Err(self.malformed("something follows the end")) }
    }
}

/// What a text with escapes stands for. Only what is plain and whole escapes are in it: [`Tokens::text`] has seen to it.
fn unescape(text: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        let (plain, after) = rest.split_at(plain_length(rest));
        out.extend_from_slice(plain);
        let [_, escape, after @ ..] = after else { break };
        rest = after;
        match escape {
            b'"' | b'\\' | b'/' => out.push(*escape),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => out.extend_from_slice(character(&mut rest)?.encode_utf8(&mut [0; 4]).as_bytes()),
            _ => return None,
        }
    }
    String::from_utf8(out).ok()
}

/// The character behind `\u`, which takes a second escape when it is outside the first plane. Half of one is none.
fn character(rest: &mut &[u8]) -> Option<char> {
    let unit = code_unit(rest)?;
    let low = if matches!(unit, 0xd800..0xdc00) {
        *rest = rest.strip_prefix(b"\\u")?;
        code_unit(rest)?
    } else {
        return char::from_u32(unit);
    };
    matches!(low, 0xdc00..0xe000).then(|| char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00)))?
}

fn code_unit(rest: &mut &[u8]) -> Option<u32> {
    let (digits, after) = rest.split_at_checked(4)?;
    *rest = after;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}
