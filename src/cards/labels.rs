//! The table of labels: one fact has one name, on every card, page and row.
//!
//! A label never changes with the state of an approval, so that a screen reader finds it where it was.

use crate::approval::Verdict;

pub const PROVEN: &str = "From GitHub";
pub const REPOSITORY: &str = "Repository";
pub const COMMIT: &str = "Commit";
pub const REF: &str = "Ref";
pub const BRANCH: &str = "Branch";
pub const TAG: &str = "Tag";
pub const RUN: &str = "Run";
pub const STARTED_BY: &str = "Started by";
pub const ENVIRONMENT: &str = "Environment";
pub const JOB_WORKFLOW: &str = "Workflow";

pub const SAID: &str = "The workflow says";

pub const PAYLOAD: &str = "What is sent along";
pub const PAYLOAD_REST: &str = "The rest of what is sent along";
pub const PAYLOAD_ON_PAGE: &str = "It does not fit into a card. The page shows all of it.";

pub const CHANGES: &str = "Changes since the last release";
pub const COMMITS_SAY: &str = "The newest commits say";
pub const GUARDED: &str = "Files that can change what runs";
pub const COMPARE: &str = "Compare the two on GitHub";

pub const DECISION: &str = "The decision";
pub const APPROVE_SENDS: &str = "Approve sends";
pub const APPROVE_STARTS: &str = "Approve starts";
pub const STARTS_ON: &str = "On a ref that the workflow names";
pub const REJECT_SENDS: &str = "Reject sends";
pub const EXPIRY_SENDS: &str = "Expiry sends";
pub const APPROVALS: &str = "Approvals";
pub const RULE: &str = "Rule";
pub const REQUIRES: &str = "Requires";
pub const REQUESTED: &str = "Requested";
pub const OPEN_UNTIL: &str = "Open until";
pub const EXPIRES: &str = "Expires";
pub const DECISION_MADE: &str = "Decision";

pub const RESULT: &str = "Result";
pub const DECIDED_BY: &str = "Decided by";
pub const DECIDED: &str = "Decided";
pub const WITHDRAWN_BY: &str = "Withdrawn by";
pub const COMMENT: &str = "Comment";
pub const DELIVERY: &str = "Delivery";
pub const REASON: &str = "Reason";
pub const RELEASE: &str = "Release";
pub const RELEASE_BY: &str = "Run started by";

pub const VOTES: &str = "Votes";
pub const NO_VOTES: &str = "Nobody has voted.";

pub const DRY_RUN: &str = "Dry run: nothing is sent to GitHub.";

pub const RECORDED: &str = "Recorded";

pub const OPEN_PAGE: &str = "Open the page";
pub const DETAILS: &str = "Details";

/// The button that casts a vote.
pub fn to_vote(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Approve => "Approve",
        Verdict::Reject => "Reject",
    }
}

/// The vote, once it is cast.
pub fn voted(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Approve => "Approved",
        Verdict::Reject => "Rejected",
    }
}
