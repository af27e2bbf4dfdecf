//! GitHub's desk for GitHub Apps: it verifies the App's own tokens, and gives out tokens of its installations.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use crate::signing_keys::Key;

/// The App's id.
pub const APP_ID: &str = "424242";

/// A GitHub App as GitHub knows it.
pub struct AppDesk {
    /// The keys whose tokens are taken.
    pub keys: Vec<Key>,
    /// The difference of GitHub's clock.
    pub clock: TimeDelta,
    /// The installations: id, repositories, and what they grant.
    pub installations: Vec<Installation>,
    /// The repositories that were renamed.
    pub renamed: Vec<String>,
    /// The life of tokens.
    pub life: TimeDelta,
    /// The time that a request for a token takes.
    pub delay: Duration,
    /// Answers a good request for a token instead.
    pub instead: Option<ResponseTemplate>,
    /// The tokens given out, newest last.
    pub tokens: Vec<Given>,
    /// The calls so far.
    pub calls: Vec<String>,
}

/// An installation.
#[derive(Clone)]
pub struct Installation {
    pub id: u64,
    pub repositories: Vec<String>,
    pub permissions: Value,
    pub is_suspended: bool,
}

/// A token of an installation.
#[derive(Clone, Debug)]
pub struct Given {
    pub text: String,
    pub repository: String,
    pub permissions: Value,
    pub is_revoked: bool,
}

impl Default for AppDesk {
    fn default() -> Self {
        Self {
            keys: vec![Key::App],
            clock: TimeDelta::zero(),
            installations: vec![Installation::new(7, "octo/app")],
            renamed: Vec::new(),
            life: TimeDelta::hours(1),
            delay: Duration::ZERO,
            instead: None,
            tokens: Vec::new(),
            calls: Vec::new(),
        }
    }
}

impl Installation {
    /// An installation on one repository, with Contents: write.
    pub fn new(id: u64, repository: &str) -> Self {
        let permissions = json!({"contents": "write", "actions": "write", "metadata": "read"});
        Self { id, repositories: vec![repository.to_owned()], permissions, is_suspended: false }
    }

    fn has(&self, repository: &str) -> bool {
        self.repositories.iter().any(|own| own.eq_ignore_ascii_case(repository))
    }

    fn shown(&self) -> Value {
        let url = "https://api.github.com/x";
        json!({
            "id": self.id, "app_id": 424242, "app_slug": "approve", "target_id": 1, "target_type": "Organization",
            "single_file_name": null, "repository_selection": "selected", "access_tokens_url": url,
            "html_url": url, "repositories_url": url, "events": [], "account": null,
            "permissions": self.permissions, "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z", "suspended_by": null,
            "suspended_at": self.is_suspended.then_some("2026-11-01T00:00:00Z"),
        })
    }
}

type Answer = (u16, Value);

