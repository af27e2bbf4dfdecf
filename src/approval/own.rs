//! Nobody approves their own: the people behind accounts on GitHub, and the accounts that started a run.

use std::fmt;

use super::{
    Approver, Author, Authors, Forbidden, Invalid, Outcome, Performer, Person, Policy, Request, Standing,
    Terms, Verdict, Workload, policy::distinct, rules::Needs,
};

/// The people who may not approve, although they are approvers (`SELF_APPROVAL`); each is stricter than the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SelfApproval {
    /// `allow`: nobody is kept from approving.
    #[default]
    Allow,
    /// `deny`: those who started or re-ran the run.
    Deny,
    /// `deny-authors`: nor the authors of the commits that the release brings.
    DenyAuthors,
}

impl SelfApproval {
    /// The word of the setting.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::DenyAuthors => "deny-authors",
        }
    }

    /// Reads the word of the setting.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "allow" => Some(Self::Allow),
            "deny" => Some(Self::Deny),
            "deny-authors" => Some(Self::DenyAuthors),
            _ => None,
        }
    }
}

/// The name of an account on GitHub. Its case does not matter.
#[derive(Clone, PartialEq, Eq)]
pub struct Login(String);

impl Login {
    /// The end of the names of bots, which no person's name has.
    const BOT: &str = "[bot]";

    /// The longest name, in characters; GitHub's own are shorter.
    const MAX: usize = 100;

    /// Reads a name: letters, digits, `-` and `_`, with `[bot]` at its end if it is a bot's.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.strip_suffix(Self::BOT).unwrap_or(text);
        let is_of_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let fits = (1..=Self::MAX).contains(&name.len()) && name.bytes().all(is_of_name);
        fits.then(|| Self(text.to_owned()))
    }

    /// True if it is a bot's.
    pub fn is_bot(&self) -> bool {
        self.0.ends_with(Self::BOT)
    }

    /// True if it is that of every workflow's own token, behind which anybody may be.
    pub fn is_of_workflows(&self) -> bool {
        self.is("github-actions[bot]")
    }

    fn is(&self, login: &str) -> bool {
        self.0.eq_ignore_ascii_case(login)
    }
}

/// Keeps names out of logs.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

/// The people behind accounts on GitHub (`GITHUB_LOGINS`): each account with a name of its person, or with none if it
/// is a bot's. An account may be listed more than once, with every name of its person.
#[derive(Clone, Debug, Default)]
pub struct GithubLogins(pub Vec<(Login, Option<Approver>)>);

/// The relation of a performer to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    /// The account is the performer's.
    Same,
    /// It is another's.
    Other,
    /// It is listed by user principal name, and the performer's is not known.
    Nameless,
    /// It is not listed.
    Unlisted,
}

impl GithubLogins {
    /// True if the account is listed.
    pub fn has(&self, login: &str) -> bool {
        self.entries(login).next().is_some()
    }

    /// The names of the person behind the account.
    pub fn people_of(&self, login: &str) -> impl Iterator<Item = &Approver> {
        self.entries(login).flatten()
    }

    fn entries(&self, login: &str) -> impl Iterator<Item = Option<&Approver>> {
        self.0.iter().filter(move |(listed, _)| listed.is(login)).map(|(_, person)| person.as_ref())
    }

    fn relation(&self, login: &str, person: &Person) -> Relation {
        let mut names = self.people_of(login);
        if !self.has(login) {
            Relation::Unlisted
        } else if self.people_of(login).any(|listed| listed.is(person)) {
            Relation::Same
        } else if person.user_principal_name.is_none() && names.any(Approver::is_name) {
            Relation::Nameless
        } else {
            Relation::Other
        }
    }
}

/// The reason why somebody may not approve what may be their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// They started or re-ran the run.
    Run,
    /// Its people are listed by user principal name, and theirs is not known.
    Nameless,
    /// Nobody has to say who they are.
    Anonymous,
    /// The account that started or re-ran the run is not in `GITHUB_LOGINS`.
    Unlisted,
    /// The account that re-ran the run is not on record.
    UnknownRerun,
    /// They wrote one of the commits.
    Author,
    /// Not all commits can be read, so nobody knows who wrote them.
    UnreadCommits,
    /// The authors of the commits are not known yet. An approve that waits for them is `unavailable`, not `forbidden`.
    UnknownAuthors,
}

