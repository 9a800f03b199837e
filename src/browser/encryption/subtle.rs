//! WebCrypto, as little of it as is needed: AES-GCM with 256 bits, keys that wrap a key, and PBKDF2.
//!
//! Everything goes through one call by name: a binding for each method of `SubtleCrypto` would bring its own glue to load.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::super::clock::Deadline;
use super::super::global::{describe, global, property};
use super::super::signal::Signal;
use crate::error::{Code, Error, Result};

/// How long WebCrypto may take. Deriving a key with the most iterations that are allowed is what takes longest.
const DEADLINE_MS: u32 = 60_000;

pub(super) const NONCE_BYTES: usize = 12;

#[wasm_bindgen]
extern "C" {
    /// A key of WebCrypto: `PBKDF2` with a passphrase in it, or `AES-GCM` to wrap with.
    #[wasm_bindgen(extends = Object, typescript_type = "CryptoKey")]
    #[derive(Clone)]
    pub type CryptoKey;
}

impl CryptoKey {
    /// Whether there is a passphrase in it, from which the key is still to be derived.
    pub(super) fn is_passphrase(&self) -> bool {
        let algorithm = property(self, "algorithm").and_then(|algorithm| property(&algorithm, "name"));
        algorithm.is_some_and(|name| name == "PBKDF2")
    }
}

/// A call under way.
pub(super) struct Pending(JsFuture);

impl Pending {
    /// What it comes to; the inner error is WebCrypto's refusal.
    ///
    /// # Errors
    /// `store/timeout`.
    pub(super) async fn settled(self) -> Result<std::result::Result<JsValue, JsValue>> {
        let mut promise = self.0;
        let passed = Signal::new();
        let pass = passed.clone();
        let _deadline = Deadline::new(DEADLINE_MS, move || pass.settle(()));
        let mut passed = Box::pin(passed.settled());
        poll_fn(|context| {
            if let Poll::Ready(settled) = Pin::new(&mut promise).poll(context) {
                return Poll::Ready(Ok(settled));
            }
            let late = || Err(Error::new(Code::StoreTimeout, format!("no answer of WebCrypto in {DEADLINE_MS} ms")));
            passed.as_mut().poll(context).map(|()| late())
        })
        .await
    }

    /// What it comes to, where a refusal can only be a fault of ours.
    ///
    /// # Errors
    /// `store/timeout`, `engine/internal`.
    pub(super) async fn done(self) -> Result<JsValue> {
        self.settled().await?.map_err(|refused| failed(&refused))
    }
}

fn failed(thrown: &JsValue) -> Error {
    Error::new(Code::Internal, format!("WebCrypto: {}", describe(thrown)))
}

/// Calls a method of `crypto.subtle`.
///
/// # Errors
/// `store/unavailable` where there is no WebCrypto; `engine/internal` when the method throws or is not there.
pub(super) fn call(method: &str, arguments: &[&JsValue]) -> Result<Pending> {
    let subtle = global("crypto").and_then(|crypto| property(&crypto, "subtle"));
    let subtle = subtle.ok_or_else(|| {
        Error::new(Code::StoreUnavailable, "encryption needs WebCrypto, which only a secure context has (https)")
    })?;
    let function: Function = property(&subtle, method).unwrap_or(JsValue::UNDEFINED).unchecked_into();
    let arguments: Array = arguments.iter().copied().collect();
    let promise = function.apply(&subtle, &arguments).map_err(|thrown| failed(&thrown))?;
    Ok(Pending(JsFuture::from(promise.unchecked_into::<Promise>())))
}

/// A plain object.
pub(super) fn object(properties: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in properties {
        // A new object takes any property.
        drop(Reflect::set(&object, &JsValue::from_str(name), value));
    }
    object.into()
}

/// A copy on JavaScript's side: WebCrypto reads on while the engine's memory may move.
pub(super) fn bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

/// AES-GCM with that nonce; `context` is authenticated and not kept.
pub(super) fn gcm(nonce: &[u8], context: &[u8]) -> JsValue {
    let name = JsValue::from_str("AES-GCM");
    object(&[("name", name), ("iv", bytes(nonce)), ("additionalData", bytes(context))])
}

/// The kind of all keys but those with a passphrase.
pub(super) fn aes() -> JsValue {
    object(&[("name", JsValue::from_str("AES-GCM")), ("length", JsValue::from(256))])
}

pub(super) fn usages(first: &str, second: &str) -> JsValue {
    Array::of2(&JsValue::from_str(first), &JsValue::from_str(second)).into()
}

/// Bytes that nobody can guess.
///
/// # Errors
/// `store/unavailable` where the browser has none. A weak source will do for ids, not here.
pub(super) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    let none = |_| Error::new(Code::StoreUnavailable, "the browser has no random numbers");
    getrandom::fill(&mut bytes).map(|()| bytes).map_err(none)
}
