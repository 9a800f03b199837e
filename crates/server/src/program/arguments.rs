//! What the program is asked for.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use whimbrel_server::{Config, Tenant};

use super::failure::Failure;

/// The sync server of Whimbrel.
#[derive(Debug, Parser)]
#[command(version, about, subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) serve: Option<ServeArguments>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Bring a database to where it is to be, without serving it: tables, triggers, the log of what is there
    Attach {
        #[command(flatten)]
        of: DatabaseArguments,
        /// Print the SQL, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Take away what attaching brought; the entities' tables stay as they are
    Detach {
        #[command(flatten)]
        of: DatabaseArguments,
    },
    /// Say everything that is wrong with a configuration, by line
    Check {
        /// The configuration, a TOML file
        #[arg(long, value_name = "FILE", default_value = "server.toml")]
        config: PathBuf,
    },
    /// Print the JSON Schema of configurations
    Schema,
    /// Print the entities as TypeScript for the app
    Types {
        /// The configuration, a TOML file
        #[arg(long, value_name = "FILE", default_value = "server.toml")]
        config: PathBuf,
        /// What the package is imported by
        #[arg(long, value_name = "NAME", default_value = "whimbrel")]
        package: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct DatabaseArguments {
    /// The configuration, a TOML file
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// The SQLite file
    #[arg(long, value_name = "FILE")]
    pub(super) data: Option<PathBuf>,
    /// Of this realm only
    #[arg(long, value_name = "NAME")]
    pub(super) realm: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ServeArguments {
    /// The configuration, a TOML file
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<SocketAddr>,
    /// The SQLite file, created when absent; without it, DATABASE_URL or the configuration may name a database of PostgreSQL
    #[arg(long, value_name = "FILE")]
    pub(super) data: Option<PathBuf>,
    /// A folder with an app's files to serve at /
    #[arg(long = "static", value_name = "FOLDER")]
    pub(super) static_files: Option<PathBuf>,
    /// Let development tokens be used from other machines
    #[arg(long)]
    pub(super) insecure_development_tokens: bool,
    /// How the log is written to the standard error
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub(super) log_format: LogFormat,
    /// Begin a new history: needed once after the data was restored from a backup
    #[arg(long)]
    pub(super) new_history: bool,
    /// Forget the removals that are older than the configuration says, and end; works beside a running server
    #[arg(long)]
    pub(super) compact: bool,
    /// With --new-history and --compact: of this realm only
    #[arg(long, value_name = "NAME")]
    pub(super) realm: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// An object a line
    Json,
}

/// A file that the command line names counts before a database; of realms each has its own.
pub(super) fn choose_data(config: &mut Config, data: Option<PathBuf>) -> Result<(), Failure> {
    if let Some(data) = data {
        if !config.realms.is_empty() {
            return Err(Failure::DataOfRealms);
        }
        config.data = data;
        config.database = None;
    }
    Ok(())
}

/// All databases, or that of one realm.
pub(super) fn choose_tenants(config: &Config, realm: Option<&str>) -> Result<Vec<Tenant>, Failure> {
    let mut tenants = Tenant::all(config);
    if let Some(realm) = realm {
        tenants.retain(|tenant| !realm.is_empty() && tenant.name == realm);
        if tenants.is_empty() {
            return Err(Failure::NoRealm(realm.to_owned()));
        }
    }
    Ok(tenants)
}
