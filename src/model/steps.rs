//! How an app's schema came about: the steps from one version to the next, and what they make of names and values written before them.

use whimbrel_protocol::{Fields, Json};

use super::{Field, Schema, Value};
use crate::error::{Code, Error, Result};

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The version of the schema that it leads to.
    pub version: u32,
    /// The entity, by the name it has before the step.
    pub entity: String,
    /// What becomes of it.
    pub op: StepOp,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOp {
    /// A field has another name from here on.
    Rename {
        /// Before.
        from: String,
        /// After.
        to: String,
    },
    /// A field is gone. Its values stay in the rows, where nobody sees them.
    Remove(String),
    /// The values of a field become others, of another type perhaps.
    Convert {
        /// The field.
        field: String,
        /// The number of the app's function.
        by: u32,
    },
    /// The entity has another name from here on.
    RenameEntity(String),
    /// The entity is gone. Its rows stay where they are, and nobody sees them.
    RemoveEntity,
}

/// Calls a function of the app, by its number: each of the values becomes another.
pub type Convert<'a> = &'a dyn Fn(u32, Vec<Json>) -> Result<Vec<Json>>;

/// Brings what was written under an older schema to the present one. Applied in the order of the steps.
#[derive(Clone, Copy)]
pub struct Upcast<'a> {
    /// The steps since then.
    pub steps: &'a [Step],
    /// The present schema.
    pub schema: &'a Schema,
    /// The app's functions.
    pub convert: Convert<'a>,
}

impl Upcast<'_> {
    /// The name that an entity has now; none when it was removed.
    #[must_use]
    pub fn entity(&self, name: &str) -> Option<String> {
        let mut now = name.to_owned();
        for step in self.steps.iter() {
            match &step.op {
                StepOp::RenameEntity(to) if step.entity == now => now.clone_from(to),
                StepOp::RemoveEntity if step.entity == now => return None,
                StepOp::RenameEntity(_)
                | StepOp::RemoveEntity
                | StepOp::Rename { .. }
                | StepOp::Remove(_)
                | StepOp::Convert { .. } => {}
            }
        }
        Some(now)
    }

    /// The name that a field has now; none when it was removed.
    #[must_use]
    pub fn field(&self, entity: &str, field: &str) -> Option<String> {
        let keeps = |_, values| Ok(values);
        let names = Upcast { convert: &keeps, ..*self };
        let named = Fields::from(vec![(field.to_owned(), Json::Null)]);
        let now = names.fields(entity, &named).unwrap_or(named);
        now.into_iter().next().map(|(name, _)| name)
    }

    /// What is written under a version, from there on.
    #[must_use]
    pub fn since(self, version: u32) -> Self {
        let made = self.steps.iter().take_while(|step| step.version <= version).count();
        Self { steps: self.steps.get(made..).unwrap_or_default(), ..self }
    }

    /// Fields by the names and with the values they have now. `entity` is the name it had then; the fields of one that was removed stay as
    /// they are.
    ///
    /// # Errors
    /// `schema/step-failed` when a function fails, or gives what the field does not take.
    pub fn fields(&self, entity: &str, fields: &Fields) -> Result<Fields> {
        let mut now = entity.to_owned();
        let mut list: Vec<(String, Json, bool)> =
            fields.iter().map(|(name, value)| (name.clone(), value.clone(), false)).collect();
        for step in self.steps {
            if step.entity != now {
                continue;
            }
            match &step.op {
                StepOp::Rename { from, to } => {
                    list.iter_mut().filter(|(name, ..)| name == from).for_each(|(name, ..)| name.clone_from(to));
                }
                StepOp::Remove(field) => list.retain(|(name, ..)| name != field),
                StepOp::Convert { field, by } => {
                    for (_, value, converted) in list.iter_mut().filter(|(name, ..)| name == field) {
                        let new = convert_all(self.convert, &[*by], vec![std::mem::take(value)])?;
                        (*value, *converted) = (new.into_iter().next().unwrap_or_default(), true);
                    }
                }
                StepOp::RenameEntity(to) => now.clone_from(to),
                StepOp::RemoveEntity => break,
            }
        }
        let declared = self.schema.entity(&now).ok();
        let checked = list.into_iter().map(|(name, value, converted)| {
            let field = declared.and_then(|entity| entity.fields.iter().find(|field| field.name == name));
            match field.filter(|_| converted) {
                Some(field) => converted_value(&now, field, &value).map(|value| (name, value.to_json())),
                None => Ok((name, value)),
            }
        });
        checked.collect()
    }

    /// What a create that was written then does not say and the present schema wants: the defaults of fields that came later.
    pub fn add_defaults(&self, entity: &str, set: &mut Fields) {
        let Ok(entity) = self.schema.entity(entity) else { return };
        let missing = entity.fields.iter().filter(|field| set.get(&field.name).is_none());
        let missing: Vec<(String, Json)> =
            missing.filter_map(|field| Some((field.name.clone(), field.default.as_ref()?.to_json()))).collect();
        *set = std::mem::take(set).into_iter().chain(missing).collect();
    }
}

