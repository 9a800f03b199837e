//! A schema's entities with the catalog's numbers: everything that reading and writing a row needs, looked up once.

use std::rc::Rc;

use super::catalog::{Catalog, CatalogEntity, CatalogIndex, Kind};
use super::{Entity, Row, RowRef, Schema, Value};
use crate::error::{Code, Error, Result};

/// All entities of a schema.
#[derive(Debug, Default)]
pub struct Tables {
    tables: Vec<Rc<Table>>,
}

/// One entity.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// The map of its rows.
    pub map: u16,
    /// Its indexes, also those that this schema does not know.
    pub indexes: Vec<Index>,
    /// By place in the schema: the field's slot.
    slots: Vec<usize>,
    /// By slot.
    pub(crate) columns: Vec<Column>,
    /// By slot: `,"name":` for fields of this schema.
    pub(crate) json_names: Vec<Option<Box<[u8]>>>,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The slots of its fields, the one that counts most first.
    pub slots: Vec<usize>,
    /// Its map.
    pub map: u16,
    /// Whether rows are still without an entry: it must be kept in step, and must not be read.
    pub building: bool,
    /// Whether this schema wants no two records with the same values in all of them.
    pub unique: bool,
}

/// A slot.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Its place in the schema; none when the schema does not know it.
    pub(crate) place: Option<usize>,
    /// The value of rows that come without one.
    pub(crate) default: Option<Value>,
}

impl Tables {
    /// The entities of a schema that a catalog has adopted.
    #[must_use]
    pub fn new(catalog: &Catalog, schema: &Schema) -> Self {
        let known = schema.entities.iter().filter_map(|entity| Some((entity, catalog.entity(&entity.name)?)));
        Self { tables: known.map(|(entity, known)| Rc::new(Table::new(entity, known))).collect() }
    }

    /// One of them.
    ///
    /// # Errors
    /// `schema/unknown-entity`.
    pub fn get(&self, entity: &str) -> Result<&Rc<Table>> {
        self.tables
            .iter()
            .find(|table| table.name == entity)
            .ok_or_else(|| Error::new(Code::UnknownEntity, format!("there is no entity \"{entity}\"")))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Rc<Table>> {
        self.tables.iter()
    }
}

impl Table {
    fn new(entity: &Entity, known: &CatalogEntity) -> Self {
        let slots = known.slots(entity);
        let column = |(slot, field): (usize, &super::catalog::CatalogField)| {
            let place = slots.iter().position(|known| *known == slot);
            let declared = place.and_then(|place| entity.fields.get(place));
            let default = declared.and_then(|field| field.default.clone());
            Column { name: field.name.clone(), kind: field.kind, place, default }
        };
        let columns: Vec<Column> = known.fields.iter().enumerate().map(column).collect();
        let json_name =
            |column: &Column| column.place.map(|_| format!(",\"{}\":", column.name).into_bytes().into_boxed_slice());
        let declared = entity.index_places();
        let is_unique = |index: &CatalogIndex| {
            let is_it =
                |places: &[usize]| places.iter().map(|place| slots.get(*place)).eq(index.slots.iter().map(Some));
            declared.iter().any(|(places, unique)| *unique && is_it(places))
        };
        let index = |index: &CatalogIndex| Index {
            slots: index.slots.clone(),
            map: index.map,
            building: index.building,
            unique: is_unique(index),
        };
        Self {
            name: known.name.clone(),
            map: known.map,
            indexes: known.indexes.iter().map(index).collect(),
            json_names: columns.iter().map(json_name).collect(),
            slots,
            columns,
        }
    }

    /// The slot of the field at a place of the schema.
    #[must_use]
    pub fn slot(&self, place: usize) -> usize {
        self.slots.get(place).copied().unwrap_or(usize::MAX)
    }

    /// An index whose first fields are those of these slots, in this order.
    #[must_use]
    pub fn index_of(&self, slots: &[usize]) -> Option<&Index> {
        self.indexes.iter().find(|index| !index.building && index.slots.starts_with(slots))
    }

    /// A stored row with its values in the schema's order.
    ///
    /// # Errors
    /// `store/corrupt`.
    pub fn decode(&self, bytes: &[u8]) -> Result<Row> {
        let mut row = RowRef::new(bytes)?.to_row();
        if self.is_schema_order() {
            row.values.resize(self.slots.len(), Value::Null);
        } else {
            let value = |slot: &usize| row.values.get_mut(*slot).map(std::mem::take).unwrap_or_default();
            row.values = self.slots.iter().map(value).collect();
        }
        Ok(row)
    }

    /// A row as it is stored. Values of fields that this schema does not know are those of `old`.
    #[must_use]
    pub fn encode(&self, row: &Row, old: Option<&RowRef<'_>>) -> Vec<u8> {
        if self.is_schema_order() {
            return row.encode();
        }
        let value = |(slot, column): (usize, &Column)| match (column.place, old) {
            (Some(place), _) => row.values.get(place).cloned().unwrap_or_default(),
            (None, Some(old)) if !column.name.is_empty() => old.field(slot).to_value(),
            (None, _) => Value::Null,
        };
        let values = self.columns.iter().enumerate().map(value).collect();
        Row { values, buckets: row.buckets.clone(), ..*row }.encode()
    }

    fn is_schema_order(&self) -> bool {
        self.slots.len() == self.columns.len() && self.slots.iter().enumerate().all(|(place, slot)| place == *slot)
    }
}
