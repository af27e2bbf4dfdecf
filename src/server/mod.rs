//! Wires the rooms, serves, and sweeps.

mod address;
mod channels;
mod checks;
mod entry;
mod in_work;
mod signals;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use actix_web::{
    App, HttpServer,
    dev::{Server, ServerHandle},
    web,
};
use anyhow::Context;
use log::Level;
use tokio::{sync::Notify, time::timeout};
use url::Url;

pub use self::signals::Stop;
use self::{
    channels::{Webhooks, channels},
    in_work::{InWork, MOST},
    signals::Signals,
};
use crate::{
    approval::{EventType, EventTypes},
    approve::Stories,
    cards::{Cards, page::Finding, sentences::sentence},
    config::{Config, Listen},
    http_client::LazyClient,
    identity::{bot_connector::ConnectorTokens, entra::ActionTokens, github_oidc::JobTokens},
    ledger::{Ledger, Store},
    outbox::{Outbox, Targets},
    senders::github::GitHub,
    senders::graph::Graph,
    senders::teams::connector::Connector,
    surfaces::{
        action_message::ActionMessages,
        bot::{Bot, Messages},
        page::Pages,
        request::Requests,
    },
    text::log::describe,
    timing::Timing,
};

/// The time between sweeps.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// The longest time of one sweep.
const SWEEP_TIME: Duration = Duration::from_secs(40);

/// The time after the start at which slow clients are loaded, which takes some milliseconds.
const WARM_UP_AFTER: Duration = Duration::from_millis(100);

/// The longest time for making the sample.
const SAMPLE_TIME: Duration = Duration::from_secs(10);

/// The longest time that a connection may be idle. The host keeps its connections to us for some 60 s, and a request
/// that it sends just when we close one is lost.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// The most threads that may wait at once for files and for the addresses of hosts.
const BLOCKING_THREADS: usize = 8;

/// The most connections that may wait until they are accepted, as far as the system lets them: one that finds no room
/// tries again a second later.
const BACKLOG: u32 = 4_096;

/// The longest wait for answers in flight when the process is asked to stop, in seconds.
const SHUTDOWN_SECONDS: u64 = 5;

/// The parts that every request needs.
struct Rooms {
    stories: Arc<Stories>,
    action_messages: ActionMessages,
    requests: Requests,
    pages: Pages,
    messages: Messages,
    public_url: Url,
    /// Asks `PUBLIC_URL` as others do.
    own_address: LazyClient,
    listen: Listen,
    stopping: Notify,
    in_work: InWork,
    /// The last look at what the deployment needs.
    looked: checks::Looked,
    started_at: tokio::time::Instant,
    /// The time of the host's last call of the timer.
    fired_at: Mutex<Option<tokio::time::Instant>>,
}

/// Serves until the process is asked to stop, then finishes the answers in flight.
pub async fn serve(config: Config) -> anyhow::Result<Stop> {
    let listen = config.listen;
    config.warnings.iter().for_each(|warning| log::warn!("{warning}"));
    // This comes before anybody can know that we are there.
    let signals = Signals::listen().context("cannot listen for signals")?;
    let rooms = Arc::new(rooms(config));
    let (server, _) = server(&rooms, listen.port())?;
    announce(&rooms);
    let sweeps = tokio::spawn(sweep_regularly(Arc::clone(&rooms)));
    tokio::spawn(warm_up(Arc::clone(&rooms)));
    // Nobody waits for it, not even the end of the process.
    tokio::spawn(Arc::clone(&rooms).log_first_look());
    let stop = tokio::spawn(stop_when_asked(Arc::clone(&rooms), server.handle(), signals));
    server.await.context("the server failed")?;
    // Work beside the answers may have called GitHub already, and then the result must be noted.
    let tasks = &rooms.stories.outbox.tasks;
    tasks.close();
    let _ =
        timeout(Duration::from_secs(SHUTDOWN_SECONDS), async { tokio::join!(sweeps, tasks.wait()) }).await;
    stop.await.context("the wait for signals broke off")
}

/// One look at all that the deployment needs, without serving.
pub async fn check(config: Config) -> Arc<Vec<Finding>> {
    Arc::new(rooms(config)).checks().await
}

