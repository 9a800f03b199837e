//! What columns of tables that were there before have when nothing is said.
//!
//! A client that leaves out a field says null, which a column that must have a value takes for its default.

use std::collections::BTreeMap;

use sqlx::Row as _;
use sqlx::sqlite::SqlitePool;

use crate::model::{Entities, Entity};

/// The defaults of columns that must have a value, by entity and column.
#[derive(Debug, Default)]
pub(super) struct Defaults(BTreeMap<String, BTreeMap<String, String>>);

impl Defaults {
    pub(super) async fn read(pool: &SqlitePool, entities: &Entities) -> sqlx::Result<Self> {
        let sql =
            "SELECT lower(name), dflt_value FROM pragma_table_info(?) WHERE \"notnull\" AND dflt_value IS NOT NULL";
        let mut defaults = Self::default();
        for entity in entities.iter() {
            let rows = sqlx::query(sql).bind(&entity.table).fetch_all(pool).await?;
            let of_entity =
                rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<sqlx::Result<_>>()?;
            defaults.0.insert(entity.name.clone(), of_entity);
        }
        Ok(defaults)
    }

    /// The values of a new row: its id, and all fields. They are the database's own words.
    pub(super) fn values(&self, entity: &Entity) -> String {
        let own = self.0.get(&entity.name);
        let value = |column: &str| match own.and_then(|own| own.get(&column.to_lowercase())) {
            Some(default) => format!(", coalesce(?, ({default}))"),
            None => ", ?".to_owned(),
        };
        format!("(?{})", entity.fields.iter().map(|field| value(&field.column)).collect::<String>())
    }
}
