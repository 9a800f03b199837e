//! Seeds.

use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use whimbrel_server::{SeedError, plant};

use super::{Here, Server};
use crate::support::{Backend as _, Replica, config_in};

const CONFIG: &str = r#"
data = "test.sqlite"
[auth]
mode = "development"
tokens = [{ token = "t-ana", user = "ana", scopes = ["country:ES"] }]
[[entity]]
name = "place"
policy = "readOnly"
allow = { read = ["*"] }
scopes = ["country:{country}"]
fields = [
  { name = "name", type = "text", required = true },
  { name = "country", type = "text", max = 2, required = true },
  { name = "lat", type = "real" },
  { name = "people", type = "integer" },
]
[[seed]]
entity = "place"
file = "places.json"
idFrom = ["country", "name"]
"#;

const PLACES: &str = r#"[
  {"name": "Vila", "country": "AD", "lat": "42.53", "people": " 12 ", "other": [1]},
  {"name": "León", "country": "ES", "lat": -5, "people": null}
]"#;

fn folder_with(places: &str) -> Arc<TempDir> {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("places.json"), places).unwrap();
    Arc::new(folder)
}

#[tokio::test]
async fn rows_are_loaded_once_with_ids_that_are_always_the_same() {
    let server = Server::start_in(folder_with(PLACES), CONFIG).await;
    let mut replica = Replica::default();
    replica.sync(&server.ana(), &["place"]).await;
    let rows = replica.rows("place/country:ES");
    let expected = json!({"name": "León", "country": "ES", "lat": -5.0, "people": null});
    assert_eq!(rows.into_iter().collect::<Vec<_>>(), [("0b472c7b-994d-53d0-839e-0e42b36f2838".to_owned(), expected)]);
    let numbers = "SELECT count(*) FROM place WHERE lat IN (42.53, -5.0) AND (people IS NULL OR people = 12)";
    assert_eq!(server.number(numbers).await, 2);
    // Rows that somebody deleted do not come back, and the file is not needed any more.
    server.sql("DELETE FROM place").await;
    let folder = server.stop().await;
    std::fs::remove_file(folder.path().join("places.json")).unwrap();
    let server = Server::start_in(folder, CONFIG).await;
    assert_eq!(server.number("SELECT count(*) FROM place").await, 0);
}

#[tokio::test]
async fn more_rows_than_one_part() {
    let places: Vec<_> = (0..12_001).map(|n| json!({"name": n.to_string(), "country": "ES"})).collect();
    let server = Server::start_in(folder_with(&serde_json::to_string(&places).unwrap()), CONFIG).await;
    assert_eq!(server.number("SELECT count(*) FROM place").await, 12_001);
}

async fn failure(places: &str) -> SeedError {
    let folder = folder_with(places);
    let config = config_in(folder.path(), CONFIG);
    let storage = Here::open(folder.path(), &config).await.unwrap();
    let error = plant(&storage, &config.entities, &config.seeds).await.unwrap_err();
    assert_eq!(Here::number(folder.path(), "SELECT count(*) FROM place").await, 0, "{error}");
    error
}

#[tokio::test]
async fn a_file_that_does_not_fit_loads_nothing_and_says_where() {
    let good = r#"{"name": "a", "country": "ES"}"#;
    for (object, expected) in [
        (r#"{"name": "b"}"#, "object 2: country: must have a value"),
        (r#"{"name": "b", "country": "ESP"}"#, "object 2: country: must have at most 2 characters"),
        (r#"{"name": "b", "country": "ES", "lat": "north"}"#, "object 2: lat: must be a number"),
        (r#"{"name": "b", "country": "ES", "people": "1.5"}"#, "object 2: people: must be a whole number"),
    ] {
        let error = failure(&format!("[{good},{object}]")).await.to_string();
        assert!(error.contains(expected), "{error}");
    }
    for malformed in ["", "{}", "[1]", &format!("[{good}"), &format!("[{good}]]")] {
        assert!(matches!(failure(malformed).await, SeedError::Malformed { .. }), "{malformed}");
    }
    let twice = failure(&format!("[{good},{good}]")).await;
    assert!(matches!(twice, SeedError::Storage(_)), "{twice}");
}
