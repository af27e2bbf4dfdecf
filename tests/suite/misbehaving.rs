//! Servers that break HTTP itself, where [`github`](crate::github) breaks only hearts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::{
    handler_process::{free_port, until},
    http1::Request,
};

/// The treatment of a client once its request is read.
#[derive(Clone, Copy, Debug)]
pub enum Misbehaviour {
    /// The connection is reset.
    Reset,
    /// Bytes come that are no HTTP.
    Garbage,
    /// Nothing comes, and the connection stays.
    Stall,
    /// A head comes, then its body byte by byte without end.
    Dribble,
    /// A head comes that never ends.
    EndlessHead,
    /// A `204` is promised, then the connection is closed in the middle of its head.
    HalfHead,
}

/// A loopback server with one fault.
pub struct Misbehaving {
    port: u16,
    requests: Arc<AtomicUsize>,
    /// The questions of the checks, which are counted apart: nobody says when they come.
    questions: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Misbehaving {
    pub async fn start(misbehaviour: Misbehaviour) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a loopback port");
        let port = listener.local_addr().expect("bound").port();
        let requests = Arc::new(AtomicUsize::new(0));
        let questions = Arc::new(AtomicUsize::new(0));
        let counts = (Arc::clone(&requests), Arc::clone(&questions));
        let serving = tokio::spawn(serve(listener, misbehaviour, counts));
        Self { port, requests, questions, serving }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits until a whole request has come in.
    pub async fn until_asked(&self) {
        until("the server is asked", async || self.requests() > 0).await;
    }

    /// Waits until a check has asked GitHub.
    pub async fn until_questioned(&self) {
        until("a check asks", async || self.questions.load(Ordering::SeqCst) > 0).await;
    }

    /// The number of whole requests that came, but for the checks' questions to GitHub.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Misbehaving {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The base URL of a port where nobody listens.
pub fn nobody() -> String {
    format!("http://127.0.0.1:{}", free_port())
}

async fn serve(
    listener: TcpListener,
    misbehaviour: Misbehaviour,
    counts: (Arc<AtomicUsize>, Arc<AtomicUsize>),
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (requests, questions) = counts.clone();
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            if let Ok(Some(mut request)) = Request::read_head(&mut stream).await
                && request.read_body(&mut stream).await.is_ok()
            {
                let path = request.path();
                let is_question =
                    request.method == "GET" && (path == "/rate_limit" || path.starts_with("/repos/"));
                if is_question { &questions } else { &requests }.fetch_add(1, Ordering::SeqCst);
                // The client may give up first: that is what it should do.
                let _ = misbehave(stream.into_inner(), misbehaviour).await;
            }
        });
    }
}

async fn misbehave(mut stream: TcpStream, misbehaviour: Misbehaviour) -> std::io::Result<()> {
    match misbehaviour {
        Misbehaviour::Reset => stream.set_zero_linger(),
        Misbehaviour::Garbage => stream.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n").await,
        Misbehaviour::Stall => stream.read_to_end(&mut Vec::new()).await.map(|_| ()),
        Misbehaviour::Dribble => {
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 1000000\r\n\r\n").await?;
            drip(stream, b" ").await
        }
        Misbehaviour::EndlessHead => {
            stream.write_all(b"HTTP/1.1 204 No Content\r\n").await?;
            drip(stream, b"X-More: and more\r\n").await
        }
        Misbehaviour::HalfHead => stream.write_all(b"HTTP/1.1 204 No Con").await,
    }
}

/// Sends the same few bytes until the client has gone.
async fn drip(mut stream: TcpStream, drop: &[u8]) -> std::io::Result<()> {
    loop {
        stream.write_all(drop).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
