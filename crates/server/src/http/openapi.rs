//! `GET /v1/openapi.json`: the endpoints and shapes, made from the handlers and the protocol's types.
//!
//! **Invariant:** the document is the same for everybody and every configuration; `crates/server/openapi.json` pins it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, response};
use utoipa::{IntoResponses, Modify, OpenApi, ToSchema};
use whimbrel_protocol::Problem;

use super::{attachments, endpoints, events, metrics};

/// What `/health` says.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`, or `degraded` when the databases of some realms cannot be reached; anything else is a problem.
    pub(super) status: &'static str,
}

/// Every answer that is not a success.
pub(super) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<response::Response>> {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
        let problem = ResponseBuilder::new().description("A problem (RFC 9457), with a stable code.");
        let problem = problem.content("application/problem+json", content);
        [("default".to_owned(), problem.into())].into()
    }
}

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("metrics", SecurityScheme::Http(scheme));
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Whimbrel sync",
        description = "Version 1 of the sync protocol. What the shapes mean is in docs/PROTOCOL.md.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "/")),
    paths(
        endpoints::push,
        endpoints::pull,
        events::events,
        endpoints::ping,
        endpoints::health,
        metrics::metrics,
        document,
        attachments::state,
        attachments::part,
        attachments::content
    ),
    components(schemas(Problem)),
    modifiers(&Token),
    tags(
        (name = "sync", description = "Changes to the server, changes from it."),
        (name = "attachments", description = "Contents that rows refer to by their SHA-256."),
        (name = "server", description = "The server itself; no token is needed.")
    )
)]
struct Document;

/// Links of the source's comments mean nothing outside of it.
fn without_links(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("[`") => {
            *text = text.replace("[`crate::", "`").replace("[`", "`").replace("`]", "`");
        }
        Value::Array(values) => values.iter_mut().for_each(without_links),
        Value::Object(values) => values.values_mut().for_each(without_links),
        _ => {}
    }
}

static TEXT: LazyLock<String> = LazyLock::new(|| {
    let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
    without_links(&mut document);
    serde_json::to_string_pretty(&document).unwrap_or_default()
});

/// This document.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "server",
    responses((status = 200, description = "OpenAPI 3.1.", content_type = "application/json"))
)]
pub(super) async fn document() -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], TEXT.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `BLESS=1 cargo nextest run -p whimbrel-server openapi` writes the file anew.
    #[test]
    fn the_document_is_the_one_that_is_written_down() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let text = format!("{}\n", *TEXT);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(file, &text).unwrap();
        }
        let known = std::fs::read_to_string(file).unwrap();
        assert!(known == text, "crates/server/openapi.json is another one; BLESS=1 writes it anew:\n{text}");
    }

    /// A route without a description, or a description without a route, is a document that lies.
    #[test]
    fn every_route_is_described() {
        let document: Value = serde_json::from_str(&TEXT).unwrap();
        let mut described: Vec<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        let source = include_str!("mod.rs");
        let mut routes: Vec<&str> =
            source.split(".route(\"").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();
        described.sort_unstable();
        routes.sort_unstable();
        assert_eq!(described, routes);
    }
}
