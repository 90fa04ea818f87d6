//! The arguments of every command, as clap reads them.

mod later;
mod loading;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use l4c_judge::EngineKind;
use std::path::PathBuf;

pub use loading::{
    CaptureArgs, ElementsArgs, LimitArgs, LimitCommand, LoadArgs, Mode, PinArgs, RollbackArgs,
    SetArgs, SetCommand, SetWhich, StatsArgs, StatusArgs, UnloadArgs, WhichArgs,
};

/// Firewall rules compiled to eBPF.
#[derive(Debug, Parser)]
#[command(name = "l4c", version, arg_required_else_help = true)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct Common {
    /// How results are printed; JSON is one document a line.
    #[arg(long, global = true, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    pub format: Format,
    /// Print results and errors only.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more than usual.
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Use colours.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// For programs.
    Json,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compile a rule file into one eBPF object
    #[command(after_help = examples::COMPILE)]
    Compile(CompileArgs),
    /// Look for mistakes in rule files
    #[command(after_help = examples::CHECK)]
    Check(CheckArgs),
    /// Lay out rule files in the one canonical way
    #[command(after_help = examples::FMT)]
    Fmt(FmtArgs),
    /// Run the test blocks of rule files
    #[command(after_help = examples::TEST)]
    Test(TestArgs),
    /// Judge the packets of captures
    #[command(after_help = examples::RUN)]
    Run(RunArgs),
    /// Show why one packet gets its verdict
    #[command(after_help = examples::EXPLAIN)]
    Explain(ExplainArgs),
    /// Load rules into the kernel and attach them
    #[command(after_help = examples::LOAD)]
    Load(LoadArgs),
    /// Take policies off
    #[command(after_help = examples::UNLOAD)]
    Unload(UnloadArgs),
    /// Show what is attached where
    #[command(after_help = examples::STATUS)]
    Status(StatusArgs),
    /// Show what loaded rules have counted
    #[command(after_help = examples::STATS)]
    Stats(StatsArgs),
    /// Look at loaded sets, and change them
    #[command(after_help = examples::SET)]
    Set(SetArgs),
    /// Look at loaded limits, and change them
    #[command(after_help = examples::LIMIT)]
    Limit(LimitArgs),
    /// Write the packets that loaded rules sample
    #[command(after_help = examples::CAPTURE)]
    Capture(CaptureArgs),
    /// Go back to the version that was loaded before
    #[command(after_help = examples::ROLLBACK)]
    Rollback(RollbackArgs),
    /// Print a completion script for a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions(CompletionsArgs),
    /// A command that a later version brings, by name.
    #[command(skip)]
    Later(String),
}

/// Where the rules are.
#[derive(Debug, Args)]
pub struct RulesArgs {
    /// Rule file; `-` is standard input.
    #[arg(value_name = "FILE", required_unless_present = "rules")]
    pub file: Option<PathBuf>,
    /// Rules on the command line: the body of a hook, items allowed before it.
    #[arg(short = 'e', value_name = "RULES", conflicts_with = "file", allow_hyphen_values = true)]
    pub rules: Option<String>,
    #[command(flatten)]
    pub ways: WaysArgs,
}

/// How rules are read.
#[derive(Debug, Args)]
pub struct WaysArgs {
    /// Kind of the hook around the rules of `-e`.
    #[arg(long, value_name = "KIND", default_value = "xdp")]
    pub kind: String,
    /// One more folder that include and from may read; may be repeated.
    #[arg(long, value_name = "DIR")]
    pub root: Vec<PathBuf>,
}

/// `l4c compile`
#[derive(Debug, Args)]
pub struct CompileArgs {
    #[command(flatten)]
    pub rules: RulesArgs,
    /// Where to write; beside the rule file with the ending `.o` if left out, `-` is standard output.
    #[arg(short, long, value_name = "OUT.o")]
    pub output: Option<PathBuf>,
    /// What to produce: obj, hir, plan, ir, after:PASS, asm; several joined by commas.
    #[arg(long, value_name = "WHAT", value_delimiter = ',', default_value = "obj")]
    pub emit: Vec<String>,
    /// How much to optimise.
    #[arg(short = 'O', value_name = "LEVEL", default_value = "2", value_parser = ["0", "2"])]
    pub level: String,
    /// Use only what this kernel has. Not supported yet.
    #[arg(long, value_name = "VERSION")]
    pub kernel: Option<String>,
}