impl Own {
    /// The thing that an approve needs and that is missing, if nobody can ask GitHub for the authors.
    pub const LACKS_CREDENTIALS: &str =
        "GITHUB_TOKEN (or a GitHub App: deny-authors has to read who wrote the commits)";
}

impl Policy {
    /// Allows `performer` to cast this vote on `request`, or refuses what may be their own. Rejecting is always allowed.
    pub fn not_own(
        &self,
        (request, authors): (&Request, Option<&Authors>),
        performer: &Performer,
        verdict: Verdict,
    ) -> Result<(), Own> {
        let level = self.self_approval_of(self.governing_of(request));
        if level == SelfApproval::Allow || verdict == Verdict::Reject {
            return Ok(());
        }
        match not_own(&self.github_logins, request, performer) {
            // GitHub is not asked in a dry run.
            Err(Own::UnknownRerun) if self.dry_run => {}
            judged => judged?,
        }
        match self.needs_authors(request) {
            true => not_an_author(&self.github_logins, authors, performer),
            false => Ok(()),
        }
    }

    /// The strictest level that holds for any approval.
    pub fn strictest_self_approval(&self) -> SelfApproval {
        let of_rules = self.rules.iter().flat_map(|rules| rules.all()).filter_map(|rule| rule.self_approval);
        of_rules.fold(self.self_approval, Ord::max)
    }

    /// True if the authors of the commits bear on who may approve `request`. GitHub is not asked in a dry run.
    pub fn needs_authors(&self, request: &Request) -> bool {
        self.self_approval_of(self.governing_of(request)) >= SelfApproval::DenyAuthors && !self.dry_run
    }

    /// The authors whom `GITHUB_LOGINS` does not list, so that nobody is kept from approving for them.
    pub fn unlisted_authors<'a>(&self, standing: &'a Standing) -> Vec<&'a Author> {
        let known = standing.authors.as_ref().filter(|_| self.needs_authors(&standing.request));
        let is_unlisted = |author: &&Author| match author {
            Author::Account(login, _) => !self.github_logins.has(login),
            Author::Name(_) => true,
        };
        known.iter().flat_map(|known| &known.authors).filter(is_unlisted).collect()
    }

    /// Allows a job to ask for an approval that those who started or re-ran its run cannot give, or refuses it: the
    /// accounts must be known, and enough other people left, as far as `approvers` tell.
    // T40
    pub fn ask_others(
        &self,
        asked: &Terms,
        workload: &Workload,
        approvers: Option<&[Approver]>,
    ) -> Result<(), Outcome> {
        let governing = self.governing(asked, workload);
        if self.self_approval_of(governing) == SelfApproval::Allow {
            return Ok(());
        }
        let logins = [Some(&workload.actor), workload.rerun_by.as_ref()];
        for login in logins.into_iter().flatten() {
            if !self.github_logins.has(login) {
                return Err(Outcome::Forbidden(Forbidden::Login(login.clone())));
            }
        }
        let is_own = |approver: &Approver| {
            let mut own = logins.into_iter().flatten().flat_map(|login| self.github_logins.people_of(login));
            own.any(|person| person.is_same(approver))
        };
        let of_rule = governing.requirements().map(|all| {
            let mut all = all.to_vec();
            all.iter_mut().for_each(|one| one.approvers.retain(|approver| !is_own(approver)));
            all
        });
        let narrowed: Option<Vec<_>> = asked
            .approvers
            .as_ref()
            .map(|listed| listed.iter().filter(|approver| !is_own(approver)).cloned().collect());
        let left = of_rule.as_deref().map(|requirements| Needs {
            requirements,
            people: asked.approvals_required.max(self.min_approvals),
            narrowed_to: narrowed.as_deref(),
        });
        if left.is_some_and(|left| !left.can_be_met()) {
            return Err(Outcome::Invalid(Invalid::TooFewOthers));
        }
        let required = asked.approvals_required.max(governing.approvals());
        let others = approvers.map(|listed| listed.iter().filter(|approver| !is_own(approver)).cloned());
        let others = others.map(|others| distinct(&others.collect::<Vec<_>>()));
        match others.is_some_and(|others| required > others) {
            true => Err(Outcome::Invalid(Invalid::TooFewOthers)),
            false => Ok(()),
        }
    }

    /// True if it must be known who re-ran the run before its job may ask.
    pub fn needs_rerunner(&self, terms: &Terms, workload: &Workload) -> bool {
        let level = self.self_approval_of(self.governing(terms, workload));
        let is_asked = level > SelfApproval::Allow && !self.dry_run;
        is_asked && workload.is_rerun() && workload.rerun_by.is_none()
    }
}

