//! `ApproveRelease`: the action message of a card, `HttpPOST` or `Action.Http`.
//!
//! The body is a relay or a vote, as JSON or as a form. It is read strictly: an accepted one reaches GitHub to the
//! letter, and everything else is [`Invalid`] with a sentence that says what to fix.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use url::Url;

use super::{
    bearer,
    fields::{Field, json_of, media_type, name, once, text_of},
    is_cross_site, rejected, report_answer,
};
use crate::{
    approval::{
        Click, ClientPayload, EventType, Forbidden, Invalid, Members, Outcome, Performer, Relay, Repository,
        Standing, Verdict, Vote,
    },
    approve::{Clicked, Report, Stories},
    cards::content::Content,
    cards::sentences::Reader,
    host::{Answer, Body, Invocation, parse_urlencoded},
    identity::{Rejection, entra::ActionTokens},
    text::line::visible,
};

/// The largest decoded body, in bytes, which is GitHub's limit.
pub const MAX_BODY_BYTES: usize = 64_000;

/// The function's name in the log.
const FUNCTION: &str = "ApproveRelease";

/// The headers in which clients put their token: a card may blank the first, and then the client uses the second.
const TOKEN_HEADERS: [&str; 2] = ["authorization", "action-authorization"];

/// The header that makes the answer's body the card.
const CARD_UPDATE_IN_BODY: &str = "CARD-UPDATE-IN-BODY";

/// The function, with everything that it needs.
pub struct ActionMessages {
    /// The stories, which decide clicks.
    pub stories: Arc<Stories>,
    /// The verifier of tokens; or the settings without which none can be verified.
    pub tokens: Result<ActionTokens, Vec<&'static str>>,
    /// True if a click needs credentials (`REQUIRE_IDENTITY`).
    pub require_identity: bool,
    /// The address of our own pages.
    pub public_url: Url,
}

impl ActionMessages {
    /// Answers one click.
    pub async fn answer(&self, request: Invocation) -> Answer {
        let clicked = match self.read(&request).await {
            Ok(clicked) => clicked,
            Err(report) => return report_answer(FUNCTION, Reader::Outlook, &request, &report),
        };
        let report = self.stories.click(clicked, request.timing).await;
        let answer = report_answer(FUNCTION, Reader::Outlook, &request, &report);
        match &report.standing {
            Some(standing) if answer.status == 200 => self.with_card(answer, standing, request.timing.now),
            _ => answer,
        }
    }

    /// A vote's answer shows the card as it is now, if there are mail cards.
    fn with_card(&self, mut answer: Answer, standing: &Standing, now: DateTime<Utc>) -> Answer {
        let content = Content::of(standing, &self.stories.policy, now);
        if let Some(card) = self.stories.outbox.cards.mail(&content) {
            answer.body = card.to_string();
            answer.headers.push((CARD_UPDATE_IN_BODY, "true".to_owned()));
        }
        answer
    }

    /// The click, with its performer and contents; or the first reason against it, in the order of the outcomes.
    // T20
    async fn read(&self, request: &Invocation) -> Result<Clicked, Report> {
        if !request.method.eq_ignore_ascii_case("POST") {
            return Err(Outcome::Invalid(Invalid::Method("POST")).into());
        }
        // If a token is required, a page of another site has none to send.
        if !self.require_identity && is_cross_site(request, &self.public_url) {
            return Err(Outcome::Forbidden(Forbidden::CrossSite).into());
        }
        if request.body == Body::TooLarge {
            return Err(Outcome::TooLarge.into());
        }
        let performer = self.performer(request).await.map_err(rejected)?;
        let invalid = |why| Report::from(Outcome::Invalid(why));
        let Body::Whole(body) = &request.body else { return Err(invalid(Invalid::Incomplete)) };
        let click = parse_body(content_type(request), body).map_err(invalid)?;
        let repository = repository(&request.query).map_err(invalid)?;
        Ok(Clicked { click, repository, performer })
    }

