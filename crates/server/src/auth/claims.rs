//! What a verified token says: until when, for whom, and which user with which scopes.
//!
//! A template is a literal such as `all`, or a literal and one claim at the end such as `team:{teams}`. As with the scopes of
//! rows, one claim and only at the end, so that no value can make a scope that another template is meant to give. `{scopes}` alone takes what the
//! issuer writes: then the issuer must know who can write that claim.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Issuer, Refusal};
use crate::model::User;

/// How a user gets an id, or a scope, from claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimTemplate {
    prefix: String,
    claim: Option<String>,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no template: a literal such as all, or a literal and one claim at the end such as team:{{teams}}")]
pub struct ClaimTemplateError(String);

impl ClaimTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// [`ClaimTemplateError`].
    pub fn parse(text: &str) -> Result<Self, ClaimTemplateError> {
        let error = || ClaimTemplateError(text.to_owned());
        let (prefix, claim) = match text.split_once('{') {
            None => (text, None),
            Some((prefix, rest)) => (prefix, Some(rest.strip_suffix('}').ok_or_else(error)?)),
        };
        let bad = |part: &str| part.contains(['{', '}']);
        if text.is_empty() || bad(prefix) || claim.is_some_and(|claim| claim.is_empty() || bad(claim)) {
            return Err(error());
        }
        Ok(Self { prefix: prefix.to_owned(), claim: claim.map(str::to_owned) })
    }

    /// Whether it says the same for everybody.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.literal().is_some()
    }

    /// What it says for everybody, if it does.
    pub(crate) fn literal(&self) -> Option<&str> {
        self.claim.is_none().then_some(self.prefix.as_str())
    }

    /// What it comes to: one text, several for a list, none for a claim that is not there.
    fn texts(&self, claims: &Map<String, Value>) -> Vec<String> {
        let Some(claim) = &self.claim else {
            return vec![self.prefix.clone()];
        };
        let value = find(claims, claim).unwrap_or(&Value::Null);
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let texts = values.iter().filter_map(|value| match value {
            Value::String(text) if !text.is_empty() => Some(format!("{}{text}", self.prefix)),
            Value::Number(number) if !number.is_f64() => Some(format!("{}{number}", self.prefix)),
            _ => None,
        });
        texts.collect()
    }
}

/// A claim by its name, or by the names on the way to it: names may have dots of their own, so the whole one comes first.
fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    claims.get(name).or_else(|| {
        let (outer, inner) = name.split_once('.')?;
        find(claims.get(outer)?.as_object()?, inner)
    })
}

