//! Each outcome's sentence, as the card shows it (`CARD-ACTION-STATUS`).
//!
//! A sentence is visible ASCII and shorter than 200 characters. It says what happened to the release and what to
//! fix; it names neither the person nor the time, which the client adds by itself. Of GitHub's words only a
//! permission's name is repeated, and only when it looks like one.

use chrono::{DateTime, Utc};

use super::words::{count, readable};
use crate::{
    approval::{
        AppFault, ClosedNow, DeliveryError, DispatchName, Earlier, EventType, Forbidden, Inputs, Invalid,
        Limited, Outcome, Own, Repository, RunConflict, SendAnswer, Terms, Unreached, Vote, WorkflowFault,
    },
    text::{line::plain, log::printable},
};

/// A sentence is shorter than this, in characters.
pub const LIMIT: usize = 200;

/// A workflow's file with a longer name is not named, in characters.
const MAX_FILE: usize = 40;

/// The reader of a sentence.
#[derive(Clone, Copy, Debug)]
pub enum Reader<'a> {
    /// A person who clicked in Outlook.
    Outlook,
    /// A person who clicked in Teams.
    Teams,
    /// A person with a page in a browser.
    Browser,
    /// A job, whose token must be for this audience.
    Job(&'a str),
}

/// The sentence for `outcome`, for this reader.
pub fn sentence_to(reader: Reader, outcome: &Outcome) -> String {
    match (reader, outcome) {
        (Reader::Teams, Outcome::Unauthenticated) => {
            "Nothing was sent: your identity could not be verified. Click again in Teams.".into()
        }
        (Reader::Browser, Outcome::Unauthenticated) => {
            "Nothing was sent: you are not signed in. Sign in, then decide again.".into()
        }
        (Reader::Job(audience), Outcome::Unauthenticated) => format!(
            "Nothing was recorded: the job's token could not be verified. It must be for the audience {}.",
            printable(audience, 90)
        ),
        (Reader::Job(_), Outcome::Invalid(Invalid::ContentType)) => {
            "Nothing was recorded: Content-Type must be application/json.".into()
        }
        (Reader::Browser, Outcome::Invalid(Invalid::ContentType)) => {
            "Nothing was sent: Content-Type must be application/x-www-form-urlencoded.".into()
        }
        (Reader::Job(_), Outcome::Unavailable(_)) => {
            sentence(outcome).replace("Click again", "Ask again").replace("your identity", "the job's token")
        }
        _ => sentence(outcome),
    }
}

/// The sentence for an address that leads nowhere.
pub fn no_such_address(path: &str) -> &'static str {
    match path.to_ascii_lowercase() {
        path if path.contains("//") => {
            "There is nothing at this address: it has // in it. Leave out the / at the end of its base."
        }
        path if path.starts_with("/api/api/") => {
            "There is nothing at this address: it has /api twice. Leave out the /api at the end of its base."
        }
        _ => NO_SUCH_ADDRESS,
    }
}

