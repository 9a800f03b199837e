//! Everything but serving.

use std::io::Write as _;

use whimbrel_server::{
    Compacted, Config, Database, OpenError, PostgresStorage, SqliteStorage, Tenant, config_schema, forget_removals,
    typescript,
};

use super::arguments::{Command, DatabaseArguments, choose_data, choose_tenants};
use super::failure::Failure;

pub(super) async fn administer(command: Command) -> Result<(), Failure> {
    match command {
        Command::Attach { of, dry_run: true } => attach(of, Work::Show).await,
        Command::Attach { of, dry_run: false } => attach(of, Work::Attach).await,
        Command::Detach { of } => attach(of, Work::Detach).await,
        Command::Check { config } => {
            let Config { entities, realms, .. } = Config::load(&config)?;
            let realms = if realms.is_empty() { String::new() } else { format!(", {} realms", realms.len()) };
            writeln!(std::io::stdout(), "{}: good, {} entities{realms}", config.display(), entities.iter().count())?;
            Ok(())
        }
        Command::Types { config, package } => {
            let entities = Config::load(&config)?.entities;
            Ok(write!(std::io::stdout(), "{}", typescript(&entities, &package))?)
        }
        Command::Schema => Ok(write!(std::io::stdout(), "{}", config_schema())?),
    }
}

/// What is done to a database.
#[derive(Debug, Clone, Copy)]
enum Work {
    Attach,
    Show,
    Detach,
    Forget,
}

async fn attach(of: DatabaseArguments, work: Work) -> Result<(), Failure> {
    let mut config = Config::load(&of.config)?;
    choose_data(&mut config, of.data)?;
    let chosen = choose_tenants(&config, of.realm.as_deref())?;
    if config.is_on_postgres() {
        each::<PostgresStorage>(&config, &chosen, work).await
    } else {
        each::<SqliteStorage>(&config, &chosen, work).await
    }
}

/// Forgets removals, and says what that came to.
pub(super) async fn forget<D: Database>(config: &Config, chosen: &[Tenant]) -> Result<(), Failure> {
    each::<D>(config, chosen, Work::Forget).await
}

/// One database's failure keeps nobody from the others.
async fn each<D: Database>(config: &Config, chosen: &[Tenant], work: Work) -> Result<(), Failure> {
    if let [tenant] = chosen {
        return Ok(one::<D>(config, tenant, work).await??);
    }
    let mut failed = false;
    for tenant in chosen {
        if let Err(error) = one::<D>(config, tenant, work).await? {
            tracing::error!("{error}");
            failed = true;
        }
    }
    if failed { Err(Failure::Some) } else { Ok(()) }
}

/// Fails for all when nothing can be printed.
async fn one<D: Database>(config: &Config, tenant: &Tenant, work: Work) -> Result<Result<(), OpenError>, Failure> {
    let said = match say::<D>(config, tenant, work).await {
        Ok(said) => said,
        Err(error) => return Ok(Err(error)),
    };
    let mut stdout = std::io::stdout();
    match (said, tenant.name.as_str(), work) {
        (said, "", _) => stdout.write_all(said.as_bytes())?,
        (said, name, Work::Show) => write!(stdout, "-- realm {name}\n\n{said}")?,
        (said, _, _) if said.is_empty() => {}
        (said, name, _) => write!(stdout, "{name}: {said}")?,
    }
    Ok(Ok(()))
}

async fn say<D: Database>(config: &Config, tenant: &Tenant, work: Work) -> Result<String, OpenError> {
    let Config { entities, tombstones_days, .. } = config;
    match work {
        Work::Attach => {
            let storage = tenant.open::<D>(config).await?;
            storage.close().await.map_err(|cause| tenant.failed(cause.into()))?;
            Ok(String::new())
        }
        Work::Show => D::script_at(&tenant.place, entities).await.map_err(|cause| tenant.failed(cause.into())),
        Work::Detach => {
            D::detach_at(&tenant.place, entities).await.map_err(|cause| tenant.failed(cause.into()))?;
            Ok(String::new())
        }
        Work::Forget => {
            let storage = tenant.open::<D>(config).await?;
            let forgotten = forget_removals(&storage, *tombstones_days).await;
            let closed = storage.close().await;
            let Compacted { horizon, removed } = forgotten.map_err(|cause| tenant.failed(cause.into()))?;
            closed.map_err(|cause| tenant.failed(cause.into()))?;
            Ok(format!("removals forgotten: {removed}, horizon: {horizon}\n"))
        }
    }
}
