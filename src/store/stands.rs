//! Where the server stood when it accepted changes that no whole pull has followed yet: it goes with the next pull, and a server that was put back to
//! a backup of before it sees that, which no cursor shows.
//!
//! One for each entity and client id: after a renewal (see [`super::renewal`]) what the client before it was told still counts.

use whimbrel_protocol::Stand;

use super::confirmation::{Confirmation, Ending};
use super::{Interrupt, MapId, Read, Txn};

const PREFIX: &[u8] = b"stand/";

/// The changes were accepted there, or met a row that no pull has brought.
pub fn note_stand(txn: &mut Txn<'_>, client: &str, stand: Option<&str>, confirmed: &[Confirmation]) {
    let Some(stand) = stand else { return };
    let tells = |confirmation: &&Confirmation| matches!(confirmation.outcome, Ending::Accepted | Ending::Conflict);
    for confirmation in confirmed.iter().filter(tells) {
        let key = [PREFIX, confirmation.entity.as_bytes(), b"/", client.as_bytes()].concat();
        txn.put(MapId::SYSTEM, &key, stand.as_bytes().to_vec());
    }
}

/// The stands of these entities.
pub(super) fn of_entities(view: &impl Read, entities: &[String]) -> Result<Vec<Stand>, Interrupt> {
    let mut found = Vec::new();
    for item in view.scan_prefix(MapId::SYSTEM, PREFIX) {
        let (key, stand) = item?;
        let entity = String::from_utf8_lossy(entity_of(&key)).into_owned();
        if entities.contains(&entity) {
            found.push(Stand { entity, stand: String::from_utf8_lossy(&stand).into_owned() });
        }
    }
    Ok(found)
}

/// A whole pull has followed these. Who was told another one since keeps that.
pub(super) fn forget(txn: &mut Txn<'_>, followed: &[Stand]) -> Result<(), Interrupt> {
    let mut done = Vec::new();
    for item in txn.scan_prefix(MapId::SYSTEM, PREFIX) {
        let (key, stand) = item?;
        if followed.iter().any(|one| one.entity.as_bytes() == entity_of(&key) && one.stand.as_bytes() == &*stand) {
            done.push(key);
        }
    }
    done.iter().for_each(|key| txn.delete(MapId::SYSTEM, key));
    Ok(())
}

fn entity_of(key: &[u8]) -> &[u8] {
    key.get(PREFIX.len()..).and_then(|rest| rest.split(|byte| *byte == b'/').next()).unwrap_or_default()
}
