//! The progress of each message: attempts, their results, arrivals, and the places of cards.

use std::collections::BTreeMap;

use anyhow::{Context, anyhow};
use chrono::{DateTime, Utc};
use futures_util::{FutureExt, future::try_join_all};
use object_store::{ObjectMeta, path::Path};
use tokio::time::Instant;

use super::{
    Ledger,
    records::Record,
    shapes::{StoredArrival, StoredAttempt, StoredPlace, StoredResult},
    store::Created,
};
use crate::approval::{
    Attempt, AttemptResult, Kind, Message, MessageName, NamedRun, PostedMessage, Progress, Subject,
    TargetName,
};

/// The names of all records about one subject.
#[derive(Debug)]
pub struct Names(Vec<String>);

impl Names {
    /// True if a record of this name is there.
    pub fn contain(&self, name: &str) -> bool {
        self.0.iter().any(|known| known == name)
    }

    /// The names that begin with `prefix`.
    pub fn beginning<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(String::as_str).filter(move |name| name.starts_with(prefix))
    }

    /// The messages that somebody has begun to send, each with what the names of its records tell.
    fn messages(&self) -> BTreeMap<MessageName, Begun> {
        let mut messages: BTreeMap<MessageName, Begun> = BTreeMap::new();
        for name in &self.0 {
            let Some((message, record)) = name.split_once('.') else { continue };
            let Some(message) = MessageName::parse(message) else { continue };
            let begun = messages.entry(message).or_default();
            match record.split_once('.') {
                None if record == "done" => begun.is_done = true,
                None if record == "posted" => begun.is_posted = true,
                Some((number, "attempt")) => begun.attempt = begun.attempt.max(number.parse().ok()),
                Some((number, "result")) => begun.result = begun.result.max(number.parse().ok()),
                _ => {}
            }
        }
        messages
    }
}

/// The facts that the names of a message's records tell.
#[derive(Default)]
struct Begun {
    is_done: bool,
    is_posted: bool,
    /// The newest attempt.
    attempt: Option<u32>,
    /// The newest attempt with a result.
    result: Option<u32>,
}

impl Begun {
    fn has_begun(&self) -> bool {
        self.attempt.is_some() || self.result.is_some()
    }
}

/// The newest records of a message.
pub(super) struct Newest {
    done_at: Option<DateTime<Utc>>,
    /// The run that GitHub named, if it has arrived.
    pub(super) run: Option<NamedRun>,
    attempt: Option<Attempt>,
    result: Option<AttemptResult>,
    has_begun: bool,
}

impl Newest {
    /// The progress of the message. Its first attempt may be `claim`, which was claimed with the decision.
    pub(super) fn progress(self, message: &Message, claim: Option<Attempt>) -> anyhow::Result<Progress> {
        let Self { done_at, attempt, result, has_begun, run: _ } = self;
        match (done_at, attempt.or(claim)) {
            (Some(at), _) => Ok(Progress::Done(Some(at))),
            (None, Some(attempt)) => Ok(Progress::Tried(attempt, result)),
            (None, None) if has_begun => Err(anyhow!("the newest attempt of {message} is gone")),
            (None, None) => Ok(Progress::Untried),
        }
    }
}

/// The part of the messages to the channels that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Their names, which tell what has arrived: enough for everybody who looks or votes.
    Names,
    /// Their newest attempts, and the places of cards: for senders.
    Attempts,
}

impl Ledger {
    /// The names of all records about `subject`.
    pub(super) async fn names(&self, subject: &Subject, until: Instant) -> anyhow::Result<Names> {
        self.names_in(&folder(subject), until).await.map(Names)
    }

    pub(super) async fn names_in(&self, folder: &str, until: Instant) -> anyhow::Result<Vec<String>> {
        let name = |object: ObjectMeta| object.location.filename().map(str::to_owned);
        self.store.list(&self.path(folder), name, until).await
    }

    /// The newest records of the event. One round: all are read at once.
    pub(super) async fn event(
        &self,
        subject: &Subject,
        names: &Names,
        until: Instant,
    ) -> anyhow::Result<Newest> {
        let begun = names.messages().remove(&MessageName::DISPATCH).unwrap_or_default();
        let message = Message { subject: subject.clone(), name: MessageName::DISPATCH };
        self.newest(&message, &begun, until).await
    }

    /// The progress of the messages to the channels whose records are `names`. One round: all are read at once.
    pub(super) async fn channel_progress(
        &self,
        subject: &Subject,
        names: &Names,
        detail: Detail,
        until: Instant,
    ) -> anyhow::Result<BTreeMap<MessageName, Progress>> {
        let messages = names.messages().into_iter().filter(|(name, _)| *name != MessageName::DISPATCH);
        let reads = messages.map(|(name, begun)| {
            async move {
                let message = Message { subject: subject.clone(), name };
                let progress = match detail {
                    // The time at which the result was posted tells what it said of the event.
                    Detail::Attempts if message.name.kind == Kind::Result => {
                        self.newest(&message, &begun, until).await?.progress(&message, None)?
                    }
                    _ if begun.is_done => Progress::Done(None),
                    Detail::Names if begun.has_begun() => Progress::Begun,
                    Detail::Names => Progress::Untried,
                    Detail::Attempts => {
                        self.newest(&message, &begun, until).await?.progress(&message, None)?
                    }
                };
                anyhow::Ok((message.name, progress))
            }
            .boxed()
        });
        Ok(try_join_all(reads).await?.into_iter().collect())
    }

