//! Files as data: for platforms that have no interface but a place where files are left and fetched.
//!
//! How a file travels (MESH, SFTP) is the gateway's affair. An adapter names files, fills them and reads them.

use crate::Repeat;
use serde::{Deserialize, Serialize};

/// Something to do with files at a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileRequest {
    /// Leave a file there.
    Put(FilePut),
    /// Ask whether a file that was left under this key is there.
    Find {
        /// As in [`FilePut::key`].
        key: String,
    },
    /// Ask what has come for us and is not finished.
    List,
    /// Fetch one of these.
    Get {
        /// As in [`FileAnswer::Listed`].
        id: String,
    },
    /// Say that one of these is dealt with: what it says is stored, and it need not be listed again.
    Finish {
        /// As in [`FileAnswer::Listed`].
        id: String,
    },
}

/// A file to leave at a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePut {
    /// Names the file to the transport: letters, digits and hyphens, without patient data.
    pub key: String,
    /// Its name, without folders and without patient data.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub content: Vec<u8>,
    /// What happens if it is left twice.
    pub repeat: Repeat,
}

impl FileRequest {
    /// What it means to make it again when nobody knows whether it arrived.
    #[must_use]
    pub const fn repeat(&self) -> Repeat {
        match self {
            Self::Put(put) => put.repeat,
            Self::Find { .. } | Self::List | Self::Get { .. } => Repeat::Safe,
            Self::Finish { .. } => Repeat::Keyed,
        }
    }
}

/// What came of a [`FileRequest`]. What the transport was refused is no answer but a failure of the gateway's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileAnswer {
    /// It was taken.
    Put,
    /// Whether it is there.
    Found(bool),
    /// What has come, oldest first, as far as the transport looks; ids are the transport's.
    Listed(Vec<String>),
    /// One of them.
    File(ReceivedFile),
    /// It is there, and cannot be had.
    Unfit(FileFault),
    /// It is no file but word that one of ours could not be delivered.
    Undelivered {
        /// The key of that file, if the transport knows it.
        key: Option<String>,
        /// The transport's code for the reason.
        code: String,
    },
    /// It is not there any more, or it is not from this platform: leave it alone.
    NotOurs,
    /// It is finished, now or before.
    Finished,
}

/// A file that has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedFile {
    /// Its name, as whoever sent it wrote it: not to be believed.
    pub name: Option<String>,
    /// Its bytes, unpacked.
    pub content: Vec<u8>,
}

/// Why a file cannot be had, however often it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileFault {
    /// It is longer than [`crate::Limits::answer_bytes`], or unpacks to more.
    TooLong,
    /// Its parts or its packing are broken.
    Broken,
}
