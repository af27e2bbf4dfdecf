//! The invocation payload: a trigger as the JSON that the host POSTs to `/{FunctionName}`, and the answer it reads.

use std::{collections::BTreeMap, io};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::{
    Map, Value, json,
    ser::{CharEscape, Formatter},
};

use super::{
    functions::{AuthLevel, Function, HttpTrigger, Params},
    query,
};
use crate::http1::{Answer, Body, Request};

/// The payload of an HTTP trigger.
pub fn http_payload(
    function: &str,
    trigger: &HttpTrigger,
    public_port: u16,
    request: &Request,
    params: &Params,
) -> Value {
    let query: Map<_, _> = query::joined(request.query()).into_iter().collect();
    let mut req = json!({
        "Url": format!("http://127.0.0.1:{public_port}{}", request.target),
        "Method": request.method,
        "Query": query,
        "Headers": header_arrays(request),
        "Params": params,
        "Identities": identities(trigger),
    });
    let body = body_value(request);
    let metadata = metadata(function, binding_data(request, body.as_ref(), params, &query));
    if let Some(body) = body {
        req["Body"] = body;
    }
    json!({"Data": {&trigger.binding: req}, "Metadata": metadata})
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
    let metadata = metadata(function, BindingData::from([("TimerTrigger".to_owned(), timer.clone())]));
    json!({"Data": {binding: timer}, "Metadata": metadata})
}

/// The data that a trigger offers to other bindings, by names that match whatever their case.
type BindingData = BTreeMap<String, Value>;

/// The binding data with the host's own `sys`, which gives way to the caller's and then stands in `$sys`.
fn metadata(function: &str, mut binding_data: BindingData) -> Value {
    let sys = json!({
        "MethodName": function,
        "UtcNow": "2026-11-24T04:00:00.0000000Z",
        "RandGuid": "4c0e1d0a-7d4e-4a55-9d35-0b6f8d1c2e3f",
    });
    let is_taken = binding_data.keys().any(|name| name.eq_ignore_ascii_case("sys"));
    binding_data.insert(if is_taken { "$sys" } else { "sys" }.to_owned(), sys);
    let shown = binding_data.into_iter().map(|(name, value)| (name, in_metadata(value)));
    shown.collect::<Map<_, _>>().into()
}

/// Objects stay what they are; everything else is its JSON in a string.
fn in_metadata(value: Value) -> Value {
    if value.is_object() { value } else { value.to_string().into() }
}

/// The top-level members of a JSON body, the query but for the key, the route's parameters, `Query` and `Headers`: what
/// is named last wins.
fn binding_data(
    request: &Request,
    body: Option<&Value>,
    params: &Params,
    query: &Map<String, Value>,
) -> BindingData {
    let body = body.and_then(Value::as_str).and_then(|body| serde_json::from_str::<Map<_, _>>(body).ok());
    let query_data = query.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("code"));
    let params = params.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?.into())));
    let headers = request.headers.iter().map(|(name, value)| (name.to_owned(), value.into()));
    (body.unwrap_or_default().into_iter())
        .chain(query_data.map(|(name, value)| (name.clone(), value.clone())))
        .chain(params)
        .chain([
            ("Query".to_owned(), query.clone().into()),
            ("Headers".to_owned(), headers.collect::<Map<_, _>>().into()),
        ])
        .collect()
}

/// The identities that the host gives to the caller: an anonymous one, and the owner of a key if one was needed.
fn identities(trigger: &HttpTrigger) -> Value {
    let identity = |kind: Option<&str>, claims: Value| {
        json!({
            "AuthenticationType": kind, "IsAuthenticated": kind.is_some(), "Actor": null, "BootstrapContext": null,
            "Claims": claims, "Label": null, "Name": null,
            "NameClaimType": "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
            "RoleClaimType": "http://schemas.microsoft.com/ws/2008/06/identity/claims/role",
        })
    };
    let claims = |level: &str| {
        let claim = |name: &str, value: &str| json!({"Type": format!("http://schemas.microsoft.com/2017/07/functions/claims/{name}"), "Value": value});
        json!([claim("authlevel", level), claim("keyid", "default")])
    };
    match trigger.auth_level {
        AuthLevel::Anonymous => json!([identity(None, json!([]))]),
        AuthLevel::Function => {
            json!([identity(None, json!([])), identity(Some("WebJobsAuthLevel"), claims("Function"))])
        }
    }
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

/// The body as the host hands it on: a string, in base64 what is no text, nothing when its length was not told.
fn body_value(request: &Request) -> Option<Value> {
    let Body::Sized(bytes) = &request.body else { return None };
    let content_type = request.headers.get("Content-Type").unwrap_or_default().to_ascii_lowercase();
    if bytes.is_empty() {
        None
    } else if content_type.starts_with("application/octet-stream") || content_type.starts_with("multipart/") {
        Some(STANDARD.encode(bytes).into())
    } else {
        Some(decode(bytes).into())
    }
}

/// A .NET `StreamReader`: the byte order mark says how a text is encoded and goes, without one it is UTF-8; what is no
/// character becomes a replacement character.
fn decode(bytes: &[u8]) -> String {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> =
            bytes.chunks(2).map(|pair| unit([pair[0], *pair.get(1).unwrap_or(&0)])).collect();
        String::from_utf16_lossy(&units)
    };
    let utf32 = |bytes: &[u8], unit: fn([u8; 4]) -> u32| -> String {
        let units = bytes.chunks_exact(4).map(|four| unit([four[0], four[1], four[2], four[3]]));
        units.map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    match bytes {
        [0xEF, 0xBB, 0xBF, text @ ..] => String::from_utf8_lossy(text).into_owned(),
        [0xFF, 0xFE, 0, 0, text @ ..] => utf32(text, u32::from_le_bytes),
        [0, 0, 0xFE, 0xFF, text @ ..] => utf32(text, u32::from_be_bytes),
        [0xFF, 0xFE, text @ ..] => utf16(text, u16::from_le_bytes),
        [0xFE, 0xFF, text @ ..] => utf16(text, u16::from_be_bytes),
        text => String::from_utf8_lossy(text).into_owned(),
    }
}

/// Writes a payload as Newtonsoft.Json does.
pub fn to_json(payload: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, NewtonsoftEscapes);
    payload.serialize(&mut serializer).expect("JSON values are always serializable");
    bytes
}