/// The server at `port`, or at any free port if that is 0; and its addresses.
fn server(rooms: &Arc<Rooms>, port: u16) -> anyhow::Result<(Server, Vec<SocketAddr>)> {
    let app = web::Data::from(Arc::clone(rooms));
    // One worker: a person's clicks are few, and GitHub takes no more than some hundred a minute.
    let server =
        HttpServer::new(move || App::new().app_data(app.clone()).default_service(web::to(entry::entry)))
            .workers(1)
            .worker_max_blocking_threads(BLOCKING_THREADS)
            .keep_alive(KEEP_ALIVE)
            // This also holds for connections that were opened in reserve, and have not been used yet.
            .client_request_timeout(KEEP_ALIVE)
            .disable_signals()
            .shutdown_timeout(SHUTDOWN_SECONDS)
            .backlog(BACKLOG)
            .bind((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("cannot listen on 127.0.0.1:{port} (if another one is running there, choose another port with --port)"))?;
    let addresses = server.addrs();
    Ok((server.run(), addresses))
}

/// Waits until the process is asked to stop: then no sweep sends anything more, and the answers in flight are
/// finished.
async fn stop_when_asked(rooms: Arc<Rooms>, server: ServerHandle, signals: Signals) -> Stop {
    let stop = signals.first().await;
    rooms.stories.sweeper.stop();
    // A permit, also if the sweeps are not waiting just now.
    rooms.stopping.notify_one();
    server.stop(true).await;
    stop
}

/// Loads certificates and opens the store, which takes some milliseconds, so that the first click need not wait.
///
/// Not at once: it would compete for the processor with the answer that the host is waiting for. An earlier click
/// loads them by itself.
async fn warm_up(rooms: Arc<Rooms>) {
    tokio::time::sleep(WARM_UP_AFTER).await;
    if let Ok(tokens) = &rooms.action_messages.tokens {
        tokens.warm_up();
    }
    if let Ok(bot) = &rooms.messages.bot {
        bot.tokens.warm_up();
    }
    if let Err(error) = rooms.stories.outbox.ledger.prepare().await {
        log::error!("{}", describe(&error));
    }
    if rooms.pages.offers_samples {
        offer_sample(&rooms).await;
    }
    let client = tokio::task::spawn_blocking(move || {
        if !rooms.stories.policy.groups().is_empty() {
            rooms.stories.groups.prepare()?;
        }
        rooms.stories.outbox.targets.prepare()
    });
    if let Ok(Err(error)) = client.await {
        log::error!("{error:#}");
    }
}

/// Makes a sample approval for a person who started us by hand, and logs its address.
async fn offer_sample(rooms: &Rooms) {
    match rooms.stories.open_sample(timing(SAMPLE_TIME)).await {
        Ok(id) => {
            log::info!("a sample approval to click: {}", rooms.stories.outbox.cards.page_url(&id))
        }
        Err(report) => log::warn!("there is no sample: {} {}", sentence(&report.outcome), report.detail),
    }
}

/// Sweeps for as long as the process runs, so that nothing depends on the host's timer.
async fn sweep_regularly(rooms: Arc<Rooms>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(SWEEP_INTERVAL) => log_lines(&sweep(&rooms.stories).await),
            () = rooms.stopping.notified() => return,
        }
    }
}

/// Checks the pending deliveries once; returns the lines for the log. Once begun it goes on to its end, even
/// if nobody waits for it any more.
async fn sweep(stories: &Arc<Stories>) -> Vec<(Level, String)> {
    let stories = Arc::clone(stories);
    let tasks = stories.outbox.tasks.clone();
    let swept = tasks.spawn(async move { stories.sweep(timing(SWEEP_TIME)).await }).await;
    let lines = swept.unwrap_or_else(|error| vec![(Level::Error, format!("a sweep broke off: {error}"))]);
    lines.into_iter().map(|(level, line)| (level, format!("Deliver: {line}"))).collect()
}

fn log_lines(lines: &[(Level, String)]) {
    lines.iter().for_each(|(level, line)| log::log!(*level, "{line}"));
}

/// The time now, and `time` for the answer.
#[expect(clippy::disallowed_methods, reason = "this is where a request begins")]
fn timing(time: Duration) -> Timing {
    Timing::new(SystemTime::now().into(), time)
}

