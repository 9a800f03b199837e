//! Attachments: contents that rows refer to by their address, which is their hash.
//!
//! ```text
//! part, part, part … ──► this user's upload ──hash is the address──► complete: everybody who sees a row that refers to it
//!                             └──────────────any other hash────────► thrown away
//! ```
//!
//! **Invariant:** what can be downloaded is complete, durable, and has the hash that its address says.
//! **Invariant:** an upload belongs to a user, so nobody can spoil another's; of two that are complete, the second changes nothing.
//! **Invariant:** only who sees a row that refers to an attachment can upload or download it. Who does not is not told whether it is here.

mod folder;
mod memory;

use std::fmt;
use std::io;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use whimbrel_protocol::{ATTACHMENT_ADDRESS_PREFIX, ProblemCode, is_attachment_address};

pub use self::folder::FolderAttachments;
pub use self::memory::MemoryAttachments;
use crate::fault::Fault;
use crate::model::{Entities, User};
use crate::storage::{Bucket, Storage, StorageError, StorageResult};

/// The address of an attachment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(String);

impl Address {
    /// Reads an address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        is_attachment_address(text).then(|| Self(text.to_owned()))
    }

    /// The address of a content that was hashed.
    fn of(hash: &Sha256) -> Self {
        Self(format!("{ATTACHMENT_ADDRESS_PREFIX}{:x}", hash.clone().finalize()))
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its hexadecimal digits.
    fn digits(&self) -> &str {
        self.0.strip_prefix(ATTACHMENT_ADDRESS_PREFIX).unwrap_or_default()
    }
}

/// An attachment that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complete {
    /// Its bytes.
    pub size: u64,
    /// Its media type, as the first upload said it.
    pub media_type: String,
}

/// The upload of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Of what.
    pub address: Address,
    /// Whose.
    pub user: String,
}

/// What keeps attachments. Its functions block.
pub trait AttachmentStore: fmt::Debug + Send + Sync + 'static {
    /// The attachment, if it is complete.
    ///
    /// # Errors
    /// Those of the disk, as of all functions here.
    fn complete(&self, address: &Address) -> io::Result<Option<Complete>>;

    /// Bytes of an upload that are here.
    fn received(&self, upload: &Upload) -> io::Result<u64>;

    /// Adds bytes to an upload, if it ends at `offset`; says whether it did.
    fn append(&self, upload: &Upload, offset: u64, bytes: &[u8]) -> io::Result<bool>;

    /// Makes what was added durable.
    fn flush(&self, upload: &Upload) -> io::Result<()>;

    /// Makes the upload the attachment, durably, if its hash is the address; else throws it away. Says whether the attachment is here now.
    fn finish(&self, upload: &Upload, media_type: &str) -> io::Result<bool>;

    /// Bytes of a complete attachment from `offset` on: `bytes` of them, or fewer at its end.
    fn read(&self, address: &Address, offset: u64, bytes: usize) -> io::Result<Vec<u8>>;
}

/// Whether the user sees a row that refers to the attachment.
///
/// # Errors
/// [`ProblemCode::AttachmentUnreferenced`] when not; those of the storage.
pub(crate) async fn must_be_referred_to<S: Storage>(
    storage: &S,
    entities: &Entities,
    user: &User,
    address: &Address,
) -> Result<(), Fault> {
    for entity in entities.iter() {
        for position in entity.attachments() {
            for scope in entity.scopes_for(user) {
                if storage.has_text(Bucket { entity, scope }, position, address.as_str()).await? {
                    return Ok(());
                }
            }
        }
    }
    Err(Fault::new(ProblemCode::AttachmentUnreferenced, format!("{} is in no row of yours", address.as_str())))
}

/// Calls the store where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    store: &Arc<dyn AttachmentStore>,
    work: impl FnOnce(&dyn AttachmentStore) -> io::Result<T> + Send + 'static,
) -> StorageResult<T> {
    let store = Arc::clone(store);
    let done = tokio::task::spawn_blocking(move || work(store.as_ref())).await;
    let done = done.map_err(|panicked| StorageError::Failed(panicked.into()))?;
    done.map_err(|error| StorageError::Failed(error.into()))
}
