//! A loopback web server of a test's own.

use std::{future::Future, io, sync::Arc};

use tokio::{
    io::BufReader,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::http1::{Answer, Request};

/// A server that answers every request with one function; it ends when dropped.
pub struct WebServer {
    port: u16,
    serving: JoinHandle<()>,
}

impl WebServer {
    /// Starts to serve.
    pub async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(Request) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a loopback port");
        let port = listener.local_addr().expect("bound").port();
        let serving = tokio::spawn(serve(listener, Arc::new(answer)));
        Self { port, serving }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve<F, A>(listener: TcpListener, answer: Arc<F>)
where
    F: Fn(Request) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    while let Ok((stream, _)) = listener.accept().await {
        let answer = Arc::clone(&answer);
        tokio::spawn(async move {
            // Browsers open connections that they never use, and close them whenever they like.
            let _ = serve_one(stream, &*answer).await;
        });
    }
}

async fn serve_one<A: Future<Output = Answer>>(
    stream: TcpStream,
    answer: &impl Fn(Request) -> A,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let Some(mut request) = Request::read_head(&mut stream).await? else { return Ok(()) };
    request.read_body(&mut stream).await?;
    answer(request).await.write_to(&mut stream).await
}

/// A 200 with this body.
pub fn ok(content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
    let mut answer = Answer { body: body.into(), ..Answer::with_status(200) };
    answer.headers.add("Content-Type", content_type);
    answer
}

/// A 200 with a page of HTML.
pub fn html(page: impl Into<Vec<u8>>) -> Answer {
    ok("text/html; charset=utf-8", page)
}
