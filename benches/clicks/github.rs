//! The stand-in for GitHub, in a process of its own: answers every POST with 204, or where it is busy with the wish to
//! be left alone for an hour, everything else with 200, as fast as it can.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail};
use tokio::net::{TcpListener, TcpStream};

use crate::http::{self, Message};

const ACCEPTED: &[u8] =
    b"HTTP/1.1 204 No Content\r\nServer: github.com\r\nX-GitHub-Media-Type: github.v3\r\n\r\n";
const BUSY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n";
const READY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

pub async fn serve(port: u16) -> Result<()> {
    answer_posts(port, ACCEPTED).await
}

pub async fn serve_busy(port: u16) -> Result<()> {
    answer_posts(port, BUSY).await
}

async fn answer_posts(port: u16, posts: &'static [u8]) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.context("cannot listen")?;
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept")?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            if let Err(error) = answer_all(&stream, posts).await {
                eprintln!("GitHub's stand-in: {error:#}");
            }
        });
    }
}

async fn answer_all(stream: &TcpStream, posts: &[u8]) -> Result<()> {
    let mut buffer = Vec::with_capacity(8192);
    loop {
        while let Some(request) = Message::parse(&buffer)? {
            let answer = if request.is_post() { posts } else { READY };
            let length = request.length();
            http::write_all(stream, answer).await?;
            buffer.drain(..length);
        }
        if http::read_more(stream, &mut buffer).await? == 0 {
            return if buffer.is_empty() { Ok(()) } else { bail!("half a request") };
        }
    }
}
