//! The custom-handler protocol: one request and one answer, whichever of its two forms the host uses.
//!
//! The host either hands on the caller's HTTP request, or wraps it into an *invocation payload* and wants the answer
//! wrapped in the same way. A function sees [`Invocation`] and gives [`Answer`]; it cannot tell the forms apart.

use std::{collections::BTreeMap, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use log::Level;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use crate::{text::json::whole_characters, timing::Timing};

/// A caller's request to a function.
pub struct Invocation {
    /// The method, such as `POST`, in the caller's spelling.
    pub method: String,
    /// The decoded query, in order; repeated keys stay apart if the host keeps them apart.
    pub query: Vec<(String, String)>,
    /// The id that follows the route in the path, if the route takes one.
    pub id: Option<String>,
    /// Every header line.
    pub headers: Vec<(String, String)>,
    /// The body, as far as it was read.
    pub body: Body,
    /// The host's id of this invocation; empty outside a host.
    pub invocation_id: String,
    /// The time of the request, and the deadline of its answer.
    pub timing: Timing,
}

/// A body that was read with limits.
#[derive(Debug, PartialEq, Eq)]
pub enum Body {
    /// All of it.
    Whole(Vec<u8>),
    /// More than was allowed.
    TooLarge,
    /// The body did not arrive in time, or broke off.
    Incomplete,
}

/// Leaves out headers, query and body: they hold tokens and keys.
impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, invocation_id, .. } = self;
        f.debug_struct("Invocation")
            .field("method", method)
            .field("invocation_id", invocation_id)
            .finish_non_exhaustive()
    }
}

impl Invocation {
    /// Every value of the header `name`, whatever its case.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The value of the query's key `name`, whatever its case: none if the key is there twice.
    pub fn query_value(&self, name: &str) -> Option<&str> {
        let mut values = self.query.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        values.next().filter(|_| values.next().is_none()).map(|(_, value)| value.as_str())
    }

    /// The first value of the header `name`, whatever its case.
    pub fn header<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.headers(name).next()
    }
}

/// A function's answer.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Names and values; the names are our own, the values visible ASCII.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
    /// Lines for the operator, each on its own.
    pub log: Vec<(Level, String)>,
}

/// Reads a query or a form: `key=value` joined by `&`, percent-encoded UTF-8, `+` for a space. `None` if the decoded
/// bytes are not UTF-8.
pub fn parse_urlencoded(text: &str) -> Option<Vec<(String, String)>> {
    let decode =
        |text: &str| Some(percent_decode_str(&text.replace('+', " ")).decode_utf8().ok()?.into_owned());
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| Some((decode(key)?, decode(value)?)))
        .collect()
}

/// The name of the HTTP output in each `function.json` here.
pub const HTTP_OUTPUT: &str = "res";

/// The payload. Other members are skipped unread, above all `Metadata`: callers can put anything there, under any
/// name, even `sys`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Payload {
    data: Data,
}

