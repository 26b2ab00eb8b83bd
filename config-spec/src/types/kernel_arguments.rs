//! The `kernelArguments` section.

use super::object::object;

object! {
    /// Kernel arguments of the installed system, each compared as a whole string.
    pub struct KernelArguments {
        pub should_exist: Vec<String>;
        pub should_not_exist: Vec<String>;
    }
}
