//! The traffic on the wire, held against the descriptions of those who define it (`tests/wire`; each says where it is
//! from): every request that a stand-in gets and every answer of its own, so that neither we nor a stand-in make up a
//! wire format.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use wiremock::Request;

/// The operations of an API, in the form of OpenAPI 3.0.
pub struct Wire(Value);

/// GitHub's REST API.
pub static GITHUB: LazyLock<Wire> = LazyLock::new(|| Wire::read(include_str!("../wire/github.json")));

/// The part of GitHub's REST API that tells about runs and refs.
pub static GITHUB_ORIGIN: LazyLock<Wire> =
    LazyLock::new(|| Wire::read(include_str!("../wire/github-origin.json")));

/// GitHub's own example of an answer about a run or a ref.
pub fn example(name: &str) -> Value {
    GITHUB_ORIGIN.0["components"]["examples"][name]["value"].clone()
}

/// The Bot Connector.
pub static BOT_CONNECTOR: LazyLock<Wire> =
    LazyLock::new(|| Wire::read(include_str!("../wire/bot-connector.json")));

/// An operation: where it stands in its description.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation(Vec<String>);

impl Wire {
    fn read(description: &str) -> Self {
        let mut description = serde_json::from_str(description).expect("a description is JSON");
        allow_null(&mut description);
        Self(description)
    }

    /// The operation that is called at this path, if its body is as it should be. `body` is nothing where none is sent.
    pub fn request(&self, request: &Request, path: &str, body: Option<&Value>) -> Result<Operation, String> {
        let method = request.method.as_str().to_ascii_lowercase();
        let about = format!("{method} {path}");
        let operation =
            self.operation(&method, path).ok_or(format!("{about}: there is no such operation"))?;
        let header = request.headers.get("content-type").and_then(|value| value.to_str().ok());
        match (operation.of(self).get("requestBody"), body) {
            (None, None) => Ok(operation),
            (None, Some(_)) => Err(format!("{about}: takes no body")),
            (Some(_), None) => Err(format!("{about}: needs a body")),
            (Some(_), Some(body)) => {
                let place = ["requestBody", "content", header.unwrap_or_default(), "schema"];
                self.hold(&operation.place(&place), body).map_err(|error| format!("{about}: {error}"))?;
                Ok(operation)
            }
        }
    }

    /// Checks that an operation may be answered so. A status that is not described takes the operation's default, or
    /// else `otherwise`, a schema.
    pub fn answer(
        &self,
        operation: &Operation,
        (status, body): (u16, Option<&Value>),
        otherwise: &str,
    ) -> Result<(), String> {
        let status_text = status.to_string();
        let responses = &operation.of(self)["responses"];
        let place = match [status_text.as_str(), "default"]
            .into_iter()
            .find(|key| responses.get(key).is_some())
        {
            Some(key) => match responses[key]["$ref"].as_str() {
                Some(reference) => reference.trim_start_matches("#/").split('/').map(str::to_owned).collect(),
                None => operation.place(&["responses", key]),
            },
            None => {
                return self.hold_optional(&["components", "schemas", otherwise].map(str::to_owned), body);
            }
        };
        let schema: Vec<_> =
            place.into_iter().chain(["content", "application/json", "schema"].map(str::to_owned)).collect();
        match (at(&self.0, &schema), body) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(format!("the answer {status} has no body")),
            (Some(_), body) => self.hold_optional(&schema, body),
        }
        .map_err(|error| format!("{operation:?} answered {status}: {error}"))
    }

    /// The operation whose path this is, with a segment for each parameter.
    fn operation(&self, method: &str, path: &str) -> Option<Operation> {
        let is_it =
            |template: &str| {
                let (template, path) = (template.split('/'), path.split('/'));
                let is_parameter = |part: &str| part.starts_with('{');
                template.clone().count() == path.clone().count()
                    && template.zip(path).all(|(part, given)| {
                        if is_parameter(part) { !given.is_empty() } else { part == given }
                    })
            };
        let paths = self.0["paths"].as_object()?;
        let (template, _) =
            paths.iter().find(|(template, methods)| is_it(template) && methods.get(method).is_some())?;
        Some(Operation(["paths", template, method].map(str::to_owned).to_vec()))
    }

    fn hold_optional(&self, place: &[String], body: Option<&Value>) -> Result<(), String> {
        self.hold(place, body.ok_or("there is no body")?)
    }

    /// Holds a body against the schema at this place.
    fn hold(&self, place: &[String], body: &Value) -> Result<(), String> {
        if at(&self.0, place).is_none() {
            return Err(format!("nothing is described at {place:?}"));
        }
        let escaped = place.iter().map(|part| part.replace('~', "~0").replace('/', "~1"));
        let pointer = escaped.map(|part| format!("/{}", percent(&part))).collect::<String>();
        let mut schema = self.0.as_object().cloned().unwrap_or_else(Map::new);
        schema.insert("$ref".to_owned(), json!(format!("#{pointer}")));
        let validator = jsonschema::draft4::new(&Value::Object(schema)).map_err(|error| error.to_string())?;
        let faults: Vec<_> = validator
            .iter_errors(body)
            .map(|fault| format!("{fault} at {}", fault.instance_path()))
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
    }
}

