//! Bounds on a source. Each keeps time and memory in proportion; crossing one is an error, never a crash.

/// Longest source, bytes.
pub const FILE_BYTES: usize = 64 * 1024 * 1024;
/// Deepest nesting of brackets within one rule or item.
pub const DEPTH: usize = 256;
/// Most rules of one source.
pub const RULES: usize = 1_000_000;
/// Most items, properties and test lines of one source.
pub const LINES: usize = 1_000_000;
/// Most comments of one source.
pub const COMMENTS: usize = 4_000_000;
/// Longest rule or line, bytes, what stands in the braces of lists not counted.
pub const PIECE_BYTES: usize = 1024 * 1024;
/// Most values written in lists and sets of one source; files of elements have no such bound.
pub const ELEMENTS: usize = 2_000_000;
/// Errors kept of one source.
pub const DIAGS: usize = 10_000;
/// Longest name, bytes.
pub const NAME_BYTES: usize = 63;
