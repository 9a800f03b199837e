//! The configuration: one TOML file, and the environment for what differs between machines.
//!
//! **Invariant:** a [`Config`] that exists is consistent; everything that can be said of it without opening the
//! database has been checked.

mod auth;
#[cfg(test)]
mod auth_tests;
mod check;
mod cors;
mod file;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Toml};

use whimbrel_protocol::ATTACHMENT_BYTES_MAX;

use crate::auth::Issuer;
use crate::model::{Entities, User};

/// Settings that the environment may give, as `WHIMBREL_LISTEN` and so on.
const FROM_ENVIRONMENT: [&str; 4] = ["listen", "data", "static", "database"];
/// The variable that hosts of PostgreSQL set; it counts before all others.
const DATABASE_URL: &str = "DATABASE_URL";
/// What addresses of PostgreSQL begin with.
const POSTGRES: [&str; 2] = ["postgres://", "postgresql://"];
/// Where the data would be when only a database of PostgreSQL is named: attachments are beside it.
const DATA_NAME: &str = "whimbrel";

/// What a server is.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The SQLite file. With [`Config::database`] it only says where attachments are.
    pub data: PathBuf,
    /// The address of a database of PostgreSQL, which is used instead of a file.
    pub database: Option<String>,
    /// A folder with the files of an app to serve at `/`.
    pub static_files: Option<PathBuf>,
    /// Where attachments are kept, and how large they may be.
    pub attachments: Attachments,
    /// Bearer token → user. For development only.
    pub tokens: HashMap<String, User>,
    /// Whose signed tokens (JWT) are taken.
    pub issuers: Vec<Issuer>,
    /// Origins of pages that may ask, besides the server's own.
    pub cors_origins: Vec<String>,
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
    /// The folder; when it is not named, one beside the database, with its name and `.attachments`.
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
    /// It is not TOML of the expected shape.
    #[error("{0}")]
    Shape(#[from] Box<figment::Error>),
    /// It says something that cannot be.
    #[error("{place}: {what}")]
    Content {
        /// Where, for example `entity place, field lat`.
        place: String,
        /// What is wrong.
        what: String,
    },
}

impl Config {
    /// The folder with the attachments.
    #[must_use]
    pub fn attachments_folder(&self) -> PathBuf {
        self.attachments.folder.clone().unwrap_or_else(|| {
            let mut name = self.data.clone().into_os_string();
            name.push(".attachments");
            name.into()
        })
    }

    /// Reads the file and the environment, `DATABASE_URL` included. Paths in the file are relative to the file.
    ///
    /// # Errors
    /// [`ConfigError`], with the place.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        Self::load_with(file, std::env::var(DATABASE_URL).ok())
    }

    /// The same with an address of a database that counts before the file's.
    ///
    /// # Errors
    /// [`ConfigError`], with the place.
    pub fn load_with(file: &Path, database: Option<String>) -> Result<Self, ConfigError> {
        if let Err(cause) = std::fs::File::open(file) {
            return Err(ConfigError::Unreadable { file: file.to_owned(), cause });
        }
        let environment = Env::prefixed("WHIMBREL_").only(&FROM_ENVIRONMENT);
        let figment = Figment::new().merge(Toml::file_exact(file)).merge(environment);
        let mut shape: file::File = figment.extract().map_err(Box::new)?;
        shape.database = database.or(shape.database);
        check::check(shape, &file.with_file_name(DATA_NAME))
    }
}
