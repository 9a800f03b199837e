//! A Chromium and the driver that fits it.

use std::path::{Path, PathBuf};

use super::apt::Apt;
use super::notice;
use crate::failure::Failure;
use crate::process::{Call, find_program};
use crate::version::Version;

const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const BROWSER_PLACES: [&str; 2] = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
];
const DRIVER_PLACES: [&str; 2] = ["/usr/bin/chromedriver", "/usr/lib/chromium-browser/chromedriver"];

const WHY: &str = "the engine, the package and the demo are tested in a real browser";

/// Where the browser and its driver are.
pub(crate) struct Browser {
    pub(crate) chromium: PathBuf,
    pub(crate) driver: PathBuf,
}

impl Browser {
    /// Hands the place of the browser to a test suite.
    pub(crate) fn apply(&self, call: Call) -> Call {
        call.env("WHIMBREL_CHROMIUM", &self.chromium).env("WHIMBREL_CHROMEDRIVER", &self.driver)
    }

    fn find() -> Option<Self> {
        let chromium = first_of(&BROWSERS, &BROWSER_PLACES)?;
        let driver = first_of(&["chromedriver"], &DRIVER_PLACES)?;
        Some(Self { chromium, driver })
    }
}

/// Finds both, or brings both from Debian, where they are built together.
pub(super) fn provide(apt: &mut Apt) -> Result<Browser, Failure> {
    let browser = match Browser::find() {
        Some(browser) => browser,
        None => install(apt)?,
    };
    let versions = [&browser.chromium, &browser.driver].map(|program| version(program));
    if let [Some(chromium), Some(driver)] = versions {
        check_pair(chromium, driver)?;
        notice::present("chromium", format!("{chromium} ({})", browser.chromium.display()));
        notice::present("chromedriver", format!("{driver} ({})", browser.driver.display()));
        return Ok(browser);
    }
    Err(missing("the one found does not say its version: see what it prints with --version".to_owned()))
}

fn install(apt: &mut Apt) -> Result<Browser, Failure> {
    if !Apt::is_here() {
        return Err(missing(
            "install Chrome and the chromedriver of the same version, and put both on the PATH".to_owned(),
        ));
    }
    notice::installing("chromium", WHY);
    apt.install(&["chromium", "chromium-driver"])?;
    Browser::find().ok_or_else(|| missing("apt-get installed it, but it is not on the PATH".to_owned()))
}

fn missing(remedy: String) -> Failure {
    Failure::Missing { tool: "Chromium with chromedriver", why: WHY, remedy }
}

fn version(program: &Path) -> Option<Version> {
    Version::find(&Call::new(program).arg("--version").capture().ok()?)
}

/// A driver speaks to browsers of its own major version only.
fn check_pair(chromium: Version, driver: Version) -> Result<(), Failure> {
    if chromium.major == driver.major {
        return Ok(());
    }
    let (found, wanted) = (driver.to_string(), format!("{} like the browser", chromium.major));
    Err(Failure::Version { tool: "chromedriver", found, wanted, remedy: "install the two from the same place" })
}

fn first_of(names: &[&str], places: &[&str]) -> Option<PathBuf> {
    let on_path = names.iter().find_map(|name| find_program(name));
    on_path.or_else(|| places.iter().map(PathBuf::from).find(|place| place.is_file()))
}

#[cfg(test)]
mod tests {
    use super::check_pair;
    use crate::version::Version;

    #[test]
    fn a_driver_of_another_major_version_is_refused() {
        assert!(check_pair(Version::new(156, 0, 8078), Version::new(156, 0, 1)).is_ok());
        let failure = check_pair(Version::new(156, 0, 8078), Version::new(155, 0, 1)).unwrap_err();
        assert!(failure.to_string().starts_with("chromedriver is version 155.0.1, but 156 like the browser is needed"));
    }
}
