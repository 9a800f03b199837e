//! The catalog: which numbers the store gave to entities, fields and indexes.
//!
//! **Invariant:** a number is given once and for ever: a row written under an older schema can be read under a newer one, and a tab whose
//! schema of the same version has less keeps the indexes it does not know.

use serde::Serialize;
use whimbrel_protocol::Json;

use super::{Entity, FieldType, Schema};
use crate::error::{Code, Error, Result};
use crate::json::{FromJson, Object};

/// The first map that is given to an entity or index; those below are the store's own.
pub const FIRST_ENTITY_MAP: u16 = 16;

/// What the store knows of the schemas it has seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Catalog {
    /// The version of the schema that the store is at; 0 when it is new.
    version: u32,
    pub(super) entities: Vec<CatalogEntity>,
    /// Maps given so far.
    maps: u16,
    /// What the catalog will be when the rows have all been converted.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Box<Self>>,
}

/// An entity that was seen. One that was removed has no name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CatalogEntity {
    pub(crate) name: String,
    pub(crate) map: u16,
    /// By slot: the place of their values in rows.
    pub(crate) fields: Vec<CatalogField>,
    pub(crate) indexes: Vec<CatalogIndex>,
}

/// An index that was seen. Whether it is unique is not known here: that is what a schema asks of new values, the entries are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CatalogIndex {
    /// The slots of its fields, the one that counts most first.
    pub(crate) slots: Vec<usize>,
    pub(crate) map: u16,
    /// Whether rows are still without an entry: it is kept in step, and not read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) building: bool,
}

/// A field that was seen. A field whose type changes to another kind is another field: its old values are not of the new type. One that was
/// removed or converted has no name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CatalogField {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// How a field's values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    Text,
    Integer,
    Real,
    Boolean,
}

impl From<&FieldType> for Kind {
    fn from(kind: &FieldType) -> Self {
        match kind {
            FieldType::Text { .. } | FieldType::Ref { .. } => Self::Text,
            FieldType::Integer | FieldType::Timestamp => Self::Integer,
            FieldType::Real => Self::Real,
            FieldType::Boolean => Self::Boolean,
        }
    }
}

/// An index that must be built over the rows that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIndex {
    /// The map of the entity's rows.
    pub entity: u16,
    /// The slots of its fields.
    pub slots: Vec<usize>,
    /// The index's map.
    pub map: u16,
}

/// What a schema added.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Adopted {
    /// Whether the catalog has changed.
    pub changed: bool,
    /// Indexes over entities that were there before.
    pub indexes: Vec<NewIndex>,
}

impl FromJson for Catalog {
    fn from_json(mut object: Object) -> Result<Self> {
        Ok(Self {
            version: object.small("version")?,
            entities: object.objects("entities")?,
            maps: object.small("maps")?,
            next: object.optional("next")?.map(Box::new),
        })
    }
}

impl FromJson for CatalogEntity {
    fn from_json(mut object: Object) -> Result<Self> {
        Ok(Self {
            name: object.text("name")?,
            map: object.small("map")?,
            fields: object.objects("fields")?,
            indexes: object.objects("indexes")?,
        })
    }
}

impl FromJson for CatalogIndex {
    fn from_json(mut object: Object) -> Result<Self> {
        let slot = |slot: &Json| slot.as_u64().and_then(|slot| usize::try_from(slot).ok());
        let slots: Option<Vec<usize>> = object.list("slots")?.iter().map(slot).collect();
        let slots = slots.ok_or_else(|| object.wrong("slots"))?;
        Ok(Self { slots, map: object.small("map")?, building: object.flag("building")? })
    }
}

impl FromJson for CatalogField {
    fn from_json(mut object: Object) -> Result<Self> {
        let kind = match object.text("kind")?.as_str() {
            "text" => Kind::Text,
            "integer" => Kind::Integer,
            "real" => Kind::Real,
            "boolean" => Kind::Boolean,
            _ => return Err(object.wrong("kind")),
        };
        Ok(Self { name: object.text("name")?, kind })
    }
}

impl Catalog {
    /// Gives numbers to what is new in a schema. What the schema does not have any more keeps its numbers, and its indexes stay in step.
    ///
    /// # Errors
    /// `schema/invalid` when the numbers are used up.
    pub fn adopt(&mut self, schema: &Schema) -> Result<Adopted> {
        let mut adopted = Adopted::default();
        for entity in &schema.entities {
            let place = self.entities.iter().position(|known| known.name == entity.name);
            let known = match place.and_then(|place| self.entities.get_mut(place)) {
                Some(known) => known,
                None => {
                    let map = new_map(&mut self.maps)?;
                    adopted.changed = true;
                    let (name, fields, indexes) = (entity.name.clone(), Vec::new(), Vec::new());
                    self.entities.push_mut(CatalogEntity { name, map, fields, indexes })
                }
            };
            known.adopt(entity, &mut self.maps, &mut adopted)?;
        }
        Ok(adopted)
    }

    /// What is known of an entity.
    pub(crate) fn entity(&self, name: &str) -> Option<&CatalogEntity> {
        self.entities.iter().find(|entity| entity.name == name)
    }

    /// The version of the schema that the store is at.
    pub(crate) const fn version(&self) -> u32 {
        self.version
    }

    /// The same for another version.
    pub(super) fn at(&self, version: u32) -> Self {
        Self { version, next: None, ..self.clone() }
    }

