//! The stand-in for GitHub, in a process of its own: answers every POST with 204, or where it is busy with the wish to
//! be left alone for an hour, everything else with 200, as fast as it can. An App is installed everywhere, comparing
//! two commits takes [`COMPARING`], and it says how many calls there were.

use std::{
    borrow::Cow,
    net::Ipv4Addr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::http::{self, Message};

/// A comparison comes so late.
pub const COMPARING: Duration = Duration::from_millis(300);

/// The path under which it says how many calls there were.
pub const CALLS: &str = "/calls";

const ACCEPTED: &[u8] =
    b"HTTP/1.1 204 No Content\r\nServer: github.com\r\nX-GitHub-Media-Type: github.v3\r\n\r\n";
const BUSY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n";
const READY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

static CALLS_SO_FAR: AtomicUsize = AtomicUsize::new(0);

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

async fn answer_all(stream: &TcpStream, posts: &'static [u8]) -> Result<()> {
    let mut buffer = Vec::with_capacity(8192);
    loop {
        while let Some(request) = Message::parse(&buffer)? {
            let (answer, length) = (answer(&request, posts).await, request.length());
            http::write_all(stream, &answer).await?;
            buffer.drain(..length);
        }
        if http::read_more(stream, &mut buffer).await? == 0 {
            return if buffer.is_empty() { Ok(()) } else { bail!("half a request") };
        }
    }
}

async fn answer(request: &Message<'_>, posts: &'static [u8]) -> Cow<'static, [u8]> {
    let line = request.request_line();
    let path = line.split(' ').nth(1).unwrap_or_default();
    if path == CALLS {
        return with_json("200 OK", &json!(CALLS_SO_FAR.load(Ordering::Relaxed)));
    }
    CALLS_SO_FAR.fetch_add(1, Ordering::Relaxed);
    if path.ends_with("/access_tokens") {
        return with_json(
            "201 Created",
            &json!({"token": "ghs_bench", "expires_at": "2100-01-01T00:00:00Z"}),
        );
    }
    if path.ends_with("/installation") {
        return with_json("200 OK", &json!({"id": 42, "permissions": {"contents": "write"}}));
    }
    if path.contains("/compare/") {
        tokio::time::sleep(COMPARING).await;
        return with_json("200 OK", &one_commit());
    }
    Cow::Borrowed(if request.is_post() { posts } else { READY })
}

/// The answer to a comparison.
fn one_commit() -> Value {
    let commit = json!({
        "sha": "89e6c98d92887913cadf06b2adb97f26cde4849b",
        "commit": {"message": "Say it in euros", "author": {"name": "Octo Cat"}},
        "author": {"login": "octocat", "id": 583_231},
    });
    json!({
        "status": "ahead", "ahead_by": 1, "behind_by": 0, "total_commits": 1, "commits": [commit],
        "files": [{"filename": "src/invoice.rs"}],
    })
}

fn with_json(status: &str, body: &Value) -> Cow<'static, [u8]> {
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    Cow::Owned([head, body].concat().into_bytes())
}
