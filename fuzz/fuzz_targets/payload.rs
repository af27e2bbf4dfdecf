//! An invocation payload of any bytes is a request or an error; a body over the limit is never handed on.
#![no_main]

use std::time::Duration;

use approve_release::{
    host::{Body, parse_payload},
    timing::Timing,
};
use chrono::DateTime;
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1000;

fuzz_target!(|payload: &[u8]| {
    let timing = Timing::new(DateTime::UNIX_EPOCH, Duration::ZERO);
    if let Ok(request) = parse_payload(payload, String::new(), LIMIT, timing)
        && let Body::Whole(body) = request.body
    {
        assert!(body.len() <= LIMIT);
    }
});
