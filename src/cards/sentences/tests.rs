use std::collections::HashSet;

use super::*;
use crate::approval::{Ending, Permission, WorkflowFile};

#[test]
fn an_account_that_is_not_listed_is_named_a_bot_too() {
    for (login, begin) in [
        ("octocat", "octocat started"),
        ("dependabot[bot]", "dependabot[bot] started"),
        ("<b>[bot]", "an account started"),
        ("[bot]", "an account started"),
        ("a](https://evil.example)[bot]", "an account started"),
    ] {
        let sentence = super::forbidden(&Forbidden::Login(login.to_owned()));
        assert!(sentence.starts_with(begin), "{login}: {sentence}");
    }
}

/// A repository with the longest name.
fn repository() -> Repository {
    Repository::parse(&format!("{}/{}", "o".repeat(64), "r".repeat(100))).expect("a repository")
}

fn event_type() -> EventType {
    EventType::parse(&"\u{1F680}\r\n".repeat(33)).expect("an event type")
}

fn event() -> DispatchName {
    DispatchName::Event(event_type())
}

/// A workflow with the longest name that is shown.
fn workflow() -> DispatchName {
    let name = format!("{}.yml", "w".repeat(MAX_FILE - 4));
    DispatchName::Workflow(WorkflowFile::parse(&name).expect("a file name"))
}

/// The outcomes whose sentences are others where a workflow is started.
fn of_workflow(repository: &Repository) -> Vec<Outcome> {
    let faults =
        [WorkflowFault::NoTrigger, WorkflowFault::NoRef, WorkflowFault::Inputs, WorkflowFault::Disabled];
    let refusals = faults.map(SendAnswer::WorkflowRefused).into_iter();
    let refusals = refusals.chain([SendAnswer::NotFound, SendAnswer::Unprocessable]);
    let recorded = |answer| Outcome::Recorded(workflow(), repository.clone(), answer);
    let is_another = |answer: &Option<SendAnswer>| !matches!(answer, Some(SendAnswer::Unexpected(_)));
    let delays = delays().into_iter().filter(is_another).map(recorded);
    refusals
        .map(|answer| Outcome::Refused(workflow(), repository.clone(), answer))
        .chain(delays)
        .chain([
            Outcome::Dispatched(workflow(), repository.clone()),
            Outcome::DryRun(Some(workflow()), repository.clone()),
            Outcome::Postponed(workflow(), repository.clone(), 599, u64::MAX),
            Outcome::GivenUp(workflow(), repository.clone(), None),
        ])
        .collect()
}

fn refusals() -> Vec<SendAnswer> {
    vec![
        SendAnswer::Unauthorized,
        SendAnswer::PermissionDenied { wanted: None },
        SendAnswer::Blocked("Repository was archived so is read-only. ".repeat(20)),
        SendAnswer::PermissionDenied { wanted: Permission::parse(&format!("{}=write", "a".repeat(44))) },
        SendAnswer::NotFound,
        SendAnswer::Unprocessable,
        SendAnswer::Moved,
        SendAnswer::Unexpected(499),
    ]
}

fn delays() -> Vec<Option<SendAnswer>> {
    vec![
        None,
        Some(SendAnswer::RateLimited { wait_s: Some(u64::MAX) }),
        Some(SendAnswer::ServerError(599)),
        Some(SendAnswer::Unexpected(999)),
        Some(SendAnswer::Unreachable),
        Some(SendAnswer::Broken),
        Some(SendAnswer::TimedOut),
    ]
}

fn invalid() -> Vec<Invalid> {
    let wild = "\r\nX-Evil: {{1}}\u{202e}".repeat(1000);
    vec![
        Invalid::Incomplete,
        Invalid::Empty,
        Invalid::ContentType,
        Invalid::JsonAsForm,
        Invalid::NotUtf8,
        Invalid::NotJson,
        Invalid::NotAnObject,
        Invalid::DuplicateKey(wild.clone()),
        Invalid::UnknownField(wild),
        Invalid::MissingField("event_type"),
        Invalid::WithoutEventType("rejected_event_type"),
        Invalid::NoReason,
        Invalid::NotABoolean("supersedes"),
        Invalid::NotText("event_type"),
        Invalid::BothModes,
        Invalid::BrokenName("rejected_event_type"),
        Invalid::EventTypeLength("rejected_event_type"),
        Invalid::ClientPayloadNotAnObject,
        Invalid::TooManyProperties(usize::MAX, 10),
        Invalid::ReservedKey,
        Invalid::NestedTooDeeply,
        Invalid::DispatchTooLarge,
        Invalid::Verdict,
        Invalid::CommentTooLong,
        Invalid::KeyTooLong,
        Invalid::Repository,
        Invalid::Method("GET, POST"),
        Invalid::NotInRange("approvals_required", i64::MIN, i64::MAX),
        Invalid::NotAList("approvers"),
        Invalid::Facts,
        Invalid::Approver,
        Invalid::TooManyGroups,
        Invalid::NotAnApprover,
        Invalid::TooFewApprovals(10),
        Invalid::TooFewApprovers,
        Invalid::TooFewOthers,
        Invalid::RelayedEventType,
        Invalid::SameEventTypes("expired_event_type", "rejected_event_type"),
        Invalid::BothWays,
        Invalid::WithoutWorkflow("inputs"),
        Invalid::Workflow,
        Invalid::Ref,
        Invalid::Inputs,
        Invalid::TooManyInputs(usize::MAX),
        Invalid::ReservedInput,
        Invalid::InputsTooLarge,
        Invalid::Run,
        Invalid::Conclusion,
        Invalid::StartOrConclusion,
        Invalid::PayloadTooLarge,
        Invalid::Activity,
        Invalid::Cursor,
        Invalid::State,
    ]
}

