//! What the gathering writer says to the pipe below, write by write.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::task::Waker;

use super::*;

/// Takes so many bytes a write, as told; nothing when nothing is told.
#[derive(Default)]
struct Socket {
    room: VecDeque<usize>,
    writes: Vec<usize>,
    flushes: usize,
    broken: bool,
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let Some(room) = self.room.pop_front() else { return Poll::Pending };
        self.writes.push(bytes.len().min(room));
        Poll::Ready(Ok(bytes.len().min(room)))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let whole: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        self.poll_write(cx, &whole)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// One turn: the library writes frames of these sizes until one is refused. Gives what each write
/// took, as the library sees it (`-`: no room), and what reached the socket.
fn turn(outbox: &Outbox<Socket>, frames: &[usize]) -> (String, Vec<usize>) {
    let mut io = Gathered(Arc::clone(&outbox.0));
    let said = RefCell::new(Vec::new());
    let mut frames: VecDeque<usize> = frames.iter().copied().collect();
    let library = std::future::poll_fn(|cx| {
        while let Some(frame) = frames.front().copied() {
            match Pin::new(&mut io).poll_write(cx, &vec![7; frame]) {
                Poll::Ready(Ok(wrote)) => {
                    said.borrow_mut().push(wrote.to_string());
                    frames.pop_front();
                }
                Poll::Ready(Err(_)) => {
                    said.borrow_mut().push("broken".to_owned());
                    return Poll::Ready(());
                }
                Poll::Pending => {
                    said.borrow_mut().push("-".to_owned());
                    break;
                }
            }
        }
        Poll::Pending
    });
    let mut library = std::pin::pin!(library);
    let turn = Turn::new();
    let mut driven = std::pin::pin!(outbox.drive(&turn, library.as_mut()));
    let _ = driven.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let writes = std::mem::take(&mut lock(&outbox.0).io.writes);
    (said.take().join(" "), writes)
}

fn outbox(room: &[usize]) -> Outbox<Socket> {
    let room = room.iter().copied().collect();
    gathered(Socket { room, ..Socket::default() }).1
}

const ALL: usize = usize::MAX;
const KIB: usize = 1024;

#[test]
fn a_turn_is_written_in_one_go() {
    let outbox = outbox(&[ALL; 8]);
    assert_eq!(turn(&outbox, &[100, 20, 3]), ("100 20 3".to_owned(), vec![123]));
    assert_eq!(lock(&outbox.0).io.flushes, 1);
    assert_eq!(turn(&outbox, &[]), (String::new(), vec![]));
    assert_eq!(lock(&outbox.0).io.flushes, 1, "nothing to flush");
    assert_eq!(turn(&outbox, &[5]), ("5".to_owned(), vec![5]));
}

#[test]
fn what_does_not_fit_goes_out_with_what_was_gathered() {
    let outbox = outbox(&[ALL; 8]);
    let (said, writes) = turn(&outbox, &[40 * KIB, 40 * KIB, KIB]);
    assert_eq!(said, "40960 40960 1024");
    assert_eq!(writes, [80 * KIB, KIB]);
}

#[test]
fn a_client_that_does_not_read_costs_one_buffer() {
    let outbox = outbox(&[10]);
    let (said, writes) = turn(&outbox, &[40 * KIB, 40 * KIB]);
    assert_eq!((said.as_str(), writes), ("40960 -", vec![10]));
    lock(&outbox.0).io.room.extend([ALL; 2]);
    let (said, writes) = turn(&outbox, &[40 * KIB]);
    assert_eq!((said.as_str(), writes), ("40960", vec![80 * KIB - 10]));
}

#[test]
fn a_turn_ends_while_there_is_more() {
    let outbox = outbox(&[ALL; 100]);
    let (said, _) = turn(&outbox, &[32 * KIB; 9]);
    assert_eq!(said, "32768 32768 32768 32768 -");
}

#[test]
fn the_library_hears_that_the_connection_broke() {
    let outbox = outbox(&[]);
    lock(&outbox.0).io.broken = true;
    assert_eq!(turn(&outbox, &[1]).0, "1");
    assert_eq!(turn(&outbox, &[1]).0, "broken");
}
