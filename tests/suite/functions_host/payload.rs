//! The invocation payload: a trigger as the JSON that the host POSTs to `/{FunctionName}`, and the answer it reads.

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::{
    Map, Value, json,
    ser::{CharEscape, Formatter},
};

use super::{functions::Params, query};
use crate::http1::{Answer, Body, Request};

/// The payload of an HTTP trigger.
pub fn http_payload(
    function: &str,
    binding: &str,
    public_port: u16,
    request: &Request,
    params: &Params,
) -> Value {
    let mut req = json!({
        "Url": format!("http://127.0.0.1:{public_port}{}", request.target),
        "Method": request.method,
        "Query": query::joined(request.query()).into_iter().collect::<Map<_, _>>(),
        "Headers": header_arrays(request),
        "Params": params,
        "Identities": [],
    });
    if let Some(body) = body_value(request) {
        req["Body"] = body;
    }
    json!({"Data": {binding: req}, "Metadata": metadata(function)})
}

/// The payload of a timer trigger.
pub fn timer_payload(function: &str, binding: &str) -> Value {
    let timer = json!({
        "Schedule": {"AdjustForDST": true},
        "ScheduleStatus": {
            "Last": "2026-11-24T03:59:00+00:00",
            "Next": "2026-11-24T04:01:00+00:00",
            "LastUpdated": "2026-11-24T03:59:00+00:00",
        },
        "IsPastDue": false,
    });
    json!({"Data": {binding: timer}, "Metadata": metadata(function)})
}

fn metadata(function: &str) -> Value {
    json!({"sys": {
        "MethodName": function,
        "UtcNow": "2026-11-24T04:00:00.0000000Z",
        "RandGuid": "4c0e1d0a-7d4e-4a55-9d35-0b6f8d1c2e3f",
    }})
}

/// Every header as an array of its values.
fn header_arrays(request: &Request) -> Value {
    let mut arrays: Vec<(String, Vec<Value>)> = Vec::new();
    for (name, value) in request.headers.iter() {
        match arrays.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, values)) => values.push(value.into()),
            None => arrays.push((name.to_owned(), vec![value.into()])),
        }
    }
    arrays.into_iter().map(|(name, values)| (name, Value::Array(values))).collect::<Map<_, _>>().into()
}

/// The body as the host hands it on: a string, bytes for what is no text, nothing when its length was not told.
fn body_value(request: &Request) -> Option<Value> {
    let Body::Sized(bytes) = &request.body else { return None };
    let content_type = request.headers.get("Content-Type").unwrap_or_default().to_ascii_lowercase();
    if bytes.is_empty() {
        None
    } else if content_type.starts_with("application/octet-stream") || content_type.starts_with("multipart/") {
        Some(json!(bytes))
    } else {
        // A .NET StreamReader: a byte order mark goes, what is not UTF-8 becomes a replacement character.
        let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        Some(String::from_utf8_lossy(text).into())
    }
}

/// Writes a payload with as many escapes as a .NET serializer may use, so that a body grows up to six times.
pub fn to_json(payload: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, DotNetEscapes);
    payload.serialize(&mut serializer).expect("JSON values are always serializable");
    bytes
}

struct DotNetEscapes;

impl Formatter for DotNetEscapes {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for character in fragment.chars() {
            if character.is_ascii() && !"<>&'+`".contains(character) {
                writer.write_all(&[character as u8])?;
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04X}")?;
                }
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match escape {
            CharEscape::Quote => writer.write_all(b"\\u0022"),
            CharEscape::AsciiControl(control) => write!(writer, "\\u{control:04X}"),
            CharEscape::ReverseSolidus => writer.write_all(b"\\\\"),
            CharEscape::Solidus => writer.write_all(b"/"),
            CharEscape::Backspace => writer.write_all(b"\\b"),
            CharEscape::FormFeed => writer.write_all(b"\\f"),
            CharEscape::LineFeed => writer.write_all(b"\\n"),
            CharEscape::CarriageReturn => writer.write_all(b"\\r"),
            CharEscape::Tab => writer.write_all(b"\\t"),
        }
    }
}

