//! The channels that cards can be posted to, from the settings: the deployment's own, those of rules, and all webhooks.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    approval::{
        SendAnswer, TargetName,
        rules::{RuleChannel, Rules},
    },
    http_client::SecretUrl,
    outbox::{Sender, Target},
    senders::teams::{connector::Connector, webhook::Webhook},
};

/// The addresses of all webhooks.
pub struct Webhooks {
    /// The deployment's own.
    pub own: Option<SecretUrl>,
    /// Those that rules can name.
    pub named: BTreeMap<String, SecretUrl>,
}

/// All channels: the deployment's own comes first, by the bot if that has a channel. The channels of rules have none
/// without a bot. A webhook that no rule names any more may still have cards to follow.
pub fn channels(bot: Option<&Arc<Connector>>, webhooks: Webhooks, rules: Option<&Rules>) -> Vec<Target> {
    let by_webhook = |url| Sender::Webhook(Webhook::new(url));
    let by_bot = |bot: &Arc<Connector>, id: &str| Sender::Bot(Arc::clone(bot), id.to_owned());
    let own = match bot.and_then(|bot| Some((bot, bot.channel()?))) {
        Some((bot, id)) => Some(("TEAMS_CHANNEL_ID", by_bot(bot, id))),
        None => webhooks.own.map(|url| ("TEAMS_WEBHOOK_URL", by_webhook(url))),
    };
    let own = own.map(|(called, sender)| Target::new(TargetName::default(), called, sender));
    let named = webhooks.named.into_iter().map(|(name, url)| {
        let called = format!("TEAMS_WEBHOOK_URL_{name}");
        Target::new(TargetName::from(&RuleChannel::Webhook(name)), called, by_webhook(url))
    });
    // Of several rules with one channel the first gives it its name.
    let mut of_rules = BTreeMap::new();
    let own_id = bot.and_then(|bot| bot.channel());
    for rule in rules.map(Rules::all).unwrap_or_default() {
        if let RuleChannel::Bot(id) = &rule.channel
            && own_id != Some(id.as_str())
        {
            of_rules.entry(id).or_insert((TargetName::from(&rule.channel), &rule.name));
        }
    }
    let of_rules = bot.into_iter().flat_map(|bot| {
        let target = |(id, (name, rule)): (&String, &(TargetName, &String))| {
            Target::new(name.clone(), format!("The channel of the rule {rule}"), by_bot(bot, id))
        };
        of_rules.iter().map(|(id, of)| target((id, of))).collect::<Vec<_>>()
    });
    own.into_iter().chain(named).chain(of_rules).collect()
}

/// The most channels in trouble that are told by name.
const MOST_TOLD: usize = 5;

/// Sentences about those of the channels whose last card could not be posted from here; none if there are none.
pub fn trouble<'a>(channels: impl Iterator<Item = &'a Target>) -> Option<String> {
    let told: Vec<_> = channels
        .filter_map(|channel| Some(format!("{}: {}.", channel.called, said(&channel.trouble()?.answer)?)))
        .collect();
    let more = told.len().saturating_sub(MOST_TOLD);
    let more = (more > 0).then(|| format!("The same or another fault with {more} more."));
    let told = told.into_iter().take(MOST_TOLD).chain(more).collect::<Vec<_>>().join(" ");
    (!told.is_empty()).then_some(told)
}

/// The answer to a card, if it says that something is wrong with the channel.
fn said(answer: &SendAnswer) -> Option<String> {
    let status = match answer {
        SendAnswer::Unauthorized => 401,
        SendAnswer::PermissionDenied { .. } => 403,
        SendAnswer::NotFound => 404,
        SendAnswer::Unexpected(status) | SendAnswer::ServerError(status) => *status,
        SendAnswer::Unreachable | SendAnswer::TimedOut | SendAnswer::Broken => {
            return Some("the last card got no answer".to_owned());
        }
        SendAnswer::Moved => return Some("the last card was redirected".to_owned()),
        _ => return None,
    };
    Some(format!("the last card was refused ({status})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, policy};

    const RULES: &str = r#"[
        {"name": "b", "repositories": ["octo/*"], "refs": ["**"], "channel": "19:two@thread.tacv2"},
        {"name": "a", "repositories": ["octo/*"], "refs": ["**"], "channel": "19:one@thread.tacv2"},
        {"name": "c", "repositories": ["octo/*"], "refs": ["**"], "channel": "19:two@thread.tacv2"},
        {"name": "d", "repositories": ["octo/*"], "refs": ["**"], "webhook": "EU"}]"#;

    #[test]
    fn each_channel_of_a_rule_is_there_once_and_only_by_a_bot() {
        let url = "https://x.example/flow?sig=hunter2";
        let guid = "b07b07b0-1c2d-4e3f-8a9b-0c1d2e3f4a5b";
        let settings = [
            ("MicrosoftAppId", guid),
            ("MicrosoftAppPassword", "hunter2"),
            ("MicrosoftAppTenantId", guid),
            ("TEAMS_WEBHOOK_URL", url),
            ("TEAMS_WEBHOOK_URL_EU", url),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::parse(&BTreeMap::from(settings)).expect("a configuration");
        let rules = policy::rules(RULES).expect("rules");
        let bot = Arc::new(Connector::new(config.bot.expect("a bot")));
        let called = |bot| {
            let webhooks =
                Webhooks { own: config.teams_webhook_url.clone(), named: config.teams_webhooks.clone() };
            let channels = channels(bot, webhooks, Some(&rules));
            channels.into_iter().map(|channel| channel.called).collect::<Vec<_>>()
        };
        let webhooks = ["TEAMS_WEBHOOK_URL", "TEAMS_WEBHOOK_URL_EU"];
        assert_eq!(called(None), webhooks);
        let of_rules = ["The channel of the rule a", "The channel of the rule b"];
        assert_eq!(called(Some(&bot)), [webhooks, of_rules].concat());
    }
}
