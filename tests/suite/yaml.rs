//! Workflows and actions as what they say, not as lines.

use std::{fs, path::Path};

use saphyr::{LoadableYamlNode, YamlOwned};

use crate::handler_process::repository_root;

/// The one document of a file of this project.
pub fn read_yaml(path: impl AsRef<Path>) -> YamlOwned {
    let path = repository_root().join(path);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    parse_yaml(&text)
}

/// The one document of a text.
pub fn parse_yaml(text: &str) -> YamlOwned {
    let [document] = <[_; 1]>::try_from(YamlOwned::load_from_str(text).expect("YAML")).expect("one document");
    document
}

/// The members of a mapping, in the file's order.
pub fn members(yaml: &YamlOwned) -> impl Iterator<Item = (&str, &YamlOwned)> {
    let members = yaml.as_mapping().into_iter().flatten();
    members.map(|(name, value)| (name.as_str().expect("a name"), value))
}

/// All mappings in a document, whatever they are in.
pub fn mappings(yaml: &YamlOwned) -> Vec<&YamlOwned> {
    let within = |yaml| mappings(yaml);
    match yaml {
        YamlOwned::Mapping(members) => [yaml].into_iter().chain(members.values().flat_map(within)).collect(),
        YamlOwned::Sequence(items) => items.iter().flat_map(within).collect(),
        _ => Vec::new(),
    }
}

/// The text that a mapping has under this name, if it has one.
pub fn text_of<'a>(yaml: &'a YamlOwned, name: &str) -> Option<&'a str> {
    yaml.as_mapping_get(name)?.as_str()
}
