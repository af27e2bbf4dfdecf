//! Assertions that hold for every answer that a card gets.

use serde_json::Value;

use crate::http1::Answer;

impl Answer {
    /// Asserts what is true of every answer of the function: status and outcome, JSON, and a sentence for the card
    /// that is the message. Gives the sentence.
    #[track_caller]
    pub fn assert_outcome(&self, status: u16, outcome: &str) -> String {
        let message = self.assert_said(status, outcome);
        assert_eq!(message, self.assert_card_sentence(), "the message is the card's sentence");
        message
    }

    /// Asserts what is true of every answer that says an outcome, to whomever. Gives the message.
    #[track_caller]
    pub fn assert_said(&self, status: u16, outcome: &str) -> String {
        let text = self.text();
        assert_eq!(self.status, status, "status of: {text}");
        // A host adds the charset to an answer that it was given in a payload.
        let content_type = self.header("Content-Type").unwrap_or_default();
        assert_eq!(content_type.trim_end_matches("; charset=utf-8"), "application/json", "type of: {text}");
        let json = self.json();
        assert_eq!(json["outcome"], outcome, "outcome of: {text}");
        json["message"].as_str().unwrap_or_else(|| panic!("a message in: {text}")).to_owned()
    }

    /// Asserts that an approval was opened, and gives it.
    #[track_caller]
    pub fn assert_opened(&self) -> Value {
        assert_eq!(self.status, 201, "{}", self.text());
        self.json()
    }

    /// Asserts that there is one `CARD-ACTION-STATUS` that a card can show, and gives it.
    #[track_caller]
    pub fn assert_card_sentence(&self) -> String {
        let sentences: Vec<&str> = (self.headers.iter())
            .filter(|(name, _)| name.eq_ignore_ascii_case("CARD-ACTION-STATUS"))
            .map(|(_, value)| value)
            .collect();
        let [sentence] = sentences[..] else {
            panic!("one CARD-ACTION-STATUS, not {sentences:?}, on {} {}", self.status, self.text());
        };
        assert!(!sentence.is_empty() && sentence.len() < 200, "length of {sentence:?}");
        assert!(sentence.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "visible ASCII: {sentence:?}");
        sentence.to_owned()
    }
}
