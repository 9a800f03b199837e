//! Looking rows up by what an index knows of them: for constraints, and for records that refer to others.

use super::keys::{KeyRange, MapId, full_key};
use super::view::{Interrupt, View};
use crate::model::{Index, RowRef, Table, Value, ValueRef, key};

impl View<'_> {
    /// The ids (encoded) of rows that have these values in the first fields of an index: so many at most, in the order of the index.
    ///
    /// # Errors
    /// An [`Interrupt`] for pages, and those of the store.
    pub fn ids_with(
        &self,
        table: &Table,
        index: &Index,
        values: &[ValueRef<'_>],
        most: usize,
    ) -> Result<Vec<Vec<u8>>, Interrupt> {
        let (mut prefix, mut is_cut) = (Vec::new(), false);
        for value in values {
            let start = prefix.len();
            key::encode_indexed(*value, &mut prefix);
            is_cut |= key::is_cut(prefix.get(start..).unwrap_or_default());
        }
        let mut ids = Vec::new();
        let mut entries = self.scan_range(KeyRange::prefix(MapId(index.map), &prefix), false);
        while ids.len() < most && entries.step()? {
            let Some((_, id)) = key::split_values(entries.key(), index.slots.len()) else { continue };
            // A text that was cut shares its place with others: only the row knows.
            if !is_cut || self.has_values(table, index, values, id)? {
                ids.push(id.to_vec());
            }
        }
        Ok(ids)
    }

    /// The id of another record that has the same values in all fields of an index. Null is the same as nothing.
    ///
    /// # Errors
    /// As [`View::ids_with`].
    pub fn same_values(
        &self,
        table: &Table,
        index: &Index,
        values: &[Value],
        id: &str,
    ) -> Result<Option<String>, Interrupt> {
        let value = |slot: &usize| {
            let place = table.columns.get(*slot).and_then(|column| column.place);
            place.and_then(|place| values.get(place)).map_or(ValueRef::Null, Value::as_ref)
        };
        let values: Vec<ValueRef<'_>> = index.slots.iter().map(value).collect();
        if values.contains(&ValueRef::Null) {
            return Ok(None);
        }
        let own = key::id_key(id);
        let ids = self.ids_with(table, index, &values, 2)?;
        let mut text = Vec::new();
        let other = ids.into_iter().find(|id| *id != own);
        Ok(other
            .and_then(|other| key::decode_id(&other, &mut text).map(|_| ()))
            .and_then(|()| String::from_utf8(text).ok()))
    }

    fn has_values(&self, table: &Table, index: &Index, values: &[ValueRef<'_>], id: &[u8]) -> Result<bool, Interrupt> {
        let Some(bytes) = self.find(&full_key(MapId(table.map), id))? else { return Ok(false) };
        let row = RowRef::new(&bytes)?;
        Ok(index.slots.iter().zip(values).all(|(slot, value)| key::compare(row.field(*slot), *value).is_eq()))
    }
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;

    use super::*;
    use crate::memory::MemoryStorage;
    use crate::model::{Entity, Field, FieldType, IndexSpec, Row, Schema};
    use crate::ports::Durability;
    use crate::store::Store;

    fn schema() -> Schema {
        let field = |name: &str, kind| Field { name: name.to_owned(), kind, optional: true, ..Field::default() };
        let fields = vec![field("name", FieldType::text(None)), field("floor", FieldType::Integer)];
        let unique = IndexSpec { fields: vec!["floor".to_owned(), "name".to_owned()], unique: true };
        let entity = Entity { name: "room".to_owned(), fields, indexes: vec![unique], ..Entity::default() };
        Schema { version: 1, entities: vec![entity], ..Schema::default() }
    }

    async fn other(store: &Store<MemoryStorage>, name: &str, floor: Option<i64>, id: &str) -> Option<String> {
        let values = [Value::Text(name.to_owned()), floor.map_or(Value::Null, Value::Integer)];
        let read = |view: &View<'_>| {
            let table = view.table("room")?;
            let index = table.indexes.iter().find(|index| index.unique).unwrap();
            view.same_values(table, index, &values, id)
        };
        store.read(read).await.unwrap()
    }

    #[test]
    fn the_same_values_are_found_whatever_their_length() {
        block_on(async {
            let store = Store::open(MemoryStorage::new().connect(), schema(), Durability::Relaxed, None).await.unwrap();
            let long = |end: &str| "x".repeat(300) + end;
            let put = |name: String, floor: Option<i64>| Row {
                values: vec![Value::Text(name), floor.map_or(Value::Null, Value::Integer)],
                ..Row::default()
            };
            let rows = [
                ("a", put("hall".to_owned(), Some(1))),
                ("b", put(long("1"), Some(1))),
                ("c", put(long("2"), Some(1))),
            ];
            let nowhere = [("d", put("hall".to_owned(), None))];
            let write = |txn: &mut crate::store::Txn<'_>| {
                rows.iter().chain(&nowhere).try_for_each(|(id, row)| txn.put_row("room", id, row))
            };
            store.transact(write).await.unwrap();
            assert_eq!(other(&store, "hall", Some(1), "new").await.as_deref(), Some("a"));
            assert_eq!(other(&store, "hall", Some(1), "a").await, None);
            assert_eq!(other(&store, "hall", Some(2), "new").await, None);
            assert_eq!(other(&store, "hall", None, "new").await, None);
            assert_eq!(other(&store, &long("2"), Some(1), "new").await.as_deref(), Some("c"));
            assert_eq!(other(&store, &long("3"), Some(1), "new").await, None);
            let on_floor = |view: &View<'_>| {
                let table = view.table("room")?;
                let index = table.index_of(&[table.slot(1)]).unwrap();
                view.ids_with(table, index, &[ValueRef::Integer(1)], 9)
            };
            assert_eq!(store.read(on_floor).await.unwrap(), ["a", "b", "c"].map(key::id_key));
        });
    }
}
