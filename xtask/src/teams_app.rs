//! `teams-app.zip`: the app package that adds the bot to a team.
//!
//! The bot is offered to teams alone, and there to standard channels: a shared or private channel has members whom the
//! team does not have.

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use crate::package::{File, project_folder, version, write_zip};

/// The app's icons: a white check mark on green, 192 by 192 pixels, and on nothing, 32 by 32.
const COLOR: &[u8] = include_bytes!("../icons/color.png");
const OUTLINE: &[u8] = include_bytes!("../icons/outline.png");

/// Teams' accent colour for the app: the green of the icon.
const GREEN: &str = "#1a7f37";

/// The newest manifest version with which a team's bot can stay out of shared and private channels.
///
/// From 1.25 on Teams refuses a bot of the scope `team` unless the manifest says `"supportsChannelFeatures": "tier1"`,
/// that is, that the bot is made for those channels too. No schema says this: only the upload does.
const MANIFEST_VERSION: &str = "1.24";

/// The website until there is one; the name is reserved, so it is nobody else's.
const NO_WEBSITE: &str = "https://example.com";

/// The place of the app id in a release's package. Teams refuses it, since it is no GUID.
const ANY_BOT: &str = "BOT_APP_ID";

const USAGE: &str = "usage: cargo xtask teams-app --app-id GUID [--website URL]";

/// Makes the package and prints its size; `arguments` are those after the command.
pub fn make(arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let arguments: Vec<_> = arguments.collect();
    if let [help] = &arguments[..]
        && ["--help", "-h"].contains(&help.as_str())
    {
        println!("{USAGE}");
        return Ok(());
    }
    let options = Options::parse(arguments.into_iter()).context(USAGE)?;
    write(&options)
}

/// Makes the package of a release, in which the bot's app id has yet to be written.
pub fn make_for_any_bot(website: &str) -> anyhow::Result<()> {
    write(&Options { app_id: ANY_BOT.into(), website: website.into() })
}

fn write(options: &Options) -> anyhow::Result<()> {
    let manifest = format!("{:#}\n", manifest(options, &version()?));
    let files = [
        file("manifest.json", manifest.into_bytes()),
        file("color.png", COLOR.to_vec()),
        file("outline.png", OUTLINE.to_vec()),
    ];
    let bytes = write_zip(&project_folder()?.join("teams-app.zip"), &files)?;
    println!("teams-app.zip  {bytes} bytes");
    Ok(())
}

fn file(path: &str, content: Vec<u8>) -> File {
    File { path: path.into(), content, executable: false }
}

#[derive(Debug, PartialEq)]
struct Options {
    app_id: String,
    website: String,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let (mut app_id, mut website) = (None, NO_WEBSITE.to_owned());
        while let Some(option) = arguments.next() {
            let value = arguments.next();
            match (option.as_str(), value) {
                ("--app-id", Some(value)) => app_id = Some(value),
                ("--website", Some(value)) => website = value,
                ("--app-id" | "--website", None) => bail!("{option} needs a value"),
                _ => bail!("{option} is no option"),
            }
        }
        let app_id = app_id.context("--app-id is missing")?;
        ensure!(is_guid(&app_id), "{app_id:?} is not a GUID: --app-id is the bot's Microsoft App ID");
        ensure!(is_https(&website), "{website:?} is not a URL that begins with https://");
        Ok(Self { app_id, website })
    }
}

fn is_guid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_https(text: &str) -> bool {
    text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && text.len() <= 2048
}

fn manifest(options: &Options, version: &str) -> Value {
    let schema = format!(
        "https://developer.microsoft.com/json-schemas/teams/v{MANIFEST_VERSION}/MicrosoftTeams.schema.json"
    );
    json!({
        "$schema": schema,
        "manifestVersion": MANIFEST_VERSION,
        "version": version,
        "id": options.app_id,
        "developer": {
            "name": "ApproveRelease",
            "websiteUrl": options.website,
            "privacyUrl": options.website,
            "termsOfUseUrl": options.website,
        },
        "name": {"short": "ApproveRelease", "full": "ApproveRelease for GitHub"},
        "description": {
            "short": "Approve or reject GitHub releases in a channel.",
            "full": "Posts a card for each approval that a GitHub workflow asks for. Those who may decide approve or \
                     reject it there, and the workflow goes on or ends.",
        },
        "icons": {"color": "color.png", "outline": "outline.png"},
        "accentColor": GREEN,
        "bots": [bot(&options.app_id)],
    })
}

fn bot(app_id: &str) -> Value {
    let pending = json!({"title": "pending", "description": "Lists the approvals that wait for a decision"});
    json!({
        "botId": app_id,
        "scopes": ["team"],
        "supportsFiles": false,
        "isNotificationOnly": false,
        "commandLists": [{"scopes": ["team"], "commands": [pending]}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP_ID: &str = "11112222-bbbb-3333-cccc-4444dddd5555";

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        let arguments = arguments.iter().map(|&argument| argument.to_owned());
        Options::parse(arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn the_website_may_be_left_out() {
        let expected = |website: &str| Ok(Options { app_id: APP_ID.into(), website: website.into() });

        assert_eq!(parse(&["--app-id", APP_ID]), expected("https://example.com"));
        let site = "https://contoso.example/releases";
        assert_eq!(parse(&["--website", site, "--app-id", APP_ID]), expected(site));
    }

    #[test]
    fn what_is_wrong_with_the_arguments_is_said() {
        for (arguments, error) in [
            (&[][..], "--app-id is missing"),
            (&["--app-id"], "--app-id needs a value"),
            (&["--app-id", "my-bot"], "\"my-bot\" is not a GUID"),
            (&["--app-id", &APP_ID[1..]], "is not a GUID"),
            (&["--app-id", APP_ID, "--website", "http://a.example"], "begins with https://"),
            (&["--appid", APP_ID], "--appid is no option"),
        ] {
            let said = parse(arguments).expect_err("it is refused");
            assert!(said.contains(error), "{said}");
        }
    }
}
