//! Why nothing was done, in the user's words.

use crate::KernelError;
use std::fmt;
use std::io;
use std::path::Path;

/// Why a policy was not loaded, found or taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyError {
    /// The kernel does not take a program or one of its maps.
    Kernel(KernelError),
    /// What was asked for makes no sense.
    Usage {
        /// What is wrong.
        message: String,
        /// What to do about it.
        help: Option<String>,
    },
    /// The kernel or the system refused, or something is in the way.
    System {
        /// What is wrong.
        message: String,
        /// What to do about it.
        help: Option<String>,
    },
}

impl PolicyError {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), help: None }
    }

    pub(crate) fn system(message: impl Into<String>) -> Self {
        Self::System { message: message.into(), help: None }
    }

    /// With the way out.
    #[must_use]
    pub(crate) fn help(self, text: impl Into<String>) -> Self {
        let help = Some(text.into());
        match self {
            Self::Kernel(error) => Self::Kernel(error),
            Self::Usage { message, .. } => Self::Usage { message, help },
            Self::System { message, .. } => Self::System { message, help },
        }
    }

    /// A call that failed on something in the pin folder.
    pub(crate) fn at(what: &str, path: &Path, error: &io::Error) -> Self {
        Self::system(format!("cannot {what} `{}`: {error}", path.display()))
    }

    /// Another error that came up while the first was dealt with.
    pub(crate) fn and(self, then: &Self) -> Self {
        let add = |message: String| format!("{message}\n  and then: {then}");
        match self {
            Self::Kernel(mut error) => {
                error.message = add(error.message);
                Self::Kernel(error)
            }
            Self::Usage { message, help } => Self::Usage { message: add(message), help },
            Self::System { message, help } => Self::System { message: add(message), help },
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(error) => error.fmt(f),
            Self::Usage { message, .. } | Self::System { message, .. } => f.write_str(message),
        }
    }
}

impl std::error::Error for PolicyError {}

impl From<KernelError> for PolicyError {
    fn from(error: KernelError) -> Self {
        Self::Kernel(error)
    }
}