/// What a handler answers to an invocation.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct InvocationAnswer {
    #[serde(default)]
    outputs: Map<String, Value>,
    #[serde(default)]
    pub logs: Vec<String>,
    #[serde(default)]
    return_value: Value,
}

impl InvocationAnswer {
    /// The answer, or why the host calls the invocation failed.
    pub fn read(answer: &Answer) -> Result<Self, String> {
        if !(200..300).contains(&answer.status) {
            return Err(format!("status {}: {}", answer.status, answer.text()));
        }
        let content_type = answer.header("Content-Type").unwrap_or_default();
        if content_type.split(';').next().map(str::trim) != Some("application/json") {
            return Err(format!("content type {content_type:?}"));
        }
        serde_json::from_slice(&answer.body).map_err(|error| format!("{error} in: {}", answer.text()))
    }

    /// The answer for the caller, out of the HTTP output binding of this name.
    pub fn http_answer(&self, binding: &str) -> Result<Answer, String> {
        let output = if binding == "$return" { Some(&self.return_value) } else { self.outputs.get(binding) };
        let output = output.ok_or_else(|| format!("no output {binding:?}"))?;
        let output: HttpOutput = Deserialize::deserialize(output).map_err(|error| error.to_string())?;
        output.into_answer()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpOutput {
    status_code: String,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    body: Value,
}

impl HttpOutput {
    fn into_answer(self) -> Result<Answer, String> {
        let status = self.status_code.parse().map_err(|_| format!("statusCode {:?}", self.status_code))?;
        let mut answer = Answer::with_status(status);
        for (name, value) in &self.headers {
            let value = value.as_str().ok_or_else(|| format!("header {name} is no string"))?;
            answer.headers.add(name, value);
        }
        answer.body = match self.body {
            Value::String(text) => text.into_bytes(),
            Value::Null => Vec::new(),
            other => other.to_string().into_bytes(),
        };
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn req(request: Request) -> Value {
        http_payload("X", "req", 80, &request, &Params::new())["Data"]["req"].clone()
    }

    #[test]
    fn a_body_of_untold_or_no_length_is_absent() {
        assert_eq!(req(Request::post("/api/X").json("{}"))["Body"], "{}");
        assert_eq!(req(Request::post("/api/X").json("")).get("Body"), None);
        assert_eq!(req(Request::post("/api/X").json("{}").chunked()).get("Body"), None);
    }

    #[test]
    fn what_is_no_text_becomes_an_array_of_bytes() {
        assert_eq!(
            req(Request::post("/api/X").body("application/octet-stream", "{}"))["Body"],
            json!([123, 125])
        );
    }

    #[test]
    fn repeated_headers_share_an_array_and_repeated_keys_a_string() {
        let req = req(Request::post("/api/X?a=1&b=2&A=3").header("Accept", "x").header("accept", "y"));
        assert_eq!(req["Headers"], json!({"Accept": ["x", "y"]}));
        assert_eq!(req["Query"], json!({"a": "1,3", "b": "2"}));
    }

    #[test]
    fn escapes_grow_a_body_to_six_times_its_size() {
        assert_eq!(to_json(&json!("+++")), br#""\u002B\u002B\u002B""#);
        assert_eq!(to_json(&json!("\u{1F600}")), br#""\uD83D\uDE00""#);
    }

    #[test]
    fn an_answer_that_is_no_json_or_no_success_is_a_failure() {
        let json = |status, content_type: &str| {
            let mut answer = Answer::with_status(status);
            answer.headers.add("Content-Type", content_type);
            answer.body = br#"{"Outputs":{},"ReturnValue":{"statusCode":"202","body":{"a":1}}}"#.to_vec();
            InvocationAnswer::read(&answer)
        };
        assert!(json(500, "application/json").is_err());
        assert!(json(200, "text/html").is_err());
        let good = json(200, "application/json; charset=utf-8").unwrap();
        assert!(good.http_answer("res").is_err());
        let answer = good.http_answer("$return").unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (202, r#"{"a":1}"#));
    }
}
