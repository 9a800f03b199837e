//! Who asks: `Authorization: Bearer …`. Without a valid token there is no user and no answer.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use super::App;
use crate::auth::{Refusal, Session};
use crate::fault::Fault;
use crate::model::User;
use crate::storage::Storage;

impl<S: Storage> FromRequestParts<App<S>> for Session {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &App<S>) -> Result<Self, Fault> {
        let header = parts.headers.get(header::AUTHORIZATION).ok_or(Refusal::Missing)?;
        match header.to_str().ok().and_then(|text| text.split_once(' ')) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                Ok(app.auth.session_of(token.trim()).await?)
            }
            _ => Err(Refusal::NotBearer.into()),
        }
    }
}

impl<S: Storage> FromRequestParts<App<S>> for User {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &App<S>) -> Result<Self, Fault> {
        Ok(Session::from_request_parts(parts, app).await?.user)
    }
}
