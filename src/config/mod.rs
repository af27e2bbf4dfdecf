//! The settings, read once at start; the only room that knows the environment.
//!
//! In a Functions host they come from the environment alone. Outside one `local.settings.json` fills what the
//! environment leaves open, as Core Tools do. Everything unusable is named at once, and no value is ever repeated.

mod bot;
#[cfg(test)]
mod documented;
mod forms;
mod graph;
mod misspelt;
pub mod policy;
mod reader;
mod store;
mod unlikely;
mod webhooks;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    path::Path,
};

use anyhow::{Context, bail};
use chrono::TimeDelta;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use self::reader::{Reader, approvals, boolean, hours, known_url, log_filter, safe_url, secret, secret_url};
use crate::{
    approval::{
        Approver, Approvers, EventType, EventTypes, GithubLogins, Guid, Login, Policy, Repository,
        RepositoryPattern, SelfApproval, Terms, rules::Rules,
    },
    cards::Mail,
    command_line::port,
    http_client::SecretUrl,
    identity::entra::EntraApp,
    ledger::Location,
    senders::{
        github::{AppKey, GitHubApp},
        teams::Bot,
    },
    time_zone::TimeZone,
};

/// The port outside a host unless one is said, which is that of `func start`.
const LOCAL_PORT: u16 = 7071;

/// The file of local settings, in the working directory.
const LOCAL_SETTINGS: &str = "local.settings.json";

/// Everything that can be set.
#[derive(Debug)]
pub struct Config {
    /// The port to listen on; always on loopback.
    pub listen: Listen,
    /// `PUBLIC_URL`: the base of links to ourselves.
    pub public_url: Url,
    /// `GITHUB_API_URL`.
    pub github_api_url: Url,
    /// `GITHUB_TOKEN`.
    pub github_token: Option<SecretString>,
    /// `GITHUB_APP_ID` and `GITHUB_APP_PRIVATE_KEY`, if both are set.
    pub github_app: Option<GitHubApp>,
    /// `GITHUB_REPOSITORY`, `ALLOWED_REPOSITORIES`, `RELAY_EVENT_TYPES`, `APPROVERS`, `MIN_APPROVALS`,
    /// `SELF_APPROVAL`, `GITHUB_LOGINS`, `POLICY`.
    pub policy: Policy,
    /// `GITHUB_OIDC_ISSUER`.
    pub github_oidc_issuer: Url,
    /// `TEAMS_WEBHOOK_URL`.
    pub teams_webhook_url: Option<SecretUrl>,
    /// `TEAMS_WEBHOOK_URL_<NAME>`, by the names.
    pub teams_webhooks: BTreeMap<String, SecretUrl>,
    /// `APPROVE_URL` and `MAIL_ORIGINATOR`, if both are set.
    pub mail: Option<Mail>,
    /// `WEBSITE_AUTH_ENABLED`, `SIGN_IN`: the platform signs people in, and its headers can be believed.
    pub signs_in: bool,
    /// `ENTRA_TENANT_ID`.
    pub tenant: Option<Guid>,
    /// `REQUIRE_IDENTITY`.
    pub require_identity: bool,
    /// `ENTRA_AUTHORITY`, `ENTRA_TENANT_ID`, `ENTRA_CLIENT_ID` and `ENTRA_AUDIENCE`; or which of them are missing.
    pub entra: Result<EntraApp, Vec<&'static str>>,
    /// `MicrosoftAppId`, `MicrosoftAppPassword` (or the managed identity), `MicrosoftAppTenantId`, `BOT_SERVICE_URL`
    /// and `TEAMS_CHANNEL_ID`; or which of them are missing.
    pub bot: Result<Bot, Vec<&'static str>>,
    /// `BOT_OPENID_METADATA`.
    pub bot_openid_metadata: Url,
    /// `GRAPH_URL`, and the app that calls it: the bot, or the managed identity.
    pub graph: crate::senders::graph::Setup,
    /// `STORE_URL`, with `AzureWebJobsStorage…`.
    pub store: Location,
    /// `TIME_ZONE`.
    pub time_zone: TimeZone,
    /// `DELIVER_FOR_HOURS`.
    pub deliver_for: TimeDelta,
    /// `RUST_LOG`.
    pub log_filter: String,
    /// Warnings about settings that are usable and yet unlikely to be meant, to be logged at start.
    pub warnings: Vec<String>,
}

