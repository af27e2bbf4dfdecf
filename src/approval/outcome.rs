//! What became of a click.

use std::fmt;

use chrono::{DateTime, Utc};

use super::{Ending, EventType, Repository};

/// What became of a click: what its card says, and the answer's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The decoded body is larger than 64,000 bytes.
    TooLarge,
    /// It is not known who clicked.
    Unauthenticated,
    /// It cannot be read, or GitHub's limits forbid it.
    Invalid(Invalid),
    /// Not allowed here.
    Forbidden(Forbidden),
    /// There is no such approval.
    Unknown,
    /// This setting is needed and missing.
    Misconfigured(&'static str),
    /// GitHub accepted the event.
    Dispatched(EventType, Repository),
    /// Everything was checked; GitHub was not called, as `DRY_RUN` says.
    DryRun(EventType, Repository),
    /// It was decided before, and nothing was sent by this click.
    AlreadyDecided(Repository, Earlier),
    /// It was decided otherwise before.
    Conflict(Ending, Repository),
    /// It was decided, given up, and is too old to be sent now.
    Expired(Repository),
    /// Nobody decided in time, and now it is too late.
    Ended(Repository),
    /// The vote counts: so many of so many people have approved.
    Counted {
        /// How many have approved.
        approvals: usize,
        /// How many have to.
        required: usize,
        /// Where it is released.
        repository: Repository,
    },
    /// Rejected, and nothing is to be sent.
    Rejected(Repository),
    /// It is decided and safe, and will be delivered. What GitHub said, where it was tried.
    Recorded(Repository, Option<DispatchAnswer>),
    /// As before: GitHub has a fault of its own, said with this status, and wants no call for this many seconds.
    Postponed(Repository, u16, u64),
    /// It is decided; GitHub answered, and something has to be mended before it will accept the event.
    Refused(Repository, DispatchAnswer),
    /// It is decided, and the time for delivering it is over. A click sends it, from this time on if there is one.
    GivenUp(Repository, Option<DateTime<Utc>>),
    /// The run or the repository has too many open approvals.
    Limited(Limited),
    /// It is not known to be recorded, since this was not reached.
    Unavailable(Unreached),
}

