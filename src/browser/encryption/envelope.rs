//! The envelope: the data key, wrapped by a key that the app gives. It lies in the database as it is.
//!
//! ```text
//! format (1) | what wraps it (1): 0 a key, 1 a passphrase | iterations (4) | salt (16) | nonce (12) | AES-GCM ( data key ) (48)
//! ```
//!
//! What stands before the nonce is authenticated. Changing the key makes another envelope around the same data key.

use wasm_bindgen::{JsCast, JsValue};

use super::cipher::buffer;
use super::subtle::{self, CryptoKey, NONCE_BYTES};
use crate::error::{Code, Error, Result};

const FORMAT: u8 = 1;
const BY_KEY: u8 = 0;
const BY_PASSPHRASE: u8 = 1;
const HEADER_BYTES: usize = 22;
const SALT_BYTES: usize = 16;

/// Rounds of PBKDF2 with SHA-256 for a new envelope: OWASP's Password Storage Cheat Sheet (600,000 since 2023). An envelope keeps its own
/// number, so this one can be raised.
const ITERATIONS: u32 = 600_000;
/// More than that is no envelope of ours: opening a store must not take for ever because somebody has changed a number in it.
const ITERATIONS_MAX: u32 = 10_000_000;

/// An envelope that was opened.
pub(super) struct Unlocked {
    /// What it was opened with: derived from the passphrase, or the app's key itself.
    pub(super) wrapping: CryptoKey,
    pub(super) data: CryptoKey,
}

/// A new data key in a new envelope, which only `key` opens.
///
/// # Errors
/// `store/unavailable`, `store/timeout`, `open/invalid` when the key is of no use for it.
pub(super) async fn make(key: &CryptoKey) -> Result<Vec<u8>> {
    let arguments = [&subtle::aes(), &JsValue::TRUE, &usages_of_data()];
    let data = subtle::call("generateKey", &arguments)?.done().await?;
    wrap(key, &data).await.map(|(envelope, _)| envelope)
}

/// Opens an envelope.
///
/// # Errors
/// `store/locked` when that is not its key; `store/newer`, `store/corrupt`, `store/unavailable`, `store/timeout`.
pub(super) async fn unlock(envelope: &[u8], key: &CryptoKey) -> Result<Unlocked> {
    let wrapping = wrapping_key(key, header(envelope)?).await?;
    let data = unwrap(envelope, &wrapping, false).await?.unchecked_into();
    Ok(Unlocked { wrapping, data })
}

/// The envelope with the same data key for another key, and what opens it from then on.
///
/// # Errors
/// As [`unlock`] and [`make`].
pub(super) async fn change(envelope: &[u8], wrapping: &CryptoKey, key: &CryptoKey) -> Result<(Vec<u8>, CryptoKey)> {
    header(envelope)?;
    let data = unwrap(envelope, wrapping, true).await?;
    wrap(key, &data).await
}

async fn wrap(key: &CryptoKey, data: &JsValue) -> Result<(Vec<u8>, CryptoKey)> {
    let (kind, iterations) = if key.is_passphrase() { (BY_PASSPHRASE, ITERATIONS) } else { (BY_KEY, 0) };
    let mut envelope = vec![FORMAT, kind];
    envelope.extend_from_slice(&iterations.to_be_bytes());
    envelope.extend_from_slice(&subtle::random::<SALT_BYTES>()?);
    let wrapping = wrapping_key(key, &envelope).await?;
    let nonce = subtle::random::<NONCE_BYTES>()?;
    let algorithm = subtle::gcm(&nonce, &envelope);
    let wrapped = subtle::call("wrapKey", &[&raw(), data, &wrapping, &algorithm])?.settled().await?;
    let wrapped = wrapped.map_err(|_| {
        Error::new(
            Code::OptionsInvalid,
            "the key cannot wrap: it is to be AES-GCM with the usages wrapKey and unwrapKey",
        )
    })?;
    envelope.extend_from_slice(&nonce);
    envelope.extend_from_slice(&buffer(&wrapped));
    Ok((envelope, wrapping))
}

async fn unwrap(envelope: &[u8], wrapping: &CryptoKey, extractable: bool) -> Result<JsValue> {
    let parts = envelope.split_at_checked(HEADER_BYTES);
    let parts = parts.and_then(|(header, rest)| Some((header, rest.split_at_checked(NONCE_BYTES)?)));
    let (header, (nonce, wrapped)) = parts.ok_or_else(corrupt)?;
    let (wrapped, algorithm) = (subtle::bytes(wrapped), subtle::gcm(nonce, header));
    let extractable = JsValue::from_bool(extractable);
    let arguments: [&JsValue; 7] =
        [&raw(), &wrapped, wrapping, &algorithm, &subtle::aes(), &extractable, &usages_of_data()];
    subtle::call("unwrapKey", &arguments)?.settled().await?.map_err(|_| locked("the key is not the store's"))
}

/// What opens an envelope of that header.
async fn wrapping_key(key: &CryptoKey, header: &[u8]) -> Result<CryptoKey> {
    let [_, kind, a, b, c, d, salt @ ..] = header else { return Err(corrupt()) };
    match (*kind, key.is_passphrase()) {
        (BY_KEY, false) => Ok(key.clone()),
        (BY_PASSPHRASE, true) => {
            let iterations = u32::from_be_bytes([*a, *b, *c, *d]);
            if !(1..=ITERATIONS_MAX).contains(&iterations) {
                return Err(corrupt());
            }
            let algorithm = subtle::object(&[
                ("name", JsValue::from_str("PBKDF2")),
                ("hash", JsValue::from_str("SHA-256")),
                ("iterations", JsValue::from(iterations)),
                ("salt", subtle::bytes(salt)),
            ]);
            let usages = subtle::usages("wrapKey", "unwrapKey");
            let derived = subtle::call("deriveKey", &[&algorithm, key, &subtle::aes(), &JsValue::FALSE, &usages])?;
            Ok(derived.done().await?.unchecked_into())
        }
        (BY_KEY | BY_PASSPHRASE, is_passphrase) => {
            Err(locked(if is_passphrase { "the store has a key, no passphrase" } else { "the store has a passphrase" }))
        }
        _ => Err(corrupt()),
    }
}

/// What stands before the nonce.
fn header(envelope: &[u8]) -> Result<&[u8]> {
    let header = envelope.get(..HEADER_BYTES).ok_or_else(corrupt)?;
    match header.first() {
        Some(&FORMAT) => Ok(header),
        Some(format) if *format > FORMAT => {
            Err(Error::new(Code::StoreNewer, format!("the encryption has format {format}, this engine knows {FORMAT}")))
        }
        _ => Err(corrupt()),
    }
}

fn usages_of_data() -> JsValue {
    subtle::usages("encrypt", "decrypt")
}

fn raw() -> JsValue {
    JsValue::from_str("raw")
}

pub(super) fn locked(why: &str) -> Error {
    Error::new(Code::StoreLocked, why)
}

fn corrupt() -> Error {
    Error::new(Code::StoreCorrupt, "the envelope of the store's key is damaged")
}