/// The starter of this process, and the port to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A Functions host, which says the port (`FUNCTIONS_CUSTOMHANDLER_PORT`).
    UnderHost(u16),
    /// A person, by hand.
    Standalone(u16),
}

impl Listen {
    /// The port.
    pub fn port(self) -> u16 {
        match self {
            Self::UnderHost(port) | Self::Standalone(port) => port,
        }
    }
}

/// The settings that cannot be used, each with what it must be.
#[derive(Debug, PartialEq, Eq)]
pub struct Unusable(pub Vec<String>);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "these settings cannot be used:")?;
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for Unusable {}

impl Config {
    /// Reads the environment and, outside a host, `local.settings.json`. A `port` of the command line is one that
    /// `PORT` does not override.
    pub fn load(port: Option<u16>) -> anyhow::Result<Self> {
        let mut settings = environment();
        settings.extend(port.map(|port| (PORT.to_owned(), port.to_string())));
        if settings.get(HOST_PORT).is_none_or(|port| port.trim().is_empty()) {
            for (name, value) in local_settings()? {
                settings.entry(name).or_insert(value);
            }
        }
        Ok(Self::parse(&settings)?)
    }

    /// Reads settings, naming all that are unusable.
    pub fn parse(settings: &BTreeMap<String, String>) -> Result<Self, Unusable> {
        Self::read(settings).0
    }

    /// The same, and the names of all settings that were looked for.
    fn read(settings: &BTreeMap<String, String>) -> (Result<Self, Unusable>, BTreeSet<String>) {
        let mut reader = Reader { settings, unusable: Vec::new(), asked: std::cell::RefCell::default() };
        let listen = listen(&mut reader);
        let authority =
            reader.url("ENTRA_AUTHORITY").unwrap_or_else(|| known_url("https://login.microsoftonline.com"));
        let bot_openid_metadata = bot::openid_metadata(&mut reader);
        let require_identity = reader.parse("REQUIRE_IDENTITY", "true or false", boolean).unwrap_or(true);
        let entra_authority = authority.clone();
        let bot = bot::bot(&mut reader, &authority, &bot_openid_metadata);
        let graph = graph::setup(&mut reader, bot.as_ref().ok());
        let mut config = Self {
            listen,
            public_url: public_url(&mut reader, listen),
            github_api_url: reader
                .parse_or_tell("GITHUB_API_URL", forms::GITHUB_API_URL, forms::github_api_url)
                .unwrap_or_else(|| known_url("https://api.github.com")),
            github_token: reader.parse("GITHUB_TOKEN", "a token without spaces", secret),
            github_app: github_app(&mut reader),
            policy: policy(&mut reader, require_identity),
            github_oidc_issuer: reader
                .url("GITHUB_OIDC_ISSUER")
                .unwrap_or_else(|| known_url("https://token.actions.githubusercontent.com")),
            teams_webhook_url: reader.parse("TEAMS_WEBHOOK_URL", SECRET_URL, secret_url),
            teams_webhooks: webhooks::named(&mut reader),
            mail: mail(&mut reader),
            signs_in: signs_in(&mut reader),
            require_identity,
            tenant: reader.text("ENTRA_TENANT_ID").as_deref().and_then(Guid::parse),
            bot,
            graph,
            bot_openid_metadata,
            entra: entra(&mut reader, authority),
            store: store::location(&mut reader),
            time_zone: reader
                .parse("TIME_ZONE", "the IANA's name of a time zone, such as Europe/Berlin", TimeZone::parse)
                .unwrap_or(TimeZone::UTC),
            deliver_for: reader
                .parse("DELIVER_FOR_HOURS", "a whole number of hours, up to 4000", hours)
                .unwrap_or(TimeDelta::hours(24)),
            log_filter: reader
                .parse("RUST_LOG", "a filter of env_logger, such as info", log_filter)
                .unwrap_or_else(|| "info".to_owned()),
            warnings: Vec::new(),
        };
        config.warnings = config.unlikely(&reader, &entra_authority);
        config.warnings.extend(misspelt::warnings(&reader));
        let asked = reader.asked.take();
        match reader.unusable.is_empty() {
            true => (Ok(config), asked),
            false => (Err(Unusable(reader.unusable)), asked),
        }
    }
}

const SECRET_URL: &str = "an https URL, or http to this computer, without user or fragment";

