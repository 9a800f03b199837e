//! Any JSON, as a value.

use whimbrel_protocol::{Fields, Json};

use super::Tokens;
use crate::error::{Code, Error, Result};

/// Brackets inside each other, at most.
const DEPTH_MAX: usize = 127;

/// Reads JSON; `code` is the code of every error.
pub(crate) fn parse(text: &[u8], code: Code) -> Result<Json> {
    if std::str::from_utf8(text).is_err() {
        return Err(Error::new(code, "JSON that is not UTF-8"));
    }
    let mut tokens = Tokens::new(text, code);
    let value = tokens.value(0)?;
    tokens.end()?;
    Ok(value)
}

impl Tokens<'_> {
    /// Takes a value inside `depth` brackets.
    fn value(&mut self, depth: usize) -> Result<Json> {
        Ok(match self.peek() {
            Some(b'"') => Json::Text(self.owned_text()?),
            Some(b'[' | b'{') if depth == DEPTH_MAX => return Err(self.malformed("nested too deep")),
            Some(b'[') => Json::List(self.members(b'[', b']', |tokens| tokens.value(depth + 1))?),
            Some(b'{') => {
                let member = |tokens: &mut Self| {
                    let name = tokens.owned_text()?;
                    tokens.expect(b':')?;
                    Ok((name, tokens.value(depth + 1)?))
                };
                Json::Object(Fields::from(self.members(b'{', b'}', member)?))
            }
            Some(b't') => self.word("true").map(|()| Json::Boolean(true))?,
            Some(b'f') => self.word("false").map(|()| Json::Boolean(false))?,
            Some(b'n') => self.word("null").map(|()| Json::Null)?,
            _ => Json::Number(self.number()?),
        })
    }

    fn members<T>(&mut self, begin: u8, end: u8, mut member: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut members = Vec::new();
        self.expect(begin)?;
        if !self.eat(end) {
            loop {
                members.push(member(self)?);
                if !self.goes_on(end)? {
                    break;
                }
            }
        }
        Ok(members)
    }
}
