//! Realms on PostgreSQL: schemas of one database, several servers, and a database that goes away.

use std::time::Duration;

use serde_json::json;
use sqlx::postgres::PgListener;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;
use whimbrel_server::{Config, OpenCause, Place, PostgresStorage, RealmError, open_all};

use super::detach::said;
use super::events::Events;
use crate::support::{Backend as _, CONFIG, Postgres, RealmServer, Replica, cluster, code_of, with_realms};

/// The address of the database of the first realm.
fn url_of(server: &RealmServer, realm: usize) -> String {
    url_in(&server.config, realm)
}

fn url_in(config: &Config, realm: usize) -> String {
    match &config.realms[realm].place {
        Place::Postgres { url, .. } => url.clone(),
        other => panic!("{other:?}"),
    }
}

async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn what_tells_of_changes_tells_of_those_of_its_schema() {
    let server = RealmServer::start::<Postgres>(0, CONFIG).await;
    let url = url_of(&server, 0);
    let mut listener = PgListener::connect(&url).await.unwrap();
    listener.listen_all(["whimbrel_acme", "whimbrel_globex", "whimbrel_public", "whimbrel"]).await.unwrap();
    for realm in ["globex", "acme", "globex"] {
        // Past the server, and without saying where.
        run(&url, &format!("SET search_path = {realm}; INSERT INTO place VALUES (gen_random_uuid()::text, 'n')")).await;
        assert_eq!(listener.recv().await.unwrap().channel(), format!("whimbrel_{realm}"));
    }
    for realm in ["acme", "globex"] {
        let token = format!("{realm}-ana");
        let lines = server.api(&token).pull(&["place"], &json!([])).await;
        let rows: usize = lines.iter().map(|line| line["rows"]["data"].as_array().map_or(0, Vec::len)).sum();
        assert_eq!(rows, if realm == "acme" { 1 } else { 2 }, "{lines:?}");
    }
}

#[tokio::test]
async fn a_schema_is_made_and_left_alone_and_the_others_with_it() {
    let folder = TempDir::new().unwrap();
    let url = Postgres::url(folder.path()).await;
    let of = |schema: &str| format!("database = \"{url}\"\nschema = \"{schema}\"");
    let tokens = r#"tokens = [{ token = "a", user = "ana", realm = "acme" }]"#;
    let text = with_realms(CONFIG, tokens, &[("acme", of("Acme_1")), ("globex", of("globex"))]);
    std::fs::write(folder.path().join("server.toml"), text).unwrap();
    let script = said(folder.path(), &["attach", "--dry-run", "--realm", "acme"]);
    assert!(script.starts_with("-- realm acme\n\nCREATE SCHEMA \"Acme_1\";"), "{script}");
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname IN ('Acme_1', 'globex')";
    assert_eq!(Postgres::number(folder.path(), schemas).await, 0);
    said(folder.path(), &["attach"]);
    assert_eq!(Postgres::number(folder.path(), schemas).await, 2);
    let triggers = "SELECT count(*) FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid \
                    JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE t.tgname LIKE 'whimbrel%' AND n.nspname = ";
    let number = async |schema: &str| Postgres::number(folder.path(), &format!("{triggers}'{schema}'")).await;
    assert!(number("Acme_1").await == number("globex").await && number("globex").await > 0);
    assert_eq!(number("public").await, 0, "nothing is where nobody said");
    said(folder.path(), &["detach", "--realm", "acme"]);
    assert_eq!(number("Acme_1").await, 0);
    assert!(number("globex").await > 0);
}