/// The operator's rules. Each part that cannot be used has a line of its own.
fn rules(reader: &mut Reader<'_>, policy: &Policy) -> Option<Rules> {
    let text = reader.text("POLICY")?;
    let beside = policy::Beside {
        approvers: &policy.approvers,
        min_approvals: policy.min_approvals,
        relay_event_types: &policy.relay_event_types,
        webhooks: webhooks::names(reader).into_iter().collect(),
    };
    match policy::setting(&text, Path::new("."), &beside) {
        Ok(rules) => Some(rules),
        Err(lines) => {
            lines.into_iter().for_each(|line| reader.cannot_use(line));
            None
        }
    }
}

const HOST_PORT: &str = "FUNCTIONS_CUSTOMHANDLER_PORT";

const PORT: &str = "PORT";

const SIGN_IN: &str = "SIGN_IN";

const AUTH_ENABLED: &str = "WEBSITE_AUTH_ENABLED";

#[expect(clippy::disallowed_methods, reason = "this is the room that knows the environment")]
fn environment() -> BTreeMap<String, String> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

fn local_settings() -> anyhow::Result<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct LocalSettings {
        #[serde(default)]
        is_encrypted: bool,
        #[serde(default)]
        values: Option<BTreeMap<String, Value>>,
        #[serde(flatten)]
        others: BTreeMap<String, Value>,
    }

    let text = match fs::read_to_string(LOCAL_SETTINGS) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error).context("cannot read local.settings.json"),
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let settings: LocalSettings =
        serde_json::from_str(text).context("local.settings.json is not an object with \"Values\"")?;
    if settings.is_encrypted {
        bail!(
            "local.settings.json is encrypted: run `func settings decrypt`, or set the values in the environment"
        );
    }
    let is_ours = |name: &String| !matches!(name.as_str(), "Host" | "ConnectionStrings");
    if settings.values.is_none() && settings.others.keys().any(is_ours) {
        bail!("local.settings.json has no \"Values\": put the settings into an object of that name");
    }
    // As Core Tools take them: numbers and booleans become texts.
    let text = |value| match value {
        Value::String(text) => Some(text),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    };
    Ok(settings.values.into_iter().flatten().filter_map(|(name, value)| Some((name, text(value)?))).collect())
}

fn listen(reader: &mut Reader<'_>) -> Listen {
    let expected = "a port number, from 1 to 65535";
    if reader.text(HOST_PORT).is_some() {
        return Listen::UnderHost(reader.parse(HOST_PORT, expected, port).unwrap_or(LOCAL_PORT));
    }
    Listen::Standalone(reader.parse(PORT, expected, port).unwrap_or(LOCAL_PORT))
}

fn public_url(reader: &mut Reader<'_>, listen: Listen) -> Url {
    let from_host = |host: &str| {
        let scheme = match host.split(':').next() {
            Some("localhost" | "127.0.0.1") => "http",
            _ => "https",
        };
        safe_url(&format!("{scheme}://{host}"))
    };
    let hosted = reader.parse("WEBSITE_HOSTNAME", "a host name", from_host);
    // Links of a local run lead back to it. A host's port is the handler's, which is nobody's address.
    let port = match listen {
        Listen::Standalone(port) => port,
        Listen::UnderHost(_) => LOCAL_PORT,
    };
    let local = || known_url(&format!("http://localhost:{port}"));
    reader.url("PUBLIC_URL").or(hosted).unwrap_or_else(local)
}

/// True if the platform signs people in. If it says so itself, that counts, above all that it does not: then it hands on
/// a header that anyone may have sent.
// T17
fn signs_in(reader: &mut Reader<'_>) -> bool {
    let platform = |text: &str| text.eq_ignore_ascii_case("platform").then_some(());
    let is_told = reader.parse(SIGN_IN, "platform, or not set", platform).is_some();
    reader.parse(AUTH_ENABLED, "True or False", boolean).unwrap_or(is_told)
}

