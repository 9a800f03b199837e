//! Where the server stands, as text: an answer to a push says it, and the next pull brings it back.
//!
//! A cursor speaks of what was pulled. What was pushed after that and is lost, because the database was put back to a backup of in between, can be
//! seen in no cursor; a stand is of an era, and says with its version whether that is this database's.

use whimbrel_protocol::{Stand, Version};

use crate::storage::{Head, Read, StorageResult};

pub(crate) fn write(head: &Head) -> String {
    format!("{}.{}", head.era, head.version)
}

fn read(stand: &str) -> Option<(&str, Version)> {
    let (era, version) = stand.split_once('.')?;
    Some((era, version.parse().ok()?))
}

/// The entities of which changes were accepted that are lost. What is no stand of this server is one of another database.
pub(crate) async fn lost<'r, R: Read>(storage: &R, head: &Head, stands: &'r [Stand]) -> StorageResult<Vec<&'r str>> {
    let mut lost = Vec::new();
    for Stand { entity, stand } in stands {
        let is_ours = match read(stand) {
            // Eras of that time are forgotten, and whoever stands there begins anew as it is.
            Some((_, version)) if version < head.horizon => true,
            Some((era, version)) => head.has_been_at(storage, era, version).await?,
            None => false,
        };
        if !is_ours {
            lost.push(entity.as_str());
        }
    }
    Ok(lost)
}
