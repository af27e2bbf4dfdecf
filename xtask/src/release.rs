//! `release/`: all files of a release with their checksums, and its text in `release/notes.md`.
//!
//! `.github/workflows/release.yml` publishes them. A file that people start with knows which release it is of: repository,
//! tag and the digest of the package are written into it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use ring::digest::{SHA256, digest};

use crate::{
    dist,
    package::{project_folder, version},
    teams_app,
};

const USAGE: &str = "usage: cargo xtask release --tag v1.2.3 --repository OWNER/NAME";

/// The folder of the release's files.
const FOLDER: &str = "release";

/// The function app.
const PACKAGE: &str = "dist.zip";

/// The packages, which are made here.
const PACKAGES: [&str; 2] = [PACKAGE, "teams-app.zip"];

/// The files that people start with, and how each leaves repository, tag and digest blank; `%` is the place of a value.
const STARTED_WITH: [(&str, [&str; 3]); 2] = [
    (
        "infra/azuredeploy.json",
        [r#""releaseRepository": "%""#, r#""releaseTag": "%""#, r#""packageSha256": "%""#],
    ),
    ("setup.sh", ["RELEASE_REPOSITORY='%'", "RELEASE_TAG='%'", "PACKAGE_SHA256='%'"]),
];

/// The file with everything's SHA-256, as `sha256sum --check` reads it.
const CHECKSUMS: &str = "SHA256SUMS";

/// Makes everything; `arguments` are those after the command.
pub fn make(arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let release = Release::parse(arguments).context(USAGE)?;
    let root = project_folder()?;
    // First of all, since the package takes minutes.
    release.check(&version()?)?;
    let notes = release.notes(&read(root, "CHANGELOG.md")?)?;
    dist::make()?;
    teams_app::make_for_any_bot(&release.website())?;
    let folder = release.collect(root)?;
    fs::write(folder.join("notes.md"), notes).context("cannot write notes.md")?;
    println!("{FOLDER}/ has the files of {}", release.tag);
    Ok(())
}

#[derive(Debug, PartialEq)]
struct Release {
    tag: String,
    /// `owner/name`.
    repository: String,
}

impl Release {
    fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let (mut tag, mut repository) = (None, None);
        while let Some(option) = arguments.next() {
            match (option.as_str(), arguments.next()) {
                ("--tag", Some(value)) => tag = Some(value),
                ("--repository", Some(value)) => repository = Some(value),
                ("--tag" | "--repository", None) => bail!("{option} needs a value"),
                _ => bail!("{option} is no option"),
            }
        }
        let (tag, repository) =
            (tag.context("--tag is missing")?, repository.context("--repository is missing")?);
        // Both become part of a template and of a script.
        ensure!(is_repository(&repository), "{repository:?} is not owner/name");
        Ok(Self { tag, repository })
    }

    /// Refuses a tag that is not the version's, and a version that no release can have.
    fn check(&self, version: &str) -> anyhow::Result<()> {
        let numbers: Vec<_> = version.split('.').collect();
        let are_numbers = numbers.iter().all(|number| number.parse::<u32>().is_ok());
        ensure!(
            numbers.len() == 3 && are_numbers,
            "{version} of Cargo.toml is not a version of three numbers"
        );
        ensure!(
            self.tag == format!("v{version}"),
            "the tag {} is not v{version}, as Cargo.toml says",
            self.tag
        );
        Ok(())
    }

    fn website(&self) -> String {
        format!("https://github.com/{}", self.repository)
    }

    /// The version's section of the change log, and how to verify the files.
    fn notes(&self, changelog: &str) -> anyhow::Result<String> {
        let heading = format!("## [{}]", self.tag.trim_start_matches('v'));
        let mut sections = changelog.split("\n## ").skip(1).map(|section| format!("## {section}"));
        let section = sections.find(|section| section.starts_with(&heading));
        let section = section.with_context(|| format!("CHANGELOG.md has no section {heading}"))?;
        let (_, text) = section.split_once('\n').unwrap_or_default();
        ensure!(!text.trim().is_empty(), "the section {heading} of CHANGELOG.md is empty");
        let Self { repository, tag } = self;
        Ok(format!(
            "{}\n\n### Verify\n\n```sh\ngh attestation verify {PACKAGE} --repo {repository} \
             --signer-workflow {repository}/.github/workflows/release.yml --source-ref refs/tags/{tag}\n```\n",
            text.trim()
        ))
    }

    /// Puts packages, filled files and checksums into a folder of their own.
    fn collect(&self, root: &Path) -> anyhow::Result<PathBuf> {
        let folder = root.join(FOLDER);
        if folder.exists() {
            fs::remove_dir_all(&folder).context("cannot empty release/")?;
        }
        fs::create_dir(&folder).context("cannot make release/")?;
        let mut files = Vec::new();
        for name in PACKAGES {
            let content = fs::read(root.join(name)).with_context(|| format!("cannot read {name}"))?;
            files.push((name, content));
        }
        let package = sha256(&files[0].1);
        let values = [self.repository.as_str(), &self.tag, &package];
        for (path, blanks) in STARTED_WITH {
            let name = path.rsplit('/').next().unwrap_or(path);
            files.push((name, filled(path, &read(root, path)?, blanks, values)?.into_bytes()));
        }

        let sums = files.iter().map(|(name, content)| format!("{}  {name}\n", sha256(content)));
        fs::write(folder.join(CHECKSUMS), sums.collect::<String>())?;
        for (name, content) in &files {
            fs::write(folder.join(name), content).with_context(|| format!("cannot write {name}"))?;
        }
        Ok(folder)
    }
}

