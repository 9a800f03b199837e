//! Whimbrel inside an app of one's own: its router beside the app's routes, with rules that no configuration can say.
//!
//! `cargo run -p whimbrel-server --example embed -- CONFIG [ADDRESS]`; the configuration has an entity `order` with the fields `status` and `total`.

use std::error::Error;
use std::io::Write as _;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use whimbrel_server::{Attempt, Config, HookError, HookResult, Hooks, Value, embed};

const USAGE: &str = "embed CONFIG [ADDRESS]";
const TOTAL_MAX: i64 = 10_000;

/// Who may: a closed order is the lead's to change. What is asked may take a while, a look into another table for example.
async fn authorize(attempt: Attempt) -> HookResult {
    let is_closed = attempt.before.is_some_and(|order| *order.get("status") == Value::Text("closed".into()));
    if attempt.entity == "order" && is_closed && !attempt.user.scopes.iter().any(|scope| scope == "role:lead") {
        return Err(HookError::refused("order/closed", "A closed order is changed by the lead only."));
    }
    Ok(())
}

/// What is right: the record as it would be stored, whatever of it the change names.
async fn validate(attempt: Attempt) -> HookResult {
    match attempt.after.as_ref().map(|order| order.get("total")) {
        Some(Value::Integer(total)) if *total > TOTAL_MAX => {
            let refused = HookError::refused("order/too-large", "An order that large is not made on a device.");
            Err(refused.with_field("total", format!("is over {TOTAL_MAX}")))
        }
        _ => Ok(()),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let config = Config::load(arguments.next().ok_or(USAGE)?.as_ref())?;
    let address = arguments.next().unwrap_or_else(|| config.listen.to_string());

    let whimbrel = embed(&config, Hooks::default().authorize(authorize).validate(validate)).await?;
    let app = Router::new().route("/hello", get(async || "hello")).nest("/sync", whimbrel.router());

    let listener = TcpListener::bind(address).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on http://{}", listener.local_addr()?)?;
    stdout.flush()?;
    axum::serve(listener, app).with_graceful_shutdown(async { _ = tokio::signal::ctrl_c().await }).await?;
    whimbrel.close().await?;
    Ok(())
}