/// The data of the triggers, with the name of the HTTP trigger in each `function.json` here.
#[derive(Deserialize)]
struct Data {
    req: Trigger,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Trigger {
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    query: Option<Query>,
    #[serde(default)]
    headers: Option<BTreeMap<String, Option<OneOrMany>>>,
    #[serde(default)]
    params: Option<Params>,
    #[serde(default)]
    body: Option<PayloadBody>,
}

#[derive(Deserialize)]
struct Params {
    #[serde(default)]
    id: Option<String>,
}

/// An object; from older hosts, a string with one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Query {
    Object(BTreeMap<String, Option<OneOrMany>>),
    Text(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PayloadBody {
    Text(String),
    Bytes(Vec<u8>),
}

/// Reads the invocation payload of an HTTP function, for the invocation `invocation_id`. A body of more than
/// `max_body` bytes is [`Body::TooLarge`].
pub fn parse_payload(
    payload: &[u8],
    invocation_id: String,
    max_body: usize,
    timing: Timing,
) -> serde_json::Result<Invocation> {
    let payload: Payload = match str::from_utf8(payload) {
        Ok(text) => serde_json::from_str(&whole_characters(text))?,
        Err(_) => serde_json::from_slice(payload)?,
    };
    let trigger = payload.data.req;
    let query = match trigger.query {
        Some(Query::Object(query)) => query,
        Some(Query::Text(text)) if !text.is_empty() => serde_json::from_str(&whole_characters(&text))?,
        Some(Query::Text(_)) | None => BTreeMap::new(),
    };
    let mut request = Invocation {
        method: trigger.method.unwrap_or_else(|| "POST".to_owned()),
        query: pairs(query),
        id: trigger.params.and_then(|params| params.id).filter(|id| !id.is_empty()),
        headers: pairs(trigger.headers.unwrap_or_default()),
        body: Body::TooLarge,
        invocation_id,
        timing,
    };
    let body = match trigger.body {
        Some(PayloadBody::Text(text)) => decoded(&request, text),
        Some(PayloadBody::Bytes(bytes)) => bytes,
        None => Vec::new(),
    };
    if body.len() <= max_body {
        request.body = Body::Whole(body);
    }
    Ok(request)
}

/// The body that the host wrote as `text`: decoded from base64 if its type is one that the host encodes.
fn decoded(request: &Invocation, text: String) -> Vec<u8> {
    let content_type = request.header("content-type").unwrap_or_default().trim_start().to_ascii_lowercase();
    let is_no_text =
        ["application/octet-stream", "multipart/"].iter().any(|kind| content_type.starts_with(kind));
    match is_no_text {
        true => STANDARD.decode(&text).unwrap_or_else(|_| text.into_bytes()),
        false => text.into_bytes(),
    }
}

/// The id of an invocation, from the header that the host adds. If the caller sent one too, the host's is the last.
pub fn invocation_id<'a>(headers: impl Iterator<Item = &'a str>) -> String {
    let last = headers.last().unwrap_or_default();
    last.rsplit_once(',').map_or(last, |(_, id)| id).trim().to_owned()
}

fn pairs(map: BTreeMap<String, Option<OneOrMany>>) -> Vec<(String, String)> {
    let values = |values| match values {
        Some(OneOrMany::One(value)) => vec![value],
        Some(OneOrMany::Many(values)) => values,
        None => Vec::new(),
    };
    map.into_iter()
        .flat_map(|(key, value)| values(value).into_iter().map(move |value| (key.clone(), value)))
        .collect()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Invoked<'a> {
    outputs: BTreeMap<&'static str, HttpOutput<'a>>,
    logs: Vec<&'a str>,
    return_value: (),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpOutput<'a> {
    status_code: String,
    headers: BTreeMap<&'static str, &'a str>,
    body: &'a str,
}

/// The answer to an invocation payload, in the host's JSON: the lines for the log, and the answer itself as
/// the output binding of that name, if the function has one.
pub fn invocation_answer(answer: &Answer, output: Option<&'static str>) -> serde_json::Result<String> {
    let http_output = || HttpOutput {
        status_code: answer.status.to_string(),
        headers: answer.headers.iter().map(|(name, value)| (*name, value.as_str())).collect(),
        body: &answer.body,
    };
    serde_json::to_string(&Invoked {
        outputs: output.into_iter().map(|name| (name, http_output())).collect(),
        logs: answer.log.iter().map(|(_, line)| line.as_str()).collect(),
        return_value: (),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;

    use super::*;

    fn parse(payload: &str) -> serde_json::Result<Invocation> {
        parse_payload(
            payload.as_bytes(),
            "id".to_owned(),
            10,
            Timing::new(DateTime::UNIX_EPOCH, Duration::ZERO),
        )
    }

    #[test]
    fn a_payload_becomes_a_request() {
        let request = parse(
            r#"{"Data":{"req":{"Url":"u","Method":"POST","Query":{"a":"b"},"Headers":{"X":["1","2"],"Y":["3"]},
                "Params":{"id":"42"},"Identities":[],"Body":"text"}},"Metadata":{"sys":{"RandGuid":"guid"},"x":1}}"#,
        )
        .expect("a request");
        assert_eq!(request.query, [("a".to_owned(), "b".to_owned())]);
        assert_eq!(request.id.as_deref(), Some("42"));
        assert_eq!(request.headers("x").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(request.body, Body::Whole(b"text".to_vec()));
        assert_eq!(request.invocation_id, "id");
    }

    #[test]
    fn what_a_caller_puts_into_metadata_is_not_even_looked_at() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for metadata in [
            r#"{"sys":"1"}"#,
            r#"{"sys":1,"sys":{"RandGuid":{}},"$sys":{"RandGuid":"guid"}}"#,
            r#"{"text":"\ud83d","\ud83d":"\udc00\ud83d"}"#,
            r#"{"big":1e999999,"Data":{"req":{"Method":"GET"}}}"#,
            "[]",
            "7",
            &deep,
        ] {
            let request = parse(&format!(r#"{{"Metadata":{metadata},"Data":{{"req":{{"Body":"text"}}}}}}"#));
            let request = request.expect(metadata);
            assert_eq!((request.invocation_id.as_str(), request.method.as_str()), ("id", "POST"));
            assert_eq!(request.body, Body::Whole(b"text".to_vec()));
        }
    }

    #[test]
    fn what_is_no_text_comes_in_base64() {
        let body = |content_type: &str, text: &str| {
            let payload = format!(
                r#"{{"Data":{{"req":{{"Headers":{{"content-type":["{content_type}"]}},"Body":"{text}"}}}}}}"#
            );
            parse(&payload).expect("a request").body
        };
        assert_eq!(body("application/octet-stream", "e30="), Body::Whole(b"{}".to_vec()));
        assert_eq!(
            body("Multipart/Form-Data; boundary=x", "MTIzNDU2Nzg5MA=="),
            Body::Whole(b"1234567890".to_vec())
        );
        assert_eq!(body("multipart/form-data", "{}"), Body::Whole(b"{}".to_vec()));
        assert_eq!(body("application/json", "e30="), Body::Whole(b"e30=".to_vec()));
    }

    #[test]
    fn the_hosts_id_of_an_invocation_is_the_last() {
        for (headers, expected) in [
            (vec![], ""),
            (vec!["real"], "real"),
            (vec!["theirs, real"], "real"),
            (vec!["theirs,and,more,real "], "real"),
            (vec!["theirs", "real"], "real"),
        ] {
            assert_eq!(invocation_id(headers.into_iter()), expected);
        }
    }

    #[test]
    fn older_and_sparser_payloads_are_read_too() {
        let request =
            parse(r#"{"Data":{"req":{"Query":"{\"a\":\"b\"}","Body":[1,255]}}}"#).expect("a request");
        assert_eq!(request.query, [("a".to_owned(), "b".to_owned())]);
        assert_eq!(request.body, Body::Whole(vec![1, 255]));
        let nulls =
            r#"{"Data":{"req":{"Query":{"a":null},"Headers":{"X":null},"Body":null}},"Metadata":null}"#;
        assert!(parse(nulls).expect("a request").query.is_empty());
        let request = parse(r#"{"Data":{"req":{"Query":"","Headers":null}}}"#).expect("a request");
        assert_eq!(request.body, Body::Whole(Vec::new()));
        assert_eq!(request.method, "POST");
    }

    #[test]
    fn a_body_is_measured_decoded() {
        assert_eq!(
            parse(r#"{"Data":{"req":{"Body":"\u00410123456789"}}}"#).expect("a request").body,
            Body::TooLarge
        );
        assert_ne!(
            parse(r#"{"Data":{"req":{"Body":"\u0041123456789"}}}"#).expect("a request").body,
            Body::TooLarge
        );
    }

    #[test]
    fn broken_payloads_are_errors() {
        for payload in [
            "",
            "{",
            "[]",
            "null",
            r#"{"Data":{}}"#,
            r#"{"Data":{"req":1}}"#,
            r#"{"Data":{"req":{"Body":{}}}}"#,
        ] {
            assert!(parse(payload).is_err(), "{payload}");
        }
    }

    #[test]
    fn half_a_character_in_a_payload_is_one_that_cannot_be_shown() {
        let payload = r#"{"Data":{"req":{"Headers":{"x":["\ude00"]},"Query":"{\"q\":\"\\ud83d\"}","Body":"a\ud83db"}}}"#;
        let request = parse(payload).expect("a request");
        assert_eq!(request.header("x"), Some("\u{fffd}"));
        assert_eq!(request.query, [("q".to_owned(), "\u{fffd}".to_owned())]);
        assert_eq!(request.body, Body::Whole("a\u{fffd}b".into()));
    }

    #[test]
    fn queries_are_decoded_strictly() {
        let parsed = parse_urlencoded("a=1%2B1+x&b&&a=%C3%A9").expect("a query");
        let expected = [("a", "1+1 x"), ("b", ""), ("a", "é")];
        assert_eq!(parsed, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(parse_urlencoded("a=%ff"), None);
    }
}
