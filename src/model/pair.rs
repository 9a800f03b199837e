//! Entities whose records stand for a pair of others, as a junction does: the id is made of both, and neither ever changes.

use whimbrel_protocol::pair_id;

use super::{Entity, FieldType, Value};
use crate::error::{Code, Error, Result};

impl Entity {
    /// The places of the two references of a pair; none when the entity is not one.
    #[must_use]
    pub fn pair_places(&self) -> Option<[usize; 2]> {
        let [first, second] = self.pair.as_ref()?;
        let place = |name: &str| self.fields.iter().position(|field| field.name == name);
        Some([place(first)?, place(second)?])
    }

    /// Whether a pair is of two references that every record has.
    ///
    /// # Errors
    /// `schema/invalid`.
    pub(super) fn check_pair(&self) -> Result<()> {
        let Some([first, second]) = &self.pair else { return Ok(()) };
        let is_ref = |place: usize| {
            self.fields.get(place).is_some_and(|field| {
                matches!(field.kind, FieldType::Ref { .. }) && !field.optional && field.rule.is_none()
            })
        };
        if first != second && self.pair_places().is_some_and(|places| places.into_iter().all(is_ref)) {
            return Ok(());
        }
        let detail = format!(
            "{}: a pair is of two refs that are not optional and have no merge rule, not of {first} and {second}",
            self.name
        );
        Err(Error::new(Code::SchemaInvalid, detail))
    }

    /// Whether a record of that id may have these values: a new one those that its id is made of, one that is there (`old`) those it has.
    ///
    /// # Errors
    /// `constraint/pair`.
    pub(crate) fn check_identity(&self, id: &str, old: Option<&[Value]>, new: &[Value]) -> Result<()> {
        let Some([first, second]) = self.pair_places() else { return Ok(()) };
        let is_right = match (old, new.get(first), new.get(second)) {
            (Some(old), one, other) => old.get(first) == one && old.get(second) == other,
            (None, Some(Value::Text(one)), Some(Value::Text(other))) => pair_id(one, other) == id,
            _ => false,
        };
        if is_right {
            return Ok(());
        }
        let detail = format!("{} \"{id}\" stands for a pair: its id is made of both, and both stay", self.name);
        Err(Error::new(Code::PairFixed, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Field, OnDelete, Schema};

    fn entity(pair: [&str; 2]) -> Entity {
        let kind = || FieldType::Ref { entity: "e".to_owned(), on_delete: OnDelete::Keep };
        let field = |name: &str, kind, optional| Field { name: name.to_owned(), kind, optional, ..Field::default() };
        Entity {
            name: "e".to_owned(),
            fields: vec![
                field("n", FieldType::Integer, false),
                field("a", kind(), false),
                field("b", kind(), false),
                field("c", kind(), true),
            ],
            pair: Some(pair.map(str::to_owned)),
            ..Entity::default()
        }
    }

    fn check(entity: Entity) -> Result<()> {
        Schema { version: 1, entities: vec![entity], ..Schema::default() }.check()
    }

    #[test]
    fn a_pair_that_cannot_be_is_named() {
        assert_eq!(check(entity(["a", "b"])), Ok(()));
        for wrong in [["a", "a"], ["a", "n"], ["a", "c"], ["a", "x"], ["x", "b"]] {
            let error = check(entity(wrong)).unwrap_err();
            assert_eq!(error.code(), Code::SchemaInvalid);
            assert!(error.detail().contains(&format!("not of {} and {}", wrong[0], wrong[1])), "{error}");
        }
    }

    #[test]
    fn a_pair_is_what_its_id_says() {
        let entity = entity(["b", "a"]);
        let values =
            |a: &str, b: &str| [Value::Integer(1), Value::Text(a.to_owned()), Value::Text(b.to_owned()), Value::Null];
        assert_eq!(entity.check_identity("y~x", None, &values("x", "y")), Ok(()));
        assert_eq!(entity.check_identity("x~y", None, &values("x", "y")).unwrap_err().code(), Code::PairFixed);
        assert_eq!(entity.check_identity("old", Some(&values("x", "y")), &values("x", "y")), Ok(()));
        let moved = entity.check_identity("y~x", Some(&values("x", "y")), &values("z", "y"));
        assert_eq!(moved.unwrap_err().code(), Code::PairFixed);
    }
}
