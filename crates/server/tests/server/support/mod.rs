//! A server of its own for every test, and clients for it.

mod api;
mod backend;
pub(crate) mod cluster;
mod realms;
mod replica;
mod stubborn;

pub(crate) use api::{Api, Lines, code_of, outcomes_of};
pub(crate) use backend::{Backend, Postgres, Sqlite};
pub(crate) use realms::{RealmServer, with_realms};
pub(crate) use replica::Replica;
pub(crate) use stubborn::Stubborn;

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use whimbrel_server::{Config, Database as _, Door, Hints, Tls, plant, router, serve_with};

/// One entity for each policy, and every type of field.
pub(crate) const CONFIG: &str = r#"
data = "test.sqlite"
[auth]
mode = "development"
tokens = [
  { token = "t-ana", user = "ana", scopes = ["all", "team:a", "team:b"] },
  { token = "t-ben", user = "ben", scopes = ["all", "team:b"] },
  { token = "t-nobody", user = "nobody", scopes = [] },
]
[[entity]]
name = "note"
policy = "lastWriteWins"
allow = { read = ["*"], write = ["*"] }
scopes = ["all"]
fields = [
  { name = "title", type = "text", max = 10, required = true },
  { name = "count", type = "integer" },
  { name = "ratio", type = "real" },
  { name = "done", type = "boolean" },
  { name = "dueAt", type = "timestamp", column = "due_at" },
  { name = "noteId", type = "ref", entity = "note", column = "note_id" },
  { name = "body", type = "text" },
]
[[entity]]
name = "task"
policy = "lastWriteWins"
allow = { read = ["*"], write = ["*"] }
scopes = ["team:{team}"]
fields = [{ name = "title", type = "text", required = true }, { name = "team", type = "text" }]
[[entity]]
name = "doc"
policy = "detectConflicts"
allow = { read = ["*"], write = ["*"] }
scopes = ["all"]
fields = [{ name = "title", type = "text", required = true }, { name = "body", type = "text" }]
[[entity]]
name = "entry"
policy = "appendOnly"
allow = { read = ["*"], write = ["*"] }
scopes = ["all"]
fields = [{ name = "text", type = "text", required = true }]
[[entity]]
name = "place"
policy = "readOnly"
allow = { read = ["*"] }
scopes = ["all"]
fields = [{ name = "name", type = "text", required = true }]
"#;

pub(crate) struct Server<B: Backend> {
    pub(crate) url: String,
    pub(crate) storage: Arc<B::Storage>,
    folder: Arc<TempDir>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl<B: Backend> Server<B> {
    pub(crate) async fn start() -> Self {
        Self::start_with(CONFIG).await
    }

    pub(crate) async fn start_with(config: &str) -> Self {
        Self::start_in(Arc::new(TempDir::new().unwrap()), config).await
    }

    pub(crate) async fn start_in(folder: Arc<TempDir>, config: &str) -> Self {
        let config = config_in(folder.path(), config);
        let storage = Arc::new(B::open(folder.path(), &config).await.unwrap());
        plant(storage.as_ref(), &config.entities, &config.seeds).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = config.edge.tls.clone().map(|files| Arc::new(Tls::load(files).unwrap()));
        let port = listener.local_addr().unwrap().port();
        let url = if tls.is_some() { format!("https://localhost:{port}") } else { format!("http://127.0.0.1:{port}") };
        let hints = Hints::default();
        let router = router(&config, Arc::clone(&storage), hints.clone());
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            _ = stopped.await;
        };
        let days = config.tombstones_days;
        let door = Door { tls, waits: config.edge.waits };
        let serving = serve_with(listener, door, router, Arc::clone(&storage), hints, days, stopped);
        let serving = tokio::spawn(async { serving.await.unwrap() });
        Self { url, storage, folder, stop, serving }
    }

    /// Stops and gives back the folder with the database.
    pub(crate) async fn stop(self) -> Arc<TempDir> {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap();
        self.storage.close().await.unwrap();
        self.folder
    }

    pub(crate) fn ana(&self) -> Api {
        Api::new(&self.url, "t-ana")
    }

    pub(crate) fn ben(&self) -> Api {
        Api::new(&self.url, "t-ben")
    }

    /// The folder; another server in it has the same database.
    pub(crate) fn folder(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }

    pub(crate) async fn hold(&self) -> Box<dyn std::any::Any> {
        B::hold(self.folder.path()).await
    }

    pub(crate) async fn sql(&self, sql: &str) {
        B::sql(self.folder.path(), sql).await;
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        B::number(self.folder.path(), sql).await
    }
}

/// A configuration in its folder. What the environment says of databases is for others.
pub(crate) fn config_in(folder: &Path, config: &str) -> Config {
    let file = folder.join("server.toml");
    std::fs::write(&file, config).unwrap();
    Config::load_with(&file, None).unwrap()
}

/// Numbers from a seed (Knuth's 64-bit linear congruential generator).
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % end
    }
}

/// A number that the environment may give, to try more.
pub(crate) fn effort(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |number| number.parse().unwrap())
}

/// The statement that inserts a row for each number below `count`.
pub(crate) fn insert(into: &str, count: usize, values: impl Fn(usize) -> String) -> String {
    let rows: Vec<String> = (0..count).map(|number| format!("({})", values(number))).collect();
    format!("INSERT INTO {into} VALUES {}", rows.join(", "))
}
