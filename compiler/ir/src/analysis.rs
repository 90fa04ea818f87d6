//! What passes and code generators ask about a function.
//!
//! All of these are computed in near-linear time and are plain data: a pass that changes the
//! function computes them anew.

mod bits;
mod cfg;
mod dominators;
mod epochs;
#[cfg(test)]
mod tests;
mod uses;

pub use bits::{KnownBits, known_bits};
pub(crate) use bits::{bind_params, of_inst};
pub use cfg::Cfg;
pub use dominators::Dominators;
pub use epochs::PacketEpochs;
pub use uses::UseCounts;
