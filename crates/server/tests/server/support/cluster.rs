//! A throw-away PostgreSQL for the tests: `TEST_DATABASE_URL`, or a cluster in a temporary folder.
//!
//! Each test is a process, and making a cluster takes a second. So the first one that needs it starts it for all; a watchman beside it stops it and
//! removes it when nobody holds the lock `users` any more.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection};

/// What a cluster is started with when nothing needs to survive.
const FAST: &str = "-c fsync=off -c full_page_writes=off";

/// What it is started with to be killed: a commit is on disk.
const DURABLE: &str = "-c fsync=on";

/// A server on which databases can be made; its address with `{}` for the database's name.
fn server() -> &'static str {
    static SERVER: OnceLock<(String, Option<File>)> = OnceLock::new();
    &SERVER
        .get_or_init(|| match std::env::var("TEST_DATABASE_URL") {
            Ok(url) => {
                let (address, options) = url
                    .split_once('?')
                    .map_or((url.as_str(), String::new()), |(address, options)| (address, format!("?{options}")));
                let (server, _) = address.rsplit_once('/').expect("TEST_DATABASE_URL names a database");
                (format!("{server}/{{}}{options}"), None)
            }
            Err(_) => shared(),
        })
        .0
}

/// The cluster of all tests that are compiled into this folder.
fn shared() -> (String, Option<File>) {
    let id =
        uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, env!("CARGO_TARGET_TMPDIR").as_bytes()).simple().to_string();
    let root = std::env::temp_dir().join(format!("whimbrel-postgres-{}", &id[..8]));
    fs::create_dir_all(&root).unwrap();
    let users = File::create(root.join("users")).unwrap();
    users.lock_shared().unwrap();
    let starting = File::create(root.join("starting")).unwrap();
    starting.lock().unwrap();
    let cluster = Cluster { root };
    if UnixStream::connect(cluster.root.join(".s.PGSQL.5432")).is_err() {
        cluster.make();
        cluster.start(FAST);
        cluster.watch();
    }
    (cluster.url("{}"), Some(users))
}

/// An empty database of its own.
pub(crate) async fn new_database() -> String {
    create("template1").await
}

/// A copy of a database that nobody has open.
pub(crate) async fn copy_database(url: &str) -> String {
    create(name_of(url)).await
}

/// Removes a database that nobody has open.
pub(crate) async fn remove_database(url: &str) {
    for_all(&format!("DROP DATABASE {}", name_of(url))).await;
}

/// Makes one that was removed again.
pub(crate) async fn make_database(url: &str) {
    for_all(&format!("CREATE DATABASE {}", name_of(url))).await;
}

/// The name of a database in its address.
pub(crate) fn name_of(url: &str) -> &str {
    let address = url.split_once('?').map_or(url, |(address, _)| address);
    address.rsplit_once('/').unwrap().1
}

async fn for_all(sql: &str) {
    let mut connection = sqlx::PgConnection::connect(&server().replace("{}", "postgres")).await.unwrap();
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
}

