//! The things done about the messages of one approval or relay.

use chrono::{DateTime, Utc};
use log::Level;

use super::{Delivered, Sent, send::line};
use crate::{
    approval::{AttemptResult, Message, MessageName, Next, Progress, SendAnswer, Standing},
    text::log::describe,
};

/// The messages that are left out, though they may be due.
#[derive(Clone, Copy, Default)]
pub struct LeftOut {
    /// The event, since GitHub limits our rate, or enough were sent.
    pub event: bool,
    /// The cards, since events come first.
    pub channel: bool,
}

/// The things done about the messages of one approval or relay.
#[derive(Default)]
pub struct Swept {
    /// A line for each thing that was done.
    pub lines: Vec<(Level, String)>,
    /// The receiver of its event, for the lines.
    pub to: String,
    /// True if GitHub limits our rate.
    pub limited: bool,
    /// True if it is decided and nothing is left to be done.
    pub at_rest: bool,
    /// The earliest time at which a waiting message may be tried again, if any waits.
    pub not_before: Option<DateTime<Utc>>,
    /// The events about which something was done.
    pub events: usize,
    /// The messages to channels about which something was done.
    pub cards: usize,
    /// True if an event has not arrived, or may still come.
    pub awaits_event: bool,
    /// True if an event was left out.
    pub left_out: bool,
    /// The settings without which messages wait.
    pub lacks: Vec<&'static str>,
    /// The approval as it stands now.
    pub standing: Option<Standing>,
}

impl Swept {
    /// The thing done about one message.
    pub(super) fn of(message: &Message, sent: &Sent) -> Self {
        Self { lines: line(message, "", sent).into_iter().collect(), ..Self::default() }
    }

    /// Prints the lines.
    pub fn log(&self) {
        self.lines.iter().for_each(|(level, line)| log::log!(*level, "{line}"));
    }

    /// Begins another pass over all messages, of which none is left out if `is_complete`.
    pub(super) fn begin_pass(&mut self, is_complete: bool) {
        self.at_rest = is_complete;
        self.not_before = None;
        self.lacks.clear();
    }

    /// Adds the result for one message, whose progress was `before`.
    pub(super) fn add(
        &mut self,
        message: &Message,
        before: Progress,
        sent: anyhow::Result<Sent>,
        now: DateTime<Utc>,
    ) {
        let sent = match sent {
            Ok(sent) => sent,
            Err(error) => {
                self.at_rest = false;
                self.wait_until(now);
                self.count(message);
                self.lines.push((Level::Error, format!("{message}: {}", describe(&error))));
                return;
            }
        };
        let is_event = message.name == MessageName::DISPATCH;
        self.limited |= is_event
            && matches!(&sent.delivered, Delivered::Failed(result)
                if matches!(result.what, SendAnswer::RateLimited { .. }));
        let line = line(message, &self.to, &sent);
        if line.is_some() {
            self.count(message);
        }
        self.lines.extend(line);
        if let Delivered::Lacks(setting) = sent.delivered {
            self.lacks.push(setting);
        }
        if !sent.delivered.is_at_rest() {
            self.at_rest = false;
            self.wait_until(time_of_next(&sent.progress.unwrap_or(before)).unwrap_or(now));
        }
    }

    fn wait_until(&mut self, time: DateTime<Utc>) {
        self.not_before = Some(self.not_before.map_or(time, |before| before.min(time)));
    }

    fn count(&mut self, message: &Message) {
        match message.name == MessageName::DISPATCH {
            true => self.events += 1,
            false => self.cards += 1,
        }
    }
}

/// The time of the next attempt, if the progress tells it.
fn time_of_next(progress: &Progress) -> Option<DateTime<Utc>> {
    match progress {
        Progress::Tried(_, Some(AttemptResult { next: Next::NotBefore(time), .. })) => Some(*time),
        // A claim without a result is rare, and looked at again each time.
        Progress::Tried(_, None | Some(AttemptResult { next: Next::Dead, .. }))
        | Progress::Untried
        | Progress::Begun
        | Progress::Done(_) => None,
    }
}
