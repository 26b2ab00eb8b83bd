//! The kargs stage: one call of the distribution's hook, or nothing.

use kindling_config_spec::types::Config;

use super::{Plan, Stage, Step};
use crate::invocation::{Invocation, Program};

/// Plans the call: all arguments that should exist first, each list in its order (engine.md 4.3).
#[must_use]
pub fn plan_kargs(config: &Config) -> Plan {
    let mut plan = Plan::empty(Stage::Kargs);
    let wanted = &config.kernel_arguments;
    if wanted.should_exist.is_empty() && wanted.should_not_exist.is_empty() {
        return plan;
    }
    let call = wanted
        .should_exist
        .iter()
        .fold(Invocation::new(Program::KargsHelper), |call, argument| {
            call.option("--should-exist", Some(argument))
        });
    let call = wanted.should_not_exist.iter().fold(call, |call, argument| {
        call.option("--should-not-exist", Some(argument))
    });
    plan.push("/kernelArguments", Step::KernelArguments { call });
    plan
}