#[tokio::test]
async fn several_servers_hint_at_what_another_one_took_in_the_same_realm() {
    let one = RealmServer::start::<Postgres>(0, CONFIG).await;
    let text = std::fs::read_to_string(one.folder().path().join("server.toml")).unwrap();
    let other = RealmServer::start_with::<Postgres>(one.folder(), &text, whimbrel_server::Hooks::default()).await;
    let (mut acme, mut globex) = (one.api("acme-ana"), one.api("globex-twin"));
    let mut heard = Events::listen(&globex.moved(&other.url)).await;
    acme.accepted("create", "doc", "d", json!({"set": {"title": "t"}})).await;
    globex.accepted("create", "note", "n", json!({"set": {"title": "t"}})).await;
    assert_eq!(heard.next().await.unwrap(), r#"{"buckets":["note/all"]}"#);
    // A client of one is a client of the other.
    let moved = globex.moved(&other.url);
    let change = globex.change("update", "note", "n", json!({"set": {"title": "u"}}));
    assert_eq!(moved.push(std::slice::from_ref(&change)).await[0]["outcome"], "accepted");
    assert_eq!(globex.push(&[change]).await[0]["outcome"], "duplicate");
}

#[tokio::test]
async fn a_database_that_goes_away_takes_no_other_realm_with_it() {
    let server = RealmServer::start::<Postgres>(1, CONFIG).await;
    let (mut acme, globex) = (server.api("acme-ana"), server.api("globex-twin"));
    let gone = url_of(&server, 1);
    let name = cluster::name_of(&gone);
    let admin = url_of(&server, 0);
    let close = format!(
        "ALTER DATABASE {name} ALLOW_CONNECTIONS false; \
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    );
    run(&admin, &close).await;
    let pull = json!({"protocol": 1, "client": globex.client, "schema": 1, "entities": ["note"]});
    let refused = globex.post("/v1/pull", &pull).await;
    assert_eq!((refused.0.as_u16(), code_of(&refused).as_str()), (503, "server/busy"));
    acme.accepted("create", "note", "n", json!({"set": {"title": "t"}})).await;
    run(&admin, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    while globex.post("/v1/pull", &pull).await.0 != 200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// As docs/OPERATIONS.md has it: a schema that is called otherwise, or somewhere else, is the same realm.
#[tokio::test]
async fn a_realm_is_moved_to_another_schema_and_clients_go_on() {
    let server = RealmServer::start::<Postgres>(0, CONFIG).await;
    let url = url_of(&server, 0);
    server.api("acme-ana").accepted("create", "note", "n", json!({"set": {"title": "t"}})).await;
    let mut replica = Replica::default();
    replica.sync(&server.api("acme-ana"), &["note"]).await;
    let folder = server.stop().await;
    run(&url, "ALTER SCHEMA acme RENAME TO elsewhere").await;
    let text = std::fs::read_to_string(folder.path().join("server.toml")).unwrap();
    let text = text.replace("schema = \"acme\"", "schema = \"elsewhere\"");
    let server = RealmServer::start_with::<Postgres>(folder, &text, whimbrel_server::Hooks::default()).await;
    run(&url, "INSERT INTO elsewhere.note (id, title) VALUES ('past', 'the server')").await;
    let lines = server.api("acme-ana").pull(&["note"], &replica.cursors()).await;
    assert!(lines.iter().all(|line| line["resync"].is_null()), "{lines:?}");
    let rows = lines.iter().find(|line| !line["rows"].is_null()).unwrap();
    assert_eq!(rows["rows"]["data"].as_array().unwrap().len(), 1, "only what is new: {rows}");
    server.api("acme-ana").accepted("update", "note", "n", json!({"set": {"title": "u"}})).await;
}

#[tokio::test]
async fn a_copy_is_another_realm_once_it_has_a_history_of_its_own() {
    let server = RealmServer::start::<Postgres>(1, CONFIG).await;
    let (acme, mut config) = (url_of(&server, 0), server.config.clone());
    server.api("acme-ana").accepted("create", "note", "n", json!({"set": {"title": "t"}})).await;
    let mut replica = Replica::default();
    replica.sync(&server.api("acme-ana"), &["note"]).await;
    let folder = server.stop().await;
    let copy = cluster::copy_database(&acme).await;
    let text = std::fs::read_to_string(folder.path().join("server.toml")).unwrap();
    let text = text.replace(&url_in(&config, 1), &copy);
    config.realms[1].place = Place::Postgres { url: copy, schema: None };
    let refused = open_all::<PostgresStorage>(&config, Vec::new()).await.map(|_| ()).unwrap_err();
    assert!(matches!(refused.cause, OpenCause::Realm(RealmError::SameHistory(_))), "{refused}");
    let opened = open_all::<PostgresStorage>(&config, vec!["globex".to_owned()]).await.unwrap();
    opened.close().await.unwrap();
    let server = RealmServer::start_with::<Postgres>(folder, &text, whimbrel_server::Hooks::default()).await;
    // The copy has the key that signed the cursor, and the user has the same name.
    let lines = server.api("globex-twin").pull(&["note"], &replica.cursors()).await;
    assert!(lines.iter().any(|line| !line["resync"].is_null()), "{lines:?}");
    let lines = server.api("acme-ana").pull(&["note"], &replica.cursors()).await;
    assert!(lines.iter().all(|line| line["resync"].is_null()), "{lines:?}");
}