fn error(status: u16, message: &str) -> Answer {
    (
        status,
        json!({"message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string()}),
    )
}

impl AppDesk {
    /// The answer to a call for this desk; `None` for any other call.
    pub fn answer(&mut self, request: &Request, path: &str) -> Option<Answer> {
        let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
        let answer: Box<dyn FnOnce(&mut Self) -> Answer> = match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["app"]) => Box::new(|_: &mut Self| (200, app())),
            ("GET", ["repos", owner, name, "installation"]) => {
                let repository = format!("{owner}/{name}");
                Box::new(move |desk: &mut Self| desk.installation(&repository))
            }
            ("POST", ["app", "installations", id, "access_tokens"]) => {
                let (id, body) = ((*id).to_owned(), request.body.clone());
                Box::new(move |desk: &mut Self| desk.give(&id, &body))
            }
            _ => return None,
        };
        self.calls.push(format!("{} {path}", request.method));
        Some(match self.refuse(request) {
            Some(refused) => refused,
            None => answer(self),
        })
    }

    /// The date that GitHub says.
    pub fn date(&self) -> String {
        (Utc::now() + self.clock).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// The token that a call was made with, if it is one of this desk's.
    pub fn given(&self, authorization: &str) -> Option<&Given> {
        self.tokens.iter().find(|given| authorization == format!("Bearer {}", given.text))
    }

    /// Checks the App's own token, as GitHub's documentation says.
    fn refuse(&self, request: &Request) -> Option<Answer> {
        let authorization = request.headers.get("authorization").and_then(|value| value.to_str().ok());
        let token = authorization.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        let Some((message, signature)) = token.rsplit_once('.') else { return Some(undecodable()) };
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        if !self.keys.iter().any(|key| key.verifies(message.as_bytes(), &signature)) {
            return Some(undecodable());
        }
        let part = |place: usize| -> Value {
            let bytes = URL_SAFE_NO_PAD.decode(message.split('.').nth(place).unwrap_or_default());
            serde_json::from_slice(&bytes.unwrap_or_default()).unwrap_or_default()
        };
        let (header, claims) = (part(0), part(1));
        let now = (Utc::now() + self.clock).timestamp();
        let (iat, exp) = (claims["iat"].as_i64().unwrap_or(i64::MAX), claims["exp"].as_i64().unwrap_or(0));
        if header["alg"] != "RS256" {
            return Some(undecodable());
        }
        if claims["iss"] != APP_ID {
            return Some(error(404, "Integration not found"));
        }
        if iat > now {
            return Some(error(
                401,
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
            ));
        }
        if exp <= now {
            return Some(error(
                401,
                "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
            ));
        }
        (exp - now > 600).then(|| error(401, "'Expiration time' claim ('exp') is too far in the future"))
    }

    fn installation(&self, repository: &str) -> Answer {
        if self.renamed.iter().any(|old| old == repository) {
            return (
                301,
                json!({"message": "Moved Permanently", "url": "https://api.github.com/repositories/1/installation", "documentation_url": "https://docs.github.com"}),
            );
        }
        let found = self.installations.iter().find(|installation| installation.has(repository));
        found.map_or_else(|| error(404, "Not Found"), |installation| (200, installation.shown()))
    }

    fn give(&mut self, id: &str, body: &[u8]) -> Answer {
        let Some(installation) = self.installations.iter().find(|one| one.id.to_string() == id) else {
            return error(404, "Not Found");
        };
        if installation.is_suspended {
            return error(403, "This installation has been suspended");
        }
        let body: Value = serde_json::from_slice(body).expect("JSON");
        let name = body["repositories"]
            .as_array()
            .filter(|names| names.len() == 1)
            .expect("for one repository alone");
        let name = name[0].as_str().expect("a name");
        let Some(repository) = installation
            .repositories
            .iter()
            .find(|own| own.split_once('/').is_some_and(|(_, own)| own == name))
        else {
            return refused(
                "There is at least one repository that does not exist or is not accessible to the parent installation.",
            );
        };
        let asked = body["permissions"].as_object().expect("permissions");
        assert_eq!(asked.len(), 1, "only what is needed: {asked:?}");
        let grants = |(permission, level): (&String, &Value)| {
            let granted = &installation.permissions[permission];
            granted == level || (granted == "write" && level == "read")
        };
        if !asked.iter().all(grants) {
            return refused("The permissions requested are not granted to this installation.");
        }
        // Hundreds of characters long, as they are since 2026.
        let text = format!("ghs_{APP_ID}_{}_{}", self.tokens.len(), "aTokenThatNobodyMaySee".repeat(24));
        let expires_at = (Utc::now() + self.life).format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let permissions = body["permissions"].clone();
        self.tokens.push(Given {
            text: text.clone(),
            repository: repository.clone(),
            permissions: permissions.clone(),
            is_revoked: false,
        });
        (
            201,
            json!({"token": text, "expires_at": expires_at, "permissions": permissions, "repository_selection": "selected"}),
        )
    }
}

fn undecodable() -> Answer {
    error(401, "A JSON web token could not be decoded")
}

fn refused(message: &str) -> Answer {
    error(422, message)
}

fn app() -> Value {
    let owner = json!({
        "login": "octo", "id": 1, "node_id": "x", "avatar_url": "https://x.example", "gravatar_id": null,
        "url": "https://x.example", "html_url": "https://x.example", "followers_url": "https://x.example",
        "following_url": "x", "gists_url": "x", "starred_url": "x", "subscriptions_url": "https://x.example",
        "organizations_url": "https://x.example", "repos_url": "https://x.example", "events_url": "x",
        "received_events_url": "https://x.example", "type": "Organization", "site_admin": false,
    });
    json!({
        "id": 424242, "node_id": "x", "owner": owner, "name": "approve", "description": null,
        "external_url": "https://x.example", "html_url": "https://x.example", "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z", "permissions": {"contents": "write", "metadata": "read"}, "events": [],
    })
}
