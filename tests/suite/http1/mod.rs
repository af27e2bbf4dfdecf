//! HTTP/1.1 by hand, so that a test sends, and sees, exactly the bytes on the wire: the path as it was written,
//! repeated headers, bodies of known length, chunked, or none.
//!
//! One request per connection (`Connection: close`), unless it is a [`Connection`] that is kept. For loopback and well-behaved lengths only: it trusts its peers.

mod answer;
mod connection;
mod request;

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

pub use self::{answer::Answer, connection::Connection, request::Request};

/// The size of the pieces in which a chunked body is sent.
const CHUNK_BYTES: usize = 4096;

/// Header lines in order, with their spelling kept.
#[derive(Clone, Debug, Default)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn add(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.add(name, value);
    }

    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// A body and how its length is told.
#[derive(Clone, Debug, Default)]
pub enum Body {
    /// Neither `Content-Length` nor `Transfer-Encoding`.
    #[default]
    Absent,
    /// With a `Content-Length`, which may be 0.
    Sized(Vec<u8>),
    /// `Transfer-Encoding: chunked`.
    Chunked(Vec<u8>),
}

impl Body {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Body::Absent => &[],
            Body::Sized(bytes) | Body::Chunked(bytes) => bytes,
        }
    }

    fn write_to(&self, wire: &mut Vec<u8>) {
        match self {
            Body::Absent => wire.extend_from_slice(b"\r\n"),
            Body::Sized(bytes) => {
                wire.extend_from_slice(format!("Content-Length: {}\r\n\r\n", bytes.len()).as_bytes());
                wire.extend_from_slice(bytes);
            }
            Body::Chunked(bytes) => {
                wire.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in bytes.chunks(CHUNK_BYTES) {
                    wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    wire.extend_from_slice(chunk);
                    wire.extend_from_slice(b"\r\n");
                }
                wire.extend_from_slice(b"0\r\n\r\n");
            }
        }
    }
}

/// The start line and the headers; `None` when the peer closed before the first byte.
async fn read_head(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<(String, Headers)>> {
    let Some(start) = read_line(stream).await? else { return Ok(None) };
    let mut headers = Headers::default();
    loop {
        let line = read_line(stream).await?.ok_or_else(|| broken("the headers broke off"))?;
        if line.is_empty() {
            return Ok(Some((start, headers)));
        }
        let (name, value) =
            line.split_once(':').ok_or_else(|| broken(&format!("no colon in the header {line:?}")))?;
        headers.add(name, value.trim());
    }
}

async fn read_line(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()))
}

enum Framed {
    Sized(Vec<u8>),
    Chunked(Vec<u8>),
    Untold,
}

async fn read_body(stream: &mut (impl AsyncBufRead + Unpin), headers: &Headers) -> io::Result<Framed> {
    if headers.get("Transfer-Encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return Ok(Framed::Chunked(read_chunks(stream).await?));
    }
    let Some(length) = headers.get("Content-Length") else { return Ok(Framed::Untold) };
    let mut bytes = vec![0; length.parse().map_err(|_| broken("a Content-Length that is no number"))?];
    stream.read_exact(&mut bytes).await?;
    Ok(Framed::Sized(bytes))
}

async fn read_chunks(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let line = read_line(stream).await?.ok_or_else(|| broken("the chunks broke off"))?;
        let size = usize::from_str_radix(&line, 16).map_err(|_| broken("a chunk size that is no number"))?;
        let start = bytes.len();
        bytes.resize(start + size, 0);
        stream.read_exact(&mut bytes[start..]).await?;
        read_line(stream).await?;
        if size == 0 {
            return Ok(bytes);
        }
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
