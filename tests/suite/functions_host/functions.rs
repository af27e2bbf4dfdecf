//! The files that the host reads from an app folder: `host.json`, and a function per folder with a `function.json`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use percent_encoding::percent_decode_str;
use serde::{Deserialize, de::DeserializeOwned};

use crate::http1::Request;

/// The parts of `host.json` that decide how a custom handler is started and reached.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostJson {
    custom_handler: CustomHandler,
    #[serde(default)]
    extensions: Extensions,
}

#[derive(Deserialize)]
struct CustomHandler {
    description: Description,
}

/// Anything that this stand-in does not play is refused, not ignored: a test would prove nothing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Description {
    default_executable_path: PathBuf,
}

#[derive(Default, Deserialize)]
struct Extensions {
    #[serde(default)]
    http: HttpExtension,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpExtension {
    route_prefix: String,
}

impl Default for HttpExtension {
    fn default() -> Self {
        Self { route_prefix: "api".to_owned() }
    }
}

impl HostJson {
    pub fn read(app_root: &Path) -> Self {
        read_json(&app_root.join("host.json"))
    }

    /// Relative to the app folder.
    pub fn executable(&self) -> &Path {
        &self.custom_handler.description.default_executable_path
    }
}

#[derive(Deserialize)]
struct FunctionJson {
    bindings: Vec<Binding>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Binding {
    r#type: String,
    name: String,
    direction: Direction,
    route: Option<String>,
    methods: Option<Vec<String>>,
    auth_level: Option<AuthLevel>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Direction {
    In,
    Out,
}

/// The right that a caller of a function needs; checked by the host.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum AuthLevel {
    Anonymous,
    Function,
}

/// A function of the app.
pub struct Function {
    /// The name of its folder.
    pub name: String,
    pub trigger: Trigger,
    /// The name of the HTTP output binding: a key of `Outputs`, or `$return`.
    pub http_output: Option<String>,
    /// Nothing but an HTTP trigger and an HTTP output: only then do the flags in `host.json` forward requests.
    pub http_only: bool,
}

pub enum Trigger {
    Http(HttpTrigger),
    Timer { binding: String },
}

pub struct HttpTrigger {
    /// The key under `Data`.
    pub binding: String,
    pub auth_level: AuthLevel,
    /// `None`: every method.
    methods: Option<Vec<String>>,
    route: Vec<Segment>,
}

/// A piece of a route template.
#[derive(Debug, PartialEq)]
enum Segment {
    Literal(String),
    Parameter { name: String, optional: bool },
}

/// Route parameters, decoded; `None`: an optional one that is missing.
pub type Params = BTreeMap<String, Option<String>>;

/// Every function of an app folder.
pub fn read_functions(app_root: &Path) -> Vec<Function> {
    let route_prefix = HostJson::read(app_root).extensions.http.route_prefix;
    let folders = fs::read_dir(app_root).expect("the app folder can be listed");
    folders
        .map(|entry| entry.expect("the app folder can be listed").path())
        .filter(|folder| folder.join("function.json").is_file())
        .map(|folder| Function::read(&folder, &route_prefix))
        .collect()
}

impl Function {
    fn read(folder: &Path, route_prefix: &str) -> Self {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        Self::new(name, read_json(&folder.join("function.json")), route_prefix)
    }

    fn new(name: String, definition: FunctionJson, route_prefix: &str) -> Self {
        let bindings = definition.bindings;
        let input = bindings.iter().find(|binding| binding.direction == Direction::In).expect("a trigger");
        let outputs: Vec<&Binding> =
            bindings.iter().filter(|binding| binding.direction == Direction::Out).collect();
        let http_output = outputs.iter().find(|output| output.r#type == "http");
        let http_trigger = input.r#type == "httpTrigger";
        Self {
            http_only: http_trigger && http_output.is_some() && bindings.len() == 2,
            http_output: http_output.map(|output| output.name.clone()),
            trigger: match input.r#type.as_str() {
                "httpTrigger" => Trigger::Http(HttpTrigger::new(input, &name, route_prefix)),
                "timerTrigger" => Trigger::Timer { binding: input.name.clone() },
                other => panic!("{name}: the stand-in plays no {other}"),
            },
            name,
        }
    }

