//! A push transaction over SQLite: `BEGIN IMMEDIATE`, so nobody else writes until it ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::error::ErrorKind;
use sqlx::{AssertSqlSafe, Row as _, Sqlite, Transaction};
use whimbrel_protocol::Version;

use super::defaults::Defaults;
use super::tables::select_list;
use super::values::{SqliteQuery, bind, read};
use super::{bulk, seed};
use crate::model::{Entity, Row};
use crate::sql::{from_sql, outcome_from_sql, to_sql};
use crate::storage::{Client, Constraint, Decided, PushTransaction, Record, StorageResult, Write, Written};

/// The newest version of a record, also when its removal is not in the log any more.
const NEWEST_VERSION: &str = "(SELECT max(version) FROM (\
     SELECT version FROM whimbrel_log WHERE entity = ?1 AND id = ?2 \
     UNION ALL SELECT version FROM whimbrel_deleted WHERE entity = ?1 AND id = ?2))";

/// A push being applied. Dropped without a commit, it is rolled back.
#[derive(Debug)]
pub struct SqlitePush {
    transaction: Transaction<'static, Sqlite>,
    defaults: Arc<Defaults>,
}

impl SqlitePush {
    pub(super) const fn new(transaction: Transaction<'static, Sqlite>, defaults: Arc<Defaults>) -> Self {
        Self { transaction, defaults }
    }

    async fn execute(&mut self, query: SqliteQuery<'_>) -> StorageResult<()> {
        query.execute(&mut *self.transaction).await?;
        Ok(())
    }

    /// The newest version of a record, its tombstone included.
    async fn version_of(&mut self, entity: &Entity, id: &str) -> StorageResult<Version> {
        let sql = format!("SELECT {NEWEST_VERSION}");
        let query = sqlx::query(AssertSqlSafe(sql));
        let row = query.bind(&entity.name).bind(id).fetch_one(&mut *self.transaction).await?;
        Ok(from_sql(row.try_get::<Option<i64>, _>(0)?.unwrap_or(0)))
    }
}

impl PushTransaction for SqlitePush {
    async fn client(&mut self, client: &str) -> StorageResult<Option<Client>> {
        let query = sqlx::query("SELECT user, last_seq, ack FROM whimbrel_client WHERE client = ?").bind(client);
        let Some(row) = query.fetch_optional(&mut *self.transaction).await? else { return Ok(None) };
        Ok(Some(Client { user: row.try_get(0)?, last_seq: from_sql(row.try_get(1)?), ack: from_sql(row.try_get(2)?) }))
    }

    async fn decided(&mut self, client: &str, from: u64) -> StorageResult<Vec<Decided>> {
        let query = "SELECT seq, change, outcome FROM whimbrel_outcome WHERE client = ? AND seq >= ? ORDER BY seq";
        let rows = sqlx::query(query).bind(client).bind(to_sql(from)).fetch_all(&mut *self.transaction).await?;
        let decided = rows.iter().map(|row| {
            let outcome = outcome_from_sql(row.try_get(2)?)?;
            Ok(Decided { seq: from_sql(row.try_get(0)?), change: row.try_get(1)?, outcome })
        });
        decided.collect()
    }

    async fn own_version(&mut self, client: &str, entity: &Entity, id: &str) -> StorageResult<Option<Version>> {
        let query = "SELECT max(version) FROM whimbrel_outcome WHERE client = ? AND entity = ? AND id = ?";
        let query = sqlx::query(query).bind(client).bind(&entity.name).bind(id);
        let row = query.fetch_one(&mut *self.transaction).await?;
        Ok(row.try_get::<Option<i64>, _>(0)?.map(from_sql))
    }

