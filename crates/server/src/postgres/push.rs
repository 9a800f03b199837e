//! A push transaction over PostgreSQL. It takes the clock first, so nobody else writes until it ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::postgres::{PgPool, Postgres};
use sqlx::{AssertSqlSafe, Row as _, Transaction};
use whimbrel_protocol::Version;

use super::bulk;
use super::catalog::Shapes;
use super::refusal::refused;
use super::seed::{self, insert_sql};
use super::triggers::{PLANS, TAKE_CLOCK};
use super::values::{PgQuery, bind, read};
use crate::model::{Entity, Row, Value};
use crate::sql::{from_sql, outcome_from_sql, to_sql};
use crate::storage::{
    Client, Constraint, Decided, PushTransaction, Record, StorageError, StorageResult, Write, Written,
};

/// The newest version of a record, also when its removal is not in the log any more.
const NEWEST_VERSION: &str = "(SELECT max(version) FROM (\
     SELECT version FROM whimbrel_log WHERE entity = $1 AND id = $2 \
     UNION ALL SELECT version FROM whimbrel_deleted WHERE entity = $1 AND id = $2) AS every)";

/// A push being applied. Dropped without a commit, it is rolled back.
#[derive(Debug)]
pub struct PostgresPush {
    transaction: Transaction<'static, Postgres>,
    shapes: Arc<Shapes>,
    /// A statement failed since the mark. PostgreSQL would answer a commit by rolling back, and not call that an error.
    is_spoilt: bool,
}

impl PostgresPush {
    pub(super) async fn begin(writers: &PgPool, shapes: Arc<Shapes>) -> StorageResult<Self> {
        let mut transaction = writers.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        // A constraint that is looked at when the transaction ends could not be blamed on one change.
        let first = format!("SET CONSTRAINTS ALL IMMEDIATE; {PLANS}; {TAKE_CLOCK}");
        sqlx::raw_sql(AssertSqlSafe(first)).execute(&mut *transaction).await?;
        Ok(Self { transaction, shapes, is_spoilt: false })
    }

    async fn execute(&mut self, query: PgQuery<'_>) -> StorageResult<()> {
        query.execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn run(&mut self, sql: &'static str) -> StorageResult<()> {
        sqlx::raw_sql(sql).execute(&mut *self.transaction).await?;
        Ok(())
    }

    /// The newest version of a record, its tombstone included.
    async fn version_of(&mut self, entity: &Entity, id: &str) -> StorageResult<Version> {
        let sql = format!("SELECT {NEWEST_VERSION}");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(&entity.name).bind(id);
        let row = query.fetch_one(&mut *self.transaction).await?;
        Ok(from_sql(row.try_get::<Option<i64>, _>(0)?.unwrap_or(0)))
    }
}

impl PushTransaction for PostgresPush {
    async fn client(&mut self, client: &str) -> StorageResult<Option<Client>> {
        let query = sqlx::query("SELECT owner, last_seq, ack FROM whimbrel_client WHERE client = $1").bind(client);
        let Some(row) = query.fetch_optional(&mut *self.transaction).await? else { return Ok(None) };
        Ok(Some(Client { user: row.try_get(0)?, last_seq: from_sql(row.try_get(1)?), ack: from_sql(row.try_get(2)?) }))
    }

    async fn decided(&mut self, client: &str, from: u64) -> StorageResult<Vec<Decided>> {
        let query = "SELECT seq, change, outcome FROM whimbrel_outcome WHERE client = $1 AND seq >= $2 ORDER BY seq";
        let rows = sqlx::query(query).bind(client).bind(to_sql(from)).fetch_all(&mut *self.transaction).await?;
        let decided = rows.iter().map(|row| {
            let outcome = outcome_from_sql(row.try_get(2)?)?;
            Ok(Decided { seq: from_sql(row.try_get(0)?), change: row.try_get(1)?, outcome })
        });
        decided.collect()
    }

