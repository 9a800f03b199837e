//! `whimbrel-server`: the sync server as a program.
//!
//! Exit codes: 0 after a clean stop, 1 when it could not serve, 2 when the arguments or the configuration are wrong.

use std::future::Future;
use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use whimbrel_server::{
    AttachError, Compacted, Config, ConfigError, Database, Door, FolderAttachments, Hints, PostgresStorage, SeedError,
    SqliteStorage, Tls, TlsError, config_schema, forget_removals, plant, router_with, serve_with, typescript,
};

/// An upload to which nothing was added for so long is removed at the next start.
const UPLOAD_AGE_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The sync server of Whimbrel.
#[derive(Debug, Parser)]
#[command(version, about, subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Option<ServeArguments>,
}

#[derive(Debug, Subcommand)]
enum Command {
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
struct DatabaseArguments {
    /// The configuration, a TOML file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The SQLite file
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct ServeArguments {
    /// The configuration, a TOML file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The SQLite file, created when absent; without it, DATABASE_URL or the configuration may name a database of PostgreSQL
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// A folder with an app's files to serve at /
    #[arg(long = "static", value_name = "FOLDER")]
    static_files: Option<PathBuf>,
    /// Let development tokens be used from other machines
    #[arg(long)]
    insecure_development_tokens: bool,
    /// How the log is written to the standard error
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    log_format: LogFormat,
    /// Begin a new history: needed once after the data was restored from a backup
    #[arg(long)]
    new_history: bool,
    /// Forget the removals that are older than the configuration says, and end; works beside a running server
    #[arg(long)]
    compact: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// An object a line
    Json,
}

/// Why the program ends without having served.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(
        "{0} can be reached from other machines, and the tokens of development mode are no secret; \
         listen on 127.0.0.1, or give --insecure-development-tokens"
    )]
    Exposed(SocketAddr),
    #[error("{0} is not a folder")]
    NoStaticFolder(PathBuf),
    #[error("{file}: {cause}")]
    Attach { file: PathBuf, cause: Box<AttachError> },
    #[error(transparent)]
    AttachPostgres(Box<AttachError>),
    #[error("{0}: cannot be created: {1}")]
    DataFolder(PathBuf, std::io::Error),
    #[error(transparent)]
    Seed(#[from] SeedError),
    #[error("auth.scopesSql cannot be asked: {0}")]
    Scopes(#[source] whimbrel_server::StorageError),
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    #[error("cannot serve: {0}")]
    Serve(#[from] std::io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Storage(#[from] whimbrel_server::StorageError),
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            // What is away may come back.
            Self::AttachPostgres(cause) if matches!(**cause, AttachError::Database(_)) => ExitCode::FAILURE,
            Self::Scopes(whimbrel_server::StorageError::Busy(_)) => ExitCode::FAILURE,
            Self::Config(_)
            | Self::Scopes(_)
            | Self::Exposed(_)
            | Self::NoStaticFolder(_)
            | Self::Tls(_)
            | Self::Attach { .. }
            | Self::AttachPostgres(_) => ExitCode::from(2),
            Self::Seed(SeedError::Storage(_)) => ExitCode::FAILURE,
            Self::Seed(_) => ExitCode::from(2),
            Self::DataFolder(..) | Self::Listen(..) | Self::Serve(_) | Self::Storage(_) => ExitCode::FAILURE,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let coloured = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match arguments.serve.as_ref().map_or(LogFormat::Text, |serve| serve.log_format) {
        LogFormat::Text => log.with_ansi(coloured).init(),
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).init(),
    }
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        // By line, for people and for editors.
        Err(Failure::Config(error)) => {
            _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(2)
        }
        Err(failure) => {
            tracing::error!("{failure}");
            failure.exit_code()
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { command, serve } = arguments;
    if let Some(command) = command {
        return administer(command).await;
    }
    // Without a command they are required, so they are there.
    let Some(arguments) = serve else { return Ok(()) };
    let (new_history, compact) = (arguments.new_history, arguments.compact);
    let config = configure(arguments)?;
    match config.database.clone() {
        Some(url) => work(&config, open_postgres(&config, &url), new_history, compact).await,
        None => work(&config, open_sqlite(&config), new_history, compact).await,
    }
}

async fn open_postgres(config: &Config, url: &str) -> Result<PostgresStorage, Failure> {
    PostgresStorage::open(url, &config.entities).await.map_err(postgres_failed)
}

async fn open_sqlite(config: &Config) -> Result<SqliteStorage, Failure> {
    if let Some(folder) = config.data.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|cause| Failure::DataFolder(folder.to_owned(), cause))?;
    }
    SqliteStorage::open(&config.data, &config.entities).await.map_err(|cause| file_failed(config, cause))
}

fn postgres_failed(cause: AttachError) -> Failure {
    Failure::AttachPostgres(Box::new(cause))
}

fn file_failed(config: &Config, cause: AttachError) -> Failure {
    Failure::Attach { file: config.data.clone(), cause: Box::new(cause) }
}

