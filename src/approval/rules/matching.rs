//! The things that a rule is matched against, all of them proven, and the way in which it matches them.

use super::{Case, Pattern, Rule};
use crate::approval::{Repository, Workload};

/// The claims of the asking job's token.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// `repository`
    pub repository: &'a Repository,
    /// `repository_id`
    pub repository_id: &'a str,
    /// `repository_owner_id`, if it is known.
    pub owner_id: Option<&'a str>,
    /// `ref`, in full; may be empty.
    pub git_ref: &'a str,
    /// `environment`, if the job has one.
    pub environment: Option<&'a str>,
    /// `job_workflow_ref`, if it is known.
    pub job_workflow_ref: Option<&'a str>,
}

impl<'a> From<&'a Workload> for Claims<'a> {
    fn from(workload: &'a Workload) -> Self {
        Self {
            repository: &workload.repository,
            repository_id: &workload.repository_id,
            owner_id: workload.owner_id.as_deref(),
            git_ref: &workload.git_ref,
            environment: workload.environment.as_deref(),
            job_workflow_ref: workload.job_workflow_ref.as_deref(),
        }
    }
}

/// The ref in full that a request, or a person, means: a text that does not begin with `refs/` is a branch.
pub fn full_ref(text: &str) -> String {
    if text.is_empty() || text.starts_with("refs/") { text.to_owned() } else { format!("refs/heads/{text}") }
}

/// One thing that may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// A `repository_dispatch` of this event type.
    EventType(&'a str),
    /// A `workflow_dispatch` of this file, on this ref in full.
    Workflow(&'a str, &'a str),
}

/// Everything that may be sent for one approval: after a yes, after a no and at the end of its time. Nothing at all if a
/// job only waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent<'a>(pub Vec<What<'a>>);

impl Sent<'_> {
    /// For each thing, true if some rule names it.
    pub(super) fn named_by(&self, rules: &[Rule]) -> Vec<bool> {
        self.0.iter().map(|what| what.is_named_by(rules)).collect()
    }
}

impl What<'_> {
    pub(super) fn is_named_by(&self, rules: &[Rule]) -> bool {
        rules.iter().any(|rule| self.is_in_lists_of(rule))
    }

    fn is_in_lists_of(&self, rule: &Rule) -> bool {
        match self {
            Self::EventType(event_type) => any_matches(&rule.event_types, event_type),
            Self::Workflow(file, _) => any_matches(&rule.workflows, file),
        }
    }
}

/// A member of a rule that is matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// `repositories`
    Repositories,
    /// `refs`
    Refs,
    /// `environments`
    Environments,
    /// `job_workflows`
    JobWorkflows,
    /// `event_types`, `workflows` and `waits`
    Sent,
}

impl Member {
    const ALL: [Self; 5] =
        [Self::Repositories, Self::Refs, Self::Environments, Self::JobWorkflows, Self::Sent];

    /// True if the author of a workflow chooses the claim that it is matched against.
    pub fn is_chosen(self) -> bool {
        matches!(self, Self::Refs | Self::Environments | Self::JobWorkflows)
    }
}

impl Rule {
    /// True if the rule is about this job, of the `repository` in the claims, and everything that may be sent for it;
    /// `named` says which of these things some rule names.
    // T43
    pub(super) fn matches(
        &self,
        claims: &Claims<'_>,
        repository: &str,
        sent: &Sent<'_>,
        named: &[bool],
    ) -> bool {
        Member::ALL.iter().all(|member| self.matches_by(*member, claims, repository, (sent, named)))
    }

    /// The members by which the rule is not about this job.
    pub(super) fn misses(
        &self,
        claims: &Claims<'_>,
        repository: &str,
        sent: &Sent<'_>,
        named: &[bool],
    ) -> Vec<Member> {
        let is_missed = |member: &Member| !self.matches_by(*member, claims, repository, (sent, named));
        Member::ALL.into_iter().filter(is_missed).collect()
    }

    fn matches_by(
        &self,
        member: Member,
        claims: &Claims<'_>,
        repository: &str,
        (sent, named): (&Sent<'_>, &[bool]),
    ) -> bool {
        let environment = claims.environment.unwrap_or_default();
        let job_workflow = claims.job_workflow_ref.unwrap_or_default();
        match member {
            Member::Repositories => {
                self.repositories.iter().any(|pattern| pattern.matches(claims, repository))
            }
            Member::Refs => {
                let other = |what: &What<'_>| match what {
                    What::EventType(_) => true,
                    What::Workflow(_, git_ref) => any_matches(&self.refs, git_ref),
                };
                any_matches(&self.refs, claims.git_ref) && sent.0.iter().all(other)
            }
            Member::Environments => {
                self.environments.is_empty() || any_matches(&self.environments, environment)
            }
            Member::JobWorkflows => {
                self.job_workflows.is_empty()
                    || self.job_workflows.iter().any(|pattern| pattern.matches(job_workflow))
            }
            Member::Sent => self.allows(sent, named),
        }
    }

