//! Views as entities: whatever anybody writes to their tables arrives, and rows that are not shown any more leave, exactly.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use whimbrel_server::Read as _;

use super::detach::said;
use super::events::Events;
use super::{Here, Server};
use crate::support::{Backend as _, CONFIG, Draw, Replica, effort};

/// Tasks that are not done, with what belongs to them elsewhere: a join, an aggregate, columns of types that a view has.
const OPEN_TASKS: &str = "
    CREATE TABLE task (id text PRIMARY KEY, title text NOT NULL, team text);
    CREATE TABLE work (task_id text, hours integer, is_done boolean);
    CREATE VIEW open_task AS
      SELECT t.id, t.title, t.team AS team_name, sum(w.hours) AS hours, count(*) > 1 AS is_long
      FROM task AS t JOIN work AS w ON w.task_id = t.id WHERE NOT w.is_done
      GROUP BY t.id, t.title, t.team;";

const ENTITY: &str = r#"
[[entity]]
name = "openTask"
view = { name = "open_task", of = ["task", "work"] }
policy = "readOnly"
allow = { read = ["*"] }
scopes = ["team:{team}"]
fields = [
  { name = "title", type = "text", required = true },
  { name = "team", type = "text", column = "team_name" },
  { name = "hours", type = "integer" },
  { name = "isLong", type = "boolean", column = "is_long" },
]
"#;

async fn folder() -> Arc<TempDir> {
    let folder = TempDir::new().unwrap();
    Here::sql(folder.path(), OPEN_TASKS).await;
    std::fs::write(folder.path().join("server.toml"), format!("{CONFIG}{ENTITY}")).unwrap();
    Arc::new(folder)
}

async fn server() -> Server {
    Server::start_in(folder().await, &format!("{CONFIG}{ENTITY}")).await
}

fn open(title: &str, team: &str, hours: i64, is_long: bool) -> Value {
    json!({"title": title, "team": team, "hours": hours, "isLong": is_long})
}

#[tokio::test]
async fn r5_what_a_view_shows_arrives_and_leaves_exactly() {
    let server = server().await;
    let mut ana = server.ana();
    let mut replica = Replica::default();
    server.sql("INSERT INTO task VALUES ('1', 'one', 'a'), ('2', 'two', 'b'), ('3', 'three', 'c')").await;
    server.sql("INSERT INTO work VALUES ('1', 2, false), ('1', 3, false), ('2', 1, false), ('3', 1, false)").await;
    replica.sync(&ana, &["openTask"]).await;
    assert_eq!(replica.rows("openTask/team:a"), BTreeMap::from([("1".into(), open("one", "a", 5, true))]));
    assert_eq!(replica.rows("openTask/team:b"), BTreeMap::from([("2".into(), open("two", "b", 1, false))]));
    // Through a table of its own, through one that is an entity, and through a push.
    server.sql("UPDATE work SET is_done = true WHERE hours = 3").await;
    let lines = replica.sync(&ana, &["openTask"]).await;
    assert_eq!(replica.rows("openTask/team:a")["1"], open("one", "a", 2, false));
    assert_eq!(lines.iter().filter(|line| line.get("rows").is_some()).count(), 1, "what is as it was does not come: {lines:?}");
    server.sql("UPDATE task SET team = 'b' WHERE id = '1'").await;
    let lines = replica.sync(&ana, &["openTask"]).await;
    assert!(lines.iter().any(|line| line["gone"]["bucket"] == "openTask/team:a"), "{lines:?}");
    assert_eq!(replica.rows("openTask/team:b").into_keys().collect::<Vec<_>>(), ["1", "2"]);
    ana.accepted("update", "task", "1", json!({"set": {"title": "uno"}})).await;
    replica.sync(&ana, &["openTask"]).await;
    assert_eq!(replica.rows("openTask/team:b")["1"]["title"], "uno");
    server.sql("DELETE FROM work").await;
    let lines = replica.sync(&ana, &["openTask"]).await;
    let gone = lines.iter().find(|line| line.get("gone").is_some()).unwrap();
    assert_eq!(gone["gone"]["rows"].as_array().unwrap().len(), 2, "{gone}");
    assert!(replica.rows("openTask/team:b").is_empty());
    // Nothing was written: nothing is numbered.
    let before = server.storage.head().await.unwrap().version;
    replica.sync(&ana, &["openTask"]).await;
    assert_eq!(server.storage.head().await.unwrap().version, before);
}

