//! A join that is killed after any of its effects and run again.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use kindling_api_server::{ApiServer, Scenario};

use super::machine::Machine;

struct Killed;

#[test]
fn a_join_that_was_killed_anywhere_converges() {
    let mut effects = Vec::new();
    for moment in 0.. {
        let server = ApiServer::start(Scenario::default());
        let machine = Machine::of(&server, 60);
        let (count, last) = (Cell::new(0), Cell::new(""));
        let run = catch_unwind(AssertUnwindSafe(|| {
            machine.join_with(&|effect| {
                last.set(effect);
                if count.replace(count.get() + 1) == moment {
                    // No message: nothing has gone wrong.
                    resume_unwind(Box::new(Killed));
                }
            })
        }));
        let Err(end) = run else {
            run.unwrap().unwrap();
            break;
        };
        assert!(end.is::<Killed>());
        effects.push(last.get());
        machine
            .join()
            .unwrap_or_else(|failure| panic!("killed after {}: {failure}", last.get()));
        machine.assert_joined();
        assert_eq!(server.requests().len(), 1, "killed after {}", last.get());
        assert_eq!(server.findings(), Vec::<String>::new());
        // And once more: nobody is asked.
        let before = server.seen().len();
        machine.join().unwrap();
        machine.assert_joined();
        assert_eq!(server.seen().len(), before);
    }
    for effect in [
        "status",
        "key-kept",
        "requested",
        "pair",
        "updated",
        "current",
        "kubeconfig",
        "key-removed",
        "token-removed",
    ] {
        assert!(effects.contains(&effect), "{effect} is no moment of {effects:?}");
    }
}