/// The sentence for `outcome`.
pub fn sentence(outcome: &Outcome) -> String {
    match outcome {
        Outcome::TooLarge => TOO_LARGE.into(),
        Outcome::Unauthenticated => UNAUTHENTICATED.into(),
        Outcome::Invalid(why) => format!("Nothing was sent: {}", invalid(why)),
        Outcome::Forbidden(why) => format!("Nothing was sent: {}", forbidden(why)),
        Outcome::Unknown => UNKNOWN.into(),
        Outcome::Misconfigured(AppFault::NOT_INSTALLED) => NOT_INSTALLED.into(),
        Outcome::Misconfigured(Own::LACKS_CREDENTIALS) => LACKS_CREDENTIALS.into(),
        Outcome::Misconfigured(_) => MISCONFIGURED.into(),
        Outcome::Limited(limited) => full(*limited),
        Outcome::Unavailable(unreached) => unavailable(*unreached).into(),
        Outcome::Dispatched(name, repository) => {
            format!("GitHub accepted {} for {}.", show_name(name), show(repository))
        }
        Outcome::DryRun(Some(name), repository) => dry_run(show_name(name), &show(repository)),
        Outcome::DryRun(None, repository) => {
            format!(
                "Dry run: the approval for {} is checked, and the waiting job gets none.",
                show(repository)
            )
        }
        Outcome::Approved(repository) => {
            format!("Approved for {}. The waiting job goes on; nothing is sent.", show(repository))
        }
        Outcome::AlreadyDecided(repository, earlier) => already_decided(&show(repository), *earlier),
        Outcome::Conflict(ending, repository) => conflict(ending.as_str(), &show(repository)),
        Outcome::RefMoved(repository) => {
            format!(
                "Withdrawn: the ref has moved since {} asked. Run the workflow again for the newest commit.",
                show(repository)
            )
        }
        Outcome::TooLateToWithdraw(ending, repository) => {
            format!("Already {} for {}. It cannot be withdrawn any more.", ending.as_str(), show(repository))
        }
        Outcome::Withdrawn(repository) => {
            format!(
                "Withdrawn for {}. Nothing is sent, and nobody can approve it any more.",
                show(repository)
            )
        }
        Outcome::Run(conflict) => run_conflict(conflict),
        Outcome::Expired(_) => UNDELIVERED.into(),
        Outcome::Ended(repository) => ended(&show(repository)),
        Outcome::Counted { approvals, required, repository } => {
            counted(*approvals, *required, &show(repository))
        }
        Outcome::CountedInVain { approvals, required, repository } => format!(
            "Your approval for {} is recorded, but no requirement needs it any more: {}. Others have to approve.",
            show(repository),
            count(*approvals, *required)
        ),
        Outcome::Closed(closed, _) => {
            format!("Nothing was recorded: {}", closed_until(closed, printable(&closed.why, 70)))
        }
        Outcome::Rejected(repository) => {
            format!(
                "Rejected. Nothing is sent to {}: the workflow names no event for that.",
                show(repository)
            )
        }
        Outcome::Recorded(name, repository, answer) => recorded(name, &show(repository), answer.as_ref()),
        Outcome::Postponed(name, repository, status, wait_s) => {
            later(name, &problem(*status), &show(repository), &in_minutes(*wait_s))
        }
        Outcome::Refused(name, repository, answer) => refused(name, &show(repository), answer),
        Outcome::GivenUp(name, repository, until) => given_up(name, &show(repository), *until),
    }
}

const TOO_LARGE: &str = "Nothing was sent: the request is larger than the 64,000 bytes that GitHub takes.";

const UNAUTHENTICATED: &str =
    "Nothing was sent: your identity could not be verified. In Outlook, open the message and click again.";

const UNKNOWN: &str = "There is no such approval here. It may belong to another deployment.";

const MISCONFIGURED: &str =
    "Nothing was sent: ApproveRelease lacks a setting. Its log names it for the operator.";

const NOT_INSTALLED: &str = "Nothing was sent: the GitHub App is not installed on this repository. Install it there, or set GITHUB_TOKEN.";

const LACKS_CREDENTIALS: &str = "Nothing was recorded: nobody can tell who wrote these commits. deny-authors needs GITHUB_TOKEN or a GitHub App, with Contents: read.";

const UNDELIVERED: &str =
    "Too late: this decision did not reach GitHub within 7 days. Request a new approval.";

fn full(limited: Limited) -> String {
    let (whose, most) = match limited {
        Limited::Run => ("run", Limited::MAX_OF_RUN),
        Limited::Repository => ("repository", Limited::MAX_OF_REPOSITORY),
    };
    format!("Nothing was recorded: this {whose} has {most} open approvals, which is the limit.")
}

fn unavailable(unreached: Unreached) -> &'static str {
    match unreached {
        Unreached::Record => {
            "The record cannot be read: a newer version wrote it, or it is damaged. The log names it."
        }
        Unreached::Keys => {
            "Nothing was sent: the keys to verify your identity could not be reached. Click again soon."
        }
        Unreached::Name => {
            "Nothing was sent: Teams did not give your user name. Click again, or have APPROVERS, or the rule, list your object id."
        }
        Unreached::GitHub => {
            "Nothing was sent: GitHub could not be asked about this run. Click again in a moment."
        }
        Unreached::Ref => {
            "Nothing was recorded: GitHub refused to say where the ref is. The token for GitHub must be valid, with Contents: read."
        }
        Unreached::Authors => {
            "Nothing was recorded: who wrote these commits was not known yet. GitHub was asked again (Contents: read). Click again in a moment."
        }
        Unreached::Groups => {
            "Nothing was sent: Microsoft Entra could not say who is in the approvers' group. Click again in a minute."
        }
        Unreached::Place => "Nothing was sent: ApproveRelease is busy. Click again in a moment.",
        Unreached::Progress => {
            "The state of this decision is not known: the store failed. Click again; it counts once."
        }
        Unreached::Store => {
            "Nothing was sent, and perhaps nothing recorded: the store failed. Click again; it counts once."
        }
    }
}