#[tokio::test]
async fn r16_nobody_pushes_to_a_view() {
    let server = server().await;
    let mut ana = server.ana();
    for op in ["create", "update", "delete"] {
        assert_eq!(ana.push_one(op, "openTask", "1", json!({})).await["code"], "policy/read-only");
    }
}

#[tokio::test]
async fn r21_who_listens_hears_of_views() {
    let server = server().await;
    let mut of_ana = Events::listen(&server.ana()).await;
    server.sql("INSERT INTO task VALUES ('1', 'one', 'a')").await;
    assert_eq!(of_ana.next().await.unwrap(), r#"{"buckets":["task/team:a"]}"#);
    server.sql("INSERT INTO work VALUES ('1', 1, false)").await;
    assert_eq!(of_ana.next().await.unwrap(), r#"{"buckets":["openTask/team:a"]}"#);
}

#[tokio::test]
async fn a_replica_is_what_the_view_shows_whoever_writes() {
    let server = server().await;
    let ana = server.ana();
    let mut replica = Replica::default();
    let seed = 20_261_126;
    let mut draw = Draw(seed);
    for round in 0..effort("WHIMBREL_VIEW_ROUNDS", 40) {
        let (id, team, hours) = (draw.below(6), ["a", "b", "c"][draw.below(3) as usize], draw.below(5));
        let sql = match draw.below(6) {
            0 => format!("DELETE FROM task WHERE id = '{id}'; INSERT INTO task VALUES ('{id}', 'new', '{team}')"),
            1 => format!("UPDATE task SET team = '{team}', title = 't{round}' WHERE id = '{id}'"),
            2 => format!("DELETE FROM work WHERE task_id = '{id}'"),
            3 => format!("DELETE FROM task WHERE id = '{id}'"),
            4 => "UPDATE work SET is_done = NOT is_done WHERE hours = 1".to_owned(),
            _ => format!("INSERT INTO work VALUES ('{id}', {hours}, false)"),
        };
        server.sql(&sql).await;
        replica.sync(&ana, &["openTask"]).await;
        let shown = |team: &str| format!("SELECT count(*) FROM open_task WHERE team_name = '{team}'");
        for team in ["a", "b"] {
            let rows = replica.rows(&format!("openTask/team:{team}"));
            let count = server.number(&shown(team)).await;
            assert_eq!(rows.len() as i64, count, "seed {seed}, round {round}: {sql}");
            let hours: i64 = rows.values().map(|row| row["hours"].as_i64().unwrap()).sum();
            let sum = format!("SELECT CAST(coalesce(sum(hours), 0) AS bigint) FROM open_task WHERE team_name = '{team}'");
            assert_eq!(hours, server.number(&sum).await, "seed {seed}, round {round}: {sql}");
        }
    }
}

#[tokio::test]
async fn a_view_that_changes_or_cannot_be_read_harms_nothing_else() {
    let server = server().await;
    let mut ana = server.ana();
    server.sql("INSERT INTO task VALUES ('1', 'one', 'a'), ('2', 'two', 'a')").await;
    server.sql("INSERT INTO work VALUES ('1', 1, false), ('2', 2, false)").await;
    let mut replica = Replica::default();
    replica.sync(&ana, &["openTask"]).await;
    // Another view of that name, while the server is away.
    let folder = server.stop().await;
    Here::sql(folder.path(), "DROP VIEW open_task").await;
    let narrow = "CREATE VIEW open_task AS SELECT id, title, team AS team_name, 7 AS hours, false AS is_long FROM task WHERE id = '2'";
    Here::sql(folder.path(), narrow).await;
    let server = Server::start_in(folder, &format!("{CONFIG}{ENTITY}")).await;
    ana = ana.moved(&server.url);
    replica.sync(&ana, &["openTask"]).await;
    assert_eq!(replica.rows("openTask/team:a"), BTreeMap::from([("2".into(), open("two", "a", 7, false))]));
    // Away: what it showed last is served, and everything else.
    server.sql("DROP VIEW open_task").await;
    server.sql("DELETE FROM work").await;
    ana.accepted("create", "note", "n", json!({"set": {"title": "t"}})).await;
    replica.sync(&ana, &["openTask", "note"]).await;
    assert_eq!((replica.rows("openTask/team:a").len(), replica.rows("note/all").len()), (1, 1));
    // Back: it is brought up to date.
    server.sql(&narrow.replace("'2'", "'1'")).await;
    replica.sync(&ana, &["openTask"]).await;
    assert_eq!(replica.rows("openTask/team:a").into_keys().collect::<Vec<_>>(), ["1"]);
}

#[tokio::test]
async fn other_fields_at_the_next_start_are_another_copy() {
    let server = server().await;
    let ana = server.ana();
    server.sql("INSERT INTO task VALUES ('1', 'one', 'a'), ('2', 'two', 'a')").await;
    server.sql("INSERT INTO work VALUES ('1', 1, false), ('2', 2, false)").await;
    let mut replica = Replica::default();
    replica.sync(&ana, &["openTask"]).await;
    let folder = server.stop().await;
    Here::sql(folder.path(), "DELETE FROM work WHERE task_id = '1'").await;
    let config = format!("{CONFIG}{ENTITY}").replace("{ name = \"hours\", type = \"integer\" }", "{ name = \"hours\", type = \"text\" }");
    let server = Server::start_in(folder, &config).await;
    replica.sync(&ana.moved(&server.url), &["openTask"]).await;
    let two = json!({"title": "two", "team": "a", "hours": "2", "isLong": false});
    assert_eq!(replica.rows("openTask/team:a"), BTreeMap::from([("2".into(), two)]));
}

#[tokio::test]
async fn attaching_and_detaching_know_views() {
    let folder = folder().await;
    let before = Here::schema(folder.path()).await;
    let script = said(folder.path(), &["attach", "--dry-run"]);
    assert!(script.contains("whimbrel_view_openTask") && script.contains("whimbrel_dirty"), "{script}");
    assert_eq!(Here::schema(folder.path()).await, before);
    Here::sql(folder.path(), &script).await;
    let attached = Here::schema(folder.path()).await;
    assert_eq!(said(folder.path(), &["attach"]), "");
    assert_eq!(Here::schema(folder.path()).await, attached);
    // The tables that attaching created stay; of the view nothing does.
    said(folder.path(), &["detach"]);
    let after = Here::schema(folder.path()).await;
    assert!(!after.contains("whimbrel") && after.contains("open_task"), "{after}");
    Here::sql(folder.path(), "INSERT INTO work VALUES ('1', 1, false)").await;
    // One that is not a view any more leaves nothing on the tables.
    said(folder.path(), &["attach"]);
    std::fs::write(folder.path().join("server.toml"), CONFIG).unwrap();
    said(folder.path(), &["attach"]);
    assert!(!Here::schema(folder.path()).await.contains("whimbrel-dirty"));
}

#[tokio::test]
async fn what_is_no_view_of_such_tables_is_said() {
    let folder = folder().await;
    let config = format!("{CONFIG}{ENTITY}");
    for (good, bad, expected) in [
        ("\"open_task\"", "\"closed_task\"", "entity openTask: \"closed_task\" is not there"),
        ("\"work\"]", "\"wrok\"]", "entity openTask: \"wrok\" is not there"),
        ("\"work\"]", "\"open_task\"]", "entity openTask: \"open_task\" is"),
        ("\"team_name\"", "\"team_id\"", "the table \"open_task\" has no column \"team_id\""),
    ] {
        let config = crate::support::config_in(folder.path(), &config.replacen(good, bad, 1));
        let error = Here::open(folder.path(), &config).await.err().unwrap().to_string();
        assert!(error.contains(expected), "{bad}: {error}");
    }
}
