//! Runs l4c objects: in the kernel or in a userspace VM.
