//! The arguments of the commands that work on loaded policies.

use super::RulesArgs;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Where loaded policies are.
#[derive(Debug, Args)]
pub struct PinArgs {
    /// Folder in the BPF file system that holds loaded policies.
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/bpf/l4c")]
    pub pin: PathBuf,
}

/// How an XDP program is to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// In the driver; if that refuses, in the network core.
    Auto,
    /// In the driver.
    Native,
    /// In the network core.
    Generic,
}

/// `l4c load`
#[derive(Debug, Args)]
pub struct LoadArgs {
    #[command(flatten)]
    pub rules: RulesArgs,
    /// Interfaces that the XDP hook is attached to; the rule file comes before.
    #[arg(long, value_name = "IF", num_args = 1..)]
    pub iface: Vec<String>,
    /// The hook that is attached, where the file has several of a kind.
    #[arg(long, value_name = "HOOK")]
    pub hook: Option<String>,
    /// Name of the policy; the file's name without its ending if left out.
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    #[command(flatten)]
    pub pin: PinArgs,
    /// Where XDP programs run: in the driver or in the network core.
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Mode::Auto)]
    pub xdp_mode: Mode,
    /// Count as the rules say, and let every packet pass.
    #[arg(long)]
    pub shadow: bool,
    /// Let the kernel verify the programs and look at the interfaces; change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Take the place of another l4c policy.
    #[arg(long)]
    pub replace: bool,
    /// Take the place of a program that is not of l4c.
    #[arg(long)]
    pub replace_foreign: bool,
    /// A socket of a process. Not supported yet.
    #[arg(long, value_name = "PID:FD|PID:udp:ADDR:PORT")]
    pub socket: Option<String>,
    /// A control group. Not supported yet.
    #[arg(long, value_name = "PATH")]
    pub cgroup: Option<PathBuf>,
}

/// `l4c unload`
#[derive(Debug, Args)]
pub struct UnloadArgs {
    /// Interfaces to take policies off.
    #[arg(long, value_name = "IF", num_args = 1.., required_unless_present_any = ["policy", "all"])]
    pub iface: Vec<String>,
    /// The policy to take off.
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    /// Everything under the pin folder; goes on past errors.
    #[arg(long, conflicts_with_all = ["iface", "policy"])]
    pub all: bool,
    #[command(flatten)]
    pub pin: PinArgs,
}

/// `l4c status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub pin: PinArgs,
}

/// `l4c stats`
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// Only this policy.
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    /// Again and again, until interrupted.
    #[arg(long)]
    pub watch: bool,
    /// Time between two readings.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub interval: Duration,
    #[command(flatten)]
    pub pin: PinArgs,
}

/// Where something is loaded.
#[derive(Debug, Args)]
pub struct WhichArgs {
    /// Only of this policy.
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<String>,
    /// Only of this hook.
    #[arg(long, value_name = "HOOK")]
    pub hook: Option<String>,
    #[command(flatten)]
    pub pin: PinArgs,
}

/// `l4c limit`
#[derive(Debug, Args)]
pub struct LimitArgs {
    #[command(subcommand)]
    pub command: LimitCommand,
}

/// What is done with limits.
#[derive(Debug, Subcommand)]
pub enum LimitCommand {
    /// Change the rate or the burst of a limit; what its buckets owe stays
    Set {
        /// The limit.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        which: WhichArgs,
        /// `rate N packets/s`, `burst N`, or both, as rules write them.
        #[arg(value_name = "WORDS", required = true, num_args = 1..)]
        words: Vec<String>,
    },
    /// Show the limits that are loaded
    Show {
        /// The limit; all of them if left out.
        #[arg(value_name = "NAME")]
        name: Option<String>,
        #[command(flatten)]
        which: WhichArgs,
    },
    /// Show the keys that have spent most
    Top {
        /// The limit; all of them if left out.
        #[arg(value_name = "NAME")]
        name: Option<String>,
        #[command(flatten)]
        which: WhichArgs,
        /// So many of each limit.
        #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
        count: usize,
    },
}

/// `l4c set`
#[derive(Debug, Args)]
pub struct SetArgs {
    #[command(subcommand)]
    pub command: SetCommand,
}

/// What is done with sets.
#[derive(Debug, Subcommand)]
pub enum SetCommand {
    /// Add elements; what is there already stays as long as if it were new
    Add(ElementsArgs),
    /// Take elements out, whoever put them there
    Del(ElementsArgs),
    /// Ask whether elements are in a set; exits with 1 if one is not
    Test(ElementsArgs),
    /// List the elements of a set; without a name, the sets that are loaded
    List {
        /// The set.
        #[arg(value_name = "NAME")]
        name: Option<String>,
        #[command(flatten)]
        which: SetWhich,
    },
    /// Make a set hold these elements and no others, for every packet in one step
    Replace(ElementsArgs),
    /// Take all elements out of a set, for every packet in one step
    Flush {
        /// The set.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        which: SetWhich,
    },
    /// Make room: take out what has ended
    Sweep {
        /// The set; all of them if left out.
        #[arg(value_name = "NAME")]
        name: Option<String>,
        #[command(flatten)]
        which: SetWhich,
        /// Again and again, until interrupted.
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        every: Option<Duration>,
    },
}

/// A set and elements.
#[derive(Debug, Args)]
pub struct ElementsArgs {
    /// The set.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Elements as rules write them, and `for TIME` behind them; `-` reads standard input, a line each.
    #[arg(value_name = "ELEMENT")]
    pub values: Vec<String>,
    /// Elements of a file, a line each.
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// How long they stay; as long as the set says if left out.
    #[arg(long = "for", value_name = "TIME", value_parser = l4c_compiler::check::duration)]
    pub lifetime: Option<u64>,
    #[command(flatten)]
    pub which: SetWhich,
}

/// Which policy's set.
#[derive(Debug, Args)]
pub struct SetWhich {
    /// Of this policy; needed where several have a set of that name.
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    #[command(flatten)]
    pub pin: PinArgs,
}

/// `l4c capture`
#[derive(Debug, Args)]
pub struct CaptureArgs {
    /// Only this policy.
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    /// Only what this rule samples; named as in `l4c stats`.
    #[arg(long, value_name = "RULE")]
    pub rule: Option<String>,
    /// Where to write; standard output if left out or `-`.
    #[arg(short, long, value_name = "FILE.pcapng")]
    pub write: Option<PathBuf>,
    /// End after so many packets.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    #[command(flatten)]
    pub pin: PinArgs,
}

/// `l4c rollback`
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The policy; may be left out where only one is loaded.
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    #[command(flatten)]
    pub pin: PinArgs,
}

/// `500ms`, `5s`, `1m`.
fn interval(text: &str) -> Result<Duration, String> {
    let time =
        humantime::parse_duration(text).map_err(|e| format!("{e}; write it as 500ms or 5s"))?;
    if time < Duration::from_millis(100) { Err("at least 100ms".to_owned()) } else { Ok(time) }
}
