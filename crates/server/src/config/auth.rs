//! `[auth]`: who may ask. Development tokens stand in the file; in production issuers sign them.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jsonwebtoken::Algorithm;
use schemars::JsonSchema;
use serde::Deserialize;

use super::finding::{ConfigCode, Findings, Place};
use super::realm::{check_known, check_said};
use crate::auth::{ClaimTemplate, Issuer, Key, KeyError, KeySource, read_jwks, read_pem, read_secret};
use crate::model::User;

/// By how much an issuer's clock may differ, unless it is said.
const LEEWAY_S: u64 = 60;

/// Whose tokens are taken.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct AuthEntry {
    /// `jwt`, or `development` with tokens in this file; it must be said, so that nobody has development tokens by accident.
    mode: AuthMode,
    /// Tokens of `mode = "development"`. They are no secret: the server then listens to this machine only.
    #[serde(default)]
    tokens: Vec<TokenEntry>,
    /// Whose signed tokens are taken, with `mode = "jwt"`.
    #[serde(default)]
    issuers: Vec<IssuerEntry>,
    /// A query for more scopes of a user, whose id is `$1`: `SELECT 'team:' || team_id FROM member WHERE user_id = $1`. It is asked with every request.
    scopes_sql: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum AuthMode {
    Development,
    Jwt,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    /// The token.
    token: String,
    /// The user's id.
    user: String,
    /// The user's scopes.
    #[serde(default)]
    scopes: Vec<String>,
    /// The realm that it is for, where there are realms.
    realm: Option<String>,
}

/// Somebody who signs tokens.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct IssuerEntry {
    /// Exactly what `iss` says in its tokens.
    issuer: String,
    /// One of these must be in `aud`.
    #[serde(default)]
    audience: Vec<String>,
    /// For an issuer that writes no `aud`: tokens that it gave to other apps count here too.
    #[serde(default)]
    any_audience: bool,
    /// By how much its clock may differ; 60 when absent.
    #[schemars(range(max = 600))]
    leeway_seconds: Option<u64>,
    /// The user's id, by claims: `{sub}` when absent, which it may be with a single issuer.
    user: Option<String>,
    /// The user's scopes, by claims: `all`, `team:{teams}`; a claim that is a list gives a scope for each of its entries.
    #[serde(default)]
    scopes: Vec<String>,
    /// The realm that its tokens are for, by name or by claim: `acme`, `{org}`. Where there are realms it must be said, else it must not.
    realm: Option<String>,
    /// Where its keys are: they are fetched, and kept while it is away.
    jwks_url: Option<String>,
    /// A file with certificates in PEM that the server at `jwksUrl` must hang on, instead of those that the world trusts.
    jwks_ca: Option<PathBuf>,
    /// A file with its keys, a JWKS.
    jwks_file: Option<PathBuf>,
    /// Its keys, one by one.
    #[serde(default)]
    keys: Vec<KeyEntry>,
}

/// A key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct KeyEntry {
    /// The only algorithm that it is for.
    algorithm: AlgorithmEntry,
    /// Its name in the tokens.
    kid: Option<String>,
    /// A public key in PEM, for all but HS256.
    pem_file: Option<PathBuf>,
    /// A file with the secret of HS256, of 32 bytes at least.
    secret_file: Option<PathBuf>,
    /// The variable of the environment with the secret of HS256.
    secret_env: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
enum AlgorithmEntry {
    HS256,
    RS256,
    ES256,
    EdDSA,
}

/// Who may ask, and which scopes they have.
#[derive(Debug)]
pub(super) struct Auth {
    pub(super) tokens: HashMap<String, User>,
    pub(super) issuers: Vec<Issuer>,
    pub(super) scopes_sql: Option<String>,
}

/// Of development tokens and issuers there is one kind only.
pub(super) fn check_auth(auth: AuthEntry, folder: &Path, realms: &BTreeSet<String>, findings: &mut Findings) -> Auth {
    let place = Place::of("auth");
    if auth.scopes_sql.as_ref().is_some_and(|sql| !sql.contains("$1")) {
        findings.value(
            &place.key("scopesSql"),
            "does not ask for $1, the user's id, so all users would have the same scopes",
        );
    }
    match auth.mode {
        AuthMode::Development if !auth.issuers.is_empty() => {
            findings.value(&place.key("issuers"), "issuers are for mode = \"jwt\"");
        }
        AuthMode::Jwt if !auth.tokens.is_empty() => {
            findings.value(&place.key("tokens"), "tokens are for mode = \"development\"");
        }
        AuthMode::Jwt if auth.issuers.is_empty() => {
            let what = "mode = \"jwt\" needs an [[auth.issuers]], else nobody could sign in";
            findings.add(ConfigCode::MissingKey, &place.key("issuers"), what);
        }
        AuthMode::Development | AuthMode::Jwt => {}
    }
    let tokens = check_tokens(auth.tokens, realms, findings);
    Auth { tokens, issuers: check_issuers(auth.issuers, folder, realms, findings), scopes_sql: auth.scopes_sql }
}

