//! A decision, and the id that makes equal clicks one decision.

use std::fmt;

use chrono::{DateTime, Utc};
use ring::digest::{Context, SHA256};

use super::{Performer, RepositoryDispatch};

/// The decision that a relayed click made, once and for good.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Its id, which follows from the dispatch.
    pub id: RelayId,
    /// The event to send.
    pub dispatch: RepositoryDispatch,
    /// The person who clicked first.
    pub performer: Performer,
    /// The time of the first click.
    pub decided_at: DateTime<Utc>,
}

impl Decision {
    /// The decision that a click of `performer` on `dispatch` at `decided_at` asks for.
    pub fn new(dispatch: RepositoryDispatch, performer: Performer, decided_at: DateTime<Utc>) -> Self {
        Self { id: RelayId::of(&dispatch), dispatch, performer, decided_at }
    }
}

/// The id of a relayed decision: 64 hexadecimal digits.
///
/// It is the SHA-256 of the event: the same repository (whatever its case), event type and payload text
/// are one decision, wherever and however often they are clicked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelayId(String);

impl RelayId {
    /// The tag of this way of hashing; another way gets another tag.
    const TAG: &str = "ApproveRelease relay 1";

    /// The id of the decision to send `dispatch`.
    // T25
    pub fn of(dispatch: &RepositoryDispatch) -> Self {
        let payload = dispatch.client_payload.as_ref().map_or("", |payload| payload.as_str());
        let repository = dispatch.repository.to_string().to_ascii_lowercase();
        let parts = [Self::TAG, &repository, dispatch.event_type.as_str(), payload];
        Self(hash(parts.map(str::as_bytes)))
    }

    /// Reads an id. Nothing but ids becomes part of a path in the store.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (text.len() == 64 && text.bytes().all(digit)).then(|| Self(text.to_owned()))
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first digits, enough for a log line.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for RelayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The SHA-256 of the parts, as 64 hexadecimal digits. The length of each part is hashed before it, so that no byte can
/// move from one part to the next.
pub fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Context::new(&SHA256);
    for part in parts {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex(hash.finish().as_ref())
}

/// `bytes` as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::{ClientPayload, EventType, Repository};

    fn id(repository: &str, event_type: &str, payload: Option<&str>) -> RelayId {
        RelayId::of(&RepositoryDispatch {
            repository: Repository::parse(repository).expect("a repository"),
            event_type: EventType::parse(event_type).expect("an event type"),
            client_payload: payload.map(|json| {
                ClientPayload::parse(serde_json::from_str(json).expect("JSON")).expect("a payload")
            }),
        })
    }

    #[test]
    fn the_same_release_is_the_same_decision_whatever_the_repositorys_case() {
        assert_eq!(id("octo/app", "go", Some(r#"{"a":1}"#)), id("Octo/APP", "go", Some(r#"{"a":1}"#)));
    }

    #[test]
    fn every_difference_in_what_is_sent_is_another_decision() {
        let ids = [
            id("octo/app", "go", Some(r#"{"a":1}"#)),
            id("octo/app", "Go", Some(r#"{"a":1}"#)),
            id("octo/app", "go", Some(r#"{"a":1.0}"#)),
            id("octo/app", "go", Some(r#"{"a": 1}"#)),
            id("octo/app", "go", Some("{}")),
            id("octo/app", "go", None),
            id("octo/app2", "go", None),
            id("octo/ap", "pgo", None),
        ];
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }

    #[test]
    fn the_way_of_hashing_never_changes() {
        // A change of it would make a new decision of every release that was decided before.
        let expected = "59dd34ccbb1bab8fb24a25fa1688a5c509f3e6615464fae50ea3d95cddca660e";
        assert_eq!(id("octo/app", "go", Some("{}")).to_string(), expected);
    }

    #[test]
    fn bytes_are_printed_with_two_digits_each() {
        assert_eq!(hex(&[0, 15, 16, 255]), "000f10ff");
    }

    #[test]
    fn only_ids_are_parsed() {
        let good = "0123456789abcdef".repeat(4);
        assert_eq!(RelayId::parse(&good).expect("an id").to_string(), good);
        for bad in ["", "0", &good[1..], &good.to_uppercase(), &format!("../{}", &good[3..]), &"é".repeat(32)]
        {
            assert_eq!(RelayId::parse(bad), None, "{bad:?}");
        }
    }
}
