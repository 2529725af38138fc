//! The real binary, where it runs an Envoy or writes what one follows. Programs stand in for Envoy; tests/e2e/test_up.py has the real one.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(all(feature = "cli", unix))]

#[path = "support/golden.rs"]
mod golden;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// The program, among the golden configurations.
fn signalbox(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signalbox"));
    command.args(args).current_dir(golden::path("config")).env_remove("ENVOY_BIN").env_remove("OPENAI_API_KEY");
    command
}

fn outcome(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    outcome(&signalbox(args).output().unwrap())
}

/// A directory of a test's own.
fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// A port of a test's own, and of this run's: others may run on the same machine.
fn port(of: u16) -> u16 {
    10_000 + u16::try_from(std::process::id() % 400).unwrap() * 30 + of
}

/// A program in Envoy's place, and a configuration with ports of its own.
fn stand_in(name: &str, script: &str, ports: [u16; 2]) -> (PathBuf, Vec<String>) {
    let directory = scratch(name);
    let [envoy, wasm, config] = ["envoy", "signalbox.wasm", "config.yaml"].map(|file| directory.join(file));
    std::fs::write(&envoy, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&envoy, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(&wasm, "").unwrap();
    let [listen, admin] = ports;
    let text = format!(
        "model_list:\n- {{model_name: a, litellm_params: {{model: openai/x}}}}\n\
         - {{model_name: b, litellm_params: {{model: openai/x, api_key: sk-literal}}}}\n\
         signalbox: {{listen: '127.0.0.1:{listen}', admin: '127.0.0.1:{admin}'}}\n"
    );
    std::fs::write(&config, text).unwrap();
    let path = |file: &Path| file.display().to_string();
    let args = ["up", &path(&config), "--envoy", &path(&envoy), "--wasm", &path(&wasm), "--concurrency", "3"];
    (directory, args.map(str::to_owned).to_vec())
}

#[test]
fn up_runs_envoy_with_keys_in_its_environment_and_takes_its_exit_code() {
    let script =
        "echo $OPENAI_API_KEY $SIGNALBOX_KEY_B_1 $*; ls -ld $(dirname $2) | cut -c1-10; grep -c sk-literal $2; exit 7";
    let (_, args) = stand_in("up-keys", script, [port(1), port(2)]);
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let (code, out, err) = run(&args);
    assert_eq!(code, Some(7), "{err}");
    let lines: Vec<_> = out.lines().collect();
    let [command, mode, count] = lines.as_slice() else { panic!("{out}") };
    assert!(command.starts_with("key-not-set sk-literal --config-path "), "{command}");
    assert!(command.ends_with("--concurrency 3"), "{command}");
    assert_eq!((*mode, *count), ("drwx------", "0"));
    assert!(err.contains("warning: OPENAI_API_KEY is not set: the provider will refuse the requests of a-1"), "{err}");
    let directory = Path::new(command.split_whitespace().nth(3).unwrap()).parent().unwrap();
    assert!(!directory.exists(), "it goes when Envoy does");
}

#[test]
fn up_ends_envoy_when_it_is_ended() {
    let script = "trap 'echo ended; exit 0' TERM; echo started; while :; do sleep 0.05; done";
    for (signal, ports) in [("-TERM", [port(3), port(4)]), ("-INT", [port(5), port(6)])] {
        let (_, args) = stand_in(&format!("up{signal}"), script, ports);
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let mut child: Child = signalbox(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "started\n");
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("ended\n", Some(0)), "{signal}");
    }
}

