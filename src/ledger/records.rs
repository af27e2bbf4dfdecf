//! The envelope of every record: its format and its writer.

use std::{
    fmt,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, anyhow};
use object_store::path::Path;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::approval::hex;

/// The format that is written.
const FORMAT: u32 = 2;

/// The formats that are read. An older instance beside a newer one reports a newer format, instead of guessing.
const READABLE: std::ops::RangeInclusive<u32> = 1..=FORMAT;

/// The error for a record that cannot be read, by anybody or by this version, however often it is tried.
#[derive(Debug)]
pub struct Unreadable(String);

impl Unreadable {
    /// The error for the record at `path`.
    pub fn at(path: &Path) -> Self {
        Self(path.to_string())
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {}", self.0)
    }
}

impl std::error::Error for Unreadable {}

/// The content of every object: a record, its format and its writer.
#[derive(Serialize, Deserialize)]
pub struct Record<T> {
    format: u32,
    /// A text that no other object has, so that a writer recognises its own.
    writer: String,
    record: T,
}

impl<T> Record<T> {
    /// A record that we are about to write.
    pub fn of(record: T) -> anyhow::Result<Self> {
        Ok(Self { format: FORMAT, writer: writer()?, record })
    }
}

/// A text that is given once: random digits of this process, and a number.
fn writer() -> anyhow::Result<String> {
    static PROCESS: LazyLock<Result<[u8; 8], getrandom::Error>> = LazyLock::new(|| {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map(|()| random)
    });
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let process = PROCESS.as_ref().map_err(|error| anyhow!("no random numbers: {error}"))?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Ok(format!("{}{}", hex(process), hex(&number.to_be_bytes())))
}

impl<T> Record<T> {
    /// The text that no other record has.
    pub fn writer(&self) -> &str {
        &self.writer
    }
}

impl<T: Serialize> Record<T> {
    /// The object's content.
    pub fn to_json(&self) -> anyhow::Result<Vec<u8>> {
        serde_json::to_vec(self).context("cannot write a record")
    }
}

impl<T: DeserializeOwned> Record<T> {
    /// Reads the content of the object at `path`; the error is [`Unreadable`].
    pub fn parse(path: &Path, content: &[u8]) -> anyhow::Result<T> {
        Self::parse_content(content).context(Unreadable::at(path))
    }

    fn parse_content(content: &[u8]) -> anyhow::Result<T> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let Head { format } = serde_json::from_slice(content).context("it names no format")?;
        if !READABLE.contains(&format) {
            return Err(anyhow!("its format is {format}, and this version knows none above {FORMAT}"));
        }
        let record: Self =
            serde_json::from_slice(content).context("it does not have the shape of its format")?;
        Ok(record.record)
    }

    /// Reads the content of the object at `path`, and its meaning; the error is [`Unreadable`].
    pub fn parse_as<U>(path: &Path, content: &[u8], read: impl FnOnce(T) -> Option<U>) -> anyhow::Result<U> {
        let meaning = read(Self::parse(path, content)?);
        meaning.ok_or_else(|| {
            anyhow!("it holds nothing that this version can act on").context(Unreadable::at(path))
        })
    }
}
