//! `[auth]`: who may ask. Development tokens stand in the file; in production issuers sign them.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

use figment::value::magic::RelativePathBuf;
use jsonwebtoken::Algorithm;
use serde::Deserialize;

use super::ConfigError;
use super::check::{Checked, content};
use crate::auth::{ClaimTemplate, Issuer, Key, KeyError, KeySource, read_jwks, read_pem, read_secret};
use crate::model::User;

/// By how much an issuer's clock may differ, unless it is said.
const LEEWAY_S: u64 = 60;
/// By how much it may be said to differ.
const LEEWAY_S_MAX: u64 = 600;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthEntry {
    /// It must be named, so that nobody has development tokens by accident.
    mode: AuthMode,
    #[serde(default)]
    tokens: Vec<TokenEntry>,
    #[serde(default)]
    issuers: Vec<IssuerEntry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum AuthMode {
    Development,
    Jwt,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    token: String,
    user: String,
    scopes: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct IssuerEntry {
    issuer: String,
    #[serde(default)]
    audience: Vec<String>,
    #[serde(default)]
    any_audience: bool,
    leeway_seconds: Option<u64>,
    user: Option<String>,
    scopes: Vec<String>,
    jwks_url: Option<String>,
    jwks_file: Option<RelativePathBuf>,
    #[serde(default)]
    keys: Vec<KeyEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct KeyEntry {
    algorithm: AlgorithmEntry,
    kid: Option<String>,
    pem_file: Option<RelativePathBuf>,
    secret_file: Option<RelativePathBuf>,
    secret_env: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum AlgorithmEntry {
    HS256,
    RS256,
    ES256,
    EdDSA,
}

/// The development tokens and the issuers; of one kind there are none.
pub(super) fn check_auth(auth: AuthEntry) -> Checked<(HashMap<String, User>, Vec<Issuer>)> {
    match auth.mode {
        AuthMode::Development if !auth.issuers.is_empty() => {
            Err(content("auth.issuers", "issuers are for mode = \"jwt\""))
        }
        AuthMode::Development => Ok((check_tokens(auth.tokens)?, Vec::new())),
        AuthMode::Jwt if !auth.tokens.is_empty() => {
            Err(content("auth.tokens", "tokens are for mode = \"development\""))
        }
        AuthMode::Jwt if auth.issuers.is_empty() => {
            Err(content("auth", "mode = \"jwt\" needs an [[auth.issuers]], else nobody could sign in"))
        }
        AuthMode::Jwt => Ok((HashMap::new(), check_issuers(auth.issuers)?)),
    }
}

fn check_tokens(entries: Vec<TokenEntry>) -> Checked<HashMap<String, User>> {
    let mut tokens = HashMap::new();
    for (entry, number) in entries.into_iter().zip(1..) {
        let place = format!("auth.tokens, entry {number}");
        if entry.token.is_empty() || entry.user.is_empty() {
            return Err(content(place, "a token and a user are not empty"));
        }
        let user = User { id: entry.user, scopes: entry.scopes };
        if tokens.insert(entry.token, user).is_some() {
            return Err(content(place, "the token is there twice"));
        }
    }
    Ok(tokens)
}

fn check_issuers(entries: Vec<IssuerEntry>) -> Checked<Vec<Issuer>> {
    let several = entries.len() > 1;
    let mut names = BTreeSet::new();
    let mut issuers = Vec::with_capacity(entries.len());
    for entry in entries {
        let place = format!("auth.issuers, issuer \"{}\"", entry.issuer);
        if entry.issuer.is_empty() {
            return Err(content(place, "issuer is what the iss of its tokens says; it is not empty"));
        }
        if !names.insert(entry.issuer.clone()) {
            return Err(content(place, "is there twice"));
        }
        if several && entry.user.is_none() {
            let what = "there are several issuers, and the same sub may be different people; say user = \"{sub}\" or, for \
                        example, user = \"staff:{sub}\"";
            return Err(content(place, what));
        }
        issuers.push(check_issuer(entry, &place)?);
    }
    Ok(issuers)
}

fn check_issuer(entry: IssuerEntry, place: &str) -> Checked<Issuer> {
    if entry.audience.is_empty() != entry.any_audience || entry.audience.iter().any(String::is_empty) {
        let what = "audience is what the aud of its tokens says, at least one; or say anyAudience = true, and tokens that it gave to \
                    other apps count here too";
        return Err(content(place, what));
    }
    let leeway = entry.leeway_seconds.unwrap_or(LEEWAY_S);
    if leeway > LEEWAY_S_MAX {
        return Err(content(place, format!("leewaySeconds is 0 to {LEEWAY_S_MAX}")));
    }
    let parse = |text: &str| ClaimTemplate::parse(text).map_err(|error| content(place, error));
    let user = parse(entry.user.as_deref().unwrap_or("{sub}"))?;
    if user.is_literal() {
        return Err(content(place, "user names no claim, so all would be the same user; for example user = \"{sub}\""));
    }
    let scopes = entry.scopes.iter().map(|text| parse(text)).collect::<Checked<Vec<_>>>()?;
    let keys = match (entry.jwks_url, entry.jwks_file, entry.keys) {
        (Some(url), None, keys) if keys.is_empty() => check_url(url, place)?,
        (None, Some(file), keys) if keys.is_empty() => {
            let file = file.relative();
            let bytes = read(&file)?;
            KeySource::Fixed(read_jwks(&bytes).map_err(|error| wrong(place, &file, error))?)
        }
        (None, None, keys) if !keys.is_empty() => {
            let keys = keys.into_iter().zip(1..).map(|(key, number)| check_key(key, &format!("{place}, key {number}")));
            KeySource::Fixed(keys.collect::<Checked<_>>()?)
        }
        _ => return Err(content(place, "needs exactly one of jwksUrl, jwksFile and keys")),
    };
    Ok(Issuer { name: entry.issuer, audience: entry.audience, leeway: Duration::from_secs(leeway), user, scopes, keys })
}

fn check_url(url: String, place: &str) -> Checked<KeySource> {
    let parsed = url.parse::<axum::http::Uri>().ok().filter(|uri| uri.host().is_some());
    match parsed.as_ref().and_then(|uri| uri.scheme_str()) {
        Some("https" | "http") => Ok(KeySource::Url(url)),
        _ => Err(content(
            place,
            format!("jwksUrl = \"{url}\" is no address; for example https://id.example.com/jwks.json"),
        )),
    }
}

fn check_key(entry: KeyEntry, place: &str) -> Checked<Key> {
    let algorithm = match entry.algorithm {
        AlgorithmEntry::HS256 => None,
        AlgorithmEntry::RS256 => Some(Algorithm::RS256),
        AlgorithmEntry::ES256 => Some(Algorithm::ES256),
        AlgorithmEntry::EdDSA => Some(Algorithm::EdDSA),
    };
    match (algorithm, entry.pem_file, entry.secret_file, entry.secret_env) {
        (Some(algorithm), Some(file), None, None) => {
            let file = file.relative();
            let pem = read(&file)?;
            read_pem(&String::from_utf8_lossy(&pem), algorithm, entry.kid).map_err(|error| wrong(place, &file, error))
        }
        (None, None, Some(file), None) => {
            let file = file.relative();
            let secret = read(&file)?;
            read_secret(secret.trim_ascii_end(), entry.kid).map_err(|error| wrong(place, &file, error))
        }
        (None, None, None, Some(name)) => {
            let secret = std::env::var(&name)
                .map_err(|_| content(place, format!("secretEnv: the environment has no variable {name}")))?;
            read_secret(secret.as_bytes(), entry.kid)
                .map_err(|error| content(place, format!("secretEnv, {name}: {error}")))
        }
        (None, ..) => Err(content(place, "HS256 needs secretFile or secretEnv, one of them and nothing else")),
        (Some(_), ..) => Err(content(place, "RS256, ES256 and EdDSA need a pemFile, and nothing else")),
    }
}

fn wrong(place: &str, file: &Path, error: KeyError) -> ConfigError {
    content(place, format!("{}: {error}", file.display()))
}

fn read(file: &Path) -> Checked<Vec<u8>> {
    std::fs::read(file).map_err(|cause| ConfigError::Unreadable { file: file.to_owned(), cause })
}
