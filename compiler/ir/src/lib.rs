//! Target-free SSA for packet programs: data, text form, verifier, passes.
