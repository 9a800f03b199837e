//! A connection that ends when nothing of what it is given is taken for a while.
//!
//! Whoever asks for much and reads nothing holds what the answer is made from; a connection that lost its network says nothing either.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

#[derive(Debug)]
pub(super) struct Stalled<C> {
    connection: C,
    /// How long nothing may be taken.
    most: Duration,
    /// Runs while something waits to be taken.
    timer: Pin<Box<Sleep>>,
    waits: bool,
}

impl<C> Stalled<C> {
    pub(super) fn new(connection: C, most: Duration) -> Self {
        Self { connection, most, timer: Box::pin(sleep(most)), waits: false }
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, taken: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if taken.is_ready() {
            self.waits = false;
            return taken;
        }
        if !self.waits {
            self.waits = true;
            let until = Instant::now() + self.most;
            self.timer.as_mut().reset(until);
        }
        ready!(self.timer.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Stalled<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(context, buffer)
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Stalled<C> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = Pin::new(&mut self.connection).poll_write(context, bytes);
        self.watch(context, taken)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let taken = Pin::new(&mut self.connection).poll_flush(context);
        self.watch(context, taken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let taken = Pin::new(&mut self.connection).poll_shutdown(context);
        self.watch(context, taken)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let taken = Pin::new(&mut self.connection).poll_write_vectored(context, slices);
        self.watch(context, taken)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const STALL_MAX: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_for_a_minute_is_cut_off_and_who_is_slow_is_not() {
        let (near, mut far) = duplex(10);
        let mut near = Stalled::new(near, STALL_MAX);
        let reading = tokio::spawn(async move {
            let mut taken = [0; 10];
            for _ in 0..5 {
                sleep(STALL_MAX - Duration::from_secs(1)).await;
                far.read_exact(&mut taken).await.unwrap();
            }
            far
        });
        near.write_all(&[0; 60]).await.unwrap();
        // Silence alone is no stall.
        sleep(STALL_MAX * 3).await;
        let _far = reading.await.unwrap();
        let began = Instant::now();
        assert_eq!(near.write_all(&[0; 20]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= STALL_MAX && began.elapsed() < STALL_MAX * 2);
    }
}