    async fn own_version(&mut self, client: &str, entity: &Entity, id: &str) -> StorageResult<Option<Version>> {
        let query = "SELECT max(version) FROM whimbrel_outcome WHERE client = $1 AND entity = $2 AND id = $3";
        let query = sqlx::query(query).bind(client).bind(&entity.name).bind(id);
        let row = query.fetch_one(&mut *self.transaction).await?;
        Ok(row.try_get::<Option<i64>, _>(0)?.map(from_sql))
    }

    async fn record(&mut self, entity: &Entity, id: &str) -> StorageResult<Record> {
        let shapes = Arc::clone(&self.shapes);
        let shape = shapes.of(entity)?;
        if !shape.is_id(id) {
            return Ok(Record::Unknown);
        }
        let sql = format!(
            "SELECT {NEWEST_VERSION}, t.\"id\" IS NOT NULL{} \
             FROM (SELECT 1) AS one LEFT JOIN \"{}\" AS t ON t.\"id\" = {}",
            shape.select_list(entity),
            entity.table,
            shape.id_of("$2::text")
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(&entity.name).bind(id);
        let result = query.fetch_one(&mut *self.transaction).await?;
        let version: Option<i64> = result.try_get(0)?;
        let live: bool = result.try_get(1)?;
        Ok(match (live, version.map(from_sql)) {
            (true, version) => Record::Live { version: version.unwrap_or(0), row: read(entity, &result, 2)? },
            (false, Some(version)) => Record::Deleted { version },
            (false, None) => Record::Unknown,
        })
    }

    async fn write(&mut self, entity: &Entity, id: &str, write: Write<'_>) -> StorageResult<Written> {
        let shapes = Arc::clone(&self.shapes);
        let shape = shapes.of(entity)?;
        if !shape.is_id(id) {
            return Ok(Written::Refused { constraint: Constraint::Check, fields: Vec::new() });
        }
        let zeroes = with_zeroes(write);
        if !zeroes.is_empty() {
            return Ok(Written::Refused { constraint: Constraint::Check, fields: zeroes });
        }
        let (table, where_id) = (&entity.table, shape.id_of("$1::text"));
        let (sql, fields): (_, Vec<usize>) = match write {
            Write::Update { fields: [], .. } => return Ok(Written::Done(self.version_of(entity, id).await?)),
            Write::Insert(row) => (insert_sql(entity, &shape.values(entity, 1)), (0..row.len()).collect()),
            Write::Update { fields, .. } => {
                let sets = shape.sets(entity, fields, 2);
                (format!("UPDATE \"{table}\" SET {sets} WHERE \"id\" = {where_id}"), fields.to_vec())
            }
            Write::Delete => (format!("DELETE FROM \"{table}\" WHERE \"id\" = {where_id}"), Vec::new()),
        };
        let query = sqlx::query(AssertSqlSafe(sql)).bind(id);
        let query = match write {
            Write::Insert(row) | Write::Update { row, .. } => bind_all(query, entity, row, &fields),
            Write::Delete => query,
        };
        if let Err(error) = query.execute(&mut *self.transaction).await {
            self.is_spoilt = true;
            return refused(entity, shape, &fields, &error).ok_or_else(|| error.into());
        }
        if matches!(write, Write::Delete) && entity.keeps_times() {
            let forget = sqlx::query("DELETE FROM whimbrel_time WHERE entity = $1 AND id = $2");
            self.execute(forget.bind(&entity.name).bind(id)).await?;
        }
        Ok(Written::Done(self.version_of(entity, id).await?))
    }

    async fn insert_new(&mut self, entity: &Entity, rows: &[(String, Row)]) -> StorageResult<Option<Version>> {
        let shapes = Arc::clone(&self.shapes);
        let shape = shapes.of(entity)?;
        if rows.iter().any(|(id, row)| !shape.is_id(id) || !with_zeroes(Write::Insert(row)).is_empty()) {
            return Ok(None);
        }
        let Some(before) = bulk::clock_if_new(&mut self.transaction, entity, rows).await? else { return Ok(None) };
        self.mark().await?;
        match seed::insert(&mut self.transaction, entity, shape, rows).await {
            Ok(_) => {
                if bulk::came_in_order(&mut self.transaction, rows, before).await? {
                    self.keep().await?;
                    return Ok(Some(before + rows.len() as u64));
                }
            }
            Err(error) if refused(entity, shape, &[], &error).is_some() => {}
            Err(error) => return Err(error.into()),
        }
        self.roll_back().await?;
        Ok(None)
    }

    async fn times(&mut self, entity: &Entity, id: &str) -> StorageResult<BTreeMap<usize, i64>> {
        let query = sqlx::query("SELECT field, at FROM whimbrel_time WHERE entity = $1 AND id = $2");
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
            let sql = "INSERT INTO whimbrel_time (entity, id, field, at) VALUES ($1, $2, $3, $4) \
                       ON CONFLICT (entity, id, field) DO UPDATE SET at = excluded.at";
            self.execute(sqlx::query(sql).bind(&entity.name).bind(id).bind(&field.name).bind(at)).await?;
        }
        Ok(())
    }

