//! `kindling-vm`: builds guests, shows the demo, measures, and is the pipe by which guests reach the cluster stand-in.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal"
)]

use std::error::Error;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kindling_vm::demo::{self, Verdict};
use kindling_vm::scenario::ScenarioError;
use kindling_vm::{bench, scenario, workspace};

/// Guests for the demo and the tests.
#[derive(Parser)]
#[command(name = "kindling-vm")]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Boot a blank machine and watch it become a node.
    Demo {
        /// The user data; the pointer of the fixtures when absent.
        #[arg(long)]
        config: Option<PathBuf>,
        /// The engine; the release build when absent.
        #[arg(long)]
        binary: Option<PathBuf>,
    },
    /// Compare this engine with the distribution's reference, in turn: the disks stage in one guest, what each adds to the
    /// initramfs, and whole first boots.
    Bench {
        /// The engine; the release build when absent.
        #[arg(long)]
        binary: Option<PathBuf>,
        /// Without the stage by itself.
        #[arg(long)]
        boots: bool,
    },
    /// Install the tools and build the images, so that tests need not.
    Setup {
        /// The engine; the release build when absent.
        #[arg(long)]
        binary: Option<PathBuf>,
    },
    /// Join standard input and output to a port of this host's loopback. QEMU starts this for a guest's connection.
    Pipe {
        /// The port.
        port: u16,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            let chain: Vec<String> = std::iter::successors(Some(&*error), |&error| error.source())
                .map(ToString::to_string)
                .collect();
            eprintln!("kindling-vm: {}", chain.join(": "));
            ExitCode::from(2)
        }
    }
}

fn run(action: Action) -> Result<ExitCode, Box<dyn Error>> {
    match action {
        Action::Demo { config, binary } => {
            let config = config.unwrap_or_else(|| workspace::fixtures().join("node-pointer.ign"));
            let engine = binary.unwrap_or_else(workspace::engine);
            let verdict = demo::run(&engine, &config, &std::env::current_exe()?, &mut io::stdout())?;
            Ok(if verdict == Verdict::Joined {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Action::Bench { binary, boots } => {
            let built = set_up(binary)?;
            let mut out = io::stdout();
            let mut verdicts = Vec::new();
            if !boots {
                verdicts.push(bench::run(&built, &mut out)?);
            }
            verdicts.push(bench::boots::run(&built, &std::env::current_exe()?, &mut out)?);
            Ok(if verdicts.contains(&bench::Verdict::Failed) {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            })
        }
        Action::Setup { binary } => {
            set_up(binary)?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Pipe { port } => {
            pipe(port)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Sees to it that guests can be started, and tells how far that is.
fn set_up(binary: Option<PathBuf>) -> Result<scenario::Built, ScenarioError> {
    let engine = binary.unwrap_or_else(workspace::engine);
    let started = std::time::Instant::now();
    let say = |text: &str| println!("[{:6.1} s] {text}", started.elapsed().as_secs_f32());
    let built = scenario::set_up(&engine, &mut |text| say(text))?;
    say("guests can be started");
    Ok(built)
}

/// Copies both ways until the far side has ended.
fn pipe(port: u16) -> io::Result<()> {
    let mut to = TcpStream::connect(("127.0.0.1", port))?;
    let mut from = to.try_clone()?;
    std::thread::spawn(move || {
        // The guest's end of the connection, or its loss: either way nothing more goes to the cluster.
        drop(io::copy(&mut io::stdin().lock(), &mut to));
        drop(to.shutdown(Shutdown::Write));
    });
    // Standard output is a socket here; the standard library's buffering by lines would hold bytes back.
    let mut out = std::fs::File::from(std::os::fd::AsFd::as_fd(&io::stdout()).try_clone_to_owned()?);
    io::copy(&mut from, &mut out)?;
    out.flush()
}
