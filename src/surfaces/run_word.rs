//! The word of a run about its approval, as its body has it: that it is there, or how it ended.

use super::fields::{Field, json_of, once};
use crate::approval::{Conclusion, Invalid, Members};

/// The word of a run. It holds a ticket, and so is never printed.
pub enum RunWord {
    /// It is there, with this ticket.
    Start(Option<String>),
    /// It ended so.
    End(Conclusion),
}

/// Reads the body of a run's word.
pub fn parse_word(body: &[u8]) -> Result<RunWord, Invalid> {
    let (mut run, mut ticket, mut conclusion) = (None, None, None);
    for (name, value) in Members::parse(&json_of(body)?)?.0 {
        let text = |name| Field::Json(value).text(name);
        match name.as_str() {
            "run" => once(&mut run, &name, text("run")?)?,
            "ticket" => once(&mut ticket, &name, text("ticket")?)?,
            "conclusion" => once(&mut conclusion, &name, text("conclusion")?)?,
            _ => return Err(Invalid::UnknownField(name)),
        }
    }
    match (run.as_deref(), ticket, conclusion) {
        (Some("start"), ticket, None) => Ok(RunWord::Start(ticket)),
        (Some(_), _, None) => Err(Invalid::Run),
        (None, None, Some(word)) => Conclusion::parse(&word).map(RunWord::End).ok_or(Invalid::Conclusion),
        (None, _, None) | (_, _, Some(_)) => Err(Invalid::StartOrConclusion),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_says_one_thing_at_a_time() {
        let read = |body: &str| parse_word(body.as_bytes());
        assert!(matches!(read(r#"{"run":"start"}"#), Ok(RunWord::Start(None))));
        let with_ticket = read(r#"{"ticket":"abc","run":"start"}"#);
        assert!(matches!(with_ticket, Ok(RunWord::Start(Some(ticket))) if ticket == "abc"));
        for word in ["success", "failure", "cancelled"] {
            let read = read(&format!(r#"{{"conclusion":"{word}"}}"#));
            assert!(matches!(read, Ok(RunWord::End(conclusion)) if conclusion.as_str() == word));
        }
        for (body, expected) in [
            ("", Invalid::Empty),
            ("[]", Invalid::NotAnObject),
            ("{}", Invalid::StartOrConclusion),
            (r#"{"ticket":"abc"}"#, Invalid::StartOrConclusion),
            (r#"{"run":"start","conclusion":"success"}"#, Invalid::StartOrConclusion),
            (r#"{"ticket":"abc","conclusion":"success"}"#, Invalid::StartOrConclusion),
            (r#"{"run":"Start"}"#, Invalid::Run),
            (r#"{"run":1}"#, Invalid::NotText("run")),
            (r#"{"run":"start","ticket":null}"#, Invalid::NotText("ticket")),
            (r#"{"run":"start","run":"start"}"#, Invalid::DuplicateKey("run".into())),
            (r#"{"conclusion":"skipped"}"#, Invalid::Conclusion),
            (r#"{"conclusion":"success\ud83d"}"#, Invalid::Conclusion),
            (r#"{"run":"start","sha":"x"}"#, Invalid::UnknownField("sha".into())),
        ] {
            assert_eq!(read(body).err().expect(body), expected, "{body}");
        }
    }
}