async fn create(template: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("whimbrel_t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut connection = sqlx::PgConnection::connect(&server().replace("{}", "postgres")).await.unwrap();
    drop_old(&mut connection).await;
    let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
    sqlx::query(AssertSqlSafe(create)).execute(&mut connection).await.unwrap();
    server().replace("{}", &name)
}

/// Drops everything in a database.
pub(crate) async fn empty_database(url: &str) {
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Drops what tests that are over have left behind.
async fn drop_old(connection: &mut sqlx::PgConnection) {
    let all = "SELECT datname::text FROM pg_database WHERE datname LIKE 'whimbrel\\_t%' LIMIT 20";
    let all: Vec<String> = sqlx::query_scalar(all).fetch_all(&mut *connection).await.unwrap();
    for name in all {
        let of = name.trim_start_matches("whimbrel_t").split('_').next().unwrap();
        if !Path::new("/proc").join(of).exists() {
            // Somebody else may do the same at the same time.
            _ = sqlx::query(AssertSqlSafe(format!("DROP DATABASE {name} (FORCE)"))).execute(&mut *connection).await;
        }
    }
}

/// A cluster in a folder.
pub(crate) struct Cluster {
    pub(crate) root: PathBuf,
}

impl Cluster {
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.root.display())
    }

    fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    pub(crate) fn make(&self) {
        _ = fs::remove_dir_all(self.data());
        fs::set_permissions(&self.root, fs::Permissions::from_mode(0o755)).unwrap();
        if let Some((uid, gid)) = unprivileged() {
            chown(&self.root, Some(uid), Some(gid)).unwrap();
        }
        let mut initdb = program("initdb");
        initdb.arg("--pgdata").arg(self.data()).args(["--no-sync", "--auth=trust", "--username=postgres"]);
        assert!(run(initdb.args(["--encoding=UTF8", "--locale=C.UTF-8"])), "initdb failed");
    }

    pub(crate) fn start(&self, options: &str) {
        let root = self.root.display();
        let options = format!(
            "{options} -c listen_addresses='' -c unix_socket_directories='{root}' -c max_connections=300 \
             -c shared_buffers=64MB"
        );
        let mut start = program("pg_ctl");
        start.arg("start").arg("--pgdata").arg(self.data()).args(["--wait", "--silent", "--options", &options]);
        let log = self.data().join("log");
        if !run(start.arg("--log").arg(&log)) {
            panic!("{}", fs::read_to_string(log).unwrap_or_default());
        }
    }

    /// A cluster whose commits are on disk, for one test.
    pub(crate) fn durable() -> Self {
        let folder = tempfile::Builder::new().prefix("whimbrel-postgres-").tempdir().unwrap();
        let cluster = Self { root: folder.keep() };
        cluster.make();
        cluster.start(DURABLE);
        cluster
    }

    /// Kills all its processes at once, and starts it again.
    pub(crate) fn crash(&self) {
        let first = self.pid();
        let all = std::iter::once(first).chain(children(first));
        let all: Vec<String> = all.map(|pid| pid.to_string()).collect();
        // Some may have ended in between.
        _ = Command::new("kill").arg("-KILL").args(&all).stderr(Stdio::null()).status();
        for pid in &all {
            while Path::new("/proc").join(pid).exists() && !is_zombie(pid) {
                std::thread::yield_now();
            }
        }
        // Where nobody buries the dead, these would say that it still runs.
        _ = fs::remove_file(self.data().join("postmaster.pid"));
        _ = fs::remove_file(self.root.join(".s.PGSQL.5432.lock"));
        self.start(DURABLE);
    }

    /// Stops it and removes it.
    pub(crate) fn remove(self) {
        let mut stop = program("pg_ctl");
        assert!(run(stop.arg("stop").arg("--pgdata").arg(self.data()).args(["--mode", "immediate", "--silent"])));
        fs::remove_dir_all(&self.root).unwrap();
    }

    /// The first process of the server.
    fn pid(&self) -> u32 {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        file.lines().next().unwrap().parse().unwrap()
    }

    /// Leaves somebody behind who stops the server when nobody needs it any more.
    fn watch(&self) {
        let root = self.root.display();
        let end = format!("kill -QUIT $(head -n 1 {root}/data/postmaster.pid); sleep 1; rm -rf {root}/data");
        let script = format!("sleep 20; until flock --exclusive --nonblock {root}/users -c '{end}'; do sleep 5; done");
        let mut watch = Command::new("setsid");
        watch.args(["--fork", "sh", "-c", &script]).current_dir("/");
        watch.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(watch.status().expect("setsid is there").success());
    }
}

fn children(of: u32) -> Vec<u32> {
    let parent_of = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
        line.trim().parse::<u32>().ok()
    };
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(|pid| parent_of(*pid) == Some(of)).collect()
}

fn is_zombie(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && line.contains('Z'))
}

/// The user that PostgreSQL runs as when the tests run as root, which it refuses.
fn unprivileged() -> Option<(u32, u32)> {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let is_root = status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"));
    if !is_root {
        return None;
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let find = |name: &str| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2).map(|number| number.parse().unwrap());
        Some((numbers.next()?, numbers.next()?))
    };
    Some(find("postgres").or_else(|| find("nobody")).expect("a user that is not root"))
}

/// A program of PostgreSQL: on the path, or where Debian puts it.
pub(crate) fn program(name: &str) -> Command {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&on_path).collect();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.map(|version| version.unwrap().path().join("bin")));
    }
    let found = folders.iter().map(|folder| folder.join(name)).find(|program| program.is_file());
    let found = found.unwrap_or_else(|| panic!("no {name}: install postgresql-15, or set TEST_DATABASE_URL"));
    let mut command = Command::new(found);
    command.current_dir("/");
    if let Some((uid, gid)) = unprivileged() {
        command.uid(uid).gid(gid);
    }
    command
}

/// Without pipes: what the program leaves running would keep them open.
fn run(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap().success()
}
