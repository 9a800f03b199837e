//! The configuration: one TOML file, and the environment for what differs between machines.
//!
//! **Invariant:** a [`Config`] that exists is consistent; everything that can be said of it without opening the
//! database has been checked.

mod auth;
#[cfg(test)]
mod auth_tests;
mod check;
mod cors;
mod document;
mod edge;
mod entity;
mod file;
mod finding;
mod limits;
#[cfg(test)]
mod limits_tests;
mod realm;
#[cfg(test)]
mod realm_tests;
mod schema;
mod shape;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use whimbrel_protocol::ATTACHMENT_BYTES_MAX;

use self::document::Document;
pub use self::edge::{Edge, Rate, TlsFiles};
use self::entity::Names;
use self::finding::Findings;
pub use self::finding::{ConfigCode, Mistake, Mistakes};
pub use self::limits::{Sizes, Waits};
pub use self::realm::{Place, Realm};
pub use self::schema::config_schema;
use crate::auth::Issuer;
use crate::model::{Entities, User};

/// The variable that hosts of PostgreSQL set; it counts before all others.
const DATABASE_URL: &str = "DATABASE_URL";
/// What addresses of PostgreSQL begin with.
const POSTGRES: [&str; 2] = ["postgres://", "postgresql://"];

/// What the environment says; it counts before the file.
#[derive(Debug, Default)]
struct Environment {
    listen: Option<String>,
    data: Option<PathBuf>,
    static_files: Option<PathBuf>,
    /// The variable, and the address.
    database: Option<(&'static str, String)>,
}

impl Environment {
    /// The variables of the process; `database` is what [`DATABASE_URL`] says.
    fn read(database: Option<String>) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let own = || Some(("WHIMBREL_DATABASE", variable("WHIMBREL_DATABASE")?));
        Self {
            listen: variable("WHIMBREL_LISTEN"),
            data: variable("WHIMBREL_DATA").map(PathBuf::from),
            static_files: variable("WHIMBREL_STATIC").map(PathBuf::from),
            database: database.map(|url| (DATABASE_URL, url)).or_else(own),
        }
    }
}

/// What a server is.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The SQLite file. With [`Config::database`] it only says where attachments are.
    pub data: PathBuf,
    /// The address of a database of PostgreSQL, which is used instead of a file.
    pub database: Option<String>,
    /// Tenants with a database each, instead of the one that the two before name.
    pub realms: Vec<Realm>,
    /// A folder with the files of an app to serve at `/`.
    pub static_files: Option<PathBuf>,
    /// Where attachments are kept, and how large they may be.
    pub attachments: Attachments,
    /// Bearer token → user. For development only.
    pub tokens: HashMap<String, User>,
    /// Whose signed tokens (JWT) are taken.
    pub issuers: Vec<Issuer>,
    /// A query for more scopes of a user, whose id is its parameter.
    pub scopes_sql: Option<String>,
    /// Origins of pages that may ask, besides the server's own.
    pub cors_origins: Vec<String>,
    /// How requests come in, and how many.
    pub edge: Edge,
    /// For how many days removals can be pulled. A device that was away for longer begins anew.
    pub tombstones_days: u32,
    /// What is synced.
    pub entities: Entities,
    /// Rows to begin with.
    pub seeds: Vec<Seed>,
}

/// How attachments are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachments {
    /// The folder; when it is not named, one beside the database, with its name and `.attachments`. Of realms, each has one of its own in it.
    pub folder: Option<PathBuf>,
    /// Bytes of one attachment, at most.
    pub max_bytes: u64,
}

impl Default for Attachments {
    fn default() -> Self {
        Self { folder: None, max_bytes: ATTACHMENT_BYTES_MAX }
    }
}

/// Rows for an entity that never had any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// The entity's name.
    pub entity: String,
    /// A JSON file: an array of objects.
    pub file: PathBuf,
    /// The keys whose values make up a row's id.
    pub id_from: Vec<String>,
    /// The only realm that it is for; for each when it is not said.
    pub realm: Option<String>,
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or cannot be read.
    #[error("{file}: {cause}")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// Something in it is wrong; all of it is said.
    #[error("{0}")]
    Invalid(Mistakes),
}

impl Config {
    /// The folder with the attachments.
    #[must_use]
    pub fn attachments_folder(&self) -> PathBuf {
        self.attachments.folder.clone().unwrap_or_else(|| beside(&self.data))
    }

    /// That of a realm.
    #[must_use]
    pub fn attachments_of(&self, realm: &Realm) -> PathBuf {
        match (&self.attachments.folder, &realm.place) {
            (None, Place::File(file)) => beside(file),
            _ => self.attachments_folder().join(&realm.name),
        }
    }

    /// Where the database is of a server without realms.
    #[must_use]
    pub fn place(&self) -> Place {
        match &self.database {
            Some(url) => Place::Postgres { url: url.clone(), schema: None },
            None => Place::File(self.data.clone()),
        }
    }

    /// Whether what it names is on PostgreSQL. Realms are all on the same kind of database.
    #[must_use]
    pub fn is_on_postgres(&self) -> bool {
        let place = self.realms.first().map_or_else(|| self.place(), |realm| realm.place.clone());
        matches!(place, Place::Postgres { .. })
    }

    /// Reads the file and the environment, `DATABASE_URL` included. Paths in the file are relative to the file.
    ///
    /// # Errors
    /// [`ConfigError`], with everything that is wrong, by line.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        Self::load_with(file, std::env::var(DATABASE_URL).ok())
    }

    /// The same with an address of a database that counts before the file's.
    ///
    /// # Errors
    /// [`ConfigError`], with everything that is wrong, by line.
    pub fn load_with(file: &Path, database: Option<String>) -> Result<Self, ConfigError> {
        let unreadable = |cause| ConfigError::Unreadable { file: file.to_owned(), cause };
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        let folder = file.parent().unwrap_or(Path::new(""));
        read(&text, folder, Environment::read(database)).map_err(|list| ConfigError::Invalid(Mistakes::new(file, list)))
    }
}

/// The folder of attachments beside a file.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".attachments");
    name.into()
}

/// What a text says, or everything that is wrong with it.
fn read(text: &str, folder: &Path, environment: Environment) -> Result<Config, Vec<Mistake>> {
    let document = Document::parse(text)?;
    let mut findings = Findings::default();
    shape::look(&schema::schema(), document.table.get_ref(), &mut findings);
    let names = Names::read(document.table.get_ref(), &findings.0);
    // The rest is looked at all the same, as far as there is enough of it.
    match document.read::<file::File>(&findings.0) {
        Ok(file) => {
            let config = check::check(file, folder, environment, &names, &mut findings);
            if findings.0.is_empty() {
                return Ok(config);
            }
        }
        Err(finding) if findings.0.is_empty() => findings.0.push(finding),
        Err(_) => {}
    }
    Err(findings.0.iter().map(|finding| document.tell(finding)).collect())
}
