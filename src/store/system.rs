//! The `SYSTEM` map, typed: counters, the client's id, the last success, buckets and their cursors.

use serde::Serialize;

use super::{Interrupt, MapId, Read, Txn};
use crate::error::Code;
use crate::json::{FromJson, Object, to_json};

/// A counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counter {
    /// The last position given in the outbox.
    Position,
    /// No entry of the outbox stands before this position. Where many have left, what hides them need not be read again.
    First,
    /// The last position given to a change that could not fold with one of its record.
    Apart,
    /// The last `seq` given to a change.
    Seq,
    /// The last `seq` whose outcome is stored here.
    Ack,
    /// The last number given to a bucket.
    Bucket,
    /// Changes in the outbox.
    Pending,
    /// Changes in the inbox.
    Rejected,
    /// Open conflicts.
    Conflicts,
}

impl Counter {
    const fn key(self) -> &'static [u8] {
        match self {
            Self::Position => b"count/position",
            Self::First => b"count/first",
            Self::Apart => b"count/apart",
            Self::Seq => b"count/seq",
            Self::Ack => b"count/ack",
            Self::Bucket => b"count/bucket",
            Self::Pending => b"count/pending",
            Self::Rejected => b"count/rejected",
            Self::Conflicts => b"count/conflicts",
        }
    }

    pub(super) fn get(self, view: &impl Read) -> Result<u64, Interrupt> {
        let bytes = view.read(MapId::SYSTEM, self.key())?;
        Ok(bytes.map_or(0, |bytes| number(&bytes)))
    }

    pub(super) fn set(self, txn: &mut Txn<'_>, value: u64) {
        txn.put(MapId::SYSTEM, self.key(), value.to_be_bytes().to_vec());
    }

    /// One more; the new value.
    pub(super) fn next(self, txn: &mut Txn<'_>) -> Result<u64, Interrupt> {
        let value = self.get(txn)? + 1;
        self.set(txn, value);
        Ok(value)
    }

    pub(super) fn add(self, txn: &mut Txn<'_>, change: i64) -> Result<(), Interrupt> {
        let value = self.get(txn)?.saturating_add_signed(change);
        self.set(txn, value);
        Ok(())
    }
}

/// A number as it is stored: big endian, so that keys are in its order.
pub(super) fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn text(view: &impl Read, key: &[u8]) -> Result<Option<String>, Interrupt> {
    let bytes = view.read(MapId::SYSTEM, key)?;
    Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
}

const CLIENT_KEY: &[u8] = b"client";

/// The client's id at the server, once there is one.
pub(super) fn client_id(view: &impl Read) -> Result<Option<String>, Interrupt> {
    text(view, CLIENT_KEY)
}

pub(super) fn set_client_id(txn: &mut Txn<'_>, id: &str) {
    txn.put(MapId::SYSTEM, CLIENT_KEY, id.as_bytes().to_vec());
}

const HISTORY_KEY: &[u8] = b"history";

/// The server's history that the versions here are of, once one was seen.
pub(super) fn history(view: &impl Read) -> Result<Option<String>, Interrupt> {
    text(view, HISTORY_KEY)
}

pub(super) fn set_history(txn: &mut Txn<'_>, history: &str) {
    txn.put(MapId::SYSTEM, HISTORY_KEY, history.as_bytes().to_vec());
}

const USER_KEY: &[u8] = b"user";

/// Whose store it is, as the server once said.
pub(super) fn user(view: &impl Read) -> Result<Option<String>, Interrupt> {
    text(view, USER_KEY)
}

pub(super) fn set_user(txn: &mut Txn<'_>, user: &str) {
    txn.put(MapId::SYSTEM, USER_KEY, user.as_bytes().to_vec());
}

const SUCCESS_KEY: &[u8] = b"success";

/// When a run last ended well, in milliseconds since 1970.
pub(super) fn last_success(view: &impl Read) -> Result<Option<i64>, Interrupt> {
    let bytes = view.read(MapId::SYSTEM, SUCCESS_KEY)?;
    Ok(bytes.and_then(|bytes| bytes.first_chunk().map(|bytes| i64::from_be_bytes(*bytes))))
}