    /// What the catalog is to be, while the rows are on the way.
    pub(crate) fn next(&self) -> Option<&Self> {
        self.next.as_deref()
    }

    pub(crate) fn set_next(&mut self, next: Self) {
        self.next = Some(Box::new(next));
    }

    /// The version of the newest schema that works on this store.
    #[must_use]
    pub fn newest(&self) -> u32 {
        self.next.as_ref().map_or(self.version, |next| next.version.max(self.version))
    }

    /// Gives up the way to the next version. The numbers it has used are not used again: rows may have values under them.
    pub(crate) fn abandon(&mut self) {
        let Some(next) = self.next.take() else { return };
        self.maps = next.maps;
        for entity in &mut self.entities {
            let Some(known) = next.entities.iter().find(|known| known.map == entity.map) else { continue };
            let used = known.fields.iter().skip(entity.fields.len());
            let dead: Vec<_> = used.map(|field| CatalogField { name: String::new(), kind: field.kind }).collect();
            entity.fields.extend(dead);
        }
    }

    /// Indexes that are being built: the map of the rows, the slots, the index's map.
    pub(crate) fn building(&self) -> Vec<NewIndex> {
        let of = |entity: &CatalogEntity| {
            let rows = entity.map;
            let building = entity.indexes.iter().filter(|index| index.building);
            building.map(move |index| NewIndex { entity: rows, slots: index.slots.clone(), map: index.map }).collect()
        };
        self.entities.iter().flat_map::<Vec<_>, _>(of).collect()
    }

    /// Every index has all its entries.
    pub(crate) fn built(&mut self) {
        let indexes = self.entities.iter_mut().flat_map(|entity| &mut entity.indexes);
        indexes.for_each(|index| index.building = false);
    }
}

/// The next map; `maps` were given so far.
fn new_map(maps: &mut u16) -> Result<u16> {
    let map = FIRST_ENTITY_MAP.checked_add(*maps);
    let map = map.ok_or_else(|| Error::new(Code::SchemaInvalid, "the store has seen 65,520 entities and indexes"))?;
    *maps = maps.saturating_add(1);
    Ok(map)
}

impl CatalogEntity {
    fn adopt(&mut self, entity: &Entity, maps: &mut u16, adopted: &mut Adopted) -> Result<()> {
        for field in &entity.fields {
            let kind = Kind::from(&field.kind);
            if self.slot(&field.name, kind).is_none() {
                adopted.changed = true;
                self.fields.push(CatalogField { name: field.name.clone(), kind });
            }
        }
        let slots = self.slots(entity);
        for (places, _) in entity.index_places() {
            let slots: Vec<usize> = places.iter().filter_map(|place| slots.get(*place).copied()).collect();
            if !self.indexes.iter().any(|index| index.slots == slots) {
                let map = new_map(maps)?;
                adopted.changed = true;
                adopted.indexes.push(NewIndex { entity: self.map, slots: slots.clone(), map });
                self.indexes.push(CatalogIndex { slots, map, building: false });
            }
        }
        Ok(())
    }

    /// By place in the schema: the slots of its fields.
    pub(crate) fn slots(&self, entity: &Entity) -> Vec<usize> {
        entity.fields.iter().filter_map(|field| self.slot(&field.name, Kind::from(&field.kind))).collect()
    }

    /// The slot of a field; of several of that name and kind there is one.
    pub(crate) fn slot(&self, name: &str, kind: Kind) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name && field.kind == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Field;

    fn schema(fields: &[(&str, FieldType, bool)]) -> Schema {
        let field = |(name, kind, index): &(&str, FieldType, bool)| Field {
            name: (*name).to_owned(),
            kind: kind.clone(),
            optional: true,
            index: *index,
            ..Field::default()
        };
        let fields = fields.iter().map(field).collect();
        let entity = Entity { name: "order".to_owned(), fields, ..Entity::default() };
        Schema { version: 1, entities: vec![entity], ..Schema::default() }
    }

    #[test]
    fn numbers_stay_what_they_were() {
        let (text, time) = (FieldType::text(None), FieldType::Timestamp);
        let mut catalog = Catalog::default();
        let first = catalog.adopt(&schema(&[("title", text.clone(), true), ("due", time.clone(), false)])).unwrap();
        assert_eq!(first.indexes, [NewIndex { entity: 16, slots: vec![0], map: 17 }]);
        assert_eq!(catalog.adopt(&schema(&[("due", time.clone(), false)])).unwrap(), Adopted::default());

        let changed = schema(&[("due", time, true), ("title", FieldType::Integer, false), ("note", text, false)]);
        let second = catalog.adopt(&changed).unwrap();
        assert_eq!(second.indexes, [NewIndex { entity: 16, slots: vec![1], map: 18 }]);
        let entity = catalog.entity("order").unwrap();
        assert_eq!(entity.slot("title", Kind::Text), Some(0));
        assert_eq!(entity.slot("title", Kind::Integer), Some(2));
        assert_eq!(entity.slot("note", Kind::Text), Some(3));
        let json = serde_json::to_string(&catalog).unwrap();
        assert_eq!(Catalog::parse(json.as_bytes(), Code::StoreCorrupt).unwrap(), catalog);
        assert!(!catalog.adopt(&changed).unwrap().changed);
    }
}
