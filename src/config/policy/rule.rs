//! A rule of the policy.

use chrono::TimeDelta;

use super::{
    closing,
    part::{MAX_ENTRIES, Object, Part, Unusable, refuse_doubles, texts},
};
use crate::{
    approval::{
        Approver, EventType, SelfApproval, Terms,
        rules::{
            Case, JobWorkflow, Needs, Pattern, RepositoryRule, Requirement, Rule, RuleChannel, Rules, Who,
        },
    },
    config::forms,
    text::json::REPLACEMENT,
};

/// The most people that a rule may require: so many votes are kept with a decision.
const MAX_REQUIRED: u16 = 10;
const _: () = assert!(MAX_REQUIRED as usize == Terms::MAX_REQUIRED);

/// The longest time to decide in, in minutes.
const MAX_MINUTES: u16 = 43_200;
const _: () = assert!(MAX_MINUTES as i64 == Terms::MAX_MINUTES);

/// The longest name of a rule, a requirement or a webhook.
const MAX_NAME: usize = 64;

/// Reads the list of all rules, in its order; none in the place of one that cannot be used.
pub fn rules(part: &Part<'_>, unusable: &mut Unusable) -> Vec<Option<Rule>> {
    let parts = part.list(Rules::MAX, unusable);
    let (names, rules): (Vec<_>, Vec<_>) = parts.iter().map(|part| named_rule(part, unusable)).unzip();
    refuse_doubles(&parts, names.iter().map(Option::as_ref), unusable);
    rules
}

/// The rule, and its name also if the rest of it cannot be used.
fn named_rule(part: &Part<'_>, unusable: &mut Unusable) -> (Option<String>, Option<Rule>) {
    let told = unusable.len();
    let Some(mut object) = part.object(unusable) else { return (None, None) };
    let name = object.need("name", unusable).and_then(|part| {
        let expected =
            "a name of 1 to 64 letters, digits, dots, hyphens and underscores, a letter or digit first";
        part.text(expected, unusable, |text| is_rule_name(text).then(|| text.to_owned()))
    });
    let rule = rule(name.clone(), object, unusable).filter(|_| unusable.len() == told);
    (name, rule)
}

fn rule(name: Option<String>, mut object: Object<'_>, unusable: &mut Unusable) -> Option<Rule> {
    let repositories = object.need("repositories", unusable).map_or_else(Vec::new, |part| {
        let expected = "owner/name or a pattern of it, such as octo/* or octo@2020/app@424242";
        texts(&part, expected, unusable, RepositoryRule::parse)
    });
    let refs = object.need("refs", unusable).map_or_else(Vec::new, |part| {
        texts(&part, "a pattern of a full ref, such as refs/heads/main or refs/tags/v*", unusable, git_ref)
    });
    let mut patterns = |object: &mut Object<'_>, name, expected, parse: fn(&str) -> Option<Pattern>| {
        object.take(name).map_or_else(Vec::new, |part| texts(&part, expected, unusable, parse))
    };
    let event_types = patterns(
        &mut object,
        "event_types",
        "an event type or a pattern of it, up to 100 characters",
        event_type,
    );
    let workflows = patterns(
        &mut object,
        "workflows",
        "a workflow's file name or a pattern of it, such as release.yml",
        workflow,
    );
    let environments =
        patterns(&mut object, "environments", "an environment's name or a pattern of it", environment);
    let job_workflows = object.take("job_workflows").map_or_else(Vec::new, |part| {
        let expected = "owner/name/.github/workflows/file.yml@ and then refs/… or a commit; only what follows the @ may have a *";
        texts(&part, expected, unusable, JobWorkflow::parse)
    });
    let waits = object.take("waits").is_some_and(|part| part.boolean(unusable).unwrap_or(false));
    let who = who(&mut object, unusable);
    let self_approval = object
        .take("self_approval")
        .and_then(|part| part.text("allow, deny or deny-authors", unusable, SelfApproval::parse));
    let minutes = object.take("expires_in_minutes").and_then(|part| part.number(MAX_MINUTES, unusable));
    let expires_in = minutes.map(|minutes| TimeDelta::minutes(minutes.into()));
    let channel = channel(&mut object, unusable);
    let closed = object.take("closed").map_or_else(Vec::new, |part| closing::windows(&part, unusable));
    object.finish(unusable);
    Some(Rule {
        name: name?,
        repositories,
        refs,
        event_types,
        workflows,
        waits,
        environments,
        job_workflows,
        who: who?,
        self_approval,
        expires_in,
        channel,
        closed,
    })
}

fn is_rule_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (1..=MAX_NAME).contains(&text.len())
        && text.bytes().all(allowed)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// A text that can be matched as a name: no half of a character is in it.
fn pattern(text: &str, case: Case) -> Option<Pattern> {
    Pattern::parse(text, case).filter(|_| !text.contains(REPLACEMENT))
}

