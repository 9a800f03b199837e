//! The real server under test.

use std::sync::Arc;

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tempfile::TempDir;
use whimbrel_server::{Config, Hints, SqliteStorage, router};

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
token = "nobody"
user = "nobody"
scopes = []

[[entity]]
name = "place"
policy = "readOnly"
scopes = ["country:{country}"]
fields = [
  { name = "name", type = "text", required = true },
  { name = "country", type = "text", max = 2, required = true },
]

[[entity]]
name = "workOrder"
table = "work_order"
policy = "lastWriteWins"
scopes = ["all"]
fields = [
  { name = "title", type = "text", max = 20, required = true },
  { name = "status", type = "text", required = true },
  { name = "count", type = "integer" },
]
"#;

/// A server on a file of its own, gone with it.
pub(crate) struct Server {
    pub(crate) network: Network,
    folder: TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("server.toml"), CONFIG).unwrap();
        let config = Config::load(&folder.path().join("server.toml")).unwrap();
        let storage = SqliteStorage::open(&config.data, &config.entities).await.unwrap();
        let network = Network::new(router(&config, Arc::new(storage), Hints::default()));
        Self { network, folder }
    }

    /// Runs SQL beside the server, as another program would.
    pub(crate) async fn sql(&self, sql: &'static str) {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join("server.sqlite"));
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}
