//! Kernel arguments: the kargs stage has one call of the hook that changes the boot entries, or nothing; the files stage
//! sees to the kernels that are installed later.

use std::path::Path;

use kindling_config_spec::types::Config;

use super::step::{Before, Content, FileStep, Id, Ownership};
use super::{Plan, Stage, Step, entries, nodes};
use crate::inventory::target::Target;
use crate::invocation::{Invocation, Program};

/// Where `kernel-install` takes the arguments of the entry for a new kernel from, if it is there.
pub const LATER_KERNELS: &str = "/etc/kernel/cmdline";

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

/// Plans the change of a file of later kernels that is there and that the config does not write itself. One whose words cannot
/// be told apart is left alone: this boot does not depend on it.
pub(super) fn plan_later_kernels(plan: &mut Plan, config: &Config, target: &Target) {
    let listed = &config.kernel_arguments;
    let is_written = nodes::paths(config).any(|path| path == LATER_KERNELS);
    let present = target.kernel_cmdline.as_deref().filter(|_| !is_written);
    let wanted = entries::Wanted::new(&listed.should_exist, &listed.should_not_exist);
    let (Some(present), Ok(wanted)) = (present, wanted) else {
        return;
    };
    if let Ok(Some(text)) = entries::command_line(present, &wanted) {
        let ownership = Ownership {
            user: Id::Keep,
            group: Id::Keep,
            mode: None,
        };
        let step = FileStep {
            path: Path::new(LATER_KERNELS).to_owned(),
            ownership,
            content: vec![Content::Inline(text.into_bytes())],
            keeps_content: false,
            before: Before::Present,
        };
        plan.push("/kernelArguments", Step::File(step));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kindling_config_spec::types::File;

    #[test]
    fn later_kernels_get_the_arguments_too() {
        let mut config = Config::default();
        config.kernel_arguments.should_exist = vec!["b=1".into()];
        config.kernel_arguments.should_not_exist = vec!["quiet".into()];
        let steps = |config: &Config, present: Option<&str>| {
            let target = Target {
                kernel_cmdline: present.map(str::to_owned),
                ..Target::default()
            };
            let mut plan = Plan::empty(Stage::Files);
            plan_later_kernels(&mut plan, config, &target);
            plan
        };
        let plan = steps(&config, Some("root=x quiet\n"));
        let Step::File(file) = &plan.steps[0].step else {
            panic!("{plan:?}")
        };
        assert_eq!(file.content, [Content::Inline(b"root=x b=1\n".to_vec())]);
        assert_eq!(super::super::show::lines(&plan), ["~ /etc/kernel/cmdline: 11 B"]);
        for present in [None, Some("root=x b=1\n"), Some("dyndbg=\"x\n")] {
            assert_eq!(steps(&config, present).steps, [], "{present:?}");
        }
        config.storage.files.push(File {
            path: LATER_KERNELS.into(),
            ..File::default()
        });
        assert_eq!(steps(&config, Some("root=x quiet\n")).steps, []);
    }
}
