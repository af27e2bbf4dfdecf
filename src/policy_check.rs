//! The command `check --policy`: the rule of a policy that holds for a job, the people who decide, and what the job would
//! get by leaving a claim out. It reads the file and nothing else, so that it can be asked before anything is deployed.

use crate::{
    approval::{
        EventType,
        rules::{
            Claims, Member, RepositoryRule, Requirement, Rule, RuleChannel, Rules, Sent, What, Who, Window,
        },
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

/// The most other rules that are told.
const MAX_TOLD: usize = 10;

/// The answer for people.
pub fn answer(question: &PolicyQuestion) -> Result<String, Unanswered> {
    let rules =
        policy::file(&question.file).map_err(|lines| Unanswered::Unusable(lines.join("\n") + "\n"))?;
    // A question that gives no numbers is about the repository that has the pinned ones.
    let by_name = question.repository.numbers() == (None, None);
    let rules = if by_name { rules.by_name() } else { rules };
    let (lines, is_held) = match find(&rules, question) {
        Some(rule) => {
            let mut lines = vec![format!("Rule {} holds for {}.", rule.name, what(question))];
            lines.extend(of_rule(rule));
            lines.extend(pinned(rule, question));
            lines.extend(without_claims(&rules, question, rule));
            lines.extend(by_other_claims(&rules, question, rule));
            (lines, true)
        }
        None => {
            let mut lines = vec![format!("No rule holds: {} is forbidden.", what(question))];
            lines.extend(why_none(&rules, question));
            (lines, false)
        }
    };
    let text = lines.join("\n") + "\n";
    if is_held { Ok(text) } else { Err(Unanswered::NoRule(text)) }
}

/// The rule that holds; none for jobs that may never ask.
fn find<'a>(rules: &'a Rules, question: &PolicyQuestion) -> Option<&'a Rule> {
    if is_of_pull_request(question) {
        return None;
    }
    asked(question, |claims, sent| rules.find(claims, sent))?
}

fn is_of_pull_request(question: &PolicyQuestion) -> bool {
    question.git_ref.starts_with("refs/pull/")
}

/// Hands on all that the question is about, if a request could have it.
fn asked<T>(question: &PolicyQuestion, ask: impl FnOnce(&Claims<'_>, &Sent<'_>) -> T) -> Option<T> {
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
        Sends::EventType(text) => {
            EventType::parse(text)?;
            vec![What::EventType(text)]
        }
        Sends::Workflow(file) => vec![What::Workflow(is_workflow(file).then_some(file)?, &question.git_ref)],
        Sends::Nothing => Vec::new(),
    };
    Some(ask(&claims, &Sent(sent)))
}

/// Lines that say why no rule holds.
fn why_none(rules: &Rules, question: &PolicyQuestion) -> Vec<String> {
    if is_of_pull_request(question) {
        return vec!["Jobs of pull requests may never ask.".to_owned()];
    }
    let misses = asked(question, |claims, sent| rules.misses(claims, sent).collect::<Vec<_>>());
    let Some(misses) = misses else { return vec!["No request can have that.".to_owned()] };
    let about: Vec<_> =
        misses.into_iter().filter(|(_, missed)| !missed.contains(&Member::Repositories)).collect();
    if about.is_empty() {
        return vec!["No rule is about this repository.".to_owned()];
    }
    let told = about.iter().take(MAX_TOLD).map(|(rule, missed)| {
        let missed: Vec<_> = missed.iter().map(|member| of_member(*member, rule)).collect();
        format!("Rule {} does not match by its {}.", rule.name, missed.join(", "))
    });
    let more = about.len().saturating_sub(MAX_TOLD);
    let more = (more > 0).then(|| format!("Nor do {more} more."));
    told.chain(more).collect()
}

fn of_member(member: Member, rule: &Rule) -> &'static str {
    match member {
        Member::Repositories => "repositories",
        Member::Refs => "refs",
        Member::Environments => "environments",
        Member::JobWorkflows => "job_workflows",
        Member::Sent if rule.event_types.is_empty() && rule.workflows.is_empty() && !rule.waits => {
            "event types and workflows (another rule names this one)"
        }
        Member::Sent => "event_types, workflows and waits",
    }
}

/// A line about the other rules that a job could have decide, since the author of its workflow chooses some claims.
fn by_other_claims(rules: &Rules, question: &PolicyQuestion, holds: &Rule) -> Option<String> {
    let others = asked(question, |claims, sent| {
        let is_reached = |(rule, missed): &(&Rule, Vec<Member>)| {
            rule.name != holds.name && missed.iter().all(|member| member.is_chosen())
        };
        rules.misses(claims, sent).filter(is_reached).map(|(rule, _)| rule.name.as_str()).collect::<Vec<_>>()
    })?;
    let more = others.len().saturating_sub(MAX_TOLD);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let told = others.iter().take(MAX_TOLD).copied().collect::<Vec<_>>().join(", ");
    (!others.is_empty())
        .then(|| format!("By another ref, environment or workflow of the job these may hold: {told}{more}."))
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
    let own = rule.self_approval.map(|own| format!("self_approval is {}.", own.as_str()));
    let time = rule.expires_in.map(|time| match time.num_minutes() {
        1 => "Within a minute at most.".to_owned(),
        minutes => format!("Within {minutes} minutes at most."),
    });
    let channel = match &rule.channel {
        RuleChannel::Deployment => None,
        RuleChannel::Bot(channel) => Some(format!("Posted to the channel {channel}.")),
        RuleChannel::Webhook(name) => Some(format!("Posted to the webhook of TEAMS_WEBHOOK_URL_{name}.")),
    };
    let closed = rule.closed.iter().map(of_window);
    people.into_iter().chain(own).chain(time).chain(closed).chain(channel).collect()
}

fn of_requirement(requirement: &Requirement) -> String {
    let approvers: Vec<_> = requirement.approvers.iter().map(|one| identifier(&one.as_text())).collect();
    let (approvals, approvers) = (requirement.approvals, approvers.join(", "));
    match &requirement.name {
        None => format!("Decided by {approvals} of {approvers}."),
        Some(name) => format!("{}: decided by {approvals} of {approvers}.", identifier(name)),
    }
}

fn of_window(window: &Window) -> String {
    let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let days: Vec<_> =
        window.days.iter().map(|day| DAYS[usize::from(day.to_monday_zero_offset().unsigned_abs())]).collect();
    let days = if days.len() == DAYS.len() { "every day".to_owned() } else { days.join(", ") };
    let why = if window.why.is_empty() { String::new() } else { format!(": {}", identifier(&window.why)) };
    format!("Closed {days} from {} to {}, {}{why}.", clock(window.from), clock(window.to), window.zone.name())
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Lines about the numbers that were taken as right, where the question gives none.
fn pinned(rule: &Rule, question: &PolicyQuestion) -> Vec<String> {
    let is_meant = |pattern: &&RepositoryRule| {
        pattern.as_str().contains('@')
            && asked(question, |claims, _| pattern.matches(claims, &claims.repository.to_string()))
                .is_some_and(|matches| matches)
    };
    let meant = rule.repositories.iter().filter(is_meant).map(RepositoryRule::as_str);
    meant.map(|text| format!("For a repository with the numbers of {text}.")).collect()
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
