//! The demo's page.

use crate::failure::Failure;
use crate::npm;
use crate::pkg::{Stamp, dist_dir};
use crate::workspace::Workspace;

/// Builds `www/dist` when the page, or the package it is made with, has changed. Needs the package.
pub(crate) fn build(workspace: &Workspace) -> Result<(), Failure> {
    let www = workspace.path("www");
    let stamp = Stamp::new(workspace, "www", "")
        .input(&www, &["dist", "node_modules"])?
        .input(&dist_dir(workspace), &[])?
        .input(&workspace.path("package-lock.json"), &[])?;
    stamp.run(&[&www.join("dist/index.html")], || npm::script(workspace, "build", "www").run())
}
