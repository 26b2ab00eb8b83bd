//! No backtraces in the binary: it carries no unwind tables and no symbols to make one of.
#![cfg(all(panic = "abort", target_feature = "crt-static", not(debug_assertions)))]
#![expect(unsafe_code, reason = "the symbol is the C library's unwinder's")]

use nix::libc::{c_int, c_void};

/// `_URC_END_OF_STACK` of the unwinder's ABI.
const END_OF_STACK: c_int = 5;

/// In place of libgcc's: there is no frame to show. The standard library's reader of debug information, which only a
/// frame would need, is then left out of the binary.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_each: *const c_void, _argument: *mut c_void) -> c_int {
    END_OF_STACK
}
