//! Much at once: a call costs more than a row does.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};
use whimbrel_protocol::Version;

use super::triggers::NEWEST;
use crate::model::{Entity, Row};
use crate::sql::{from_sql, outcome_to_sql, to_sql};
use crate::storage::{Decided, StorageResult};

/// The version of the last change; none when one of the records is here, or was. Every row has an entry in the log.
pub(super) async fn clock_if_new(
    connection: &mut PgConnection,
    entity: &Entity,
    rows: &[(String, Row)],
) -> StorageResult<Option<Version>> {
    let ids: Vec<&str> = rows.iter().map(|(id, _)| id.as_str()).collect();
    // Each by itself, along the index: for an array, all of the entity's entries may be read.
    let has = |table: &str| {
        format!(
            "EXISTS (SELECT 1 FROM unnest($2::text[]) AS new(id) CROSS JOIN LATERAL \
             (SELECT 1 FROM {table} AS l WHERE l.entity = $1 AND l.id = new.id OFFSET 0) AS known)"
        )
    };
    let sql = format!("SELECT {NEWEST} WHERE NOT {} AND NOT {}", has("whimbrel_log"), has("whimbrel_deleted"));
    let row = sqlx::query(AssertSqlSafe(sql)).bind(&entity.name).bind(ids).fetch_optional(connection).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.map(from_sql))
}

/// Whether what was written since a version are those records, one after the other, and nothing else.
pub(super) async fn came_in_order(
    connection: &mut PgConnection,
    rows: &[(String, Row)],
    before: Version,
) -> StorageResult<bool> {
    // One more than there may be; there is no version without the one before it.
    let (from, upto) = (to_sql(before) + 1, to_sql(before + rows.len() as u64 + 1));
    let sql =
        "SELECT version, min(id) FROM whimbrel_log WHERE version BETWEEN $1 AND $2 GROUP BY version ORDER BY version";
    let found = sqlx::query(sql).bind(from).bind(upto).fetch_all(connection).await?;
    let found: Vec<(i64, String)> =
        found.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<sqlx::Result<_>>()?;
    let expected = (from..).zip(rows.iter().map(|(id, _)| id));
    Ok(found.len() == rows.len() && found.iter().zip(expected).all(|(found, own)| (found.0, &found.1) == own))
}

/// Remembers decisions.
pub(super) async fn remember(
    connection: &mut PgConnection,
    client: &str,
    decided: &[(Decided, (&str, &str))],
) -> StorageResult<()> {
    let (mut seqs, mut changes, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut entities, mut ids, mut versions) = (Vec::new(), Vec::new(), Vec::new());
    for (one, record) in decided {
        let (outcome, version) = outcome_to_sql(one)?;
        seqs.push(to_sql(one.seq));
        changes.push(one.change.as_str());
        outcomes.push(outcome);
        entities.push(version.map(|_| record.0));
        ids.push(version.map(|_| record.1));
        versions.push(version.map(to_sql));
    }
    let sql = "INSERT INTO whimbrel_outcome (client, seq, change, entity, id, version, outcome) SELECT $1, each.* FROM \
               unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[]) AS each";
    let query = sqlx::query(sql).bind(client).bind(seqs).bind(changes).bind(entities).bind(ids).bind(versions);
    query.bind(outcomes).execute(connection).await?;
    Ok(())
}
