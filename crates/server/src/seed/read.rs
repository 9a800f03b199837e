//! Reading an array of objects one by one, never the whole file.

use std::fmt;
use std::fs::File;
use std::io::BufReader;

use serde::de::{Deserializer as _, SeqAccess, Visitor};
use whimbrel_protocol::Fields;

use super::SeedError;
use super::convert::to_row;
use crate::config::Seed;
use crate::model::{Entity, Row};

/// Gives the file's rows to `take`, at most `part` at once, until it answers false.
pub(super) fn read(
    seed: &Seed,
    entity: &Entity,
    part: usize,
    take: impl FnMut(Vec<(String, Row)>) -> bool,
) -> Result<(), SeedError> {
    let file = &seed.file;
    let open = File::open(file).map_err(|cause| SeedError::Unreadable { file: file.clone(), cause })?;
    let mut misfit = None;
    let objects = Objects { seed, entity, part, take, misfit: &mut misfit };
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(open));
    let read = json.deserialize_seq(objects).and_then(|()| json.end());
    match (misfit, read) {
        (Some(misfit), _) => Err(misfit),
        (None, Err(cause)) => Err(SeedError::Malformed { file: file.clone(), cause }),
        (None, Ok(())) => Ok(()),
    }
}

struct Objects<'a, F> {
    seed: &'a Seed,
    entity: &'a Entity,
    part: usize,
    take: F,
    /// Serde's errors hold only text; ours is kept beside.
    misfit: &'a mut Option<SeedError>,
}

impl<'de, F: FnMut(Vec<(String, Row)>) -> bool> Visitor<'de> for Objects<'_, F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<(), A::Error> {
        let mut rows = Vec::with_capacity(self.part);
        let mut number = 0;
        while let Some(object) = sequence.next_element::<Fields>()? {
            number += 1;
            match to_row(self.seed, self.entity, &object) {
                Ok(row) => rows.push(row),
                Err(what) => {
                    *self.misfit = Some(SeedError::Object { file: self.seed.file.clone(), number, what });
                    return Err(serde::de::Error::custom("an object does not fit"));
                }
            }
            if rows.len() == self.part && !(self.take)(std::mem::take(&mut rows)) {
                return Err(serde::de::Error::custom("nobody takes the rows"));
            }
        }
        if !rows.is_empty() {
            (self.take)(rows);
        }
        Ok(())
    }
}
