//! One line: a thing in the store, or that it is not there any more.

use super::super::bytes::Bytes;
use super::super::keys::{MapId, full_key, inner_key, map_of};
use super::super::system;
use super::super::view::View;
use crate::error::{Code, Error, Result};
use crate::json::{self, Object, Tokens, put_integer, put_text};
use crate::model::{Entity, Row, RowRef, Schema, Table, check_id, key};
use whimbrel_protocol::Json;

/// The maps whose values are JSON and whose keys are positions.
const POSITIONS: [(MapId, &str); 3] =
    [(MapId::OUTBOX, "outbox"), (MapId::INBOX, "inbox"), (MapId::CONFLICTS, "conflicts")];
const SYSTEM: &str = "system";
const CONFIRMED: &str = "confirmed";
const ROW: &str = "row";
const BASE: &str = "base";
/// What of the `SYSTEM` map is exported: these numbers, and the buckets.
const NUMBERS: [&[u8]; 3] = [b"count/bucket", b"count/position", b"success"];
const BUCKET: &[u8] = b"bucket/";

/// The maps that an export goes through, ascending.
pub(super) fn maps(view: &View<'_>, is_whole: bool) -> Vec<MapId> {
    let mut maps: Vec<MapId> = POSITIONS.iter().map(|(map, _)| *map).collect();
    if is_whole {
        maps.extend([MapId::SYSTEM, MapId::BASE, MapId::CONFIRMED]);
        maps.extend(view.state.tables.iter().map(|table| MapId(table.map)));
    }
    maps.sort_unstable();
    maps
}

/// Whether a key of the `SYSTEM` map is exported.
pub(super) fn is_exported(name: &[u8]) -> bool {
    NUMBERS.contains(&name) || is_bucket(name)
}

/// Whether it is that of a bucket.
pub(super) fn is_bucket(name: &[u8]) -> bool {
    name.starts_with(BUCKET)
}

/// Appends the line of a key; whether it has one.
pub(super) fn put_line(view: &View<'_>, full: &[u8], value: Option<&Bytes>, out: &mut Vec<u8>) -> Result<bool> {
    let (map, inner) = (MapId(map_of(full)), inner_key(full));
    let start = out.len();
    let is_line = match map {
        MapId::SYSTEM => put_system(inner, value, out),
        MapId::CONFIRMED => {
            put_kind(CONFIRMED, out);
            put_text(inner, out);
            put_json(value, out);
            true
        }
        MapId::BASE => {
            let table = view.state.tables.iter().find(|table| table.map == map_of(inner));
            table.map_or(Ok(false), |table| put_row(table, BASE, inner_key(inner), value, out))?
        }
        _ => match POSITIONS.iter().find(|(known, _)| *known == map) {
            Some((_, name)) => {
                put_kind(name, out);
                put_integer(system::number(inner), out);
                put_json(value, out);
                true
            }
            None => {
                let table = view.state.tables.iter().find(|table| table.map == map.0);
                table.map_or(Ok(false), |table| put_row(table, ROW, inner, value, out))?
            }
        },
    };
    if is_line {
        out.extend_from_slice(b"}\n");
    } else {
        out.truncate(start);
    }
    Ok(is_line)
}

fn put_kind(kind: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\":");
}

const IS: &[u8] = b",\"is\":";

fn put_json(value: Option<&Bytes>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        out.extend_from_slice(IS);
        out.extend_from_slice(value);
    }
}

fn put_system(name: &[u8], value: Option<&Bytes>, out: &mut Vec<u8>) -> bool {
    let is_number = NUMBERS.contains(&name);
    if !is_exported(name) {
        return false;
    }
    put_kind(SYSTEM, out);
    put_text(name, out);
    match value {
        Some(value) if is_number => {
            out.extend_from_slice(IS);
            put_integer(system::number(value), out);
        }
        value => put_json(value, out),
    }
    true
}

fn put_row(table: &Table, kind: &str, id: &[u8], value: Option<&Bytes>, out: &mut Vec<u8>) -> Result<bool> {
    put_kind(kind, out);
    out.push(b'[');
    put_text(table.name.as_bytes(), out);
    out.push(b',');
    let mut text = Vec::new();
    key::decode_id(id, &mut text);
    put_text(&text, out);
    out.push(b']');
    let Some(value) = value else { return Ok(true) };
    let row = RowRef::new(value)?;
    out.extend_from_slice(IS);
    out.extend_from_slice(b"{\"version\":");
    put_integer(row.version(), out);
    out.extend_from_slice(b",\"buckets\":[");
    for (place, bucket) in row.buckets().into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        put_integer(bucket, out);
    }
    out.push(b']');
    for (flag, name) in [(row.dirty(), "dirty"), (row.deleted(), "deleted")] {
        if flag {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":true");
        }
    }
    out.extend_from_slice(b",\"fields\":{");
    let start = out.len();
    row.write_values(&table.json_names, out);
    if out.len() > start {
        // Every value has a comma in front.
        out.remove(start);
    }
    out.extend_from_slice(b"}}");
    Ok(true)
}

