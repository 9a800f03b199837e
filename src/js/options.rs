//! The options of `open`, from JSON: the one place where an app's schema is read.

use tsify::Tsify;
use whimbrel_merge::Rule;
use whimbrel_protocol::Json;

use crate::driver::Options;
use crate::error::{Code, Error, Result};
use crate::json::{FromJson, Object};
use crate::model::{
    Backoff, Carrier, Entity, Field, FieldType, IndexSpec, Networks, OnDelete, Policy, Schema, Step, StepOp, Unit,
    UnitPolicy,
};
use crate::sync::{Auto, Every, UnitId};

/// The options of `open`.
#[derive(Debug, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct OpenDto {
    /// The store's name.
    pub name: String,
    /// Whose store it is.
    #[tsify(type = "string | null")]
    pub user: Option<String>,
    /// The server's base URL; none for a local database that never syncs.
    #[tsify(type = "string | null")]
    pub url: Option<String>,
    /// The app's schema.
    #[tsify(type = "SchemaDto")]
    pub schema: Schema,
    /// How the schema came about.
    #[tsify(type = "StepDto[]")]
    pub steps: Vec<Step>,
    /// Which units run by themselves.
    pub auto: AutoDto,
    /// Whether every commit is flushed to the disk.
    pub strict: bool,
    /// The page cache's limit in bytes; none for the default.
    #[tsify(type = "number | null")]
    pub cache_bytes: Option<u32>,
    /// Whether the outbox is not to be mirrored; for tests.
    pub no_mirror: bool,
    /// Whether the mirror of the last store of that name is known to have missed something.
    pub mirror_unsure: bool,
}

#[wasm_bindgen::prelude::wasm_bindgen(typescript_custom_section)]
const SCHEMA_TYPES: &str = r#"
export interface SchemaDto { version: number; entities: EntityDto[]; units: UnitDto[] }
export interface EntityDto { name: string; policy: PolicyDto; fields: FieldDto[]; indexes?: IndexDto[]; lockedOffline?: boolean; pair?: readonly string[] }
export interface IndexDto { fields: string[]; unique: boolean }
export type PolicyDto = "readOnly" | "appendOnly" | "lastWriteWins" | "merge" | "detectConflicts";
export interface FieldDto {
  name: string; type: FieldTypeDto; max?: number; oneOf?: readonly string[]; entity?: string; onDelete?: "restrict" | "cascade" | "setNull";
  optional: boolean; index: boolean; default?: string | number | boolean; merge?: MergeRuleDto;
}
export type StepDto = { version: number; entity: string } & (
  | { op: "rename"; field: string; to: string } | { op: "remove"; field: string } | { op: "convert"; field: string; by: number }
  | { op: "renameEntity"; to: string } | { op: "removeEntity" }
);
export type MergeRuleDto = "server" | "client" | "newest" | "sum" | "union";
export type FieldTypeDto = "text" | "integer" | "real" | "boolean" | "timestamp" | "ref";
export interface UnitDto {
  name: string; push: string[]; pull: string[]; timeout?: number; idleTimeout?: number; batchSize?: number;
  neverRetries?: boolean; retry?: { base: number; cap: number }; networks?: string[]; waitsForDataSaver?: boolean;
}
export type WriteDto =
  | { op: "create"; entity: string; id?: string; fields: Record<string, unknown> }
  | { op: "update"; entity: string; id: string; fields: Record<string, unknown> }
  | { op: "delete"; entity: string; id: string };
export interface ResolutionDto { all?: "local" | "server"; fields?: Record<string, "local" | "server" | { value: unknown }> }
export interface WrittenDto { change: string; entity: string; id: string }
export interface Host {
  token(): Promise<string | null> | string | null; beforeRun(unit: string): Promise<string | null> | null;
  convert(by: number, values: string): string; event(event: EventDto): void;
  /** Whether somebody waits for the receipt of a change; others are not told. */
  waits(change: string): boolean;
}
"#;

