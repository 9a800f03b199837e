//! The language of scenarios.

use whimbrel::sync::UnitId;

use crate::app::{FETCH, HOME, KINDS, SEND};

/// A scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it is about.
    pub about: String,
    pub(super) deeds: Vec<Deed>,
    /// Whether a crash may change what the server has at the end: two devices that are both online are not in a fixed order.
    pub any_end: bool,
}

/// A device by its letter, and the number of a tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) device: char,
    pub(super) tab: usize,
}

/// What is done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Create,
    /// A field by its number.
    Set(usize),
    Delete,
}

/// One line.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    Write {
        who: Who,
        act: Act,
        kind: &'static str,
        id: String,
    },
    /// Two new tasks or none.
    Together {
        who: Who,
        first: String,
        second: String,
    },
    /// Asks for a run and waits for its end.
    Sync {
        who: Who,
        unit: UnitId,
    },
    /// Asks and does not wait.
    Trigger(Who),
    Online(char, bool),
    OpenTab(char),
    CloseTab(Who),
    Restart(char),
    Wipe(char),
    Wait(u64),
    ServerWrites(String),
    ServerDeletes(String),
    Forget,
    BackUp,
    Restore {
        is_careless: bool,
    },
}

impl Scenario {
    /// Reads one.
    ///
    /// # Errors
    /// The line that says nothing.
    pub fn parse(text: &str) -> Result<Self, String> {
        let about = text.lines().take_while(|line| line.starts_with('#')).map(|line| line.trim_start_matches("# "));
        let about = about.collect::<Vec<_>>().join(" ");
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (mut deeds, mut any_end) = (Vec::new(), false);
        for line in lines {
            if line == "any end" {
                any_end = true;
                continue;
            }
            deeds.push(deed(line).ok_or_else(|| format!("what is \"{line}\"?"))?);
        }
        Ok(Self { about, deeds, any_end })
    }
}

fn deed(line: &str) -> Option<Deed> {
    let words: Vec<&str> = line.split_whitespace().collect();
    Some(match words.as_slice() {
        ["server", "writes", id] => Deed::ServerWrites((*id).to_owned()),
        ["server", "deletes", id] => Deed::ServerDeletes((*id).to_owned()),
        ["server", "forgets"] => Deed::Forget,
        ["server", "backs", "up"] => Deed::BackUp,
        ["server", "restores"] => Deed::Restore { is_careless: false },
        ["server", "restores", "carelessly"] => Deed::Restore { is_careless: true },
        ["wait", seconds] => Deed::Wait(seconds.parse::<u64>().ok()? * 1_000),
        [who, "creates", "task", first, "and", second] => {
            Deed::Together { who: person(who)?, first: (*first).to_owned(), second: (*second).to_owned() }
        }
        [who, "creates", of, id] => write(who, Act::Create, of, id)?,
        [who, "sets", of, id] => write(who, Act::Set(0), of, id)?,
        [who, "sets", "w", "of", of, id] => write(who, Act::Set(1), of, id)?,
        [who, "deletes", of, id] => write(who, Act::Delete, of, id)?,
        [who, "syncs"] => Deed::Sync { who: person(who)?, unit: HOME },
        [who, "sends"] => Deed::Sync { who: person(who)?, unit: SEND },
        [who, "fetches"] => Deed::Sync { who: person(who)?, unit: FETCH },
        [who, "triggers"] => Deed::Trigger(person(who)?),
        [who, "goes", "online"] => Deed::Online(person(who)?.device, true),
        [who, "goes", "offline"] => Deed::Online(person(who)?.device, false),
        [who, "opens", "a", "tab"] => Deed::OpenTab(person(who)?.device),
        [who, "closes"] => Deed::CloseTab(person(who)?),
        [who, "restarts"] => Deed::Restart(person(who)?.device),
        [who, "is", "wiped"] => Deed::Wipe(person(who)?.device),
        _ => return None,
    })
}

fn person(word: &str) -> Option<Who> {
    let mut letters = word.chars();
    let device = letters.next().filter(|letter| "abcn".contains(*letter))?;
    let tab = match letters.as_str() {
        "" => 0,
        number => number.parse::<usize>().ok()?.checked_sub(1)?,
    };
    Some(Who { device, tab })
}

fn write(who: &str, act: Act, kind: &str, id: &str) -> Option<Deed> {
    let kind = KINDS.iter().find(|known| known.name == kind)?.name;
    Some(Deed::Write { who: person(who)?, act, kind, id: id.to_owned() })
}
