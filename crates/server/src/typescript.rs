//! The entities as TypeScript for the app, so that a client cannot drift from its server.
//!
//! What is the device's own business (indexes, `oneOf`, `onDelete`) an app adds to the fields: `entity({ ...server.note.fields, … }, …)`.

use std::collections::BTreeSet;

use whimbrel_merge::Rule;

use crate::model::{Entities, Entity, Field, FieldType, Policy};

/// The declarations, as a module that imports the package by the name `package`.
#[must_use]
pub fn typescript(entities: &Entities, package: &str) -> String {
    let kinds: BTreeSet<&str> =
        entities.iter().flat_map(|entity| &entity.fields).map(|field| field.kind.name()).collect();
    let mut names: Vec<&str> = kinds.into_iter().chain(["entity"]).collect();
    names.sort_unstable();
    let mut text = format!(
        "// Made from the server's configuration by `whimbrel-server types`: change that, and make this anew.\n\
         import {{ {} }} from \"{package}\";\n\nexport const entities = {{\n",
        names.join(", ")
    );
    for entity in entities.iter() {
        push_entity(&mut text, entity);
    }
    text += "};\n";
    text
}

fn push_entity(text: &mut String, entity: &Entity) {
    *text += &format!("  {}: entity(\n    {{\n", entity.name);
    for field in &entity.fields {
        *text += &format!("      {}: {},\n", field.name, declared(field));
    }
    let pair = entity.pair.and_then(|[first, second]| {
        let name = |position: usize| Some(entity.fields.get(position)?.name.as_str());
        Some(format!(", pair: [\"{}\", \"{}\"]", name(first)?, name(second)?))
    });
    *text += &format!("    }},\n    {{ sync: \"{}\"{} }},\n  ),\n", policy(entity.policy), pair.unwrap_or_default());
}

fn declared(field: &Field) -> String {
    let mut text = match &field.kind {
        FieldType::Ref { entity } => format!("ref(\"{entity}\")"),
        FieldType::Text { max: Some(max) } => format!("text().max({max})"),
        kind => format!("{}()", kind.name()),
    };
    if let Some(rule) = field.rule {
        text += &format!(".merge(\"{}\")", Rule::name(rule));
    }
    if !field.required {
        text += ".optional()";
    }
    text
}

const fn policy(policy: Policy) -> &'static str {
    match policy {
        Policy::ReadOnly => "readOnly",
        Policy::AppendOnly => "appendOnly",
        Policy::LastWriteWins => "lastWriteWins",
        Policy::Merge => "merge",
        Policy::DetectConflicts => "detectConflicts",
    }
}
