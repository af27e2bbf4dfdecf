//! Azure's own types of its resources, and a template held to them without Azure.
//!
//! `tests/azure-types.json` is an extract of them; `tests/node/azure-types.js` says of what, and makes it again.

use std::fs;

use serde_json::{Map, Value};

use crate::handler_process::repository_root;

/// Members of a resource that belong to the template and not to its type.
const OF_THE_TEMPLATE: [&str; 6] = ["type", "apiVersion", "condition", "dependsOn", "scope", "comments"];

/// The types.
pub struct AzureTypes(Value);

impl AzureTypes {
    pub fn read() -> Self {
        let text = fs::read_to_string(repository_root().join("tests/azure-types.json")).expect("the types");
        Self(serde_json::from_str(&text).expect("JSON"))
    }

    /// All that is wrong with a resource, each with the path to it.
    pub fn faults(&self, resource: &Value) -> Vec<String> {
        let text = |member: &str| resource[member].as_str().unwrap_or_default();
        let name = format!("{}@{}", text("type"), text("apiVersion"));
        let Some(types) = self.0.get(&name) else { return vec![format!("{name} is not known")] };
        let mut body = resource.as_object().expect("an object").clone();
        body.retain(|member, _| !OF_THE_TEMPLATE.contains(&member.as_str()));
        let mut look = Look { types, faults: Vec::new() };
        look.object(&Value::Object(body), &types[""], &name);
        look.faults
    }
}

struct Look<'a> {
    types: &'a Value,
    faults: Vec<String>,
}

impl Look<'_> {
    fn object(&mut self, value: &Value, shape: &Value, path: &str) {
        let Some(members) = value.as_object() else { return self.fault(path, "is no object") };
        let Some(by) = shape.get("by").and_then(Value::as_str).filter(|_| shape.get("variants").is_some())
        else {
            return self.members(members, shape, path);
        };
        let key = members.get(by).and_then(Value::as_str).map(last_name).unwrap_or_default();
        match shape["variants"].get(key) {
            Some(variant) => self.members(members, variant, path),
            None => self.fault(path, &format!("has no variant {by} = {key}")),
        }
    }

    fn members(&mut self, members: &Map<String, Value>, shape: &Value, path: &str) {
        for (name, value) in members {
            let at = format!("{path}.{name}");
            let kind = shape.get(name).or_else(|| shape.get(format!("{name}!"))).or_else(|| shape.get("*"));
            match kind.and_then(Value::as_str) {
                Some(kind) => self.value(value, kind, &at),
                None => self.fault(&at, "is not a property that can be set"),
            }
        }
        let required = shape.as_object().expect("a shape").keys().filter_map(|name| name.strip_suffix('!'));
        for name in required.filter(|name| !members.contains_key(*name)) {
            self.fault(&format!("{path}.{name}"), "is missing");
        }
    }

    fn value(&mut self, value: &Value, kind: &str, path: &str) {
        if value.as_str().is_some_and(|text| text.starts_with('[')) {
            return;
        }
        let types = self.types;
        if let Some(item) = kind.strip_suffix("[]") {
            let Some(items) = value.as_array() else { return self.fault(path, "is no list") };
            items
                .iter()
                .enumerate()
                .for_each(|(place, value)| self.value(value, item, &format!("{path}[{place}]")));
        } else if let Some(shape) = types.get(kind) {
            self.object(value, shape, path);
        } else if !self.is_plain(value, kind) {
            self.fault(path, &format!("is {value}, and not {kind}"));
        }
    }

    fn is_plain(&self, value: &Value, kind: &str) -> bool {
        match kind {
            "int" => value.is_i64(),
            "bool" => value.is_boolean(),
            "string" => value.is_string(),
            "any" => true,
            // One of these texts. Where Azure's list is open (`… | string`), another would be a slip all the same.
            choices => value.as_str().is_some_and(|text| {
                let mut choices = choices.split('|').map(|choice| choice.trim().trim_matches('\''));
                choices.any(|choice| choice == text)
            }),
        }
    }

    fn fault(&mut self, path: &str, what: &str) {
        self.faults.push(format!("{path} {what}"));
    }
}

/// The last part of a name, also of one that is an expression: `[format('{0}/ftp', …)]`.
fn last_name(name: &str) -> &str {
    let name = if name.starts_with('[') { name.split('\'').nth(1).unwrap_or(name) } else { name };
    name.rsplit('/').next().unwrap_or(name)
}
