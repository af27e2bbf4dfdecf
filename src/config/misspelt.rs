//! Settings that are named nearly like one of ours: nobody reads them, and nobody would notice.

use super::reader::Reader;

/// The shortest name that is compared, so that `PORT` does not stand for other programs' words.
const SHORTEST: usize = 6;

/// A warning for each setting whose name is a slip away from one of ours.
pub fn warnings(reader: &Reader<'_>) -> Vec<String> {
    let known = reader.asked.borrow();
    let meant = |name: &&String| known.iter().find(|known| is_slip(name, known));
    let unknown = reader.settings.keys().filter(|name| !known.contains(*name));
    let slips = unknown.filter_map(|name| Some((name, meant(&name)?)));
    slips
        .map(|(name, meant)| format!("nothing reads the setting {name}: is it meant to be {meant}?"))
        .collect()
}

/// True if the names differ by case, underscores or one character, or by two that changed places.
fn is_slip(name: &str, known: &str) -> bool {
    let plain = |name: &str| name.to_ascii_uppercase().replace(['_', '-'], "").into_bytes();
    let (name, known) = (plain(name), plain(known));
    let before = name.iter().zip(&known).take_while(|(one, other)| one == other).count();
    let (name, known) = (&name[before..], &known[before..]);
    let after = name.iter().rev().zip(known.iter().rev()).take_while(|(one, other)| one == other).count();
    let (name, known) = (&name[..name.len() - after], &known[..known.len() - after]);
    let is_long = before + after >= SHORTEST - 1;
    is_long
        && match (name, known) {
            ([] | [_], [] | [_]) => true,
            ([a, b], [c, d]) => (a, b) == (d, c),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_one_key_or_an_underscore() {
        for (name, known) in [
            ("DRYRUN", "DRY_RUN"),
            ("Dry_Run", "DRY_RUN"),
            ("DRY_RUNS", "DRY_RUN"),
            ("TIMEZONE", "TIME_ZONE"),
            ("APROVERS", "APPROVERS"),
            ("APPROVRES", "APPROVERS"),
            ("REQUIRE_IDENTTY", "REQUIRE_IDENTITY"),
        ] {
            assert!(is_slip(name, known), "{name}");
        }
        for (name, known) in [
            ("SPORT", "PORT"),
            ("POST", "PORT"),
            ("GITHUB_TOKEN_FILE", "GITHUB_TOKEN"),
            ("GITHUB_API_URL", "GITHUB_APP_ID"),
            ("AzureWebJobsStorage__blob", "AzureWebJobsStorage"),
            ("", "DRY_RUN"),
        ] {
            assert!(!is_slip(name, known), "{name}");
        }
    }
}
