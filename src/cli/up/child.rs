//! Envoy as a child process: how it starts, how its end is described, when it is started again.
//!
//! **Invariant:** Envoy never outlives `signalbox up`, however that ends; and Envoy gets signals only from it, so that a Ctrl-C in the
//! terminal cuts no stream.

use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::process::{Child, Command};

/// How long Envoy may take to end after a SIGTERM.
const PATIENCE: Duration = Duration::from_secs(5);
/// When Envoy has run for this long, its end starts a new count.
const SOUND: Duration = Duration::from_secs(60);
/// How long to wait before Envoy is started again after each crash in a row. After the last one it is not started again.
const PAUSES_MS: [u64; 5] = [100, 1_000, 2_000, 4_000, 8_000];

/// Starts a program that ends with this one.
///
/// # Errors
/// Why it could not be started.
pub fn start(command: &mut Command) -> std::io::Result<Child> {
    // A terminal sends its Ctrl-C to a whole group of processes; Envoy ends when this program says so.
    command.process_group(0).kill_on_drop(true);
    #[cfg(target_os = "linux")]
    end_with_parent(command);
    command.spawn()
}

/// Has the kernel end the child when the thread that starts it ends. That must be the main thread.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn end_with_parent(command: &mut Command) {
    let parent = Pid::this();
    let in_child = move || {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        // It may have ended in between.
        if Pid::parent() == parent { Ok(()) } else { Err(std::io::ErrorKind::NotFound.into()) }
    };
    // SAFETY: between fork and exec only two system calls are made, prctl and getppid; nothing allocates or takes a lock.
    unsafe {
        command.pre_exec(in_child);
    }
}

/// Sends it a SIGTERM. Returns whether that was possible.
pub fn ask_to_end(child: &Child) -> bool {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    id.is_some_and(|id| nix::sys::signal::kill(Pid::from_raw(id), Signal::SIGTERM).is_ok())
}

/// Asks it to end, and kills it after a while, or at once when `hurry` comes.
pub async fn end(child: &mut Child, hurry: impl Future<Output = ()>) {
    if ask_to_end(child) {
        tokio::select! {
            _ = child.wait() => return,
            () = tokio::time::sleep(PATIENCE) => eprintln!("warning: Envoy does not end within {} s; it is killed", PATIENCE.as_secs()),
            () = hurry => {}
        }
    }
    // It may have ended already, which is just as well.
    let _ = child.start_kill();
    let _ = child.wait().await;
}

/// How it ended, for a sentence that begins with its name.
pub fn end_of(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    let Some(number) = status.signal() else {
        return format!("ended with exit code {}", status.code().unwrap_or_default());
    };
    let name =
        Signal::try_from(number).map_or_else(|_| format!("signal {number}"), |signal| signal.as_str().to_owned());
    match number {
        9 => format!("was killed ({name}): by hand, or by the kernel because memory ran out"),
        15 | 2 => format!("was ended by {name}"),
        _ => format!("crashed ({name})"),
    }
}

/// The crashes in a row.
#[derive(Debug, Default)]
pub struct Deaths(usize);

impl Deaths {
    /// How long to wait before it is started again, after it has run for `lived`; `None`: it crashes too often.
    pub fn pause(&mut self, lived: Duration) -> Option<Duration> {
        if lived >= SOUND {
            self.0 = 0;
        }
        let pause_ms = PAUSES_MS.get(self.0)?;
        self.0 += 1;
        Some(Duration::from_millis(*pause_ms))
    }

    /// How many there were.
    pub const fn count(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn s13_an_envoy_that_dies_again_and_again_is_given_up_and_one_that_lived_is_not() {
        let mut deaths = Deaths::default();
        let mut pauses = |lived_s: u64, times: usize| -> Vec<Option<u128>> {
            (0..times).map(|_| deaths.pause(Duration::from_secs(lived_s)).map(|pause| pause.as_millis())).collect()
        };
        assert_eq!(pauses(60, 9), [Some(100); 9]);
        assert_eq!(pauses(59, 5), [Some(1_000), Some(2_000), Some(4_000), Some(8_000), None]);
        assert_eq!(pauses(60, 1), [Some(100)]);
        assert_eq!(deaths.count(), 1);
    }

    #[test]
    fn s13_its_end_is_told_by_name() {
        assert_eq!(end_of(ExitStatus::from_raw(7 << 8)), "ended with exit code 7");
        assert_eq!(end_of(ExitStatus::from_raw(11)), "crashed (SIGSEGV)");
        assert!(end_of(ExitStatus::from_raw(9)).starts_with("was killed (SIGKILL)"));
        assert_eq!(end_of(ExitStatus::from_raw(15)), "was ended by SIGTERM");
    }
}