#[test]
fn up_tells_what_is_missing() {
    let (directory, args) = stand_in("up-missing", "", [port(7), port(8)]);
    let [_, config, _, envoy, _, wasm, ..] = args.iter().map(String::as_str).collect::<Vec<_>>()[..] else { panic!() };
    let empty = directory.join("empty");
    std::fs::create_dir_all(&empty).unwrap();
    let bare = signalbox(&["up", config, "--wasm", wasm]).current_dir("/").env("PATH", &empty).output().unwrap();
    let (code, _, err) = outcome(&bare);
    assert_eq!(code, Some(1));
    assert!(err.contains("there is no Envoy here; run `make envoy`"), "{err}");

    let (code, _, err) = run(&["up", config, "--envoy", envoy, "--wasm", "/absent/signalbox.wasm"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("there is no filter module at /absent/signalbox.wasm"), "{err}");

    for (port, key) in [(port(7), "signalbox.listen"), (port(8), "signalbox.admin")] {
        let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        let (code, _, err) = run(&["up", config, "--envoy", envoy, "--wasm", wasm]);
        drop(taken);
        assert_eq!(code, Some(1));
        assert!(err.contains(&format!("cannot listen on 127.0.0.1:{port}")) && err.contains(key), "{err}");
    }
    let nowhere =
        signalbox(&["up", config, "--envoy", envoy, "--wasm", wasm]).env("TMPDIR", "/absent").output().unwrap();
    let (code, _, err) = outcome(&nowhere);
    assert!(code == Some(1) && err.contains("cannot make a directory in /absent: ENOENT"), "{err}");
    assert!(err.contains("set TMPDIR"), "{err}");
}

/// A configuration of one model, with ports of its own.
fn one_model(directory: &Path, model: &str, [listen, admin]: [u16; 2]) -> PathBuf {
    let file = directory.join("config.yaml");
    let text = format!(
        "model_list:\n- {{model_name: {model}, litellm_params: {{model: openai/x}}}}\n\
         signalbox: {{listen: '127.0.0.1:{listen}', admin: '127.0.0.1:{admin}'}}\n"
    );
    std::fs::write(&file, text).unwrap();
    file
}

/// Envoy's admin interface, as far as it is asked about a new configuration: the cluster `new` is there after so many questions for it,
/// and each file counts as read once it has been replaced, the listener as `listener` (`update_success`, `update_rejected`) says.
/// `asked` hears of each question for clusters.
fn admin(port: u16, place: PathBuf, new: &'static str, listener: &'static str, asked: impl FnMut() + Send + 'static) {
    admin_that_is("INITIALIZING", port, place, new, listener, asked);
}

fn admin_that_is(
    ready: &'static str,
    port: u16,
    place: PathBuf,
    new: &'static str,
    listener: &'static str,
    mut asked: impl FnMut() + Send + 'static,
) {
    let listening = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let text = move |name: &str| std::fs::read_to_string(place.join(name)).unwrap_or_default();
    let before = [text("cds.yaml"), text("lds.yaml")];
    std::thread::spawn(move || {
        let mut questions = 0;
        for stream in listening.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 1024];
            let length = loop {
                match stream.read(&mut head) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    read => break read.unwrap(),
                }
            };
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            let body = match head.split_whitespace().nth(1).unwrap() {
                "/clusters" => {
                    questions += 1;
                    asked();
                    format!("signalbox-none::x\n{}::x\n", if questions > 2 { new } else { "" })
                }
                path if path.starts_with("/stats?filter=") => {
                    let [clusters, listeners] =
                        [text("cds.yaml") != before[0], text("lds.yaml") != before[1]].map(u8::from);
                    format!(
                        "cluster_manager.cds.update_success: {clusters}\nlistener_manager.lds.{listener}: {listeners}\n\
                         listener_manager.total_listeners_active: 1\n"
                    )
                }
                "/config_dump?resource=dynamic_listeners" => {
                    r#"{"configs": [{"name": "x"}, {"error_state": {"details": "name: y\n: it has no filters"}}]}"#
                        .to_owned()
                }
                "/ready" => ready.to_owned(),
                path => panic!("{path}"),
            };
            write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}").unwrap();
        }
    });
}

/// A directory with files for a model `a`.
fn followed(directory: &Path, ports: [u16; 2]) -> PathBuf {
    let place = directory.join("envoy");
    let (code, out, err) = written(directory, "a", ports);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    place
}

fn written(directory: &Path, model: &str, ports: [u16; 2]) -> (Option<i32>, String, String) {
    let config = one_model(directory, model, ports).display().to_string();
    run(&["envoy", &config, "--wasm", "w", "--directory", &directory.join("envoy").display().to_string()])
}

#[test]
fn a_directory_is_replaced_clusters_first_and_the_listener_when_they_are_ready() {
    let directory = scratch("directory");
    let place = followed(&directory, [port(11), port(12)]);
    let text = |name: &str| std::fs::read_to_string(place.join(name)).unwrap();
    let names: Vec<_> = ["cds.yaml", "envoy.yaml", "lds.yaml", "retired.yaml"].into();
    let mut found: Vec<_> =
        std::fs::read_dir(&place).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, names);
    assert!(text("envoy.yaml").contains(&place.join("cds.yaml").display().to_string()));
    // B5: no file for each key, since Envoy would watch each.
    assert!(text("lds.yaml").contains("a-1/") && text("cds.yaml").contains("Bearer %ENVIRONMENT(OPENAI_API_KEY)%"));

    let (seen, watched) = (std::sync::Arc::new(std::sync::Mutex::new(Vec::new())), place.clone());
    let seen_by_admin = std::sync::Arc::clone(&seen);
    admin(port(12), place.clone(), "b-1", "update_success", move || {
        let has = |name: &str| std::fs::read_to_string(watched.join(name)).unwrap().contains("b-1");
        seen_by_admin.lock().unwrap().push((has("cds.yaml"), has("lds.yaml")));
    });
    let (code, out, err) = written(&directory, "b", [port(11), port(12)]);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    assert_eq!(*seen.lock().unwrap(), [(true, false); 3]);
    assert!(text("lds.yaml").contains("b-1/") && !text("lds.yaml").contains("a-1/"));
    assert!(text("cds.yaml").contains("name: a-1") && text("retired.yaml").contains("a-1: "));
}