fn git_ref(text: &str) -> Option<Pattern> {
    pattern(text, Case::Matters).filter(|_| text.starts_with("refs/") || text.starts_with('*'))
}

fn event_type(text: &str) -> Option<Pattern> {
    pattern(text, Case::Matters).filter(|_| text.chars().count() <= EventType::MAX)
}

fn workflow(text: &str) -> Option<Pattern> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-*".contains(&b);
    pattern(text, Case::Matters).filter(|_| text.bytes().all(allowed))
}

fn environment(text: &str) -> Option<Pattern> {
    pattern(text, Case::Ignored)
}

fn who(object: &mut Object<'_>, unusable: &mut Unusable) -> Option<Who> {
    let (requires, approvers) = (object.take("requires"), object.take("approvers"));
    let approvals = object.take("approvals_required");
    if let Some(requires) = requires {
        if approvers.is_some() || approvals.is_some() {
            object.refuse("must have either requires, or approvers and approvals_required", unusable);
            return None;
        }
        return requirements(&requires, unusable).map(Who::Requirements);
    }
    let approvals = match approvals {
        Some(part) => part.number(MAX_REQUIRED, unusable)?,
        None => 1,
    };
    let Some(part) = approvers else { return Some(Who::Deployment(approvals.into())) };
    let approvers = members(&part, unusable);
    let requirements = vec![Requirement { name: None, approvers, approvals: approvals.into() }];
    refuse_too_few(&requirements, |told| part.refuse(told, unusable));
    Some(Who::Requirements(requirements))
}

fn requirements(part: &Part<'_>, unusable: &mut Unusable) -> Option<Vec<Requirement>> {
    let parts = part.list(MAX_REQUIRED.into(), unusable);
    let found: Vec<_> = parts.iter().map(|part| requirement(part, unusable)).collect();
    let names = found.iter().map(|one| one.as_ref().and_then(|one| one.name.as_ref()));
    refuse_doubles(&parts, names, unusable);
    let found: Vec<Requirement> = found.into_iter().collect::<Option<_>>()?;
    if found.iter().map(|one| one.approvals).sum::<usize>() > Terms::MAX_REQUIRED {
        part.refuse("must require at most 10 people in all", unusable);
    } else {
        refuse_too_few(&found, |told| part.refuse(told, unusable));
    }
    Some(found)
}

fn requirement(part: &Part<'_>, unusable: &mut Unusable) -> Option<Requirement> {
    let mut object = part.object(unusable)?;
    let name = object.need("name", unusable).and_then(|part| {
        part.text("a name of at most 64 characters, in one line", unusable, |text| {
            let is_name = text.chars().count() <= MAX_NAME
                && !text.trim().is_empty()
                && !text.contains(|c: char| c.is_control() || c == REPLACEMENT);
            is_name.then(|| text.to_owned())
        })
    });
    let approvers = object.need("approvers", unusable).map(|part| members(&part, unusable));
    let approvals = match object.take("approvals") {
        Some(part) => part.number(MAX_REQUIRED, unusable),
        None => Some(1),
    };
    object.finish(unusable);
    Some(Requirement { name: Some(name?), approvers: approvers?, approvals: approvals?.into() })
}

fn members(part: &Part<'_>, unusable: &mut Unusable) -> Vec<Approver> {
    let parts = part.list(MAX_ENTRIES, unusable);
    let expected = "an object id, a user principal name or group: and an object id";
    let found: Vec<_> = parts.iter().map(|part| part.text(expected, unusable, Approver::parse)).collect();
    let keys: Vec<_> = found.iter().map(|approver| approver.as_ref().map(Approver::as_text)).collect();
    refuse_doubles(&parts, keys.iter().map(Option::as_ref), unusable);
    found.into_iter().flatten().collect()
}

/// Refuses requirements that different people cannot all meet. If a list is empty, that was told before.
fn refuse_too_few(requirements: &[Requirement], refuse: impl FnOnce(&str)) {
    let is_read = requirements.iter().all(|one| !one.approvers.is_empty());
    if is_read && !(Needs { requirements, people: 0, narrowed_to: None }).can_be_met() {
        refuse("different people cannot meet all of it: too few are listed");
    }
}

fn channel(object: &mut Object<'_>, unusable: &mut Unusable) -> RuleChannel {
    if object.has("channel") && object.has("webhook") {
        object.refuse("must have either channel or webhook", unusable);
    }
    let channel = object.take("channel").and_then(|part| {
        part.text(forms::CHANNEL_ID, unusable, |text| forms::channel_id(text).ok()).map(RuleChannel::Bot)
    });
    let webhook = object.take("webhook").and_then(|part| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let is_name = |text: &str| (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(allowed);
        let expected = "the NAME of the setting TEAMS_WEBHOOK_URL_NAME, letters, digits and underscores; never an address";
        part.text(expected, unusable, |text| is_name(text).then(|| text.to_owned())).map(RuleChannel::Webhook)
    });
    channel.or(webhook).unwrap_or(RuleChannel::Deployment)
}