fn check_tokens(entries: Vec<TokenEntry>, realms: &BTreeSet<String>, findings: &mut Findings) -> HashMap<String, User> {
    let mut tokens = HashMap::new();
    for (entry, number) in entries.into_iter().zip(0..) {
        let place = Place::of("auth").key("tokens").at(number);
        for (key, text) in [("token", &entry.token), ("user", &entry.user)] {
            if text.is_empty() {
                findings.value(&place.key(key), "is empty");
            }
        }
        check_said(entry.realm.is_some(), realms, &place.key("realm"), findings);
        if let Some(realm) = entry.realm.as_ref().filter(|_| !realms.is_empty()) {
            check_known(realm, realms, &place.key("realm"), findings);
        }
        let user = User { id: entry.user, scopes: entry.scopes, realm: entry.realm };
        if tokens.insert(entry.token, user).is_some() {
            findings.add(ConfigCode::Duplicate, &place.key("token"), "the token is there twice");
        }
    }
    tokens
}

fn check_issuers(
    entries: Vec<IssuerEntry>,
    folder: &Path,
    realms: &BTreeSet<String>,
    findings: &mut Findings,
) -> Vec<Issuer> {
    let several = entries.len() > 1;
    let mut names = BTreeSet::new();
    let mut issuers = Vec::with_capacity(entries.len());
    for (entry, number) in entries.into_iter().zip(0..) {
        let place = Place::of("auth").key("issuers").at(number);
        if entry.issuer.is_empty() {
            findings.value(&place.key("issuer"), "issuer is what the iss of its tokens says; it is not empty");
        }
        if !names.insert(entry.issuer.clone()) {
            findings.add(ConfigCode::Duplicate, &place.key("issuer"), "is there twice");
        }
        if several && entry.user.is_none() {
            let what = "is missing: there are several issuers, and the same sub may be different people; say user = \"{sub}\" or, for \
                        example, user = \"staff:{sub}\"";
            findings.add(ConfigCode::MissingKey, &place.key("user"), what);
        }
        let realm = check_realm(entry.realm.as_deref(), realms, &place.key("realm"), findings);
        issuers.extend(check_issuer(entry, folder, &place, findings).map(|issuer| Issuer { realm, ..issuer }));
    }
    issuers
}

/// By claims, or one that is there.
fn check_realm(
    said: Option<&str>,
    realms: &BTreeSet<String>,
    place: &Place,
    findings: &mut Findings,
) -> Option<ClaimTemplate> {
    check_said(said.is_some(), realms, place, findings);
    let template = findings.take(ConfigCode::Value, place, ClaimTemplate::parse(said?))?;
    if let Some(name) = template.literal().filter(|_| !realms.is_empty()) {
        check_known(name, realms, place, findings);
    }
    Some(template)
}