/// What a line says.
#[derive(Debug)]
pub(super) enum Line {
    /// A key, full, and its value.
    Key(Vec<u8>, Option<Vec<u8>>),
    /// A row, or (`is_base`) what the server has of one.
    Row { is_base: bool, entity: String, id: String, row: Option<Row> },
    /// The end.
    End { lines: u64, checksum: String },
}

const CODE: Code = Code::ImportMalformed;

/// Reads a line.
///
/// # Errors
/// `import/malformed`, and every code of a value that cannot be.
pub(super) fn parse_line(line: &[u8], schema: &Schema) -> Result<Line> {
    if std::str::from_utf8(line).is_err() {
        return Err(Error::new(CODE, "not UTF-8"));
    }
    let mut tokens = Tokens::new(line, CODE);
    tokens.expect(b'{')?;
    let kind = tokens.owned_text()?;
    tokens.expect(b':')?;
    let name = json::parse(tokens.raw()?, CODE)?;
    let mut value = None;
    if tokens.goes_on(b'}')? {
        tokens.key("is")?;
        value = Some(tokens.raw()?);
        tokens.expect(b'}')?;
    }
    tokens.end()?;
    of_kind(&kind, name, value, schema)
}

fn of_kind(kind: &str, name: Json, value: Option<&[u8]>, schema: &Schema) -> Result<Line> {
    let wrong = || Error::new(CODE, format!("no line of an export: \"{kind}\""));
    let is = value.map(|value| json::parse(value, CODE)).transpose()?;
    if let Some((map, _)) = POSITIONS.iter().find(|(_, known)| *known == kind) {
        let position = name.as_u64().ok_or_else(wrong)?;
        return Ok(Line::Key(full_key(*map, &position.to_be_bytes()), value.map(<[u8]>::to_vec)));
    }
    match (kind, name, is) {
        ("end", end, None) => {
            let mut end = Object::of(end, CODE)?;
            Ok(Line::End { lines: end.number("lines")?, checksum: end.text("checksum")? })
        }
        (CONFIRMED, Json::Text(change), _) => {
            check_id(&change)?;
            Ok(Line::Key(full_key(MapId::CONFIRMED, change.as_bytes()), value.map(<[u8]>::to_vec)))
        }
        (SYSTEM, Json::Text(name), is) => {
            let value = match is {
                None => None,
                Some(is) if NUMBERS.contains(&name.as_bytes()) => {
                    Some(is.as_u64().ok_or_else(wrong)?.to_be_bytes().to_vec())
                }
                Some(_) if is_bucket(name.as_bytes()) => value.map(<[u8]>::to_vec),
                Some(_) => return Err(wrong()),
            };
            Ok(Line::Key(full_key(MapId::SYSTEM, name.as_bytes()), value))
        }
        (ROW | BASE, Json::List(name), is) => {
            let [Json::Text(entity), Json::Text(id)] = <[Json; 2]>::try_from(name).map_err(|_| wrong())? else {
                return Err(wrong());
            };
            check_id(&id)?;
            let declared = schema.entity(&entity)?;
            let row = is.map(|is| row(declared, Object::of(is, CODE)?)).transpose()?;
            Ok(Line::Row { is_base: kind == BASE, entity, id, row })
        }
        _ => Err(wrong()),
    }
}

fn row(entity: &Entity, mut object: Object) -> Result<Row> {
    let buckets = object.list("buckets")?.into_iter();
    let buckets = buckets.map(|number| number.as_u64().and_then(|number| u16::try_from(number).ok()));
    let mut fields = object.map("fields")?;
    let mut values = Vec::with_capacity(entity.fields.len());
    for field in &entity.fields {
        let json = fields.remove(&field.name).unwrap_or_default();
        values.push(
            field.kind.value(&json).map_err(|error| {
                Error::new(error.code(), format!("{}.{} {}", entity.name, field.name, error.detail()))
            })?,
        );
    }
    if let Some((name, _)) = fields.iter().next() {
        return Err(Error::new(Code::UnknownField, format!("{} has no field \"{name}\"", entity.name)));
    }
    Ok(Row {
        version: object.number("version")?,
        buckets: buckets.collect::<Option<_>>().ok_or_else(|| object.wrong("buckets"))?,
        dirty: object.flag("dirty")?,
        deleted: object.flag("deleted")?,
        values,
    })
}
