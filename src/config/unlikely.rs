//! Warnings at start about settings that are usable and yet unlikely to be meant.

use url::Url;

use super::{AUTH_ENABLED, Config, SIGN_IN, bot, forms, reader::Reader, webhooks};
use crate::{
    approval::{Approvers, EventTypes, SelfApproval},
    ledger::Location,
    text::identifier::identifier,
};

impl Config {
    /// All of it, in the order in which it is told.
    pub(super) fn unlikely(&self, reader: &Reader<'_>, entra_authority: &Url) -> Vec<String> {
        let in_azure = reader.text("WEBSITE_INSTANCE_ID").is_some();
        let store = match self.store {
            Location::Memory => {
                Some("STORE_URL is memory: every decision is forgotten when this process ends")
            }
            Location::Folder(_) if in_azure => Some(
                "STORE_URL is a folder: other instances do not see what this one decides, and it is lost with it. \
                 Set AzureWebJobsStorage, or STORE_URL to az://approvals",
            ),
            Location::Folder(_) | Location::Azure(_) => None,
        };
        let bot = bot::unlikely(reader, &self.bot);
        let sign_in = self.unlikely_sign_in(reader, in_azure).map(str::to_owned);
        let identity = self.unlikely_identity().into_iter().chain(sign_in).chain(bot);
        let urls = forms::unlikely_urls(&self.public_url, &self.github_api_url, entra_authority);
        let urls = urls.into_iter().map(str::to_owned).chain(webhooks::unlikely(reader));
        let cards = self.unlikely_cards(reader);
        let own = self
            .unlikely_self_approval()
            .into_iter()
            .chain(self.unread_authors())
            .chain(self.unlikely_relay());
        store.map(str::to_owned).into_iter().chain(identity).chain(urls).chain(cards).chain(own).collect()
    }

    /// A header that says who is signed in, and may be anyone's.
    fn unlikely_sign_in(&self, reader: &Reader<'_>, in_azure: bool) -> Option<&'static str> {
        reader.text(SIGN_IN)?;
        if !self.signs_in {
            return Some(
                "SIGN_IN is platform, but WEBSITE_AUTH_ENABLED says that App Service Authentication is off: nobody can \
                 sign in",
            );
        }
        (!in_azure && reader.text(AUTH_ENABLED).is_none()).then_some(
            "SIGN_IN is platform, but this is not Azure: anyone who reaches the page can say who they are",
        )
    }

    /// Cards that lead nowhere, or that are not written.
    fn unlikely_cards(&self, reader: &Reader<'_>) -> Vec<String> {
        let shows_page = self.signs_in || (self.policy.dry_run && !self.require_identity);
        let has_webhook = self.teams_webhook_url.is_some() || !self.teams_webhooks.is_empty();
        let no_page = has_webhook && !shows_page;
        let half_a_mail = [("APPROVE_URL", "MAIL_ORIGINATOR"), ("MAIL_ORIGINATOR", "APPROVE_URL")];
        let half_a_mail = half_a_mail
            .into_iter()
            .filter(|(set, other)| reader.text(set).is_some() && reader.text(other).is_none());
        let half_a_mail = half_a_mail.map(|(_, missing)| {
            format!("mail cards are not written, since this setting is missing: {missing}")
        });
        let no_page = no_page.then(|| {
            "the cards in the channel lead to a page that nobody can sign in to: switch on App Service Authentication, \
             and if it is on and the host does not say so, set SIGN_IN to platform"
                .to_owned()
        });
        no_page.into_iter().chain(half_a_mail).collect()
    }

    /// A rule that lets no job ask, or that everybody gets around.
    fn unlikely_self_approval(&self) -> Option<String> {
        let is_denied = self.policy.strictest_self_approval() > SelfApproval::Allow;
        let setting = self.place_of_self_approval();
        (is_denied && self.policy.github_logins.0.is_empty()).then(|| {
            format!("{setting} is set, but GITHUB_LOGINS lists nobody: every request for such an approval is refused")
        })
    }

    /// An event type that a card may not send, since a rule names it, and no job may ask for, since a card may send it.
    fn unlikely_relay(&self) -> Option<String> {
        let EventTypes::Only(relayed) = &self.policy.relay_event_types else { return None };
        let named = relayed.iter().find(|event_type| self.policy.is_named(event_type))?;
        Some(format!(
            "RELAY_EVENT_TYPES has {}, which a rule of POLICY names: neither a card nor an approval can send it",
            identifier(named.as_str())
        ))
    }

    /// A rule that needs to read commits, and nothing to read them with.
    fn unread_authors(&self) -> Option<String> {
        let is_blind = self.github_token.is_none() && self.github_app.is_none();
        let is_asked =
            self.policy.strictest_self_approval() == SelfApproval::DenyAuthors && !self.policy.dry_run;
        let setting = self.place_of_self_approval();
        (is_asked && is_blind).then(|| {
            format!("{setting} is deny-authors, but neither GITHUB_TOKEN nor GITHUB_APP_ID is set: nobody can approve such a release")
        })
    }

    /// The place of the strictest level.
    fn place_of_self_approval(&self) -> &'static str {
        match self.policy.self_approval == self.policy.strictest_self_approval() {
            true => "SELF_APPROVAL",
            false => "self_approval of a rule in POLICY",
        }
    }

    fn unlikely_identity(&self) -> Option<String> {
        if !self.require_identity {
            let who = match self.policy.rules {
                Some(_) => {
                    "REQUIRE_IDENTITY is false: with POLICY whoever does not say who they are can only relay"
                }
                None => {
                    "REQUIRE_IDENTITY is false: anyone with the address may approve, and nobody knows who it was"
                }
            };
            return Some(who.to_owned());
        }
        let mut missing = self.entra.as_ref().err().cloned().unwrap_or_default();
        if self.policy.approvers == Approvers::default() && self.policy.rules.is_none() {
            missing.push("APPROVERS");
        }
        // People who can come another way only miss the mails.
        let comes_otherwise =
            self.policy.approvers != Approvers::default() && (self.signs_in || self.bot.is_ok());
        let which = if comes_otherwise { "click in a mail" } else { "click" };
        let missing = missing.join(", ");
        (!missing.is_empty())
            .then(|| format!("no {which} can be accepted, since these settings are missing: {missing}"))
    }
}
