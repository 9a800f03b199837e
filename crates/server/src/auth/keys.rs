//! Keys: each has one algorithm, known before any token is seen.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, Validation, decode};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Refusal;

/// Bytes of a secret for HS256, at least: as many as its hash has (RFC 7518, 3.2).
const SECRET_BYTES_MIN: usize = 32;
/// Bytes of the modulus of an RSA key, at least: 2,048 bits (RFC 7518, 3.3).
const RSA_BYTES_MIN: usize = 256;
/// Bytes of a point on P-256, uncompressed.
const P256_POINT_BYTES: usize = 65;
/// Keys of one issuer, at most.
pub(crate) const KEYS_MAX: usize = 100;

/// What tokens are verified with.
#[derive(Debug, Clone)]
pub struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Why something is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A secret that is short can be guessed.
    #[error("the secret has fewer than 32 bytes")]
    SecretTooShort,
    /// The file is not the public half alone.
    #[error(
        "it is not a public key in PEM (BEGIN PUBLIC KEY); no private key belongs on this server, and no certificate"
    )]
    NotPublic,
    /// The key is of another kind.
    #[error("it is not a key for this algorithm")]
    OtherKind,
    /// An RSA key that is short can be broken.
    #[error("an RSA key has 2,048 bits at least")]
    RsaTooShort,
    /// It is no JWKS.
    #[error("it is not a JWKS: an object with a list \"keys\", of at most 100")]
    NotJwks,
    /// It has no key that could verify a token.
    #[error("it has no key for RS256, ES256 or EdDSA")]
    NoKeys,
}

/// A secret that the issuer and this server share.
pub(crate) fn read_secret(secret: &[u8], kid: Option<String>) -> Result<Key, KeyError> {
    if secret.len() < SECRET_BYTES_MIN {
        return Err(KeyError::SecretTooShort);
    }
    Ok(Key { kid, algorithm: Algorithm::HS256, key: DecodingKey::from_secret(secret) })
}

/// A public key in PEM.
pub(crate) fn read_pem(pem: &str, algorithm: Algorithm, kid: Option<String>) -> Result<Key, KeyError> {
    if pem.contains("PRIVATE KEY") || !pem.contains("PUBLIC KEY") {
        return Err(KeyError::NotPublic);
    }
    let key = match algorithm {
        Algorithm::RS256 => DecodingKey::from_rsa_pem(pem.as_bytes()),
        Algorithm::ES256 => DecodingKey::from_ec_pem(pem.as_bytes()),
        Algorithm::EdDSA => DecodingKey::from_ed_pem(pem.as_bytes()),
        _ => return Err(KeyError::OtherKind),
    };
    let key = key.map_err(|_| KeyError::OtherKind)?;
    let bytes = key.try_get_as_bytes().map_err(|_| KeyError::OtherKind)?.len();
    match algorithm {
        // With its exponent and their frame.
        Algorithm::RS256 if bytes < RSA_BYTES_MIN => Err(KeyError::RsaTooShort),
        Algorithm::ES256 if bytes != P256_POINT_BYTES => Err(KeyError::OtherKind),
        _ => Ok(Key { kid, algorithm, key }),
    }
}

/// The keys of a JWKS (RFC 7517) that can verify tokens here. Others are left out: they are for other readers.
pub(crate) fn read_jwks(bytes: &[u8]) -> Result<Vec<Key>, KeyError> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = serde_json::from_slice(bytes).map_err(|_| KeyError::NotJwks)?;
    if set.keys.len() > KEYS_MAX {
        return Err(KeyError::NotJwks);
    }
    let keys: Vec<Key> = set.keys.into_iter().filter_map(of_jwk).collect();
    if keys.is_empty() { Err(KeyError::NoKeys) } else { Ok(keys) }
}

fn of_jwk(value: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let common = &jwk.common;
    if !matches!(common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    // A secret (oct) has no place in a document that is there for everybody.
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(ed) if ed.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    if common.key_algorithm.is_some_and(|other| other != named) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    if matches!(key.kind(), DecodingKeyKind::RsaModulusExponent { n, .. } if n.len() < RSA_BYTES_MIN) {
        return None;
    }
    Some(Key { kid: jwk.common.key_id, algorithm, key })
}

/// The keys that a token may be signed with: those of its `kid`, and where either has none, all.
pub(super) fn named(keys: &[Key], kid: Option<&str>) -> Vec<Key> {
    let fits = |key: &&Key| match (&key.kid, kid) {
        (Some(own), Some(kid)) => own == kid,
        (None, _) | (_, None) => true,
    };
    keys.iter().filter(fits).cloned().collect()
}

/// The claims of a token that one of these keys has signed.
pub(super) fn verify(token: &str, algorithm: Algorithm, keys: &[Key]) -> Result<Map<String, Value>, Refusal> {
    if keys.is_empty() {
        return Err(Refusal::Key);
    }
    let mut refusal = Refusal::Algorithm;
    for key in keys.iter().filter(|key| key.algorithm == algorithm) {
        let mut validation = Validation::new(key.algorithm);
        // Times and audience are looked at in claims.rs, with a clock that is given.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        match decode::<Map<String, Value>>(token, &key.key, &validation) {
            Ok(verified) => return Ok(verified.claims),
            // Claims are read after the signature.
            Err(error) if matches!(error.kind(), ErrorKind::Json(_)) => return Err(Refusal::Claims),
            Err(_) => refusal = Refusal::Signature,
        }
    }
    Err(refusal)
}
