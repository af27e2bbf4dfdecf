//! A request's way through the host: route, key, and the form in which the handler gets it.

use std::{io, sync::Arc};

use serde_json::Value;
use tokio::{
    io::{AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use super::{
    Mode, Shared,
    functions::{AuthLevel, Function, HttpTrigger, Params},
    payload::{InvocationAnswer, http_payload, to_json},
    query,
};
use crate::http1::{Answer, Body, Request};

type Caller = BufReader<TcpStream>;

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
        let found = self.functions.iter().find_map(|function| Some((function, function.serves(&request)?)));
        let Some((function, (trigger, params))) = found else {
            return refuse(404, &mut request, &mut caller).await;
        };
        if trigger.auth_level == AuthLevel::Function && !self.has_key(&request) {
            return refuse(401, &mut request, &mut caller).await;
        }
        match self.mode {
            Mode::Proxying if function.http_only => self.proxy(request, caller).await,
            Mode::Forwarding if function.http_only => self.forward(request, caller).await,
            _ => self.invoke_http(function, trigger, &params, request, caller).await,
        }
    }

    fn has_key(&self, request: &Request) -> bool {
        let in_query = query::value(request.query(), "code");
        in_query.as_deref().or(request.headers.get("x-functions-key")) == Some(&self.key)
    }

    /// Proxying: the head with the host's headers added, then both streams as they come.
    async fn proxy(&self, request: Request, mut caller: Caller) -> io::Result<()> {
        let request = add_host_headers(request, &self.new_invocation());
        let mut handler = TcpStream::connect(("127.0.0.1", self.handler_port)).await?;
        handler.write_all(&request.head_to_wire(self.handler_port)).await?;
        handler.write_all(b"\r\n").await?;
        copy_bidirectional(&mut caller, &mut handler).await.map(|_| ())
    }

    /// Legacy forwarding: a new request with the original path. A body of untold length is lost on the way.
    async fn forward(&self, mut request: Request, mut caller: Caller) -> io::Result<()> {
        request.read_body(&mut caller).await?;
        request.body = match request.body {
            Body::Sized(bytes) if !bytes.is_empty() => Body::Sized(bytes),
            _ => Body::Absent,
        };
        request.target = match query::rebuilt(request.query()).as_str() {
            "" => request.path().to_owned(),
            query => format!("{}?{query}", request.path()),
        };
        let request = add_host_headers(request, &self.new_invocation());
        let answer = request.try_send(self.handler_port).await.unwrap_or_else(|_| Answer::with_status(502));
        respond(answer, &mut caller).await
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
        let payload = http_payload(&function.name, &trigger.binding, self.port, &request, params);
        let output = function.http_output.as_deref().expect("an HTTP output binding");
        let invocation = self.new_invocation();
        let answer = (self.invoke(function, &payload, &invocation).await)
            .and_then(|answer| answer.http_answer(output).map_err(|reason| self.failed(reason)))
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
        let request = Request::post(&format!("/{}", function.name)).json(to_json(payload)).chunked();
        let answer = add_host_headers(request, invocation).try_send(self.handler_port).await;
        let read =
            answer.map_err(|error| error.to_string()).and_then(|answer| InvocationAnswer::read(&answer));
        let read = read.map_err(|reason| self.failed(reason))?;
        self.record().logs.extend(read.logs.iter().cloned());
        Ok(read)
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
    request.headers.set("X-Azure-Functions-InvocationId", invocation);
    request.headers.set("X-Azure-Functions-HostVersion", "4.1037.0.0");
    let agents = [request.headers.get("User-Agent").unwrap_or_default(), "Azure-Functions-Host/4.1037.0.0"];
    let agent = agents.join(" ");
    request.headers.set("User-Agent", agent.trim());
    request
}