fn run_conflict(conflict: &RunConflict) -> String {
    match conflict {
        RunConflict::NotApproved(status) => format!("Nothing is released: it is {status}, not approved."),
        RunConflict::Older => {
            "Nothing is released: decided by an older version, request it again.".to_owned()
        }
        RunConflict::Other(id) => format!("Nothing is released: run {} has this approval.", show_run(id)),
        RunConflict::Unknown => "Nothing was recorded: no run has this approval yet.".to_owned(),
    }
}

fn dry_run(event: &str, repository: &str) -> String {
    format!("Dry run: recorded. {event} for {repository} is in order; nothing was sent.")
}

fn conflict(ended: &str, repository: &str) -> String {
    format!("Already {ended} for {repository}. Your vote came later and does not count.")
}

fn ended(repository: &str) -> String {
    format!("Too late: the approval for {repository} has expired. Run the workflow again to request another.")
}

/// The time during which nobody may approve, and the operator's reason.
pub fn closed_now(closed: &ClosedNow) -> String {
    closed_until(closed, plain(&closed.why, 100))
}

fn closed_until(closed: &ClosedNow, why: String) -> String {
    // Operators end a sentence as everybody does; here it goes on.
    let why = why.trim_end_matches('.');
    let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
    match closed.until {
        Some(until) => format!("approving is closed until {}{why}. Rejecting works.", readable(until)),
        None => format!("approving is closed for good{why}. Rejecting works."),
    }
}

fn counted(approvals: usize, required: usize, repository: &str) -> String {
    let more = required.saturating_sub(approvals);
    let count = count(approvals, required);
    format!("Your approval for {repository} counts: {count}. {more} more needed.")
}

fn given_up(name: &DispatchName, repository: &str, until: Option<DateTime<Utc>>) -> String {
    let did_not = match name {
        DispatchName::Event(_) => "accept the event",
        DispatchName::Workflow(_) => "start the workflow",
    };
    let given_up = format!("Recorded, but GitHub did not {did_not} for {repository} in time");
    match until.map(readable) {
        None => format!("{given_up}. Click again to send it."),
        Some(until) => format!("{given_up}, and wants no call before {until}. Click again after that."),
    }
}

/// The reason that an event has not arrived.
pub fn delivery_error(error: &DeliveryError) -> String {
    match error {
        DeliveryError::Refused(words) => words.clone(),
        DeliveryError::Forbidden(forbidden) => sentence(&Outcome::Forbidden(forbidden.clone())),
    }
}

/// The sentence for an address that leads nowhere.
pub const NO_SUCH_ADDRESS: &str = "There is nothing at this address; cards use /api/ApproveRelease.";

/// The sentence for the readiness check.
pub const READY: &str = "ApproveRelease is ready.";

/// The sentence for the timer.
pub const SWEPT: &str = "Pending deliveries were checked.";

/// The sentence for an invocation payload that cannot be read.
pub const BROKEN_PAYLOAD: &str =
    "Nothing was sent: the invocation payload of the Functions host could not be read.";