fn forbidden(repository: Repository) -> Vec<Forbidden> {
    vec![
        Forbidden::Repository(repository.clone()),
        Forbidden::EventType(event_type()),
        Forbidden::NamedEventType(event_type()),
        Forbidden::NoRule,
        Forbidden::OtherRun,
        Forbidden::Ticket,
        Forbidden::RunEvent("repository_dispatch"),
        Forbidden::RunOf("\u{202e}a.yml".repeat(90)),
        Forbidden::AskingRun,
        Forbidden::NotItsRun("\u{202e}9".repeat(90)),
        Forbidden::Checks,
        Forbidden::Performer,
        Forbidden::NotInRule,
        Forbidden::NotAsked,
        Forbidden::Anonymous,
        Forbidden::Nameless,
        Forbidden::NoObjectId,
        Forbidden::PullRequest,
        Forbidden::CrossSite,
        Forbidden::Own(Own::Run),
        Forbidden::Own(Own::Nameless),
        Forbidden::Own(Own::Anonymous),
        Forbidden::Own(Own::Unlisted),
        Forbidden::Own(Own::UnknownRerun),
        Forbidden::Own(Own::Author),
        Forbidden::Own(Own::UnreadCommits),
        Forbidden::Own(Own::UnknownAuthors),
        Forbidden::Login("a".repeat(60)),
        Forbidden::UnknownRerunner(repository.clone()),
    ]
}

fn others(repository: &Repository) -> Vec<Outcome> {
    vec![
        Outcome::TooLarge,
        Outcome::Run(RunConflict::NotApproved("withdrawn")),
        Outcome::Run(RunConflict::Older),
        Outcome::Run(RunConflict::Other("\u{202e}9".repeat(90))),
        Outcome::Run(RunConflict::Unknown),
        Outcome::Unknown,
        Outcome::Unauthenticated,
        Outcome::Unavailable(Unreached::Keys),
        Outcome::Unavailable(Unreached::Name),
        Outcome::Unavailable(Unreached::Groups),
        Outcome::Unavailable(Unreached::Place),
        Outcome::Unavailable(Unreached::GitHub),
        Outcome::Unavailable(Unreached::Ref),
        Outcome::Unavailable(Unreached::Authors),
        Outcome::Unavailable(Unreached::Store),
        Outcome::Unavailable(Unreached::Progress),
        Outcome::Expired(repository.clone()),
        Outcome::GivenUp(event(), repository.clone(), None),
        Outcome::GivenUp(event(), repository.clone(), Some(chrono::DateTime::UNIX_EPOCH)),
        Outcome::Limited(Limited::Run),
        Outcome::Limited(Limited::Repository),
        Outcome::Unavailable(Unreached::Record),
        Outcome::Ended(repository.clone()),
        Outcome::Rejected(repository.clone()),
        Outcome::Approved(repository.clone()),
        Outcome::Withdrawn(repository.clone()),
        Outcome::Conflict(Ending::Withdrawn, repository.clone()),
        Outcome::TooLateToWithdraw(Ending::Approved, repository.clone()),
        Outcome::DryRun(None, repository.clone()),
        Outcome::Counted { approvals: usize::MAX, required: usize::MAX, repository: repository.clone() },
        Outcome::CountedInVain {
            approvals: usize::MAX,
            required: usize::MAX,
            repository: repository.clone(),
        },
        Outcome::Closed(ClosedNow { until: None, why: "x".repeat(200) }, repository.clone()),
        Outcome::Closed(
            ClosedNow { until: Some(chrono::DateTime::UNIX_EPOCH), why: "\u{202e}x".repeat(200) },
            repository.clone(),
        ),
        Outcome::Conflict(Ending::Approved, repository.clone()),
        Outcome::RefMoved(repository.clone()),
        Outcome::Conflict(Ending::Rejected, repository.clone()),
        Outcome::Misconfigured("GITHUB_TOKEN"),
        Outcome::Misconfigured(AppFault::NOT_INSTALLED),
        Outcome::Misconfigured(Own::LACKS_CREDENTIALS),
        Outcome::Dispatched(event(), repository.clone()),
        Outcome::DryRun(Some(event()), repository.clone()),
    ]
}

