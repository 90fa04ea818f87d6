//! Rule files on the way to engines: checked, compiled, opened.

use l4c_compiler::Clock;
use l4c_compiler::OptLevel;
use l4c_compiler::check::{CheckOptions, Checked, check};
use l4c_compiler::hir::{HookId, Policy};
use l4c_compiler::pipeline::{CompileError, Compiled, Options, compile};
use l4c_compiler::source::{DiskFiles, Files, Input, InputText, MemoryFiles, Sources, load};
use l4c_grammar::{Diag, Severity};
use l4c_judge::{Engine, EngineKind, Shape, open};
use l4c_manifest::{HookKind, Start};
use l4c_packets::{LinkType, Shown, present};
use l4c_runtime::Object;
use std::fmt::Write as _;
use std::path::Path;

/// Files with more rules than this are not compiled without optimisation: the kernel would refuse what
/// comes out, and nobody asks for it.
pub const MAX_RULES_AT_O0: usize = 200;

/// A rule file without errors.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What it means.
    pub policy: Policy,
    /// Its texts.
    pub sources: Sources,
    /// What the checker warned of.
    pub warnings: Vec<Diag>,
}

/// Why a rule file can't be judged.
#[derive(Debug, Clone)]
pub enum Refused {
    /// What the checker says.
    Diags(Vec<Diag>, Sources),
    /// The file can't be read.
    Unread(String),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Diags(diags, sources) => f.write_str(&crate::diag::plain(diags, sources)),
            Self::Unread(why) => f.write_str(why),
        }
    }
}

impl Refused {
    /// The file asks for what hooks of this kind do not see or can't do, and has no other fault.
    #[must_use]
    pub fn is_not_seen(&self) -> bool {
        match self {
            Self::Diags(diags, _) => {
                let mut errors = diags.iter().filter(|d| d.severity == Severity::Error);
                errors.all(|d| matches!(d.code, "E0114" | "E0314"))
            }
            Self::Unread(_) => false,
        }
    }
}

/// Checks `input`, every hook taken for one of `kind`.
///
/// # Errors
/// When it has a mistake.
pub fn rules(input: Input, files: &dyn Files, kind: HookKind) -> Result<Rules, Refused> {
    let loaded = load(input, files).map_err(|e| Refused::Unread(e.to_string()))?;
    let Checked { policy, sources, diags } =
        check(loaded, files, CheckOptions { kind_override: Some(kind) });
    match policy {
        Some(policy) => Ok(Rules { policy, sources, warnings: diags }),
        None => Err(Refused::Diags(diags, sources)),
    }
}

/// Checks a file; objects and messages call it `name`.
///
/// # Errors
/// As [`rules`].
pub fn file(path: &Path, name: &str, kind: HookKind) -> Result<Rules, Refused> {
    let input = Input { name: name.to_owned(), text: InputText::Path(path.to_owned()) };
    // Cases share files, which lie beside their folders.
    let roots = path.ancestors().take(3).map(Path::to_path_buf).collect();
    rules(input, &DiskFiles { roots }, kind)
}

/// Checks a text that includes nothing.
///
/// # Errors
/// As [`rules`].
pub fn text(text: &str, kind: HookKind) -> Result<Rules, Refused> {
    let text = InputText::Text(text.to_owned());
    rules(Input { name: "rules.l4".to_owned(), text }, &MemoryFiles::new(), kind)
}

impl Rules {
    /// Compiles, as users do.
    ///
    /// # Errors
    /// In plain words, with the mistake's place in the rules if it has one.
    pub fn compiled(&self, level: OptLevel) -> Result<Compiled, String> {
        self.compiled_as(Options { level, ..Options::default() })
    }

    /// Compiles in a way of the caller's choice.
    ///
    /// # Errors
    /// As [`Rules::compiled`].
    pub fn compiled_as(&self, options: Options) -> Result<Compiled, String> {
        compile(&self.policy, &self.sources, options).map_err(|error| match error {
            CompileError::Limit(diag) => crate::diag::plain(&[*diag], &self.sources),
            CompileError::Bug(text) => format!("a bug: {text}"),
        })
    }

    /// Compiles for a test, which says how late it is, and reads what came out.
    ///
    /// # Errors
    /// As [`Rules::compiled`].
    pub fn object(&self, level: OptLevel) -> Result<Object, String> {
        let options = Options { level, clock: Clock::Injected, ..Options::default() };
        Object::parse(&self.compiled_as(options)?.elf).map_err(|e| e.to_string())
    }

    /// Number of rules, of all hooks and chains.
    #[must_use]
    pub fn count(&self) -> usize {
        let hooks = self.policy.hooks.values().map(|h| h.rules.len());
        hooks.chain(self.policy.chains.values().map(|c| c.rules.len())).sum()
    }

    /// The levels at which these rules are to be compiled.
    #[must_use]
    pub fn levels(&self) -> &'static [OptLevel] {
        if self.count() > MAX_RULES_AT_O0 { &[OptLevel::O2] } else { &[OptLevel::O0, OptLevel::O2] }
    }

    /// These rules at each of their levels.
    ///
    /// # Errors
    /// As [`Rules::compiled`].
    pub fn objects(&self) -> Result<Vec<(OptLevel, Object)>, String> {
        let object = |&level| match self.object(level) {
            Ok(object) => Ok((level, object)),
            Err(why) => Err(format!("{level:?}: {why}")),
        };
        self.levels().iter().map(object).collect()
    }
}

/// Engines for one hook, each under its name.
pub type Panel<'p> = Vec<(String, Box<dyn Engine + 'p>)>;

/// The reference evaluator and, on each object, each of `kinds`.
///
/// # Errors
/// When the interpreter or the kernel does not take a program; with the program's text as `bpf` shows it.
pub fn panel<'p>(
    policy: &'p Policy,
    hook: HookId,
    objects: &[(OptLevel, Object)],
    kinds: &[EngineKind],
) -> Result<Panel<'p>, String> {
    let reference = EngineKind::Reference;
    let first = open(reference, policy, hook, None).map_err(|e| e.to_string())?;
    let mut panel = vec![(reference.name().to_owned(), first)];
    for (level, object) in objects {
        for &kind in kinds {
            let name = format!("{} {level:?}", kind.name());
            let engine = open(kind, policy, hook, Some(object));
            panel.push((name.clone(), engine.map_err(|e| format!("{name}: {e}"))?));
        }
    }
    Ok(panel)
}

/// A frame as a hook of a shape sees it; nothing if it never comes there.
#[must_use]
pub fn seen_by(shape: &Shape, frame: &[u8]) -> Option<Vec<u8>> {
    let mut scratch = Vec::new();
    let packet = match shape.kind.start() {
        Start::Link => frame,
        Start::Network => match present(LinkType::ETHERNET, frame, Start::Network, &mut scratch) {
            Shown::Packet(packet) => packet,
            Shown::Unjudged(_) | Shown::Unsupported(_) => return None,
        },
    };
    shape.visible(packet).map(<[u8]>::to_vec)
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").expect("a string takes everything");
        out
    })
}
