//! The databases that the suite runs on.

use std::any::Any;
use std::path::Path;

use sqlx::{AssertSqlSafe, Connection};
use whimbrel_server::{AttachError, Config, Database, PostgresStorage, SqliteStorage};

use super::cluster;

/// A kind of database. Which one it is in particular says the folder that the test has for itself.
pub(crate) trait Backend: Send + Sync + 'static {
    type Storage: Database;
    /// A title with all that texts of this database can have.
    const ODD_TITLE: &str;
    /// A trigger that refuses notes with the title `bad`.
    const NO_BAD_NOTES: &str;
    /// A trigger that makes an entry of every new note.
    const AUDIT_NOTES: &str;
    /// A trigger that leaves out the note `n3`, without a word.
    const NO_N3: &str;

    fn open(folder: &Path, config: &Config) -> impl Future<Output = Result<Self::Storage, AttachError>> + Send;

    /// Runs SQL past the server, on a connection of its own.
    fn sql(folder: &Path, sql: &str) -> impl Future<Output = ()> + Send;

    /// The first column of the first row, as a number.
    fn number(folder: &Path, sql: &str) -> impl Future<Output = i64> + Send;

    /// Holds the database for writing until it is dropped.
    fn hold(folder: &Path) -> impl Future<Output = Box<dyn Any>>;

    /// Everything that is defined there, as text.
    fn schema(folder: &Path) -> impl Future<Output = String> + Send;

    /// Takes a backup of a database that nobody has open.
    fn back_up(folder: &Path) -> impl Future<Output = ()> + Send;

    /// Puts the backup in its place.
    fn restore(folder: &Path) -> impl Future<Output = ()> + Send;

    /// Takes a backup of a database that a server has open, as docs/OPERATIONS.md has it.
    fn dump(folder: &Path) -> impl Future<Output = ()> + Send;

    /// Puts that in its place, as docs/OPERATIONS.md has it. Nobody has it open.
    fn put_back(folder: &Path) -> impl Future<Output = ()> + Send;

    /// A configuration that names it.
    fn configured(folder: &Path, config: Config) -> impl Future<Output = Config> + Send;

    /// Lets a program of the server use it.
    fn hand_over(folder: &Path, program: &mut std::process::Command);

    /// In how many ways realms can have places of their own.
    const REALM_KINDS: usize;

    /// Where a realm is, in one of these ways, as a configuration says it.
    fn realm(folder: &Path, kind: usize, name: &str) -> impl Future<Output = String> + Send;

    /// Where a realm is that is away, and comes when it is let.
    fn realm_away(folder: &Path) -> impl Future<Output = String> + Send;

    /// Lets it come.
    fn let_come(folder: &Path) -> impl Future<Output = ()> + Send;
}

pub(crate) struct Sqlite;

impl Backend for Sqlite {
    type Storage = SqliteStorage;
    const ODD_TITLE: &str = "ñ🐦\0\"\\";
    const NO_BAD_NOTES: &str = "CREATE TRIGGER no_bad BEFORE INSERT ON note WHEN NEW.title = 'bad' \
                                BEGIN SELECT RAISE(ABORT, 'bad'); END;";
    const AUDIT_NOTES: &str = "CREATE TRIGGER audit AFTER INSERT ON note \
                               BEGIN INSERT INTO entry VALUES ('log of ' || NEW.id, NEW.title); END";
    const NO_N3: &str = "CREATE TRIGGER some BEFORE INSERT ON note WHEN NEW.id = 'n3' BEGIN SELECT RAISE(IGNORE); END";

    async fn open(_: &Path, config: &Config) -> Result<SqliteStorage, AttachError> {
        SqliteStorage::open(&config.data, &config.entities).await
    }

    async fn sql(folder: &Path, sql: &str) {
        let mut connection = connect(folder).await;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    async fn number(folder: &Path, sql: &str) -> i64 {
        let mut connection = connect(folder).await;
        let number = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        number
    }

    async fn hold(folder: &Path) -> Box<dyn Any> {
        let mut connection = connect(folder).await;
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
        Box::new(connection)
    }

    async fn schema(folder: &Path) -> String {
        let all = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%' ORDER BY name";
        let all: Vec<String> = sqlx::query_scalar(all).fetch_all(&mut connect(folder).await).await.unwrap();
        all.join("\n")
    }

    async fn back_up(folder: &Path) {
        std::fs::copy(folder.join("test.sqlite"), folder.join("backup")).unwrap();
    }

    async fn restore(folder: &Path) {
        std::fs::copy(folder.join("backup"), folder.join("test.sqlite")).unwrap();
    }

    async fn dump(folder: &Path) {
        let copy = folder.join("copy.sqlite").display().to_string();
        Self::sql(folder, &format!("VACUUM INTO '{copy}'")).await;
    }

    async fn put_back(folder: &Path) {
        for old in ["test.sqlite", "test.sqlite-wal", "test.sqlite-shm"] {
            // Where the server stopped cleanly there is only the first.
            _ = std::fs::remove_file(folder.join(old));
        }
        std::fs::copy(folder.join("copy.sqlite"), folder.join("test.sqlite")).unwrap();
    }

    async fn configured(_: &Path, config: Config) -> Config {
        config
    }

    fn hand_over(_: &Path, program: &mut std::process::Command) {
        program.env_remove("DATABASE_URL");
    }

    const REALM_KINDS: usize = 1;

    async fn realm(_: &Path, _: usize, name: &str) -> String {
        format!("data = \"realms/{name}.sqlite\"")
    }

    /// A file is where the folder is to be.
    async fn realm_away(folder: &Path) -> String {
        std::fs::write(folder.join("away"), "").unwrap();
        "data = \"away/late.sqlite\"".to_owned()
    }

    async fn let_come(folder: &Path) {
        std::fs::remove_file(folder.join("away")).unwrap();
    }
}

async fn connect(folder: &Path) -> sqlx::SqliteConnection {
    let file = folder.join("test.sqlite");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).create_if_missing(true);
    sqlx::SqliteConnection::connect_with(&options).await.unwrap()
}

