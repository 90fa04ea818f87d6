//! Golden cases on real kernels.
