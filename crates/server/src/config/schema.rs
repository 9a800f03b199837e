//! The JSON Schema of the file, for editors and for [`super::shape`]. It is made from the types in [`super::file`].

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json};

use super::file::File;

/// The schema.
pub(super) fn schema() -> Json {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<File>().to_value();
    without_null(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".to_owned(), "Configuration of whimbrel-server".into());
        // What a comment `#:schema` is to an editor; nothing to the server.
        root.insert("$id".to_owned(), "urn:whimbrel:server:configuration".into());
    }
    schema
}

/// The schema as a file, which `crates/server/whimbrel.schema.json` is.
#[must_use]
pub fn config_schema() -> String {
    let mut text = format!("{:#}", schema());
    text.push('\n');
    text
}

/// TOML has no null: what may be left out is simply not required.
fn without_null(schema: &mut Json) {
    match schema {
        Json::Array(each) => each.iter_mut().for_each(without_null),
        Json::Object(object) => {
            if let Some(Json::Array(types)) = object.get_mut("type") {
                types.retain(|one| one != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    object.insert("type".to_owned(), one);
                }
            }
            if let Some(Json::Array(of)) = object.get("anyOf")
                && let [one, null] = of.as_slice()
                && null.get("type").is_some_and(|kind| kind == "null")
            {
                let one: Map<String, Json> = one.as_object().cloned().unwrap_or_default();
                object.remove("anyOf");
                object.extend(one);
            }
            if object.get("default").is_some_and(Json::is_null) {
                object.remove("default");
            }
            object.values_mut().for_each(without_null);
        }
        _ => {}
    }
}
