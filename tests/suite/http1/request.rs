//! Requests: written by hand, sent, and read.

use std::{fmt, io};

use tokio::{
    io::{AsyncBufRead, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::{Answer, Body, Framed, Headers, read_body, read_head};
use crate::handler_process::PATIENCE;

/// A request; the headers that frame it (`Connection`, lengths, a default `Host`) are written by [`Request::send`].
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path and query, sent as they are.
    pub target: String,
    pub headers: Headers,
    pub body: Body,
}

impl Request {
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Headers::default(),
            body: Body::Absent,
        }
    }

    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub fn post(target: &str) -> Self {
        Self::new("POST", target)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.add(name, value);
        self
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.headers.set("Content-Type", content_type);
        self.body = Body::Sized(body.into());
        self
    }

    pub fn json(self, body: impl Into<Vec<u8>>) -> Self {
        self.body("application/json", body)
    }

    pub fn form(self, body: impl Into<Vec<u8>>) -> Self {
        self.body("application/x-www-form-urlencoded", body)
    }

    /// The same request with its body sent in chunks of unknown total length.
    pub fn chunked(mut self) -> Self {
        self.body = Body::Chunked(self.body.bytes().to_vec());
        self
    }

    /// The path of the target, without the query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The query of the target, without its `?`; empty when there is none.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// Sends to a loopback port and waits for the answer.
    pub async fn send(&self, port: u16) -> Answer {
        self.try_send(port).await.unwrap_or_else(|error| panic!("no answer to {self}: {error}"))
    }

    /// Like [`Request::send`], for peers that may not answer.
    pub async fn try_send(&self, port: u16) -> io::Result<Answer> {
        let exchange = async {
            let (reader, mut writer) = TcpStream::connect(("127.0.0.1", port)).await?.into_split();
            let wire = self.to_wire(port);
            // Reading and writing go on side by side: an answer may come before the body is through, and a peer
            // that has answered may close on the rest.
            let writing = tokio::spawn(async move { (writer.write_all(&wire).await, writer) });
            let answer = Answer::read(&mut BufReader::new(reader)).await;
            writing.abort();
            answer
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .unwrap_or_else(|_| panic!("no answer in time to {self}"))
    }

    /// The request for a connection that is kept.
    pub fn to_kept_wire(&self, port: u16) -> Vec<u8> {
        let mut wire = self.head_to_wire(port);
        self.body.write_to(&mut wire);
        wire
    }

    fn to_wire(&self, port: u16) -> Vec<u8> {
        let mut wire = self.head_to_wire(port);
        wire.extend_from_slice(b"Connection: close\r\n");
        self.body.write_to(&mut wire);
        wire
    }

    /// The request line and the headers, without the blank line.
    pub fn head_to_wire(&self, port: u16) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if self.headers.get("Host").is_none() {
            head += &format!("Host: 127.0.0.1:{port}\r\n");
        }
        for (name, value) in self.headers.iter() {
            head += &format!("{name}: {value}\r\n");
        }
        head.into_bytes()
    }

    /// Reads a request's line and headers, leaving its body to be read; `None` when the peer closed instead.
    pub async fn read_head(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Self>> {
        let Some((start, headers)) = read_head(stream).await? else { return Ok(None) };
        let mut words = start.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        Ok(Some(Self { headers, ..Self::new(method, target) }))
    }

    /// Reads the body that the headers announce, and takes the framing headers away.
    pub async fn read_body(&mut self, stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<()> {
        self.body = match read_body(stream, &self.headers).await? {
            Framed::Chunked(bytes) => Body::Chunked(bytes),
            Framed::Sized(bytes) => Body::Sized(bytes),
            Framed::Untold => Body::Absent,
        };
        self.remove_framing();
        Ok(())
    }

    fn remove_framing(&mut self) {
        for name in ["Connection", "Content-Length", "Transfer-Encoding"] {
            self.headers.remove(name);
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({} bytes)", self.method, self.path(), self.body.bytes().len())
    }
}
