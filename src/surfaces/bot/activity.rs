//! The Bot Connector's activities: the members that are read.
//!
//! Web chat and other clients write parts of an activity by themselves: believe nothing here before the token
//! that came with it vouches for it.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    approval::{Guid, Invalid},
    surfaces::fields::json_of,
};

/// An activity. Members that its kind lacks are absent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// `invoke`, `message`, `conversationUpdate` …
    #[serde(rename = "type")]
    pub kind: String,
    /// The name of the invoke.
    #[serde(default)]
    pub name: Option<String>,
    /// `msteams`, if Teams sends it.
    #[serde(default)]
    pub channel_id: String,
    /// The address of the service that sends it.
    #[serde(default)]
    pub service_url: String,
    /// The account that did something.
    #[serde(default)]
    pub from: Account,
    /// The bot.
    #[serde(default)]
    pub recipient: Account,
    /// The thread in which it happened.
    #[serde(default)]
    pub conversation: Conversation,
    /// The data that Teams adds.
    #[serde(default)]
    pub channel_data: Option<ChannelData>,
    /// The data that a card or a client sends along.
    #[serde(default)]
    pub value: Option<Value>,
    /// The text that somebody wrote.
    #[serde(default)]
    pub text: Option<String>,
    /// The accounts that were added.
    #[serde(default)]
    pub members_added: Vec<Account>,
}

/// The account of a person, or of the bot.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Teams' own id.
    #[serde(default)]
    pub id: String,
    /// The object id.
    #[serde(default)]
    pub aad_object_id: Option<String>,
    /// The display name.
    #[serde(default)]
    pub name: Option<String>,
    /// The tenant, if it is given.
    #[serde(default)]
    pub tenant_id: Option<String>,
}

/// A thread of a channel.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversation {
    /// Its id: the channel's, and the thread's first message.
    #[serde(default)]
    pub id: String,
    /// The tenant.
    #[serde(default)]
    pub tenant_id: Option<String>,
    /// `channel`, `personal` or `groupChat`.
    #[serde(default)]
    pub conversation_type: Option<String>,
}

/// The data that Teams adds.
#[derive(Debug, Default, Deserialize)]
pub struct ChannelData {
    /// The tenant.
    #[serde(default)]
    pub tenant: Option<Id>,
    /// The channel.
    #[serde(default)]
    pub channel: Option<Id>,
    /// The team.
    #[serde(default)]
    pub team: Option<Id>,
}

/// Something that has an id.
#[derive(Debug, Deserialize)]
pub struct Id {
    /// Its id.
    #[serde(default)]
    pub id: String,
}

impl Activity {
    /// Reads an activity.
    pub fn parse(body: &[u8]) -> Result<Self, Invalid> {
        serde_json::from_str(&json_of(body)?).map_err(|error| match error.is_data() {
            true => Invalid::Activity,
            false => Invalid::NotJson,
        })
    }

    /// True if the activity names its tenant, and every tenant that it names is `tenant`.
    pub fn is_of(&self, tenant: &Guid) -> bool {
        let of_channel =
            self.channel_data.as_ref().and_then(|data| data.tenant.as_ref()).map(|id| id.id.as_str());
        let said = [
            of_channel,
            self.conversation.tenant_id.as_deref(),
            self.from.tenant_id.as_deref(),
            self.recipient.tenant_id.as_deref(),
        ];
        let mut said = said.into_iter().flatten().peekable();
        said.peek().is_some() && said.all(|id| Guid::parse(id).as_ref() == Some(tenant))
    }

    /// True if it happened in a channel, and not in a chat of people.
    pub fn is_in_channel(&self) -> bool {
        self.conversation.conversation_type.as_deref().is_none_or(|kind| kind == "channel")
    }

    /// The id by which Teams is asked for a person: the team's, or else the channel's. Teams knows no members of a
    /// thread (`…;messageid=…`): it answers `ThreadNotFound`.
    pub fn roster(&self) -> &str {
        let (team, channel) = self.places();
        first_of([team, channel, Some(&self.conversation.id)]).unwrap_or_default()
    }

    /// The channel in which it happened. A team's first channel has the team's own id.
    pub fn channel(&self) -> Option<&str> {
        let (team, channel) = self.places();
        first_of([channel, team, Some(&self.conversation.id)])
    }

    /// The team and the channel that Teams names.
    fn places(&self) -> (Option<&str>, Option<&str>) {
        let data = self.channel_data.as_ref();
        let team = data.and_then(|data| data.team.as_ref());
        let channel = data.and_then(|data| data.channel.as_ref());
        (team.map(|team| team.id.as_str()), channel.map(|channel| channel.id.as_str()))
    }
}

/// The first of these ids that is not empty, without the thread in it.
fn first_of(ids: [Option<&str>; 3]) -> Option<&str> {
    let of_no_thread = |id| str::split(id, ';').next().unwrap_or_default();
    ids.into_iter().flatten().map(of_no_thread).find(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const THREAD: &str = "19:thread@thread.tacv2;messageid=1";

    fn activity(channel_data: Value) -> Activity {
        let json = json!({"type": "invoke", "conversation": {"id": THREAD}, "channelData": channel_data});
        Activity::parse(json.to_string().as_bytes()).expect("an activity")
    }

    #[test]
    fn who_somebody_is_is_asked_by_team_or_by_channel_and_never_by_thread() {
        let of = |channel_data| {
            let activity = activity(channel_data);
            (activity.roster().to_owned(), activity.channel().map(str::to_owned))
        };
        let are = |roster: &str, channel: &str| (roster.to_owned(), Some(channel.to_owned()));
        assert_eq!(of(json!({"team": {"id": "19:t"}, "channel": {"id": "19:c"}})), are("19:t", "19:c"));
        assert_eq!(of(json!({"channel": {"id": "19:c;messageid=2"}})), are("19:c", "19:c"));
        assert_eq!(
            of(json!({"team": {"id": ""}, "channel": {}})),
            are("19:thread@thread.tacv2", "19:thread@thread.tacv2")
        );
        assert_eq!(of(json!({"team": null})), are("19:thread@thread.tacv2", "19:thread@thread.tacv2"));
    }
}
