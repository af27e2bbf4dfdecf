//! Query strings as ASP.NET reads them: keys match whatever their case, repeated values are joined with a comma.

use serde_json::Value;
use url::form_urlencoded;

/// The keys in order, each with its values joined.
pub fn joined(query: &str) -> Vec<(String, Value)> {
    pairs(query).into_iter().map(|(name, value)| (name, value.into())).collect()
}

/// The query rebuilt from its joined pairs, with everything but letters, digits and `-._*` encoded.
pub fn rebuilt(query: &str) -> String {
    let pairs = pairs(query);
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}

fn encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// The first value of a key.
pub fn first_value(query: &str, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.into_owned())
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match pairs.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some((_, values)) => *values = format!("{values},{value}"),
            None => pairs.push((name.into_owned(), value.into_owned())),
        }
    }
    pairs
}
