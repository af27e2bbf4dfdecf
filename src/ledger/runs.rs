//! The run that has an approval: who was first has it for ever. Beside it, a record of each further attempt that
//! started, and of each that ended.

use anyhow::Context;
use chrono::{DateTime, Utc};
use object_store::path::Path;
use tokio::time::Instant;

use super::{
    Ledger,
    attempts::Names,
    records::Record,
    shapes::{StoredEnd, StoredRun, StoredStart},
    store::Created,
};
use crate::approval::{ApprovalId, Run, RunEnd};

/// The name of the record of the run.
const RUN: &str = "run";

/// The number and the kind in the name of a record of an attempt, such as `run.000002.end`.
fn attempt_of(name: &str) -> Option<(u64, &str)> {
    let (number, kind) = name.strip_prefix("run.")?.split_once('.')?;
    Some((number.parse().ok()?, kind))
}

fn name_of(attempt: u64, kind: &str) -> String {
    format!("{RUN}.{attempt:06}.{kind}")
}

impl Ledger {
    /// The run that has the approval whose records have these names. One round: all is read at once.
    pub(super) async fn run(
        &self,
        id: &ApprovalId,
        names: &Names,
        until: Instant,
    ) -> anyhow::Result<Option<Run>> {
        if !names.contain(RUN) {
            return Ok(None);
        }
        let newest = names.beginning("run.").filter_map(attempt_of).map(|(number, _)| number).max();
        let path = self.requested_path(id, RUN);
        let (run, start, end) = tokio::try_join!(
            self.read_run(&path, until),
            self.start_of(id, names, newest, until),
            self.end_of(id, names, newest, until)
        )?;
        let Some(mut run) = run else { return Ok(None) };
        match newest {
            Some(attempt) if attempt >= run.attempt => {
                let ended_at = end.as_ref().map(|end: &RunEnd| end.at).filter(|_| attempt > run.attempt);
                run.started_at = start.or(ended_at).unwrap_or(run.started_at);
                (run.attempt, run.end) = (attempt, end);
            }
            _ => {}
        }
        Ok(Some(run))
    }

    async fn read_run(&self, path: &Path, until: Instant) -> anyhow::Result<Option<Run>> {
        let stored: Option<StoredRun> = self.read(path, until).await?;
        Ok(stored.map(StoredRun::run))
    }

    async fn start_of(
        &self,
        id: &ApprovalId,
        names: &Names,
        attempt: Option<u64>,
        until: Instant,
    ) -> anyhow::Result<Option<DateTime<Utc>>> {
        let name = attempt.map(|attempt| name_of(attempt, "start")).filter(|name| names.contain(name));
        let Some(name) = name else { return Ok(None) };
        let stored: Option<StoredStart> = self.read(&self.requested_path(id, &name), until).await?;
        Ok(stored.map(|start| start.at()))
    }

    async fn end_of(
        &self,
        id: &ApprovalId,
        names: &Names,
        attempt: Option<u64>,
        until: Instant,
    ) -> anyhow::Result<Option<RunEnd>> {
        let name = attempt.map(|attempt| name_of(attempt, "end")).filter(|name| names.contain(name));
        let Some(name) = name else { return Ok(None) };
        let path = self.requested_path(id, &name);
        let Some(content) = self.store.get(&path, until).await? else { return Ok(None) };
        Record::parse_as(&path, &content, StoredEnd::end).map(Some)
    }

    /// Makes `run` the one that has the approval, unless another is; returns the id of the one that has it.
    // T37
    pub async fn note_run(&self, id: &ApprovalId, run: &Run, until: Instant) -> anyhow::Result<String> {
        let path = self.requested_path(id, RUN);
        let content = Record::of(StoredRun::from(run))?.to_json()?;
        match self.store.create(&path, content, until).await.context("cannot record the run")? {
            Created::Ours => Ok(run.id.clone()),
            Created::Theirs(content) => {
                Record::parse(&path, &content).map(|stored: StoredRun| stored.run().id)
            }
        }
    }

    /// Notes that another attempt of the run started at `at`.
    pub async fn note_start(
        &self,
        id: &ApprovalId,
        attempt: u64,
        at: DateTime<Utc>,
        until: Instant,
    ) -> anyhow::Result<()> {
        let path = self.requested_path(id, &name_of(attempt, "start"));
        let content = Record::of(StoredStart::new(at))?.to_json()?;
        self.store.create(&path, content, until).await.context("cannot note the start of a run").map(drop)
    }

    /// Notes the end of an attempt of the run, unless one was noted before; returns the one that was first.
    pub async fn note_end(
        &self,
        id: &ApprovalId,
        attempt: u64,
        end: RunEnd,
        until: Instant,
    ) -> anyhow::Result<RunEnd> {
        let path = self.requested_path(id, &name_of(attempt, "end"));
        let content = Record::of(StoredEnd::from(&end))?.to_json()?;
        match self.store.create(&path, content, until).await.context("cannot note the end of a run")? {
            Created::Ours => Ok(end),
            Created::Theirs(content) => Record::parse_as(&path, &content, StoredEnd::end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_found_by_their_number() {
        assert_eq!(attempt_of(&name_of(2, "end")), Some((2, "end")));
        assert_eq!(attempt_of(&name_of(u64::MAX, "start")), Some((u64::MAX, "start")));
        for other in ["run", "run.", "run.x.end", "run.1", "runs.1.end", "vote.1.end"] {
            assert_eq!(attempt_of(other), None, "{other}");
        }
    }
}
