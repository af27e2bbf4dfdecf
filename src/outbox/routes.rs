//! The channels that hear of an approval: that of its rule, and those where its card stands. Pure.
//!
//! A rule may be changed while an approval is open. Then the card comes to the new channel, too; in the old one nobody is
//! asked or reminded any more, but no card is left that looks open after the end: it is changed or, where a webhook
//! posted it, followed by the result. Once an approval is decided no other channel hears of it, unless none did before.

use crate::approval::{Channel, Kind, Means, MessageName, Progress, Standing, TargetName};

/// A channel that hears of an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The channel.
    pub channel: Channel,
    /// The part of it.
    pub part: Part,
}

/// The part that a channel has in an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The approval's cards are posted there.
    Chosen,
    /// A card stands there, and others are posted elsewhere now.
    Left,
    /// The same, and no setting leads there any more: the bot can only change its card.
    Gone,
}

/// The channels that hear of an approval whose cards go to `chosen` now, if anywhere. First comes that one, if it is among
/// `channels`, which are those that the settings lead to. `has_bot`: cards elsewhere can be changed.
pub fn routes(
    standing: &Standing,
    chosen: Option<&TargetName>,
    channels: &[Channel],
    has_bot: bool,
) -> Vec<Route> {
    let (chosen, others): (Vec<_>, Vec<_>) =
        channels.iter().partition(|channel| chosen == Some(&channel.name));
    let left = others.into_iter().filter(|channel| has_card(standing, &channel.name));
    let left: Vec<_> = left.map(|channel| Route { channel: channel.clone(), part: Part::Left }).collect();
    let known = |name: &TargetName| channels.iter().any(|channel| channel.name == *name);
    let gone = standing.places.keys().filter(|name| has_bot && !known(name));
    let gone = gone.map(|name| {
        let channel = Channel { name: name.clone(), means: Means::Bot };
        Route { channel, part: Part::Gone }
    });
    let elsewhere: Vec<_> = left.into_iter().chain(gone).collect();
    let all_hear = elsewhere.is_empty() || standing.ruling.is_none();
    let chosen = chosen.into_iter().filter(|channel| all_hear || has_begun(standing, &channel.name));
    let chosen = chosen.map(|channel| Route { channel: channel.clone(), part: Part::Chosen });
    chosen.chain(elsewhere).collect()
}

/// True if a card stands in the channel, or the result is on its way there.
fn has_card(standing: &Standing, name: &TargetName) -> bool {
    let progress = |kind| standing.progress(&MessageName::new(kind, name));
    standing.places.contains_key(name)
        || matches!(progress(Kind::Card), Progress::Done(_))
        || *progress(Kind::Result) != Progress::Untried
}

