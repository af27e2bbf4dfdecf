//! The contents of a click, within GitHub's limits.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{DispatchName, Invalid, Repository, WorkflowDispatch};

/// The contents of the clicked button.
#[derive(Debug)]
pub enum Click {
    /// The article's card: the button carries the event for GitHub.
    Relay(Relay),
    /// A vote on a requested approval.
    Vote(Vote),
}

/// The event that a relayed button carries.
#[derive(Clone, Debug)]
pub struct Relay {
    /// The event type, which the release workflow reads as `github.event.action`.
    pub event_type: EventType,
    /// The payload, which the release workflow reads as `github.event.client_payload`.
    pub client_payload: Option<ClientPayload>,
}

impl Relay {
    /// The relay of an event, if GitHub takes one of its size.
    pub fn new(event_type: EventType, client_payload: Option<ClientPayload>) -> Result<Self, Invalid> {
        match dispatch_body(&event_type, client_payload.as_ref()).len() <= MAX_DISPATCH_BYTES {
            true => Ok(Self { event_type, client_payload }),
            false => Err(Invalid::DispatchTooLarge),
        }
    }
}

/// One person's word on one approval.
#[derive(Debug)]
pub struct Vote {
    /// The approval's id, as the card sent it; there may be no such approval.
    pub approval: String,
    /// Yes or no.
    pub verdict: Verdict,
    /// The person's remark; may be empty.
    pub comment: String,
}

impl Vote {
    /// The longest comment, in characters.
    pub const MAX_COMMENT: usize = 500;
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// `approve`
    Approve,
    /// `reject`
    Reject,
}

impl Verdict {
    /// Reads `approve` or `reject`, to the letter.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "approve" => Some(Self::Approve),
            "reject" => Some(Self::Reject),
            _ => None,
        }
    }

    /// The same word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }
}

/// A `repository_dispatch` event's type: 1 to 100 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventType(String);

impl EventType {
    /// GitHub's limit, in characters.
    pub const MAX: usize = 100;

