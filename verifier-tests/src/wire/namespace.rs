//! Network namespaces.

use super::tool::run;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// A network namespace that goes when this is dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// Makes one in which nobody speaks of himself.
    ///
    /// # Errors
    /// When `ip` or the kernel refuses.
    pub fn new() -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("l4c{}x{count}", std::process::id());
        run("ip", &["netns", "add", &name])?;
        let file = File::open(Path::new("/run/netns").join(&name));
        let file = file.map_err(|e| format!("/run/netns/{name}: {e}"))?;
        let namespace = Self { name, file };
        namespace.within(|| {
            // Router solicitations and duplicate address detection would be counted.
            sysctl("net/ipv6/conf/all/disable_ipv6", "1")?;
            sysctl("net/ipv6/conf/default/disable_ipv6", "1")
        })?;
        Ok(namespace)
    }

    /// Its name, as `ip -n` takes it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs something in a thread that is in this namespace, and waits for it. Children that it starts, and
    /// sockets that it makes, are in the namespace too.
    ///
    /// # Panics
    /// When `work` does.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter = || {
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(self.file.as_fd(), network)
                .expect("root may move into its own namespaces");
            work()
        };
        let done = std::thread::scope(|scope| scope.spawn(enter).join());
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(why) = run("ip", &["netns", "del", &self.name]) {
            eprintln!("{why}");
        }
    }
}

/// Writes a setting of this thread's network namespace; one that the kernel does not have is no matter.
fn sysctl(name: &str, value: &str) -> Result<(), String> {
    let path = Path::new("/proc/sys").join(name);
    match std::fs::write(&path, value) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(format!("{}: {e}", path.display())),
        Ok(()) | Err(_) => Ok(()),
    }
}
