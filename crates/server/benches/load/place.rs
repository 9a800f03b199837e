//! Where it is measured: a database, a server on it, and which cores they run on.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::DatabaseKind;
use crate::cluster::Cluster;

/// Teams; each client is of one.
pub(crate) const TEAMS: usize = 100;

pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) kind: DatabaseKind,
    server: Child,
    cluster: Option<Cluster>,
    folder: TempDir,
}

/// This process, and what it starts from now on, runs on those cores. Where there is only one, or no `taskset`, nothing changes.
pub(crate) fn on_cores(cores: &str) {
    let pid = std::process::id().to_string();
    let set = Command::new("taskset").args(["-a", "-p", "-c", cores, &pid]).stdout(Stdio::null()).status();
    if !set.is_ok_and(|status| status.success()) {
        println!("not on cores {cores}: everything shares what there is");
    }
}

fn configuration() -> String {
    let mut text = "data = \"load.sqlite\"\n[auth]\nmode = \"development\"\ntokens = [\n".to_owned();
    for team in 0..TEAMS {
        let token = format!("{{ token = \"t{team}\", user = \"u{team}\", scopes = [\"all\", \"team:{team}\"] }},\n");
        text.write_str(&token).unwrap();
    }
    text += "]\n";
    for (name, scope) in [("task", "team:{team}"), ("bulk", "team:{team}"), ("place", "all")] {
        text += &format!(
            "[[entity]]\nname = \"{name}\"\npolicy = \"lastWriteWins\"\nscopes = [\"{scope}\"]\n\
             allow = {{ read = [\"*\"], write = [\"*\"] }}\nfields = [\n\
             {{ name = \"title\", type = \"text\", max = 200, required = true }},\n\
             {{ name = \"team\", type = \"text\" }},\n{{ name = \"body\", type = \"text\" }},\n\
             {{ name = \"count\", type = \"integer\" }},\n{{ name = \"done\", type = \"boolean\" }},\n]\n"
        );
    }
    text
}

impl Place {
    pub(crate) fn start(kind: DatabaseKind, server: Option<&Path>) -> Self {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("server.toml");
        std::fs::write(&config, configuration()).unwrap();
        let cluster = (kind == DatabaseKind::Postgres).then(Cluster::durable);
        let mut command = Command::new(server.unwrap_or(Path::new(env!("CARGO_BIN_EXE_whimbrel-server"))));
        command.arg("--config").arg(config).args(["--listen", "127.0.0.1:0"]).env("RUST_LOG", "error");
        match &cluster {
            Some(cluster) => command.env("DATABASE_URL", cluster.url("postgres")),
            None => command.env_remove("DATABASE_URL"),
        };
        let mut server = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("the server says where it listens").to_owned();
        Self { url, kind, server, cluster, folder }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.id()
    }

    pub(crate) fn postgres(&self) -> Option<String> {
        self.cluster.as_ref().map(|cluster| cluster.url("postgres"))
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("load.sqlite")
    }
}

/// Also when the measurement breaks off.
impl Drop for Place {
    fn drop(&mut self) {
        _ = self.server.kill();
        _ = self.server.wait();
        if let Some(cluster) = self.cluster.take() {
            cluster.remove();
        }
    }
}
