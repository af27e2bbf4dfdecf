//! `POLICY`: the operator's rules, as JSON or as the name of a JSON file in the app's folder.
//!
//! Read strictly, since a rule that is passed over allows something that the operator forbids: every part that cannot be
//! used is named with its place, all of them together.

mod closing;
mod part;
mod rule;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
    path::Path,
};

use self::part::Part;
use crate::approval::{
    Approver, Approvers, EventTypes,
    rules::{Needs, Requirement, Rule, RuleChannel, Rules, Who},
};

/// The largest policy, in bytes.
const MAX_BYTES: u64 = 1_000_000;

/// The most groups in all rules together: a reader of the list may be in any, and so is asked about all.
const MAX_GROUPS: usize = 400;

/// The longest file name.
const MAX_FILE_NAME: usize = 100;

const SETTING: &str = "POLICY";

/// The settings that rules must fit to.
#[derive(Debug)]
pub struct Beside<'a> {
    /// `APPROVERS`
    pub approvers: &'a Approvers,
    /// `MIN_APPROVALS`
    pub min_approvals: usize,
    /// `RELAY_EVENT_TYPES`
    pub relay_event_types: &'a EventTypes,
    /// The names of all webhooks: `STAGING` for `TEAMS_WEBHOOK_URL_STAGING`.
    pub webhooks: BTreeSet<String>,
}

/// Reads the setting `POLICY`: JSON, or the name of a file in `folder`. All that cannot be used, a line each.
pub fn setting(text: &str, folder: &Path, beside: &Beside<'_>) -> Result<Rules, Vec<String>> {
    let json = match text.trim_start().starts_with(['[', '{']) {
        true => Ok(text.to_owned()),
        false if is_file_name(text) => read(&folder.join(text)),
        false => Err(format!(
            "{SETTING}: must be a list of rules in JSON, or the name of a .json file in the app's folder"
        )),
    };
    usable(json, Some(beside))
}

/// Reads the rules of a file, on their own.
pub fn file(path: &Path) -> Result<Rules, Vec<String>> {
    usable(read(path), None)
}

/// Reads rules from JSON, on their own.
pub fn rules(json: &str) -> Result<Rules, Vec<String>> {
    usable(Ok(json.to_owned()), None)
}

/// The rules of a text, or everything that is wrong with it and with the settings beside it.
fn usable(json: Result<String, String>, beside: Option<&Beside<'_>>) -> Result<Rules, Vec<String>> {
    let mut unusable = Vec::new();
    let mut rules = Vec::new();
    match json {
        Ok(json) => {
            let whole = Part::whole(SETTING, &json, &mut unusable);
            rules = whole.map(|part| rule::rules(&part, &mut unusable)).unwrap_or_default();
        }
        Err(told) => unusable.push(told),
    }
    unusable.extend(too_many_groups(&rules));
    unusable.extend(beside.map(|beside| beside.unfit(&rules)).unwrap_or_default());
    match rules.into_iter().collect::<Option<_>>().and_then(Rules::new) {
        Some(rules) if unusable.is_empty() => Ok(rules),
        _ => Err(unusable),
    }
}

/// The complaint about more groups than Graph is asked about at once.
fn too_many_groups(rules: &[Option<Rule>]) -> Option<String> {
    let people = rules.iter().flatten().flat_map(Rule::requirements).flat_map(|one| &one.approvers);
    let groups: BTreeSet<_> =
        people.filter(|approver| approver.group().is_some()).map(Approver::as_text).collect();
    let count = groups.len();
    (count > MAX_GROUPS).then(|| format!("{SETTING}: must have at most {MAX_GROUPS} groups, and has {count}"))
}

/// A name that no path hides in.
fn is_file_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    text.len() <= MAX_FILE_NAME
        && text.ends_with(".json")
        && !text.starts_with('.')
        && text.bytes().all(allowed)
}

/// The file's text, without a mark of its byte order.
fn read(path: &Path) -> Result<String, String> {
    let text = try_to_read(path).map_err(|error| format!("{SETTING}: the file cannot be read: {error}"))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn try_to_read(path: &Path) -> io::Result<String> {
    // Opening anything else could wait for ever.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    match u64::try_from(text.len()) {
        Ok(length) if length <= MAX_BYTES => Ok(text),
        _ => Err(io::Error::other(format!("it is larger than {MAX_BYTES} bytes"))),
    }
}

impl Beside<'_> {
    /// All that does not fit to the other settings.
    fn unfit(&self, rules: &[Option<Rule>]) -> Vec<String> {
        let relay = matches!(self.relay_event_types, EventTypes::Any)
            .then(|| format!("{SETTING}: RELAY_EVENT_TYPES must list event types beside it, and not be *"));
        let of_rule = |(at, rule): (usize, &Option<Rule>)| {
            let Some(rule) = rule else { return Vec::new() };
            let webhook = self.missing_webhook(rule).map(|told| format!("{SETTING}[{at}].webhook: {told}"));
            let people = self.lacks_people(rule).map(|told| format!("{SETTING}[{at}]: {told}"));
            webhook.into_iter().chain(people).collect()
        };
        relay.into_iter().chain(rules.iter().enumerate().flat_map(of_rule)).collect()
    }

    fn missing_webhook(&self, rule: &Rule) -> Option<String> {
        match &rule.channel {
            RuleChannel::Webhook(name) if !self.webhooks.contains(name) => {
                Some(format!("the setting TEAMS_WEBHOOK_URL_{name} is missing"))
            }
            _ => None,
        }
    }

    /// The complaint about a rule that can never be met.
    fn lacks_people(&self, rule: &Rule) -> Option<String> {
        let met = |requirements: &[Requirement]| {
            Needs { requirements, people: self.min_approvals, narrowed_to: None }.can_be_met()
        };
        match (&rule.who, self.approvers) {
            (Who::Requirements(requirements), _) if !met(requirements) => {
                Some(format!("it lists fewer people than MIN_APPROVALS, which is {}", self.min_approvals))
            }
            (Who::Deployment(approvals), Approvers::Only(listed)) => {
                let approvers = Requirement { name: None, approvers: listed.clone(), approvals: *approvals };
                (!met(&[approvers])).then(|| "APPROVERS lists fewer people than it requires".to_owned())
            }
            _ => None,
        }
    }
}
