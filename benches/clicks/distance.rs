//! A store that is far away: every call's answer comes later by a fixed time, and is counted.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::http::{read_more, write_all};

/// By so much each answer is late.
pub const ROUND: Duration = Duration::from_millis(25);

/// The way to a store. Dropping it closes it.
pub struct Distance {
    pub address: SocketAddr,
    calls: Arc<AtomicUsize>,
    accepting: JoinHandle<Result<()>>,
}

impl Distance {
    pub async fn to(store: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen")?;
        let (address, calls) = (listener.local_addr()?, Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&calls);
        let accepting = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await?;
                tokio::spawn(carry(client, store, Arc::clone(&counted)));
            }
        });
        Ok(Self { address, calls, accepting })
    }

    /// The number of calls that were answered so far.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Drop for Distance {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Carries one connection, on which each call waits for the answer to the one before.
async fn carry(client: TcpStream, store: SocketAddr, calls: Arc<AtomicUsize>) -> Result<()> {
    let store = TcpStream::connect(store).await?;
    client.set_nodelay(true)?;
    store.set_nodelay(true)?;
    let (mut call, mut answer, mut is_asked) = (Vec::new(), Vec::new(), false);
    loop {
        tokio::select! {
            read = read_more(&client, &mut call) => {
                if read? == 0 { return Ok(()) }
                is_asked = true;
                write_all(&store, &call).await?;
                call.clear();
            }
            read = read_more(&store, &mut answer) => {
                if read? == 0 { return Ok(()) }
                if std::mem::take(&mut is_asked) {
                    calls.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(ROUND).await;
                }
                write_all(&client, &answer).await?;
                answer.clear();
            }
        }
    }
}
