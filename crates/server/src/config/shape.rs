//! Whether a file has the shape that the schema says: keys, types, words, bounds. The schema is made from the types that read the file, so there
//! is one description of it.

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::finding::{ConfigCode, Findings, Place, suggestion};

/// Looks at a whole file.
pub(super) fn look(schema: &Json, table: &DeTable<'_>, findings: &mut Findings) {
    Shape { root: schema, findings }.table(schema, table, &Place::default());
}

struct Shape<'s> {
    root: &'s Json,
    findings: &'s mut Findings,
}

impl<'s> Shape<'s> {
    fn resolve(&self, schema: &'s Json) -> &'s Json {
        let name = schema.get("$ref").and_then(Json::as_str).and_then(|name| name.strip_prefix("#/$defs/"));
        name.and_then(|name| self.root.get("$defs")?.get(name)).unwrap_or(schema)
    }

    fn value(&mut self, schema: &'s Json, value: &Spanned<DeValue<'_>>, place: &Place) {
        let schema = self.resolve(schema);
        let wanted = schema.get("type").and_then(Json::as_str).unwrap_or("string");
        match (wanted, value.get_ref()) {
            ("object", DeValue::Table(table)) => self.table(schema, table, place),
            ("array", DeValue::Array(array)) => {
                self.length(schema, array.len(), place);
                let items = schema.get("items").unwrap_or(&Json::Null);
                for (index, item) in array.iter().enumerate() {
                    self.value(items, item, &place.at(index));
                }
            }
            ("string", DeValue::String(text)) => self.word(schema, text, place),
            ("integer", DeValue::Integer(number)) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => self.bounds(schema, number, place),
                Err(_) => self.findings.value(place, "is a number that is too large"),
            },
            ("number", DeValue::Integer(_) | DeValue::Float(_)) | ("boolean", DeValue::Boolean(_)) => {}
            (_, other) => {
                let what = format!("is {}; {} was expected", told(other.type_str()), told(wanted));
                self.findings.add(ConfigCode::Type, place, what);
            }
        }
    }

    fn table(&mut self, schema: &'s Json, table: &DeTable<'_>, place: &Place) {
        let Some(properties) = schema.get("properties").and_then(Json::as_object) else { return };
        for (key, value) in table {
            match properties.get(key.get_ref().as_ref()) {
                Some(property) => self.value(property, value, &place.key(key.get_ref())),
                None => {
                    let names = properties.keys().map(String::as_str);
                    let more = match suggestion(key.get_ref(), names.clone()) {
                        none if none.is_empty() => format!("; there are {}", names.collect::<Vec<_>>().join(", ")),
                        meant => meant,
                    };
                    let what = format!("there is no such key here{more}");
                    self.findings.add(ConfigCode::UnknownKey, &place.key(key.get_ref()), what);
                }
            }
        }
        let required = schema.get("required").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        for key in required.iter().filter_map(Json::as_str).filter(|key| !table.contains_key(*key)) {
            let about = properties.get(key).and_then(|property| property.get("description")).and_then(Json::as_str);
            let about = about.unwrap_or_default().lines().next().unwrap_or_default();
            self.findings.add(ConfigCode::MissingKey, &place.key(key), format!("is missing: {about}"));
        }
    }

    /// A text that may have to be one of some words.
    fn word(&mut self, schema: &Json, text: &str, place: &Place) {
        let listed = schema.get("enum").and_then(Json::as_array).into_iter().flatten();
        let each = schema.get("oneOf").and_then(Json::as_array).into_iter().flatten();
        let each = each.flat_map(|one| {
            one.get("const").into_iter().chain(one.get("enum").and_then(Json::as_array).into_iter().flatten())
        });
        let words: Vec<&str> = listed.chain(each).filter_map(Json::as_str).collect();
        if !words.is_empty() && !words.contains(&text) {
            let meant = suggestion(text, words.iter().copied());
            self.findings.value(place, format!("\"{text}\" is none of {}{meant}", words.join(", ")));
        }
    }

    fn length(&mut self, schema: &Json, length: usize, place: &Place) {
        let bound = |name: &str| schema.get(name).and_then(Json::as_u64).and_then(|bound| usize::try_from(bound).ok());
        let (least, most) = (bound("minItems").unwrap_or(0), bound("maxItems").unwrap_or(usize::MAX));
        if length < least || length > most {
            let wanted = match (least, most) {
                (least, usize::MAX) => format!("{least} or more"),
                (least, most) if least == most => least.to_string(),
                (least, most) => format!("{least} to {most}"),
            };
            self.findings.value(place, format!("has {length} entries; {wanted} are expected"));
        }
    }

    fn bounds(&mut self, schema: &Json, number: i64, place: &Place) {
        let bound = |name: &str| schema.get(name).and_then(Json::as_i64);
        let is_small = schema.get("format").is_some_and(|format| format == "uint32");
        let most = if is_small { i64::from(u32::MAX) } else { i64::MAX };
        let (least, most) = (bound("minimum").unwrap_or(i64::MIN), bound("maximum").unwrap_or(most));
        if number < least || number > most {
            let wanted = if most == i64::MAX { format!("{least} or more") } else { format!("{least} to {most}") };
            self.findings.value(place, format!("is {number}; it is {wanted}"));
        }
    }
}

fn told(kind: &str) -> &str {
    match kind {
        "string" => "text",
        "integer" => "a whole number",
        "number" | "float" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" | "table" => "a table",
        "datetime" => "a date",
        other => other,
    }
}
