//! Things that a deployment may have, each with it and without: many rules, groups, a GitHub App, comparisons of commits.
//! Two handlers take turns in every round, and their clicks are otherwise the same.

use std::rc::Rc;

use anyhow::{Context, Result};
use serde_json::json;

use crate::{
    click::{self, CLIENT, TENANT},
    contender::{Program, QUIET, Running, Starter},
    folder::Folder,
    github::{CALLS, COMPARING},
    load::{self, Target},
    measure::{REST, in_turn, median},
    plan::Plan,
    report::{Comparison, Most, Unit},
    surfaces::{PERSON, ask},
    tools::Node,
};

/// The other of two approvers.
const ANOTHER: &str = "0b0b0c0d-1111-4222-8333-444455556666";

const GROUP: &str = "0c0b0c0d-1111-4222-8333-444455556666";

/// No thing may make a click slower than so many times.
const AIM: f64 = 1.1;

/// So many rules, of which the last matches.
const RULES: usize = 500;

/// The services whose calls are counted.
const CALLED: [&str; 2] = ["GitHub", "Graph"];

/// Approvals that are decided, or asked for, in one round: a process compares commits no more than 30 times a minute.
const APPROVALS_PER_ROUND: usize = 20;

/// The clicks that are measured.
#[derive(Clone, Copy)]
enum Clicks {
    /// The same vote of the same person again, where another one's is needed: nothing follows.
    Votes,
    /// One deciding vote on each of some approvals.
    Decisions,
    /// Asking for approvals with this token.
    Asks(&'static str),
}

impl Clicks {
    /// Votes on new approvals. The first is for what a handler learns at its first click; asking compares with what it
    /// releases.
    async fn votes(self, running: &Rc<Running>, person: &str, job: &str) -> Result<Vec<Target>> {
        let (count, required, answer) = match self {
            Self::Votes => (1, 2, "counted"),
            Self::Asks(_) => (1, 1, "dispatched"),
            Self::Decisions => (1 + APPROVALS_PER_ROUND, 1, "dispatched"),
        };
        let mut votes = Vec::new();
        for _ in 0..count {
            let vote = click::vote(&ask(running, job, required).await?, Some(person))?;
            votes.push(Target::handler(running.clone(), vote).answering(answer));
        }
        Ok(votes)
    }
}

/// A handler with the thing or without it, and what was measured with it.
struct Side<'a> {
    settings: Vec<(&'static str, String)>,
    clicks: Clicks,
    issuers: &'a Running,
    github: Running,
    /// With files, so that the store takes the time that a store takes.
    _folder: Option<Folder>,
    /// In seconds.
    times: Vec<f64>,
    /// The calls to each of [`CALLED`], and the clicks they were for.
    calls: [usize; 2],
    count: usize,
}

/// The title of a comparison, its columns without and with the thing, and their handlers.
struct Pair<'a> {
    title: String,
    columns: [&'static str; 2],
    sides: [Side<'a>; 2],
    /// The place in [`CALLED`] of those whose calls are shown.
    called: Option<usize>,
    calls_at_most: Option<Most>,
}

/// Without Node.js there is nobody who signs tokens.
pub async fn compare(plan: &Plan, starter: &Starter, node: Option<&Node>) -> Result<Vec<Comparison>> {
    let Some(node) = node else {
        eprintln!("Rules, groups, a GitHub App and comparisons are left out: no Node on this machine.");
        return Ok(Vec::new());
    };
    let (issuers, _) = starter.start(Program::Authority(node), &[TENANT, CLIENT]).await?;
    let pairs = [
        rules(starter, &issuers).await?,
        groups(starter, &issuers).await?,
        app(starter, &issuers).await?,
        comparing(starter, &issuers).await?,
    ];
    let mut comparisons = Vec::new();
    for mut pair in pairs {
        for round in 1..=plan.rounds {
            eprintln!("With and without {}, round {round} of {} …", pair.columns[1], plan.rounds);
            for side in in_turn(round, pair.sides.iter_mut().collect()) {
                side.play(plan, starter).await?;
            }
        }
        comparisons.push(pair.comparison());
    }
    Ok(comparisons)
}

async fn rules<'a>(starter: &Starter, issuers: &'a Running) -> Result<Pair<'a>> {
    let approvers = ("APPROVERS", format!("{PERSON},{ANOTHER}"));
    let without = Side::new(starter, issuers, Clicks::Votes, [approvers.clone()]).await?;
    let with = Side::new(starter, issuers, Clicks::Votes, [approvers, ("POLICY", policy())]).await?;
    Ok(Pair {
        title: format!(
            "Rules: the same vote without POLICY and with {RULES} rules, of which the last matches. The same two \
             people may decide. Kept in memory."
        ),
        columns: ["no POLICY", "rules"],
        sides: [without, with],
        called: None,
        calls_at_most: None,
    })
}