/// S12: what Envoy refuses does not stay, or the next Envoy would start with it.
#[test]
fn s12_a_directory_that_envoy_refuses_is_what_it_was() {
    let directory = scratch("refused");
    let place = followed(&directory, [port(15), port(16)]);
    let all = || ["cds.yaml", "envoy.yaml", "lds.yaml"].map(|name| std::fs::read_to_string(place.join(name)).unwrap());
    let before = all();
    admin(port(16), place.clone(), "b-1", "update_rejected", || {});
    let (code, _, err) = written(&directory, "b", [port(15), port(16)]);
    assert_eq!(code, Some(2));
    assert!(
        err.contains("Envoy refuses the new lds.yaml: it has no filters; the previous configuration stays in force"),
        "{err}"
    );
    assert_eq!(all(), before);
}

/// A program in Envoy's place that runs until it is told to end, started by `up`, and the lines that `up` writes to its stderr.
fn running(name: &str, ports: [u16; 2], more: &[&str]) -> (PathBuf, Child, PathBuf, Receiver<String>) {
    let (directory, args) = stand_in(name, "dirname $2; trap 'exit 0' TERM; while :; do sleep 0.05; done", ports);
    let args: Vec<_> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
    let mut child = signalbox(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut place = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut place).unwrap();
    let err = BufReader::new(child.stderr.take().unwrap());
    let (line, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || err.lines().map_while(Result::ok).try_for_each(|said| line.send(said)));
    (directory, child, PathBuf::from(place.trim()), lines)
}

fn tell(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

/// Everything up to the line that holds what is wanted. A line that does not come within half a minute fails the test.
fn read_until(lines: &Receiver<String>, wanted: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut said = String::new();
    while !said.contains(wanted) {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok(line) => said += &(line + "\n"),
            Err(why) => panic!("no line holds `{wanted}` ({why}); the lines so far:\n{said}"),
        }
    }
    said
}

/// S12: "in force" is what Envoy says, not what was written.
#[test]
fn s12_up_takes_a_new_configuration_over_when_it_is_told_to() {
    let (directory, mut child, place, err) = running("up-hup", [port(13), port(14)], &[]);
    let clusters = || std::fs::read_to_string(place.join("cds.yaml")).unwrap();
    // Nothing says that it serves, and nothing would say that it has read a file.
    one_model(&directory, "first", [port(13), port(14)]);
    tell(&child, "-HUP");
    let said = read_until(&err, "the new configuration is written");
    assert!(clusters().contains("name: first-1") && !said.contains("in force"), "{said}");

    std::fs::write(directory.join("config.yaml"), "model_list: 7\n").unwrap();
    tell(&child, "-HUP");
    read_until(&err, "the previous one stays in force");
    assert!(clusters().contains("name: first-1"));

    admin(port(14), place.clone(), "changed-1", "update_success", || {});
    one_model(&directory, "changed", [port(13), port(14)]);
    tell(&child, "-HUP");
    read_until(&err, "the new configuration is in force");
    assert!(clusters().contains("name: changed-1"));
    tell(&child, "-HUP");
    read_until(&err, "the configuration has not changed");
    // Envoy's address for admin is as it was when it started.
    one_model(&directory, "changed", [port(13), port(17)]);
    tell(&child, "-HUP");
    read_until(&err, &format!("`signalbox.admin` stays 127.0.0.1:{}", port(14)));
    // Until it says so, it still looks at its directory.
    read_until(&err, "the configuration has not changed");
    tell(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!place.exists());
}