/// `l4c check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Rule files; `-` is standard input.
    #[arg(value_name = "FILE", required_unless_present = "rules")]
    pub files: Vec<PathBuf>,
    /// Rules on the command line: the body of a hook, items allowed before it.
    #[arg(short = 'e', value_name = "RULES", conflicts_with = "files", allow_hyphen_values = true)]
    pub rules: Option<String>,
    #[command(flatten)]
    pub ways: WaysArgs,
    /// Fail on warnings too.
    #[arg(long, value_name = "WHAT", value_enum)]
    pub deny: Option<Deny>,
}

/// What fails besides errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Deny {
    /// Warnings.
    Warnings,
}

/// `l4c fmt`
#[derive(Debug, Args)]
pub struct FmtArgs {
    /// Rule files, rewritten in place; `-` takes standard input to standard output.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Change nothing; name the files that would change and fail if there are any.
    #[arg(long)]
    pub check: bool,
}

/// `l4c test`
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Rule files; `-` is standard input.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub ways: WaysArgs,
    /// Engines to run the tests on, joined by commas.
    #[arg(long, value_name = "ENGINE", value_delimiter = ',', default_value = "vm")]
    #[arg(value_parser = engine_parser())]
    pub engine: Vec<EngineKind>,
    /// Where chance begins: the same number, the same packets picked by `random`.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Only tests whose title matches this regular expression.
    #[arg(long, value_name = "RE")]
    pub filter: Option<String>,
}

/// `l4c run`
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub rules: RulesArgs,
    /// Captures: pcap or pcapng, gzip too; `-` is standard input.
    #[arg(long, value_name = "CAPTURE", num_args = 1.., required = true)]
    pub pcap: Vec<PathBuf>,
    /// The hook that judges, where the file has several.
    #[arg(long, value_name = "HOOK")]
    pub hook: Option<String>,
    /// What judges.
    #[arg(long, value_name = "ENGINE", default_value = "vm", value_parser = engine_parser())]
    pub engine: EngineKind,
    /// Where chance begins: the same number, the same packets picked by `random`.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Print a line for each packet.
    #[arg(long)]
    pub per_packet: bool,
    /// Write the packets that pass to this capture.
    #[arg(long, value_name = "CAPTURE")]
    pub write_pass: Option<PathBuf>,
    /// Write the packets that are dropped to this capture.
    #[arg(long, value_name = "CAPTURE")]
    pub write_drop: Option<PathBuf>,
    /// Write a report. Not supported yet.
    #[arg(long, value_name = "OUT.html")]
    pub report: Option<PathBuf>,
}

/// `l4c explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    pub rules: RulesArgs,
    /// Capture that holds the packet; `-` is standard input.
    #[arg(long, value_name = "CAPTURE", requires = "packet", required_unless_present = "hex")]
    pub pcap: Option<PathBuf>,
    /// Number of the packet in the capture, from 1.
    #[arg(long, value_name = "N", requires = "pcap")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub packet: Option<u64>,
    /// The packet itself in hex, from the byte that the hook starts at.
    #[arg(long, value_name = "HEX", conflicts_with = "pcap")]
    pub hex: Option<String>,
    /// The hook that judges, where the file has several.
    #[arg(long, value_name = "HOOK")]
    pub hook: Option<String>,
}

/// `l4c completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: clap_complete::Shell,
}

/// Engines by name.
fn engine_parser() -> impl clap::builder::TypedValueParser<Value = EngineKind> {
    use clap::builder::{PossibleValuesParser, TypedValueParser as _};
    let names = EngineKind::ALL.map(EngineKind::name);
    PossibleValuesParser::new(names).map(|name| {
        let kind = EngineKind::ALL.into_iter().find(|kind| kind.name() == name);
        kind.expect("only names of engines get here")
    })
}

/// The command line of this version as clap knows it, flags readable from `L4C_*` too.
pub fn command() -> clap::Command {
    let command = Cli::command().after_help(later::HELP);
    with_env(command).mut_subcommands(with_env)
}

/// Lets every flag with a long name be given as `L4C_NAME` in the environment.
fn with_env(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| match arg.get_long() {
        Some(long) if long != "help" && long != "version" => {
            let name = format!("L4C_{}", long.to_uppercase().replace('-', "_"));
            arg.env(name).hide_env(true)
        }
        Some(_) | None => arg,
    })
}