    #[cfg(test)]
    pub fn with_http_output(name: &str) -> Self {
        let trigger = Trigger::Http(HttpTrigger::anonymous("req", "api/X"));
        Self { name: "X".to_owned(), trigger, http_output: Some(name.to_owned()), http_only: true }
    }

    /// The HTTP trigger and the route parameters, when the request is this function's.
    pub fn serves(&self, request: &Request) -> Option<(&HttpTrigger, Params)> {
        let Trigger::Http(trigger) = &self.trigger else { return None };
        let params = trigger.match_path(request.path())?;
        trigger.allows_method(&request.method).then_some((trigger, params))
    }
}

impl HttpTrigger {
    fn new(binding: &Binding, function: &str, route_prefix: &str) -> Self {
        let route = binding.route.as_deref().unwrap_or(function);
        Self {
            binding: binding.name.clone(),
            auth_level: binding.auth_level.unwrap_or(AuthLevel::Function),
            methods: binding.methods.clone(),
            route: parse_route(&format!("{route_prefix}/{route}")),
        }
    }

    #[cfg(test)]
    pub fn anonymous(binding: &str, route: &str) -> Self {
        let (binding, auth_level) = (binding.to_owned(), AuthLevel::Anonymous);
        Self { binding, auth_level, methods: None, route: parse_route(route) }
    }

    fn allows_method(&self, method: &str) -> bool {
        self.methods.as_ref().is_none_or(|methods| methods.iter().any(|one| one.eq_ignore_ascii_case(method)))
    }

    /// Literals match whatever their case; a trailing slash does not matter.
    fn match_path(&self, path: &str) -> Option<Params> {
        let path = path.strip_prefix('/')?;
        let mut pieces = path.strip_suffix('/').unwrap_or(path).split('/');
        let mut params = Params::new();
        for segment in &self.route {
            match (segment, pieces.next()) {
                (Segment::Literal(literal), Some(piece)) if literal.eq_ignore_ascii_case(&decode(piece)) => {}
                (Segment::Parameter { name, .. }, Some(piece)) if !piece.is_empty() => {
                    params.insert(name.clone(), Some(decode(piece)));
                }
                (Segment::Parameter { name, optional: true }, None) => {
                    params.insert(name.clone(), None);
                }
                _ => return None,
            }
        }
        pieces.next().is_none().then_some(params)
    }
}

fn parse_route(template: &str) -> Vec<Segment> {
    let parse_segment = |segment: &str| {
        let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            return Segment::Literal(segment.to_owned());
        };
        let required = name.strip_suffix('?');
        Segment::Parameter { name: required.unwrap_or(name).to_owned(), optional: required.is_some() }
    };
    template.split('/').map(parse_segment).collect()
}

fn decode(piece: &str) -> String {
    percent_decode_str(piece).decode_utf8_lossy().into_owned()
}

fn read_json<T: DeserializeOwned>(path: &Path) -> T {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(route: &str) -> HttpTrigger {
        let json = format!(
            r#"{{"bindings": [
                {{"type": "httpTrigger", "direction": "in", "name": "req", "route": "{route}", "methods": ["get"]}},
                {{"type": "http", "direction": "out", "name": "$return"}}]}}"#
        );
        let function = Function::new("Named".to_owned(), serde_json::from_str(&json).unwrap(), "api");
        let Trigger::Http(trigger) = function.trigger else { panic!("an HTTP trigger") };
        trigger
    }

    fn id(path: &str, route: &str) -> Option<Option<String>> {
        trigger(route).match_path(path).map(|params| params.get("id").cloned().flatten())
    }

    #[test]
    fn a_required_parameter_must_be_there_and_is_decoded() {
        assert_eq!(id("/api/approvals/a%20b+c", "approvals/{id}"), Some(Some("a b+c".to_owned())));
        assert_eq!(id("/api/approvals", "approvals/{id}"), None);
        assert_eq!(id("/api/approvals/1/2", "approvals/{id}"), None);
    }

    #[test]
    fn an_optional_parameter_may_be_missing() {
        assert_eq!(id("/API/Approvals/", "approvals/{id?}"), Some(None));
        assert_eq!(id("/api/approvals/42", "approvals/{id?}"), Some(Some("42".to_owned())));
    }

    #[test]
    fn a_function_that_says_no_level_wants_a_key() {
        assert_eq!(trigger("x").auth_level, AuthLevel::Function);
        assert!(trigger("x").allows_method("GET") && !trigger("x").allows_method("POST"));
    }
}
