//! Whatever stands where a token or a principal should, it is read or refused; and nothing unsigned is a person.
#![no_main]

use approve_release::{
    approval::Guid,
    identity::{app_service, entra::unverified_version, unverified_key_id},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use libfuzzer_sys::fuzz_target;

const TENANT: &str = "99999999-1111-2222-3333-444455556666";

fuzz_target!(|input: &[u8]| {
    let tenant = Guid::parse(TENANT).expect("a GUID");
    if let Ok(text) = std::str::from_utf8(input) {
        let _ = unverified_version(text);
        let _ = unverified_key_id(text);
        let _ = app_service::person(true, [text].into_iter(), &tenant);
    }
    let encoded = STANDARD.encode(input);
    if let Ok(person) = app_service::person(true, [encoded.as_str()].into_iter(), &tenant) {
        assert_eq!(person.tenant, tenant);
    }
});
