//! A server of its own for every test, and clients for it.

mod api;
mod replica;

pub(crate) use api::{Api, Lines, code_of, outcomes_of};
pub(crate) use replica::Replica;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::Connection;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use whimbrel_server::{Config, Hints, SqliteStorage, plant, router, serve};

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
scopes = ["team:{team}"]
fields = [{ name = "title", type = "text", required = true }, { name = "team", type = "text" }]
[[entity]]
name = "doc"
policy = "detectConflicts"
scopes = ["all"]
fields = [{ name = "title", type = "text", required = true }, { name = "body", type = "text" }]
[[entity]]
name = "entry"
policy = "appendOnly"
scopes = ["all"]
fields = [{ name = "text", type = "text", required = true }]
[[entity]]
name = "place"
policy = "readOnly"
scopes = ["all"]
fields = [{ name = "name", type = "text", required = true }]
"#;

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) storage: Arc<SqliteStorage>,
    folder: Arc<TempDir>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(CONFIG).await
    }

    pub(crate) async fn start_with(config: &str) -> Self {
        Self::start_in(Arc::new(TempDir::new().unwrap()), config).await
    }

    pub(crate) async fn start_in(folder: Arc<TempDir>, config: &str) -> Self {
        let file = folder.path().join("server.toml");
        std::fs::write(&file, config).unwrap();
        let config = Config::load(&file).unwrap();
        let storage = Arc::new(SqliteStorage::open(&config.data, &config.entities).await.unwrap());
        plant(&storage, &config.entities, &config.seeds).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let hints = Hints::default();
        let router = router(&config, Arc::clone(&storage), hints.clone());
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            _ = stopped.await;
        };
        let serving = serve(listener, router, Arc::clone(&storage), hints, config.tombstones_days, stopped);
        let serving = tokio::spawn(async { serving.await.unwrap() });
        Self { url, storage, folder, stop, serving }
    }

    /// Stops and gives back the folder with the database.
    pub(crate) async fn stop(self) -> Arc<TempDir> {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap();
        SqliteStorage::clone(&self.storage).close().await.unwrap();
        self.folder
    }

    pub(crate) fn ana(&self) -> Api {
        Api::new(&self.url, "t-ana")
    }

    pub(crate) fn ben(&self) -> Api {
        Api::new(&self.url, "t-ben")
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("test.sqlite")
    }

    /// Holds the database for writing until it is dropped.
    pub(crate) async fn hold(&self) -> sqlx::SqliteConnection {
        let mut connection = connect(&self.file()).await;
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
        connection
    }

    /// Runs SQL past the server, on a connection of its own.
    pub(crate) async fn sql(&self, sql: &str) {
        sql_on(&self.file(), sql).await;
    }
}

pub(crate) async fn sql_on(file: &Path, sql: &str) {
    let mut connection = connect(file).await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// The first column of the first row, as a number.
pub(crate) async fn number_on(file: &Path, sql: &str) -> i64 {
    let mut connection = connect(file).await;
    let number = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    number
}

async fn connect(file: &Path) -> sqlx::SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).create_if_missing(true);
    sqlx::SqliteConnection::connect_with(&options).await.unwrap()
}