    fn allows(&self, sent: &Sent<'_>, named: &[bool]) -> bool {
        if sent.0.is_empty() {
            return self.waits;
        }
        let is_open = self.event_types.is_empty() && self.workflows.is_empty() && !self.waits;
        let mut sent = sent.0.iter().zip(named);
        sent.all(|(what, is_named)| if is_open { !is_named } else { what.is_in_lists_of(self) })
    }
}

fn any_matches(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

/// A pattern for repositories: `owner/name`, each part with stars, or without them and with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryRule {
    text: String,
    name: Pattern,
    owner_id: Option<String>,
    repository_id: Option<String>,
}

impl RepositoryRule {
    /// Reads `octo/*`, `octo@2020/app@424242`, `octo/app-*`, `**` and the like.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, owner_id, repository_id) = match text.split_once('/') {
            Some((owner, name)) => {
                let ((owner, owner_id), (name, repository_id)) = (pinned(owner)?, pinned(name)?);
                (format!("{owner}/{name}"), owner_id, repository_id)
            }
            None if text.contains("**") => (text.to_owned(), None, None),
            None => return None,
        };
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_./*".contains(&b);
        let is_name = text.len() <= Pattern::MAX
            && name.bytes().all(allowed)
            && name.split('/').all(|part| !part.is_empty())
            && name.matches('/').count() < 2;
        let name = is_name.then(|| Pattern::parse(&name, Case::Ignored))??;
        Some(Self { text: text.to_owned(), name, owner_id, repository_id })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn forget_numbers(&mut self) {
        (self.owner_id, self.repository_id) = (None, None);
    }

    /// True if the claims are those of a repository that it means.
    pub fn matches(&self, claims: &Claims<'_>, repository: &str) -> bool {
        self.owner_id.as_deref().is_none_or(|pinned| claims.owner_id == Some(pinned))
            && self.repository_id.as_deref().is_none_or(|pinned| claims.repository_id == pinned)
            && self.name.matches(repository)
    }
}

/// A part of a repository's name and its number. Only a whole name has one.
fn pinned(text: &str) -> Option<(&str, Option<String>)> {
    let Some((name, id)) = text.split_once('@') else { return Some((text, None)) };
    let is_number = (1..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit());
    (is_number && !name.contains('*')).then(|| (name, Some(id.to_owned())))
}

/// A pattern for the file of a job's workflow, `owner/name/.github/workflows/file.yml@refs/…`, or `@` a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobWorkflow {
    text: String,
    repository: Repository,
    /// The file, from the slash behind the repository to the `@`, with it.
    file: String,
    version: Pattern,
}

impl JobWorkflow {
    const FOLDER: &str = "/.github/workflows/";

    /// Reads a pattern. Only what stands after the `@` may have stars.
    pub fn parse(text: &str) -> Option<Self> {
        let (path, version) = text.split_once('@')?;
        let (repository, name) = path.split_once(Self::FOLDER)?;
        let allowed = |c: char| !c.is_control() && !matches!(c, '/' | '*');
        let stem = name.strip_suffix(".yml").or_else(|| name.strip_suffix(".yaml"))?;
        let is_commit = matches!(version.len(), 40 | 64)
            && version.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let is_version = is_commit || version.strip_prefix("refs/").is_some_and(|rest| !rest.is_empty());
        if text.chars().count() > Pattern::MAX || stem.is_empty() || !stem.chars().all(allowed) || !is_version
        {
            return None;
        }
        let (file, version) = (format!("{}{name}@", Self::FOLDER), Pattern::parse(version, Case::Matters)?);
        Some(Self { text: text.to_owned(), repository: Repository::parse(repository)?, file, version })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True if the claim is of this file, and its version matches. The file's name ends where the pattern's `@` stands:
    /// one that is called `release.yml@evil.yml` goes on with something that is no version.
    fn matches(&self, claim: &str) -> bool {
        let name = self.repository.to_string();
        let Some((repository, rest)) = claim.split_at_checked(name.len()) else { return false };
        let version = rest.strip_prefix(self.file.as_str());
        name.eq_ignore_ascii_case(repository) && version.is_some_and(|version| self.version.matches(version))
    }
}
