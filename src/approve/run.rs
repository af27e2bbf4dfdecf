//! The story of the run that releases: it says that it is there, and how it ended. The first run with the ticket has the
//! approval, for ever; of each attempt the first word about its end counts.

use std::sync::Arc;

use super::{Report, Stories, broken, failed};
use crate::{
    approval::{
        Conclusion, Message, MessageName, Outcome, Progress, Run, RunConflict, RunEnd, Standing, Unreached,
        Workload, may_conclude, may_start,
    },
    timing::Timing,
};

/// The word of a run about its approval.
#[derive(Clone, Copy, Debug)]
enum Word {
    /// It is there.
    Started,
    /// It has ended so.
    Ended(Conclusion),
}

impl Stories {
    /// Makes the run of `workload` the one that has the approval with this standing; returns how it stands then. The
    /// story goes on even if the caller goes away.
    pub async fn start_run(
        self: &Arc<Self>,
        standing: Standing,
        workload: Workload,
        ticket: Option<&str>,
        timing: Timing,
    ) -> Result<Standing, Report> {
        may_start(&standing, self.policy.dry_run, &workload, ticket).map_err(Report::from)?;
        self.hear(standing, workload, Word::Started, timing).await
    }

    /// Notes how the run of `workload` ended, if it has the approval; returns how it stands then.
    pub async fn end_run(
        self: &Arc<Self>,
        standing: Standing,
        workload: Workload,
        conclusion: Conclusion,
        timing: Timing,
    ) -> Result<Standing, Report> {
        may_conclude(&standing, self.policy.dry_run, &workload).map_err(Report::from)?;
        self.hear(standing, workload, Word::Ended(conclusion), timing).await
    }

    async fn hear(
        self: &Arc<Self>,
        standing: Standing,
        workload: Workload,
        word: Word,
        timing: Timing,
    ) -> Result<Standing, Report> {
        if is_known(standing.run.as_ref(), workload.attempt(), word) {
            return Ok(standing);
        }
        let stories = Arc::clone(self);
        let story =
            self.outbox.beside(async move { stories.note_word(standing, workload, word, timing).await });
        match story.await {
            Ok(Ok(heard)) => heard,
            Ok(Err(error)) => Err(failed(Unreached::Store, &error)),
            Err(error) => Err(broken(&error.into())),
        }
    }

    /// After an error the word may be recorded or not; said again, it counts once.
    async fn note_word(
        self: &Arc<Self>,
        mut standing: Standing,
        workload: Workload,
        word: Word,
        timing: Timing,
    ) -> anyhow::Result<Result<Standing, Report>> {
        let (ledger, until) = (&self.outbox.ledger, Self::recorded_by(timing));
        let (id, attempt, now) = (standing.request.id.clone(), workload.attempt(), timing.now);
        ledger.note_pending(&standing.subject(), until).await?;
        let known = standing.run.take();
        let mut run = match &known {
            Some(run) => run.clone(),
            None => Run { id: workload.run_id, actor: workload.actor, attempt, started_at: now, end: None },
        };
        if known.is_none() {
            let has_it = ledger.note_run(&id, &run, until).await?;
            if has_it != run.id {
                return Ok(Err(Outcome::Run(RunConflict::Other(has_it)).into()));
            }
            self.note_that_it_arrived(&mut standing, timing).await?;
        }
        let end = match word {
            Word::Started if known.is_some() => {
                ledger.note_start(&id, attempt, now, until).await?;
                None
            }
            Word::Started => None,
            Word::Ended(conclusion) => {
                let end = RunEnd { conclusion, at: now, is_by_github: false };
                Some(ledger.note_end(&id, attempt, end, until).await?)
            }
        };
        if attempt > run.attempt {
            (run.attempt, run.started_at, run.end) = (attempt, now, None);
        }
        if attempt == run.attempt {
            run.end = end.or(run.end);
        }
        self.follow_up(id, timing);
        Ok(Ok(Standing { run: Some(run), ..standing }))
    }

    /// Notes that the event has arrived, since its run is there, although nobody may have noted that yet. Of a workflow's
    /// start GitHub's answer may still name the run.
    async fn note_that_it_arrived(&self, standing: &mut Standing, timing: Timing) -> anyhow::Result<()> {
        let Progress::Tried(sent, _) = standing.progress(&MessageName::DISPATCH) else { return Ok(()) };
        if standing.request.terms.workflow.is_some() {
            return Ok(());
        }
        let message = Message { subject: standing.subject(), name: MessageName::DISPATCH };
        let (arrived, until) = ((timing.now, None), Self::recorded_by(timing));
        self.outbox.ledger.note_arrival(&message, sent, arrived, until).await?;
        standing.messages.insert(MessageName::DISPATCH, Progress::Done(Some(timing.now)));
        Ok(())
    }
}

/// True if the word changes nothing any more.
fn is_known(run: Option<&Run>, attempt: u64, word: Word) -> bool {
    run.is_some_and(|run| match word {
        Word::Started => run.attempt >= attempt,
        Word::Ended(_) => run.attempt == attempt && run.end.is_some(),
    })
}
