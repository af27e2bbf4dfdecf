//! The handler as the host looks after it: started again after an exit, if its code allows that, and stopped without
//! notice.

use std::{
    process::ExitStatus,
    time::{Duration, Instant},
};

use crate::{
    handler_process::{GLANCE, HandlerProcess, within},
    http1::Request,
};

/// Exits further apart than this are not counted together.
const GAP: Duration = Duration::from_secs(30 * 60);

/// At so many exits the host gives up.
const MOST_EXITS: usize = 3;

pub struct Handler {
    process: HandlerProcess,
    start: Box<dyn Fn() -> HandlerProcess + Send>,
    /// The times of its exits with a code that counts.
    exits: Vec<Instant>,
    standing: Standing,
    /// The output of those before it.
    output: String,
    errors: String,
}

/// The state in which a request finds the handler.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing {
    Running,
    /// Just started, and not ready yet.
    Started,
    /// It exited with code 0: it is not started again, and every invocation fails.
    Ended,
    /// The whole host has stopped.
    HostStopped,
}

impl Handler {
    pub fn new(process: HandlerProcess, start: impl Fn() -> HandlerProcess + Send + 'static) -> Self {
        Self {
            process,
            start: Box::new(start),
            exits: Vec::new(),
            standing: Standing::Running,
            output: String::new(),
            errors: String::new(),
        }
    }

    /// Starts it again where it has exited and the host would.
    pub fn look_after(&mut self) -> Standing {
        if self.standing == Standing::Running
            && let Some(status) = self.process.exited()
        {
            self.standing = self.after_exit(status);
            if self.standing == Standing::Started {
                self.output += &self.process.kill();
                self.errors += &self.process.errors();
                self.process = (self.start)();
                self.standing = Standing::Running;
                return Standing::Started;
            }
        }
        self.standing
    }

    fn after_exit(&mut self, status: ExitStatus) -> Standing {
        match status.code() {
            Some(0) => Standing::Ended,
            Some(200) => Standing::Started,
            _ => {
                let now = Instant::now();
                if self.exits.last().is_some_and(|last| now - *last > GAP) {
                    self.exits.clear();
                }
                self.exits.push(now);
                if self.exits.len() < MOST_EXITS { Standing::Started } else { Standing::HostStopped }
            }
        }
    }

    pub fn process(&mut self) -> &mut HandlerProcess {
        &mut self.process
    }

    /// Everything that it and those before it wrote so far.
    pub fn output(&self) -> String {
        format!("{}{}", self.output, self.process.output())
    }

    /// The part of that which came on stderr.
    pub fn errors(&self) -> String {
        format!("{}{}", self.errors, self.process.errors())
    }
}

/// Waits until something answers at a handler's port.
pub async fn until_answering(port: u16, has_exited: impl Fn() -> bool) {
    within("the handler is ready again", async || {
        while Request::get("/").try_send(port).await.is_err() && !has_exited() {
            tokio::time::sleep(GLANCE).await;
        }
    })
    .await;
}
