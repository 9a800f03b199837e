//! The browser step in each engine: the same tests, started by the engine's own driver.

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::failure::Failure;
use crate::process::Call;
use crate::setup::{self, OtherDriver, OtherEngine, Tools};
use crate::workspace::Workspace;

/// Real stores and real timers: some of the browser's contract tests take longer than the runner's 20 s.
const TEST_SECONDS_MAX: &str = "300";

/// What `--engines` understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    Chromium,
    Firefox,
    Webkit,
    All,
}

/// The engines asked for, each once; Chromium when none was named.
pub(super) fn select(asked: &[Engine]) -> Vec<Engine> {
    let all = [Engine::Chromium, Engine::Firefox, Engine::Webkit];
    let is_asked = |engine: &Engine| {
        asked.contains(engine) || asked.contains(&Engine::All) || (asked.is_empty() && *engine == Engine::Chromium)
    };
    all.into_iter().filter(is_asked).collect()
}

/// Runs test programs in an engine, which is installed first when it is not here.
pub(super) fn run(workspace: &Workspace, tools: &Tools, engine: Engine, targets: &[String]) -> Result<(), Failure> {
    let call = match engine {
        Engine::Chromium | Engine::All => tests(Call::new("wasm-pack"), "chrome", &tools.browser.driver),
        Engine::Firefox => {
            let OtherDriver { driver, browser } = setup::provide_engine(workspace, OtherEngine::Firefox)?;
            let call = tests(Call::new("wasm-pack"), "firefox", &driver);
            match browser {
                Some(browser) => call.env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", firefox_options(workspace, &browser)?),
                None => call,
            }
        }
        // To the runner WebKitGTK is a Safari: its driver is spoken to in the same way.
        Engine::Webkit => {
            let OtherDriver { driver, .. } = setup::provide_engine(workspace, OtherEngine::Webkit)?;
            tests(Call::new("xvfb-run").args(["--auto-servernum", "wasm-pack"]), "safari", &driver)
        }
    };
    let call = call.arg("--").args(targets).dir(workspace.root()).env("WASM_BINDGEN_TEST_TIMEOUT", TEST_SECONDS_MAX);
    tools.wasm.apply(workspace, call).run()
}

fn tests(call: Call, browser: &str, driver: &Path) -> Call {
    let call = call.args(["test", "--headless"]).arg(format!("--{browser}"));
    call.arg(format!("--{browser}driver").replace("firefox", "gecko")).arg(driver)
}

/// geckodriver looks for a `firefox`; Debian's has another name.
fn firefox_options(workspace: &Workspace, browser: &Path) -> Result<PathBuf, Failure> {
    let file = workspace.target().join("xtask/webdriver-firefox.json");
    let binary = browser.to_string_lossy().replace('\\', "\\\\");
    fs::write(&file, format!("{{\"moz:firefoxOptions\":{{\"binary\":\"{binary}\"}}}}\n"))
        .map_err(Failure::file("writing", &file))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::{Engine, select};

    #[test]
    fn engines_run_once_and_in_their_order() {
        assert_eq!(select(&[]), [Engine::Chromium]);
        assert_eq!(select(&[Engine::Webkit, Engine::Firefox]), [Engine::Firefox, Engine::Webkit]);
        assert_eq!(select(&[Engine::All, Engine::Firefox]).len(), 3);
    }
}