fn check_issuer(entry: IssuerEntry, folder: &Path, place: &Place, findings: &mut Findings) -> Option<Issuer> {
    if entry.audience.is_empty() != entry.any_audience || entry.audience.iter().any(String::is_empty) {
        let what = "audience is what the aud of its tokens says, at least one; or say anyAudience = true, and tokens that it gave to \
                    other apps count here too";
        findings.value(&place.key("audience"), what);
    }
    let leeway = entry.leeway_seconds.unwrap_or(LEEWAY_S);
    let user = ClaimTemplate::parse(entry.user.as_deref().unwrap_or("{sub}"));
    let user = findings.take(ConfigCode::Value, &place.key("user"), user);
    if user.as_ref().is_some_and(ClaimTemplate::is_literal) {
        let what = "user names no claim, so all would be the same user; for example user = \"{sub}\"";
        findings.value(&place.key("user"), what);
    }
    let mut scopes = Vec::with_capacity(entry.scopes.len());
    for (number, text) in entry.scopes.iter().enumerate() {
        let place = place.key("scopes").at(number);
        scopes.extend(findings.take(ConfigCode::Value, &place, ClaimTemplate::parse(text)));
    }
    let keys = match (entry.jwks_url, entry.jwks_file, entry.keys) {
        (Some(url), None, keys) if keys.is_empty() => {
            let ca = entry.jwks_ca.and_then(|file| check_ca(folder.join(file), &place.key("jwksCa"), findings));
            check_url(url, ca, &place.key("jwksUrl"), findings)
        }
        (None, Some(file), keys) if keys.is_empty() => {
            let place = place.key("jwksFile");
            let keys = read(folder.join(file), read_jwks);
            findings.take(ConfigCode::Source, &place, keys).map(KeySource::Fixed)
        }
        (None, None, keys) if !keys.is_empty() => {
            let mut all = Vec::with_capacity(keys.len());
            for (key, number) in keys.into_iter().zip(0..) {
                all.extend(check_key(key, folder, &place.key("keys").at(number), findings));
            }
            Some(KeySource::Fixed(all))
        }
        _ => {
            findings.value(place, "needs exactly one of jwksUrl, jwksFile and keys");
            None
        }
    };
    let leeway = Duration::from_secs(leeway);
    Some(Issuer { name: entry.issuer, audience: entry.audience, leeway, user: user?, scopes, realm: None, keys: keys? })
}

/// A file with at least one certificate.
fn check_ca(file: PathBuf, place: &Place, findings: &mut Findings) -> Option<Vec<u8>> {
    let read = std::fs::read(&file).map_err(|cause| format!("{}: {cause}", file.display()));
    let pem = findings.take(ConfigCode::Source, place, read)?;
    if !ureq::tls::parse_pem(&pem).any(|item| matches!(item, Ok(ureq::tls::PemItem::Certificate(_)))) {
        findings.add(ConfigCode::Source, place, format!("{}: there is no certificate in it", file.display()));
    }
    Some(pem)
}

fn check_url(url: String, ca: Option<Vec<u8>>, place: &Place, findings: &mut Findings) -> Option<KeySource> {
    let parsed = url.parse::<axum::http::Uri>().ok().filter(|uri| uri.host().is_some());
    match parsed.as_ref().and_then(|uri| uri.scheme_str()) {
        Some("https" | "http") => Some(KeySource::Url { url, ca }),
        _ => {
            findings.value(place, format!("\"{url}\" is no address; for example https://id.example.com/jwks.json"));
            None
        }
    }
}

fn check_key(entry: KeyEntry, folder: &Path, place: &Place, findings: &mut Findings) -> Option<Key> {
    let algorithm = match entry.algorithm {
        AlgorithmEntry::HS256 => None,
        AlgorithmEntry::RS256 => Some(Algorithm::RS256),
        AlgorithmEntry::ES256 => Some(Algorithm::ES256),
        AlgorithmEntry::EdDSA => Some(Algorithm::EdDSA),
    };
    let kid = entry.kid;
    match (algorithm, entry.pem_file, entry.secret_file, entry.secret_env) {
        (Some(algorithm), Some(file), None, None) => {
            let key = read(folder.join(file), |pem| read_pem(&String::from_utf8_lossy(pem), algorithm, kid));
            findings.take(ConfigCode::Source, &place.key("pemFile"), key)
        }
        (None, None, Some(file), None) => {
            let key = read(folder.join(file), |secret| read_secret(secret.trim_ascii_end(), kid));
            findings.take(ConfigCode::Source, &place.key("secretFile"), key)
        }
        (None, None, None, Some(name)) => {
            let key = match std::env::var(&name) {
                Ok(secret) => read_secret(secret.as_bytes(), kid).map_err(|error| format!("{name}: {error}")),
                Err(_) => Err(format!("the environment has no variable {name}")),
            };
            findings.take(ConfigCode::Source, &place.key("secretEnv"), key)
        }
        (None, ..) => {
            findings.value(place, "HS256 needs secretFile or secretEnv, one of them and nothing else");
            None
        }
        (Some(_), ..) => {
            findings.value(place, "RS256, ES256 and EdDSA need a pemFile, and nothing else");
            None
        }
    }
}

/// What is made of a file.
fn read<T>(file: PathBuf, make: impl FnOnce(&[u8]) -> Result<T, KeyError>) -> Result<T, String> {
    let bytes = std::fs::read(&file).map_err(|cause| format!("{}: {cause}", file.display()))?;
    make(&bytes).map_err(|error| format!("{}: {error}", file.display()))
}
