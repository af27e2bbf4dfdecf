//! Instances of a deployment in this process, on one store: with a clock that is an argument, settings that may change
//! from one instance to the next, and no socket unless a GitHub or a channel is given.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use approve_release::{
    approval::{
        ApprovalId, Approver, Approvers, Ballot, Click, Delivery, Ending, EventType, EventTypes, Guid,
        Outcome, Performer, Person, Policy, Repository, RepositoryPattern, Ruling, Standing, Subject, Terms,
        Verdict, Visibility, Vote, Workload,
    },
    approve::{Clicked, NewRequest, Stories},
    http_client::{self, SecretUrl},
    outbox::Sender,
    senders::teams::webhook::Webhook,
    surfaces::action_message::parse_body,
    timing::Timing,
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory, path::Path};

use crate::{
    deployment::Channel as TeamsChannel, github::GitHub, handler_process::within, in_process::stories,
    tokens::ALEX,
};

/// A deployment: what all its instances have in common.
pub struct Instances {
    pub store: Arc<InMemory>,
    /// The settings of the next instance.
    pub policy: Policy,
    /// The clock of the tests begins here.
    pub began: DateTime<Utc>,
    github: Option<String>,
    webhook: Option<String>,
    /// Those that may still be at work.
    started: Mutex<Vec<Arc<Stories>>>,
}

impl Instances {
    /// A dry run, in which everybody of the tenant may decide.
    pub fn dry_run() -> Self {
        http_client::use_ring();
        let policy = Policy {
            default_repository: Repository::parse("octo/app"),
            allowed_repositories: allowing(&["octo/app"]),
            relay_event_types: EventTypes::Only(vec![event_type("release-approved")]),
            approvers: Approvers::Everybody,
            ..Policy::default()
        };
        Self {
            store: Arc::default(),
            policy,
            began: Utc::now(),
            github: None,
            webhook: None,
            started: Mutex::default(),
        }
    }

    /// One that sends to this GitHub.
    pub fn sending_to(github: &GitHub) -> Self {
        Self { github: Some(github.url()), ..Self::dry_run() }
    }

    /// With this channel.
    pub fn posting_to(self, channel: &TeamsChannel) -> Self {
        let [(_, webhook)] = channel.setting();
        Self { webhook: Some(webhook), ..self }
    }

    /// An instance with the settings of now.
    pub fn start(&self) -> Arc<Stories> {
        self.start_on(Arc::clone(&self.store) as Arc<dyn ObjectStore>)
    }

    /// An instance whose GitHub is at another address.
    pub fn at(&self, github: &str) -> Arc<Stories> {
        let view = Arc::clone(&self.store) as Arc<dyn ObjectStore>;
        let instance = stories(self.policy.clone(), view, Some(github), None, TimeDelta::hours(24));
        self.started.lock().unwrap().push(Arc::clone(&instance));
        instance
    }

    /// One that sees the store through `view`.
    pub fn start_on(&self, view: Arc<dyn ObjectStore>) -> Arc<Stories> {
        let policy = Policy { dry_run: self.github.is_none(), ..self.policy.clone() };
        let webhook = self.webhook.as_ref().map(|webhook| webhook.parse().expect("a URL"));
        let sender = webhook.map(|webhook| Sender::Webhook(Webhook::new(SecretUrl::new(webhook))));
        let instance = stories(policy, view, self.github.as_deref(), sender, TimeDelta::hours(24));
        self.started.lock().unwrap().push(Arc::clone(&instance));
        instance
    }

    /// A moment this long after the beginning, with a click's time to answer.
    pub fn after(&self, time: TimeDelta) -> Timing {
        Timing::new(self.began + time, Duration::from_millis(4_400))
    }

    /// A sweep by a new instance, with a sweep's time.
    pub async fn sweep(&self, time: TimeDelta) -> Vec<String> {
        sweep_by(&self.start(), self.sweep_time(time)).await
    }

    pub fn sweep_time(&self, time: TimeDelta) -> Timing {
        Timing::new(self.began + time, Duration::from_secs(40))
    }

    /// The entries of the index that are left a day after `time`: a release that nobody reports is followed until then.
    pub async fn left_a_day_after(&self, time: TimeDelta) -> Vec<String> {
        let instance = self.start();
        for minutes in 0..3 {
            sweep_by(&instance, self.sweep_time(time + TimeDelta::days(1) + TimeDelta::minutes(minutes)))
                .await;
        }
        self.names("pending/").await
    }

    /// Asks, and gives the id.
    pub async fn asked(&self, asking: NewRequest) -> ApprovalId {
        let asked = self.start().ask(asking, self.after(TimeDelta::zero())).await;
        asked.map_err(|report| report.outcome).expect("it is open").0.request.id
    }

    pub async fn delivery(&self, id: &ApprovalId, time: TimeDelta) -> Delivery {
        let standing = self.look(id, time).await;
        self.start().policy.delivery(&standing)
    }

