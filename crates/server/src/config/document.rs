//! The file as TOML that knows where everything in it stands.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::finding::{ConfigCode, Finding, Mistake, Place, Step};

/// A file's text and what it says.
pub(super) struct Document<'t> {
    text: &'t str,
    pub(super) table: Spanned<DeTable<'t>>,
}

impl<'t> Document<'t> {
    /// Reads it.
    ///
    /// # Errors
    /// Everything that is no TOML.
    pub(super) fn parse(text: &'t str) -> Result<Self, Vec<Mistake>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Self { text, table });
        }
        let mistake = |error: &toml::de::Error| Mistake {
            code: ConfigCode::Syntax,
            position: Some(position(text, error.span().map_or(0, |span| span.start))),
            key: String::new(),
            what: error.message().to_owned(),
        };
        Err(errors.iter().map(mistake).collect())
    }

    /// What it says, without the parts in which something is wrong: an entry of a list, or all of a key at the top.
    ///
    /// # Errors
    /// The finding, when it does not have the form.
    pub(super) fn read<T: Deserialize<'t>>(&self, wrong: &[Finding]) -> Result<T, Finding> {
        let mut table = self.table.clone();
        // Behind first, so that the places of those before stay what they are.
        let mut places: Vec<(String, usize)> = Vec::new();
        for finding in wrong {
            match finding.place.0.as_slice() {
                [Step::Key(key), Step::Index(index), ..] => places.push((key.clone(), *index)),
                [Step::Key(key), ..] => _ = table.get_mut().remove(key.as_str()),
                _ => {}
            }
        }
        places.sort();
        places.dedup();
        for (key, index) in places.into_iter().rev() {
            if let Some(DeValue::Array(array)) = table.get_mut().get_mut(key.as_str()).map(Spanned::get_mut)
                && index < array.len()
            {
                *array = array.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, one)| one.clone()).collect();
            }
        }
        T::deserialize(Deserializer::from(table)).map_err(|error| Finding {
            code: ConfigCode::Type,
            place: error.span().map(|span| self.place_of(span.start)).unwrap_or_default(),
            what: error.message().to_owned(),
        })
    }

    /// The innermost value around a byte of the text.
    fn place_of(&self, byte: usize) -> Place {
        let mut place = Place::default();
        let mut found = self.table.get_ref().iter().find(|(_, value)| value.span().contains(&byte));
        while let Some((key, value)) = found {
            place = place.key(key.get_ref());
            found = value
                .get_ref()
                .as_table()
                .and_then(|table| table.iter().find(|(_, value)| value.span().contains(&byte)));
        }
        place
    }

    /// A finding with the line that it is about.
    pub(super) fn tell(&self, finding: &Finding) -> Mistake {
        if let [Step::Variable(name)] = finding.place.0.as_slice() {
            return Mistake { code: finding.code, position: None, key: (*name).to_owned(), what: finding.what.clone() };
        }
        let (span, key) = self.find(&finding.place, finding.code == ConfigCode::UnknownKey);
        Mistake { code: finding.code, position: Some(position(self.text, span.start)), key, what: finding.what.clone() }
    }

    /// Where a place is, or the innermost that is there around it; and its name, in which entries are called by theirs.
    fn find(&self, place: &Place, is_key: bool) -> (Range<usize>, String) {
        let mut span = 0..0;
        let mut name = String::new();
        let mut table = Some(self.table.get_ref());
        let mut value: Option<&Spanned<DeValue<'t>>> = None;
        for step in &place.0 {
            match step {
                Step::Variable(_) => {}
                Step::Key(key) => {
                    if !name.is_empty() {
                        name.push('.');
                    }
                    name += key;
                    let found = table.and_then(|table| table.get_key_value(key.as_str()));
                    value = found.map(|(_, value)| value);
                    if let Some((key, value)) = found {
                        span = if is_key { key.span() } else { value.span() };
                    }
                }
                Step::Index(index) => {
                    let array = value.and_then(|value| value.get_ref().as_array());
                    value = array.and_then(|array| array.get(*index));
                    if let Some(value) = value {
                        span = value.span();
                    }
                    let own = value.and_then(|value| value.get_ref().as_table()).and_then(named);
                    name += &format!("[{}]", own.map_or_else(|| index.to_string(), str::to_owned));
                }
            }
            table = value.and_then(|value| value.get_ref().as_table());
        }
        (span, name)
    }
}

fn named<'a>(table: &'a DeTable<'_>) -> Option<&'a str> {
    ["name", "issuer"].iter().find_map(|key| table.get(*key)?.get_ref().as_str()).filter(|name| !name.is_empty())
}

/// Line and column of a byte.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or("");
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}