/// `auto` of `open`.
#[derive(Debug, Default, Tsify)]
pub struct AutoDto {
    /// The unit that runs when the store opens.
    #[tsify(optional)]
    pub start: Option<String>,
    /// When the network comes back.
    #[tsify(optional)]
    pub online: Option<String>,
    /// When the app comes back to the foreground.
    #[tsify(optional)]
    pub resume: Option<String>,
    /// When somebody has signed in.
    #[tsify(optional)]
    pub login: Option<String>,
    /// When a record was written.
    #[tsify(optional)]
    pub change: Option<String>,
    /// In an interval.
    #[tsify(optional)]
    pub every: Option<EveryDto>,
}

/// An interval.
#[derive(Debug, Tsify)]
pub struct EveryDto {
    /// The unit.
    pub unit: String,
    /// From one run to the next.
    pub seconds: u32,
}

impl FromJson for OpenDto {
    fn from_json(mut object: Object) -> Result<Self> {
        let schema = object.optional("schema")?.ok_or_else(|| object.wrong("schema"))?;
        Ok(Self {
            name: object.text("name")?,
            user: object.optional_text("user")?,
            url: object.optional_text("url")?,
            schema,
            steps: object.objects("steps")?,
            auto: object.optional("auto")?.unwrap_or_default(),
            strict: object.flag("strict")?,
            cache_bytes: object.take("cacheBytes").map(|bytes| small(&object, &bytes)).transpose()?,
            no_mirror: object.flag("noMirror")?,
            mirror_unsure: object.flag("mirrorUnsure")?,
        })
    }
}

fn small(object: &Object, value: &Json) -> Result<u32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok()).ok_or_else(|| object.wrong("cacheBytes"))
}

impl FromJson for AutoDto {
    fn from_json(mut object: Object) -> Result<Self> {
        Ok(Self {
            start: object.optional_text("start")?,
            online: object.optional_text("online")?,
            resume: object.optional_text("resume")?,
            login: object.optional_text("login")?,
            change: object.optional_text("change")?,
            every: object.optional("every")?,
        })
    }
}

impl FromJson for EveryDto {
    fn from_json(mut object: Object) -> Result<Self> {
        Ok(Self { unit: object.text("unit")?, seconds: object.small("seconds")? })
    }
}

impl FromJson for Schema {
    fn from_json(mut object: Object) -> Result<Self> {
        Ok(Self {
            version: object.small("version")?,
            entities: object.objects("entities")?,
            units: object.objects("units")?,
        })
    }
}

impl FromJson for Entity {
    fn from_json(mut object: Object) -> Result<Self> {
        let policy = match object.text("policy")?.as_str() {
            "readOnly" => Policy::ReadOnly,
            "appendOnly" => Policy::AppendOnly,
            "lastWriteWins" => Policy::LastWriteWins,
            "merge" => Policy::Merge,
            "detectConflicts" => Policy::DetectConflicts,
            _ => return Err(object.wrong("policy")),
        };
        let pair = object.texts("pair")?;
        let pair = if pair.is_empty() { None } else { Some(pair.try_into().map_err(|_| object.wrong("pair"))?) };
        Ok(Self {
            name: object.text("name")?,
            policy,
            pair,
            fields: object.objects("fields")?,
            indexes: object.objects("indexes")?,
            locked_offline: object.flag("lockedOffline")?,
        })
    }
}

impl FromJson for Field {
    fn from_json(mut object: Object) -> Result<Self> {
        let kind = match object.text("type")?.as_str() {
            "text" => {
                let max = object.optional_number("max")?.map(u32::try_from).transpose();
                FieldType::Text { max: max.map_err(|_| object.wrong("max"))?, one_of: object.texts("oneOf")? }
            }
            "integer" => FieldType::Integer,
            "real" => FieldType::Real,
            "boolean" => FieldType::Boolean,
            "timestamp" => FieldType::Timestamp,
            "ref" => FieldType::Ref { entity: object.text("entity")?, on_delete: on_delete(&mut object)? },
            _ => return Err(object.wrong("type")),
        };
        let value = |json: Json| kind.value(&json).and_then(|value| kind.check(value));
        let default = object.take("default").map(value).transpose();
        let default = default.map_err(|error| Error::new(Code::SchemaInvalid, format!("a default {}", error.detail())));
        let (optional, index) = (object.flag("optional")?, object.flag("index")?);
        let rule = object.optional_text("merge")?;
        let rule = rule.map(|name| Rule::of_name(&name).ok_or_else(|| object.wrong("merge"))).transpose()?;
        Ok(Self { name: object.text("name")?, kind, optional, index, default: default?, rule })
    }
}

