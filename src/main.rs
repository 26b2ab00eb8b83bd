//! The binary: the name it is called by chooses the command line, everything else is the library's.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(kindling::cli::main())
}