    pub async fn look(&self, id: &ApprovalId, time: TimeDelta) -> Standing {
        self.start().look(id, self.after(time)).await.expect("a store").expect("an approval")
    }

    /// Records that it was approved by Alex, as a process does that is killed right afterwards.
    pub async fn decide_and_die(&self, id: &ApprovalId, time: TimeDelta) {
        let timing = self.after(time);
        let ballot = Ballot {
            performer: person(ALEX, None),
            verdict: Verdict::Approve,
            comment: String::new(),
            at: timing.now,
            groups: Vec::new(),
        };
        let ruling = Ruling {
            ending: Ending::Approved,
            ballots: vec![ballot],
            decided_at: timing.now,
            ticket: None,
            withdrawal: None,
            policy: None,
        };
        self.start().outbox.ledger.rule(id, ruling, None, timing.deadline).await.expect("it is recorded");
    }

    /// Waits until no instance does anything any more beside its answers.
    pub async fn settled(&self) {
        let started = std::mem::take(&mut *self.started.lock().unwrap());
        for instance in started {
            instance.outbox.tasks.close();
            within("an instance has done its work", async || instance.outbox.tasks.wait().await).await;
            instance.outbox.tasks.reopen();
        }
    }

    /// The paths of all objects that begin so.
    pub async fn names(&self, prefix: &str) -> Vec<String> {
        names_in(&self.store, prefix).await
    }

    /// Writes an object, past everything of ours.
    pub async fn write(&self, path: &str, content: impl Into<Vec<u8>>) {
        let path = Path::parse(path).expect("a path");
        self.store.put(&path, content.into().into()).await.expect("written");
    }
}

/// The paths of all objects of a store that begin so.
pub async fn names_in(store: &InMemory, prefix: &str) -> Vec<String> {
    let objects = store.list(None).map(|object| object.expect("an object").location.to_string());
    objects.filter(|name| std::future::ready(name.starts_with(prefix))).collect().await
}

/// The lines that a sweep says.
pub async fn sweep_by(instance: &Arc<Stories>, timing: Timing) -> Vec<String> {
    instance.sweep(timing).await.into_iter().map(|(_, line)| line).collect()
}

/// A vote of somebody.
pub async fn vote(
    instance: &Arc<Stories>,
    (id, performer): (&ApprovalId, Performer),
    verdict: Verdict,
    timing: Timing,
) -> Outcome {
    let vote = Vote { approval: id.to_string(), verdict, comment: String::new() };
    let clicked = Clicked { click: Click::Vote(vote), repository: None, performer };
    instance.click(clicked, timing).await.outcome
}

/// A click of Alex on a card that carries what GitHub shall get; each number is a card of its own.
pub async fn relay(instance: &Arc<Stories>, number: usize, timing: Timing) -> Outcome {
    let body = format!(r#"{{"event_type":"release-approved","client_payload":{{"run_id":"{number}"}}}}"#);
    let click = parse_body("application/json", body.as_bytes()).expect("a click");
    let clicked = Clicked { click, repository: None, performer: person(ALEX, None) };
    instance.click(clicked, timing).await.outcome
}

/// The request of a run's job, in the tests that ask for nothing special.
pub fn asking(run_id: &str, body: &str) -> NewRequest {
    NewRequest {
        terms: Terms::sample(event_type("go-live")),
        visibility: Visibility { said_at: 1, is_public: false },
        workload: Workload {
            run_id: run_id.to_owned(),
            event_name: Some("push".to_owned()),
            ..Workload::sample(Repository::parse("octo/app").expect("a repository"))
        },
        body: body.as_bytes().to_vec(),
    }
}

/// The same, for so many people to approve.
pub fn asking_of(required: usize, asking: NewRequest) -> NewRequest {
    NewRequest { terms: Terms { approvals_required: required, ..asking.terms }, ..asking }
}

/// A person of the tenant, called so by administrators where that is known.
pub fn person(object_id: &str, name: Option<&str>) -> Performer {
    Performer::Person(Person {
        object_id: Guid::parse(object_id).expect("a GUID"),
        tenant: Guid::parse("99999999-1111-2222-3333-444455556666").expect("a GUID"),
        user_principal_name: name.map(str::to_owned),
        display_name: None,
    })
}

/// The object id of one of many.
pub fn object_id(number: u32) -> String {
    format!("{number:08}-1111-4222-8333-444455556666")
}

/// `APPROVERS`.
pub fn approvers(listed: &[&str]) -> Approvers {
    Approvers::Only(listed.iter().map(|entry| Approver::parse(entry).expect("an approver")).collect())
}

/// `ALLOWED_REPOSITORIES`.
pub fn allowing(listed: &[&str]) -> Vec<RepositoryPattern> {
    listed.iter().map(|entry| RepositoryPattern::parse(entry).expect("a pattern")).collect()
}

pub fn subject(id: &ApprovalId) -> Subject {
    Subject::Requested(id.clone())
}

fn event_type(text: &str) -> EventType {
    EventType::parse(text).expect("an event type")
}
