//! A connection that is closed only when what the other side still sends has been taken, within bounds.
//!
//! Who is refused in the middle of an upload is still sending. A socket that is closed on bytes that nobody has read answers them with a reset, and
//! the reset takes the answer with it that was on its way (RFC 9112, 9.6). So first only our side is closed, and the rest is thrown away.
//!
//! ```text
//! answer ─► our side is closed ─► the rest of the body, 30 s, and no silence of 5 s ─► the connection is closed
//! ```

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// For how long a rest is taken, at most.
const REST_MAX: Duration = Duration::from_secs(30);
/// How long nothing of it may come.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// What is thrown away at once.
const PIECE_BYTES: usize = 16 * 1024;

/// Whether the last request's body has not been read to its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Unread(Arc<AtomicBool>);

impl Unread {
    /// The body of a request, which says how far it was read.
    pub(super) fn watch<B: Body>(&self, body: B) -> Watched<B> {
        self.0.store(!body.is_end_stream(), Ordering::Relaxed);
        Watched { body, unread: self.clone() }
    }
}

/// A body that notes its end.
#[derive(Debug)]
pub(super) struct Watched<B> {
    body: B,
    unread: Unread,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.unread.0.store(false, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[derive(Debug)]
pub(super) struct Lingering<C> {
    connection: C,
    unread: Unread,
    /// From when our side is closed: until when a rest is taken, and until when something of it has to come.
    rest: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Lingering<C> {
    pub(super) fn new(connection: C, unread: Unread) -> Self {
        Self { connection, unread, rest: None }
    }

    /// Ready when nothing more comes, or enough has come.
    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some((until, silence)) = &mut self.rest else { return Poll::Ready(()) };
        let mut piece = [0; PIECE_BYTES];
        loop {
            let mut buffer = ReadBuf::new(&mut piece);
            match Pin::new(&mut self.connection).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && Instant::now() < *until => {
                    self.unread.0.store(true, Ordering::Relaxed);
                    let patience = Instant::now() + SILENCE_MAX;
                    silence.as_mut().reset(patience.min(*until));
                }
                Poll::Ready(_) => return Poll::Ready(()),
                // Whoever was read to the end sends nothing more.
                Poll::Pending if !self.unread.0.load(Ordering::Relaxed) => return Poll::Ready(()),
                Poll::Pending => return silence.as_mut().poll(context),
            }
        }
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Lingering<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(context, buffer)
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<C> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.rest.is_none() {
            ready!(Pin::new(&mut self.connection).poll_shutdown(context))?;
            self.rest = Some((Instant::now() + REST_MAX, Box::pin(sleep(SILENCE_MAX))));
        }
        self.poll_rest(context).map(Ok)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, Full};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    /// A connection on which a body was left, or read.
    async fn after(reads: bool) -> (Lingering<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (near, far) = duplex(10);
        let unread = Unread::default();
        let body = unread.watch(Full::new(Bytes::from_static(b"a body")));
        if reads {
            body.collect().await.unwrap();
        }
        (Lingering::new(near, unread), far)
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_of_a_body_is_taken_to_its_end_and_then_the_connection_ends() {
        let (mut near, mut far) = after(false).await;
        let sending = tokio::spawn(async move {
            for _ in 0..10 {
                sleep(SILENCE_MAX / 2).await;
                far.write_all(&[0; 20]).await.unwrap();
            }
            assert_eq!(far.read(&mut [0]).await.unwrap(), 0, "our side was closed first");
        });
        near.shutdown().await.unwrap();
        sending.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn neither_silence_nor_a_rest_without_an_end_is_waited_for() {
        let (mut near, _silent) = after(false).await;
        let began = Instant::now();
        near.shutdown().await.unwrap();
        assert_eq!(began.elapsed(), SILENCE_MAX);
        let (mut near, mut far) = after(false).await;
        let endless = tokio::spawn(async move {
            while far.write_all(&[0; 5]).await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        });
        let began = Instant::now();
        near.shutdown().await.unwrap();
        assert!((REST_MAX..REST_MAX + Duration::from_secs(2)).contains(&began.elapsed()), "{:?}", began.elapsed());
        drop(near);
        endless.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_sent_everything_is_not_waited_for() {
        let (mut near, _open) = after(true).await;
        let began = Instant::now();
        near.shutdown().await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