#[test]
fn the_operators_reason_for_a_closing_does_not_end_the_sentence() {
    for (why, shown) in [("Freeze.", " (Freeze)"), ("Freeze", " (Freeze)"), ("...", ""), ("", "")] {
        let told = closed_now(&ClosedNow { until: None, why: why.to_owned() });
        assert_eq!(told, format!("approving is closed for good{shown}. Rejecting works."));
    }
}

/// Every outcome, with the longest and wildest text that may stand in it.
fn outcomes() -> Vec<Outcome> {
    let repository = repository();
    let standings = [
        Earlier::Delivered,
        Earlier::OnItsWay,
        Earlier::DryRun,
        Earlier::Rejected,
        Earlier::Approved,
        Earlier::Withdrawn,
    ];
    let mut outcomes = others(&repository);
    outcomes.extend(invalid().into_iter().map(Outcome::Invalid));
    outcomes.extend(forbidden(repository.clone()).into_iter().map(Outcome::Forbidden));
    let refused = |answer| Outcome::Refused(event(), repository.clone(), answer);
    outcomes.extend(refusals().into_iter().map(refused));
    let recorded = |answer| Outcome::Recorded(event(), repository.clone(), answer);
    outcomes.extend(delays().into_iter().map(recorded));
    outcomes.push(Outcome::Postponed(event(), repository.clone(), 599, u64::MAX));
    outcomes.extend(of_workflow(&repository));
    outcomes.extend(standings.map(|standing| Outcome::AlreadyDecided(repository.clone(), standing)));
    outcomes
}

#[test]
fn every_sentence_is_short_visible_ascii_and_of_its_own() {
    let mut seen = HashSet::new();
    for outcome in outcomes() {
        let sentence = sentence(&outcome);
        assert!(sentence.len() < LIMIT, "{} characters: {sentence}", sentence.len());
        assert!(sentence.bytes().all(|b| (b' '..=b'~').contains(&b)), "{sentence:?}");
        assert!(!sentence.contains("{{"), "{sentence:?}");
        assert!(seen.insert(sentence), "said twice: {outcome:?}");
    }
}

#[test]
fn a_sentence_suits_the_person_or_the_job_that_reads_it() {
    let audience = format!("https://{}.azurewebsites.net", "a".repeat(200));
    let readers = [Reader::Outlook, Reader::Teams, Reader::Browser, Reader::Job(&audience)];
    for (reader, outcome) in
        readers.into_iter().flat_map(|reader| outcomes().into_iter().map(move |o| (reader, o)))
    {
        let sentence = sentence_to(reader, &outcome);
        assert!(sentence.len() < LIMIT && sentence.bytes().all(|b| (b' '..=b'~').contains(&b)), "{sentence}");
        let is_outlook = matches!(reader, Reader::Outlook);
        assert!(is_outlook || !sentence.contains("Outlook"), "{reader:?}: {sentence}");
        // A job clicks nothing; what only a click can come to is not told to one.
        let of_clicks = matches!(
            outcome,
            Outcome::Recorded(..) | Outcome::Refused(..) | Outcome::GivenUp(..) | Outcome::Postponed(..)
        );
        let clicks = sentence.to_ascii_lowercase().contains("click again");
        assert!(
            !matches!(reader, Reader::Job(_))
                || of_clicks
                || !clicks
                || matches!(outcome, Outcome::Invalid(_)),
            "{sentence}"
        );
    }
    for (reader, outcome, words) in [
        (Reader::Outlook, Outcome::Unauthenticated, "In Outlook, open the message"),
        (Reader::Teams, Outcome::Unauthenticated, "in Teams"),
        (Reader::Browser, Outcome::Unauthenticated, "Sign in"),
        (
            Reader::Job("https://approve.example"),
            Outcome::Unauthenticated,
            "for the audience https://approve.example.",
        ),
        (Reader::Job(""), Outcome::Invalid(Invalid::ContentType), "must be application/json."),
        (
            Reader::Browser,
            Outcome::Invalid(Invalid::ContentType),
            "must be application/x-www-form-urlencoded.",
        ),
        (Reader::Job(""), Outcome::Unavailable(Unreached::Place), "Ask again"),
        (Reader::Job(""), Outcome::Unavailable(Unreached::Keys), "verify the job's token"),
        (
            Reader::Job(""),
            Outcome::Invalid(Invalid::EventTypeLength("rejected_event_type")),
            "rejected_event_type must",
        ),
    ] {
        let sentence = sentence_to(reader, &outcome);
        assert!(sentence.contains(words), "{words} in {sentence}");
    }
    assert!(no_such_address("/api//RequestApproval").contains("//"));
    assert!(no_such_address("/api/api/approvals").contains("/api twice"));
    assert_eq!(no_such_address("/elsewhere"), NO_SUCH_ADDRESS);
}
