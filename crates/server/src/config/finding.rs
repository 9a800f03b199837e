//! What is wrong with a configuration: a stable code, the place, and what to do about it. All of it is said at once.
//!
//! **Invariant:** codes are never reworded and never reused.

use std::fmt;
use std::path::{Path, PathBuf};

/// Which kind of mistake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigCode {
    /// It is not TOML.
    Syntax,
    /// A key that does not exist there.
    UnknownKey,
    /// A key that must be there and is not.
    MissingKey,
    /// A value of another type.
    Type,
    /// A value that cannot be, by itself or beside the others.
    Value,
    /// A name that cannot be used.
    Name,
    /// Something that is there twice.
    Duplicate,
    /// The name of something that is not there.
    UnknownName,
    /// A file that it names, or a variable of the environment, that cannot be used.
    Source,
}

impl ConfigCode {
    /// The code as it is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "config/syntax",
            Self::UnknownKey => "config/unknown-key",
            Self::MissingKey => "config/missing-key",
            Self::Type => "config/type",
            Self::Value => "config/value",
            Self::Name => "config/name",
            Self::Duplicate => "config/duplicate",
            Self::UnknownName => "config/unknown-name",
            Self::Source => "config/source",
        }
    }
}

/// A step on the way to a value of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
    /// A variable of the environment, and nowhere in the file.
    Variable(&'static str),
}

/// Where something is in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place(pub(super) Vec<Step>);

impl Place {
    pub(super) fn of(key: &str) -> Self {
        Self::default().key(key)
    }

    pub(super) fn variable(name: &'static str) -> Self {
        Self(vec![Step::Variable(name)])
    }

    pub(super) fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.to_owned()))
    }

    pub(super) fn at(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    fn then(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) code: ConfigCode,
    pub(super) place: Place,
    pub(super) what: String,
}

/// All that is wrong, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn add(&mut self, code: ConfigCode, place: &Place, what: impl fmt::Display) {
        self.0.push(Finding { code, place: place.clone(), what: what.to_string() });
    }

    /// The same for most: a value that cannot be.
    pub(super) fn value(&mut self, place: &Place, what: impl fmt::Display) {
        self.add(ConfigCode::Value, place, what);
    }

    /// The value of a result; why there is none is a finding.
    pub(super) fn take<T, E: fmt::Display>(&mut self, code: ConfigCode, place: &Place, it: Result<T, E>) -> Option<T> {
        it.map_err(|error| self.add(code, place, error)).ok()
    }
}

/// One mistake, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Which kind.
    pub code: ConfigCode,
    /// Line and column, from 1; the column counts characters. None of what the environment says.
    pub position: Option<(usize, usize)>,
    /// The key, for example `entity[place].fields[lat].type`; empty for the whole file.
    pub key: String,
    /// What is wrong, and what was expected.
    pub what: String,
}

/// All mistakes of a file, by their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes {
    /// The file.
    pub file: PathBuf,
    /// At least one.
    pub list: Vec<Mistake>,
}

impl Mistakes {
    pub(super) fn new(file: &Path, mut list: Vec<Mistake>) -> Self {
        list.sort_by_key(|mistake| mistake.position);
        Self { file: file.to_owned(), list }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Mistake { code, position, key, what }) in self.list.iter().enumerate() {
            if number > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{}", self.file.display())?;
            if let Some((line, column)) = position {
                write!(formatter, ":{line}:{column}")?;
            }
            write!(formatter, ": {}: ", code.as_str())?;
            if !key.is_empty() {
                write!(formatter, "{key}: ")?;
            }
            formatter.write_str(what)?;
        }
        Ok(())
    }
}

/// The word of a list that somebody may have meant, as half a sentence.
pub(super) fn suggestion<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    /// How alike two words must be, of 1.
    const ALIKE: f64 = 0.7;
    let alike = |known: &&str| strsim::jaro_winkler(&word.to_lowercase(), &known.to_lowercase());
    let best = known.map(|known| (alike(&known), known)).filter(|(alike, _)| *alike >= ALIKE);
    match best.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((_, best)) => format!("; did you mean {best}?"),
        None => String::new(),
    }
}