    async fn mark(&mut self) -> StorageResult<()> {
        self.run("SAVEPOINT change").await
    }

    async fn keep(&mut self) -> StorageResult<()> {
        self.run("RELEASE SAVEPOINT change").await
    }

    async fn roll_back(&mut self) -> StorageResult<()> {
        self.run("ROLLBACK TO SAVEPOINT change; RELEASE SAVEPOINT change").await?;
        self.is_spoilt = false;
        Ok(())
    }

    async fn remember(&mut self, client: &str, decided: &Decided, record: (&str, &str)) -> StorageResult<()> {
        self.remember_all(client, &[(decided.clone(), record)]).await
    }

    async fn remember_all(&mut self, client: &str, decided: &[(Decided, (&str, &str))]) -> StorageResult<()> {
        bulk::remember(&mut self.transaction, client, decided).await
    }

    async fn save_client(&mut self, id: &str, client: &Client) -> StorageResult<()> {
        let upsert = "INSERT INTO whimbrel_client (client, owner, last_seq, ack) VALUES ($1, $2, $3, $4) \
                      ON CONFLICT (client) DO UPDATE SET last_seq = excluded.last_seq, ack = excluded.ack";
        let upsert = sqlx::query(upsert).bind(id).bind(&client.user);
        self.execute(upsert.bind(to_sql(client.last_seq)).bind(to_sql(client.ack))).await?;
        let forget = sqlx::query("DELETE FROM whimbrel_outcome WHERE client = $1 AND seq <= $2");
        self.execute(forget.bind(id).bind(to_sql(client.ack))).await
    }

    async fn commit(self) -> StorageResult<()> {
        if self.is_spoilt {
            return Err(StorageError::Failed("a push was to be committed behind a statement that failed".into()));
        }
        Ok(self.transaction.commit().await?)
    }
}

fn bind_all<'q>(query: PgQuery<'q>, entity: &Entity, row: &Row, fields: &[usize]) -> PgQuery<'q> {
    let values = fields.iter().filter_map(|position| Some((entity.fields.get(*position)?, row.get(*position)?)));
    values.fold(query, |query, (field, value)| bind(query, field, value))
}

/// The fields with texts that PostgreSQL cannot hold: it has no zero characters.
fn with_zeroes(write: Write<'_>) -> Vec<usize> {
    let has_zero =
        |row: &Row, position: usize| matches!(row.get(position), Some(Value::Text(text)) if text.contains('\0'));
    match write {
        Write::Insert(row) => (0..row.len()).filter(|position| has_zero(row, *position)).collect(),
        Write::Update { row, fields } => fields.iter().copied().filter(|position| has_zero(row, *position)).collect(),
        Write::Delete => Vec::new(),
    }
}
