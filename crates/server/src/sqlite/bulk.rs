//! Much at once: a call costs more than a row does.

use sqlx::{AssertSqlSafe, Row as _, Sqlite, Transaction};
use whimbrel_protocol::Version;

use crate::model::{Entity, Row};
use crate::sql::{from_sql, outcome_to_sql, to_sql};
use crate::storage::{Decided, StorageError, StorageResult};

/// Decisions that one statement remembers, at most; they have seven values each.
const DECISIONS_AT_ONCE: usize = 250;

/// The version of the last change.
pub(super) async fn clock(transaction: &mut Transaction<'static, Sqlite>) -> StorageResult<Version> {
    let row = sqlx::query("SELECT version FROM whimbrel_clock").fetch_one(&mut **transaction).await?;
    Ok(from_sql(row.try_get(0)?))
}

/// Whether one of the records is here, or was. Every row has an entry in the log.
pub(super) async fn is_any_known(
    transaction: &mut Transaction<'static, Sqlite>,
    entity: &Entity,
    rows: &[(String, Row)],
) -> StorageResult<bool> {
    let ids: Vec<&str> = rows.iter().map(|(id, _)| id.as_str()).collect();
    let ids = serde_json::to_string(&ids).map_err(|error| StorageError::Failed(error.into()))?;
    let query = "SELECT EXISTS (SELECT 1 FROM json_each(?2) AS one CROSS JOIN whimbrel_log AS log \
                                ON log.entity = ?1 AND log.id = one.value) \
                     OR EXISTS (SELECT 1 FROM json_each(?2) AS one CROSS JOIN whimbrel_deleted AS deleted \
                                ON deleted.entity = ?1 AND deleted.id = one.value)";
    let row = sqlx::query(query).bind(&entity.name).bind(ids).fetch_one(&mut **transaction).await?;
    Ok(row.try_get_unchecked(0)?)
}

/// Remembers decisions.
pub(super) async fn remember(
    transaction: &mut Transaction<'static, Sqlite>,
    client: &str,
    decided: &[(Decided, (&str, &str))],
) -> StorageResult<()> {
    for some in decided.chunks(DECISIONS_AT_ONCE) {
        let sql = format!(
            "INSERT INTO whimbrel_outcome (client, seq, change, entity, id, version, outcome) VALUES {}",
            vec!["(?, ?, ?, ?, ?, ?, ?)"; some.len()].join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (decided, record) in some {
            let (outcome, version) = outcome_to_sql(decided)?;
            let own = version.map(|version| (record.0, record.1, to_sql(version)));
            query = query.bind(client).bind(to_sql(decided.seq)).bind(&decided.change);
            query =
                query.bind(own.map(|own| own.0)).bind(own.map(|own| own.1)).bind(own.map(|own| own.2)).bind(outcome);
        }
        query.execute(&mut **transaction).await?;
    }
    Ok(())
}