impl Operation {
    fn of<'a>(&self, wire: &'a Wire) -> &'a Value {
        at(&wire.0, &self.0).expect("it was found there")
    }

    fn place(&self, below: &[&str]) -> Vec<String> {
        self.0.iter().cloned().chain(below.iter().map(|part| (*part).to_owned())).collect()
    }
}

/// Says `nullable` of OpenAPI as JSON Schema does.
fn allow_null(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(allow_null);
            if members.get("nullable") != Some(&json!(true)) {
                return;
            }
            members.remove("nullable");
            if let Some(kind) = members.get_mut("type").filter(|kind| kind.is_string()) {
                *kind = json!([kind, "null"]);
                if let Some(values) = members.get_mut("enum").and_then(Value::as_array_mut) {
                    values.push(Value::Null);
                }
            } else {
                let other = std::mem::take(members);
                members.insert("anyOf".to_owned(), json!([other, {"type": "null"}]));
            }
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(allow_null),
        _ => {}
    }
}

fn at<'a>(value: &'a Value, place: &[String]) -> Option<&'a Value> {
    place.iter().try_fold(value, |value, part| value.get(part))
}

/// Encodes characters that a fragment of a URL cannot have in it.
fn percent(part: &str) -> String {
    part.replace('%', "%25").replace('{', "%7B").replace('}', "%7D")
}

#[cfg(test)]
mod tests {
    use wiremock::http::{HeaderMap, HeaderValue, Method};

    use super::*;

    const DISPATCHES: &str = "/repos/octo/app/dispatches";
    const JSON: &str = "application/json";

    fn request(method: &str, content_type: &str) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_str(content_type).expect("a header"));
        Request {
            url: "http://127.0.0.1/".parse().expect("a URL"),
            method: Method::from_bytes(method.as_bytes()).expect("a method"),
            headers,
            body: Vec::new(),
        }
    }

    fn dispatch(body: Value) -> Result<Operation, String> {
        GITHUB.request(&request("POST", JSON), DISPATCHES, Some(&body))
    }

    #[test]
    fn a_dispatch_is_held_to_githubs_description() {
        assert!(dispatch(json!({"event_type": "go"})).is_ok());
        for (body, fault) in [
            (json!({}), "event_type"),
            (json!({"event_type": ""}), "shorter than 1"),
            (json!({"event_type": 1}), "string"),
            (json!({"event_type": "go", "client_payload": []}), "object"),
            (json!([]), "object"),
        ] {
            let error = dispatch(body.clone()).expect_err("refused");
            assert!(error.contains(fault), "{body}: {error}");
        }
        let body = json!({"event_type": "go"});
        let form = request("POST", "application/x-www-form-urlencoded");
        assert!(GITHUB.request(&form, DISPATCHES, Some(&body)).is_err());
        assert!(GITHUB.request(&request("POST", JSON), DISPATCHES, None).is_err());
        assert!(GITHUB.request(&request("PUT", JSON), DISPATCHES, Some(&body)).is_err());
        assert!(GITHUB.request(&request("POST", JSON), "/repos/octo/dispatches", Some(&body)).is_err());
    }

    #[test]
    fn an_answer_of_github_is_held_to_its_description() {
        let operation = dispatch(json!({"event_type": "go"})).expect("a dispatch");
        let answer =
            |status, body: Option<Value>| GITHUB.answer(&operation, (status, body.as_ref()), "basic-error");
        assert_eq!(answer(204, None), Ok(()));
        assert!(answer(204, Some(json!({}))).is_err());
        assert_eq!(answer(404, Some(json!({"message": "Not Found"}))), Ok(()));
        assert!(answer(422, Some(json!({"message": "Not Found"}))).is_err(), "no documentation_url");
        assert!(answer(401, Some(json!({"message": 1}))).is_err());
        assert!(answer(401, None).is_err());
    }

    #[test]
    fn a_call_of_the_bot_is_held_to_the_connectors_description() {
        let update = |body: Value| {
            BOT_CONNECTOR.request(&request("PUT", JSON), "/v3/conversations/19:x/activities/1", Some(&body))
        };
        assert!(update(json!({"type": "message", "text": "x"})).is_ok());
        for (body, fault) in [
            (json!({"type": "message", "txt": "x"}), "txt"),
            (json!({"type": "message", "attachments": [{"contentUrl": null}]}), "contentUrl"),
            (json!({"type": "message", "attachments": {}}), "array"),
        ] {
            let error = update(body.clone()).expect_err("refused");
            assert!(error.contains(fault), "{body}: {error}");
        }
    }
}
