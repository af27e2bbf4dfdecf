//! The package that is uploaded to Teams: `cargo xtask teams-app` makes it, and Microsoft's schema takes its manifest.

use std::{
    fs,
    io::{Cursor, Read},
    process::{Command, Output},
    sync::OnceLock,
};

use serde_json::{Value, json};
use zip::ZipArchive;

use crate::{handler_process::repository_root, node_tools::node};

const APP_ID: &str = "11112222-bbbb-3333-cccc-4444dddd5555";

/// Says on stdout what Microsoft's schema has against a manifest, each mistake on a line.
const VALIDATE: &str = r#"
const manifest = JSON.parse(process.argv[1]);
const schemas = "@microsoft/app-manifest/build/json-schemas/teams";
const schema = require(`${schemas}/v${manifest.manifestVersion}/MicrosoftTeams.schema.json`);
const Ajv = require("ajv-draft-04");
const ajv = require("ajv-formats")(new Ajv({ allErrors: true, strict: false }));
const validate = ajv.compile(schema);
if (!validate(manifest)) console.log(ajv.errorsText(validate.errors, { dataVar: "", separator: "\n" }));
"#;

#[test]
fn the_package_holds_the_manifest_and_the_icons_and_nothing_else() {
    let package = package();
    let mut names: Vec<_> = package.file_names().map(|name| name.expect("a name").into_owned()).collect();
    names.sort_unstable();
    assert_eq!(names, ["color.png", "manifest.json", "outline.png"]);
}

#[test]
fn the_manifest_is_valid_by_microsofts_schema() {
    assert_eq!(schema_errors(&manifest()), "");
}

#[test]
fn a_manifest_that_teams_would_refuse_is_found() {
    for (field, wrong, error) in [
        ("/bots/0/botId", json!("my-bot"), "/bots/0/botId must match pattern"),
        ("/bots/0/scopes/0", json!("channel"), "/bots/0/scopes/0 must be equal to one of the allowed values"),
        ("/bots/0/commandLists", json!([{"command": []}]), "/bots/0/commandLists/0 must NOT have additional"),
        ("/developer/privacyUrl", json!("example.com"), "/developer/privacyUrl must match pattern"),
        ("/icons", json!({"color": "color.png"}), "/icons must have required property 'outline'"),
        (
            "/name/short",
            json!("A name of more than thirty letters"),
            "/name/short must NOT have more than 30",
        ),
    ] {
        let mut manifest = manifest();
        *manifest.pointer_mut(field).expect(field) = wrong;
        let errors = schema_errors(&manifest);
        assert!(errors.contains(error), "{field}: {errors}");
    }
}

#[test]
fn the_bot_is_offered_to_teams_and_their_standard_channels_alone() {
    let manifest = manifest();
    let bots = manifest["bots"].as_array().expect("a list");
    let [bot] = &bots[..] else { panic!("{bots:?}") };

    assert_eq!((&bot["botId"], &bot["scopes"]), (&json!(APP_ID), &json!(["team"])));
    assert_eq!(bot["commandLists"][0]["commands"][0]["title"], "pending");
    assert_eq!(manifest.get("supportedChannelTypes"), None);
    assert_eq!(manifest.get("supportsChannelFeatures"), None);
    // From 1.25 on Teams refuses a team's bot without "supportsChannelFeatures", which is for those channels too.
    assert_eq!(manifest["manifestVersion"], "1.24");
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_icons_have_the_sizes_and_colours_that_teams_asks_for() {
    let color = pixels("color.png", 192);
    assert!(color.iter().all(|pixel| pixel[3] == 255), "it is opaque");

    let outline = pixels("outline.png", 32);
    assert!(outline.iter().all(|pixel| pixel[..3] == [255; 3]), "it is white");
    assert!([0, 255].iter().all(|alpha| outline.iter().any(|pixel| pixel[3] == *alpha)), "on transparent");
}

#[test]
fn without_an_app_id_the_command_says_how_it_is_used() {
    let refused = teams_app(&[]);

    let said = String::from_utf8(refused.stderr).expect("text");
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said.contains("usage: cargo xtask teams-app --app-id GUID") && said.contains("is missing"),
        "{said}"
    );
}

#[test]
fn asked_for_help_the_command_says_how_it_is_used_and_makes_nothing() {
    let said = teams_app(&["--help"]);
    assert_eq!(said.status.code(), Some(0));
    assert_eq!(
        String::from_utf8_lossy(&said.stdout),
        "usage: cargo xtask teams-app --app-id GUID [--website URL]\n"
    );
}

fn teams_app(arguments: &[&str]) -> Output {
    let mut xtask = Command::new(env!("CARGO"));
    xtask.args(["xtask", "teams-app"]).args(arguments).current_dir(repository_root());
    xtask.output().expect("cargo runs")
}

/// The package, made once for all tests: in two runs, which make the same bytes.
fn package() -> ZipArchive<Cursor<&'static [u8]>> {
    static PACKAGE: OnceLock<Vec<u8>> = OnceLock::new();
    let make = || {
        let made = teams_app(&["--app-id", APP_ID]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::read(repository_root().join("teams-app.zip")).expect("it was made just now")
    };
    let package = PACKAGE.get_or_init(|| {
        let first = make();
        assert!(first == make(), "the package is not the same twice");
        first
    });
    ZipArchive::new(Cursor::new(package.as_slice())).expect("a zip")
}

fn content(name: &str) -> Vec<u8> {
    let mut content = Vec::new();
    package().by_name(name).expect(name).read_to_end(&mut content).expect("it is whole");
    content
}

fn manifest() -> Value {
    serde_json::from_slice(&content("manifest.json")).expect("JSON")
}

fn schema_errors(manifest: &Value) -> String {
    let output = node().args(["-e", VALIDATE, &manifest.to_string()]).output().expect("Node.js runs");
    // A validator that could not do its work is not one that found nothing.
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Red, green, blue and alpha of each pixel of an icon with this side.
fn pixels(name: &str, side: u32) -> Vec<[u8; 4]> {
    let mut image = png::Decoder::new(Cursor::new(content(name))).read_info().expect("a PNG");
    let mut bytes = vec![0; image.output_buffer_size().expect("it fits")];
    let info = image.next_frame(&mut bytes).expect("it is whole");
    assert_eq!((info.width, info.height, info.color_type), (side, side, png::ColorType::Rgba), "{name}");
    bytes.as_chunks().0.to_vec()
}