fn invalid(why: &Invalid) -> String {
    let fixed = match why {
        Invalid::Incomplete => "the request did not arrive whole in time. Click again.",
        Invalid::Empty => "the request has no body. Send it with a Content-Length.",
        Invalid::ContentType => "Content-Type must be application/json or application/x-www-form-urlencoded.",
        Invalid::NotUtf8 => "the request is not UTF-8 text.",
        Invalid::NotJson => "the request is not valid JSON.",
        Invalid::NotAnObject => "the request must be one JSON object.",
        Invalid::BothModes => "the button mixes a relayed event with a vote. Send one or the other.",
        Invalid::ClientPayloadNotAnObject => "client_payload must be a JSON object.",
        Invalid::ReservedKey => {
            "client_payload may not have the key approval, which is reserved for requested approvals."
        }
        Invalid::NestedTooDeeply => "client_payload is nested more than 100 levels deep.",
        Invalid::DispatchTooLarge => "the event is larger than the 64,000 bytes that GitHub takes.",
        Invalid::Verdict => "verdict must be approve or reject.",
        Invalid::Repository => "repository in the button's address must be one owner/name.",
        Invalid::NotAList(field) => return format!("{field} must be a list of texts."),
        Invalid::Facts => "facts must be one object of texts.",
        Invalid::Approver => "approvers must be object ids, user principal names or group:GUID.",
        Invalid::TooManyGroups => "approvers may have at most 100 groups.",
        Invalid::NotAnApprover => {
            "approvers may only narrow APPROVERS, or the rule that holds; one of them is not listed there."
        }
        Invalid::TooFewApprovers => {
            "approvals_required, or the rule that holds, asks for more people than there are approvers."
        }
        Invalid::TooFewOthers => {
            "approvals_required, or the rule that holds, asks for more people than there are approvers besides those who started or re-ran the run."
        }
        Invalid::RelayedEventType => {
            "event_type is one of RELAY_EVENT_TYPES, so a card could send it without an approval."
        }
        Invalid::NoReason => "a withdrawal needs a comment that says why.",
        Invalid::NotABoolean(field) => return format!("{field} must be true or false."),
        Invalid::WithoutEventType(field) => {
            return format!("{field} needs event_type or workflow: without one of them nothing is sent.");
        }
        Invalid::SameEventTypes(one, other) => return format!("{one} must differ from {other}."),
        Invalid::BothWays => {
            "a request has event_type and client_payload, or workflow, ref and inputs; not both."
        }
        Invalid::WithoutWorkflow(field) => return format!("{field} needs workflow."),
        Invalid::Workflow => "workflow must be the file name of a workflow, such as release.yml.",
        Invalid::Ref => "ref must be a branch's name, or the full ref of a branch or a tag: refs/tags/v1.",
        Invalid::Inputs => "inputs must be one object of texts.",
        Invalid::TooManyInputs(found) => {
            return format!("inputs has {found} entries, and may have at most {}.", Inputs::MAX);
        }
        Invalid::ReservedInput => "inputs may not have approval or ticket, which are added on dispatch.",
        Invalid::InputsTooLarge => {
            "with an event on rejection or expiry, inputs may have 9 entries and 32,000 bytes."
        }
        Invalid::Run => "run must be start.",
        Invalid::Conclusion => "conclusion must be success, failure or cancelled.",
        Invalid::StartOrConclusion => "send either run (with its ticket) or conclusion.",
        Invalid::PayloadTooLarge => "client_payload may have 32,000 bytes, to leave room for who decided.",
        Invalid::Activity => "this is not an activity of the Bot Connector.",
        Invalid::State => "state in the address must be waiting or decided.",
        Invalid::Cursor => "after in the address is not a position in the list.",
        Invalid::JsonAsForm => "this is JSON, sent as a form. Set Content-Type: application/json.",
        Invalid::DuplicateKey(key) => return format!("{} occurs twice.", named(key, "a key")),
        Invalid::UnknownField(field) => {
            return format!("{} is not a field of this request.", named(field, "one name"));
        }
        Invalid::MissingField(field) => return format!("the field {field} is missing."),
        Invalid::NotText(field) => return format!("the field {field} must be text."),
        Invalid::BrokenName(field) => {
            return format!("{field} is a name, and has a broken character (U+FFFD, or half an emoji).");
        }
        Invalid::EventTypeLength(field) => {
            return format!("{field} must have 1 to {} characters.", EventType::MAX);
        }
        Invalid::TooManyProperties(found, most) => {
            return format!("client_payload has {found} properties, and may have at most {most}.");
        }
        Invalid::Method(methods) => return format!("this address takes {methods} only."),
        Invalid::NotInRange(field, least, most) => {
            return format!("{field} must be a whole number from {least} to {most}.");
        }
        Invalid::TooFewApprovals(least) => {
            return format!("approvals_required must be at least {least}, by MIN_APPROVALS here.");
        }
        Invalid::KeyTooLong => return format!("key is longer than {} characters.", Terms::MAX_KEY),
        Invalid::CommentTooLong => {
            return format!("the comment is longer than {} characters.", Vote::MAX_COMMENT);
        }
    };
    fixed.to_owned()
}