    async fn record(&mut self, entity: &Entity, id: &str) -> StorageResult<Record> {
        let sql = format!(
            "SELECT {NEWEST_VERSION}, t.\"id\" IS NOT NULL{} \
             FROM (SELECT ?2 AS wanted) LEFT JOIN \"{}\" AS t ON t.\"id\" = wanted",
            select_list(entity),
            entity.table
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(&entity.name).bind(id);
        let result = query.fetch_one(&mut *self.transaction).await?;
        let version: Option<i64> = result.try_get(0)?;
        let live: bool = result.try_get_unchecked(1)?;
        Ok(match (live, version.map(from_sql)) {
            (true, version) => Record::Live { version: version.unwrap_or(0), row: read(entity, &result, 2)? },
            (false, Some(version)) => Record::Deleted { version },
            (false, None) => Record::Unknown,
        })
    }

    async fn write(&mut self, entity: &Entity, id: &str, write: Write<'_>) -> StorageResult<Written> {
        let sql = match write {
            Write::Update { fields: [], .. } => return Ok(Written::Done(self.version_of(entity, id).await?)),
            Write::Insert(_) => insert_sql(entity, &self.defaults.values(entity)),
            Write::Update { fields, .. } => update_sql(entity, fields),
            Write::Delete => format!("DELETE FROM \"{}\" WHERE \"id\" = ?", entity.table),
        };
        let query = sqlx::query(AssertSqlSafe(sql));
        let query = match write {
            Write::Insert(row) => bind_all(query.bind(id), row, 0..row.len()),
            Write::Update { row, fields } => bind_all(query, row, fields.iter().copied()).bind(id),
            Write::Delete => query.bind(id),
        };
        let done = query.execute(&mut *self.transaction).await;
        if matches!(write, Write::Delete) && entity.keeps_times() {
            let forget = sqlx::query("DELETE FROM whimbrel_time WHERE entity = ? AND id = ?");
            self.execute(forget.bind(&entity.name).bind(id)).await?;
        }
        match done {
            Ok(_) => Ok(Written::Done(self.version_of(entity, id).await?)),
            Err(error) => refused(entity, &error).ok_or_else(|| error.into()),
        }
    }

    async fn insert_new(&mut self, entity: &Entity, rows: &[(String, Row)]) -> StorageResult<Option<Version>> {
        if bulk::is_any_known(&mut self.transaction, entity, rows).await? {
            return Ok(None);
        }
        let before = bulk::clock(&mut self.transaction).await?;
        self.mark().await?;
        let all = rows.len() as u64;
        match seed::insert(&mut self.transaction, &self.defaults, entity, rows).await {
            Ok(inserted) => {
                let last = bulk::clock(&mut self.transaction).await?;
                if inserted == all && last == before + all {
                    self.keep().await?;
                    return Ok(Some(last));
                }
            }
            Err(error) if refused(entity, &error).is_some() => {}
            Err(error) => return Err(error.into()),
        }
        self.roll_back().await?;
        Ok(None)
    }

    async fn times(&mut self, entity: &Entity, id: &str) -> StorageResult<BTreeMap<usize, i64>> {
        let query = sqlx::query("SELECT field, at FROM whimbrel_time WHERE entity = ? AND id = ?");
        let rows = query.bind(&entity.name).bind(id).fetch_all(&mut *self.transaction).await?;
        let mut times = BTreeMap::new();
        for row in &rows {
            if let Some(position) = entity.position(row.try_get(0)?) {
                times.insert(position, row.try_get(1)?);
            }
        }
        Ok(times)
    }

    async fn note_times(&mut self, entity: &Entity, id: &str, fields: &[usize], at: i64) -> StorageResult<()> {
        for field in fields.iter().filter_map(|position| entity.fields.get(*position)) {
            let sql = "INSERT OR REPLACE INTO whimbrel_time (entity, id, field, at) VALUES (?, ?, ?, ?)";
            self.execute(sqlx::query(sql).bind(&entity.name).bind(id).bind(&field.name).bind(at)).await?;
        }
        Ok(())
    }

    async fn mark(&mut self) -> StorageResult<()> {
        self.execute(sqlx::query("SAVEPOINT change")).await
    }

    async fn keep(&mut self) -> StorageResult<()> {
        self.execute(sqlx::query("RELEASE change")).await
    }

    async fn roll_back(&mut self) -> StorageResult<()> {
        self.execute(sqlx::query("ROLLBACK TO change")).await?;
        self.keep().await
    }

    async fn remember(&mut self, client: &str, decided: &Decided, record: (&str, &str)) -> StorageResult<()> {
        bulk::remember(&mut self.transaction, client, &[(decided.clone(), record)]).await
    }

    async fn remember_all(&mut self, client: &str, decided: &[(Decided, (&str, &str))]) -> StorageResult<()> {
        bulk::remember(&mut self.transaction, client, decided).await
    }

    async fn save_client(&mut self, id: &str, client: &Client) -> StorageResult<()> {
        let upsert = "INSERT INTO whimbrel_client (client, user, last_seq, ack) VALUES (?, ?, ?, ?) \
                      ON CONFLICT (client) DO UPDATE SET last_seq = excluded.last_seq, ack = excluded.ack";
        let upsert = sqlx::query(upsert).bind(id).bind(&client.user);
        self.execute(upsert.bind(to_sql(client.last_seq)).bind(to_sql(client.ack))).await?;
        let forget = sqlx::query("DELETE FROM whimbrel_outcome WHERE client = ? AND seq <= ?");
        self.execute(forget.bind(id).bind(to_sql(client.ack))).await
    }

    async fn commit(self) -> StorageResult<()> {
        Ok(self.transaction.commit().await?)
    }
}

fn insert_sql(entity: &Entity, values: &str) -> String {
    let columns: String = entity.fields.iter().map(|field| format!(", \"{}\"", field.column)).collect();
    format!("INSERT INTO \"{}\" (\"id\"{columns}) VALUES {values}", entity.table)
}

fn update_sql(entity: &Entity, fields: &[usize]) -> String {
    let columns = fields.iter().filter_map(|position| entity.fields.get(*position));
    let sets: Vec<String> = columns.map(|field| format!("\"{}\" = ?", field.column)).collect();
    format!("UPDATE \"{}\" SET {} WHERE \"id\" = ?", entity.table, sets.join(", "))
}

fn bind_all<'q>(query: SqliteQuery<'q>, row: &Row, fields: impl Iterator<Item = usize>) -> SqliteQuery<'q> {
    fields.filter_map(|position| row.get(position)).fold(query, bind)
}

