//! Why there is no object.

use l4c_ir::LineData;
use std::fmt;

/// Limits of the kernel, and of the userspace machine, that a program can run into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Instructions of one function; the userspace machine jumps by 16 bits.
    FunctionInsns,
    /// Instructions of one program (`BPF_COMPLEXITY_LIMIT_INSNS`).
    ProgramInsns,
    /// Instructions that the kernel's verifier goes through, by estimate (the same bound holds for them).
    VerifiedInsns,
    /// Conditional jumps of one function (the verifier's `BPF_COMPLEXITY_LIMIT_JMP_SEQ`).
    Branches,
    /// Bytes of stack along the deepest chain of calls, each frame rounded up to 32 (`MAX_BPF_STACK`).
    StackBytes,
    /// Frames along the deepest chain of calls (`MAX_CALL_FRAMES`).
    CallDepth,
    /// Functions of one program (`BPF_MAX_SUBPROGS`).
    Functions,
    /// Maps and tables that one program refers to (`MAX_USED_MAPS`).
    Maps,
    /// Bytes of a program's or a map's name (`BPF_OBJ_NAME_LEN` less the final zero).
    NameBytes,
    /// Bytes of the packet that a function may hold copies of at a time, where a hook must copy.
    WindowBytes,
}

impl Limit {
    /// The largest value that is taken.
    #[must_use]
    pub const fn max(self) -> u64 {
        match self {
            Self::FunctionInsns => 30_000,
            Self::ProgramInsns | Self::VerifiedInsns => 1_000_000,
            Self::Branches => 8_000,
            Self::StackBytes => 512,
            Self::CallDepth => 8,
            Self::Functions | Self::WindowBytes => 256,
            Self::NameBytes => 15,
            Self::Maps => 64,
        }
    }

    /// What is counted.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::FunctionInsns => "instructions in one function",
            Self::ProgramInsns => "instructions in one program",
            Self::VerifiedInsns => "verified instructions in one program",
            Self::Branches => "conditional jumps in one function",
            Self::StackBytes => "bytes of stack along a chain of calls",
            Self::CallDepth => "functions that call each other in a chain",
            Self::Functions => "functions in one program",
            Self::NameBytes => "bytes in a name",
            Self::Maps => "maps and tables in one program",
            Self::WindowBytes => "bytes of packet copied at a time",
        }
    }
}

/// Why there is no object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The kernel would refuse the program: the rules ask for more than a limit allows.
    Limit {
        /// Which limit.
        what: Limit,
        /// The most that it allows.
        limit: u64,
        /// What the program would need (at least, where counting stopped early).
        got: u64,
        /// Function, or the name that is too long.
        function: String,
        /// The line that went over it, or the function's first.
        line: Option<LineData>,
    },
    /// A mistake of this compiler: what it is, and the function's IR.
    Bug(String),
}

impl Error {
    /// The program would need `got` of `what`.
    pub(crate) fn limit(what: Limit, got: u64, function: &str, line: Option<&LineData>) -> Self {
        Self::Limit { what, limit: what.max(), got, function: function.into(), line: line.cloned() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit { what, limit, got, function, line } => {
                write!(f, "`{function}` needs {got} {}; the limit is {limit}", what.what())?;
                match line {
                    Some(at) => {
                        write!(f, " ({}:{}:{}: {})", at.file, at.line, at.column, at.text)
                    }
                    None => Ok(()),
                }
            }
            Self::Bug(text) => write!(f, "a bug of l4c: {text}"),
        }
    }
}

impl std::error::Error for Error {}