/// The reason why something is not allowed.
pub fn forbidden(why: &Forbidden) -> String {
    match why {
        Forbidden::Repository(repository) => {
            format!("{} is not one of the ALLOWED_REPOSITORIES here.", show(repository))
        }
        Forbidden::EventType(event_type) => {
            format!("{} is not one of the RELAY_EVENT_TYPES here.", show_event(event_type))
        }
        Forbidden::NamedEventType(event_type) => format!(
            "a rule of POLICY here names {}, so no card may send it without an approval.",
            show_event(event_type)
        ),
        Forbidden::NoRule => "no rule of POLICY here matches this job and what would be sent.".into(),
        Forbidden::Performer => "you are not one of the APPROVERS here. Ask one of them to click.".into(),
        Forbidden::NotInRule => {
            "you are not one of the approvers of the rule that holds here. Ask one of them to click.".into()
        }
        Forbidden::Anonymous => "with POLICY nobody decides without saying who they are. Sign in.".into(),
        Forbidden::NotAsked => "the request names other approvers. Ask one of them to click.".into(),
        Forbidden::Nameless => {
            "approvers are listed by name here, and Teams does not give yours. Have APPROVERS, or the rule that holds, list your object id.".into()
        }
        Forbidden::NoObjectId => {
            "Teams gives no object id for you, as for all guests. Ask one of the APPROVERS to click.".into()
        }
        Forbidden::Own(own) => not_own(*own).into(),
        Forbidden::Login(login) => format!(
            "{} started or re-ran this run, but is not in GITHUB_LOGINS here, so nobody can tell who may not approve it.",
            account(login)
        ),
        Forbidden::UnknownRerunner(repository) => format!(
            "GitHub refused to say who re-ran this run. The token for GitHub must be valid, with Actions: read for {}.",
            show(repository)
        ),
        Forbidden::Checks => "everybody may approve here, so only approve-release check shows the checks.".into(),
        Forbidden::OtherRun => "another run asked for this approval. Only that run may withdraw it.".into(),
        Forbidden::Ticket => {
            "the ticket is missing, or is not this approval's. Only the run that got its event has it.".into()
        }
        Forbidden::RunEvent(event) => format!("only a run of {event} may have this approval."),
        Forbidden::RunOf(workflow) => {
            format!("only a run of {} may have this approval.", printable(workflow, 90))
        }
        Forbidden::AskingRun => "the run that asked may not have this approval: its event starts another.".into(),
        Forbidden::NotItsRun(id) => {
            format!("run {} has this approval. Only that run may say how it ended.", show_run(id))
        }
        Forbidden::PullRequest => {
            "runs of pull requests may not ask, since anyone can open one. Ask from a push or a tag.".into()
        }
        Forbidden::CrossSite => {
            "the request came from another web site, or by a name that is not this computer's.".into()
        }
    }
}

/// The reason why somebody may not approve what may be their own.
fn not_own(own: Own) -> &'static str {
    match own {
        Own::Run => {
            "you started or re-ran this run, and nobody approves their own here. Ask another approver, or reject it."
        }
        Own::Nameless => {
            "this may be your own run: GITHUB_LOGINS lists user names, and yours is not known. Have it list object ids."
        }
        Own::Anonymous => {
            "nobody approves their own here, and you do not say who you are. Rejecting is always possible."
        }
        Own::Unlisted => {
            "this may be your own run: who started or re-ran it is not in GITHUB_LOGINS. Rejecting is always possible."
        }
        Own::UnknownRerun => {
            "this may be your own run: who re-ran it is not on record. Reject it, or run the workflow again."
        }
        Own::Author => {
            "you wrote one of its commits, and nobody approves their own here. Ask another approver, or reject it."
        }
        Own::UnreadCommits => {
            "not all its commits can be read (over 1,000, or no way to the last release), so nobody can approve it here."
        }
        Own::UnknownAuthors => "who wrote its commits is not known yet. Rejecting is always possible.",
    }
}

/// The sentence for a person who may reject an approval and not approve it, on its card and page.
pub fn only_reject(why: &Forbidden) -> String {
    format!("You can reject this, but not approve it: {}", forbidden(why))
}