/// Quotes, backslashes and controls are escaped, which serde_json does, and three characters that end a line.
struct NewtonsoftEscapes;

impl Formatter for NewtonsoftEscapes {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for piece in fragment.split_inclusive(['\u{85}', '\u{2028}', '\u{2029}']) {
            let end = piece.chars().next_back().filter(|end| "\u{85}\u{2028}\u{2029}".contains(*end));
            writer.write_all(&piece.as_bytes()[..piece.len() - end.map_or(0, char::len_utf8)])?;
            if let Some(end) = end {
                write!(writer, "\\u{:04x}", u32::from(end))?;
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
            CharEscape::AsciiControl(control) => write!(writer, "\\u{control:04x}"),
            CharEscape::Quote => writer.write_all(b"\\\""),
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

/// The handler's answer to an invocation.
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
        if ["", "null"].contains(&answer.text().trim()) {
            // The host would wait until `functionTimeout`, in vain.
            return Err("a success without an answer never completes".to_owned());
        }
        serde_json::from_slice(&answer.body).map_err(|error| format!("{error} in: {}", answer.text()))
    }

    /// The answer for the caller of a function.
    pub fn http_answer(&self, function: &Function) -> Result<Answer, String> {
        let binding = function.http_output.as_deref().expect("an HTTP output binding");
        let output = if binding == "$return" { Some(&self.return_value) } else { self.outputs.get(binding) };
        let output = output.ok_or_else(|| format!("no output {binding:?}"))?;
        let output: HttpOutput = Deserialize::deserialize(output).map_err(|error| error.to_string())?;
        output.into_answer()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpOutput {
    #[serde(default)]
    status_code: Option<String>,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    body: Value,
}

impl HttpOutput {
    fn into_answer(self) -> Result<Answer, String> {
        let status = self.status_code.as_deref().unwrap_or("200");
        let status = status.parse().map_err(|_| format!("statusCode {status:?}"))?;
        let mut answer = Answer::with_status(status);
        for (name, value) in &self.headers {
            let value = value.as_str().ok_or_else(|| format!("header {name} is no string"))?;
            answer.headers.add(name, &rewritten_date(value));
        }
        if let Some(content_type) = answer.header("Content-Type").map(str::to_owned)
            && !content_type.contains("charset")
        {
            answer.headers.set("Content-Type", &format!("{content_type}; charset=utf-8"));
        }
        answer.body = match self.body {
            Value::String(text) => rewritten_date(&text).into_bytes(),
            Value::Null => Vec::new(),
            other => other.to_string().into_bytes(),
        };
        Ok(answer)
    }
}

/// A text that is a date as a whole is read as one and written as Americans write it.
fn rewritten_date(text: &str) -> String {
    match DateTime::parse_from_rfc3339(text) {
        Ok(date) if text.contains('T') => date.to_utc().format("%m/%d/%Y %H:%M:%S").to_string(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(request: Request) -> Value {
        let trigger = HttpTrigger::anonymous("req", "api/X/{id?}");
        let params = Params::from([("id".to_owned(), None)]);
        http_payload("X", &trigger, 80, &request, &params)
    }

    fn req(request: Request) -> Value {
        payload(request)["Data"]["req"].clone()
    }

    #[test]
    fn a_body_of_untold_or_no_length_is_absent() {
        assert_eq!(req(Request::post("/api/X").json("{}"))["Body"], "{}");
        assert_eq!(req(Request::post("/api/X").json("")).get("Body"), None);
        assert_eq!(req(Request::post("/api/X").json("{}").chunked()).get("Body"), None);
    }

    #[test]
    fn what_is_no_text_becomes_base64() {
        assert_eq!(req(Request::post("/api/X").body("application/octet-stream", "{}"))["Body"], "e30=");
        assert_eq!(req(Request::post("/api/X").body("multipart/form-data", [0xff]))["Body"], "/w==");
    }

    #[test]
    fn a_byte_order_mark_says_how_a_body_is_encoded() {
        let bodies: [&[u8]; 6] = [
            b"\xEF\xBB\xBF\xC3\xA9",
            b"\xC3\xA9",
            b"\xFF\xFE\xE9\0",
            b"\xFE\xFF\0\xE9",
            b"\xFF\xFE\0\0\xE9\0\0\0",
            b"\0\0\xFE\xFF\0\0\0\xE9",
        ];
        for body in bodies {
            assert_eq!(req(Request::post("/api/X").json(body))["Body"], "é", "{body:?}");
        }
        assert_eq!(req(Request::post("/api/X").json(b"\xE9".as_slice()))["Body"], "\u{FFFD}");
    }

    #[test]
    fn repeated_headers_share_an_array_and_repeated_keys_a_string() {
        let req = req(Request::post("/api/X?a=1&b=2&A=3").header("Accept", "x").header("accept", "y"));
        assert_eq!(req["Headers"], json!({"Accept": ["x", "y"]}));
        assert_eq!(req["Query"], json!({"a": "1,3", "b": "2"}));
    }

    #[test]
    fn an_optional_parameter_that_is_missing_is_null_and_somebody_is_always_the_caller() {
        let req = req(Request::post("/api/X"));
        assert_eq!(req["Params"], json!({"id": null}));
        assert_eq!(req["Identities"][0]["IsAuthenticated"], false);
    }

    #[test]
    fn metadata_is_the_binding_data() {
        let body = r#"{"a":"b","n":1.5,"o":{"x":1},"Query":5}"#;
        let metadata = payload(Request::post("/api/X?q=1&code=k").json(body))["Metadata"].clone();
        assert_eq!(metadata["a"], r#""b""#);
        assert_eq!(metadata["n"], "1.5");
        assert_eq!(metadata["o"], json!({"x": 1}));
        assert_eq!(metadata["q"], r#""1""#);
        assert_eq!(metadata.get("code"), None);
        assert_eq!(metadata["Query"], json!({"q": "1", "code": "k"}));
        assert_eq!(metadata["Headers"], json!({"Content-Type": "application/json"}));
        assert_eq!(metadata["sys"]["MethodName"], "X");
    }

    #[test]
    fn what_the_caller_calls_sys_wins_over_the_hosts() {
        for request in [Request::post("/api/X?sys=1"), Request::post("/api/X").json(r#"{"sys":"1"}"#)] {
            let metadata = payload(request)["Metadata"].clone();
            assert_eq!(metadata["sys"], r#""1""#);
            assert_eq!(metadata["$sys"]["MethodName"], "X");
        }
    }

    #[test]
    fn few_characters_are_escaped() {
        let text = "\"\\\n\u{1f}\u{85}\u{2028}\u{2029}é😀+<>&'";
        let json = String::from_utf8(to_json(&json!(text))).unwrap();
        assert_eq!(json, r#""\"\\\n\u001f\u0085\u2028\u2029é😀+<>&'""#);
    }

    fn answer(status: u16, content_type: &str, body: &str) -> Result<InvocationAnswer, String> {
        let mut answer = Answer::with_status(status);
        answer.headers.add("Content-Type", content_type);
        answer.body = body.into();
        InvocationAnswer::read(&answer)
    }

    /// The caller's answer if the handler's has this output.
    fn answered(output: &Value) -> Answer {
        let body = json!({"Outputs": {"res": output}}).to_string();
        let read = answer(200, "application/json", &body).unwrap();
        read.http_answer(&Function::with_http_output("res")).unwrap()
    }

    #[test]
    fn an_answer_that_is_no_json_or_no_success_is_a_failure() {
        let body = r#"{"Outputs":{},"ReturnValue":{"statusCode":"202","body":{"a":1}}}"#;
        assert!(answer(500, "application/json", body).is_err());
        assert!(answer(200, "text/html", body).is_err());
        assert!(answer(200, "application/json", "").is_err());
        assert!(answer(200, "application/json", "null").is_err());
        let good = answer(200, "application/json; charset=utf-8", body).unwrap();
        assert!(good.http_answer(&Function::with_http_output("res")).is_err());
        let answer = good.http_answer(&Function::with_http_output("$return")).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (202, r#"{"a":1}"#));
    }

    #[test]
    fn what_a_caller_gets_is_not_quite_what_was_answered() {
        let date = "2026-11-24T03:59:00Z";
        let answer = answered(&json!({
            "headers": {"Content-Type": "application/json", "X-Date": date, "X-Text": format!("at {date}")},
            "body": date,
        }));
        assert_eq!((answer.status, answer.text().as_str()), (200, "11/24/2026 03:59:00"));
        assert_eq!(answer.header("Content-Type"), Some("application/json; charset=utf-8"));
        assert_eq!(answer.header("X-Date"), Some("11/24/2026 03:59:00"));
        assert_eq!(answer.header("X-Text"), Some("at 2026-11-24T03:59:00Z"));
    }
}
