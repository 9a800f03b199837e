//! Attachments in memory, for tests.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use super::{Address, AttachmentStore, Complete, Upload};

/// Attachments that are gone with the process.
#[derive(Debug, Default)]
pub struct MemoryAttachments(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    complete: BTreeMap<Address, (Vec<u8>, String)>,
    /// By address and user.
    uploads: BTreeMap<(Address, String), Vec<u8>>,
}

impl MemoryAttachments {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(upload: &Upload) -> (Address, String) {
    (upload.address.clone(), upload.user.clone())
}

impl AttachmentStore for MemoryAttachments {
    fn complete(&self, address: &Address) -> io::Result<Option<Complete>> {
        let state = self.state();
        let found = state.complete.get(address);
        Ok(found.map(|(bytes, media_type)| Complete { size: bytes.len() as u64, media_type: media_type.clone() }))
    }

    fn received(&self, upload: &Upload) -> io::Result<u64> {
        Ok(self.state().uploads.get(&key(upload)).map_or(0, Vec::len) as u64)
    }

    fn append(&self, upload: &Upload, offset: u64, bytes: &[u8]) -> io::Result<bool> {
        let mut state = self.state();
        let part = state.uploads.entry(key(upload)).or_default();
        let fits = part.len() as u64 == offset;
        if fits {
            part.extend_from_slice(bytes);
        }
        Ok(fits)
    }

    fn flush(&self, _upload: &Upload) -> io::Result<()> {
        Ok(())
    }

    fn finish(&self, upload: &Upload, media_type: &str) -> io::Result<bool> {
        let mut state = self.state();
        let bytes = state.uploads.remove(&key(upload));
        if state.complete.contains_key(&upload.address) {
            return Ok(true);
        }
        let bytes = bytes.ok_or(io::ErrorKind::NotFound)?;
        let is_right = Address::of(&Sha256::new_with_prefix(&bytes)) == upload.address;
        if is_right {
            state.complete.insert(upload.address.clone(), (bytes, media_type.to_owned()));
        }
        Ok(is_right)
    }

    fn read(&self, address: &Address, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let state = self.state();
        let (content, _) = state.complete.get(address).ok_or(io::ErrorKind::NotFound)?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let to = from.saturating_add(bytes).min(content.len());
        Ok(content.get(from..to).unwrap_or_default().to_vec())
    }
}