pub(super) fn set_last_success(txn: &mut Txn<'_>, at: i64) {
    txn.put(MapId::SYSTEM, SUCCESS_KEY, at.to_be_bytes().to_vec());
}

/// A bucket this store has rows of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(super) struct Bucket {
    /// The number that rows carry for it.
    pub(super) number: u16,
    /// Where the next pull goes on; none before the first rows are complete under one.
    pub(super) cursor: Option<String>,
    /// Numbers it had before; rows that still carry one are to lose it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) retired: Vec<u16>,
    /// All of its changes up to this version are here; none while it is being loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<u64>,
}

impl FromJson for Bucket {
    fn from_json(mut object: Object) -> crate::error::Result<Self> {
        let retired = object.list("retired")?.into_iter();
        let retired = retired.map(|number| number.as_u64().and_then(|number| u16::try_from(number).ok()));
        Ok(Self {
            number: object.small("number")?,
            cursor: object.optional_text("cursor")?,
            retired: retired.collect::<Option<_>>().ok_or_else(|| object.wrong("retired"))?,
            version: object.optional_number("version")?,
        })
    }
}

/// The prefix of bucket records.
const BUCKET_PREFIX: &str = "bucket/";

/// The record of a bucket.
pub(super) fn bucket(view: &impl Read, name: &str) -> Result<Option<Bucket>, Interrupt> {
    view.read(MapId::SYSTEM, bucket_key(name).as_bytes())?.map(|bytes| from_json(&bytes)).transpose()
}

pub(super) fn set_bucket(txn: &mut Txn<'_>, name: &str, bucket: &Bucket) -> Result<(), Interrupt> {
    txn.put(MapId::SYSTEM, bucket_key(name).as_bytes(), to_json(bucket)?);
    Ok(())
}

pub(super) fn delete_bucket(txn: &mut Txn<'_>, name: &str) {
    txn.delete(MapId::SYSTEM, bucket_key(name).as_bytes());
}

/// The buckets of an entity, with their names.
pub(super) fn buckets_of(view: &impl Read, entity: &str) -> Result<Vec<(String, Bucket)>, Interrupt> {
    let prefix = bucket_key(&format!("{entity}/"));
    let mut found = Vec::new();
    for item in view.scan_prefix(MapId::SYSTEM, prefix.as_bytes()) {
        let (key, value) = item?;
        let name = key.get(BUCKET_PREFIX.len()..).unwrap_or_default();
        found.push((String::from_utf8_lossy(name).into_owned(), from_json(&value)?));
    }
    Ok(found)
}

/// The version up to which all changes of an entity are here; none when that is not known of one of its buckets.
pub(super) fn seen(view: &impl Read, entity: &str) -> Result<Option<u64>, Interrupt> {
    let buckets = buckets_of(view, entity)?;
    // None is the least.
    Ok(buckets.iter().filter(|(_, bucket)| bucket.number != 0).map(|(_, bucket)| bucket.version).min().flatten())
}

/// An entity has another name, and its buckets with it.
pub(super) fn rename_buckets(txn: &mut Txn<'_>, before: &str, after: &str) -> Result<(), Interrupt> {
    for (name, bucket) in buckets_of(txn, before)? {
        delete_bucket(txn, &name);
        set_bucket(txn, &format!("{after}{}", name.get(before.len()..).unwrap_or_default()), &bucket)?;
    }
    Ok(())
}

/// The entity a bucket holds rows of.
pub(super) fn entity_of(bucket: &str) -> &str {
    bucket.split_once('/').map_or(bucket, |(entity, _)| entity)
}

fn bucket_key(name: &str) -> String {
    format!("{BUCKET_PREFIX}{name}")
}

pub(super) fn from_json<T: FromJson>(bytes: &[u8]) -> Result<T, Interrupt> {
    Ok(T::parse(bytes, Code::StoreCorrupt)?)
}
