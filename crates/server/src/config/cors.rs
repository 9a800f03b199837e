//! `[cors]`: pages of which other origins may ask. Exact ones: a pattern that is a little too wide lets in whoever looks for it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::finding::{Findings, Place};

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CorsEntry {
    /// Each exactly as browsers send it; an app in Capacitor has `capacitor://localhost` on iOS and `https://localhost` on Android.
    #[schemars(length(max = 100))]
    origins: Vec<String>,
}

pub(super) fn check_cors(entry: CorsEntry, findings: &mut Findings) -> Vec<String> {
    for (number, wrong) in entry.origins.iter().enumerate().filter(|(_, origin)| !is_origin(origin)) {
        let what = format!(
            "\"{wrong}\" is no origin as browsers send it: a scheme, a host in lower case and a port unless it is the usual one; no path, no \
             slash at the end, no *; for example https://app.example.com, capacitor://localhost, https://localhost"
        );
        findings.value(&Place::of("cors").key("origins").at(number), what);
    }
    entry.origins
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else {
        return false;
    };
    let usual = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => "/",
    };
    let (name, port) = match host.rsplit_once(':') {
        // The colons inside brackets are those of an IPv6 address.
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_word = |text: &str, more: &[u8]| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || more.contains(&byte);
        !text.is_empty() && text.bytes().all(fits)
    };
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    is_word(scheme, b"+-.")
        && !host.ends_with(usual)
        && address.map_or_else(|| is_word(name, b"-._"), |address| is_word(address, b":."))
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number.to_string() == port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for good in [
            "https://app.example.com",
            "https://localhost",
            "capacitor://localhost",
            "ionic://localhost",
            "http://localhost:5173",
            "http://[::1]:8080",
            "http://[::1]",
        ] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "*",
            "null",
            "",
            "localhost",
            "https://",
            "https://*.example.com",
            "https://app.example.com/",
            "https://app.example.com/x",
            "https://App.example.com",
            "https://app.example.com:443",
            "http://localhost:80",
            "https://x:y",
            "https://x:",
            "https://x:08",
            "https://a@b",
            "https://a b",
            "https://a,https://b",
            "HTTPS://a",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
