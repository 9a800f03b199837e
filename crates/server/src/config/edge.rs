//! `[tls]` and `[metrics]`, and with `[limits]` all that says how requests come in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::finding::{ConfigCode, Findings, Place};
use super::limits::{LimitsEntry, Sizes, Waits};

/// Characters of the metrics' token, at least.
const TOKEN_CHARS_MIN: usize = 16;

/// How requests come in. By default without TLS, without metrics, as many as there are and as slow as they are; a configuration has limits.
#[derive(Debug, Clone, Default)]
pub struct Edge {
    /// How many requests of a user, and of a client.
    pub user_rate: Option<Rate>,
    /// The same for a client.
    pub client_rate: Option<Rate>,
    /// How long the body of a request may take to arrive. A limit needs the clock of tokio.
    pub body_timeout: Option<Duration>,
    /// How many connections, and how long each may do nothing.
    pub waits: Waits,
    /// How large requests may be.
    pub sizes: Sizes,
    /// The certificate and its key, when this server speaks TLS itself.
    pub tls: Option<TlsFiles>,
    /// The token that `/metrics` wants; without one there is no `/metrics`.
    pub metrics_token: Option<String>,
}

/// How often somebody may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second, in the long run.
    pub per_second: u32,
    /// Requests at once.
    pub burst: u32,
}

/// Where the certificate and its key are, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those that it hangs on behind it.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// TLS by the server itself; behind a proxy that does it there is none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsEntry {
    /// The certificate in PEM, and those that it hangs on behind it. It is read again when the file has changed.
    cert: PathBuf,
    /// Its private key in PEM.
    key: PathBuf,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub(super) struct MetricsEntry {
    /// The bearer token that `/metrics` wants, of 16 characters at least; without it there is no `/metrics`.
    token: Option<String>,
    /// The variable of the environment with it.
    token_env: Option<String>,
}

pub(super) fn check_edge(
    limits: LimitsEntry,
    tls: Option<TlsEntry>,
    metrics: MetricsEntry,
    folder: &Path,
    is_development: bool,
    findings: &mut Findings,
) -> Edge {
    let (user_rate, client_rate) = limits.rates(is_development);
    let tls = tls.map(|TlsEntry { cert, key }| TlsFiles { cert: folder.join(cert), key: folder.join(key) });
    if let Some(files) = &tls {
        let loaded = crate::tls::Tls::load(files.clone());
        findings.take(ConfigCode::Source, &Place::of("tls"), loaded);
    }
    Edge {
        user_rate,
        client_rate,
        body_timeout: Some(limits.body_timeout()),
        waits: limits.waits(),
        sizes: limits.sizes(findings),
        tls,
        metrics_token: check_metrics(metrics, findings),
    }
}

fn check_metrics(entry: MetricsEntry, findings: &mut Findings) -> Option<String> {
    let place = Place::of("metrics");
    let (place, token) = match (entry.token, entry.token_env) {
        (None, None) => return None,
        (Some(token), None) => (place.key("token"), Ok(token)),
        (None, Some(name)) => {
            let token = std::env::var(&name).map_err(|_| format!("the environment has no variable {name}"));
            (place.key("tokenEnv"), token)
        }
        (Some(_), Some(_)) => {
            findings.value(&place, "needs one of token and tokenEnv");
            return None;
        }
    };
    let token = findings.take(ConfigCode::Source, &place, token)?;
    if token.chars().count() < TOKEN_CHARS_MIN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        findings.value(&place, format!("is no token: {TOKEN_CHARS_MIN} visible characters at least, of ASCII"));
    }
    Some(token)
}
