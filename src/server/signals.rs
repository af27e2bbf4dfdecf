//! The signals that ask the process to stop.

use std::io;

/// The way in which the process was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM: by a platform, which may want it again.
    Terminated,
    /// SIGINT: by a person, who does not want it again.
    Interrupted,
}

/// The signals, which no longer end the process by themselves.
pub struct Signals {
    #[cfg(unix)]
    terminated: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupted: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupted: tokio::signal::windows::CtrlC,
}

#[cfg(unix)]
impl Signals {
    /// Listens from now on.
    pub fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminated: signal(SignalKind::terminate())?,
            interrupted: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the first of them.
    pub async fn first(mut self) -> Stop {
        tokio::select! {
            _ = self.terminated.recv() => Stop::Terminated,
            _ = self.interrupted.recv() => Stop::Interrupted,
        }
    }
}

#[cfg(windows)]
impl Signals {
    /// Listens from now on.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { interrupted: tokio::signal::windows::ctrl_c()? })
    }

    /// Waits for the first of them.
    pub async fn first(mut self) -> Stop {
        self.interrupted.recv().await;
        Stop::Interrupted
    }
}
