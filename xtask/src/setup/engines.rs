//! The other browser engines that the engine's tests can run in: Firefox, and WebKit in the shape of WebKitGTK.
//!
//! Only `cargo xtask test --engines` asks for them. A driver speaks to each of them as chromedriver does to Chromium:
//!
//! ```text
//! wasm-pack test ─► chromedriver ───► Chromium                    geckodriver ─► Firefox
//!                                     WebKitWebDriver ─► MiniBrowser, on a display of Xvfb: it knows no life without a screen
//! ```

use std::path::{Path, PathBuf};

use super::apt::Apt;
use super::{cargo_tools, notice};
use crate::failure::Failure;
use crate::process::find_program;
use crate::workspace::Workspace;

const FIREFOXES: [&str; 2] = ["firefox-esr", "firefox"];
const WEBKIT_DRIVER: &str = "WebKitWebDriver";
const WHY: &str = "the ports of the browser are tested in it";

/// A browser engine besides the one that set-up always brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OtherEngine {
    Firefox,
    Webkit,
}

/// The driver of one of them, and the browser it is to start where it does not find that by itself.
#[derive(Debug)]
pub(crate) struct OtherDriver {
    pub(crate) driver: PathBuf,
    pub(crate) browser: Option<PathBuf>,
}

/// Finds an engine with its driver, or brings both.
pub(crate) fn provide(workspace: &Workspace, engine: OtherEngine) -> Result<OtherDriver, Failure> {
    let mut apt = Apt::new();
    match engine {
        OtherEngine::Firefox => {
            let browser = program(&mut apt, "firefox", &FIREFOXES, &["firefox-esr"])?;
            let driver = cargo_tools::provide_geckodriver(workspace)?;
            Ok(OtherDriver { driver, browser: Some(browser) })
        }
        OtherEngine::Webkit => {
            program(&mut apt, "xvfb", &["xvfb-run"], &["xvfb"])?;
            // What xvfb-run gives its display a key with; only recommended by its package.
            program(&mut apt, "xauth", &["xauth"], &["xauth"])?;
            let driver = program(&mut apt, "webkit", &[WEBKIT_DRIVER], &["webkit2gtk-driver"])?;
            Ok(OtherDriver { driver, browser: None })
        }
    }
}

/// The first of some programs that is here; the packages are installed when none is.
fn program(apt: &mut Apt, tool: &'static str, names: &[&str], packages: &[&str]) -> Result<PathBuf, Failure> {
    let find = || names.iter().find_map(|name| find_program(name));
    if let Some(found) = find() {
        notice::present(tool, Path::new(&found).display());
        return Ok(found);
    }
    let missing = |remedy: String| Failure::Missing { tool, why: WHY, remedy };
    if !Apt::is_here() {
        return Err(missing(format!("install it, and put {} on the PATH", names.join(" or "))));
    }
    notice::installing(tool, WHY);
    apt.install(packages)?;
    let found = find().ok_or_else(|| missing("apt-get installed it, but it is not on the PATH".to_owned()))?;
    notice::installed(tool, found.display());
    Ok(found)
}