fn rooms(config: Config) -> Rooms {
    let pages = github_pages(&config.github_api_url);
    let sends = !config.policy.dry_run;
    let (token, app) = (config.github_token.filter(|_| sends), config.github_app.filter(|_| sends));
    let github = GitHub::new(config.github_api_url, token, app);
    let cards = Arc::new(Cards {
        public_url: config.public_url.clone(),
        github: pages,
        mail: config.mail,
        time_zone: config.time_zone,
    });
    let bot = config.bot.map(|bot| Bot {
        tokens: ConnectorTokens::new(config.bot_openid_metadata, &bot.app_id),
        tenant: bot.tenant.clone(),
        connector: Arc::new(Connector::new(bot)),
    });
    let connector = bot.as_ref().ok().map(|bot| Arc::clone(&bot.connector));
    let webhooks = Webhooks { own: config.teams_webhook_url, named: config.teams_webhooks };
    let channels = channels(connector.as_ref(), webhooks, config.policy.rules.as_ref());
    let targets = Targets { github, channels, bot: connector };
    let policy = Arc::new(config.policy);
    let ledger = Ledger::new(Store::new(config.store), policy.dry_run);
    let outbox = Outbox::new(ledger, targets, cards, Arc::clone(&policy), config.deliver_for);
    let stories = Arc::new(Stories::new(policy, outbox, Graph::new(config.graph)));
    let messages = Messages { stories: Arc::clone(&stories), bot };
    let requests = Requests {
        stories: Arc::clone(&stories),
        tokens: JobTokens::new(config.github_oidc_issuer, &config.public_url),
        audience: config.public_url.as_str().trim_end_matches('/').to_owned(),
    };
    let pages = Pages {
        stories: Arc::clone(&stories),
        signs_in: config.signs_in,
        tenant: config.tenant,
        public_url: config.public_url.clone(),
        offers_samples: offers_samples(config.listen, &stories),
    };
    let action_messages = ActionMessages {
        stories: Arc::clone(&stories),
        tokens: config.entra.map(ActionTokens::new),
        require_identity: config.require_identity,
        public_url: config.public_url.clone(),
    };
    Rooms {
        stories,
        action_messages,
        requests,
        pages,
        messages,
        own_address: LazyClient::new(config.public_url.clone(), checks::CONNECT_TIME),
        public_url: config.public_url,
        listen: config.listen,
        stopping: Notify::new(),
        in_work: InWork::new(MOST),
        looked: checks::Looked::default(),
        started_at: tokio::time::Instant::now(),
        fired_at: Mutex::default(),
    }
}

/// True if a person who started us by hand gets samples to click. A channel that people read gets none.
fn offers_samples(listen: Listen, stories: &Stories) -> bool {
    let tells_nobody = stories.outbox.targets.channels.is_empty();
    matches!(listen, Listen::Standalone(_)) && stories.policy.dry_run && tells_nobody
}

/// The address of GitHub's pages, from that of its API: below the same host, without `api.` or `/api/v3`.
fn github_pages(api: &Url) -> Url {
    let mut pages = api.clone();
    if let Some(path) = api.path().trim_end_matches('/').strip_suffix("/api/v3") {
        pages.set_path(path);
    }
    if let Some(domain) = api.host_str().and_then(|host| host.strip_prefix("api.")) {
        // A host name without its first label is still a host name.
        let _ = pages.set_host(Some(domain));
    }
    pages
}

