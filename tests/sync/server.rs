//! The real server under test.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::sync::Arc;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection};
use tempfile::TempDir;
use whimbrel_server::{Config, Database as _, Hints, SqliteStorage, Storage, router};

use crate::platform::Network;

const CONFIG: &str = r#"
data = "server.sqlite"

[auth]
mode = "development"

[[auth.tokens]]
token = "ana"
user = "ana"
scopes = ["all", "country:ES"]

[[auth.tokens]]
token = "ben"
user = "ben"
scopes = ["all", "country:DE"]

[[auth.tokens]]
token = "cleo"
user = "cleo"
scopes = ["all"]

[[auth.tokens]]
token = "nobody"
user = "nobody"
scopes = []

[[entity]]
name = "place"
policy = "readOnly"
allow = { read = ["*"] }
scopes = ["country:{country}"]
fields = [
  { name = "name", type = "text", required = true },
  { name = "country", type = "text", max = 2, required = true },
]

[[entity]]
name = "workOrder"
table = "work_order"
policy = "lastWriteWins"
allow = { read = ["*"], write = ["*"] }
scopes = ["all"]
fields = [
  { name = "title", type = "text", max = 20, required = true },
  { name = "status", type = "text", required = true },
  { name = "count", type = "integer" },
]

[[entity]]
name = "doc"
policy = "detectConflicts"
allow = { read = ["*"], write = ["*"] }
scopes = ["all"]
fields = [{ name = "title", type = "text", max = 20 }, { name = "body", type = "text" }, { name = "pages", type = "integer" }]

[[entity]]
name = "stock"
policy = "merge"
allow = { read = ["*"], write = ["*"] }
scopes = ["all"]
fields = [
  { name = "title", type = "text" },
  { name = "owner", type = "text", merge = "server" },
  { name = "count", type = "integer", merge = "sum" },
  { name = "tags", type = "text", merge = "union" },
]

[[entity]]
name = "part"
policy = "lastWriteWins"
allow = { read = ["*"], write = ["*"] }
scopes = ["all"]
fields = [{ name = "docId", type = "ref", entity = "doc" }, { name = "name", type = "text" }]

[[entity]]
name = "label"
policy = "lastWriteWins"
allow = { read = ["*"], write = ["*"] }
scopes = ["all"]
pair = ["orderId", "docId"]
fields = [
  { name = "orderId", type = "ref", entity = "workOrder" },
  { name = "docId", type = "ref", entity = "doc" },
  { name = "body", type = "text" },
]
"#;

/// A server on a file of its own, gone with it.
pub(crate) struct Server {
    pub(crate) network: Network,
    pub(crate) storage: RefCell<Arc<SqliteStorage>>,
    folder: TempDir,
    /// The file that is served, and how many there were.
    file: RefCell<PathBuf>,
    files: Cell<u32>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("server.toml"), CONFIG).unwrap();
        let config = Config::load(&folder.path().join("server.toml")).unwrap();
        let storage = Arc::new(SqliteStorage::open(&config.data, &config.entities).await.unwrap());
        let network = Network::new(router(&config, Arc::clone(&storage), Hints::default()));
        let file = RefCell::new(config.data);
        Self { network, storage: RefCell::new(storage), folder, file, files: Cell::new(0) }
    }

    /// Runs SQL beside the server, as another program would.
    pub(crate) async fn sql(&self, sql: &'static str) {
        self.run(sql.to_owned()).await;
    }

    async fn run(&self, sql: String) {
        let options = SqliteConnectOptions::new().filename(&*self.file.borrow());
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// A copy of the database, for [`Server::restore`].
    pub(crate) async fn backup(&self) -> PathBuf {
        self.files.set(self.files.get() + 1);
        let copy = self.folder.path().join(format!("backup-{}.sqlite", self.files.get()));
        self.run(format!("VACUUM INTO '{}'", copy.display())).await;
        copy
    }

    /// The server stops, and another one begins with a copy; with a new history, as it should, or not.
    pub(crate) async fn restore(&self, backup: PathBuf, has_new_history: bool) {
        let config = Config::load(&self.folder.path().join("server.toml")).unwrap();
        let storage = Arc::new(SqliteStorage::open(&backup, &config.entities).await.unwrap());
        if has_new_history {
            storage.renew_history().await.unwrap();
        }
        self.network.move_to(router(&config, Arc::clone(&storage), Hints::default()));
        *self.storage.borrow_mut() = storage;
        *self.file.borrow_mut() = backup;
    }

    /// Every removal so far is past the horizon.
    pub(crate) async fn forget_removals(&self) {
        let (storage, later) = (Arc::clone(&self.storage.borrow()), 9_000_000_000_000);
        storage.begin_era(later).await.unwrap();
        storage.compact(later).await.unwrap();
    }
}
