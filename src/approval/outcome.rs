//! The outcome of a click.

use std::fmt;

use chrono::{DateTime, Utc};

use super::{ClosedNow, DispatchName, Ending, EventType, Own, Repository};

/// The outcome of a click, which decides the card's words and the answer's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The decoded body is larger than 64,000 bytes.
    TooLarge,
    /// Nobody vouches for the person who clicked.
    Unauthenticated,
    /// The click cannot be read, or GitHub's limits forbid it.
    Invalid(Invalid),
    /// The click is not allowed.
    Forbidden(Forbidden),
    /// There is no such approval.
    Unknown,
    /// This setting is needed and missing.
    Misconfigured(&'static str),
    /// GitHub accepted the event.
    Dispatched(DispatchName, Repository),
    /// Everything was checked, and nothing follows, because of `DRY_RUN`: neither the event, if there is one, nor a
    /// release by the job that waits.
    DryRun(Option<DispatchName>, Repository),
    /// The decision was made before, and this click sent nothing.
    AlreadyDecided(Repository, Earlier),
    /// The opposite was decided before.
    Conflict(Ending, Repository),
    /// The ref is no longer at the commit that was asked for, so it is withdrawn.
    RefMoved(Repository),
    /// It ended so before, and cannot be withdrawn any more.
    TooLateToWithdraw(Ending, Repository),
    /// Withdrawn by this click.
    Withdrawn(Repository),
    /// The approval is no run's to have, or another has it.
    Run(RunConflict),
    /// The decision was made and given up, and is too old to be sent now.
    Expired(Repository),
    /// Nobody decided in time, and now no one can.
    Ended(Repository),
    /// The vote counts; more people have to approve.
    Counted {
        /// The number of people who have approved.
        approvals: usize,
        /// The number of people who have to.
        required: usize,
        /// The repository of the release.
        repository: Repository,
    },
    /// The vote counts, and nothing needs it any more; others have to approve.
    CountedInVain {
        /// The number of people whose yes counts.
        approvals: usize,
        /// The number of people who have to.
        required: usize,
        /// The repository of the release.
        repository: Repository,
    },
    /// Nobody may approve now.
    Closed(ClosedNow, Repository),
    /// Approved, and nothing is to be sent: the waiting job goes on.
    Approved(Repository),
    /// Rejected, and nothing is to be sent.
    Rejected(Repository),
    /// The decision is recorded, and will be delivered. GitHub's answer, if it was tried.
    Recorded(DispatchName, Repository, Option<SendAnswer>),
    /// The same: GitHub has a fault of its own, with this status, and wants no call for this many seconds.
    Postponed(DispatchName, Repository, u16, u64),
    /// The decision is recorded; GitHub answered, and somebody has to fix something before it accepts the event.
    Refused(DispatchName, Repository, SendAnswer),
    /// The decision is recorded; the time for delivering is over. A click sends it, from this time on if there is one.
    GivenUp(DispatchName, Repository, Option<DateTime<Utc>>),
    /// The run or the repository has too many open approvals.
    Limited(Limited),
    /// This was not reached, so the click may not be recorded.
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
            Self::Conflict(..) | Self::RefMoved(_) | Self::TooLateToWithdraw(..) | Self::Run(_) => "conflict",
            Self::Withdrawn(_) => "withdrawn",
            Self::Expired(_) | Self::Ended(_) => "expired",
            Self::Counted { .. } | Self::CountedInVain { .. } => "counted",
            Self::Closed(..) => "closed",
            Self::Approved(_) => "approved",
            Self::Rejected(_) => "rejected",
            Self::Recorded(..) | Self::Postponed(..) => "recorded",
            Self::Refused(..) | Self::GivenUp(..) => "refused",
            Self::Limited(_) => "limited",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// The reason why a click cannot be read, or would be refused by GitHub.
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
    /// This key is in one object twice.
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
    EventTypeLength(&'static str),
    /// `client_payload` is not an object.
    ClientPayloadNotAnObject,
    /// `client_payload` has the first number of top-level properties; the second is the limit.
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
    /// The address's `repository` is not `owner/name`, or is there twice.
    Repository,
    /// The method is not one of these, which this address takes.
    Method(&'static str),
    /// This field is not a whole number within these limits.
    NotInRange(&'static str, i64, i64),
    /// This field is not a list of texts.
    NotAList(&'static str),
    /// `facts` is not an object of texts.
    Facts,
    /// An entry of `approvers` is no object id, no user principal name and no `group:` with an object id.
    Approver,
    /// `approvers` has more than 100 groups.
    TooManyGroups,
    /// An entry of `approvers` is not one of `APPROVERS`.
    NotAnApprover,
    /// Fewer approvals than `MIN_APPROVALS` are asked for.
    TooFewApprovals(usize),
    /// More approvals are asked for than there are approvers.
    TooFewApprovers,
    /// More approvals are asked for than there are approvers who did not start or re-run the run.
    TooFewOthers,
    /// Relayed buttons may send this event type, so an approval could be forged.
    RelayedEventType,
    /// The withdrawal gives no reason.
    NoReason,
    /// This field is neither true nor false.
    NotABoolean(&'static str),
    /// This event type stands without `event_type` and `workflow`, and so without anything to send.
    WithoutEventType(&'static str),
    /// These two event types are the same.
    SameEventTypes(&'static str, &'static str),
    /// `event_type` or `client_payload` stands beside `workflow`, `ref` or `inputs`.
    BothWays,
    /// This field stands without `workflow`.
    WithoutWorkflow(&'static str),
    /// `workflow` is not the name of a workflow's file.
    Workflow,
    /// `ref` is neither the full ref of a branch or a tag, nor the name of a branch.
    Ref,
    /// `inputs` is not an object of texts.
    Inputs,
    /// There are so many inputs, and may be at most [`Inputs::MAX`](super::Inputs::MAX).
    TooManyInputs(usize),
    /// An input has a name that is ours.
    ReservedInput,
    /// An event carries the inputs, too, and they have so many entries or bytes that it cannot.
    InputsTooLarge,
    /// `run` is not `start`.
    Run,
    /// `conclusion` is none of its three words.
    Conclusion,
    /// Not exactly one of `run` and `conclusion` is there, or a ticket with a conclusion.
    StartOrConclusion,
    /// `client_payload` leaves no room for the names of those who decided.
    PayloadTooLarge,
    /// The body is no activity of the Bot Connector.
    Activity,
    /// The address's `after` is no place in the list.
    Cursor,
    /// The address's `state` is neither `waiting` nor `decided`.
    State,
}

/// The reason why a click is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// The repository is not in `ALLOWED_REPOSITORIES`.
    Repository(Repository),
    /// The event type is not in `RELAY_EVENT_TYPES`.
    EventType(EventType),
    /// A rule of `POLICY` names the event type, so no relayed button may send it.
    NamedEventType(EventType),
    /// No rule of `POLICY` matches what would be sent.
    NoRule,
    /// The performer is not in `APPROVERS`.
    Performer,
    /// The rule that holds does not list the performer.
    NotInRule,
    /// A rule holds, and nobody has said who they are.
    Anonymous,
    /// The request does not name the performer, who is an approver otherwise.
    NotAsked,
    /// Approvers are listed by name; Teams gives no name for the performer, whose object id is not listed.
    Nameless,
    /// The person has no object id, like guests and people from outside in Teams: no list could name them.
    NoObjectId,
    /// Everybody is an approver, so the checks are shown by the command alone.
    Checks,
    /// Another run asked for the approval, so this one may not withdraw it.
    OtherRun,
    /// The ticket is missing, or is not the approval's.
    Ticket,
    /// The run is not of this event, which was sent.
    RunEvent(&'static str),
    /// The run is not of this workflow file and ref, which were sent.
    RunOf(String),
    /// The run that asked may not release by itself where another is dispatched.
    AskingRun,
    /// The run with this id has the approval, so this one may not say how it ended.
    NotItsRun(String),
    /// The performer may not approve what may be their own.
    Own(Own),
    /// This account, which started or re-ran the run, is not in `GITHUB_LOGINS`.
    Login(String),
    /// GitHub refuses to say who re-ran the run of this repository.
    UnknownRerunner(Repository),
    /// The run is one of a pull request, whose code nobody has accepted yet.
    PullRequest,
    /// The click came from a web page of another site, or to a host name that is not this computer's.
    CrossSite,
}

/// GitHub's answer to a dispatch, or a channel's to a card; or the reason why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendAnswer {
    /// 204: GitHub has the event.
    Accepted,
    /// 401: the token is wrong or has expired.
    Unauthorized,
    /// 403: the token may not do this.
    PermissionDenied {
        /// The permission that GitHub asked for.
        wanted: Option<Permission>,
    },
    /// 403 or 451 for another reason, such as an archived repository: in the receiver's own words.
    Blocked(String),
    /// 403 or 429: too many calls.
    RateLimited {
        /// The wait that GitHub asks for, in seconds.
        wait_s: Option<u64>,
    },
    /// Something is wrong with the GitHub App.
    App(AppFault),
    /// 404: no such repository, or none that the token can see.
    NotFound,
    /// 422, or 400: GitHub did not like the event.
    Unprocessable,
    /// The same, and the workflow has this fault.
    WorkflowRefused(WorkflowFault),
    /// 3xx: the repository was renamed or moved.
    Moved,
    /// 5xx.
    ServerError(u16),
    /// A status that GitHub never gives for this call: something between here and GitHub may have answered.
    Unexpected(u16),
    /// No connection: the event was surely not sent.
    Unreachable,
    /// The connection broke after sending, or the answer is not HTTP: the event may have arrived.
    Broken,
    /// No answer in time after sending: the event may have arrived.
    TimedOut,
    /// Nothing was sent, since the time for delivering was over.
    NotTried,
}

/// The fault of a GitHub App that somebody has to fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppFault {
    /// It is not installed on the repository, and there is no `GITHUB_TOKEN`.
    NotInstalled,
    /// Its installation is suspended.
    Suspended,
    /// Its installation was not granted the permission that the call needs.
    NotGranted,
    /// GitHub's clock and ours differ, so GitHub does not believe us.
    Clock,
    /// The key is none of this App's, or there is no such App.
    Key,
    /// GitHub does not take the token that it has just given.
    Refused,
}

impl AppFault {
    /// The thing that a click needs and that is missing, if the App is not installed.
    pub const NOT_INSTALLED: &str = "GITHUB_TOKEN (the GitHub App is not installed on the repository)";

    const NAMED: [(Self, &str); 6] = [
        (Self::NotInstalled, "not-installed"),
        (Self::Suspended, "suspended"),
        (Self::NotGranted, "not-granted"),
        (Self::Clock, "clock"),
        (Self::Key, "key"),
        (Self::Refused, "refused"),
    ];

    /// The name in records.
    pub fn name(self) -> &'static str {
        Self::NAMED.iter().find(|(fault, _)| *fault == self).map_or("", |(_, name)| name)
    }

    /// Reads a name in records.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(_, other)| *other == name).map(|(fault, _)| *fault)
    }
}

/// The answer to a message, and its words for the operator's log.
#[derive(Clone, Debug)]
pub struct SendResult {
    /// The meaning of the answer.
    pub what: SendAnswer,
    /// The wait that the receiver asks for, in seconds, if it does.
    pub wait_s: Option<u64>,
    /// Status and message, made printable.
    pub detail: String,
}

impl SendResult {
    /// The result if no connection was made, so that nothing was sent.
    pub fn unreachable(detail: impl Into<String>) -> Self {
        Self { what: SendAnswer::Unreachable, wait_s: None, detail: detail.into() }
    }

    /// The answer if nothing was sent, since there was no time left for it.
    pub fn not_tried() -> Self {
        let detail = "there was no time left to send".to_owned();
        Self { what: SendAnswer::NotTried, wait_s: None, detail }
    }
}

impl SendAnswer {
    /// True if a person has to fix something before GitHub will say anything else.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Unauthorized
            | Self::PermissionDenied { .. }
            | Self::Blocked(_)
            | Self::App(_)
            | Self::NotFound
            | Self::Unprocessable
            | Self::WorkflowRefused(_)
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

/// The reason why GitHub does not start a workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkflowFault {
    /// It has no trigger `workflow_dispatch`.
    NoTrigger,
    /// There is no such ref.
    NoRef,
    /// It does not take these inputs.
    Inputs,
    /// It is disabled.
    Disabled,
}

/// The reason why a run does not get an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunConflict {
    /// It is not approved; its status in a word.
    NotApproved(&'static str),
    /// It was decided by a version that gave no tickets.
    Older,
    /// The run with this id has it.
    Other(String),
    /// No run has it yet.
    Unknown,
}

/// The thing that has too many open approvals.
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

/// The thing that a click needs and did not reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreached {
    /// The store of the decisions.
    Store,
    /// The progress of a decision.
    Progress,
    /// The keys that verify the identity of the person who clicked.
    Keys,
    /// Teams, which knows the name under which the person may be listed as an approver.
    Name,
    /// Microsoft Graph, which knows who is in a group.
    Groups,
    /// A record: this version cannot read it.
    Record,
    /// GitHub, about the run.
    GitHub,
    /// GitHub, about the place of the ref: it refuses the question.
    Ref,
    /// The authors of the commits, who must be known before an approve.
    Authors,
    /// A place among all the requests that are in work at once.
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

/// The state of the event of an earlier decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// GitHub has accepted the event.
    Delivered,
    /// The event is being sent, or waits for its time.
    OnItsWay,
    /// The earlier one was a dry run, too.
    DryRun,
    /// The earlier one was a rejection, and nothing is to be sent.
    Rejected,
    /// The earlier one was an approval, and nothing is to be sent.
    Approved,
    /// The approval was withdrawn before.
    Withdrawn,
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