/// All are about the same repositories and refs, so that no rule is passed over at its first part.
fn policy() -> String {
    let rule = |number: usize| {
        json!({
            "name": format!("r{number}"), "repositories": ["octo/*"], "refs": ["refs/heads/*", "refs/tags/v*"],
            "event_types": [format!("go-live-{number}")], "environments": ["production"], "approvers": [PERSON],
        })
    };
    let last = json!({
        "name": "last", "repositories": ["octo/*"], "refs": ["refs/heads/*"], "event_types": ["go-live"],
        "approvers": [PERSON, ANOTHER], "approvals_required": 2,
    });
    json!((1..RULES).map(rule).chain([last]).collect::<Vec<_>>()).to_string()
}

async fn groups<'a>(starter: &Starter, issuers: &'a Running) -> Result<Pair<'a>> {
    let side = |approvers: &str| {
        let approvers = format!("{approvers},{ANOTHER}");
        let identity = format!("http://{}/identity", issuers.address);
        let settings = [
            ("APPROVERS", approvers),
            ("GRAPH_URL", format!("http://{}/graph", issuers.address)),
            ("IDENTITY_ENDPOINT", identity),
            ("IDENTITY_HEADER", "bench".to_owned()),
        ];
        Side::new(starter, issuers, Clicks::Votes, settings)
    };
    Ok(Pair {
        title: "Groups: the same vote by a person who is listed by object id, and by a member of a listed group about \
                whom Microsoft Graph was asked less than a minute ago. Kept in memory."
            .to_owned(),
        columns: ["listed", "in a group"],
        sides: [side(PERSON).await?, side(&format!("group:{GROUP}")).await?],
        called: Some(1),
        calls_at_most: Some(Most::Value(0.0)),
    })
}

async fn app<'a>(starter: &Starter, issuers: &'a Running) -> Result<Pair<'a>> {
    let approvers = ("APPROVERS", PERSON.to_owned());
    let key = issuers.get("/key").await?;
    let app = [approvers.clone(), ("GITHUB_APP_ID", "1".to_owned()), ("GITHUB_APP_PRIVATE_KEY", key)];
    Ok(Pair {
        title: "A GitHub App: the same vote, which decides and is sent on, with GITHUB_TOKEN and with an App whose token \
                is known. Kept in memory."
            .to_owned(),
        columns: ["GITHUB_TOKEN", "GitHub App"],
        sides: [
            Side::new(starter, issuers, Clicks::Decisions, [approvers]).await?,
            Side::new(starter, issuers, Clicks::Decisions, app).await?,
        ],
        called: Some(0),
        calls_at_most: Some(Most::Times(1.0)),
    })
}

async fn comparing<'a>(starter: &Starter, issuers: &'a Running) -> Result<Pair<'a>> {
    let side = |token| {
        Side::new(starter, issuers, Clicks::Asks(token), [("APPROVERS", format!("{PERSON},{ANOTHER}"))])
    };
    Ok(Pair {
        title: format!(
            "What changes: asking for the commit that was released last, where nothing is compared, and for the next one, \
             where GitHub takes {} ms to compare the two. Kept in files.",
            COMPARING.as_millis()
        ),
        columns: ["no comparison", "a comparison"],
        sides: [
            side("/jobs/token").await?.in_files()?,
            side("/jobs/token-of-next-commit").await?.in_files()?,
        ],
        called: Some(0),
        calls_at_most: None,
    })
}

