//! `cargo xtask conformance`: the cases of docs/PROTOCOL.md against any server, or against one of its own on SQLite.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::failure::Failure;
use crate::server::{self, Profile};
use crate::workspace::Workspace;

/// The entities and users that the cases need, as a configuration of our own server.
const CONFIG: &str = "crates/conformance/conformance.toml";
/// The users' tokens there.
const TOKENS: [&str; 2] = ["ana", "ben"];
/// What our server says when it can be asked.
const LISTENING: &str = "listening on ";

/// Options of `cargo xtask conformance`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The server, without /v1; it has the entities of crates/conformance/conformance.toml. Without it a server is started
    #[arg(long, value_name = "URL", requires = "token")]
    url: Option<String>,
    /// A token of the first user
    #[arg(long, value_name = "T", requires = "url")]
    token: Option<String>,
    /// A token of the second user; without it cases of two users are left out
    #[arg(long, value_name = "T", requires = "url")]
    other_token: Option<String>,
    /// Only cases whose names contain this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// Runs the cases.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Failure> {
    let mut options: Vec<String> = Vec::new();
    let own = match (&arguments.url, &arguments.token) {
        (Some(url), Some(token)) => {
            options.extend([format!("--url={url}"), format!("--token={token}")]);
            options.extend(arguments.other_token.as_ref().map(|token| format!("--other-token={token}")));
            None
        }
        _ => {
            let own = Own::start(workspace)?;
            let [token, other] = TOKENS;
            options.extend([
                format!("--url={}", own.url),
                format!("--token={token}"),
                format!("--other-token={other}"),
            ]);
            Some(own)
        }
    };
    options.extend(arguments.only.as_ref().map(|only| format!("--only={only}")));
    let result =
        workspace.cargo().args(["run", "--quiet", "--package", "whimbrel-conformance", "--"]).args(options).run();
    drop(own);
    result
}

/// A server of our own, on an empty SQLite file, until it is dropped.
struct Own {
    program: Child,
    url: String,
}

impl Own {
    fn start(workspace: &Workspace) -> Result<Self, Failure> {
        let program = server::build(workspace, Profile::Dev)?;
        let folder = workspace.target().join("xtask/conformance");
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(Failure::file("emptying", &folder))?;
        }
        fs::create_dir_all(&folder).map_err(Failure::file("making", &folder))?;
        let mut command = Command::new(&program);
        command.arg("--config").arg(workspace.path(CONFIG)).arg("--data").arg(folder.join("conformance.sqlite"));
        command.args(["--listen", "127.0.0.1:0"]).env_remove("DATABASE_URL").env("RUST_LOG", "error");
        let mut program = command.stdout(Stdio::piped()).spawn().map_err(Failure::file("starting", &program))?;
        let mut line = String::new();
        if let Some(stdout) = program.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(Failure::file("hearing", Path::new("the server")))?;
        }
        let mut own = Self { program, url: String::new() };
        match line.trim().strip_prefix(LISTENING) {
            Some(url) => url.clone_into(&mut own.url),
            None => {
                let reason = "the server did not start; what it said stands above".to_owned();
                return Err(Failure::Content { file: CONFIG.to_owned(), reason });
            }
        }
        Ok(own)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.program.kill();
        _ = self.program.wait();
    }
}
