//! eBPF from l4c IR: selection, registers, assembler, BTF, ELF.