    async fn newest(&self, message: &Message, begun: &Begun, until: Instant) -> anyhow::Result<Newest> {
        let arrival = async {
            match begun.is_done {
                true => {
                    let arrival: Option<StoredArrival> =
                        self.read(&self.message_path(message, "done"), until).await?;
                    arrival.with_context(|| format!("the arrival of {message} is gone")).map(Some)
                }
                false => anyhow::Ok(None),
            }
        };
        let attempt = async {
            match begun.attempt.filter(|_| !begun.is_done) {
                Some(number) => {
                    let path = self.message_path(message, &format!("{number:06}.attempt"));
                    let stored: Option<StoredAttempt> = self.read(&path, until).await?;
                    Ok(stored.map(StoredAttempt::attempt))
                }
                None => Ok(None),
            }
        };
        let result = async {
            match begun
                .result
                .filter(|number| !begun.is_done && begun.attempt.is_none_or(|newest| newest == *number))
            {
                Some(number) => self.result(message, number, until).await,
                None => Ok(None),
            }
        };
        let (arrival, attempt, result) = tokio::try_join!(arrival, attempt, result)?;
        let (done_at, run) = arrival.map_or((None, None), |arrival| (Some(arrival.at()), arrival.run()));
        Ok(Newest { done_at, run, attempt, result, has_begun: begun.has_begun() })
    }

    async fn result(
        &self,
        message: &Message,
        number: u32,
        until: Instant,
    ) -> anyhow::Result<Option<AttemptResult>> {
        let path = self.message_path(message, &format!("{number:06}.result"));
        let Some(content) = self.store.get(&path, until).await? else { return Ok(None) };
        Record::parse_as(&path, &content, StoredResult::result).map(Some)
    }

    /// The channels that have a card that can be changed, with its place if that `detail` is read.
    pub(super) async fn places(
        &self,
        subject: &Subject,
        names: &Names,
        detail: Detail,
        until: Instant,
    ) -> anyhow::Result<BTreeMap<TargetName, Option<PostedMessage>>> {
        let posted = names.messages().into_iter().filter(|(_, begun)| begun.is_posted);
        let reads = posted.map(|(name, _)| {
            async move {
                let target = name.target.clone();
                let place = match detail {
                    Detail::Names => None,
                    Detail::Attempts => {
                        let path = self.message_path(&Message { subject: subject.clone(), name }, "posted");
                        let stored: Option<StoredPlace> = self.read(&path, until).await?;
                        stored.map(StoredPlace::place)
                    }
                };
                anyhow::Ok((target, place))
            }
            .boxed()
        });
        Ok(try_join_all(reads).await?.into_iter().collect())
    }

    /// Claims `attempt`; `false` if somebody else has it.
    pub async fn claim(&self, message: &Message, attempt: &Attempt, until: Instant) -> anyhow::Result<bool> {
        let path = self.message_path(message, &format!("{:06}.attempt", attempt.number));
        let content = Record::of(StoredAttempt::from(attempt))?.to_json()?;
        let created = self.store.create(&path, content, until).await.context("cannot claim an attempt")?;
        Ok(created == Created::Ours)
    }

    /// Notes the result of the attempt `number`.
    pub async fn note_result(
        &self,
        message: &Message,
        number: u32,
        result: &AttemptResult,
        until: Instant,
    ) -> anyhow::Result<()> {
        let path = self.message_path(message, &format!("{number:06}.result"));
        let content = Record::of(StoredResult::from(result))?.to_json()?;
        self.store
            .create(&path, content, until)
            .await
            .map(drop)
            .context("cannot note the result of an attempt")
    }

    /// Notes that `message` arrived at `at`, in `attempt`, and the run that it started if GitHub named it.
    pub async fn note_arrival(
        &self,
        message: &Message,
        attempt: &Attempt,
        (at, run): (DateTime<Utc>, Option<&NamedRun>),
        until: Instant,
    ) -> anyhow::Result<()> {
        let content = Record::of(StoredArrival::new(attempt, at, run))?.to_json()?;
        let path = self.message_path(message, "done");
        self.store.create(&path, content, until).await.map(drop).context("cannot note that a message arrived")
    }

    /// Notes the place of a card that can be changed.
    pub async fn note_place(
        &self,
        message: &Message,
        place: &PostedMessage,
        until: Instant,
    ) -> anyhow::Result<()> {
        let content = Record::of(StoredPlace::from(place))?.to_json()?;
        let path = self.message_path(message, "posted");
        self.store.create(&path, content, until).await.context("cannot note the place of the card").map(drop)
    }

    fn message_path(&self, message: &Message, record: &str) -> Path {
        self.path(&format!("{}/{}.{record}", folder(&message.subject), message.name))
    }
}

/// The folder of all records about a subject.
fn folder(subject: &Subject) -> String {
    match subject {
        Subject::Relayed(id) => format!("relayed/{id}"),
        Subject::Requested(id) => format!("requested/{id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_which_messages_have_begun_and_which_have_arrived() {
        let names = [
            "request",
            "decision",
            "vote.anonymous.approve",
            "card.000001.attempt",
            "card.done",
            "card.posted",
            "update.000001.attempt",
            "update.000001.result",
            "update.000002.attempt",
            "dispatch.000001.result",
            "card@STAGING.000001.attempt",
            "unknown.done",
            "card.x.attempt",
            "result",
        ];
        let messages = Names(names.map(str::to_owned).to_vec()).messages();
        let of = |kind| &messages[&MessageName::new(kind, &TargetName::default())];
        assert!(of(Kind::Card).is_done && of(Kind::Card).is_posted);
        assert_eq!((of(Kind::Update).attempt, of(Kind::Update).result), (Some(2), Some(1)));
        assert_eq!((of(Kind::Dispatch).attempt, of(Kind::Dispatch).result), (None, Some(1)));
        let staging = TargetName::parse("STAGING").expect("a name");
        assert_eq!(messages[&MessageName::new(Kind::Card, &staging)].attempt, Some(1));
        assert_eq!(messages.len(), 4);
    }
}
