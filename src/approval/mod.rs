//! The domain, pure: the things people may ask for, the rules, and the outcomes.
//!
//! Nothing here calls anyone, stores anything or asks for the time of day. Ids, names and payloads can only be had by
//! parsing them, so one that exists is within GitHub's limits and ours.

mod ballot;
mod changes;
mod click;
mod decision;
mod governing;
mod memberships;
mod message;
mod outcome;
mod own;
mod performer;
mod policy;
mod repository;
mod request;
pub mod rules;
mod run;
mod sample;
mod standing;
mod workflow;

pub use ballot::{
    Ballot, PerformerJson, PolicyJson, Ruling, Ticket, Withdrawal, Withdrawer, count_approvals, performers,
    rfc_3339, tally, withdrawer,
};
pub use changes::{Author, Authors, Changes, Commit, Comparison, Incomparable, Unknown, is_commit};
pub use click::{
    Click, ClientPayload, Dispatch, EventType, Members, Relay, RepositoryDispatch, Verdict, Vote,
};
pub use decision::{Decision, RelayId, hash, hex};
pub use governing::{ClosedNow, Governing, Met, Settled};
pub use memberships::{Listed, Memberships};
pub use message::{
    Attempt, AttemptResult, Kind, Message, MessageName, Next, PostedMessage, Progress, Subject, TargetName,
};
pub use outcome::{
    AppFault, Earlier, Forbidden, Invalid, Limited, Outcome, Permission, RunConflict, SendAnswer, SendResult,
    Unreached, WorkflowFault,
};
pub use own::{GithubLogins, Login, Own, SelfApproval};
pub use performer::{Approver, Approvers, Guid, Performer, Person};
pub use policy::{Due, EventTypes, Judgement, Policy};
pub use repository::{Repository, RepositoryPattern};
pub use request::{ApprovalId, Ending, Request, Terms, Workload};
pub use run::{Conclusion, Release, Run, RunEnd, may_conclude, may_start, next_of_release, silent_run};
pub use standing::{
    Channel, Delivery, DeliveryError, DeliveryState, Item, Means, Posted, RelayStanding, Standing, Visibility,
};
pub use workflow::{
    AsksForRun, DispatchName, GitRef, Inputs, NamedRun, WorkflowCall, WorkflowDispatch, WorkflowFile,
};
