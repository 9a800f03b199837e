//! The data key at work: values are sealed before they go into the database and opened when they come out.
//!
//! ```text
//! nonce (12, random) | AES-GCM ( value ), with its label authenticated
//! ```
//!
//! **Invariant:** a nonce is drawn for every sealing, also when a commit is planned again under the same numbers.
//! **Invariant:** a value opens only as what it was sealed as; it cannot stand in another's place.

use wasm_bindgen::JsValue;

use js_sys::Uint8Array;

use super::subtle::{self, CryptoKey, NONCE_BYTES, Pending};
use crate::error::Result;

/// What a value is and its number: part of what is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    /// The log record of that number.
    Record(u64),
    /// The page of that id.
    Page(u64),
    /// The directory that came with the log record of that number.
    Directory(u64),
    /// What the mirror has of the commit of that number.
    Mirrored(u64),
    /// A part of the mirror's snapshot as of that number.
    Snapshot(u64, u32),
}

impl Label {
    fn bytes(self) -> Vec<u8> {
        let (kind, number, part) = match self {
            Self::Record(seq) => (1, seq, 0),
            Self::Page(id) => (2, id, 0),
            Self::Directory(seq) => (3, seq, 0),
            Self::Mirrored(seq) => (4, seq, 0),
            Self::Snapshot(seq, part) => (5, seq, part),
        };
        [&[kind][..], &number.to_be_bytes(), &part.to_be_bytes()].concat()
    }
}

/// What a value becomes that does not open. All that the store writes begins with a checksum of eight bytes, so it takes this for damaged, in
/// the one way in which it deals with damage. Never the bytes as they were: somebody may have put readable ones there.
pub(super) const DAMAGED: [u8; 1] = [0];

/// A value that is to be sealed or opened where it stands.
pub(super) type Value<'a> = (Label, &'a mut Vec<u8>);

/// The data key.
pub(super) struct Cipher {
    key: CryptoKey,
}

impl Cipher {
    pub(super) fn new(key: CryptoKey) -> Self {
        Self { key }
    }

    /// Seals values.
    ///
    /// # Errors
    /// `store/timeout`, `store/unavailable`.
    pub(super) async fn seal(&self, values: Vec<Value<'_>>) -> Result<()> {
        let mut sealing = Vec::with_capacity(values.len());
        for (label, value) in values {
            let nonce = subtle::random::<NONCE_BYTES>()?;
            let pending = self.begin("encrypt", &nonce, label, value)?;
            value.clear();
            value.extend_from_slice(&nonce);
            sealing.push((pending, value));
        }
        for (pending, value) in sealing {
            value.extend_from_slice(&buffer(&pending.done().await?));
        }
        Ok(())
    }

    /// Opens values. One that is not what was sealed under its label becomes [`DAMAGED`].
    ///
    /// # Errors
    /// `store/timeout`, `store/unavailable`.
    pub(super) async fn open(&self, values: Vec<Value<'_>>) -> Result<()> {
        let mut opening = Vec::with_capacity(values.len());
        for (label, value) in values {
            if let Some((nonce, sealed)) = value.split_at_checked(NONCE_BYTES) {
                let pending = self.begin("decrypt", nonce, label, sealed)?;
                opening.push((pending, value));
            } else {
                *value = DAMAGED.to_vec();
            }
        }
        for (pending, value) in opening {
            *value = pending.settled().await?.map_or_else(|_| DAMAGED.to_vec(), |opened| buffer(&opened));
        }
        Ok(())
    }

    fn begin(&self, method: &str, nonce: &[u8], label: Label, bytes: &[u8]) -> Result<Pending> {
        subtle::call(method, &[&subtle::gcm(nonce, &label.bytes()), &self.key, &subtle::bytes(bytes)])
    }
}

/// The bytes of an `ArrayBuffer`.
pub(super) fn buffer(buffer: &JsValue) -> Vec<u8> {
    Uint8Array::new(buffer).to_vec()
}