fn policy(reader: &mut Reader<'_>, require_identity: bool) -> Policy {
    let default_repository = reader.parse("GITHUB_REPOSITORY", "owner/name", Repository::parse);
    let allowed_repositories = reader
        .list(
            "ALLOWED_REPOSITORIES",
            "a comma list of owner/name or owner/*, with or without numbers: owner@2020/name@424242",
            RepositoryPattern::parse,
        )
        .unwrap_or_else(|| default_repository.iter().map(RepositoryPattern::one).collect());
    let relay_event_types = reader
        .parse(
            "RELAY_EVENT_TYPES",
            "* or a comma list of event types, each up to 100 characters",
            event_types,
        )
        .unwrap_or_default();
    let expected = "* or a comma list of object ids, user principal names and group:GUID";
    let approvers = reader.parse("APPROVERS", expected, approvers).unwrap_or_default();
    let least = format!("a whole number from 1 to {}", Terms::MAX_REQUIRED);
    let min_approvals = reader.parse("MIN_APPROVALS", &least, approvals).unwrap_or(1);
    let self_approval = reader.parse("SELF_APPROVAL", "allow, deny or deny-authors", SelfApproval::parse);
    let github_logins = reader.parse_or_tell("GITHUB_LOGINS", GITHUB_LOGINS, github_logins);
    let anonymous = !require_identity;
    let dry_run = reader.parse("DRY_RUN", "true or false", boolean).unwrap_or(false);
    let policy = Policy {
        default_repository,
        allowed_repositories,
        relay_event_types,
        approvers,
        min_approvals,
        self_approval: self_approval.unwrap_or_default(),
        github_logins: github_logins.unwrap_or_default(),
        anonymous,
        dry_run,
        rules: None,
    };
    Policy { rules: rules(reader, &policy), ..policy }
}

/// The GitHub App. With half of it set nobody would know which credentials are used, so that is refused.
fn github_app(reader: &mut Reader<'_>) -> Option<GitHubApp> {
    const ID: &str = "GITHUB_APP_ID";
    const KEY: &str = "GITHUB_APP_PRIVATE_KEY";
    let id = reader.parse_or_tell(ID, forms::GITHUB_APP_ID, forms::github_app_id);
    let key = reader.parse_or_tell(KEY, forms::GITHUB_APP_PRIVATE_KEY, AppKey::parse);
    for (set, other) in [(ID, KEY), (KEY, ID)] {
        if reader.text(set).is_some() && reader.text(other).is_none() {
            reader.cannot_use(format!("{set} is of no use without {other}: set both or neither"));
        }
    }
    Some(GitHubApp { id: id?, key: key? })
}

fn mail(reader: &mut Reader<'_>) -> Option<Mail> {
    let approve_url = reader.parse_or_tell("APPROVE_URL", forms::APPROVE_URL, forms::approve_url);
    let originator = reader.parse_or_tell("MAIL_ORIGINATOR", forms::MAIL_ORIGINATOR, forms::mail_originator);
    Some(Mail { approve_url: approve_url?, originator: originator? })
}

fn entra(reader: &mut Reader<'_>, authority: Url) -> Result<EntraApp, Vec<&'static str>> {
    let tenant = reader.parse("ENTRA_TENANT_ID", "a GUID", Guid::parse);
    let client_id = reader.parse("ENTRA_CLIENT_ID", "a GUID", Guid::parse);
    let audience = reader.parse_or_tell("ENTRA_AUDIENCE", forms::AUDIENCE, forms::audience);
    let audiences: Vec<_> = client_id.map(|id| id.to_string()).into_iter().chain(audience).collect();
    match tenant {
        Some(tenant) if !audiences.is_empty() => Ok(EntraApp { authority, tenant, audiences }),
        tenant => {
            let no_tenant = tenant.is_none().then_some("ENTRA_TENANT_ID");
            let no_audience = audiences.is_empty().then_some("ENTRA_CLIENT_ID or ENTRA_AUDIENCE");
            Err(no_tenant.into_iter().chain(no_audience).collect())
        }
    }
}

fn approvers(text: &str) -> Option<Approvers> {
    if text == "*" {
        return Some(Approvers::Everybody);
    }
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let listed: Vec<_> = entries.map(Approver::parse).collect::<Option<_>>()?;
    let groups = listed.iter().filter_map(Approver::group).count();
    (groups <= Terms::MAX_GROUPS).then_some(Approvers::Only(listed))
}

const GITHUB_LOGINS: &str =
    "a comma list of login=person, by object id or user principal name, or renovate[bot]=none for a bot";

/// The people behind accounts. A person's account cannot be nobody's, and the account of all workflows is anybody's.
fn github_logins(text: &str) -> Result<GithubLogins, &'static str> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries.map(github_login).collect::<Result<_, _>>().map(GithubLogins)
}