    // T23
    async fn performer(&self, request: &Invocation) -> Result<Performer, Rejection> {
        match bearer(request, &TOKEN_HEADERS).map_err(Rejection::Failed)? {
            None if self.require_identity => Err(Rejection::NoCredentials),
            None => Ok(Performer::Anonymous),
            Some(token) => {
                let tokens =
                    self.tokens.as_ref().map_err(|missing| Rejection::NotConfigured(missing.clone()))?;
                tokens.verify(token, request.timing.now).await.map(Performer::Person)
            }
        }
    }
}

fn content_type(request: &Invocation) -> &str {
    request.header("content-type").unwrap_or("application/json")
}

/// The repository that the address names, if it names one.
fn repository(query: &[(String, String)]) -> Result<Option<Repository>, Invalid> {
    let mut named = query.iter().filter(|(key, _)| key.eq_ignore_ascii_case("repository"));
    // A misspelt name would send the event to the default repository.
    let is_misspelt = |(key, _): &(String, String)| {
        key.to_ascii_lowercase().starts_with("repo") && !key.eq_ignore_ascii_case("repository")
    };
    if query.iter().any(is_misspelt) {
        return Err(Invalid::Repository);
    }
    match (named.next(), named.next()) {
        (None, _) => Ok(None),
        (Some((_, text)), None) => Repository::parse(text).map(Some).ok_or(Invalid::Repository),
        (Some(_), Some(_)) => Err(Invalid::Repository),
    }
}

/// Reads the body of a click, of at most [`MAX_BODY_BYTES`].
pub fn parse_body(content_type: &str, body: &[u8]) -> Result<Click, Invalid> {
    let text = text_of(body)?;
    match media_type(content_type).as_str() {
        "application/json" => {
            let json = json_of(body)?;
            let members = Members::parse(&json)?;
            parse_fields(members.0.into_iter().map(|(key, value)| (key, Field::Json(value))))
        }
        "application/x-www-form-urlencoded" if text.trim_start().starts_with('{') => Err(Invalid::JsonAsForm),
        "application/x-www-form-urlencoded" => {
            let pairs = parse_urlencoded(text).ok_or(Invalid::NotUtf8)?;
            parse_fields(pairs.into_iter().map(|(key, value)| (key, Field::Text(value))))
        }
        _ => Err(Invalid::ContentType),
    }
}

/// The fields of both modes, each at most once.
#[derive(Default)]
struct Fields {
    event_type: Option<String>,
    client_payload: Option<ClientPayload>,
    approval: Option<String>,
    verdict: Option<String>,
    comment: Option<String>,
}

// T29
fn parse_fields<'a>(fields: impl Iterator<Item = (String, Field<'a>)>) -> Result<Click, Invalid> {
    let mut read = Fields::default();
    for (name, field) in fields {
        match name.as_str() {
            "event_type" => once(&mut read.event_type, &name, field.text("event_type")?)?,
            "client_payload" => once(&mut read.client_payload, &name, field.client_payload()?)?,
            "approval" => once(&mut read.approval, &name, field.text("approval")?)?,
            "verdict" => once(&mut read.verdict, &name, field.text("verdict")?)?,
            "comment" => once(&mut read.comment, &name, field.text("comment")?)?,
            _ => return Err(Invalid::UnknownField(name)),
        }
    }
    click(read)
}

fn click(fields: Fields) -> Result<Click, Invalid> {
    let relays = fields.event_type.is_some() || fields.client_payload.is_some();
    let votes = fields.approval.is_some() || fields.verdict.is_some() || fields.comment.is_some();
    match (relays, votes) {
        (true, true) => Err(Invalid::BothModes),
        (false, true) => vote(fields).map(Click::Vote),
        (_, false) => relay(fields).map(Click::Relay),
    }
}

fn relay(fields: Fields) -> Result<Relay, Invalid> {
    let event_type = name(fields.event_type.ok_or(Invalid::MissingField("event_type"))?, "event_type")?;
    let event_type = EventType::parse(&event_type).ok_or(Invalid::EventTypeLength("event_type"))?;
    Relay::new(event_type, fields.client_payload)
}

