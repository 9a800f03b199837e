//! Version order is commit order: who asks for what came after a version never misses a row, whoever wrote it and however long that took.
//!
//! A hundred writers, some of them psql and some the API, sleep in the middle of their transactions; readers poll meanwhile. The same with numbers of
//! a sequence, which are given before the commit, must miss rows: otherwise the test would show nothing.

use std::collections::HashSet;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::{Here, Server};
use crate::support::{Api, cluster, effort};

const WRITERS: usize = 100;
/// Of ten writers one is psql, and one uses the API where there is one.
const TENTH: usize = 10;
const READERS: usize = 3;
const ROWS_PER_TRANSACTION: usize = 20;
/// The same where there are many, so that it is rows that are waited for and not sleeps.
const ROWS_PER_TRANSACTION_OF_MANY: usize = 200;
const MANY: usize = 500_000;
/// How often a reader asks.
const POLL: Duration = Duration::from_millis(2);

/// What a writer does: transactions that insert rows into a table, and sleep.
fn transactions(table: &str, writer: usize, count: usize, rows: usize) -> Vec<String> {
    let half = rows / 2;
    let insert = |transaction: usize, from: usize| {
        let to = from + half - 1;
        format!(
            "INSERT INTO {table} (id, text) SELECT '{writer}-{transaction}-' || n, 't' FROM generate_series({from}, {to}) AS n"
        )
    };
    let transaction = |number: usize| {
        let (first, second) = (insert(number, 0), insert(number, half));
        format!(
            "BEGIN; SELECT pg_sleep(random() * 0.02); {first}; SELECT pg_sleep(random() * 0.01); {second}; \
             SELECT pg_sleep(random() * 0.003); COMMIT;"
        )
    };
    (0..count).map(transaction).collect()
}

async fn write_by_connection(url: String, transactions: Vec<String>) {
    let mut connection = PgConnection::connect(&url).await.unwrap();
    for transaction in transactions {
        sqlx::raw_sql(AssertSqlSafe(transaction)).execute(&mut connection).await.unwrap();
    }
}

fn write_by_psql(url: &str, transactions: &[String]) {
    let mut psql = cluster::program("psql");
    psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", "--dbname", url]);
    let mut psql = psql.stdin(Stdio::piped()).spawn().unwrap();
    psql.stdin.take().unwrap().write_all(transactions.join("\n").as_bytes()).unwrap();
    assert!(psql.wait().unwrap().success());
}

async fn write_by_api(mut api: Api, writer: usize, transactions: usize, rows: usize) {
    for transaction in 0..transactions {
        let change = |row: usize| {
            let id = format!("{writer}-{transaction}-{row}");
            api.change("create", "entry", &id, json!({"set": {"text": "t"}}))
        };
        let changes: Vec<Value> = (0..rows).map(change).collect();
        // With so many others it may have to wait for too long, and is told to come again.
        while api.push_raw(&api.request(&changes, 0)).await.0 != 200 {}
    }
}

/// The ids that a reader was given.
#[derive(Default)]
struct Seen {
    ids: HashSet<String>,
    twice: usize,
}

impl Seen {
    fn add(&mut self, id: &str) {
        self.twice += usize::from(!self.ids.insert(id.to_owned()));
    }
}

/// A reader that says which rows are new since it asked before.
trait Reader: Send + 'static {
    fn poll(&mut self, seen: &mut Seen) -> impl Future<Output = ()> + Send;
}

struct ByCursor {
    api: Api,
    cursors: Value,
}

impl Reader for ByCursor {
    async fn poll(&mut self, seen: &mut Seen) {
        for line in self.api.pull(&["entry"], &self.cursors).await {
            for row in line["rows"]["data"].as_array().into_iter().flatten() {
                seen.add(row[0].as_str().unwrap());
            }
            if let Some(cursor) = line["cursor"]["cursor"].as_str() {
                self.cursors = json!([{ "bucket": "entry/all", "cursor": cursor }]);
            }
        }
    }
}

struct BySequence {
    connection: PgConnection,
    after: i64,
}

impl Reader for BySequence {
    async fn poll(&mut self, seen: &mut Seen) {
        let sql = "SELECT version, id FROM plain WHERE version > $1 ORDER BY version";
        for row in sqlx::query(sql).bind(self.after).fetch_all(&mut self.connection).await.unwrap() {
            self.after = row.get(0);
            seen.add(row.get(1));
        }
    }
}

/// Reads until the writers are done, and once more.
async fn read<R: Reader>(mut reader: R, is_over: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    loop {
        let is_last = is_over.load(Ordering::SeqCst);
        reader.poll(&mut seen).await;
        if is_last {
            return seen;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Lets everybody write and read; what was written, and what each reader saw.
async fn race<R: Reader>(server: &Server, table: &'static str, readers: Vec<R>, has_api: bool) -> (usize, Vec<Seen>) {
    let url = Here::url(server.folder().path()).await;
    let all = effort("WHIMBREL_ROWS", 4_000);
    let rows = if all < MANY { ROWS_PER_TRANSACTION } else { ROWS_PER_TRANSACTION_OF_MANY };
    let each = all / WRITERS / rows;
    let is_over = Arc::new(AtomicBool::new(false));
    let reading: Vec<_> = readers.into_iter().map(|reader| tokio::spawn(read(reader, Arc::clone(&is_over)))).collect();
    let mut writing = Vec::new();
    for writer in 0..WRITERS {
        let (url, transactions) = (url.clone(), transactions(table, writer, each, rows));
        writing.push(match writer % TENTH {
            0 => tokio::task::spawn_blocking(move || write_by_psql(&url, &transactions)),
            1 if has_api => tokio::spawn(write_by_api(server.ana(), writer, each, rows)),
            _ => tokio::spawn(write_by_connection(url, transactions)),
        });
    }
    for writer in writing {
        writer.await.unwrap();
    }
    is_over.store(true, Ordering::SeqCst);
    let mut seen = Vec::new();
    for reader in reading {
        seen.push(reader.await.unwrap());
    }
    (each * WRITERS * rows, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_reader_misses_a_row_or_gets_it_twice() {
    let server = Server::start().await;
    let reader = |_| ByCursor { api: server.ana(), cursors: json!([]) };
    let (written, seen) = race(&server, "entry", (0..READERS).map(reader).collect(), true).await;
    println!("{written} rows written by {WRITERS} writers");
    assert_eq!(server.number("SELECT count(*) FROM entry").await, i64::try_from(written).unwrap());
    for Seen { ids, twice } in seen {
        assert_eq!((ids.len(), twice), (written, 0), "seen, seen twice");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_numbers_of_a_sequence_readers_do_miss_rows() {
    let server = Server::start().await;
    server.sql("CREATE TABLE plain (version bigserial, id text PRIMARY KEY, text text)").await;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(BySequence { connection: Here::connect(server.folder().path()).await, after: 0 });
    }
    let (written, seen) = race(&server, "plain", readers, false).await;
    assert_eq!(server.number("SELECT count(*) FROM plain").await, i64::try_from(written).unwrap());
    let missed: Vec<usize> = seen.iter().map(|seen| written - seen.ids.len()).collect();
    println!("{written} rows written, missed by each reader: {missed:?}");
    assert!(missed.iter().any(|missed| *missed > 0), "the test would not see a gap");
}