/// True if anything was sent to the channel, arrived or not.
fn has_begun(standing: &Standing, name: &TargetName) -> bool {
    let is_begun = |kind| *standing.progress(&MessageName::new(kind, name)) != Progress::Untried;
    standing.places.contains_key(name) || is_begun(Kind::Card) || is_begun(Kind::Result)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::*;
    use crate::approval::{
        ApprovalId, Attempt, Ending, EventType, PostedMessage, Repository, Request, Ruling, Terms, Workload,
    };

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).expect("a time")
    }

    fn open() -> Standing {
        let terms = Terms::sample(EventType::parse("go-live").expect("an event type"));
        let workload = Workload::sample(Repository::parse("octo/app").expect("a repository"));
        let created_at = now();
        Standing::new(Request { id: ApprovalId::new(created_at, [7; 16]), terms, workload, created_at })
    }

    fn decided(standing: Standing) -> Standing {
        let (ending, decided_at) = (Ending::Rejected, now() + TimeDelta::minutes(5));
        standing.ruled(Ruling {
            ending,
            ballots: Vec::new(),
            decided_at,
            ticket: None,
            withdrawal: None,
            policy: None,
        })
    }

    fn name(text: &str) -> TargetName {
        TargetName::parse(text).unwrap_or_default()
    }

    fn with(mut standing: Standing, kind: Kind, target: &str, progress: Progress) -> Standing {
        standing.messages.insert(MessageName::new(kind, &name(target)), progress);
        standing
    }

    fn posted(standing: Standing, target: &str) -> Standing {
        with(standing, Kind::Card, target, Progress::Done(None))
    }

    fn placed(standing: Standing, target: &str) -> Standing {
        let mut standing = posted(standing, target);
        let place = PostedMessage { conversation: "19:x".to_owned(), activity: "1".to_owned() };
        standing.places.insert(name(target), Some(place));
        standing
    }

    fn begun() -> Progress {
        let (began_at, lease_until) = (now(), now() + TimeDelta::seconds(30));
        let attempt = Attempt { number: 1, began_at, lease_until, window_from: began_at, failures: 0 };
        Progress::Tried(attempt, None)
    }

    /// The routes, if the deployment's own channel, two of the bot and two webhooks are there.
    fn routes_to(standing: &Standing, chosen: &str) -> Vec<String> {
        let channel = |text: &str| {
            let means = if text.starts_with("bot") { Means::Bot } else { Means::Webhook };
            Channel { name: name(text), means }
        };
        let channels = ["", "STAGING", "EU", "bot-1", "bot-2"].map(channel);
        let routes = routes(standing, Some(&name(chosen)), &channels, true);
        routes.iter().map(|route| format!("{} {:?}", route.channel.name.as_str(), route.part)).collect()
    }

    #[test]
    fn an_approval_is_posted_to_its_own_channel_and_to_no_other() {
        for chosen in ["", "STAGING", "bot-2"] {
            let own = [format!("{chosen} Chosen")];
            for standing in [open(), posted(open(), chosen), decided(open()), decided(posted(open(), chosen))]
            {
                assert_eq!(routes_to(&standing, chosen), own);
            }
            assert_eq!(routes_to(&with(open(), Kind::Card, "EU", begun()), chosen), own, "nothing arrived");
        }
        assert!(routes_to(&open(), "bot-3").is_empty(), "no bot leads there");
    }

    #[test]
    fn a_card_in_a_channel_that_the_rule_has_left_is_followed_to_its_end() {
        for (standing, expected) in [
            (placed(open(), "bot-1"), &["bot-2 Chosen", "bot-1 Left"][..]),
            (posted(open(), "STAGING"), &["bot-2 Chosen", "STAGING Left"]),
            (posted(placed(open(), "bot-1"), ""), &["bot-2 Chosen", " Left", "bot-1 Left"]),
            (placed(placed(open(), "bot-1"), "bot-2"), &["bot-2 Chosen", "bot-1 Left"]),
            (placed(open(), "bot-9"), &["bot-2 Chosen", "bot-9 Gone"]),
            (posted(open(), "GONE"), &["bot-2 Chosen"]),
        ] {
            assert_eq!(routes_to(&standing, "bot-2"), expected);
        }
    }

    #[test]
    fn after_the_decision_no_channel_hears_of_it_that_did_not_before() {
        let result = |target| with(decided(open()), Kind::Result, target, begun());
        for (standing, expected) in [
            (decided(placed(open(), "bot-1")), &["bot-1 Left"][..]),
            (decided(posted(open(), "STAGING")), &["STAGING Left"]),
            (decided(placed(open(), "bot-9")), &["bot-9 Gone"]),
            (decided(placed(placed(open(), "bot-1"), "bot-2")), &["bot-2 Chosen", "bot-1 Left"]),
            // The people who should have been asked there were not, and hear how it ended.
            (
                decided(with(placed(open(), "bot-1"), Kind::Card, "bot-2", begun())),
                &["bot-2 Chosen", "bot-1 Left"],
            ),
            (result("EU"), &["EU Left"]),
            (result("bot-2"), &["bot-2 Chosen"]),
            (decided(posted(open(), "GONE")), &["bot-2 Chosen"]),
        ] {
            assert_eq!(routes_to(&standing, "bot-2"), expected);
        }
    }

    #[test]
    fn without_a_bot_no_card_can_be_changed() {
        assert!(routes(&placed(open(), "bot-1"), Some(&name("bot-1")), &[], false).is_empty());
    }
}
