//! A connection that ends when nothing is being answered and nothing comes.
//!
//! hyper gives the head of a request a time from its first byte on. Before that, in the first place and between two requests, it would wait for ever.
//!
//! ```text
//! ········ head ▒▒▒ answer ▒▒▒ ········ head ▒▒▒ answer ▒▒▒ ········ (end)
//!  this    hyper                this     hyper               this
//! ```

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// The requests of a connection that are being answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Open(Arc<()>);

impl Open {
    /// One more, for as long as somebody has it.
    pub(super) fn begin(&self) -> Self {
        self.clone()
    }

    /// The body of an answer, with which its request ends.
    pub(super) fn hold(self, body: Body) -> Body {
        Body::new(Held { body, _open: self })
    }

    /// Whether there is any besides those who count.
    fn is_any(&self) -> bool {
        // The connection has one, and who begins them.
        Arc::strong_count(&self.0) > 2
    }
}

#[derive(Debug)]
struct Held {
    body: Body,
    _open: Open,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[derive(Debug)]
pub(super) struct Silent<C> {
    connection: C,
    open: Open,
    /// How long nothing may come.
    most: Duration,
    /// When something came or went last.
    last: Instant,
    timer: Pin<Box<Sleep>>,
}

impl<C> Silent<C> {
    pub(super) fn new(connection: C, open: Open, most: Duration) -> Self {
        Self { connection, open, most, last: Instant::now(), timer: Box::pin(sleep(most)) }
    }

    /// Ready when there was silence for so long.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.open.is_any() {
            self.last = Instant::now();
            // The same task goes on with reading when the answer has gone.
            return Poll::Pending;
        }
        loop {
            ready!(self.timer.as_mut().poll(context));
            let until = self.last + self.most;
            if until <= Instant::now() {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(until);
        }
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Silent<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(read) = Pin::new(&mut self.connection).poll_read(context, buffer) {
            self.last = Instant::now();
            return Poll::Ready(read);
        }
        // Nothing read is the end, for a reader.
        self.poll_silence(context).map(Ok)
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Silent<C> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.last = Instant::now();
        Pin::new(&mut self.connection).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.last = Instant::now();
        Pin::new(&mut self.connection).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const MOST: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn silence_is_an_end_unless_something_is_being_answered() {
        let (near, mut far) = duplex(10);
        let open = Open::default();
        let begins = open.clone();
        let mut near = Silent::new(near, open, MOST);
        let mut piece = [0; 10];
        let talking = tokio::spawn(async move {
            for _ in 0..5 {
                sleep(MOST - Duration::from_secs(1)).await;
                far.write_all(b"x").await.unwrap();
            }
            far
        });
        for _ in 0..5 {
            assert_eq!(near.read(&mut piece).await.unwrap(), 1);
        }
        let _far = talking.await.unwrap();
        let body = begins.begin().hold(Body::empty());
        assert!(tokio::time::timeout(MOST * 5, near.read(&mut piece)).await.is_err(), "an answer is on its way");
        drop(body);
        let began = Instant::now();
        assert_eq!(near.read(&mut piece).await.unwrap(), 0);
        assert_eq!(began.elapsed(), MOST);
    }
}
