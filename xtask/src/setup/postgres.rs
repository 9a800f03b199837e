//! PostgreSQL, for the tests of the server.

use std::fs;
use std::path::PathBuf;

use super::apt::Apt;
use super::notice;
use crate::failure::Failure;
use crate::process::{Call, find_program};
use crate::version::Version;

const WHY: &str = "the server's tests run on SQLite and on PostgreSQL";
/// Where Debian puts the programs of each version, which are not on the path.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Finds the programs of which a cluster is made, or brings them from Debian. A database that is named needs none.
pub(super) fn provide(apt: &mut Apt) -> Result<(), Failure> {
    if std::env::var_os("TEST_DATABASE_URL").is_some() {
        notice::present("postgresql", "TEST_DATABASE_URL".to_owned());
        return Ok(());
    }
    let initdb = match find() {
        Some(initdb) => initdb,
        None => install(apt)?,
    };
    let said = Call::new(&initdb).arg("--version").capture()?;
    let version = Version::find(&said).map_or_else(|| said.trim().to_owned(), |version| version.to_string());
    notice::present("postgresql", format!("{version} ({})", initdb.display()));
    Ok(())
}

fn install(apt: &mut Apt) -> Result<PathBuf, Failure> {
    let missing = |remedy: &str| Failure::Missing { tool: "PostgreSQL", why: WHY, remedy: remedy.to_owned() };
    if !Apt::is_here() {
        return Err(missing("install PostgreSQL 14 or newer, or name a database in TEST_DATABASE_URL"));
    }
    notice::installing("postgresql-15", WHY);
    apt.install(&["postgresql-15", "postgresql-client-15"])?;
    find().ok_or_else(|| missing("apt-get installed it, but there is no initdb in /usr/lib/postgresql"))
}

/// The tests look in the same places.
fn find() -> Option<PathBuf> {
    let of_debian = || {
        let versions = fs::read_dir(DEBIAN).ok()?;
        versions.filter_map(|version| Some(version.ok()?.path().join("bin/initdb"))).find(|initdb| initdb.is_file())
    };
    find_program("initdb").or_else(of_debian)
}
