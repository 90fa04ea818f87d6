//! Packets through engines: dry runs, traces, test blocks, explanations.