/// SQLite's primary result codes for a refusal by the data: `SQLITE_CONSTRAINT` (triggers of the app's own included)
/// and `SQLITE_MISMATCH`.
const REFUSALS: [i32; 2] = [19, 20];

fn refused(entity: &Entity, error: &sqlx::Error) -> Option<Written> {
    let error = error.as_database_error()?;
    let constraint = match error.kind() {
        ErrorKind::UniqueViolation => Constraint::Unique,
        ErrorKind::ForeignKeyViolation => Constraint::ForeignKey,
        ErrorKind::NotNullViolation | ErrorKind::CheckViolation => Constraint::Check,
        _ => {
            let code: i32 = error.code()?.parse().ok()?;
            REFUSALS.contains(&(code & 0xff)).then_some(Constraint::Check)?
        }
    };
    Some(Written::Refused { constraint, fields: fields_of(entity, error.message()) })
}

/// `UNIQUE constraint failed: note.title, note.count`: the fields of the columns that SQLite names.
fn fields_of(entity: &Entity, message: &str) -> Vec<usize> {
    let Some((_, named)) = message.split_once("constraint failed: ") else { return Vec::new() };
    let columns = named.split(", ").filter_map(|column| Some(column.split_once('.')?.1));
    columns.filter_map(|column| entity.position_of_column(column)).collect()
}
