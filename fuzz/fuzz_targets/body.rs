//! A click's body of any bytes is a click or a refusal; an accepted payload is part of the input to the letter.
#![no_main]

use approve_release::{approval::Click, surfaces::action_message::parse_body, text::json::whole_characters};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let _ = parse_body("application/x-www-form-urlencoded", body);
    if let Ok(Click::Relay(relay)) = parse_body("application/json", body)
        && let Some(payload) = relay.client_payload
    {
        let text = whole_characters(std::str::from_utf8(body).expect("accepted bodies are UTF-8"));
        assert!(text.contains(payload.as_str()));
    }
});