/// Allows `performer` to approve `request` under `deny`, or refuses it. In doubt it is refused.
// T40
pub fn not_own(logins: &GithubLogins, request: &Request, performer: &Performer) -> Result<(), Own> {
    let Performer::Person(person) = performer else { return Err(Own::Anonymous) };
    let workload = &request.workload;
    let logins_of_run = [Some(&workload.actor), workload.rerun_by.as_ref()];
    let relations: Vec<_> =
        logins_of_run.into_iter().flatten().map(|login| logins.relation(login, person)).collect();
    let has = |relation| relations.contains(&relation);
    if has(Relation::Same) {
        Err(Own::Run)
    } else if has(Relation::Unlisted) {
        Err(Own::Unlisted)
    } else if has(Relation::Nameless) {
        Err(Own::Nameless)
    } else if workload.is_rerun() && workload.rerun_by.is_none() {
        Err(Own::UnknownRerun)
    } else {
        Ok(())
    }
}

/// Allows `performer` to approve commits of these `authors`, or refuses it. An author who is not listed keeps nobody.
// T40
fn not_an_author(logins: &GithubLogins, authors: Option<&Authors>, performer: &Performer) -> Result<(), Own> {
    let Performer::Person(person) = performer else { return Err(Own::Anonymous) };
    let Some(Authors { authors, are_all }) = authors else { return Err(Own::UnknownAuthors) };
    let relation = |author: &Author| match author {
        Author::Account(login, _) => logins.relation(login, person),
        Author::Name(_) => Relation::Unlisted,
    };
    let relations: Vec<_> = authors.iter().map(relation).collect();
    if relations.contains(&Relation::Same) {
        Err(Own::Author)
    } else if !are_all {
        Err(Own::UnreadCommits)
    } else if relations.contains(&Relation::Nameless) {
        Err(Own::Nameless)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::approval::{ApprovalId, Ballot, EventType, Guid, Memberships, Repository, Terms, Workload};

    const ALEX: &str = "0a0b0c0d-1111-2222-3333-444455556666";
    const SAM: &str = "11110c0d-1111-2222-3333-444455556666";

    fn logins(listed: &[(&str, &str)]) -> GithubLogins {
        let entry =
            |(login, person): &(&str, &str)| (Login::parse(login).expect("a login"), Approver::parse(person));
        GithubLogins(listed.iter().map(entry).collect())
    }

    fn person(object_id: &str, name: Option<&str>) -> Performer {
        Performer::Person(Person {
            object_id: Guid::parse(object_id).expect("a GUID"),
            tenant: Guid::parse("99999999-1111-2222-3333-444455556666").expect("a GUID"),
            user_principal_name: name.map(str::to_owned),
            display_name: None,
        })
    }

    fn request(actor: &str, attempt: &str, rerun_by: Option<&str>) -> Request {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let workload = Workload {
            actor: actor.to_owned(),
            run_attempt: attempt.to_owned(),
            rerun_by: rerun_by.map(str::to_owned),
            ..Workload::sample(Repository::parse("octo/app").expect("a repository"))
        };
        let terms = Terms::sample(EventType::parse("go").expect("an event type"));
        Request { id: ApprovalId::new(now, [0; 16]), terms, workload, created_at: now }
    }

    #[test]
    fn logins_are_names_of_accounts_and_bots_are_told_by_their_end() {
        for (text, is_bot) in [("octocat", false), ("Octo-Cat_contoso", false), ("renovate[bot]", true)] {
            assert_eq!(Login::parse(text).expect("a login").is_bot(), is_bot, "{text}");
        }
        for text in ["", "[bot]", "a b", "a@b", "a[bot", "[bot]a", "a[bot][bot]", "\u{e4}", &"a".repeat(101)]
        {
            assert_eq!(Login::parse(text), None, "{text:?}");
        }
        assert!(Login::parse("GitHub-Actions[bot]").expect("a login").is_of_workflows());
    }

    #[test]
    fn a_performer_is_the_starter_by_any_of_their_names() {
        let both = [("octocat", ALEX), ("OCTOCAT", "alex@contoso.com"), ("octocat", "admin@contoso.com")];
        for (listed, performer, expected) in [
            (&both[..1], person(ALEX, None), Err(Own::Run)),
            (&both[..1], person(SAM, None), Ok(())),
            (&both[1..2], person(ALEX, Some("Alex@Contoso.com")), Err(Own::Run)),
            (&both[1..2], person(SAM, Some("sam@contoso.com")), Ok(())),
            (&both[1..2], person(SAM, None), Err(Own::Nameless)),
            (&both, person(ALEX, None), Err(Own::Run)),
            (&both, person(SAM, Some("admin@contoso.com")), Err(Own::Run)),
            (&both, person(SAM, None), Err(Own::Nameless)),
            (&both, Performer::Anonymous, Err(Own::Anonymous)),
            (&[], person(SAM, None), Err(Own::Unlisted)),
        ] {
            let judged = not_own(&logins(listed), &request("OctoCat", "1", None), &performer);
            assert_eq!(judged, expected, "{performer:?} {}", listed.len());
        }
    }

    #[test]
    fn who_re_ran_it_is_held_to_the_same_and_must_be_known() {
        let listed = logins(&[("octocat", ALEX), ("hubot", SAM), ("renovate[bot]", "none")]);
        let other = "22220c0d-1111-2222-3333-444455556666";
        for (actor, attempt, rerun_by, who, expected) in [
            ("octocat", "2", Some("hubot"), ALEX, Err(Own::Run)),
            ("octocat", "2", Some("Hubot"), SAM, Err(Own::Run)),
            ("octocat", "2", Some("hubot"), other, Ok(())),
            ("octocat", "2", Some("stranger"), other, Err(Own::Unlisted)),
            ("octocat", "2", None, other, Err(Own::UnknownRerun)),
            ("renovate[bot]", "1", None, ALEX, Ok(())),
            ("renovate", "1", None, ALEX, Err(Own::Unlisted)),
        ] {
            let judged = not_own(&listed, &request(actor, attempt, rerun_by), &person(who, None));
            assert_eq!(judged, expected, "{actor} {attempt} {rerun_by:?} {who}");
        }
    }

    /// A policy of this strictness, with everybody an approver.
    fn policy(self_approval: SelfApproval, listed: &[(&str, &str)]) -> Policy {
        Policy {
            self_approval,
            github_logins: logins(listed),
            approvers: crate::approval::Approvers::Everybody,
            allowed_repositories: crate::approval::RepositoryPattern::parse("octo/*").into_iter().collect(),
            ..Policy::default()
        }
    }

    fn by(accounts: &[&str], are_all: bool) -> Authors {
        let account = |login: &&str| Author::Account((*login).to_owned(), None);
        Authors { authors: accounts.iter().map(account).collect(), are_all }
    }

    #[test]
    fn each_strictness_is_its_word_and_each_is_stricter_than_the_one_before() {
        let words = ["allow", "deny", "deny-authors"];
        let all = words.map(|word| SelfApproval::parse(word).expect(word));
        assert!(all.is_sorted() && all[0] < all[1] && all[1] < all[2]);
        assert_eq!(SelfApproval::parse("deny_authors"), None);
    }

    #[test]
    fn an_author_by_any_of_their_names_does_not_approve_and_an_unlisted_one_keeps_nobody() {
        let listed = [("octocat", "none"), ("Hubot", ALEX), ("kim", "kim@contoso.com"), ("bot[bot]", "none")];
        let listed = logins(&listed);
        for (authors, performer, expected) in [
            (Some(by(&["hubot"], true)), person(ALEX, None), Err(Own::Author)),
            (Some(by(&["stranger", "HUBOT"], false)), person(ALEX, None), Err(Own::Author)),
            (Some(by(&["hubot"], true)), person(SAM, None), Ok(())),
            (Some(by(&["kim"], true)), person(SAM, Some("KIM@contoso.com")), Err(Own::Author)),
            (Some(by(&["kim"], true)), person(SAM, Some("sam@contoso.com")), Ok(())),
            (Some(by(&["kim"], true)), person(SAM, None), Err(Own::Nameless)),
            (Some(by(&["stranger", "bot[bot]"], true)), person(ALEX, None), Ok(())),
            (Some(by(&[], true)), person(ALEX, None), Ok(())),
            (Some(by(&[], false)), person(ALEX, None), Err(Own::UnreadCommits)),
            (None, person(ALEX, None), Err(Own::UnknownAuthors)),
            (Some(by(&[], true)), Performer::Anonymous, Err(Own::Anonymous)),
        ] {
            let judged = not_an_author(&listed, authors.as_ref(), &performer);
            assert_eq!(judged, expected, "{authors:?} {performer:?}");
        }
        // A name that a commit gives is nobody's account.
        let named = Authors { authors: vec![Author::Name("hubot".to_owned())], are_all: true };
        assert_eq!(not_an_author(&listed, Some(&named), &person(ALEX, None)), Ok(()));
    }

    #[test]
    fn judging_and_counting_agree_and_rejecting_is_always_allowed() {
        let listed = [("octocat", "22220c0d-1111-2222-3333-444455556666"), ("hubot", ALEX)];
        let authors = [None, Some(by(&["hubot"], true)), Some(by(&["kim"], true)), Some(by(&[], false))];
        let all = [SelfApproval::Allow, SelfApproval::Deny, SelfApproval::DenyAuthors];
        for (strictness, known) in all.into_iter().flat_map(|all| authors.clone().map(|known| (all, known))) {
            let (policy, request) = (policy(strictness, &listed), request("octocat", "1", None));
            let (at, nobody) = (request.created_at, Memberships::default());
            for (verdict, who) in [Verdict::Approve, Verdict::Reject]
                .into_iter()
                .flat_map(|verdict| [(verdict, ALEX), (verdict, SAM)])
            {
                let ballot = Ballot {
                    performer: person(who, None),
                    verdict,
                    comment: String::new(),
                    at,
                    groups: Vec::new(),
                };
                let standing = Standing {
                    authors: known.clone(),
                    ballots: vec![ballot],
                    ..Standing::new(request.clone())
                };
                let may = policy.judge(&standing, (&person(who, None), &nobody), at).vote(verdict).is_ok();
                assert_eq!(
                    !policy.hold(standing, &nobody).ballots.is_empty(),
                    may,
                    "{strictness:?} {known:?} {verdict:?} {who}"
                );
                let is_kept = match (&known, strictness) {
                    (_, SelfApproval::Allow | SelfApproval::Deny) => false,
                    (Some(known), _) => {
                        !known.are_all || (known.authors == by(&["hubot"], true).authors && who == ALEX)
                    }
                    (None, _) => true,
                };
                assert_eq!(
                    may,
                    verdict == Verdict::Reject || !is_kept,
                    "{strictness:?} {known:?} {verdict:?} {who}"
                );
            }
        }
    }

    #[test]
    fn a_dry_run_needs_no_authors_and_what_is_decided_waits_for_none() {
        let listed = [("octocat", "none")];
        let (asked, alex) = (request("octocat", "1", None), person(ALEX, None));
        let now = asked.created_at;
        let strict = policy(SelfApproval::DenyAuthors, &listed);
        let dry = Policy { dry_run: true, ..policy(SelfApproval::DenyAuthors, &listed) };
        let standing = Standing::new(asked);
        assert!(strict.judge(&standing, (&alex, &Memberships::default()), now).approve.is_err());
        assert!(dry.judge(&standing, (&alex, &Memberships::default()), now).approve.is_ok());
        let ruling = crate::approval::Ruling {
            ending: crate::approval::Ending::Approved,
            ballots: Vec::new(),
            decided_at: now,
            ticket: None,
            withdrawal: None,
            policy: None,
        };
        assert!(strict.judge(&standing.ruled(ruling), (&alex, &Memberships::default()), now).approve.is_ok());
    }

    #[test]
    fn authors_without_an_entry_are_told_where_they_matter() {
        let listed = [("octocat", "none"), ("hubot", ALEX)];
        let mut authors = by(&["hubot", "stranger"], true);
        authors.authors.push(Author::Name("Kim".to_owned()));
        let standing = Standing { authors: Some(authors), ..Standing::new(request("octocat", "1", None)) };
        let told = |strictness| {
            let policy = policy(strictness, &listed);
            policy
                .unlisted_authors(&standing)
                .into_iter()
                .map(|author| author.as_str().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(told(SelfApproval::DenyAuthors), ["stranger", "Kim"]);
        assert_eq!(told(SelfApproval::Deny), [""; 0]);
    }
}
