//! Everything that can go wrong, and its wording.

use l4c_manifest::Hook;
use std::fmt;

/// The bytes are not an object that this crate can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectError {
    /// Not a readable ELF file; the text is the reader's.
    Elf(String),
    /// An ELF file, but no relocatable one for eBPF.
    NotBpf,
    /// The manifest section is missing.
    NoManifest,
    /// The manifest can't be read; the text says why.
    Manifest(String),
    /// A function symbol whose extent makes no sense.
    Function {
        /// The symbol.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A relocation that this crate does not know how to apply.
    Relocation {
        /// Section of the code.
        section: String,
        /// Place in that section.
        off_bytes: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elf(why) => write!(f, "not a readable ELF file: {why}"),
            Self::NotBpf => write!(f, "the ELF file is not a relocatable eBPF object"),
            Self::NoManifest => {
                write!(f, "no manifest in the object (section {})", l4c_manifest::SECTION)
            }
            Self::Manifest(why) => write!(f, "the object's manifest can't be read: {why}"),
            Self::Function { name, why } => write!(f, "function `{name}`: {why}"),
            Self::Relocation { section, off_bytes, why } => {
                write!(f, "relocation at byte {off_bytes} of section `{section}`: {why}")
            }
        }
    }
}

impl std::error::Error for ObjectError {}

/// The interpreter does not take the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadError {
    /// The object has no hook of that name, or no program for it.
    NoHook(String),
    /// The manifest's description of a map can't be right.
    Map {
        /// The map.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An instruction that the interpreter would not run as the kernel does.
    Insn {
        /// The function that holds it.
        function: String,
        /// Slot in that function, from 0.
        index: usize,
        /// Operation byte.
        code: u8,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A function that is longer than the interpreter can count.
    TooLong {
        /// The function.
        function: String,
        /// Its slots.
        insns: usize,
        /// The most it may have.
        max: usize,
    },
    /// More functions than there are slots for.
    TooManyFunctions {
        /// The most there may be, the program itself included.
        max: usize,
    },
    /// The interpreter's own checks refused a function.
    Refused {
        /// The function.
        function: String,
        /// The interpreter's words.
        why: String,
    },
    /// No memory for the program where its 32-bit context words could point to.
    Memory {
        /// How much was asked for.
        bytes: usize,
        /// The system's answer.
        why: String,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHook(name) => write!(f, "the object has no program for hook `{name}`"),
            Self::Map { name, why } => write!(f, "map `{name}`: {why}"),
            Self::Insn { function, index, code, why } => write!(
                f,
                "function `{function}`, instruction {index} (0x{code:02x}): {why}; \
                 the interpreter can't run it as the kernel does"
            ),
            Self::TooLong { function, insns, max } => write!(
                f,
                "function `{function}` has {insns} instructions, the interpreter takes {max}"
            ),
            Self::TooManyFunctions { max } => {
                write!(f, "the program has more than {max} functions")
            }
            Self::Refused { function, why } => {
                write!(f, "the interpreter refused function `{function}`: {why}")
            }
            Self::Memory { bytes, why } => {
                write!(f, "no room for {bytes} bytes below 4 GiB for the interpreter: {why}")
            }
        }
    }
}

impl std::error::Error for LoadError {}

/// A packet got no verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunError {
    /// The hook can't be shown a packet of this length.
    NotShown {
        /// Its length.
        bytes: usize,
        /// The shortest that can be shown.
        min_bytes: usize,
        /// The longest that can be shown.
        max_bytes: usize,
    },
    /// The program did what no verified program does, in the interpreter.
    Fault {
        /// The function that did it.
        function: String,
        /// What it did.
        why: String,
    },
    /// The kernel refused the call.
    Kernel {
        /// What was asked of it.
        call: &'static str,
        /// Its answer.
        why: String,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotShown { bytes, min_bytes, max_bytes } => write!(
                f,
                "a packet of {bytes} bytes can't be shown to this hook \
                 (it takes {min_bytes} to {max_bytes})"
            ),
            Self::Fault { function, why } => write!(f, "function `{function}` failed: {why}"),
            Self::Kernel { call, why } => write!(f, "{call}: {why}"),
        }
    }
}

impl std::error::Error for RunError {}

/// A place in a rule file that the kernel's verifier named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as the compiler was given it, if a rule of the hook is there; otherwise the last
    /// part of its path, which is all that the kernel says.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
}

/// The kernel does not take the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelError {
    /// What failed and the system's answer.
    pub message: String,
    /// The verifier's log; empty if the verifier was never reached.
    pub log: String,
    /// The last source place in `log`: the rule that the verifier was in when it gave up.
    pub place: Option<Place>,
}

impl KernelError {
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), log: String::new(), place: None }
    }

    pub(crate) fn rejected(hook: &Hook, why: impl fmt::Display, log: String) -> Self {
        let place = crate::kernel::last_place(&log, &hook.rules);
        let reason = crate::kernel::reason(&log).map(|r| format!("{r} ({why})"));
        let reason = reason.unwrap_or_else(|| why.to_string());
        let message = format!("the kernel refused program `{}`: {reason}", hook.name);
        Self { message, log, place }
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for KernelError {}
