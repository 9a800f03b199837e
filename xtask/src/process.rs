//! Calls of other programs: shown, checked, and free of what cargo leaves in the environment.
//!
//! `cargo xtask` runs under `cargo run`, which runs under rustup's proxy. Both leave variables behind (`CARGO`, `OUT_DIR`,
//! a library path into one toolchain …) that would send a child cargo, above all one of another toolchain, to the wrong
//! compiler. Every call starts without them. `RUSTUP_TOOLCHAIN` stays: it is how `cargo +nightly xtask …` reaches us.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::failure::Failure;
use crate::say::say;

const LEFT_BY_CARGO_RUN: [&str; 7] = [
    "CARGO",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PRIMARY_PACKAGE",
    "OUT_DIR",
    "RUSTC",
    "RUST_RECURSION_COUNT",
];

/// One call of a program.
pub(crate) struct Call {
    command: Command,
    line: String,
}

impl Call {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref();
        let mut command = Command::new(program);
        for name in env::vars_os().map(|(name, _)| name).filter(|name| is_left_by_cargo_run(name)) {
            command.env_remove(name);
        }
        for name in ["LD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"] {
            if let Some(paths) = env::var_os(name).and_then(|value| without_toolchains(&value)) {
                command.env(name, paths);
            }
        }
        if let Some(path) = search_path() {
            command.env("PATH", path);
        }
        Self { command, line: Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned() }
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.line.push(' ');
        self.line.push_str(&argument.as_ref().to_string_lossy());
        self.command.arg(argument);
        self
    }

    pub(crate) fn args<I: IntoIterator<Item: AsRef<OsStr>>>(self, arguments: I) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Shows the call and what it prints, and waits for it.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        say!("$ {}", self.line);
        let status = self.command.status().map_err(|source| Failure::Start { program: self.line.clone(), source })?;
        if status.success() { Ok(()) } else { Err(Failure::Exit { line: self.line, status }) }
    }

    /// Runs silently and hands back what it printed; of a failure, the program's own words stay hidden.
    pub(crate) fn capture(mut self) -> Result<String, Failure> {
        let output = self.command.stdin(Stdio::null()).output();
        let output = output.map_err(|source| Failure::Start { program: self.line.clone(), source })?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(Failure::Exit { line: self.line, status: output.status })
        }
    }

    /// Shows the call and leaves the child running, for the caller to stop.
    pub(crate) fn start(mut self) -> Result<Child, Failure> {
        say!("$ {}", self.line);
        self.command.stdin(Stdio::null()).spawn().map_err(|source| Failure::Start { program: self.line, source })
    }

    /// As [`Self::start`], out of reach of the terminal's own Ctrl-C: the child then gets it from us, and only once.
    #[cfg(unix)]
    pub(crate) fn start_detached(mut self) -> Result<Child, Failure> {
        std::os::unix::process::CommandExt::process_group(&mut self.command, 0);
        self.start()
    }

    /// As [`Self::start`]; elsewhere the terminal's Ctrl-C reaches the child directly.
    #[cfg(not(unix))]
    pub(crate) fn start_detached(self) -> Result<Child, Failure> {
        self.start()
    }
}

/// Where a program is, if it is anywhere on the search path that our children get.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&search_path()?).map(|dir| dir.join(&file)).find(|path| path.is_file())
}

/// The search path, with the folder `cargo install` writes to in front where it is not on it.
fn search_path() -> Option<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
    let mut dirs: Vec<PathBuf> = env::split_paths(&path).collect();
    if let Some(bin) = cargo_home.map(|home| home.join("bin"))
        && !dirs.contains(&bin)
    {
        dirs.insert(0, bin);
    }
    env::join_paths(dirs).ok()
}

fn is_left_by_cargo_run(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    LEFT_BY_CARGO_RUN.contains(&name.as_ref()) || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_BIN_")
}

/// A library path without the folders of toolchains and of cargo's target folder, which `cargo run` put on it.
fn without_toolchains(paths: &OsStr) -> Option<OsString> {
    let kept = env::split_paths(paths).filter(|dir| {
        let of_a_toolchain =
            dir.components().any(|part| part.as_os_str() == "toolchains" || part.as_os_str() == "rustlib");
        let of_this_build = dir.ends_with("deps") || env::current_exe().is_ok_and(|exe| exe.parent() == Some(dir));
        !of_a_toolchain && !of_this_build
    });
    env::join_paths(kept).ok()
}

#[cfg(test)]
mod tests {
    use super::{Call, is_left_by_cargo_run, without_toolchains};
    use std::ffi::OsStr;

    #[test]
    fn what_cargo_run_leaves_is_known_from_what_the_user_set() {
        for name in ["CARGO", "CARGO_PKG_NAME", "OUT_DIR"] {
            assert!(is_left_by_cargo_run(OsStr::new(name)), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_NET_OFFLINE", "RUSTUP_TOOLCHAIN", "PATH"] {
            assert!(!is_left_by_cargo_run(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn the_users_own_library_path_is_kept() {
        let paths = "/home/a/.rustup/toolchains/stable/lib:/opt/lib:/home/a/w/target/debug/deps";
        assert_eq!(without_toolchains(OsStr::new(paths)).unwrap(), "/opt/lib");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let failure = Call::new("no-such-program-at-all").arg("--now").run().unwrap_err();
        assert!(failure.to_string().starts_with("no-such-program-at-all --now could not be started: "), "{failure}");
    }

    #[test]
    #[cfg(unix)]
    fn a_program_that_fails_is_named_with_its_status() {
        let failure = Call::new("sh").args(["-c", "exit 3"]).capture().unwrap_err();
        assert_eq!(failure.to_string(), "sh -c exit 3 failed (exit status: 3)");
    }
}
