//! Notices the first word of a server: a connection counts only when it has been spoken on. A
//! server that refuses our certificate, or speaks another protocol, says so here and not in the
//! middle of the first call.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

type Word = Result<(), String>;

/// Tells of the first read on the first stream it is put over; later ones pass unnoticed.
#[derive(Clone)]
pub(crate) struct Herald(Arc<Mutex<Option<oneshot::Sender<Word>>>>);

/// Waits for that word.
pub(crate) struct Spoken(oneshot::Receiver<Word>);

pub(crate) fn pair() -> (Herald, Spoken) {
    let (sender, receiver) = oneshot::channel();
    (Herald(Arc::new(Mutex::new(Some(sender)))), Spoken(receiver))
}

impl Herald {
    pub(crate) fn over<S>(&self, stream: S) -> Heard<S> {
        let first = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        Heard { stream, first }
    }
}

impl Spoken {
    /// `Ok` when bytes came; else why they never will.
    pub(crate) async fn heard(self) -> Word {
        self.0.await.unwrap_or_else(|_| Err("EOF".to_owned()))
    }
}

/// A stream under a herald.
pub(crate) struct Heard<S> {
    stream: S,
    first: Option<oneshot::Sender<Word>>,
}

/// The first frame is one of settings, which are fewer than 65,536 bytes.
fn greeting(first: Option<&u8>) -> Word {
    match first {
        Some(0) => Ok(()),
        Some(&TLS_ALERT) => Err("the server demands transport security".to_owned()),
        Some(_) => Err("the server does not speak HTTP/2".to_owned()),
        None => Err("EOF".to_owned()),
    }
}

/// How a refusal of TLS begins, in clear.
const TLS_ALERT: u8 = 0x15;

impl<S: AsyncRead + Unpin> Heard<S> {
    /// A write that fails first: the reason may lie unread, and is worth more than a broken pipe.
    fn after<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &written
            && let Some(first) = self.first.take()
        {
            let mut bytes = [0; 1024];
            let mut buffer = ReadBuf::new(&mut bytes);
            let word = match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Err(reason)) => ketch_tls::explain(&reason),
                _ => ketch_tls::explain(error),
            };
            // Nobody listens any more when the dial was given up.
            let _ = first.send(Err(word));
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Poll::Ready(result) = &read
            && let Some(first) = self.first.take()
        {
            let word = match result {
                Ok(()) => greeting(buffer.filled().get(before)),
                Err(error) => Err(ketch_tls::explain(error)),
            };
            // Nobody listens any more when the dial was given up.
            let _ = first.send(word);
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.after(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.after(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = Pin::new(&mut self.stream).poll_flush(context);
        self.after(context, written)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
