//! The changes that a release brings since the last one, as GitHub compared the two commits.

/// The changes of an approval since the last release of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// No earlier release of the kind is on record.
    First,
    /// GitHub has compared the last release with this one.
    Since(Comparison),
    /// GitHub cannot compare the last release, of this commit, with this one.
    Incomparable(String, Incomparable),
    /// They are not known now. This is never recorded.
    Unknown(Unknown),
}

/// The reason why GitHub cannot compare two commits, now or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomparable {
    /// One of them is gone, or they have no history in common.
    Unreachable,
    /// The answer is larger than we read.
    TooLarge,
}

/// The reason why the changes are not known now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// GitHub has not answered yet, or has not been asked.
    NotYet,
    /// GitHub, or our store, could not be asked.
    Away,
    /// GitHub does not let us read the repository.
    Refused,
}

/// A comparison of two commits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The commit of the last release.
    pub base: String,
    /// The number of commits that this release has and the last one has not.
    pub commits: usize,
    /// The number of commits that the last release has and this one has not.
    pub missing: usize,
    /// The newest commits, the newest first: at most [`Comparison::MAX_NEWEST`].
    pub newest: Vec<Commit>,
    /// The authors of the commits that were read, each once.
    pub authors: Vec<Author>,
    /// The number of commits that were read: GitHub tells of 250.
    pub commits_read: usize,
    /// The files under `.github/` that differ, which change what runs: at most [`Comparison::MAX_GUARDED`].
    pub guarded: Vec<String>,
    /// The number of them.
    pub guarded_count: usize,
    /// The number of files that GitHub names: it names 300.
    pub files: usize,
}

/// A commit, as its author describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its hash.
    pub sha: String,
    /// The first line of its message.
    pub message: String,
    /// Its author.
    pub author: Author,
}

/// The author of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// An account of GitHub's: its login, and its number if that is known.
    Account(String, Option<u64>),
    /// A name that the commit gives, which belongs to no account.
    Name(String),
}

impl Author {
    /// The login, or the name if there is no account.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Account(name, _) | Self::Name(name) => name,
        }
    }
}

/// The authors of all commits of a release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authors {
    /// The authors, each once.
    pub authors: Vec<Author>,
    /// True if every commit was read.
    pub are_all: bool,
}

impl Changes {
    /// The comparison, if there is one.
    pub fn comparison(&self) -> Option<&Comparison> {
        match self {
            Self::Since(comparison) => Some(comparison),
            Self::First | Self::Incomparable(..) | Self::Unknown(_) => None,
        }
    }

    /// The commit of the last release, if there is one.
    pub fn base(&self) -> Option<&str> {
        match self {
            Self::Since(Comparison { base, .. }) | Self::Incomparable(base, _) => Some(base),
            Self::First | Self::Unknown(_) => None,
        }
    }

    /// True if asking again can tell more.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }
}

impl Comparison {
    /// The most commits that are kept.
    pub const MAX_NEWEST: usize = 5;

    /// The most files under `.github/` whose names are kept.
    pub const MAX_GUARDED: usize = 20;

    /// The number of files from which on GitHub names no more.
    pub const MAX_FILES: usize = 300;

    /// The comparison of a commit with itself.
    pub fn of_same(base: &str) -> Self {
        Self { base: base.to_owned(), ..Self::default() }
    }

    /// True if GitHub may not have named all files that differ.
    pub fn may_lack_files(&self) -> bool {
        self.files >= Self::MAX_FILES
    }
}

/// True if `text` is the hash of a commit.
pub fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
