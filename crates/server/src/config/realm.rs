//! `[[realm]]`: tenants, each with a database of its own.
//!
//! **Invariant:** no two realms have the same name, and none of what can be told apart here has the same place. What cannot (two names of one
//! server) is noticed when they are opened.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::check::check_url;
use super::finding::{ConfigCode, Findings, Place as At, suggestion};
use crate::model::check_name;

/// Bytes of a realm's name, at most.
const NAME_BYTES_MAX: usize = 63;
/// The schema that a database has by itself.
const PUBLIC: &str = "public";

/// A tenant with a database of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm {
    /// Its name: lower case letters, digits and `-`. It is the name of a folder, too.
    pub name: String,
    /// Where its database is.
    pub place: Place,
}

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file, of SQLite.
    File(PathBuf),
    /// In a server of PostgreSQL.
    Postgres {
        /// The address of the database.
        url: String,
        /// The schema in it, made when it is absent; the database's own choice when it is not said.
        schema: Option<String>,
    },
}

impl Place {
    /// What tells it from others, as far as that can be told without opening it.
    fn identity(&self) -> String {
        match self {
            Self::File(file) => {
                let plain = file.components().filter(|part| !matches!(part, Component::CurDir));
                plain.collect::<PathBuf>().to_string_lossy().into_owned()
            }
            Self::Postgres { url, schema } => format!("{url} {}", schema.as_deref().unwrap_or(PUBLIC)),
        }
    }
}

/// A tenant: its users, rows, clients and contents are its own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RealmEntry {
    /// Its name, as tokens say it: lower case letters, digits and `-`, 63 at most.
    name: String,
    /// Its SQLite file, created when absent.
    data: Option<PathBuf>,
    /// The address of its database of PostgreSQL; that of `DATABASE_URL`, or `WHIMBREL_DATABASE`, when only `schema` is said.
    database: Option<String>,
    /// The variable of the environment with that address.
    database_env: Option<String>,
    /// The schema of its tables, made when it is absent. So several realms are in one database.
    schema: Option<String>,
}

/// All realms, with their places in the file. `database` is the address that the environment names.
pub(super) fn check_realms(
    entries: Vec<RealmEntry>,
    at: &[At],
    folder: &Path,
    database: Option<&str>,
    findings: &mut Findings,
) -> Vec<Realm> {
    let (mut names, mut places) = (BTreeSet::new(), BTreeSet::new());
    let mut realms: Vec<Realm> = Vec::with_capacity(entries.len());
    for (entry, at) in entries.into_iter().zip(at) {
        let name = entry.name.clone();
        if !is_name(&name) {
            let what =
                format!("\"{name}\" cannot be a realm: lower case letters, digits and -, {NAME_BYTES_MAX} at most");
            findings.add(ConfigCode::Name, &at.key("name"), what);
        } else if !names.insert(name.clone()) {
            findings.add(ConfigCode::Duplicate, &at.key("name"), format!("there is another realm {name}"));
        }
        let Some(place) = check_place(entry, folder, database, at, findings) else { continue };
        if !places.insert(place.identity()) {
            findings.add(ConfigCode::Duplicate, at, "has the place of another realm; each has one of its own");
        }
        let is_file = |place: &Place| matches!(place, Place::File(_));
        if realms.first().is_some_and(|first| is_file(&first.place) != is_file(&place)) {
            findings
                .value(at, "is kept in another kind of database than the first; all are SQLite, or all are PostgreSQL");
        }
        realms.push(Realm { name, place });
    }
    realms
}

/// It can stand in an address and be a folder, on disks too that know no capital letters.
fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends_well = |byte: Option<&u8>| byte.copied().is_some_and(is_plain);
    let bytes = name.as_bytes();
    bytes.len() <= NAME_BYTES_MAX
        && ends_well(bytes.first())
        && ends_well(bytes.last())
        && bytes.iter().all(|byte| is_plain(*byte) || *byte == b'-')
}

fn check_place(
    entry: RealmEntry,
    folder: &Path,
    database: Option<&str>,
    at: &At,
    findings: &mut Findings,
) -> Option<Place> {
    if let Some(schema) = &entry.schema {
        check_schema(schema, &at.key("schema"), findings);
    }
    let (url, key) = match (entry.data, entry.database, entry.database_env, database) {
        (Some(data), None, None, _) => {
            if entry.schema.is_some() {
                findings.value(&at.key("schema"), "a schema is in a database of PostgreSQL, and this is a file");
            }
            return Some(Place::File(folder.join(data)));
        }
        (None, Some(url), None, _) => (url, at.key("database")),
        (None, None, Some(name), _) => {
            let at = at.key("databaseEnv");
            let url = std::env::var(&name).map_err(|_| format!("the environment has no variable {name}"));
            (findings.take(ConfigCode::Source, &at, url)?, at)
        }
        (None, None, None, Some(url)) if entry.schema.is_some() => (url.to_owned(), at.clone()),
        _ => {
            let what =
                "needs one of data, database and databaseEnv; or schema alone, where the environment has DATABASE_URL";
            findings.value(at, what);
            return None;
        }
    };
    check_url(&url, &key, findings);
    Some(Place::Postgres { url, schema: entry.schema })
}

/// The names of schemas are those of tables; these are PostgreSQL's own.
fn check_schema(schema: &str, at: &At, findings: &mut Findings) {
    findings.take(ConfigCode::Name, at, check_name(schema));
    if schema.len() > NAME_BYTES_MAX || schema.starts_with("pg_") || schema == "information_schema" {
        findings.add(
            ConfigCode::Name,
            at,
            format!("the schema {schema} is PostgreSQL's, or over {NAME_BYTES_MAX} bytes"),
        );
    }
}

/// Whether there is a realm of that name; another one may have been meant.
pub(super) fn check_known(name: &str, names: &BTreeSet<String>, at: &At, findings: &mut Findings) {
    if !names.contains(name) {
        let meant = suggestion(name, names.iter().map(String::as_str));
        findings.add(ConfigCode::UnknownName, at, format!("there is no realm {name}{meant}"));
    }
}

/// Whether something says its realm, which it must where there are realms, and must not where there are none.
pub(super) fn check_said(said: bool, names: &BTreeSet<String>, at: &At, findings: &mut Findings) {
    match (said, names.is_empty()) {
        (true, true) => findings.value(at, "there are no realms; a [[realm]] makes one"),
        (false, false) => {
            findings.add(ConfigCode::MissingKey, at, "is missing: there are realms, and it says which one")
        }
        _ => {}
    }
}