/// A file that knows its release.
fn filled(path: &str, text: &str, blanks: [&str; 3], values: [&str; 3]) -> anyhow::Result<String> {
    let mut filled = text.to_owned();
    for (form, value) in blanks.into_iter().zip(values) {
        let blank = form.replace('%', "");
        ensure!(filled.matches(&blank).count() == 1, "{path} does not say {blank} once");
        filled = filled.replace(&blank, &form.replace('%', value));
    }
    Ok(filled)
}

fn read(root: &Path, name: &str) -> anyhow::Result<String> {
    fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"))
}

fn is_repository(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.len() <= 100
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    text.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name))
}

fn sha256(content: &[u8]) -> String {
    digest(&SHA256, content).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGELOG: &str = "# Changelog\n\n## [Unreleased]\n\n- Later.\n\n## [1.0.0] - 2026-11-26\n\n### Added\n\n- All of it.\n\n## [0.1.0]\n";

    fn parse(arguments: &[&str]) -> Result<Release, String> {
        let arguments = arguments.iter().map(|&argument| argument.to_owned());
        Release::parse(arguments).map_err(|error| error.to_string())
    }

    fn release(tag: &str) -> Release {
        parse(&["--tag", tag, "--repository", "octo/approve-release"]).expect("a release")
    }

    #[test]
    fn a_tag_must_be_the_version_of_the_crate() {
        assert!(release("v1.0.0").check("1.0.0").is_ok());
        for (tag, version, error) in [
            ("v1.0.1", "1.0.0", "the tag v1.0.1 is not v1.0.0"),
            ("1.0.0", "1.0.0", "the tag 1.0.0 is not v1.0.0"),
            ("v1", "1.0.0", "the tag v1 is not v1.0.0"),
            ("v1.0.0-rc.1", "1.0.0-rc.1", "is not a version of three numbers"),
            ("v1.0", "1.0", "is not a version of three numbers"),
        ] {
            let said = release(tag).check(version).expect_err("it is refused").to_string();
            assert!(said.contains(error), "{said}");
        }
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (arguments, error) in [
            (&[][..], "--tag is missing"),
            (&["--tag", "v1.0.0"], "--repository is missing"),
            (&["--tag"], "--tag needs a value"),
            (&["--tags", "v1.0.0"], "--tags is no option"),
            (&["--tag", "v1.0.0", "--repository", "octo"], "\"octo\" is not owner/name"),
            (&["--tag", "v1.0.0", "--repository", "octo/a\"b"], "is not owner/name"),
            (&["--tag", "v1.0.0", "--repository", "octo/app/more"], "is not owner/name"),
        ] {
            let said = parse(arguments).expect_err("it is refused");
            assert!(said.contains(error), "{said}");
        }
    }

    #[test]
    fn the_text_is_the_versions_section_and_how_to_verify() {
        let notes = release("v1.0.0").notes(CHANGELOG).expect("notes");

        assert!(notes.starts_with("### Added\n\n- All of it.\n\n### Verify\n"), "{notes}");
        let verify = "gh attestation verify dist.zip --repo octo/approve-release --signer-workflow \
                      octo/approve-release/.github/workflows/release.yml --source-ref refs/tags/v1.0.0\n";
        assert!(notes.contains(verify), "{notes}");
        for (tag, error) in
            [("v1.0.1", "no section ## [1.0.1]"), ("v0.1.0", "[0.1.0] of CHANGELOG.md is empty")]
        {
            let said = release(tag).notes(CHANGELOG).expect_err("it is refused").to_string();
            assert!(said.contains(error), "{said}");
        }
    }

    #[test]
    fn this_version_has_its_section_in_the_change_log() {
        let version = version().expect("a version");
        let release = release(&format!("v{version}"));

        release.check(&version).expect("a version that can be released");
        release.notes(&read(project_folder().unwrap(), "CHANGELOG.md").unwrap()).expect("notes");
    }

    /// A folder with packages that are quick to make, and the real template.
    fn project() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for name in PACKAGES {
            fs::write(folder.path().join(name), format!("this is {name}")).expect("a file");
        }
        fs::create_dir(folder.path().join("infra")).expect("a folder");
        let template = project_folder().unwrap().join("infra/azuredeploy.json");
        fs::copy(template, folder.path().join("infra/azuredeploy.json")).expect("a copy");
        fs::copy(project_folder().unwrap().join("setup.sh"), folder.path().join("setup.sh")).expect("a copy");
        folder
    }

    #[test]
    fn template_and_script_of_a_release_know_which_it_is() {
        let project = project();
        let folder = release("v1.0.0").collect(project.path()).expect("files");
        let template: serde_json::Value =
            serde_json::from_str(&read(&folder, "azuredeploy.json").unwrap()).expect("JSON");
        let variables = &template["variables"];

        assert_eq!(variables["releaseRepository"], "octo/approve-release");
        assert_eq!(variables["releaseTag"], "v1.0.0");
        assert_eq!(variables["packageSha256"], sha256(b"this is dist.zip"));
        let script = read(&folder, "setup.sh").unwrap();
        let digest = format!("PACKAGE_SHA256='{}'", sha256(b"this is dist.zip"));
        for line in ["RELEASE_REPOSITORY='octo/approve-release'", "RELEASE_TAG='v1.0.0'", &digest] {
            assert!(script.lines().any(|candidate| candidate == line), "{line}");
        }
    }

    #[test]
    fn a_template_that_cannot_be_filled_makes_no_release() {
        let project = project();
        let path = project.path().join("infra/azuredeploy.json");
        let template = fs::read_to_string(&path).unwrap();
        for blank in [r#""releaseTag": """#, r#""packageSha256": """#] {
            for wrong in [String::new(), format!("{blank}, {blank}")] {
                fs::write(&path, template.replace(blank, &wrong)).unwrap();
                let said = release("v1.0.0").collect(project.path()).expect_err("it is refused").to_string();
                assert!(said.contains(blank), "{said}");
            }
        }
    }

    #[test]
    fn checksums_name_every_file_and_nothing_stays_from_an_earlier_release() {
        let project = project();
        let folder = project.path().join(FOLDER);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("old.zip"), "").unwrap();
        release("v1.0.0").collect(project.path()).expect("files");

        let sums = read(&folder, CHECKSUMS).unwrap();
        let mut named: Vec<_> = sums.lines().map(|line| line.split_once("  ").expect("two parts")).collect();
        for (sum, name) in &named {
            assert_eq!(*sum, sha256(&fs::read(folder.join(name)).unwrap()), "{name}");
        }
        named.push(("", CHECKSUMS));
        let mut named: Vec<_> = named.into_iter().map(|(_, name)| name.to_owned()).collect();
        let files =
            fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut files: Vec<_> = files.collect();
        named.sort();
        files.sort();
        assert_eq!(named, files);
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