/// Tells a person who started us by hand what to do next.
fn announce(rooms: &Rooms) {
    let Listen::Standalone(port) = rooms.listen else { return };
    let policy = &rooms.stories.policy;
    if !policy.dry_run {
        log::info!("listening on http://localhost:{port}: what is decided is sent to GitHub");
        return;
    }
    log::info!("listening on http://localhost:{port} in dry run: nothing is sent to GitHub");
    let event_type = match &policy.relay_event_types {
        EventTypes::Any => Some("release-approved"),
        EventTypes::Only(listed) => listed.first().map(EventType::as_str),
    };
    if let Some(event_type) = event_type {
        log::info!(
            "try: curl -i http://localhost:{port}/api/ApproveRelease -H 'Content-Type: application/json' \
             -d '{{\"event_type\":\"{event_type}\",\"client_payload\":{{\"run_id\":\"1\"}}}}'"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    /// A client that takes a place and does not go on.
    const STALLED: &str =
        "POST /api/ApproveRelease HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n";

    /// A server with this many places, and its address.
    fn start(places: usize) -> (Arc<Rooms>, SocketAddr) {
        let settings = [("STORE_URL", "memory:"), ("DRY_RUN", "true"), ("REQUIRE_IDENTITY", "false")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::parse(&BTreeMap::from(settings)).expect("a configuration");
        let rooms = Arc::new(Rooms { in_work: InWork::new(places), ..rooms(config) });
        let (server, addresses) = server(&rooms, 0).expect("a server");
        actix_web::rt::spawn(server);
        (rooms, addresses[0])
    }

    #[test]
    fn pages_of_github_are_below_the_host_of_its_api() {
        for (api, pages) in [
            ("https://api.github.com", "https://github.com/"),
            ("https://api.octo.ghe.com/", "https://octo.ghe.com/"),
            ("https://ghes.example/api/v3", "https://ghes.example/"),
            ("https://ghes.example:8443/api/v3/", "https://ghes.example:8443/"),
            ("http://127.0.0.1:7000", "http://127.0.0.1:7000/"),
        ] {
            assert_eq!(github_pages(&Url::parse(api).expect("a URL")).as_str(), pages);
        }
    }

    async fn send(at: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(at).await.expect("connected");
        stream.write_all(text.as_bytes()).await.expect("sent");
        stream
    }

    /// The whole answer to one request.
    async fn ask(at: SocketAddr, method: &str, path: &str, body: &str) -> String {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let mut answer = String::new();
        send(at, &request).await.read_to_string(&mut answer).await.expect("an answer");
        answer
    }

    fn body(answer: &str) -> Value {
        serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON")
    }

    async fn until_taken(rooms: &Rooms) {
        while rooms.in_work.free() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn what_comes_on_top_of_what_is_in_work_is_told_so_at_once() {
        actix_web::rt::System::new().block_on(flooded());
    }

    async fn flooded() {
        let (rooms, at) = start(2);
        let stalled = [send(at, STALLED).await, send(at, STALLED).await];
        until_taken(&rooms).await;

        let large = "x".repeat(200_000);
        for (method, path) in [
            ("POST", "/api/ApproveRelease"),
            ("POST", "/api/RequestApproval"),
            ("GET", "/api/RequestApproval/1"),
            ("GET", "/api/approvals?format=json"),
            ("POST", "/api/messages"),
        ] {
            for sent in ["", "{}", &large] {
                let answer = ask(at, method, path, sent).await;
                assert!(answer.starts_with("HTTP/1.1 424 "), "{method} {path}: {answer}");
                assert_eq!(body(&answer)["outcome"], "unavailable");
                let sentence = body(&answer)["message"].as_str().expect("a sentence").to_owned();
                assert!(answer.contains(&format!("card-action-status: {sentence}\r\n")), "{answer}");
                assert!(sentence.contains("busy") && sentence.contains("again"), "{sentence}");
            }
        }
        let page = ask(at, "GET", "/api/approvals", "").await;
        assert!(page.starts_with("HTTP/1.1 424 ") && page.contains("<title>Not available now"), "{page}");
        // The host hands on the inner answer of a success only.
        let payload = json!({"Data": {"req": {}}}).to_string();
        let wrapped = ask(at, "POST", "/ApproveRelease", &payload).await;
        assert!(wrapped.starts_with("HTTP/1.1 200 "), "{wrapped}");
        assert_eq!(body(&wrapped)["Outputs"]["res"]["statusCode"], "424");
        for (method, path) in [("GET", "/"), ("POST", "/Deliver")] {
            assert!(ask(at, method, path, "").await.starts_with("HTTP/1.1 200 "), "{path}");
        }

        drop(stalled);
        while rooms.in_work.free() == 0 {
            tokio::task::yield_now().await;
        }
        let answer = ask(at, "GET", "/api/RequestApproval/1", "").await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }
}
