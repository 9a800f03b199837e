//! Listening, and stopping cleanly: requests in flight finish, then the write-ahead log is folded into the file.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

use crate::http::Hints;
use crate::retention;
use crate::storage::Storage;

/// How often changes made past this server are looked for, whether or not the database tells of them.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// How long requests in flight may take once the server is to stop. A pull that is cut off here goes on at its last
/// cursor.
const FINISH_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves until `stop` resolves and the requests in flight have been answered. Removals are forgotten after so many days.
///
/// # Errors
/// The listener's.
pub async fn serve<S: Storage>(
    listener: TcpListener,
    router: Router,
    storage: Arc<S>,
    hints: Hints,
    tombstones_days: u32,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let keeping = tokio::spawn(retention::keep_house(Arc::clone(&storage), tombstones_days));
    let listening = tokio::spawn(hints.clone().listen(Arc::clone(&storage)));
    let following = tokio::spawn(hints.clone().follow(storage, FOLLOW_EVERY));
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let stop = async move {
        stop.await;
        hints.end();
        // The receiver lives as long as this function.
        _ = stopping.send(());
    };
    let serving = axum::serve(listener, router).with_graceful_shutdown(stop);
    let overdue = async {
        if stopped.await.is_ok() {
            tokio::time::sleep(FINISH_TIMEOUT).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    let result = tokio::select! {
        result = serving => result,
        () = overdue => {
            tracing::warn!("requests in flight were cut off after {} s", FINISH_TIMEOUT.as_secs());
            Ok(())
        }
    };
    listening.abort();
    following.abort();
    keeping.abort();
    result
}