fn already_decided(repository: &str, earlier: Earlier) -> String {
    match earlier {
        Earlier::Delivered => {
            format!("Already decided: GitHub has accepted it for {repository}. Nothing more was sent.")
        }
        Earlier::OnItsWay => format!("Already decided, and on its way to {repository}. Nothing more to do."),
        Earlier::Rejected => format!("Already rejected for {repository}. There is nothing to send."),
        Earlier::Withdrawn => format!("Already withdrawn for {repository}. Nothing is sent."),
        Earlier::Approved => format!("Already approved for {repository}. The waiting job goes on."),
        Earlier::DryRun => format!("Already decided for {repository}, in a dry run. Nothing was sent."),
    }
}

/// The thing that GitHub does with a dispatch.
fn does(name: &DispatchName) -> &'static str {
    match name {
        DispatchName::Event(_) => "get the event",
        DispatchName::Workflow(_) => "start the workflow",
    }
}

/// The decision is safe, and its event is sent, or its workflow started, without another click.
fn recorded(name: &DispatchName, repository: &str, answer: Option<&SendAnswer>) -> String {
    match answer {
        None | Some(SendAnswer::NotTried) => {
            format!(
                "Recorded: GitHub will {} for {repository} within minutes. Nothing more to do.",
                does(name)
            )
        }
        Some(SendAnswer::RateLimited { wait_s }) => {
            later(name, "GitHub's rate limit is reached", repository, &in_minutes(wait_s.unwrap_or(0)))
        }
        Some(SendAnswer::ServerError(status)) => {
            later(name, &problem(*status), repository, "when it works again")
        }
        Some(SendAnswer::Unreachable) => {
            later(name, "GitHub could not be reached", repository, "once it can be")
        }
        Some(SendAnswer::Broken) => again(name, "the connection to GitHub broke", repository),
        Some(SendAnswer::TimedOut) => again(name, "GitHub did not answer in time", repository),
        Some(other) => {
            let status = if let SendAnswer::Unexpected(status) = other { *status } else { 0 };
            format!(
                "Recorded, not confirmed for {repository}: GITHUB_API_URL answered {status}, not as GitHub does."
            )
        }
    }
}

fn later(name: &DispatchName, why: &str, repository: &str, when: &str) -> String {
    format!("Recorded: {why}. It will {} for {repository} {when}.", does(name))
}

fn again(name: &DispatchName, why: &str, repository: &str) -> String {
    match name {
        DispatchName::Event(_) => {
            format!("Recorded: {why}. The event for {repository} may have arrived, and is sent again.")
        }
        DispatchName::Workflow(_) => {
            format!("Recorded: {why}. The workflow of {repository} may have started, and is started again.")
        }
    }
}

fn problem(status: u16) -> String {
    format!("GitHub has a problem ({status})")
}

/// The wait in whole minutes, at least one.
fn in_minutes(wait_s: u64) -> String {
    format!("in {} min or later", wait_s.div_ceil(60).clamp(1, 99_999))
}

/// The decision is safe, but something has to be fixed before its event is accepted.
fn refused(name: &DispatchName, repository: &str, answer: &SendAnswer) -> String {
    match answer {
        SendAnswer::WorkflowRefused(fault) => workflow_refused(show_name(name), repository, *fault),
        SendAnswer::Unauthorized => {
            format!(
                "Recorded, but GitHub refused the token for {repository} (401). Renew GITHUB_TOKEN, then click again."
            )
        }
        SendAnswer::PermissionDenied { wanted: Some(wanted) } => {
            format!(
                "Recorded, but GITHUB_TOKEN may not do this for {repository} (403): GitHub asks for {wanted}."
            )
        }
        SendAnswer::PermissionDenied { wanted: None } => {
            // The start of a workflow always says what it wants.
            format!(
                "Recorded, but refused for {repository} (403): GITHUB_TOKEN needs Contents: write. The log says more."
            )
        }
        SendAnswer::Blocked(words) => blocked(repository, words),
        SendAnswer::App(fault) => app_refused(name, repository, *fault),
        SendAnswer::NotFound if matches!(name, DispatchName::Workflow(_)) => {
            let file = show_name(name).trim_start_matches("the ");
            format!(
                "Recorded, but GitHub finds no {file} on the default branch of {repository} (404). Or GITHUB_TOKEN cannot see it."
            )
        }
        SendAnswer::NotFound => {
            format!(
                "Recorded, but GitHub finds no {repository}, or GITHUB_TOKEN may not see it (404). Fix either."
            )
        }
        SendAnswer::Unprocessable if matches!(name, DispatchName::Workflow(_)) => {
            format!("GitHub did not like the start of {} in {repository}; the log says why.", show_name(name))
        }
        SendAnswer::Unprocessable => {
            format!("GitHub found a fault in the event for {repository}; the log says which. Fix the card.")
        }
        SendAnswer::Moved => {
            format!(
                "Recorded, but {repository} was renamed or moved. Put its new name into ALLOWED_REPOSITORIES, and into cards."
            )
        }
        SendAnswer::Unexpected(status) => {
            format!(
                "Recorded, but refused for {repository}: GITHUB_API_URL answered {status}. Check that setting."
            )
        }
        other => recorded(name, repository, Some(other)),
    }
}

