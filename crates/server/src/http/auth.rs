//! Who asks: `Authorization: Bearer …`. Without a valid token there is no user and no answer.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use super::App;
use crate::auth::{Refusal, Session};
use crate::fault::Fault;
use crate::model::User;
use crate::storage::{Storage, StorageResult};

impl<S: Storage> FromRequestParts<App<S>> for Session {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &App<S>) -> Result<Self, Fault> {
        let header = parts.headers.get(header::AUTHORIZATION).ok_or(Refusal::Missing)?;
        match header.to_str().ok().and_then(|text| text.split_once(' ')) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                let session = app.auth.session_of(token.trim()).await?;
                app.user_rates.count(&session.user.id)?;
                Ok(Session { user: app.with_scopes(&session.user).await?, ..session })
            }
            _ => Err(Refusal::NotBearer.into()),
        }
    }
}

impl<S: Storage> App<S> {
    /// A user of a token, with the scopes that the database gives besides the token's. They are asked for each time: whoever lost one has lost it with
    /// the next request.
    pub(super) async fn with_scopes(&self, of_token: &User) -> StorageResult<User> {
        let mut user = of_token.clone();
        if let Some(sql) = &self.scopes_sql {
            let more = self.storage.user_scopes(sql, &user.id).await?;
            let new: Vec<String> = more.into_iter().filter(|scope| !of_token.scopes.contains(scope)).collect();
            user.scopes.extend(new);
        }
        Ok(user)
    }
}

impl<S: Storage> FromRequestParts<App<S>> for User {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &App<S>) -> Result<Self, Fault> {
        Ok(Session::from_request_parts(parts, app).await?.user)
    }
}