pub(crate) struct Postgres;

impl Postgres {
    /// The address of the folder's database, which is made when it is first asked for.
    pub(crate) async fn url(folder: &Path) -> String {
        let file = folder.join("database.url");
        if let Ok(url) = std::fs::read_to_string(&file) {
            return url;
        }
        let url = cluster::new_database().await;
        std::fs::write(file, &url).unwrap();
        url
    }

    pub(crate) async fn connect(folder: &Path) -> sqlx::PgConnection {
        sqlx::PgConnection::connect(&Self::url(folder).await).await.unwrap()
    }
}

impl Backend for Postgres {
    type Storage = PostgresStorage;
    const ODD_TITLE: &str = "ñ🐦\u{1}\"\\";
    const NO_BAD_NOTES: &str = "CREATE FUNCTION no_bad() RETURNS trigger LANGUAGE plpgsql AS \
                                $$ BEGIN RAISE EXCEPTION 'bad'; END $$; \
                                CREATE TRIGGER no_bad BEFORE INSERT ON note FOR EACH ROW WHEN (NEW.title = 'bad') \
                                EXECUTE FUNCTION no_bad()";
    const AUDIT_NOTES: &str = "CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS \
                               $$ BEGIN INSERT INTO entry VALUES ('log of ' || NEW.id, NEW.title); RETURN NULL; END $$; \
                               CREATE TRIGGER audit AFTER INSERT ON note FOR EACH ROW EXECUTE FUNCTION audit()";
    const NO_N3: &str = "CREATE FUNCTION no_n3() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; \
                         CREATE TRIGGER no_n3 BEFORE INSERT ON note FOR EACH ROW WHEN (NEW.id = 'n3') \
                         EXECUTE FUNCTION no_n3()";

    async fn open(folder: &Path, config: &Config) -> Result<PostgresStorage, AttachError> {
        PostgresStorage::open(&Self::url(folder).await, &config.entities).await
    }

    async fn sql(folder: &Path, sql: &str) {
        let mut connection = Self::connect(folder).await;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    async fn number(folder: &Path, sql: &str) -> i64 {
        let mut connection = Self::connect(folder).await;
        let number = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        number
    }

    async fn hold(folder: &Path) -> Box<dyn Any> {
        let mut connection = Self::connect(folder).await;
        let hold = "BEGIN; UPDATE whimbrel_clock SET began = now()";
        sqlx::raw_sql(hold).execute(&mut connection).await.unwrap();
        Box::new(connection)
    }

    async fn schema(folder: &Path) -> String {
        let url = Self::url(folder).await;
        let dump = cluster::program("pg_dump").args(["--schema-only", "--dbname", &url]).output().unwrap();
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        let dump = String::from_utf8(dump.stdout).unwrap();
        // It has a secret of the moment for psql.
        let lines = dump.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
        lines.collect::<Vec<_>>().join("\n")
    }

    async fn back_up(folder: &Path) {
        let backup = cluster::copy_database(&Self::url(folder).await).await;
        std::fs::write(folder.join("backup"), backup).unwrap();
    }

    /// The server finds the copy at its address from then on.
    async fn restore(folder: &Path) {
        std::fs::copy(folder.join("backup"), folder.join("database.url")).unwrap();
    }

    async fn dump(folder: &Path) {
        let url = Self::url(folder).await;
        let file = std::fs::File::create(folder.join("app.sql")).unwrap();
        assert!(cluster::program("pg_dump").arg(url).stdout(file).status().unwrap().success());
    }

    /// Into another database, which the server finds at its address from then on.
    async fn put_back(folder: &Path) {
        let url = cluster::new_database().await;
        let file = std::fs::File::open(folder.join("app.sql")).unwrap();
        let mut psql = cluster::program("psql");
        let psql = psql.args(["--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]).arg(&url);
        assert!(psql.stdin(file).stdout(std::process::Stdio::null()).status().unwrap().success());
        std::fs::write(folder.join("database.url"), url).unwrap();
    }

    async fn configured(folder: &Path, config: Config) -> Config {
        Config { database: Some(Self::url(folder).await), ..config }
    }

    fn hand_over(folder: &Path, program: &mut std::process::Command) {
        // A program is started by code that waits for nothing.
        let folder = folder.to_owned();
        let making = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(Self::url(&folder))
        });
        program.env("DATABASE_URL", making.join().unwrap());
    }

    /// Schemas of one database; a database for each.
    const REALM_KINDS: usize = 2;

    async fn realm(folder: &Path, kind: usize, name: &str) -> String {
        match kind {
            0 => format!("database = \"{}\"\nschema = \"{name}\"", Self::url(folder).await),
            _ => format!("database = \"{}\"", cluster::new_database().await),
        }
    }

    async fn realm_away(folder: &Path) -> String {
        let url = cluster::new_database().await;
        cluster::remove_database(&url).await;
        std::fs::write(folder.join("away.url"), &url).unwrap();
        format!("database = \"{url}\"")
    }

    async fn let_come(folder: &Path) {
        cluster::make_database(&std::fs::read_to_string(folder.join("away.url")).unwrap()).await;
    }
}
