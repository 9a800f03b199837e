//! Node and the npm packages. Node itself comes from outside: there is no one right way to install it.

use super::notice;
use crate::failure::Failure;
use crate::npm;
use crate::process::Call;
use crate::version::Version;
use crate::workspace::Workspace;

/// What vite and playwright-core need.
const NODE_MIN: Version = Version::new(20, 19, 0);

const WHY: &str = "the npm package, the demo and their tests are built with it";

/// Looks for Node and npm.
pub(super) fn check() -> Result<(), Failure> {
    for (tool, remedy) in
        [("node", "install Node 20 or newer from nodejs.org"), ("npm", "install npm, it comes with Node")]
    {
        let output = Call::new(tool).arg("--version").capture();
        let output = output.map_err(|_| Failure::Missing { tool, why: WHY, remedy: remedy.to_owned() })?;
        if tool == "node" {
            check_version(&output)?;
        }
        notice::present(tool, output.trim());
    }
    Ok(())
}

fn check_version(output: &str) -> Result<(), Failure> {
    match Version::find(output) {
        Some(version) if version >= NODE_MIN => Ok(()),
        _ => {
            let (found, wanted) = (output.trim().to_owned(), format!("{NODE_MIN} or newer"));
            Err(Failure::Version { tool: "node", found, wanted, remedy: "install it from nodejs.org" })
        }
    }
}

/// Installs the npm packages when `node_modules` is missing or older than the lock.
pub(super) fn packages(workspace: &Workspace) -> Result<(), Failure> {
    const NAME: &str = "npm packages";
    if npm::is_installed(workspace) {
        notice::present(NAME, "as package-lock.json says");
        return Ok(());
    }
    notice::installing(
        NAME,
        "wasm-opt, esbuild, typescript, vite, playwright-core …: they build and test the JavaScript side",
    );
    npm::install(workspace)?;
    notice::installed(NAME, "as package-lock.json says");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_version;

    #[test]
    fn an_old_node_is_one_sentence() {
        assert!(check_version("v20.19.0\n").is_ok());
        assert!(check_version("v24.1.0\n").is_ok());
        let failure = check_version("v18.20.4\n").unwrap_err();
        assert_eq!(
            failure.to_string(),
            "node is version v18.20.4, but 20.19.0 or newer is needed: install it from nodejs.org"
        );
    }
}