/// Values after some functions, one after the other. No function is asked about `null`, which stays `null`.
///
/// # Errors
/// `schema/step-failed`.
pub(crate) fn convert_all(convert: Convert<'_>, by: &[u32], mut values: Vec<Json>) -> Result<Vec<Json>> {
    for number in by {
        let given: Vec<Json> = values.iter().filter(|value| !value.is_null()).cloned().collect();
        if given.is_empty() {
            break;
        }
        let count = given.len();
        let converted = convert(*number, given)?;
        if converted.len() != count {
            return Err(Error::new(Code::Internal, "a converter gave another number of values"));
        }
        let slots = values.iter_mut().filter(|value| !value.is_null());
        slots.zip(converted).for_each(|(value, converted)| *value = converted);
    }
    Ok(values)
}

/// What came of a conversion, as a value of its field. Where there is nothing, a field that must have a value takes its default.
///
/// # Errors
/// `schema/step-failed`.
pub(crate) fn converted_value(entity: &str, field: &Field, json: &Json) -> Result<Value> {
    let failed = |why: &str| Error::new(Code::StepFailed, format!("converting {entity}.{}: it {why}", field.name));
    let value =
        field.kind.value(json).and_then(|value| field.kind.check(value)).map_err(|error| failed(error.detail()))?;
    match (value, &field.default) {
        (Value::Null, Some(default)) if !field.optional => Ok(default.clone()),
        (Value::Null, None) if !field.optional => Err(failed("must have a value, and has no default")),
        (value, _) => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{Entity, FieldType};

    fn fields(given: serde_json::Value) -> Fields {
        serde_json::from_value(given).unwrap()
    }

    fn steps() -> Vec<Step> {
        let step = |version, entity: &str, op| Step { version, entity: entity.to_owned(), op };
        let rename = |from: &str, to: &str| StepOp::Rename { from: from.to_owned(), to: to.to_owned() };
        vec![
            step(2, "order", rename("title", "name")),
            step(2, "order", StepOp::Convert { field: "floor".to_owned(), by: 0 }),
            step(3, "order", StepOp::RenameEntity("job".to_owned())),
            step(3, "order", rename("name", "wrong: there is no order any more")),
            step(3, "job", StepOp::Remove("legacy".to_owned())),
            step(3, "job", rename("floor", "level")),
            step(3, "job", StepOp::Convert { field: "level".to_owned(), by: 1 }),
            step(3, "note", StepOp::RemoveEntity),
        ]
    }

    fn schema() -> Schema {
        let level = Field { name: "level".to_owned(), kind: FieldType::Integer, ..Field::default() };
        let state =
            Field { name: "state".to_owned(), default: Some(Value::Text("new".to_owned())), ..Field::default() };
        let fields = vec![Field { name: "name".to_owned(), ..Field::default() }, level, state];
        let entity = Entity { name: "job".to_owned(), fields, ..Entity::default() };
        Schema { version: 3, entities: vec![entity], ..Schema::default() }
    }

    /// 0: text to number; 1: ten more; numbers below zero become `null`.
    fn convert(by: u32, values: Vec<Json>) -> Result<Vec<Json>> {
        let one = |value: Json| match by {
            0 => value.as_str().and_then(|text| text.parse::<i64>().ok()).map_or(Json::Null, Json::from),
            _ => Json::from(value.as_number().and_then(|number| number.integer()).unwrap_or_default() + 10),
        };
        Ok(values.into_iter().map(one).collect())
    }

    #[test]
    fn names_and_values_follow_the_steps() {
        let (steps, schema) = (steps(), schema());
        let upcast = Upcast { steps: &steps, schema: &schema, convert: &convert };
        assert_eq!(upcast.entity("order").as_deref(), Some("job"));
        assert_eq!((upcast.entity("note"), upcast.entity("other").as_deref()), (None, Some("other")));
        let given = fields(json!({"title": "Pump", "floor": "4", "legacy": 1, "state": null}));
        let now = upcast.fields("order", &given).unwrap();
        assert_eq!(json!(now), json!({"name": "Pump", "level": 14, "state": null}));
        let later = Upcast { steps: &steps[2..], ..upcast };
        assert_eq!(json!(later.fields("order", &fields(json!({"floor": 4}))).unwrap()), json!({"level": 14}));
        let mut created = now;
        created.remove("state");
        upcast.add_defaults("job", &mut created);
        assert_eq!(json!(created), json!({"name": "Pump", "level": 14, "state": "new"}));
    }

    #[test]
    fn a_result_that_does_not_fit_is_an_error() {
        let (steps, schema) = (steps(), schema());
        let upcast = Upcast { steps: &steps, schema: &schema, convert: &convert };
        let error = upcast.fields("order", &fields(json!({"floor": "four"}))).unwrap_err();
        let expected = "schema/step-failed: converting job.level: it must have a value, and has no default";
        assert_eq!(error.to_string(), expected);
        let text = |_, values: Vec<Json>| Ok(values.iter().map(|_| Json::Text("x".to_owned())).collect());
        let error = Upcast { convert: &text, ..upcast }.fields("order", &fields(json!({"floor": "4"}))).unwrap_err();
        assert_eq!(error.to_string(), "schema/step-failed: converting job.level: it takes a whole number, not text");
    }
}