    /// Reads an event type, any text within GitHub's limit.
    pub fn parse(text: &str) -> Option<Self> {
        (1..=Self::MAX).contains(&text.chars().count()).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A `client_payload`, checked and kept to the letter: numbers, order and escapes are the sender's.
#[derive(Clone, Debug)]
pub struct ClientPayload(Box<RawValue>);

impl ClientPayload {
    /// GitHub's limit, in top-level properties.
    pub const MAX_PROPERTIES: usize = 10;

    /// The deepest nesting that is accepted; GitHub's own parser stops at 100.
    pub const MAX_DEPTH: usize = 100;

    /// The key under which the dispatch of a requested approval says who decided it. No relayed payload may have it.
    pub const RESERVED_KEY: &str = "approval";

    /// Checks a payload against GitHub's limits and ours.
    // T29
    pub fn parse(raw: &RawValue) -> Result<Self, Invalid> {
        if !raw.get().starts_with('{') {
            return Err(Invalid::ClientPayloadNotAnObject);
        }
        let members = Members::parse(raw.get())?;
        if members.0.len() > Self::MAX_PROPERTIES {
            return Err(Invalid::TooManyProperties(members.0.len(), Self::MAX_PROPERTIES));
        }
        if members.0.iter().any(|(key, _)| key == Self::RESERVED_KEY) {
            return Err(Invalid::ReservedKey);
        }
        members.0.iter().try_for_each(|(_, value)| check_depth_and_keys(value, 1))?;
        Ok(Self(raw.to_owned()))
    }

    /// The number of top-level properties.
    pub fn properties(&self) -> usize {
        Members::parse(self.0.get()).map_or(0, |members| members.0.len())
    }

    /// `payload` to the letter, and at its end `approval`, a JSON text, under [`Self::RESERVED_KEY`].
    pub fn with_approval(payload: Option<&Self>, approval: &str) -> Self {
        let open = payload.and_then(|payload| payload.as_str().trim_end().strip_suffix('}')).unwrap_or("{");
        let comma = if payload.is_some_and(|payload| payload.properties() > 0) { "," } else { "" };
        let json = format!("{open}{comma}\"{}\":{approval}}}", Self::RESERVED_KEY);
        Self(RawValue::from_string(json).expect("an object with one more member is an object"))
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The JSON, to be put into other JSON to the letter.
    pub fn as_raw(&self) -> &RawValue {
        &self.0
    }
}

/// A call to GitHub that follows from a decision, allowed and ready to be sent.
#[derive(Clone, Debug)]
pub enum Dispatch {
    /// An event.
    Event(RepositoryDispatch),
    /// The start of a workflow.
    Workflow(WorkflowDispatch),
}

/// One `repository_dispatch`, allowed and ready to be sent.
#[derive(Clone, Debug)]
pub struct RepositoryDispatch {
    /// The repository that gets it.
    pub repository: Repository,
    /// The event type that the release workflow listens to.
    pub event_type: EventType,
    /// The payload, if there is one.
    pub client_payload: Option<ClientPayload>,
}

/// The largest body that is sent, in bytes; GitHub refuses 64 KB.
const MAX_DISPATCH_BYTES: usize = 64_000;

impl RepositoryDispatch {
    /// The name.
    pub fn name(&self) -> DispatchName {
        DispatchName::Event(self.event_type.clone())
    }

    /// The body of the call, with `client_payload` to the letter.
    pub fn body(&self) -> String {
        dispatch_body(&self.event_type, self.client_payload.as_ref())
    }
}

fn dispatch_body(event_type: &EventType, client_payload: Option<&ClientPayload>) -> String {
    let event_type = serde_json::Value::from(event_type.as_str());
    match client_payload {
        Some(payload) => format!(r#"{{"event_type":{event_type},"client_payload":{}}}"#, payload.as_str()),
        None => format!(r#"{{"event_type":{event_type}}}"#),
    }
}

/// The members of a JSON object: keys unescaped, values to the letter, in the sender's order, no key twice.
#[derive(Debug)]
pub struct Members<'a>(pub Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads a JSON object; the errors are [`Invalid::NotJson`], [`Invalid::NotAnObject`] and
    /// [`Invalid::DuplicateKey`].
    pub fn parse(json: &'a str) -> Result<Self, Invalid> {
        let members: Self = serde_json::from_str(json).map_err(|error| match error.is_data() {
            true => Invalid::NotAnObject,
            false => Invalid::NotJson,
        })?;
        let mut seen = BTreeSet::new();
        match members.0.iter().find(|(key, _)| !seen.insert(key)) {
            Some((key, _)) => Err(Invalid::DuplicateKey(key.clone())),
            None => Ok(members),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(ObjectVisitor)
    }
}

/// Checks that every object inside `value` has each key once, that none lies deeper than [`ClientPayload::MAX_DEPTH`],
/// and that every text is valid. Surfaces repair half surrogate pairs before they parse; from others one is refused.
fn check_depth_and_keys(value: &RawValue, depth: usize) -> Result<(), Invalid> {
    let inner = match value.get().as_bytes().first() {
        Some(b'{') => Members::parse(value.get())?.0.into_iter().map(|(_, value)| value).collect(),
        Some(b'[') => serde_json::from_str::<Vec<&RawValue>>(value.get()).map_err(|_| Invalid::NotJson)?,
        Some(b'"') => {
            return serde_json::from_str::<String>(value.get()).map(drop).map_err(|_| Invalid::NotJson);
        }
        _ => return Ok(()),
    };
    if depth >= ClientPayload::MAX_DEPTH {
        return Err(Invalid::NestedTooDeeply);
    }
    inner.into_iter().try_for_each(|value| check_depth_and_keys(value, depth + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<ClientPayload, Invalid> {
        ClientPayload::parse(serde_json::from_str(json).expect("JSON"))
    }

    #[test]
    fn a_payload_is_kept_to_the_letter() {
        let json = r#"{"z":12345678901234567890123,"a":1.10,"e":1e400,"s":"\u0041\/","n":{"k":[{},[]]}}"#;
        assert_eq!(parse(json).expect("a payload").as_str(), json);
    }

    #[test]
    fn ten_properties_are_accepted_and_eleven_are_not() {
        let object = |n: usize| {
            format!("{{{}}}", (0..n).map(|i| format!("\"k{i}\":{i}")).collect::<Vec<_>>().join(","))
        };
        assert!(parse(&object(10)).is_ok());
        assert_eq!(parse(&object(11)).unwrap_err(), Invalid::TooManyProperties(11, 10));
    }

    #[test]
    fn keys_are_compared_unescaped_at_every_depth() {
        assert_eq!(parse(r#"{"\u0061pproval":1}"#).unwrap_err(), Invalid::ReservedKey);
        assert!(parse(r#"{"x":{"approval":1}}"#).is_ok());
        assert_eq!(parse(r#"{"x":["\ud800"]}"#).unwrap_err(), Invalid::NotJson);
        for json in [r#"{"a":1,"\u0061":2}"#, r#"{"x":[{"a":1,"a":2}]}"#] {
            assert_eq!(parse(json).unwrap_err(), Invalid::DuplicateKey("a".into()), "{json}");
        }
    }

    #[test]
    fn who_decided_is_added_and_the_rest_stays_to_the_letter() {
        let with = |json: &str| ClientPayload::with_approval(Some(&parse(json).expect(json)), "{}");
        assert_eq!(with("{\"v\":1.10 \n} ".trim_end()).as_str(), "{\"v\":1.10 \n,\"approval\":{}}");
        assert_eq!(with("{ }").as_str(), "{ \"approval\":{}}");
        assert_eq!(with(r#"{"n":{"k":{}}}"#).as_str(), r#"{"n":{"k":{}},"approval":{}}"#);
        assert_eq!(ClientPayload::with_approval(None, "{}").as_str(), r#"{"approval":{}}"#);
    }

    #[test]
    fn only_objects_of_bounded_depth_are_payloads() {
        for json in ["[]", "null", "1", "\"{}\""] {
            assert_eq!(parse(json).unwrap_err(), Invalid::ClientPayloadNotAnObject, "{json}");
        }
        let nested = |n: usize| format!("{{\"x\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert!(parse(&nested(ClientPayload::MAX_DEPTH - 1)).is_ok());
        assert_eq!(parse(&nested(ClientPayload::MAX_DEPTH)).unwrap_err(), Invalid::NestedTooDeeply);
        assert_eq!(parse(&nested(30_000)).unwrap_err(), Invalid::NestedTooDeeply);
    }

    #[test]
    fn the_body_carries_event_type_and_payload() {
        let dispatch = RepositoryDispatch {
            repository: Repository::parse("octo/app").expect("a repository"),
            event_type: EventType::parse("say \"go\"").expect("an event type"),
            client_payload: Some(parse(r#"{"v":1.10}"#).expect("a payload")),
        };
        assert_eq!(dispatch.body(), r#"{"event_type":"say \"go\"","client_payload":{"v":1.10}}"#);
    }
}
