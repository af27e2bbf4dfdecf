//! Just enough HTTP/1.1 for a load generator and a stand-in that must not be what is measured: keep-alive,
//! bodies of known length, nothing else.

use anyhow::{Context, Result, ensure};
use tokio::net::TcpStream;

const LARGEST_MESSAGE_BYTES: usize = 1 << 20;

/// One message at the front of a buffer, complete with its body.
pub struct Message<'a> {
    head: &'a [u8],
    pub body: &'a [u8],
}

impl<'a> Message<'a> {
    /// `None` while bytes are missing. A message without `Content-Length` has no body.
    pub fn parse(buffer: &'a [u8]) -> Result<Option<Self>> {
        let Some(head_length) = position(buffer, b"\r\n\r\n").map(|at| at + 4) else { return Ok(None) };
        let (head, rest) = buffer.split_at(head_length);
        let body_length = content_length(head)?.unwrap_or(0);
        ensure!(body_length <= LARGEST_MESSAGE_BYTES, "a body of {body_length} bytes");
        Ok(rest.get(..body_length).map(|body| Self { head, body }))
    }

    pub fn length(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// The three digits of a status line.
    pub fn status(&self) -> Option<u16> {
        let digits = self.head.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    pub fn is_post(&self) -> bool {
        self.head.starts_with(b"POST ")
    }

    /// The first line of a request: method, path and version.
    pub fn request_line(&self) -> &str {
        let line = self.head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        std::str::from_utf8(line).unwrap_or_default()
    }
}

fn content_length(head: &[u8]) -> Result<Option<usize>> {
    for line in head.split(|byte| *byte == b'\n') {
        if has_name(line, b"transfer-encoding:") {
            anyhow::bail!("a message without a known length");
        }
        if has_name(line, b"content-length:") {
            let value = std::str::from_utf8(&line["content-length:".len()..])?.trim();
            return value.parse().map(Some).context("a Content-Length that is no number");
        }
    }
    Ok(None)
}

fn has_name(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

pub fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Waits for more bytes of `stream` and appends them; 0 means that the other side closed.
pub async fn read_more(stream: &TcpStream, buffer: &mut Vec<u8>) -> Result<usize> {
    let mut chunk = [0; 8192];
    loop {
        match stream.try_read(&mut chunk) {
            Ok(length) => {
                buffer.extend_from_slice(&chunk[..length]);
                ensure!(buffer.len() <= LARGEST_MESSAGE_BYTES, "a message that does not end");
                return Ok(length);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => stream.readable().await?,
            Err(error) => return Err(error).context("cannot read"),
        }
    }
}

pub async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error).context("cannot write"),
        }
    }
    Ok(())
}
