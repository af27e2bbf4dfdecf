//! A request's way through the host: route, key, and the form in which the handler gets it.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use super::{
    Mode, Shared,
    functions::{AuthLevel, Function, HttpTrigger, Params},
    handler::Standing,
    payload::{InvocationAnswer, http_payload, to_json},
    query,
};
use crate::http1::{Answer, Body, Connection, Request};

type Caller = BufReader<TcpStream>;

const INVOCATION_ID: &str = "X-Azure-Functions-InvocationId";

const HOST_VERSION: (&str, &str) = ("X-Azure-Functions-HostVersion", "4.1037.0.0");

/// The headers that legacy forwarding takes from a request besides: in .NET these belong to the content, of which it
/// copies type and length alone.
const LOST_CONTENT_HEADERS: [&str; 9] = [
    "Allow",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Location",
    "Content-MD5",
    "Content-Range",
    "Expires",
    "Last-Modified",
];

/// The most times that proxying tries to connect.
const PROXY_ATTEMPTS: usize = 10;

/// The longest time that an unused connection to the handler is kept.
const KEPT_IDLE: Duration = Duration::from_secs(60);

/// Serves the public port until aborted.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // A caller that goes away early is its own affair: the test sees it at its end.
            let _ = shared.serve_one(BufReader::new(stream)).await;
        });
    }
}

impl Shared {
    async fn serve_one(&self, mut caller: Caller) -> io::Result<()> {
        let Some(mut request) = Request::read_head(&mut caller).await? else { return Ok(()) };
        if self.look_after_handler().await == Standing::HostStopped {
            return Ok(());
        }
        let found = self.functions.iter().find_map(|function| Some((function, function.serves(&request)?)));
        let Some((function, (trigger, params))) = found else {
            return refuse(404, &mut request, &mut caller).await;
        };
        if trigger.auth_level == AuthLevel::Function && !self.has_key(&request) {
            return refuse(401, &mut request, &mut caller).await;
        }
        if self.look_after_handler().await == Standing::Ended {
            self.new_invocation();
            let _ = self.failed("the handler has ended".to_owned());
            return refuse(500, &mut request, &mut caller).await;
        }
        match self.mode {
            Mode::Proxying if function.http_only => self.proxy(request, caller).await,
            Mode::Forwarding if function.http_only => self.forward(request, caller).await,
            _ => self.invoke_http(function, trigger, &params, request, caller).await,
        }
    }

    fn has_key(&self, request: &Request) -> bool {
        // An empty header counts as one.
        let in_header = request.headers.get("x-functions-key").map(str::to_owned);
        in_header.or_else(|| query::first_value(request.query(), "code")).as_ref() == Some(&self.key)
    }

    /// Proxying: the head with the host's headers in place of the caller's, then both streams as they come.
    async fn proxy(&self, mut request: Request, mut caller: Caller) -> io::Result<()> {
        let invocation = self.new_invocation();
        for (name, value) in
            [(INVOCATION_ID, &*invocation), ("x-ms-invocation-id", &invocation), HOST_VERSION]
        {
            request.headers.set(name, value);
        }
        let Some(mut handler) = self.connect_for_proxy().await else {
            let _ = self.failed("the handler cannot be reached".to_owned());
            return refuse(502, &mut request, &mut caller).await;
        };
        handler.write_all(&request.head_to_wire(self.handler_port)).await?;
        handler.write_all(b"\r\n").await?;
        copy_bidirectional(&mut caller, &mut handler).await.map(|_| ())
    }

    async fn connect_for_proxy(&self) -> Option<TcpStream> {
        for _ in 0..PROXY_ATTEMPTS {
            if let Ok(handler) = TcpStream::connect(("127.0.0.1", self.handler_port)).await {
                return Some(handler);
            }
        }
        None
    }

