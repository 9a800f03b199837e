//! Debian's packages: what can be had where neither rustup's targets nor browser downloads can.

use crate::failure::Failure;
use crate::process::{Call, find_program};

/// The package manager; it remembers whether its lists were refreshed, which is needed once and takes a while.
pub(super) struct Apt {
    refreshed: bool,
}

impl Apt {
    pub(super) fn new() -> Self {
        Self { refreshed: false }
    }

    /// Whether this machine has apt at all.
    pub(super) fn is_here() -> bool {
        find_program("apt-get").is_some()
    }

    /// Installs packages without what they merely recommend.
    pub(super) fn install(&mut self, packages: &[&str]) -> Result<(), Failure> {
        if !self.refreshed {
            as_root(&["apt-get", "update", "--quiet"])?.run()?;
            self.refreshed = true;
        }
        let install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends"];
        as_root(&install)?.args(packages).run()
    }
}

/// A call with the rights to change the system: as it is for root, through sudo for everybody else.
pub(super) fn as_root(line: &[&str]) -> Result<Call, Failure> {
    let is_root = Call::new("id").arg("-u").capture().is_ok_and(|id| id.trim() == "0");
    if is_root {
        return Ok(Call::new("env").arg("DEBIAN_FRONTEND=noninteractive").args(line));
    }
    if find_program("sudo").is_none() {
        let remedy = "run `cargo xtask setup` as root, or install sudo".to_owned();
        return Err(Failure::Missing { tool: "sudo", why: "system packages are installed with it", remedy });
    }
    // sudo does not hand on the environment, so the variable is set behind it.
    Ok(Call::new("sudo").args(["env", "DEBIAN_FRONTEND=noninteractive"]).args(line))
}
