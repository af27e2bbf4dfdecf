//! A connection that is kept, for one request after another.

use std::{io, pin::pin};

use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use super::{Answer, Request};
use crate::handler_process::PATIENCE;

/// A connection to a loopback port.
pub struct Connection {
    stream: TcpStream,
    port: u16,
}

impl Connection {
    pub async fn open(port: u16) -> io::Result<Self> {
        Ok(Self { stream: TcpStream::connect(("127.0.0.1", port)).await?, port })
    }

    /// True if the peer has neither closed it meanwhile nor spoken unasked.
    pub fn is_fresh(&self) -> bool {
        let read = self.stream.try_read(&mut [0]);
        read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends a request and reads its answer; gives the connection back if it may be used again.
    pub async fn exchange(mut self, request: &Request) -> io::Result<(Answer, Option<Self>)> {
        let exchanged = timeout(PATIENCE, self.send(request)).await;
        let (answer, is_through) = exchanged.unwrap_or_else(|_| panic!("no answer in time to {request}"))?;
        let is_kept = is_through && answer.is_framed() && answer.header("Connection") != Some("close");
        Ok((answer, is_kept.then_some(self)))
    }

    /// The answer, and whether the whole request was taken: an answer may come before that, and then a peer may close on
    /// the rest.
    async fn send(&mut self, request: &Request) -> io::Result<(Answer, bool)> {
        let wire = request.to_kept_wire(self.port);
        let (reader, mut writer) = self.stream.split();
        let mut reader = BufReader::new(reader);
        let (mut writing, mut reading) = (pin!(writer.write_all(&wire)), pin!(Answer::read(&mut reader)));
        let mut written = None;
        loop {
            tokio::select! {
                result = &mut writing, if written.is_none() => written = Some(result.is_ok()),
                answer = &mut reading => return answer.map(|answer| (answer, written == Some(true))),
            }
        }
    }
}
