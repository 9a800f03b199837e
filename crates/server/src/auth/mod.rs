//! Who a token is of. Development tokens stand in a table; others (JWT) are believed for their signature and claims.
//!
//! ```text
//! token ─► iss ─► issuer ─► kid ─► key ─► signature with the key's algorithm ─► exp, nbf, aud ─► user and scopes
//!                                   ▲
//!                     configuration, or the issuer's JWKS (remote.rs)
//! ```
//!
//! **Invariant:** which algorithm verifies a token is the key's to say. What the header says must be the same, and chooses nothing.
//! **Invariant:** of a token whose signature is not right nothing is told but that.

mod claims;
mod keys;
mod remote;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use jsonwebtoken::dangerous::insecure_decode;
use serde_json::{Map, Value};
use whimbrel_protocol::ProblemCode;

pub use self::claims::{ClaimTemplate, ClaimTemplateError};
pub use self::keys::{Key, KeyError};
pub(crate) use self::keys::{read_jwks, read_pem, read_secret};
use self::remote::Remote;
use crate::fault::Fault;
use crate::model::User;

/// Bytes of a token, at most.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Somebody whose tokens are taken.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// What `iss` says in its tokens.
    pub name: String,
    /// One of these must be in `aud`; when there is none, `aud` is not looked at.
    pub audience: Vec<String>,
    /// By how much its clock may differ.
    pub leeway: Duration,
    /// The user's id.
    pub user: ClaimTemplate,
    /// The user's scopes.
    pub scopes: Vec<ClaimTemplate>,
    /// The realm that the token is for; none where the server has none.
    pub realm: Option<ClaimTemplate>,
    /// What its tokens are signed with.
    pub keys: KeySource,
}

/// Where an issuer's keys come from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// They are in the configuration, or in files that it names.
    Fixed(Vec<Key>),
    /// The address of a JWKS.
    Url {
        /// The address.
        url: String,
        /// The certificates, in PEM, that its server's must hang on, instead of those that the world trusts.
        ca: Option<Vec<u8>>,
    },
}

/// Why there is no user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("there is no token")]
    Missing,
    #[error("the Authorization header is not a bearer token")]
    NotBearer,
    #[error("the token is not valid")]
    Unknown,
    #[error("the token is too long")]
    TooLong,
    #[error("the token is not a signed JWT")]
    Malformed,
    #[error("the token is of an issuer that is not known here")]
    Issuer,
    #[error("the token's key is not known here")]
    Key,
    #[error("the token's algorithm is not that of its key")]
    Algorithm,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the token has claims of the wrong type")]
    Claims,
    #[error("the token does not say when it expires")]
    NoExpiry,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token is for another audience")]
    Audience,
    #[error("the token names no user")]
    NoUser,
    /// The same for a realm that is not here and for a token that says none.
    #[error("the token is for no realm that is served here")]
    NoRealm,
    /// Nothing against the token: whether it is right cannot be known now.
    #[error("the keys of the token's issuer cannot be fetched now")]
    KeysUnavailable,
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::KeysUnavailable => ProblemCode::Busy,
            Refusal::NoRealm => ProblemCode::Forbidden,
            _ => ProblemCode::Unauthenticated,
        };
        Self::new(code, refusal.to_string())
    }
}

/// Who asks, and for how long the token lasts.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// With the token's scopes.
    pub(crate) user: User,
    /// None for a token that does not end.
    pub(crate) left: Option<Duration>,
}

/// All tokens that are taken.
#[derive(Debug)]
pub(crate) struct Auth {
    tokens: HashMap<String, User>,
    issuers: Vec<(Issuer, Keys)>,
}

#[derive(Debug)]
enum Keys {
    Fixed(Vec<Key>),
    Remote(Arc<Remote>),
}

impl Auth {
    pub(crate) fn new(tokens: HashMap<String, User>, issuers: &[Issuer]) -> Self {
        let issuers = issuers.iter().map(|issuer| {
            let keys = match &issuer.keys {
                KeySource::Fixed(keys) => Keys::Fixed(keys.clone()),
                KeySource::Url { url, ca } => Keys::Remote(Arc::new(Remote::new(url.clone(), ca.as_deref()))),
            };
            (issuer.clone(), keys)
        });
        Self { tokens, issuers: issuers.collect() }
    }

    /// The user of a bearer token.
    pub(crate) async fn session_of(&self, token: &str) -> Result<Session, Refusal> {
        if let Some(user) = self.tokens.get(token) {
            return Ok(Session { user: user.clone(), left: None });
        }
        if self.issuers.is_empty() {
            return Err(Refusal::Unknown);
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        // Nothing of it is believed yet: it says where to look for the key.
        let unverified = insecure_decode::<Map<String, Value>>(token).map_err(|_| Refusal::Malformed)?;
        let header = unverified.header;
        if header.crit.is_some() {
            return Err(Refusal::Malformed);
        }
        let name = unverified.claims.get("iss").and_then(Value::as_str);
        let (issuer, keys) =
            self.issuers.iter().find(|(issuer, _)| name == Some(&issuer.name)).ok_or(Refusal::Issuer)?;
        let kid = header.kid.as_deref();
        let candidates = match keys {
            Keys::Fixed(keys) => keys::named(keys, kid),
            Keys::Remote(remote) => remote.named(kid, Instant::now()).await?,
        };
        let claims = keys::verify(token, header.alg, &candidates)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let user = claims::user(&claims, issuer, now)?;
        Ok(Session { user, left: claims::left(&claims, issuer, now) })
    }
}
