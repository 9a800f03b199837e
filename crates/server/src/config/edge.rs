//! `[limits]`, `[tls]` and `[metrics]`: how requests come in, and how many.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::finding::{ConfigCode, Findings, Place};

/// How long a body may take when it is not said: enough for the largest over 30 kbit/s.
const BODY_TIMEOUT: Duration = Duration::from_secs(300);
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

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub(super) struct LimitsEntry {
    /// Requests of one user a second, in the long run; 100 when absent and `[auth]` is not for development, 0 for no limit.
    #[schemars(range(max = 1_000_000))]
    user_per_second: Option<u32>,
    /// Requests of one user at once; 1000 when absent.
    #[schemars(range(min = 1, max = 1_000_000))]
    user_burst: Option<u32>,
    /// Pushes and pulls of one client a second, in the long run; 20 when absent and `[auth]` is not for development, 0 for no limit.
    #[schemars(range(max = 1_000_000))]
    client_per_second: Option<u32>,
    /// Pushes and pulls of one client at once; 200 when absent.
    #[schemars(range(min = 1, max = 1_000_000))]
    client_burst: Option<u32>,
    /// How long the body of a request may take to arrive; 300 when absent.
    #[schemars(range(min = 1, max = 3600))]
    body_seconds: Option<u64>,
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
    let rate = |per_second: Option<u32>, burst: Option<u32>, usual: Rate| {
        // Where tokens are no secret, who asks much is a test or a measurement.
        let per_second = per_second.unwrap_or(if is_development { 0 } else { usual.per_second });
        (per_second > 0).then(|| Rate { per_second, burst: burst.unwrap_or(usual.burst) })
    };
    let tls = tls.map(|TlsEntry { cert, key }| TlsFiles { cert: folder.join(cert), key: folder.join(key) });
    if let Some(files) = &tls {
        let loaded = crate::tls::Tls::load(files.clone());
        findings.take(ConfigCode::Source, &Place::of("tls"), loaded);
    }
    Edge {
        user_rate: rate(limits.user_per_second, limits.user_burst, Rate { per_second: 100, burst: 1_000 }),
        client_rate: rate(limits.client_per_second, limits.client_burst, Rate { per_second: 20, burst: 200 }),
        body_timeout: Some(limits.body_seconds.map_or(BODY_TIMEOUT, Duration::from_secs)),
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
