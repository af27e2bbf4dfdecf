//! An activity of any bytes is one or none, and none makes us panic.
#![no_main]

use approve_release::{
    approval::Guid,
    surfaces::bot::{Activity, read_vote},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok(activity) = Activity::parse(body) else { return };
    let tenant = Guid::parse("5f0c1a52-7d0e-4b4c-9a5e-1c2d3e4f5a6b").expect("a GUID");
    if activity.is_of(&tenant) {
        let text = std::str::from_utf8(body).expect("JSON is UTF-8").to_ascii_lowercase();
        assert!(text.contains("5f0c1a52") || text.contains("\\u"), "nothing else is that tenant");
    }
    let _ = activity.channel();
    let _ = activity.value.as_ref().map(read_vote);
});
