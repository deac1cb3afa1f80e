//! The peer port of a member that is alone: bound, so that nobody else takes it, and honest about
//! having nothing to say to other members yet.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// How long a stranger may take to ask.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of a request that are looked at.
const HEAD_BYTES: usize = 8 * 1024;
const ANSWER: &str = "ketch: clusters of more than one member are not implemented yet\n";

/// Answers everything with 501, one connection after the other, on a thread of its own.
pub(crate) fn serve(listener: TcpListener) -> std::io::Result<()> {
    std::thread::Builder::new().name("peer-port".to_owned()).spawn(move || {
        loop {
            match listener.accept() {
                // A peer that hangs up early has had its answer.
                Ok((socket, _)) => drop(refuse(socket)),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    })?;
    Ok(())
}

fn refuse(mut socket: TcpStream) -> std::io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let mut head = [0; HEAD_BYTES];
    let _ = socket.read(&mut head)?;
    write!(
        socket,
        "HTTP/1.1 501 Not Implemented\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{ANSWER}",
        ANSWER.len()
    )
}