impl<'a> Side<'a> {
    async fn new(
        starter: &Starter,
        issuers: &'a Running,
        clicks: Clicks,
        settings: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Result<Self> {
        let (github, _) = starter.start(Program::GitHub, &[]).await?;
        let url = |path: &str| format!("http://{}{path}", issuers.address);
        let settings = [
            ("GITHUB_API_URL", format!("http://{}", github.address)),
            ("ENTRA_AUTHORITY", url("")),
            ("GITHUB_OIDC_ISSUER", url("/jobs")),
            ("PUBLIC_URL", "https://approve.example".to_owned()),
            ("REQUIRE_IDENTITY", "true".to_owned()),
        ]
        .into_iter()
        .chain(settings)
        .collect();
        Ok(Self {
            settings,
            clicks,
            issuers,
            github,
            times: Vec::new(),
            calls: [0; 2],
            count: 0,
            _folder: None,
        })
    }

    fn in_files(mut self) -> Result<Self> {
        let folder = Folder::new()?;
        self.settings.push(("STORE_URL", folder.store_url()?));
        Ok(Self { _folder: Some(folder), ..self })
    }

    /// With a new handler each time, since its memory gets slower with every record in it. What it learns at its first
    /// click it knows before it is measured.
    async fn play(&mut self, plan: &Plan, starter: &Starter) -> Result<()> {
        let settings = self.settings.iter().map(|(name, value)| (*name, value.as_str()));
        let settings: Vec<_> = settings.chain([QUIET, TENANT, CLIENT]).collect();
        let running = Rc::new(starter.start(Program::ApproveRelease, &settings).await?.0);
        let (person, job) = (self.issuers.get("/token").await?, self.issuers.get("/jobs/token").await?);
        let votes = self.clicks.votes(&running, &person, &job).await?;
        load::sequence(&votes[0], 1).await?;
        tokio::time::sleep(REST).await;
        let calls_before = self.calls_so_far().await?;
        let (p50, count) = match self.clicks {
            Clicks::Votes => {
                let round = load::burst(&votes[0], 1, plan).await?;
                (round.p50, round.clicks)
            }
            Clicks::Decisions => (each(&votes[1..]).await?, APPROVALS_PER_ROUND),
            Clicks::Asks(token) => {
                let request = click::request_approval(&self.issuers.get(token).await?, 1)?;
                let target = Target::handler(running, request).with_status(201).answering("pending");
                (load::sequence(&target, APPROVALS_PER_ROUND).await?.p50, APPROVALS_PER_ROUND)
            }
        };
        // Calls beside the answers have begun by then.
        tokio::time::sleep(REST).await;
        let calls = self.calls_so_far().await?;
        self.calls = std::array::from_fn(|at| self.calls[at] + calls[at] - calls_before[at]);
        self.times.push(p50);
        self.count += count;
        Ok(())
    }

    async fn calls_so_far(&self) -> Result<[usize; 2]> {
        let (github, graph) = (self.github.get(CALLS).await?, self.issuers.get("/calls-to-graph").await?);
        Ok([github.parse().context("no number")?, graph.parse().context("no number")?])
    }
}

/// One click on each target; the median of their times.
async fn each(targets: &[Target]) -> Result<f64> {
    let mut times = Vec::new();
    for target in targets {
        times.push(load::sequence(target, 1).await?.p50);
    }
    Ok(median(times))
}

impl Pair<'_> {
    fn comparison(&self) -> Comparison {
        let mut comparison = Comparison::new(self.title.clone(), self.columns.map(str::to_owned));
        let p50 = self.sides.each_ref().map(|side| Some(median(side.times.clone())));
        comparison.row("click to answer p50, 1 connection", Unit::Milliseconds, p50);
        comparison.aim(Most::Times(AIM));
        if let Some(at) = self.called {
            let calls = self.sides.each_ref().map(|side| Some(side.calls[at] as f64 / side.count as f64));
            comparison.row(&format!("calls to {} a click", CALLED[at]), Unit::Number, calls);
            self.calls_at_most.into_iter().for_each(|most| comparison.aim(most));
        }
        comparison
    }
}
