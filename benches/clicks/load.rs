//! The load generator: keep-alive connections, each sending one click after the other, every answer checked.

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tokio::{net::TcpStream, task::JoinSet, time::timeout};

use crate::{
    click::{self, Request},
    contender::Running,
    http::{self, Message},
    plan::Plan,
};

/// No contender is this slow: whoever needs longer hangs.
const LONGEST_CLICK: Duration = Duration::from_secs(10);
const MOST_CLICKS_PER_CONNECTION: usize = 200_000;

/// The place that clicks go to, and the answer that must come back.
#[derive(Clone)]
pub struct Target {
    running: Rc<Running>,
    request: Request,
    status: u16,
    /// Every answer contains this.
    contains: &'static str,
}

impl Target {
    pub fn github(running: Rc<Running>) -> Result<Self> {
        Ok(Self { running, request: click::dispatch()?, status: 204, contains: "" })
    }

    /// The same, where another answer is right.
    pub fn answering(self, contains: &'static str) -> Self {
        Self { contains, ..self }
    }

    /// The same, where another status is right.
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub fn handler(running: Rc<Running>, request: Request) -> Self {
        Self { running, request, status: 200, contains: "dispatched" }
    }
}

/// The results of one round of one target.
pub struct Round {
    /// All of them, with those of the warm-up.
    pub clicks: usize,
    pub p50: f64,
    pub p99: f64,
    pub clicks_per_second: f64,
    /// The handler's, where the system says it.
    pub cpu_per_click: Option<f64>,
}

/// Clicks over `connections` at once for as long as the plan says; the warm-up does not count.
pub async fn burst(target: &Target, connections: usize, plan: &Plan) -> Result<Round> {
    let start = Instant::now() + plan.warm_up;
    let end = start + plan.window;
    let cpu_before = target.running.cpu_time();
    let clicks: JoinSet<Result<Clicks>> =
        (0..connections).map(|_| Connection::new(target).click_between(start, end)).collect();
    let clicks = timeout(plan.warm_up + plan.window + LONGEST_CLICK, clicks.join_all()).await;
    let elapsed = start.elapsed();
    let clicks = clicks.context("took too long").and_then(|all| all.into_iter().collect::<Result<Vec<_>>>());
    let clicks = clicks.with_context(|| target.running.said())?;
    let count: usize = clicks.iter().map(|it| it.count).sum();
    let cpu = target.running.cpu_time().zip(cpu_before);
    let cpu_per_click = cpu.map(|(after, before)| (after - before) / count as f64);
    let latencies = clicks.into_iter().flat_map(|it| it.latencies).collect();
    Ok(Round { clicks: count, cpu_per_click, ..Round::of(latencies, elapsed)? })
}

/// So many clicks, at least one, in sequence over one connection.
pub async fn sequence(target: &Target, clicks: usize) -> Result<Round> {
    let start = Instant::now();
    let latencies = Connection::new(target).click_times(clicks).await;
    Round::of(latencies.with_context(|| target.running.said())?, start.elapsed())
}

/// The clicks of one connection.
struct Clicks {
    /// With those of the warm-up.
    count: usize,
    latencies: Vec<f64>,
}

impl Round {
    fn of(mut latencies: Vec<f64>, elapsed: Duration) -> Result<Self> {
        ensure!(!latencies.is_empty(), "no click ended in time");
        latencies.sort_unstable_by(f64::total_cmp);
        Ok(Self {
            p50: latencies[latencies.len() / 2],
            p99: latencies[latencies.len() * 99 / 100],
            clicks_per_second: latencies.len() as f64 / elapsed.as_secs_f64(),
            clicks: latencies.len(),
            cpu_per_click: None,
        })
    }
}

struct Connection {
    address: SocketAddr,
    request: Request,
    status: u16,
    contains: &'static str,
    buffer: Vec<u8>,
}

impl Connection {
    fn new(target: &Target) -> Self {
        Self {
            address: target.running.address,
            request: target.request.clone(),
            status: target.status,
            contains: target.contains,
            buffer: Vec::with_capacity(4096),
        }
    }

    async fn open(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn click_between(mut self, start: Instant, end: Instant) -> Result<Clicks> {
        let stream = self.open().await?;
        let (mut count, mut latencies) = (0, Vec::with_capacity(32_768));
        while latencies.len() < MOST_CLICKS_PER_CONNECTION {
            let clicked = Instant::now();
            // One click counts in any case, so that a slow moment gives a slow round and not an empty one.
            if clicked >= end && !latencies.is_empty() {
                break;
            }
            self.click(&stream).await?;
            count += 1;
            if clicked >= start {
                latencies.push(clicked.elapsed().as_secs_f64());
            }
        }
        Ok(Clicks { count, latencies })
    }

    async fn click_times(mut self, clicks: usize) -> Result<Vec<f64>> {
        let stream = self.open().await?;
        let mut latencies = Vec::with_capacity(clicks);
        for _ in 0..clicks {
            let clicked = Instant::now();
            timeout(LONGEST_CLICK, self.click(&stream)).await.context("took too long").flatten()?;
            latencies.push(clicked.elapsed().as_secs_f64());
        }
        Ok(latencies)
    }

    async fn click(&mut self, stream: &TcpStream) -> Result<()> {
        http::write_all(stream, self.request.numbered(next_number())).await?;
        self.buffer.clear();
        loop {
            ensure!(http::read_more(stream, &mut self.buffer).await? > 0, "the connection was closed");
            if let Some(answer) = Message::parse(&self.buffer)? {
                return self.check(&answer);
            }
        }
    }

    fn check(&self, answer: &Message) -> Result<()> {
        let right = answer.status() == Some(self.status)
            && answer.length() == self.buffer.len()
            && (self.contains.is_empty() || http::position(answer.body, self.contains.as_bytes()).is_some());
        ensure!(right, "a wrong answer: {}", String::from_utf8_lossy(&self.buffer));
        Ok(())
    }
}

/// Numbers are never used twice in a run.
pub fn next_number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}