/// Serves a database, or forgets its removals.
async fn work<D: Database>(
    config: &Config,
    open: impl Future<Output = Result<D, Failure>>,
    new_history: bool,
    compact: bool,
) -> Result<(), Failure> {
    if compact {
        return forget(config, open.await?).await;
    }
    let mut stop: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(stop_signal()?);
    let started = tokio::select! {
        started = start(config, open, new_history) => started?,
        // Whatever was being loaded is one transaction; the next start begins it again.
        () = &mut stop => return Ok(()),
    };
    let Started { storage, listener } = started;
    let mut stdout = std::io::stdout();
    // The configuration was read with it, so it can be loaded, unless it was changed since.
    let tls = config.edge.tls.clone().map(Tls::load).transpose()?.map(Arc::new);
    let scheme = if tls.is_some() { "https" } else { "http" };
    writeln!(stdout, "listening on {scheme}://{}", listener.local_addr()?)?;
    stdout.flush()?;
    let attachments = FolderAttachments::new(config.attachments_folder());
    match attachments.sweep(UPLOAD_AGE_MAX) {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "uploads that nobody went on with were removed"),
        Err(error) => tracing::warn!("old uploads could not be removed: {error}"),
    }
    let hints = Hints::default();
    let router = router_with(config, Arc::clone(&storage), hints.clone(), Arc::new(attachments));
    let door = Door { tls, waits: config.edge.waits };
    serve_with(listener, door, router, Arc::clone(&storage), hints, config.tombstones_days, stop).await?;
    storage.close().await?;
    tracing::info!("stopped");
    Ok(())
}

/// Forgets removals, and says what that came to.
async fn forget<D: Database>(config: &Config, storage: D) -> Result<(), Failure> {
    let Compacted { horizon, removed } = forget_removals(&storage, config.tombstones_days).await?;
    storage.close().await?;
    writeln!(std::io::stdout(), "removals forgotten: {removed}, horizon: {horizon}")?;
    Ok(())
}

struct Started<D> {
    storage: Arc<D>,
    listener: TcpListener,
}

async fn start<D: Database>(
    config: &Config,
    open: impl Future<Output = Result<D, Failure>>,
    new_history: bool,
) -> Result<Started<D>, Failure> {
    let storage = open.await?;
    if new_history {
        storage.renew_history().await?;
    }
    if let Some(sql) = &config.scopes_sql {
        // Nobody is called that; it says whether it can be asked at all.
        storage.user_scopes(sql, "").await.map_err(Failure::Scopes)?;
    }
    plant(&storage, &config.entities, &config.seeds).await?;
    let listener = TcpListener::bind(config.listen).await.map_err(|cause| Failure::Listen(config.listen, cause))?;
    Ok(Started { storage: Arc::new(storage), listener })
}

/// Everything but serving.
async fn administer(command: Command) -> Result<(), Failure> {
    match command {
        Command::Attach { of, dry_run } => attach(of, true, dry_run).await,
        Command::Detach { of } => attach(of, false, false).await,
        Command::Check { config } => {
            let entities = Config::load(&config)?.entities.iter().count();
            writeln!(std::io::stdout(), "{}: good, {entities} entities", config.display())?;
            Ok(())
        }
        Command::Types { config, package } => {
            let entities = Config::load(&config)?.entities;
            Ok(write!(std::io::stdout(), "{}", typescript(&entities, &package))?)
        }
        Command::Schema => Ok(write!(std::io::stdout(), "{}", config_schema())?),
    }
}

/// Attaches and detaches.
async fn attach(of: DatabaseArguments, is_attach: bool, dry_run: bool) -> Result<(), Failure> {
    let mut config = Config::load(&of.config)?;
    choose_data(&mut config, of.data);
    let entities = &config.entities;
    match (&config.database, is_attach, dry_run) {
        (Some(url), true, true) => {
            let script = PostgresStorage::attach_script(url, entities).await.map_err(postgres_failed)?;
            write!(std::io::stdout(), "{script}")?;
        }
        (Some(url), true, false) => open_postgres(&config, url).await?.close().await?,
        (Some(url), false, _) => PostgresStorage::detach(url, entities).await.map_err(postgres_failed)?,
        (None, true, false) => open_sqlite(&config).await?.close().await?,
        (None, true, true) => {
            let script = SqliteStorage::attach_script(&config.data, entities).await;
            write!(std::io::stdout(), "{}", script.map_err(|cause| file_failed(&config, cause))?)?;
        }
        (None, false, _) => {
            SqliteStorage::detach(&config.data, entities).await.map_err(|cause| file_failed(&config, cause))?;
        }
    }
    Ok(())
}

/// A file that the command line names counts before a database.
fn choose_data(config: &mut Config, data: Option<PathBuf>) {
    if let Some(data) = data {
        config.data = data;
        config.database = None;
    }
}

/// The file's settings, and over them those of the command line.
fn configure(arguments: ServeArguments) -> Result<Config, Failure> {
    let mut config = Config::load(&arguments.config)?;
    config.listen = arguments.listen.unwrap_or(config.listen);
    choose_data(&mut config, arguments.data);
    config.static_files = arguments.static_files.or(config.static_files);
    let development = config.issuers.is_empty();
    if development && !config.listen.ip().is_loopback() && !arguments.insecure_development_tokens {
        return Err(Failure::Exposed(config.listen));
    }
    match &config.static_files {
        Some(folder) if !folder.is_dir() => Err(Failure::NoStaticFolder(folder.clone())),
        _ => Ok(config),
    }
}

/// Resolves at the first SIGINT or SIGTERM.
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping");
    })
}
