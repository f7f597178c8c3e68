//! The command as a user meets it: its output, its exit codes, and programs run under it.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use pcap_file::pcap::{PcapPacket, PcapReader, PcapWriter};

const VDPA: &str = "vhost-vdpa:/dev/vhost-vdpa-0";

fn vhost_accel(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vhost-accel"));
    command.args(args).output().expect("the command starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is text")
}

/// Runs a command that must succeed, and gives its output.
fn succeeds(args: &[&str]) -> String {
    let output = vhost_accel(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

/// Runs a command that must be refused with one line, and gives that.
fn is_wrong(args: &[&str]) -> String {
    let output = vhost_accel(args);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
    assert_eq!(text(&output.stdout), "", "{args:?}");
    assert_eq!(said.lines().count(), 1, "{args:?}: {said}");
    said.to_owned()
}

fn json(args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&succeeds(args)).expect("output is JSON")
}

#[test]
fn interfaces_are_four_with_what_they_can_do() {
    let rows = json(&["interfaces", "--json"]);
    let rows = rows.as_array().expect("a list");
    let names: Vec<_> = rows.iter().map(|row| row["interface"].as_str()).collect();
    let four = ["vfio-msg", "vfio-ioctl", "vhost-mdev", "vhost-vdpa"].map(Some);
    assert_eq!(names, four);
    let can = |row: usize, ability: &str| {
        let list = rows[row]["capabilities"].as_array().expect("a list");
        list.iter().any(|one| one == ability)
    };
    assert!(can(0, "batch-vrings") && can(0, "kick-region-write") && !can(0, "kick-eventfd"));
    assert!(can(1, "kick-eventfd") && !can(1, "batch-vrings"));
    assert!(can(2, "dma-errno") && can(2, "kick-doorbell"));
    assert!(can(3, "batch-dma") && !can(3, "error-event") && !can(3, "dirty-log"));
    assert!(succeeds(&["interfaces"]).contains("#1/A"));
}

#[test]
fn emulated_devices_are_listed_and_each_can_be_probed() {
    let rows = json(&["devices", "--json", "--emulated"]);
    let uris: Vec<_> = rows.as_array().expect("a list").iter().map(|row| &row["uri"]).collect();
    assert_eq!(uris.len(), 4, "{uris:?}");
    for uri in uris {
        let uri = uri.as_str().expect("text");
        let said = json(&["probe", "--json", "--emulated", "--emulated-pairs", "2", uri]);
        assert_eq!(said["queues"], 5, "{uri}");
        assert_eq!(said["device_id"], 1, "{uri}");
        assert_eq!(said["status"], 0, "{uri}");
    }
}

#[test]
fn a_mistake_is_one_line_that_says_what_would_be_right() {
    let cases: [(&[&str], &str); 6] = [
        (&["probe", "vhost-user:/tmp/socket"], "vfio-msg, vfio-ioctl, vhost-mdev"),
        (&["probe", "vhost-vdpa"], "vhost-vdpa:/dev/vhost-vdpa-0"),
        (&["probe", "vhost-vdpa:/dev/vhost-vdpa-0?dma=mem-table"], "iotlb"),
        (&["loopback", VDPA, "--size", "9001"], "9000"),
        (&["loopback", VDPA, "--kick", "mail"], "doorbell"),
        (&["frobnicate"], "--help"),
    ];
    for (args, right) in cases {
        let said = is_wrong(args);
        assert!(said.contains(right), "{args:?}: {said}");
    }
}

#[test]
fn a_device_that_is_not_there_is_named() {
    let output = vhost_accel(&["probe", "vhost-vdpa:/dev/vhost-vdpa-77", "--emulated"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("vhost-vdpa /dev/vhost-vdpa-77: open: No such file"), "{said}");
}

#[test]
fn frames_go_through_every_interface() {
    for row in json(&["devices", "--json", "--emulated"]).as_array().expect("a list") {
        let uri = row["uri"].as_str().expect("text");
        let said = succeeds(&["loopback", "--emulated", uri, "--frames", "2000", "--pairs", "2"]);
        assert!(said.contains("2000 frames"), "{uri}: {said}");
    }
}

#[test]
fn a_check_runs_the_suite_and_says_what_failed() {
    let args = ["check", "--emulated", VDPA, "--filter", "identity"];
    let said = succeeds(&args);
    assert!(said.contains(" passed, 0 failed"), "{said}");
}

/// An example of this package, built next to the command by `cargo test`.
fn example(name: &str) -> PathBuf {
    let command = PathBuf::from(env!("CARGO_BIN_EXE_vhost-accel"));
    let path = command.with_file_name("examples").join(name);
    assert!(path.exists(), "{} is built by `cargo test`", path.display());
    path
}

#[test]
fn an_unmodified_program_finds_an_emulated_kernel() {
    let program = example("vdpa_loopback");
    let program = program.to_str().expect("text");
    assert_eq!(succeeds(&["emulate", "--", program, "/dev/vhost-vdpa-0"]), "41 bytes\n");
}

#[test]
fn a_shell_finds_nodes_and_sysfs_as_files() {
    let args = ["emulate", "--", "/bin/ls", "-l", "/dev/vhost-mdev-0", "/sys/bus/vdpa/devices"];
    let output = vhost_accel(&args);
    assert_eq!(text(&output.stderr), "");
    let said = text(&output.stdout);
    assert!(said.starts_with('c') && said.contains("/dev/vhost-mdev-0"), "{said}");
    assert!(said.contains("vdpa0"), "{said}");
}

/// The client is another process here: its close is not made by the kernel half, as one in the same
/// process is, and its memory is reached by system call.
#[test]
fn a_close_stops_the_device_of_another_process_too() {
    let command = env!("CARGO_BIN_EXE_vhost-accel");
    for uri in [VDPA, "vhost-mdev:/dev/vhost-mdev-0"] {
        for _ in 0..8 {
            let case = "exclusive::a_close_stops_the_device";
            let said = succeeds(&["emulate", "--", command, "check", uri, "--filter", case]);
            assert!(said.contains("1 passed, 0 failed"), "{uri}: {said}");
        }
    }
}

#[test]
fn a_capture_comes_back_as_it_was_sent() {
    let dir = tempfile::tempdir().expect("a directory");
    let (sent, back) = (dir.path().join("in.pcap"), dir.path().join("out.pcap"));
    let frames: Vec<Vec<u8>> =
        (0..200_u16).map(|n| vec![n as u8; 60 + 40 * usize::from(n)]).collect();
    let mut writer = PcapWriter::new(File::create(&sent).expect("a file")).expect("a header");
    for frame in &frames {
        let packet = PcapPacket::new(Duration::ZERO, frame.len() as u32, frame);
        writer.write_packet(&packet).expect("a packet");
    }
    drop(writer);
    let [input, output] = [&sent, &back].map(|path| path.to_str().expect("text"));
    let said = succeeds(&["loopback", "--emulated", VDPA, "--pcap", input, "--out", output]);
    assert!(said.contains("200 frames"), "{said}");
    let mut reader = PcapReader::new(File::open(&back).expect("the file")).expect("a header");
    for frame in &frames {
        let packet = reader.next_packet().expect("as many").expect("a packet");
        assert_eq!(&*packet.data, frame);
    }
    assert!(reader.next_packet().is_none());
}

#[test]
fn emulate_gives_the_exit_code_of_the_program() {
    let output = vhost_accel(&["emulate", "--", "/bin/sh", "-c", "exit 7"]);
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    let output = vhost_accel(&["emulate", "--", "/bin/sh", "-c", "kill -9 $$"]);
    assert_eq!(output.status.code(), Some(128 + 9), "{}", text(&output.stderr));
    let said = is_wrong(&["emulate", "--", "/no/such/program"]);
    assert!(said.contains("/no/such/program"), "{said}");
}

#[test]
fn each_command_has_its_page_and_its_completions() {
    let share = tempfile::tempdir().expect("a directory");
    let dir = share.path().to_str().expect("a path that is text");
    succeeds(&["manual", dir]);
    let read = |path: &str| {
        let path = share.path().join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let help = succeeds(&["--help"]);
    let commands = help.split("Commands:\n").nth(1).expect("commands in the help");
    let names: Vec<&str> = commands
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|&name| name != "help")
        .collect();
    assert!(names.contains(&"emulate"), "{names:?}");
    for name in &names {
        let page = read(&format!("man/man1/vhost-accel-{name}.1"));
        assert!(page.contains("Exit codes:"), "{name}");
    }
    let pages = std::fs::read_dir(share.path().join("man/man1")).expect("pages").count();
    assert_eq!(pages, names.len() + 1, "and one of the program");
    for shell in [
        "bash-completion/completions/vhost-accel",
        "zsh/vendor-completions/_vhost-accel",
        "fish/vendor_completions.d/vhost-accel.fish",
    ] {
        let text = read(shell);
        assert!(names.iter().all(|name| text.contains(name)), "{shell}");
    }
}
