//! The command `check --policy`: the rule of a policy that holds for a job, the people who decide, and what the job would
//! get by leaving a claim out. It reads the file and nothing else, so that it can be asked before anything is deployed.

use std::fmt::Write;

use crate::{
    approval::{
        Approver, EventType,
        rules::{Claims, RepositoryRule, Requirement, Rule, RuleChannel, Rules, Sent, What, Who},
    },
    command_line::{PolicyQuestion, Sends},
    config::policy,
    text::identifier::identifier,
};

/// The reason why no rule is named.
#[derive(Debug)]
pub enum Unanswered {
    /// No rule holds; the answer says so.
    NoRule(String),
    /// The file cannot be used; a line for each part.
    Unusable(String),
}

/// The answer for people.
pub fn answer(question: &PolicyQuestion) -> Result<String, Unanswered> {
    let rules =
        policy::file(&question.file).map_err(|lines| Unanswered::Unusable(lines.join("\n") + "\n"))?;
    // A question that gives no numbers is about the repository that has the pinned ones.
    let rules = if question.repository.numbers() == (None, None) { rules.by_name() } else { rules };
    let Some(rule) = find(&rules, question) else {
        return Err(Unanswered::NoRule(format!("No rule holds: {} is forbidden.\n", what(question))));
    };
    let mut text = format!("Rule {} holds for {}.\n", rule.name, what(question));
    for line in of_rule(rule).into_iter().chain(without_claims(&rules, question, rule)) {
        let _ = writeln!(text, "{line}");
    }
    Ok(text)
}

fn find<'a>(rules: &'a Rules, question: &PolicyQuestion) -> Option<&'a Rule> {
    let repository = question.repository.repository()?;
    let (owner_id, repository_id) = question.repository.numbers();
    let claims = Claims {
        repository: &repository,
        repository_id: repository_id.unwrap_or_default(),
        owner_id,
        git_ref: &question.git_ref,
        environment: question.environment.as_deref(),
        job_workflow_ref: question.job_workflow.as_deref(),
    };
    let sent = match &question.sends {
        // No request can have another.
        Sends::EventType(text) => {
            EventType::parse(text)?;
            vec![What::EventType(text)]
        }
        Sends::Workflow(file) => vec![What::Workflow(is_workflow(file).then_some(file)?, &question.git_ref)],
        Sends::Nothing => Vec::new(),
    };
    rules.find(&claims, &Sent(sent))
}

/// True if it is a workflow's file name, as requests have it.
fn is_workflow(file: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let stem = file.strip_suffix(".yml").or_else(|| file.strip_suffix(".yaml"));
    stem.is_some_and(|stem| !stem.is_empty() && stem.bytes().all(allowed))
}

fn what(question: &PolicyQuestion) -> String {
    let sends = match &question.sends {
        Sends::EventType(event_type) => format!("event type {}", identifier(event_type)),
        Sends::Workflow(file) => format!("workflow {}", identifier(file)),
        Sends::Nothing => "a job that waits".to_owned(),
    };
    let repository = question.repository.repository().map(|repository| repository.to_string());
    format!("{sends} in {}", repository.unwrap_or_default())
}

/// Lines about the people of a rule, and when and where they hear of it.
fn of_rule(rule: &Rule) -> Vec<String> {
    let people = match &rule.who {
        Who::Deployment(approvals) => vec![format!("Decided by {approvals} of APPROVERS.")],
        Who::Requirements(requirements) => requirements.iter().map(of_requirement).collect(),
    };
    let time = rule.expires_in.map(|time| format!("Within {} minutes at most.", time.num_minutes()));
    let channel = match &rule.channel {
        RuleChannel::Deployment => None,
        RuleChannel::Bot(channel) => Some(format!("Posted to the channel {channel}.")),
        RuleChannel::Webhook(name) => Some(format!("Posted to the webhook of TEAMS_WEBHOOK_URL_{name}.")),
    };
    let pinned = rule.repositories.iter().map(RepositoryRule::as_str).filter(|text| text.contains('@'));
    let pinned = pinned.map(|text| format!("For a repository with the numbers of {text}."));
    people.into_iter().chain(time).chain(channel).chain(pinned).collect()
}

fn of_requirement(requirement: &Requirement) -> String {
    let approvers: Vec<_> = requirement.approvers.iter().map(Approver::as_text).collect();
    let name =
        requirement.name.as_deref().map(|name| format!(" for {}", identifier(name))).unwrap_or_default();
    format!("Decided{name} by {} of {}.", requirement.approvals, approvers.join(", "))
}

/// Lines about what a job would get that leaves a claim out. An author of workflows can leave out each but the ref.
fn without_claims(rules: &Rules, question: &PolicyQuestion, rule: &Rule) -> Vec<String> {
    let without = |name: &str, is_given: bool, other: PolicyQuestion| {
        is_given.then(|| match find(rules, &other) {
            Some(other) if other.name == rule.name => format!("Without {name}: the same rule."),
            Some(other) => format!("Without {name}: rule {} holds.", other.name),
            None => format!("Without {name}: no rule holds, so it is forbidden."),
        })
    };
    let both = question.environment.is_some() && question.job_workflow.is_some();
    let question = || question.clone();
    [
        without(
            "the ref",
            !question().git_ref.is_empty(),
            PolicyQuestion { git_ref: String::new(), ..question() },
        ),
        without(
            "the environment",
            question().environment.is_some(),
            PolicyQuestion { environment: None, ..question() },
        ),
        without(
            "the job's workflow",
            question().job_workflow.is_some(),
            PolicyQuestion { job_workflow: None, ..question() },
        ),
        without("both", both, PolicyQuestion { environment: None, job_workflow: None, ..question() }),
    ]
    .into_iter()
    .flatten()
    .collect()
}