fn on_delete(object: &mut Object) -> Result<OnDelete> {
    match object.optional_text("onDelete")?.as_deref() {
        None => Ok(OnDelete::Keep),
        Some("restrict") => Ok(OnDelete::Restrict),
        Some("cascade") => Ok(OnDelete::Cascade),
        Some("setNull") => Ok(OnDelete::SetNull),
        Some(_) => Err(object.wrong("onDelete")),
    }
}

impl FromJson for IndexSpec {
    fn from_json(mut object: Object) -> Result<Self> {
        Ok(Self { fields: object.texts("fields")?, unique: object.flag("unique")? })
    }
}

impl FromJson for Step {
    fn from_json(mut object: Object) -> Result<Self> {
        let op = match object.text("op")?.as_str() {
            "rename" => StepOp::Rename { from: object.text("field")?, to: object.text("to")? },
            "remove" => StepOp::Remove(object.text("field")?),
            "convert" => StepOp::Convert { field: object.text("field")?, by: object.small("by")? },
            "renameEntity" => StepOp::RenameEntity(object.text("to")?),
            "removeEntity" => StepOp::RemoveEntity,
            _ => return Err(object.wrong("op")),
        };
        Ok(Self { version: object.small("version")?, entity: object.text("entity")?, op })
    }
}

impl FromJson for Unit {
    fn from_json(mut object: Object) -> Result<Self> {
        let policy = policy(&mut object)?;
        Ok(Self { name: object.text("name")?, push: object.texts("push")?, pull: object.texts("pull")?, policy })
    }
}

fn policy(object: &mut Object) -> Result<UnitPolicy> {
    let mut number = |name: &str| {
        let number = object.optional_number(name)?.map(u32::try_from).transpose();
        number.map_err(|_| object.wrong(name))
    };
    let (timeout_ms, idle_timeout_ms, batch_size) = (number("timeout")?, number("idleTimeout")?, number("batchSize")?);
    let retry = if object.flag("neverRetries")? { None } else { Some(object.optional("retry")?.unwrap_or_default()) };
    let carriers: Vec<Carrier> = object.texts("networks")?.iter().map(|name| Carrier::of(name)).collect();
    Ok(UnitPolicy {
        timeout_ms,
        idle_timeout_ms,
        batch_size,
        retry,
        networks: if carriers.is_empty() { Networks::default() } else { Networks::only(&carriers) },
        waits_for_data_saver: object.flag("waitsForDataSaver")?,
    })
}

impl FromJson for Backoff {
    fn from_json(mut object: Object) -> Result<Self> {
        Ok(Self { base_ms: object.number("base")?, cap_ms: object.number("cap")? })
    }
}

impl TryFrom<OpenDto> for Options {
    type Error = Error;

    fn try_from(dto: OpenDto) -> Result<Self> {
        dto.schema.check()?;
        let unit = |name: &Option<String>| name.as_deref().map(|name| unit_id(&dto.schema.units, name)).transpose();
        let every = dto.auto.every.as_ref();
        let auto = Auto {
            start: unit(&dto.auto.start)?,
            online: unit(&dto.auto.online)?,
            resume: unit(&dto.auto.resume)?,
            login: unit(&dto.auto.login)?,
            change: unit(&dto.auto.change)?,
            every: every
                .map(|every| {
                    Ok(Every { unit: unit_id(&dto.schema.units, &every.unit)?, seconds: every.seconds.max(1) })
                })
                .transpose()?,
        };
        if dto.name.is_empty() || dto.name.len() > 64 {
            return Err(Error::new(Code::OptionsInvalid, "the name has 1 to 64 bytes"));
        }
        let cache_bytes = dto.cache_bytes.map(|bytes| bytes as usize);
        Ok(Self { schema: dto.schema, steps: dto.steps, auto, strict: dto.strict, cache_bytes })
    }
}

/// The unit of that name, by its place.
pub(super) fn unit_id(units: &[Unit], name: &str) -> Result<UnitId> {
    let place = units.iter().position(|unit| unit.name == name);
    place
        .and_then(|place| u16::try_from(place).ok())
        .map(UnitId)
        .ok_or_else(|| Error::new(Code::UnknownUnit, format!("there is no sync unit \"{name}\"")))
}