impl Outcome {
    /// The word that answers and logs use.
    pub fn name(&self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::Unauthenticated => "unauthenticated",
            Self::Invalid(_) => "invalid",
            Self::Forbidden(_) => "forbidden",
            Self::Unknown => "unknown",
            Self::Misconfigured(_) => "misconfigured",
            Self::Dispatched(..) => "dispatched",
            Self::DryRun(..) => "dry-run",
            Self::AlreadyDecided(..) => "already-decided",
            Self::Conflict(..) => "conflict",
            Self::Expired(_) | Self::Ended(_) => "expired",
            Self::Counted { .. } => "counted",
            Self::Rejected(_) => "rejected",
            Self::Recorded(..) | Self::Postponed(..) => "recorded",
            Self::Refused(..) | Self::GivenUp(..) => "refused",
            Self::Limited(_) => "limited",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// Why a click cannot be read, or would be refused by GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// The body did not arrive whole within the time that a click has.
    Incomplete,
    /// There is no body.
    Empty,
    /// `Content-Type` is neither JSON nor a form.
    ContentType,
    /// The body is JSON, but `Content-Type` says that it is a form.
    JsonAsForm,
    /// The body is not UTF-8.
    NotUtf8,
    /// The body, or a form's `client_payload`, is not JSON.
    NotJson,
    /// The body is JSON, but no object.
    NotAnObject,
    /// This key stands twice in one object.
    DuplicateKey(String),
    /// A field that no button of ours has.
    UnknownField(String),
    /// This field is needed and missing.
    MissingField(&'static str),
    /// This field is not a text.
    NotText(&'static str),
    /// Fields of a relay and of a vote in one body.
    BothModes,
    /// This field is a name, and holds U+FFFD: the mark of a character that was broken on its way.
    BrokenName(&'static str),
    /// `event_type` is not 1 to 100 characters long.
    EventTypeLength,
    /// `client_payload` is not an object.
    ClientPayloadNotAnObject,
    /// `client_payload` has so many top-level properties, and may have so many.
    TooManyProperties(usize, usize),
    /// `client_payload` has the key `approval`.
    ReservedKey,
    /// `client_payload` is nested more deeply than GitHub reads.
    NestedTooDeeply,
    /// The event is larger than GitHub takes.
    DispatchTooLarge,
    /// `verdict` is neither `approve` nor `reject`.
    Verdict,
    /// `comment` is longer than 500 characters.
    CommentTooLong,
    /// `key` is longer than 100 characters.
    KeyTooLong,
    /// The address's `repository` is not `owner/name`, or stands there twice.
    Repository,
    /// Not one of these methods, which this address takes.
    Method(&'static str),
    /// This field is not a whole number in these limits.
    NotInRange(&'static str, i64, i64),
    /// This field is not a list of texts.
    NotAList(&'static str),
    /// `facts` is not an object of texts.
    Facts,
    /// An entry of `approvers` is neither an object id nor a user principal name.
    Approver,
    /// An entry of `approvers` is not one of `APPROVERS`.
    NotAnApprover,
    /// Fewer approvals than `MIN_APPROVALS` are asked for.
    TooFewApprovals(usize),
    /// More approvals are asked for than there are approvers.
    TooFewApprovers,
    /// Relayed buttons may send this event type, so an approval could be forged.
    RelayedEventType,
    /// `rejected_event_type` is `event_type`.
    SameEventTypes,
    /// `client_payload` leaves no room for who decided.
    PayloadTooLarge,
    /// What came is no activity of the Bot Connector.
    Activity,
    /// The address's `after` is no place in the list.
    Cursor,
}

/// Why a click is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// Not in `ALLOWED_REPOSITORIES`.
    Repository(Repository),
    /// Not in `RELAY_EVENT_TYPES`.
    EventType(EventType),
    /// The performer is not in `APPROVERS`.
    Performer,
    /// Approvers are listed by name, and Teams tells none of the performer, whose object id is not listed.
    Nameless,
    /// A person without an object id, as Teams has guests and people from outside: nobody whom a list could name.
    NoObjectId,
    /// A run of a pull request, whose code nobody has accepted yet.
    PullRequest,
    /// A web page of another site sent it, or a name that is not this computer's was used to reach us.
    CrossSite,
}

/// What GitHub said to a dispatch, or a channel's webhook to a card; or why nothing was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DispatchAnswer {
    /// 204: GitHub has the event.
    Accepted,
    /// 401: the token is wrong or has expired.
    Unauthorized,
    /// 403: the token may not do this.
    PermissionDenied {
        /// The permission that GitHub asked for.
        wanted: Option<Permission>,
    },
    /// 403 or 429: too many calls.
    RateLimited {
        /// How long GitHub asks to wait, in seconds.
        wait_s: Option<u64>,
    },
    /// 404: no such repository, or none that the token can see.
    NotFound,
    /// 422, or 400: GitHub did not like the event.
    Unprocessable,
    /// 3xx: the repository was renamed or moved.
    Moved,
    /// 5xx.
    ServerError(u16),
    /// A status that GitHub never gives for this call: something between us and GitHub may have answered.
    Unexpected(u16),
    /// No connection: the event was surely not sent.
    Unreachable,
    /// The connection broke after sending, or what came back is not HTTP: the event may have arrived.
    Broken,
    /// No answer in time after sending: the event may have arrived.
    TimedOut,
    /// It was not asked, since the time for delivering was over.
    NotTried,
}

/// The answer to a message, and its words for the operator's log.
#[derive(Debug)]
pub struct Answered {
    /// What it comes to.
    pub answer: DispatchAnswer,
    /// For how long nothing more of us is wanted, in seconds, where it says so.
    pub asked_to_wait_s: Option<u64>,
    /// Status and message, made printable.
    pub detail: String,
}

impl Answered {
    /// The answer of somebody who was not asked, since there was no time left for it.
    pub fn not_tried() -> Self {
        let detail = "there was no time left to send".to_owned();
        Self { answer: DispatchAnswer::NotTried, asked_to_wait_s: None, detail }
    }
}

impl DispatchAnswer {
    /// Whether a person has to mend something before GitHub will say anything else.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Unauthorized
            | Self::PermissionDenied { .. }
            | Self::NotFound
            | Self::Unprocessable
            | Self::Moved
            | Self::Unexpected(400..500) => true,
            Self::Accepted
            | Self::RateLimited { .. }
            | Self::ServerError(_)
            | Self::Unexpected(_)
            | Self::Unreachable
            | Self::Broken
            | Self::TimedOut
            | Self::NotTried => false,
        }
    }
}

/// What has too many open approvals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// The run, with [`Limited::MAX_OF_RUN`].
    Run,
    /// The repository, with [`Limited::MAX_OF_REPOSITORY`].
    Repository,
}

impl Limited {
    /// The most open approvals of one run.
    pub const MAX_OF_RUN: usize = 300;

    /// The most open approvals of one repository.
    pub const MAX_OF_REPOSITORY: usize = 2_000;
}

/// What a click needs and did not reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreached {
    /// Where decisions are recorded.
    Store,
    /// How far a decision has come.
    Progress,
    /// The keys to verify with who clicked.
    Keys,
    /// Teams, which knows what the clicker is called in the list of approvers.
    Name,
    /// A record that this version cannot read.
    Record,
    /// A place among all that is in work at once.
    Place,
}

/// A permission, as GitHub names it: `contents=write`, or several of the kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission(String);

impl Permission {
    /// Reads GitHub's header `X-Accepted-GitHub-Permissions`, if it holds names of permissions and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let is_pair = |pair: &str| match pair.trim().split_once('=') {
            Some((name, level)) => {
                let is_name = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                is_name && matches!(level, "read" | "write" | "admin")
            }
            None => false,
        };
        (text.len() <= 50 && text.split([',', ';']).all(is_pair)).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How the event of an earlier decision stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// GitHub has accepted it.
    Delivered,
    /// It is being sent, or waits for its time.
    OnItsWay,
    /// It was a dry run, too.
    DryRun,
    /// It was rejected, and nothing is to be sent.
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_permission_is_one() {
        assert!(Permission::parse("contents=write; metadata=read").is_some());
        for text in [
            "",
            "contents",
            "contents=all",
            "go away, please",
            "contents=write\r\nX: y",
            "<b>",
            "{{x}}",
            &"a".repeat(51),
        ] {
            assert_eq!(Permission::parse(text), None, "{text:?}");
        }
    }
}