/// Something is wrong with the GitHub App.
fn app_refused(name: &DispatchName, repository: &str, fault: AppFault) -> String {
    let begin = "Recorded, but the GitHub App";
    match fault {
        AppFault::NotInstalled => {
            format!("{begin} is not installed on {repository}. Install it there, or set GITHUB_TOKEN.")
        }
        AppFault::Suspended => {
            format!("{begin} is suspended for {repository}. An owner can lift that in its installation.")
        }
        AppFault::NotGranted => {
            let permission = match name {
                DispatchName::Event(_) => "Contents: write",
                DispatchName::Workflow(_) => "Actions: write",
            };
            format!("{begin} lacks {permission} on {repository}. Grant it, and accept it there.")
        }
        AppFault::Clock => {
            format!(
                "Not sent to {repository} yet: this computer's clock differs from GitHub's. Set it right."
            )
        }
        AppFault::Key => {
            format!(
                "Not sent to {repository} yet: GITHUB_APP_PRIVATE_KEY is no key of the App GITHUB_APP_ID. Fix either."
            )
        }
        AppFault::Refused => {
            format!(
                "Recorded, but GitHub refused the GitHub App's new token for {repository} (401). Click again."
            )
        }
    }
}

fn workflow_refused(file: &str, repository: &str, fault: WorkflowFault) -> String {
    let fix = match fault {
        WorkflowFault::NoTrigger => "has no trigger workflow_dispatch (422). Add it, then click again.",
        WorkflowFault::NoRef => "cannot run on a ref that is not there (422). Push it, then click again.",
        WorkflowFault::Inputs => {
            "does not take these inputs (422). It needs approval, ticket and the asker's."
        }
        WorkflowFault::Disabled => "is disabled (422). Enable it, then click again.",
    };
    format!("Recorded, but {file} of {repository} {fix}")
}

/// GitHub's own words are what helps, as far as they are plain words.
fn blocked(repository: &str, words: &str) -> String {
    let begin = format!("Recorded, but GitHub refused it for {repository}");
    let is_plain = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, ' ' | '.' | ',' | '-' | '_' | '/' | ':' | '`' | '\'' | '(' | ')')
    };
    match words.chars().all(is_plain) {
        true => format!("{begin}: {}", printable(words, (LIMIT - 3 - begin.len()).min(120))),
        false => format!("{begin}. The log has its words."),
    }
}

fn show(repository: &Repository) -> String {
    printable(&repository.to_string(), 60)
}

fn show_name(name: &DispatchName) -> &str {
    match name {
        DispatchName::Event(event_type) => show_event(event_type),
        DispatchName::Workflow(file) if file.as_str().len() > MAX_FILE => "the workflow",
        DispatchName::Workflow(file) => file.as_str(),
    }
}

fn show_event(event_type: &EventType) -> &str {
    named(event_type.as_str(), "the event")
}

fn show_run(id: &str) -> String {
    printable(id, 40)
}

/// A name from outside if it is short and looks like one, else `otherwise`.
fn named<'a>(text: &'a str, otherwise: &'static str) -> &'a str {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/' | ' ');
    if (1..=60).contains(&text.len()) && text.chars().all(plain) { text } else { otherwise }
}

/// An account of GitHub, if it is harmless to repeat; a bot's ends with `[bot]`.
fn account(login: &str) -> &str {
    let name = login.strip_suffix("[bot]").unwrap_or(login);
    if named(name, "").is_empty() { "an account" } else { login }
}

#[cfg(test)]
mod tests;
