//! The three-way merge of one field: the value a change was made on, the value the server has now, and the new one.
//!
//! ```text
//!            was ──► new        the change
//!            was ──► current    what others did meanwhile
//!
//! current = was  ► the new value          current = new  ► nothing to do (but for sums)
//! both differ    ► the field's rule; without one, a conflict
//! ```
//!
//! The server decides with it; the engine shows with it what the server will decide, as far as it knows the server's row.
//!
//! **Invariant:** a change that meets the value it was made on is never merged: it is what somebody wrote.

use whimbrel_protocol::{Json, Number};

/// Whose value counts when both sides changed a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The server's stays.
    Server,
    /// The change's replaces it.
    Client,
    /// The one that was written last, by the devices' clocks.
    Newest,
    /// Both differences add up: for counters and stocks.
    Sum,
    /// A text is a set of lines: lines that either side added are in, lines that either side removed are out.
    Union,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 5] = [Self::Server, Self::Client, Self::Newest, Self::Sum, Self::Union];

    /// Its name in schemas and configurations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Newest => "newest",
            Self::Sum => "sum",
            Self::Union => "union",
        }
    }

    /// The rule of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }
}

/// One field of a change, and what it meets.
#[derive(Debug, Clone, Copy)]
pub struct Meeting<'a> {
    /// The value the change was made on; none when the change does not say.
    pub was: Option<&'a Json>,
    /// The value the server has.
    pub current: &'a Json,
    /// The value the change wants.
    pub new: &'a Json,
    /// Whether the change was written later than the value the server has, by the devices' clocks.
    pub is_newer: bool,
}

/// What becomes of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Merged {
    /// The server's value stays.
    Current,
    /// The new value is taken.
    New,
    /// A value that neither side wrote.
    Other(Json),
    /// Nobody but a person can tell.
    Conflict,
}

/// Merges a field.
#[must_use]
pub fn merge(rule: Option<Rule>, meeting: Meeting<'_>) -> Merged {
    let Meeting { was, current, new, is_newer } = meeting;
    if was.is_some_and(|was| same(was, current)) {
        return Merged::New;
    }
    // Two who counted one each have counted two, although both wrote the same number.
    if same(current, new) && rule != Some(Rule::Sum) {
        return Merged::Current;
    }
    match rule {
        None => Merged::Conflict,
        Some(Rule::Server) => Merged::Current,
        Some(Rule::Client) => Merged::New,
        Some(Rule::Newest) if is_newer => Merged::New,
        Some(Rule::Newest) => Merged::Current,
        Some(Rule::Sum) => was.and_then(|was| sum(was, current, new)).map_or(Merged::Conflict, Merged::Other),
        Some(Rule::Union) => union(was.unwrap_or(&Json::Null), current, new).map_or(Merged::Conflict, Merged::Other),
    }
}

/// Whether two values are one: numbers by what they are worth, however they were written.
#[must_use]
pub fn same(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => match (left.integer(), right.integer()) {
            (Some(left), Some(right)) => left == right,
            _ => left.real().to_bits() == right.real().to_bits(),
        },
        _ => left == right,
    }
}

/// `current + (new - was)`; no value counts as nothing. Whole numbers stay whole.
fn sum(was: &Json, current: &Json, new: &Json) -> Option<Json> {
    let numbers = [current, new, was].map(|value| match value {
        Json::Null => Some(Number::Whole(0)),
        other => other.as_number(),
    });
    let [Some(current), Some(new), Some(was)] = numbers else { return None };
    if let (Some(current), Some(new), Some(was)) = (current.integer(), new.integer(), was.integer()) {
        // Three numbers below 2⁵³ do not overflow; what comes out may still be too large for a field.
        return Number::integer(as_number(current + (new - was))?).map(Json::from);
    }
    let total = current.real() + (new.real() - was.real());
    total.is_finite().then(|| Json::from(total))
}

fn as_number(value: i64) -> Option<Number> {
    Json::from(value).as_number()
}

/// The server's lines without those that the change removed, then those that it added.
fn union(was: &Json, current: &Json, new: &Json) -> Option<Json> {
    let [was, current, new] = [lines(was)?, lines(current)?, lines(new)?];
    let kept = current.iter().filter(|line| new.contains(line) || !was.contains(line));
    let added = new.iter().filter(|line| !was.contains(line) && !current.contains(line));
    let all: Vec<&str> = kept.chain(added).copied().collect();
    Some(Json::Text(all.join("\n")))
}

/// The lines of a text, each once; empty ones are none.
fn lines(text: &Json) -> Option<Vec<&str>> {
    let text = if text.is_null() { "" } else { text.as_str()? };
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    Some(lines)
}
