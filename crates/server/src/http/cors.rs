//! Pages of other origins: a hybrid app's (`capacitor://localhost`), or an app's that is served elsewhere.
//!
//! **Invariant:** no credentials of the browser's own, as cookies are, count here or are allowed: who asks is in the `Authorization`
//! header, which only the page itself can set.

use std::time::Duration;

use axum::http::{HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser need not ask again whether it may. Chromium takes two hours at most.
const MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// None when there are no other origins: answers then name none, and browsers keep them from their pages.
pub(super) fn layer(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    if origins.is_empty() {
        return None;
    }
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PATCH])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::CONTENT_ENCODING,
            header::RANGE,
            header::CACHE_CONTROL,
            super::observe::RUN,
        ])
        .expose_headers([
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            header::CONTENT_RANGE,
            super::observe::REQUEST_ID,
        ])
        .max_age(MAX_AGE);
    Some(cors)
}
