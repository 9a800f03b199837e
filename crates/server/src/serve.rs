//! Listening, and stopping cleanly: requests in flight finish, then the write-ahead log is folded into the file.
//!
//! ```text
//! accept ─► TLS, 10 s ─► head of a request, 30 s ─► its answer, as long as it is read ─► the next request, 30 s ─► what is still being sent
//! ```
//! The times are those of a configuration that says no others.
//!
//! **Invariant:** who does nothing does not stay: a connection ends when it is silent between requests, or takes nothing of an answer.

mod lingering;
mod silent;
mod stalled;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt as _;

use self::lingering::{Lingering, Unread};
use self::silent::{Open, Silent};
use self::stalled::Stalled;
use crate::config::Waits;
use crate::http::Hints;
use crate::retention;
use crate::storage::Storage;
use crate::tls::Tls;

/// How often changes made past this server are looked for, whether or not the database tells of them.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// How long requests in flight may take once the server is to stop. A pull that is cut off here goes on at its last
/// cursor.
const FINISH_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a request's head, at most.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How often a connection of HTTP/2 is asked whether it is there, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(30);
/// Requests at the same time on a connection of HTTP/2, at most.
const STREAMS_MAX: u32 = 100;
/// After how long to accept again when there was no room for a connection, for example no file descriptor.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How connections come in.
#[derive(Debug, Clone, Default)]
pub struct Door {
    /// What speaks TLS; without it there is none.
    pub tls: Option<Arc<Tls>>,
    /// How many, and for how long each may do nothing.
    pub waits: Waits,
}

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
    serve_with(listener, Door::default(), router, storage, hints, tombstones_days, stop).await
}

/// The same, with TLS and other limits.
///
/// # Errors
/// The listener's.
pub async fn serve_with<S: Storage>(
    listener: TcpListener,
    door: Door,
    router: Router,
    storage: Arc<S>,
    hints: Hints,
    tombstones_days: u32,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let attending = tokio::spawn(attend(storage, hints.clone(), tombstones_days));
    let end = move || hints.end();
    let served = serve_router(listener, door, router, end, stop).await;
    attending.abort();
    served
}

/// Keeps a database in order, and wakes who listens to it, until it is dropped.
pub(crate) async fn attend<S: Storage>(storage: Arc<S>, hints: Hints, tombstones_days: u32) {
    tokio::join!(
        retention::keep_house(Arc::clone(&storage), tombstones_days),
        hints.clone().listen(Arc::clone(&storage)),
        hints.follow(storage, FOLLOW_EVERY),
    );
}

/// Serves a router and nothing beside it, until `stop` resolves and the requests in flight have been answered; `end` ends those that would not end by
/// themselves.
///
/// # Errors
/// The listener's.
pub async fn serve_router(
    listener: TcpListener,
    door: Door,
    router: Router,
    end: impl FnOnce() + Send,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let graceful = GracefulShutdown::new();
    let (ending, ended) = watch::channel(());
    tokio::select! {
        () = accept(&listener, &door, router, &graceful, ended) => {}
        () = stop => {}
    }
    drop(listener);
    drop(ending);
    end();
    if tokio::time::timeout(FINISH_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests in flight were cut off after {} s", FINISH_TIMEOUT.as_secs());
    }
    Ok(())
}

/// Takes connections, for ever.
async fn accept(
    listener: &TcpListener,
    door: &Door,
    router: Router,
    graceful: &GracefulShutdown,
    ended: watch::Receiver<()>,
) {
    let room = Arc::new(Semaphore::new(door.waits.connections));
    loop {
        // It is never closed.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let guard = (graceful.watcher(), permit, ended.clone());
                tokio::spawn(talk(stream, door.clone(), router.clone(), guard));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn talk(
    stream: TcpStream,
    Door { tls, waits }: Door,
    router: Router,
    (watcher, _permit, mut ended): (Watcher, OwnedSemaphorePermit, watch::Receiver<()>),
) {
    // An answer's last small part must not wait for a packet to be full.
    _ = stream.set_nodelay(true);
    let unread = Unread::default();
    let stream = Stalled::new(Lingering::new(stream, unread.clone()), waits.idle);
    let Some(tls) = tls else { return answer(stream, router, watcher, waits.head, unread).await };
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(waits.handshake, tls.acceptor().accept(stream)) => shaken,
        // Nobody who has not said hello is waited for. The channel says nothing; that it is gone does.
        _ = ended.changed() => return,
    };
    match shaken {
        Ok(Ok(stream)) => answer(stream, router, watcher, waits.head, unread).await,
        Ok(Err(error)) => tracing::debug!(%error, "a connection without TLS"),
        Err(_) => tracing::debug!("a connection that never began"),
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    watcher: Watcher,
    head: Duration,
    unread: Unread,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head).max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY)
        .max_concurrent_streams(STREAMS_MAX);
    let open = Open::default();
    let stream = Silent::new(stream, open.clone(), head);
    let service = service_fn(move |request: Request<Incoming>| {
        let open = open.begin();
        let answering = router.clone().oneshot(request.map(|body| unread.watch(body)));
        async move { answering.await.map(|answer| answer.map(|body| open.hold(body))) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection.into_owned()).await {
        tracing::debug!(error, "a connection broke off");
    }
}