    /// Legacy forwarding: a new request with the original path. A body of untold length is a failure of the host's own.
    async fn forward(&self, mut request: Request, mut caller: Caller) -> io::Result<()> {
        request.read_body(&mut caller).await?;
        let invocation = self.new_invocation();
        request.body = match request.body {
            Body::Chunked(_) => {
                let _ = self.failed("a body of untold length".to_owned());
                return respond(Answer::with_status(500), &mut caller).await;
            }
            Body::Sized(bytes) if !bytes.is_empty() => Body::Sized(bytes),
            _ => Body::Absent,
        };
        LOST_CONTENT_HEADERS.iter().for_each(|name| request.headers.remove(name));
        // A caller's own id stands before the real one.
        let ids: Vec<_> = request.headers.get(INVOCATION_ID).into_iter().chain([&*invocation]).collect();
        let ids = ids.join(", ");
        request.target = match query::rebuilt(request.query()).as_str() {
            "" => request.path().to_owned(),
            query => format!("{}?{query}", request.path()),
        };
        let sent = self.send_to_handler(&add_host_headers(request, &ids)).await;
        let sent = sent.map_err(|error| self.failed(error.to_string()));
        respond(sent.unwrap_or_else(|_| Answer::with_status(500)), &mut caller).await
    }

    async fn invoke_http(
        &self,
        function: &Function,
        trigger: &HttpTrigger,
        params: &Params,
        mut request: Request,
        mut caller: Caller,
    ) -> io::Result<()> {
        request.read_body(&mut caller).await?;
        let payload = http_payload(&function.name, trigger, self.port, &request, params);
        let invocation = self.new_invocation();
        let answer = (self.invoke(function, &payload, &invocation).await)
            .and_then(|answer| answer.http_answer(function).map_err(|reason| self.failed(reason)))
            .unwrap_or_else(|_| Answer::with_status(500));
        respond(answer, &mut caller).await
    }

    /// POSTs a payload to the handler, chunked. An answer that the host cannot use is a failed invocation.
    pub async fn invoke(
        &self,
        function: &Function,
        payload: &Value,
        invocation: &str,
    ) -> Result<InvocationAnswer, String> {
        if self.look_after_handler().await != Standing::Running {
            return Err(self.failed("the handler has ended".to_owned()));
        }
        let request = Request::post(&format!("/{}", function.name));
        let request = request.body("application/json; charset=utf-8", to_json(payload)).chunked();
        let answer = self.send_to_handler(&add_host_headers(request, invocation)).await;
        let read =
            answer.map_err(|error| error.to_string()).and_then(|answer| InvocationAnswer::read(&answer));
        let read = read.map_err(|reason| self.failed(reason))?;
        self.record().logs.extend(read.logs.iter().cloned());
        Ok(read)
    }

    /// Sends to the handler on a connection that is kept for the next request.
    async fn send_to_handler(&self, request: &Request) -> io::Result<Answer> {
        let connection = match self.idle_connection() {
            Some(connection) => connection,
            None => Connection::open(self.handler_port).await?,
        };
        let (answer, connection) = connection.exchange(request).await?;
        let idle = connection.map(|connection| (connection, Instant::now()));
        self.idle.lock().expect("nobody panicked").extend(idle);
        Ok(answer)
    }

    fn idle_connection(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().expect("nobody panicked");
        idle.retain(|(connection, since)| since.elapsed() < KEPT_IDLE && connection.is_fresh());
        idle.pop().map(|(connection, _)| connection)
    }

    fn failed(&self, reason: String) -> String {
        eprintln!("an invocation failed: {reason}");
        self.record().failures.push(reason.clone());
        reason
    }
}

/// Answers without asking the handler, once the request is read.
async fn refuse(status: u16, request: &mut Request, caller: &mut Caller) -> io::Result<()> {
    request.read_body(caller).await?;
    respond(Answer::with_status(status), caller).await
}

async fn respond(mut answer: Answer, caller: &mut Caller) -> io::Result<()> {
    for framing in ["Connection", "Content-Length", "Transfer-Encoding"] {
        answer.headers.remove(framing);
    }
    answer.write_to(caller).await
}

fn add_host_headers(mut request: Request, invocation: &str) -> Request {
    request.headers.set(INVOCATION_ID, invocation);
    request.headers.set(HOST_VERSION.0, HOST_VERSION.1);
    let agents = [request.headers.get("User-Agent").unwrap_or_default(), "Azure-Functions-Host/4.1037.0.0"];
    let agent = agents.join(" ");
    request.headers.set("User-Agent", agent.trim());
    request
}