/// S12: the clusters are taken, the listener is not, and nothing of it stays.
#[test]
fn s12_up_says_that_envoy_refuses_a_configuration() {
    let (directory, mut child, place, err) = running("up-refused", [port(18), port(19)], &[]);
    let all = || ["cds.yaml", "lds.yaml"].map(|name| std::fs::read_to_string(place.join(name)).unwrap());
    let before = all();
    admin(port(19), place.clone(), "changed-1", "update_rejected", || {});
    one_model(&directory, "changed", [port(18), port(19)]);
    tell(&child, "-HUP");
    let said = read_until(&err, "the previous one stays in force");
    assert!(said.contains("Envoy refuses the new lds.yaml: it has no filters"), "{said}");
    assert_eq!(all(), before);
    tell(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// S2: the place is nobody's to take beforehand, and what an `up` that was killed left behind goes with the next one.
#[test]
fn s2_up_starts_again_after_it_was_killed() {
    let (_, mut child, left, _err) = running("up-killed", [port(20), port(21)], &[]);
    assert!(left.join("lock").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(left.exists());
    let (_, mut child, place, _err) = running("up-killed", [port(20), port(21)], &[]);
    assert!(place != left && place.exists() && !left.exists());
    tell(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// S13: an Envoy ends with its `up`, whatever ends that.
#[test]
#[cfg(target_os = "linux")]
fn s13_an_envoy_does_not_outlive_an_up_that_is_killed() {
    let script = "echo $$; trap '' TERM INT HUP; while :; do sleep 0.05; done";
    let (_, args) = stand_in("up-orphan", script, [port(22), port(23)]);
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let mut child = signalbox(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut id = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut id).unwrap();
    let process = PathBuf::from("/proc").join(id.trim());
    // One that has ended may still be listed, until the process in charge of orphans reaps it.
    let runs = || std::fs::read_to_string(process.join("stat")).is_ok_and(|stat| !stat.contains(") Z "));
    assert!(runs());
    child.kill().unwrap();
    child.wait().unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(1);
    while runs() && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(!runs());
}

/// S13: an Envoy that dies when it has served is started again, a little later each time, and not for ever.
#[test]
fn s13_an_envoy_that_dies_again_and_again_is_given_up() {
    let script = "[ \"$1\" = --version ] && exit; echo started; sleep 0.7; kill -ABRT $$";
    let (directory, args) = stand_in("up-deaths", script, [port(28), port(29)]);
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let mut child = signalbox(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut lines = String::new();
    out.read_line(&mut lines).unwrap();
    let _listener = std::net::TcpListener::bind(("127.0.0.1", port(28))).unwrap();
    admin_that_is("LIVE", port(29), directory, "", "update_success", || {});
    out.read_to_string(&mut lines).unwrap();
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), lines), (Some(1), "started\n".repeat(6)), "{err}");
    assert_eq!(err.matches("warning: Envoy crashed (SIGABRT); its requests are lost; it is started again").count(), 5);
    assert!(err.contains("Envoy crashed (SIGABRT), for the 6th time in a row; its log says why"), "{err}");
    assert!(err.contains(&format!("listening on 127.0.0.1:{} again", port(28))), "{err}");
}

/// S13: an Envoy that ends before it has served is not started again; what became of it is told.
#[test]
fn s13_up_tells_why_an_envoy_did_not_start() {
    let version =
        |version: &str| format!("[ \"$1\" = --version ] && echo \"envoy  version: 0a/{version}/Clean\" && exit 0");
    let starts = [
        ("exit 3".to_owned(), 3, "ended with exit code 3 before it served; "),
        ("exit 0".to_owned(), 1, "does not seem to be Envoy; name one with --envoy"),
        (
            format!("{}; kill -SEGV $$", version("1.40.0")),
            1,
            "crashed (SIGSEGV) before it served; its log above says why",
        ),
        (format!("{}; exit 1", version("1.36.2")), 1, "it is version 1.36, and 1.39 or later is needed"),
    ];
    for (number, (script, wanted, words)) in starts.iter().enumerate() {
        let (_, args) = stand_in(&format!("up-start-{number}"), script, [port(24), port(25)]);
        let (code, _, err) = run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(code == Some(*wanted) && err.contains(words), "{script}: {code:?} {err}");
    }
    let (directory, args) = stand_in("up-no-program", "", [port(26), port(27)]);
    let mut args: Vec<_> = args.iter().map(String::as_str).collect();
    let config = directory.join("config.yaml").display().to_string();
    args[3] = &config;
    let (code, _, err) = run(&args);
    assert!(code == Some(1) && err.contains("cannot run ") && err.contains("name an Envoy with --envoy"), "{err}");
    args[3] = "/absent/envoy";
    let (code, _, err) = run(&args);
    assert!(code == Some(1) && err.contains("cannot run /absent/envoy: No such file"), "{err}");
}
