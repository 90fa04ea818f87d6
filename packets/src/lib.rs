//! Captures in, packets as a hook sees them out.
