//! The program: serving, and what is done to databases without serving them.

mod administer;
mod arguments;
mod failure;

use std::future::Future;
use std::io::{IsTerminal as _, Write as _};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use whimbrel_server::{
    Config, Database, Door, FolderAttachments, Hooks, PostgresStorage, SqliteStorage, Tenant, Tls, open_all,
    router_of_realms, serve_router,
};

use self::administer::{administer, forget};
use self::arguments::{Arguments, LogFormat, ServeArguments, choose_data, choose_tenants};
use self::failure::Failure;

/// An upload to which nothing was added for so long is removed at the next start.
const UPLOAD_AGE_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub(crate) async fn main() -> ExitCode {
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
    let (new_history, compact, realm) = (arguments.new_history, arguments.compact, arguments.realm.clone());
    if realm.is_some() && !new_history && !compact {
        return Err(Failure::RealmOfNothing);
    }
    let config = configure(arguments)?;
    let chosen = choose_tenants(&config, realm.as_deref())?;
    match (config.is_on_postgres(), compact) {
        (true, true) => forget::<PostgresStorage>(&config, &chosen).await,
        (false, true) => forget::<SqliteStorage>(&config, &chosen).await,
        (is_on_postgres, false) => {
            let renewed: Vec<String> = chosen.into_iter().map(|tenant| tenant.name).filter(|_| new_history).collect();
            if is_on_postgres {
                serve_all::<PostgresStorage>(&config, renewed).await
            } else {
                serve_all::<SqliteStorage>(&config, renewed).await
            }
        }
    }
}

async fn serve_all<D: Database>(config: &Config, renewed: Vec<String>) -> Result<(), Failure> {
    let mut stop: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(stop_signal()?);
    let opened = tokio::select! {
        opened = open_all::<D>(config, renewed) => opened?,
        // Whatever was being loaded is one transaction; the next start begins it again.
        () = &mut stop => return Ok(()),
    };
    let listener = TcpListener::bind(config.listen).await.map_err(|cause| Failure::Listen(config.listen, cause))?;
    let mut stdout = std::io::stdout();
    // The configuration was read with it, so it can be loaded, unless it was changed since.
    let tls = config.edge.tls.clone().map(Tls::load).transpose()?.map(Arc::new);
    let scheme = if tls.is_some() { "https" } else { "http" };
    writeln!(stdout, "listening on {scheme}://{}", listener.local_addr()?)?;
    stdout.flush()?;
    for Tenant { attachments, .. } in Tenant::all(config) {
        match FolderAttachments::new(attachments).sweep(UPLOAD_AGE_MAX) {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "uploads that nobody went on with were removed"),
            Err(error) => tracing::warn!("old uploads could not be removed: {error}"),
        }
    }
    let realms = opened.realms();
    let router = router_of_realms(config, opened.realms(), Hooks::default());
    serve_router(listener, Door { tls, waits: config.edge.waits }, router, move || realms.end_hints(), stop).await?;
    opened.close().await?;
    tracing::info!("stopped");
    Ok(())
}

/// The file's settings, and over them those of the command line.
fn configure(arguments: ServeArguments) -> Result<Config, Failure> {
    let mut config = Config::load(&arguments.config)?;
    config.listen = arguments.listen.unwrap_or(config.listen);
    choose_data(&mut config, arguments.data)?;
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
