//! Who asks: `Authorization: Bearer …`. Without a valid token there is no user, no realm and no answer.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use tracing::Span;

use super::App;
use super::realms::Realm;
use crate::auth::{Refusal, Session};
use crate::fault::Fault;
use crate::model::User;
use crate::storage::{Storage, StorageResult};

/// Who asks, and what it is asked of: the realm that the token is for.
pub(crate) struct Caller<S> {
    pub(super) user: User,
    pub(super) session: Session,
    pub(super) realm: Arc<Realm<S>>,
    pub(super) storage: Arc<S>,
}

/// The realm of a request, once it is known.
#[derive(Debug, Clone)]
pub(super) struct OfRealm(Option<String>);

impl OfRealm {
    /// The name of somebody who is in it, as nobody of another realm has it.
    pub(super) fn qualify(of: Option<&Self>, who: &str) -> String {
        match of {
            Some(Self(Some(realm))) => format!("{realm}/{who}"),
            _ => who.to_owned(),
        }
    }
}

impl<S: Storage> FromRequestParts<App<S>> for Caller<S> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &App<S>) -> Result<Self, Fault> {
        let header = parts.headers.get(header::AUTHORIZATION).ok_or(Refusal::Missing)?;
        let Some((scheme, token)) = header.to_str().ok().and_then(|text| text.split_once(' ')) else {
            return Err(Refusal::NotBearer.into());
        };
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refusal::NotBearer.into());
        }
        let session = app.auth.session_of(token.trim()).await?;
        let realm = app.realms.of(session.user.realm.as_deref()).ok_or(Refusal::NoRealm)?;
        if let Some(name) = realm.name() {
            Span::current().record("realm", name);
        }
        let of_realm = OfRealm(realm.name().map(str::to_owned));
        app.user_rates.count(&OfRealm::qualify(Some(&of_realm), &session.user.id))?;
        parts.extensions.insert(of_realm);
        let storage = Arc::clone(realm.storage()?);
        let user = app.with_scopes(storage.as_ref(), &session.user).await?;
        Ok(Self { user, session, realm: Arc::clone(realm), storage })
    }
}

impl<S: Storage> App<S> {
    /// A user of a token, with the scopes that the realm's database gives besides the token's. They are asked for each time: whoever lost one has lost it
    /// with the next request.
    pub(super) async fn with_scopes(&self, storage: &S, of_token: &User) -> StorageResult<User> {
        let mut user = of_token.clone();
        if let Some(sql) = &self.scopes_sql {
            let more = storage.user_scopes(sql, &user.id).await?;
            let new: Vec<String> = more.into_iter().filter(|scope| !of_token.scopes.contains(scope)).collect();
            user.scopes.extend(new);
        }
        Ok(user)
    }
}
