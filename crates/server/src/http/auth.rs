//! Who asks: `Authorization: Bearer …`. Without a valid token there is no user and no answer.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use whimbrel_protocol::ProblemCode;

use super::App;
use crate::fault::Fault;
use crate::model::User;
use crate::storage::Storage;

impl<S: Storage> FromRequestParts<App<S>> for User {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &App<S>) -> Result<Self, Fault> {
        let refused = |detail: &str| Fault::new(ProblemCode::Unauthenticated, detail);
        let header = parts.headers.get(header::AUTHORIZATION).ok_or_else(|| refused("there is no token"))?;
        let token = header.to_str().ok().and_then(|text| text.split_once(' '));
        match token {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                app.tokens.get(token.trim()).cloned().ok_or_else(|| refused("the token is not valid"))
            }
            _ => Err(refused("the Authorization header is not a bearer token")),
        }
    }
}