fn vote(fields: Fields) -> Result<Vote, Invalid> {
    let approval = name(fields.approval.ok_or(Invalid::MissingField("approval"))?, "approval")?;
    let verdict = fields.verdict.ok_or(Invalid::MissingField("verdict"))?;
    vote_of(approval, &verdict, fields.comment.unwrap_or_default())
}

/// A vote, if its verdict is valid and its comment is not too long.
pub fn vote_of(approval: String, verdict: &str, comment: String) -> Result<Vote, Invalid> {
    let comment = short(comment)?;
    Ok(Vote { approval, verdict: Verdict::parse(verdict).ok_or(Invalid::Verdict)?, comment })
}

/// The reason for a withdrawal, which must say something.
pub fn reason_of(comment: String) -> Result<String, Invalid> {
    match visible(&comment).trim() {
        "" => Err(Invalid::NoReason),
        _ => short(comment).map(|comment| visible(&comment)),
    }
}

fn short(comment: String) -> Result<String, Invalid> {
    match comment.chars().count() <= Vote::MAX_COMMENT {
        true => Ok(comment),
        false => Err(Invalid::CommentTooLong),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JSON: &str = "application/json; charset=utf-8";
    const FORM: &str = "application/x-www-form-urlencoded";

    fn refusal(body: &str) -> Invalid {
        parse_body(JSON, body.as_bytes()).expect_err(body)
    }

    fn relayed(content_type: &str, body: &str) -> (String, Option<String>) {
        match parse_body(content_type, body.as_bytes()).expect(body) {
            Click::Relay(relay) => (
                relay.event_type.as_str().to_owned(),
                relay.client_payload.map(|payload| payload.as_str().to_owned()),
            ),
            Click::Vote(vote) => panic!("a vote: {vote:?}"),
        }
    }

    #[test]
    fn a_form_carries_the_same_click_as_json() {
        let json = relayed(JSON, r#"{"event_type":"go","client_payload":{"v":1.10,"s":"a b"}}"#);
        let form = relayed(FORM, "event_type=go&client_payload=%7B%22v%22%3A1.10%2C%22s%22%3A%22a+b%22%7D");
        assert_eq!(json, form);
    }

    #[test]
    fn half_a_character_is_taken_as_a_broken_one_in_json_and_in_a_form() {
        let expected =
            ("go".to_owned(), Some(r#"{"v":"\ufffd","\ufffd":["\\ud83d\ud83d\ude00"]}"#.to_owned()));
        let payload = r#"{"v":"\ud83d","\uDE00":["\\ud83d\ud83d\ude00"]}"#;
        let json = format!(r#"{{"event_type":"go","client_payload":{payload}}}"#);
        assert_eq!(relayed(JSON, &json), expected);
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("event_type", "go")
            .append_pair("client_payload", payload)
            .finish();
        assert_eq!(relayed(FORM, &form), expected);
        let vote = parse_body(JSON, br#"{"approval":"x","verdict":"approve","comment":"Yes \ud83d"}"#);
        assert!(matches!(vote, Ok(Click::Vote(vote)) if vote.comment == "Yes \u{fffd}"));
        // A form's text is percent-encoded UTF-8, which has no surrogates.
        assert_eq!(parse_body(FORM, b"event_type=%ED%A0%BD").unwrap_err(), Invalid::NotUtf8);
    }

    #[test]
    fn each_fault_has_its_own_name() {
        let long = format!(r#"{{"event_type":"{}"}}"#, "é".repeat(101));
        let comment = format!(r#"{{"approval":"x","verdict":"approve","comment":"{}"}}"#, "é".repeat(501));
        for (body, expected) in [
            ("", Invalid::Empty),
            (" \n", Invalid::Empty),
            ("{", Invalid::NotJson),
            ("{} {}", Invalid::NotJson),
            ("[]", Invalid::NotAnObject),
            ("\"{}\"", Invalid::NotAnObject),
            ("{}", Invalid::MissingField("event_type")),
            (r#"{"client_payload":{}}"#, Invalid::MissingField("event_type")),
            (r#"{"event_type":1}"#, Invalid::NotText("event_type")),
            (r#"{"event_type":null}"#, Invalid::NotText("event_type")),
            (r#"{"event_type":""}"#, Invalid::EventTypeLength("event_type")),
            (&long, Invalid::EventTypeLength("event_type")),
            (r#"{"event_type":"a","event_type":"b"}"#, Invalid::DuplicateKey("event_type".into())),
            (r#"{"event_type":"a","event\u005ftype":"b"}"#, Invalid::DuplicateKey("event_type".into())),
            (r#"{"event_type":"a","x":1}"#, Invalid::UnknownField("x".into())),
            (r#"{"event_type":"a","client_payload":null}"#, Invalid::ClientPayloadNotAnObject),
            (r#"{"event_type":"a","client_payload":{"approval":1}}"#, Invalid::ReservedKey),
            (r#"{"event_type":"a","approval":"x"}"#, Invalid::BothModes),
            (r#"{"approval":"x"}"#, Invalid::MissingField("verdict")),
            (r#"{"approval":"x","verdict":"Approve"}"#, Invalid::Verdict),
            (&comment, Invalid::CommentTooLong),
            (r#"{"event_type":"go\ud83d"}"#, Invalid::BrokenName("event_type")),
            ("{\"event_type\":\"go\u{fffd}\"}", Invalid::BrokenName("event_type")),
            (r#"{"approval":"x\udE00","verdict":"approve"}"#, Invalid::BrokenName("approval")),
            (r#"{"approval":"x","verdict":"approve\ud83d"}"#, Invalid::Verdict),
        ] {
            assert_eq!(refusal(body), expected, "{body}");
        }
        assert_eq!(parse_body("text/plain", b"{}").unwrap_err(), Invalid::ContentType);
        assert_eq!(parse_body(JSON, b"{\"\xff\":1}").unwrap_err(), Invalid::NotUtf8);
        assert_eq!(parse_body(FORM, b"event_type=%ff").unwrap_err(), Invalid::NotUtf8);
        assert_eq!(
            parse_body(FORM, b"event_type=a&event_type=b").unwrap_err(),
            Invalid::DuplicateKey("event_type".into())
        );
        assert_eq!(parse_body(FORM, b"event_type=a&client_payload=x").unwrap_err(), Invalid::NotJson);
    }

    /// JSON of any shape, as text, so that its spelling varies too.
    fn json_text() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|b| b.to_string()),
            "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?",
            any::<String>().prop_map(|s| serde_json::Value::from(s).to_string()),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(|v| format!("[ {} ]", v.join(" ,\n"))),
                object(inner),
            ]
        })
    }

    fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
        prop::collection::btree_map("[a-zé]{0,8}", value, 0..6).prop_map(|members| {
            let members =
                members.iter().map(|(k, v)| format!("{} : {v}", serde_json::Value::from(k.as_str())));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        })
    }

    proptest! {
        #[test]
        fn no_body_makes_the_parser_panic(body in prop::collection::vec(any::<u8>(), 0..2000), form in any::<bool>()) {
            let _ = parse_body(if form { FORM } else { JSON }, &body);
        }

        #[test]
        fn no_text_near_json_makes_the_parser_panic(body in "[{}\\[\\]\",:a-c\\\\u0-9 ]{0,200}") {
            let _ = parse_body(JSON, body.as_bytes());
        }

        #[test]
        fn what_is_accepted_arrives_unchanged(event_type in any::<String>(), payload in object(json_text())) {
            prop_assume!(EventType::parse(&event_type).is_some() && !event_type.contains('\u{fffd}'));
            prop_assume!(!payload.contains("\"approval\""));
            let quoted = serde_json::Value::from(event_type.as_str());
            let json = format!("{{ \"client_payload\" :\t{payload} , \"event_type\": {quoted} }}");
            let expected = (event_type.clone(), Some(payload.clone()));
            prop_assert_eq!(relayed(JSON, &json), expected.clone());
            let form = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("event_type", &event_type).append_pair("client_payload", &payload).finish();
            prop_assert_eq!(relayed(FORM, &form), expected);
        }
    }
}
