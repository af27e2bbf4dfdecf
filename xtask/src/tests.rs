//! Ways to run the tests beyond `cargo test`.

use std::{
    env,
    fs::{self, File},
    hint::black_box,
    io::Write,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Instant,
};

use anyhow::{Context, ensure};

/// Runs the tests that take minutes, or only those whose name contains the first argument.
pub fn long(arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    run(cargo_test().args(["--test", "suite", "--", "--ignored"]).args(arguments))
}

/// Makes the pictures in `docs/images` again, and those of every state in `screenshots` below the tests' folder.
pub fn screenshots() -> anyhow::Result<()> {
    let mut tests = cargo_test();
    tests.args(["--test", "suite", "--", "--include-ignored", "pictures::"]);
    run(tests.env("UPDATE_SCREENSHOTS", "1"))
}

/// Runs all of `cargo test` this many times, five by default, while every core is busy and a file is written and
/// synced without end.
pub fn busy(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let times =
        arguments.next().map_or(Ok(5), |times| times.parse()).context("the number of runs is no number")?;
    run(cargo_test().arg("--no-run"))?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| spin(&is_over));
        }
        let writing = scope.spawn(|| write_and_sync(&is_over));
        let tested = (1..=times).try_for_each(|time| {
            let began = Instant::now();
            run(&mut cargo_test()).with_context(|| format!("run {time} of {times}"))?;
            println!("run {time} of {times}: {} s", began.elapsed().as_secs());
            Ok(())
        });
        is_over.store(true, Ordering::Relaxed);
        writing.join().expect("the writer does not panic")?;
        tested
    })
}

fn spin(is_over: &AtomicBool) {
    let mut number = 0_u64;
    while !is_over.load(Ordering::Relaxed) {
        number = black_box(number.wrapping_mul(31).wrapping_add(7));
    }
}

fn write_and_sync(is_over: &AtomicBool) -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/busy");
    let block = vec![0x5a; 16 << 20];
    while !is_over.load(Ordering::Relaxed) {
        let mut file = File::create(&path).context("cannot write into target/")?;
        for _ in 0..8 {
            file.write_all(&block)?;
            file.sync_all()?;
        }
    }
    fs::remove_file(&path).context("cannot delete the file in target/")
}

/// `cargo test`, without the variables that cargo sets about this package: build scripts look at them, and everything
/// that depends on one would be built again.
fn cargo_test() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let told = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO_BIN_NAME"
        });
        if told {
            cargo.env_remove(name);
        }
    }
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).args(["test", "--locked"]);
    cargo
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().context("cannot run cargo")?;
    ensure!(status.success(), "the tests failed");
    Ok(())
}
