//! strace: whether it is here, and what it wrote.

use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

/// True if strace can be run here.
#[must_use]
pub fn is_here() -> bool {
    let mut command = Command::new("strace");
    command.arg("-V").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Fails with words if strace is not here.
///
/// # Errors
/// If it is not.
pub fn require() -> Result<()> {
    if !is_here() {
        bail!("strace is missing, which injects the faults. On Debian: sudo apt-get install strace");
    }
    Ok(())
}

/// How often the thread that makes this call most often makes it, in strace's `-f` output.
#[must_use]
pub fn busiest(text: &str, call: &str) -> u64 {
    let mut threads = BTreeMap::<&str, u64>::new();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        if rest.trim_start().strip_prefix(call).is_some_and(|rest| rest.starts_with('(')) {
            *threads.entry(thread).or_default() += 1;
        }
    }
    threads.into_values().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_for_each_thread() {
        let text =
            "7 fsync(3) = 0\n7 fsync(3 <unfinished ...>\n8 fsync(3) = 0\n7 <... fsync resumed>) = 0\n7 fsyncs(1) = 0\n";
        assert_eq!(busiest(text, "fsync"), 2);
        assert_eq!(busiest(text, "pwrite64"), 0);
    }
}