/// The user of verified claims; `now` is since 1970.
pub(super) fn user(claims: &Map<String, Value>, issuer: &Issuer, now: Duration) -> Result<User, Refusal> {
    let (now, leeway) = (now.as_secs_f64(), issuer.leeway.as_secs_f64());
    let expires = claims.get("exp").and_then(Value::as_f64).ok_or(Refusal::NoExpiry)?;
    if expires + leeway <= now {
        return Err(Refusal::Expired);
    }
    if let Some(begins) = claims.get("nbf") {
        let begins = begins.as_f64().ok_or(Refusal::Claims)?;
        if begins - leeway > now {
            return Err(Refusal::NotYet);
        }
    }
    let is_ours = |value: &Value| value.as_str().is_some_and(|text| issuer.audience.iter().any(|own| own == text));
    let audience_fits = match claims.get("aud") {
        Some(Value::Array(values)) => values.iter().any(is_ours),
        Some(value) => is_ours(value),
        None => false,
    };
    if !issuer.audience.is_empty() && !audience_fits {
        return Err(Refusal::Audience);
    }
    // Of a list with several nobody could say which is the user.
    let mut ids = issuer.user.texts(claims).into_iter();
    let (Some(id), None) = (ids.next(), ids.next()) else {
        return Err(Refusal::NoUser);
    };
    let realm = issuer.realm.as_ref().map(|realm| {
        let mut names = realm.texts(claims).into_iter();
        // Of a list with several nobody could say which it is for.
        names.next().filter(|_| names.next().is_none()).ok_or(Refusal::NoRealm)
    });
    let mut scopes: Vec<String> = Vec::new();
    for scope in issuer.scopes.iter().flat_map(|template| template.texts(claims)) {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    Ok(User { id, scopes, realm: realm.transpose()? })
}

/// How long they are good for; none when that is longer than can be said.
pub(super) fn left(claims: &Map<String, Value>, issuer: &Issuer, now: Duration) -> Option<Duration> {
    let expires = claims.get("exp").and_then(Value::as_f64)?;
    Duration::try_from_secs_f64((expires + issuer.leeway.as_secs_f64() - now.as_secs_f64()).max(0.0)).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::KeySource;

    fn issuer() -> Issuer {
        let parse = |text: &&str| ClaimTemplate::parse(text).unwrap();
        Issuer {
            name: "i".into(),
            audience: vec!["app".into(), "other".into()],
            leeway: Duration::from_secs(60),
            user: parse(&"x:{sub}"),
            scopes: ["all", "user:{sub}", "team:{teams}", "role:{realm.roles}", "u:{https://x.y/z}"]
                .iter()
                .map(parse)
                .collect(),
            realm: None,
            keys: KeySource::Fixed(Vec::new()),
        }
    }

    fn of(claims: Value) -> Result<User, Refusal> {
        let mut all = json!({ "sub": "ana", "aud": "app", "exp": 1_000 });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        user(all.as_object().unwrap(), &issuer(), Duration::from_secs(1_000))
    }

    #[test]
    fn templates() {
        for good in ["all", "{sub}", "team:{teams}", "x{https://x.y/z}"] {
            assert!(ClaimTemplate::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "{}", "a}", "a:{b", "a:{b}c", "a:{b}{c}", "a:{{b}}", "a}{b}"] {
            let error = ClaimTemplate::parse(bad).expect_err(bad).to_string();
            assert!(error.contains("is no template"), "{bad}: {error}");
        }
    }

    #[test]
    fn times_have_a_leeway_and_no_more() {
        assert!(of(json!({})).is_ok());
        assert!(of(json!({ "exp": 941, "nbf": 1_060 })).is_ok());
        assert_eq!(of(json!({ "exp": 940 })), Err(Refusal::Expired));
        assert_eq!(of(json!({ "exp": 939.5 })), Err(Refusal::Expired));
        assert_eq!(of(json!({ "exp": -1 })), Err(Refusal::Expired));
        assert_eq!(of(json!({ "nbf": 1_061 })), Err(Refusal::NotYet));
        assert_eq!(of(json!({ "nbf": "soon" })), Err(Refusal::Claims));
        for none in [json!(null), json!("1000"), json!([1_000]), json!(true)] {
            assert_eq!(of(json!({ "exp": none })), Err(Refusal::NoExpiry), "{none}");
        }
    }

    #[test]
    fn what_is_left() {
        let of = |exp: Value| left(json!({ "exp": exp }).as_object().unwrap(), &issuer(), Duration::from_secs(1_000));
        assert_eq!(of(json!(941)), Some(Duration::from_secs(1)));
        assert_eq!(of(json!(1_000.5)), Some(Duration::from_millis(60_500)));
        assert_eq!(of(json!(0)), Some(Duration::ZERO));
        assert_eq!(of(json!(1e300)), None);
    }

    #[test]
    fn audiences() {
        for good in [json!("app"), json!("other"), json!(["x", "app"])] {
            assert!(of(json!({ "aud": good })).is_ok(), "{good}");
        }
        for bad in [json!("App"), json!(""), json!([]), json!(null), json!({ "app": 1 }), json!([["app"]])] {
            assert_eq!(of(json!({ "aud": bad })), Err(Refusal::Audience), "{bad}");
        }
    }

    #[test]
    fn users_and_scopes() {
        let ana = |scopes: &[&str]| {
            Ok(User { id: "x:ana".into(), scopes: scopes.iter().map(|&s| s.into()).collect(), realm: None })
        };
        assert_eq!(of(json!({})), ana(&["all", "user:ana"]));
        assert_eq!(
            of(json!({ "teams": ["a", "b", "a", 7, "", null, 1.5, {}, ["c"]] })),
            ana(&["all", "user:ana", "team:a", "team:b", "team:7"])
        );
        assert_eq!(of(json!({ "teams": "a" })), ana(&["all", "user:ana", "team:a"]));
        let nested = json!({ "realm": { "roles": ["r"] }, "https://x.y/z": "u" });
        assert_eq!(of(nested), ana(&["all", "user:ana", "role:r", "u:u"]));
        for nobody in [json!(null), json!(""), json!([]), json!(["a", "b"]), json!(true), json!({})] {
            assert_eq!(of(json!({ "sub": nobody })), Err(Refusal::NoUser), "{nobody}");
        }
        assert_eq!(of(json!({ "sub": 7 })).unwrap().id, "x:7");
    }

    #[test]
    fn realms() {
        let of = |template: &str, org: Value| {
            let issuer = Issuer { realm: Some(ClaimTemplate::parse(template).unwrap()), ..issuer() };
            let claims = json!({ "sub": "ana", "aud": "app", "exp": 1_000, "org": org });
            user(claims.as_object().unwrap(), &issuer, Duration::from_secs(1_000)).map(|user| user.realm.unwrap())
        };
        assert_eq!(of("acme", json!(null)), Ok("acme".to_owned()));
        assert_eq!(of("{org}", json!("acme")), Ok("acme".to_owned()));
        assert_eq!(of("{org}", json!(["acme"])), Ok("acme".to_owned()));
        assert_eq!(of("org-{org}", json!(7)), Ok("org-7".to_owned()));
        for nowhere in [json!(null), json!(""), json!([]), json!(["acme", "globex"]), json!(true), json!({})] {
            assert_eq!(of("{org}", nowhere.clone()), Err(Refusal::NoRealm), "{nowhere}");
        }
    }
}
