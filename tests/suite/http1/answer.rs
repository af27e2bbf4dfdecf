//! Answers: read to their end, and written.

use std::io;

use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncReadExt, AsyncWriteExt};

use super::{Framed, Headers, broken, read_body, read_head};

/// An answer, read to its end.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn with_status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in: {}", self.text()))
    }

    /// True if its end was told otherwise than by the end of the connection.
    pub fn is_framed(&self) -> bool {
        let told = ["Content-Length", "Transfer-Encoding"].iter().any(|name| self.header(name).is_some());
        told || self.status == 204 || self.status == 304
    }

    /// Reads an answer to its end.
    pub async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Self> {
        let (start, headers) =
            read_head(stream).await?.ok_or_else(|| broken("the connection closed without an answer"))?;
        let status = start.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| broken(&format!("no status in {start:?}")))?;
        let body = match read_body(stream, &headers).await? {
            Framed::Chunked(bytes) | Framed::Sized(bytes) => bytes,
            Framed::Untold if status == 204 || status == 304 => Vec::new(),
            Framed::Untold => read_to_close(stream).await?,
        };
        Ok(Answer { status, headers, body })
    }

    /// Writes the answer to a caller who will read to the end of the connection.
    pub async fn write_to(&self, stream: &mut (impl AsyncWriteExt + Unpin)) -> io::Result<()> {
        let mut wire = format!("HTTP/1.1 {} Stand-In\r\n", self.status);
        for (name, value) in self.headers.iter() {
            wire += &format!("{name}: {value}\r\n");
        }
        wire += &format!("Connection: close\r\nContent-Length: {}\r\n\r\n", self.body.len());
        stream.write_all(wire.as_bytes()).await?;
        stream.write_all(&self.body).await?;
        stream.flush().await
    }
}

async fn read_to_close(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    Ok(bytes)
}