// T40
fn github_login(entry: &str) -> Result<(Login, Option<Approver>), &'static str> {
    let (login, person) = entry.split_once('=').ok_or("")?;
    let login = Login::parse(login.trim_end()).ok_or("")?;
    if login.is_of_workflows() {
        return Err("github-actions[bot] cannot be listed, since any workflow may start runs as it");
    }
    match (person.trim_start(), login.is_bot()) {
        ("none", true) => Ok((login, None)),
        ("none", false) => Err("none is for bots alone, whose names end with [bot]"),
        (person, _) => match Approver::parse(person) {
            Some(person @ (Approver::ObjectId(_) | Approver::UserPrincipalName(_))) => {
                Ok((login, Some(person)))
            }
            Some(Approver::Group(_)) => Err("a group is no one person: list a name or an object id"),
            None => Err(""),
        },
    }
}

fn event_types(text: &str) -> Option<EventTypes> {
    if text == "*" {
        return Some(EventTypes::Any);
    }
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| (entry != "*").then(|| EventType::parse(entry))?)
        .collect::<Option<_>>()
        .map(EventTypes::Only)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(settings: &[(&str, &str)]) -> Result<Config, Unusable> {
        Config::parse(
            &settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        )
    }

    #[test]
    fn nothing_set_is_a_usable_if_idle_configuration() {
        let config = parse(&[]).expect("a configuration");
        assert_eq!(config.listen, Listen::Standalone(7071));
        assert_eq!(config.public_url.as_str(), "http://localhost:7071/");
        assert_eq!(config.github_api_url.as_str(), "https://api.github.com/");
        assert!(config.policy.allowed_repositories.is_empty());
        assert!(!config.policy.dry_run);
    }

    #[test]
    fn everything_unusable_is_named_at_once_and_no_value_is_repeated() {
        let broken = [
            ("FUNCTIONS_CUSTOMHANDLER_PORT", "70000"),
            ("GITHUB_TOKEN", "hunter2 hunter2"),
            ("GITHUB_API_URL", "http://github.example/hunter2"),
            ("GITHUB_REPOSITORY", "hunter2"),
            ("ALLOWED_REPOSITORIES", "octo/app,hunter2"),
            ("RELAY_EVENT_TYPES", "*,hunter2"),
            ("DRY_RUN", "hunter2"),
            ("PUBLIC_URL", "https://user:hunter2@example.com"),
            ("GITHUB_OIDC_ISSUER", "http://hunter2.example"),
            ("TEAMS_WEBHOOK_URL", "http://x.example/flow?sig=hunter2"),
            ("APPROVE_URL", "hunter2"),
            ("MAIL_ORIGINATOR", "hunter2"),
            ("TEAMS_CHANNEL_ID", "hunter2"),
            ("ENTRA_AUDIENCE", "hunter2"),
            ("SIGN_IN", "hunter2"),
            ("MIN_APPROVALS", "11"),
            ("TIME_ZONE", "hunter2/hunter2"),
            ("SELF_APPROVAL", "hunter2"),
            ("GITHUB_LOGINS", "hunter2=hunter2"),
            ("RUST_LOG", "info=hunter2=x"),
        ];
        let unusable = parse(&broken).expect_err("unusable").to_string();
        for (name, _) in broken {
            assert!(unusable.contains(name), "{name} is not named in {unusable}");
        }
        assert!(!unusable.contains("hunter2"), "{unusable}");
    }

    #[test]
    fn an_empty_policy_is_not_passed_over() {
        let unusable = parse(&[("POLICY", "[]")]).expect_err("unusable").to_string();
        assert!(unusable.contains("POLICY: must have 1 to 1000 entries"), "{unusable}");
        parse(&[("POLICY", "")]).expect("as if it were not set");
    }

    #[test]
    fn accounts_on_github_are_read_strictly_and_each_fault_is_explained() {
        let id = "0A0B0C0D-1111-2222-3333-444455556666";
        let all =
            format!("octocat=alex@contoso.com, OctoCat = {id},,hubot_x=sam@contoso.com,renovate[bot]=none");
        let logins = parse(&[("GITHUB_LOGINS", &all)]).expect("a configuration").policy.github_logins;
        assert_eq!((logins.0.len(), logins.people_of("OCTOCAT").count()), (4, 2));
        assert!(logins.has("renovate[bot]") && !logins.has("renovate"));
        for (value, cause) in [
            ("hunter2", "a comma list of login=person"),
            ("octocat=Alex", "a comma list of login=person"),
            ("octo cat=alex@contoso.com", "a comma list of login=person"),
            ("octocat=", "a comma list of login=person"),
            ("octocat=None", "a comma list of login=person"),
            ("octocat=alex@contoso.com=x", "a comma list of login=person"),
            ("octocat=none", "none is for bots alone"),
            ("GitHub-Actions[bot]=none", "github-actions[bot] cannot be listed"),
            ("github-actions[bot]=alex@contoso.com", "github-actions[bot] cannot be listed"),
        ] {
            let unusable = parse(&[("GITHUB_LOGINS", value)]).expect_err(value).to_string();
            assert!(unusable.contains("GITHUB_LOGINS must be") && unusable.contains(cause), "{unusable}");
            assert!(!unusable.contains("hunter2") && !unusable.contains("alex"), "{unusable}");
        }
        for value in ["denied", "Deny", "false"] {
            let unusable = parse(&[("SELF_APPROVAL", value)]).expect_err(value).to_string();
            assert!(unusable.contains("SELF_APPROVAL must be allow, deny or deny-authors"), "{unusable}");
        }
        let warned = parse(&[("SELF_APPROVAL", "deny")]).expect("usable").warnings.join("\n");
        assert!(warned.contains("SELF_APPROVAL is set, but GITHUB_LOGINS"), "{warned}");
        assert!(!warned.contains("deny-authors"), "{warned}");
        let strict = ("SELF_APPROVAL", "deny-authors");
        for (settings, is_warned) in [
            (vec![strict], true),
            (vec![strict, ("GITHUB_TOKEN", "t")], false),
            (vec![strict, ("DRY_RUN", "true")], false),
        ] {
            let warned = parse(&settings).expect("usable").warnings.join("\n");
            assert_eq!(warned.contains("neither GITHUB_TOKEN nor GITHUB_APP_ID"), is_warned, "{warned}");
        }
        let warned = parse(&[("GITHUB_LOGINS", &all)]).expect("usable").warnings.join("\n");
        assert!(!warned.contains("GITHUB_LOGINS"), "{warned}");
    }

    #[test]
    fn an_unresolved_key_vault_reference_is_named() {
        let unusable =
            parse(&[("GITHUB_TOKEN", "@Microsoft.KeyVault(SecretUri=https://v)")]).expect_err("unusable");
        assert!(unusable.to_string().contains("GITHUB_TOKEN is a Key Vault reference"), "{unusable}");
    }

    #[test]
    fn the_public_url_comes_from_the_host_name_unless_it_is_set() {
        let url = |settings: &[_]| parse(settings).expect("a configuration").public_url.to_string();
        assert_eq!(url(&[("WEBSITE_HOSTNAME", "x.azurewebsites.net")]), "https://x.azurewebsites.net/");
        assert_eq!(url(&[("WEBSITE_HOSTNAME", "localhost:7071")]), "http://localhost:7071/");
        assert_eq!(url(&[("WEBSITE_HOSTNAME", "a"), ("PUBLIC_URL", "https://b/c")]), "https://b/c");
    }

    #[test]
    fn a_local_run_listens_on_port_and_its_links_lead_back_to_it() {
        let config = parse(&[("PORT", "8080")]).expect("a configuration");
        assert_eq!(config.listen, Listen::Standalone(8080));
        assert_eq!(config.public_url.as_str(), "http://localhost:8080/");
        let set = parse(&[("PORT", "8080"), ("PUBLIC_URL", "https://b/c")]).expect("a configuration");
        assert_eq!(set.public_url.as_str(), "https://b/c");
        for bad in ["0", "65536", "http"] {
            let unusable = parse(&[("PORT", bad)]).expect_err(bad).to_string();
            assert!(unusable.contains("PORT must be a port number"), "{unusable}");
        }
    }

    #[test]
    fn under_a_host_its_port_counts_and_no_other() {
        for port in ["8080", "http"] {
            let config = parse(&[("PORT", port), (HOST_PORT, "9000")]).expect("a configuration");
            assert_eq!(config.listen, Listen::UnderHost(9000));
            assert_eq!(config.public_url.as_str(), "http://localhost:7071/");
        }
    }

    #[test]
    fn a_deployment_with_another_way_in_only_misses_the_mails() {
        let tenant = ("ENTRA_TENANT_ID", "99999999-1111-2222-3333-444455556666");
        let told =
            |more: &[_]| parse(&[&[tenant, ("APPROVERS", "*")], more].concat()).expect("usable").warnings;
        assert!(told(&[])[0].starts_with("no click can be accepted"));
        assert!(
            told(&[("WEBSITE_AUTH_ENABLED", "True")])[0].starts_with("no click in a mail can be accepted")
        );
    }

    #[test]
    fn the_platform_says_who_signs_people_in_and_else_the_operator() {
        let platform = ("SIGN_IN", "platform");
        let azure = ("WEBSITE_INSTANCE_ID", "1f3c");
        for (settings, signs_in, warning) in [
            (vec![], false, ""),
            (vec![("WEBSITE_AUTH_ENABLED", "True")], true, ""),
            (vec![("WEBSITE_AUTH_ENABLED", "True"), platform], true, ""),
            (vec![platform, azure], true, ""),
            (vec![platform], true, "SIGN_IN is platform, but"),
            (vec![platform, azure, ("WEBSITE_AUTH_ENABLED", "False")], false, "SIGN_IN is platform, but"),
            (vec![azure, ("WEBSITE_AUTH_ENABLED", "False")], false, ""),
        ] {
            let config = parse(&settings).expect("a configuration");
            assert_eq!(config.signs_in, signs_in, "{settings:?}");
            let told = config.warnings.join("\n");
            assert_eq!(told.contains("SIGN_IN"), !warning.is_empty(), "{settings:?}: {told}");
            assert!(told.contains(warning), "{settings:?}: {told}");
        }
    }

    #[test]
    fn addresses_that_lead_elsewhere_are_told_at_start() {
        let warnings = |settings: &[_]| parse(settings).expect("a configuration").warnings.join("\n");
        assert!(warnings(&[("PUBLIC_URL", "https://x.example/api")]).contains("PUBLIC_URL has /api"));
        assert!(
            warnings(&[("GITHUB_API_URL", "https://ghe.example")]).contains("GITHUB_API_URL has no path")
        );
        let authority = ("ENTRA_AUTHORITY", "https://login.microsoftonline.com/common");
        assert!(warnings(&[authority]).contains("ENTRA_AUTHORITY has a path"));
        let webhook = warnings(&[("TEAMS_WEBHOOK_URL", "https://x.example/hunter2")]);
        assert!(webhook.contains("TEAMS_WEBHOOK_URL has no sig") && !webhook.contains("hunter2"));
    }

    #[test]
    fn cards_that_would_lead_nowhere_are_told_at_start() {
        let warnings = |settings: &[_]| parse(settings).expect("a configuration").warnings.join("\n");
        let webhook = ("TEAMS_WEBHOOK_URL", "https://x.example/flow?sig=hunter2");
        assert!(warnings(&[webhook]).contains("App Service Authentication"));
        assert!(!warnings(&[webhook, ("WEBSITE_AUTH_ENABLED", "True")]).contains("App Service"));
        let originator = ("MAIL_ORIGINATOR", "c7a1f2d0-0000-4000-8000-000000000001");
        assert!(warnings(&[originator]).contains("missing: APPROVE_URL"));
        let approve_url = ("APPROVE_URL", "https://x.example/api/ApproveRelease?code=hunter2");
        assert!(warnings(&[approve_url]).contains("MAIL_ORIGINATOR"));
        assert!(!warnings(&[webhook]).contains("hunter2"));
    }

    #[test]
    fn no_secret_is_in_debug_output() {
        let connection = "AccountName=acct;AccountKey=hunter2=";
        let settings = [
            ("GITHUB_TOKEN", "ghp_hunter2"),
            ("AzureWebJobsStorage", connection),
            ("APPROVERS", "hunter2@x.com"),
            ("TEAMS_WEBHOOK_URL", "https://x.example/flow?sig=hunter2"),
            ("APPROVE_URL", "https://x.example/api/ApproveRelease?code=hunter2"),
            ("MAIL_ORIGINATOR", "c7a1f2d0-0000-4000-8000-000000000001"),
        ];
        let config = parse(&settings).expect("a configuration");
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
