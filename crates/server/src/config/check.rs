//! From the file's shape to a consistent configuration.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use whimbrel_protocol::ATTACHMENT_BYTES_MAX;

use super::auth::check_auth;
use super::cors::check_cors;
use super::edge::check_edge;
use super::entity::{Names, check_entity};
use super::file::{AttachmentsEntry, File, SeedEntry};
use super::finding::{ConfigCode, Findings, Place, suggestion};
use super::realm::{check_known, check_realms, check_said};
use super::{Attachments, Config, Environment, POSTGRES, Seed};
use crate::model::{Entities, Entity};

/// The address that is listened on when none is said.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8787);
/// For how many days removals can be pulled, unless it is said.
const TOMBSTONES_DAYS: u32 = 90;
/// Where the data would be when only a database of PostgreSQL is named: attachments are beside it.
const DATA_NAME: &str = "whimbrel";

/// Checks everything. What it comes to counts only when there are no findings. `names` are those of all entities, also of those that could not be read.
pub(super) fn check(
    file: File,
    folder: &Path,
    environment: Environment,
    names: &Names,
    findings: &mut Findings,
) -> Config {
    let has_realms = !file.realm.is_empty();
    if has_realms {
        check_no_other(&file, &environment, findings);
    }
    let of_environment = environment.database.as_ref().map(|(_, url)| url.as_str());
    let realms = check_realms(file.realm, &names.realm_places, folder, of_environment, findings);
    // Realms take what the environment says where they say nothing themselves.
    let database = if has_realms { None } else { check_database(file.database, environment.database, findings) };
    let data = match environment.data.or(file.data.map(|data| folder.join(data))) {
        Some(data) => data,
        None => {
            if database.is_none() && !has_realms && names.realms.is_empty() {
                let what = "neither data (a SQLite file) nor database (of PostgreSQL) is named";
                findings.add(ConfigCode::MissingKey, &Place::default(), what);
            }
            folder.join(DATA_NAME)
        }
    };
    let tombstones_days = check_retention(file.retention.tombstones_days, findings);
    let mut tables = BTreeSet::new();
    let mut entities: Vec<Entity> = Vec::with_capacity(file.entity.len());
    for (entry, place) in file.entity.into_iter().zip(&names.places) {
        let is_twice = entities.iter().any(|other| other.name == entry.name);
        if is_twice {
            findings.add(ConfigCode::Duplicate, &place.key("name"), format!("there is another entity {}", entry.name));
        }
        let has_table = entry.table.is_some();
        let entity = check_entity(entry, names, place, findings);
        if !tables.insert(entity.table.to_lowercase()) && !is_twice {
            let place = if has_table { place.key("table") } else { place.key("name") };
            findings.add(ConfigCode::Duplicate, &place, format!("the table {} is another entity's", entity.table));
        }
        entities.push(entity);
    }
    let auth = check_auth(file.auth, folder, &names.realms, findings);
    let is_development = auth.issuers.is_empty();
    let of_views: BTreeSet<&str> =
        entities.iter().filter(|entity| entity.view.is_some()).map(|entity| entity.name.as_str()).collect();
    for (number, _) in file.seed.iter().enumerate().filter(|(_, seed)| of_views.contains(seed.entity.as_str())) {
        findings.value(&Place::of("seed").at(number).key("entity"), "is a view; what it is made of can be seeded");
    }
    let seeds =
        file.seed.into_iter().zip(0..).map(|(entry, number)| check_seed(entry, number, folder, names, findings));
    Config {
        seeds: seeds.collect(),
        listen: check_listen(file.listen, environment.listen, findings),
        data,
        database,
        realms,
        static_files: environment.static_files.or(file.static_files.map(|path| folder.join(path))),
        attachments: check_attachments(file.attachments, folder, findings),
        tokens: auth.tokens,
        issuers: auth.issuers,
        scopes_sql: auth.scopes_sql,
        cors_origins: check_cors(file.cors, findings),
        edge: check_edge(file.limits, file.tls, file.metrics, folder, is_development, findings),
        tombstones_days,
        entities: Entities::new(entities),
    }
}

fn check_retention(days: Option<u32>, findings: &mut Findings) -> u32 {
    let days = days.unwrap_or(TOMBSTONES_DAYS);
    if days == 0 {
        let place = Place::of("retention").key("tombstones_days");
        findings.value(&place, "is 0; removals must be there to be pulled, a day at least");
    }
    days
}

fn check_listen(file: Option<String>, environment: Option<String>, findings: &mut Findings) -> SocketAddr {
    let (text, place) = match (environment, file) {
        (Some(text), _) => (text, Place::variable("WHIMBREL_LISTEN")),
        (None, Some(text)) => (text, Place::of("listen")),
        (None, None) => return LISTEN,
    };
    let address = text.parse().map_err(|_| format!("\"{text}\" is no address with a port; for example 127.0.0.1:8787"));
    findings.take(ConfigCode::Value, &place, address).unwrap_or(LISTEN)
}

fn check_database(
    file: Option<String>,
    environment: Option<(&'static str, String)>,
    findings: &mut Findings,
) -> Option<String> {
    let (place, url) = match (environment, file) {
        (Some((name, url)), _) => (Place::variable(name), url),
        (None, url) => (Place::of("database"), url?),
    };
    check_url(&url, &place, findings);
    Some(url)
}

pub(super) fn check_url(url: &str, place: &Place, findings: &mut Findings) {
    if !POSTGRES.iter().any(|scheme| url.starts_with(scheme)) {
        findings.value(place, "the address of a database begins with postgres://; a SQLite file is named by data");
    }
}

/// Where each realm has its database, none is for all.
fn check_no_other(file: &File, environment: &Environment, findings: &mut Findings) {
    let mut other = |is_there: bool, place: Place| {
        if is_there {
            findings.value(&place, "is of a server without realms; here each [[realm]] says where its own database is");
        }
    };
    other(file.data.is_some(), Place::of("data"));
    other(file.database.is_some(), Place::of("database"));
    other(environment.data.is_some(), Place::variable("WHIMBREL_DATA"));
}

fn check_attachments(entry: AttachmentsEntry, folder: &Path, findings: &mut Findings) -> Attachments {
    let max_bytes = entry.max_bytes.unwrap_or(ATTACHMENT_BYTES_MAX);
    if max_bytes == 0 || max_bytes > ATTACHMENT_BYTES_MAX {
        let place = Place::of("attachments").key("maxBytes");
        findings.value(&place, format!("is {max_bytes}; it is 1 to {ATTACHMENT_BYTES_MAX}"));
    }
    Attachments { folder: entry.folder.map(|own| folder.join(own)), max_bytes }
}

fn check_seed(entry: SeedEntry, number: usize, folder: &Path, names: &Names, findings: &mut Findings) -> Seed {
    if !names.entities.contains(&entry.entity) {
        let meant = suggestion(&entry.entity, names.entities.iter().map(String::as_str));
        let place = Place::of("seed").at(number).key("entity");
        findings.add(ConfigCode::UnknownName, &place, format!("there is no entity {}{meant}", entry.entity));
    }
    if let Some(realm) = &entry.realm {
        let place = Place::of("seed").at(number).key("realm");
        match names.realms.is_empty() {
            true => check_said(true, &names.realms, &place, findings),
            false => check_known(realm, &names.realms, &place, findings),
        }
    }
    let file: PathBuf = folder.join(entry.file);
    Seed { entity: entry.entity, file, id_from: entry.id_from, realm: entry.realm }
}
