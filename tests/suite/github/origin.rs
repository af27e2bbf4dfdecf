//! The part of the stand-in that knows runs and refs: who started an attempt, and the commit that a ref is at.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use super::{GitHub, State, api_path, error_body};
use crate::wire::{GITHUB_ORIGIN, example};

/// The runs and refs of all repositories.
#[derive(Default)]
pub struct Origin {
    /// The account that started an attempt of a run: by `run/attempt`.
    attempts: BTreeMap<String, String>,
    /// The type and the sha of the object that a ref is at.
    refs: BTreeMap<String, (String, String)>,
    /// The type and the sha of the object that a tag is on.
    tags: BTreeMap<String, (String, String)>,
    /// Answers every question instead.
    answer: Option<ResponseTemplate>,
    calls: Vec<String>,
}

impl Origin {
    /// True if a question was asked although the test knows of none.
    pub fn is_unexpected(&self) -> bool {
        let knows_nothing = self.attempts.is_empty() && self.refs.is_empty() && self.answer.is_none();
        knows_nothing && !self.calls.is_empty()
    }
}

impl GitHub {
    /// From now on knows who started this attempt of a run.
    pub fn know_attempt(&self, run: &str, attempt: &str, login: &str) {
        self.state().origin.attempts.insert(format!("{run}/{attempt}"), login.to_owned());
    }

    /// From now on has the ref at this commit.
    pub fn move_ref(&self, name: &str, sha: &str) {
        self.state().origin.refs.insert(name.to_owned(), ("commit".to_owned(), sha.to_owned()));
    }

    /// From now on has the ref at the first of these annotated tags, each of which is on the next, the last on the
    /// commit.
    pub fn tag_ref(&self, name: &str, tags: &[&str], commit: &str) {
        let origin = &mut self.state().origin;
        origin.refs.insert(name.to_owned(), ("tag".to_owned(), tags[0].to_owned()));
        for (place, tag) in tags.iter().enumerate() {
            let object = match tags.get(place + 1) {
                Some(next) => ("tag".to_owned(), (*next).to_owned()),
                None => ("commit".to_owned(), commit.to_owned()),
            };
            origin.tags.insert((*tag).to_owned(), object);
        }
    }

    /// From now on answers every question about runs and refs so, or as GitHub does again.
    pub fn answer_about_origin(&self, answer: Option<ResponseTemplate>) {
        self.state().origin.answer = answer;
    }

    /// The paths of the questions about runs and refs, below the repository's.
    pub fn origin_calls(&self) -> Vec<String> {
        self.state().origin.calls.clone()
    }
}

/// The answer to a question about runs and refs. To no other.
pub fn answered(request: &Request, state: &mut State) -> Option<ResponseTemplate> {
    let parts: Vec<_> = api_path(request).strip_prefix("/repos/")?.splitn(3, '/').collect();
    let [owner, name, path] = parts[..] else { return None };
    let described = match path.split('/').collect::<Vec<_>>()[..] {
        ["actions", "runs", _, "attempts", _] | ["git", "tags", _] => path.to_owned(),
        ["git", "ref", ..] => format!("git/ref/{}", path["git/ref/".len()..].replace('/', "%2F")),
        _ => return None,
    };
    state.origin.calls.push(path.to_owned());
    let authorization = request.headers.get("authorization").and_then(|value| value.to_str().ok());
    let is_known =
        state.repositories.iter().any(|known| known.eq_ignore_ascii_case(&format!("{owner}/{name}")));
    let operation = GITHUB_ORIGIN.request(request, &format!("/repos/{owner}/{name}/{described}"), None);
    let (status, body) = if authorization != Some(&format!("Bearer {}", state.token)) {
        (401, error_body(401, "Bad credentials"))
    } else if let Some(answer) = &state.origin.answer {
        return Some(answer.clone());
    } else {
        match is_known.then(|| found(path, &state.origin)).flatten() {
            Some(body) => (200, body),
            None => (404, error_body(404, "Not Found")),
        }
    };
    let held = operation
        .and_then(|operation| GITHUB_ORIGIN.answer(&operation, (status, Some(&body)), "basic-error"));
    state.undescribed.extend(held.err());
    Some(ResponseTemplate::new(status).set_body_json(body))
}

fn found(path: &str, origin: &Origin) -> Option<Value> {
    let object =
        |(kind, sha): &(String, String)| json!({"type": kind, "sha": sha, "url": "https://x.example"});
    match path.split('/').collect::<Vec<_>>()[..] {
        ["actions", "runs", run, "attempts", attempt] => {
            let mut body = example("workflow-run");
            body["triggering_actor"]["login"] = json!(origin.attempts.get(&format!("{run}/{attempt}"))?);
            body["id"] = run.parse::<u64>().ok()?.into();
            body["run_attempt"] = attempt.parse::<u64>().ok()?.into();
            // Null is described in a way that this validator does not know.
            body["head_repository"]["description"] = json!("");
            body["conclusion"] = json!("success");
            Some(body)
        }
        ["git", "tags", tag] => {
            let mut body = example("git-tag");
            body["object"] = object(origin.tags.get(tag)?);
            body["sha"] = tag.into();
            for unsigned in ["signature", "payload", "verified_at"] {
                body["verification"][unsigned] = json!("");
            }
            Some(body)
        }
        _ => {
            let name = format!("refs/{}", path.strip_prefix("git/ref/")?);
            let mut body = example("git-ref");
            body["object"] = object(origin.refs.get(&name)?);
            body["ref"] = name.into();
            Some(body)
        }
    }
}