/// The arguments of this process. Bad usage ends it with code 2, help and version with 0.
pub fn parse() -> Cli {
    let matches = command().subcommands(later::commands()).get_matches();
    let cli = match matches.subcommand_name() {
        Some(name) if later::NAMES.contains(&name) => Common::from_arg_matches(&matches)
            .map(|common| Cli { common, command: Command::Later(name.to_owned()) }),
        Some(_) | None => Cli::from_arg_matches(&matches),
    };
    cli.unwrap_or_else(|error| error.exit())
}

mod examples {
    pub const COMPILE: &str = "\
Examples:
  l4c compile edge.l4                     writes edge.o
  l4c compile edge.l4 -o /tmp/edge.o -O0
  l4c compile edge.l4 --emit ir,asm       prints instead of writing
  l4c compile -e 'udp.dport == 53 -> drop' -o dns.o
  bpftool prog loadall edge.o /sys/fs/bpf/edge";

    pub const CHECK: &str = "\
Examples:
  l4c check edge.l4 inner.l4
  l4c check --deny warnings edge.l4
  l4c check --format json edge.l4         a line for each mistake
  l4c check -e 'tcp.dport in { 80, 443 } -> drop'";

    pub const FMT: &str = "\
Examples:
  l4c fmt edge.l4                         rewrites the file
  l4c fmt --check *.l4                    names files that are not laid out
  l4c fmt - < edge.l4                     prints the result";

    pub const TEST: &str = "\
Examples:
  l4c test edge.l4
  l4c test --engine vm,kernel,reference edge.l4
  l4c test --filter 'attack' --format json edge.l4";

    pub const RUN: &str = "\
Examples:
  l4c run edge.l4 --pcap attack.pcap
  l4c run edge.l4 --pcap a.pcap.gz b.pcapng --format json
  l4c run edge.l4 --pcap attack.pcap --write-pass left.pcap --write-drop gone.pcap
  l4c run -e 'udp.dport == 53 -> drop' --pcap dns.pcap --per-packet
  tcpdump -w - -c 1000 | l4c run edge.l4 --pcap - --engine kernel";

    pub const EXPLAIN: &str = "\
Examples:
  l4c explain edge.l4 --pcap attack.pcap --packet 17
  l4c explain -e 'frag -> drop' --hex '000000000000 000000000000 0800 4500...'";

    pub const LOAD: &str = "\
Examples:
  l4c load edge.l4 --iface eth0           attaches, or replaces what edge.l4 was before
  l4c load edge.l4 --iface eth0 eth1
  l4c load edge.l4 --iface eth0 --shadow  counts, drops nothing
  l4c load edge.l4 --iface eth0 --dry-run lets the kernel verify it, changes nothing
  l4c load -e 'udp.dport == 19 -> drop' --policy chargen --iface eth0
  l4c load two.l4 --hook guests --iface eth1";

    pub const UNLOAD: &str = "\
Examples:
  l4c unload --policy edge
  l4c unload --iface eth1                 whatever policy is there; others stay
  l4c unload --all";

    pub const STATUS: &str = "\
Examples:
  l4c status
  l4c status --format json";

    pub const STATS: &str = "\
Examples:
  l4c stats
  l4c stats --policy edge --watch
  l4c stats --watch --interval 5s --format json";

    pub const LIMIT: &str = "\
Examples:
  l4c limit show
  l4c limit set per_client rate 2000 packets/s burst 4000
  l4c limit set per_client burst 4000 --policy edge
  l4c limit top per_client -n 20";

    pub const SET: &str = "\
Examples:
  l4c set list                            the sets that are loaded
  l4c set add banned 192.0.2.7 198.51.100.0/24
  l4c set add banned 192.0.2.7 for 10m
  l4c set test banned 192.0.2.7
  l4c set replace blocklist - < list.txt  in one step for every packet
  l4c set sweep --every 10s               makes room where elements end";

    pub const CAPTURE: &str = "\
Examples:
  l4c capture | tcpdump -nn -r -          live
  l4c capture -w samples.pcapng           until Ctrl-C
  l4c capture --policy edge --rule flood --count 100 -w flood.pcapng";

    pub const ROLLBACK: &str = "\
Examples:
  l4c rollback                            where only one policy is loaded
  l4c rollback --policy edge";

    pub const COMPLETIONS: &str = "\
Examples:
  l4c completions bash > /etc/bash_completion.d/l4c
  l4c completions zsh > \"${fpath[1]}/_l4c\"";
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().subcommands(super::later::commands()).debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        for command in super::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Examples:\n  l4c "), "{}", command.get_name());
        }
    }
}
