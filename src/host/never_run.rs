//! Large parts of the C library that the binary would carry and never run: small functions under the names by which they
//! come in, which the linker meets first (`-z muldefs`). Each says why the real one is not needed; those that are never
//! called fail if that should turn out wrong.
#![cfg(all(panic = "abort", target_feature = "crt-static", not(debug_assertions)))]
#![expect(unsafe_code, reason = "the symbols are the C library's")]

use std::ffi::CStr;
use std::sync::atomic::AtomicI32;

use nix::libc::{EAI_FAIL, EOF, c_char, c_int, size_t};

/// Messages of the C library in the language of the user: nothing calls `setlocale`, and in the locale "C", in which a
/// program starts, a message is never looked up. Brings catalogues, their plural rules and character sets.
#[unsafe(no_mangle)]
extern "C" fn __dcgettext(_domain: *const c_char, message: *const c_char, _category: c_int) -> *const c_char {
    message
}

/// `sscanf` for its only caller in the binary: `pthread_getattr_np` reads "from-to" of lines of /proc/self/maps, to find
/// the main thread's stack. The real one brings the readers of all types of numbers. The two last arguments are variadic
/// there, which on this processor are passed like any.
#[unsafe(no_mangle)]
extern "C" fn __isoc99_sscanf(
    line: *const c_char,
    _format: *const c_char,
    from: &mut usize,
    to: &mut usize,
) -> c_int {
    // SAFETY: the caller gives a line of `getline`, which ends with a zero byte and stays as it is during the call.
    let line = unsafe { CStr::from_ptr(line) }.to_str().unwrap_or_default();
    let range = line.split(' ').next().unwrap_or_default().split_once('-');
    let Some((Ok(low), Ok(high))) =
        range.map(|(low, high)| (usize::from_str_radix(low, 16), usize::from_str_radix(high, 16)))
    else {
        return 0;
    };
    (*from, *to) = (low, high);
    2
}

/// `printf` of floating point numbers: none of the C library's own messages has one, and Rust does not call it.
#[unsafe(no_mangle)]
extern "C" fn __printf_fp() -> c_int {
    EOF
}

/// As [`__printf_fp`], for `%a`.
#[unsafe(no_mangle)]
extern "C" fn __printf_fphex() -> c_int {
    EOF
}

/// Messages to a stream of wide characters: a stream becomes one by `fwide`, a wide function or `fopen` with "ccs=", and
/// nothing in the binary asks for any of these. What else serves wide streams follows.
#[unsafe(no_mangle)]
extern "C" fn __vfwprintf_internal() -> c_int {
    EOF
}

/// A message for a wide stream, widened.
#[unsafe(no_mangle)]
extern "C" fn __mbsrtowcs() -> size_t {
    size_t::MAX
}

/// `%lc` of `printf`, which no message has.
#[unsafe(no_mangle)]
extern "C" fn __wcrtomb() -> size_t {
    size_t::MAX
}

/// `%ls` of `printf`, which no message has.
#[unsafe(no_mangle)]
extern "C" fn __wcsrtombs() -> size_t {
    size_t::MAX
}

/// The converter of a stream that is made wide.
#[unsafe(no_mangle)]
extern "C" fn __wcsmbs_clone_conv() {
    std::process::abort()
}

/// The converter that `fopen` with "ccs=" names: there is none.
#[unsafe(no_mangle)]
extern "C" fn __wcsmbs_named_conv() -> c_int {
    EOF
}

/// The converters of the locale "C", which only the functions above read.
#[unsafe(no_mangle)]
static __wcsmbs_gconv_fcts_c: [usize; 4] = [0; 4];

/// `fclose` of a wide stream gives its converter back.
#[unsafe(no_mangle)]
extern "C" fn __gconv_release_step() {
    std::process::abort()
}

/// Held meanwhile.
#[unsafe(no_mangle)]
static __gconv_lock: AtomicI32 = AtomicI32::new(0);

/// `getaddrinfo` with `AI_IDN`, which the standard library does not set: names come in ASCII from the URL.
#[unsafe(no_mangle)]
extern "C" fn __idna_to_dns_encoding() -> c_int {
    EAI_FAIL
}

/// `getaddrinfo` with `AI_CANONIDN`, which the standard library does not set.
#[unsafe(no_mangle)]
extern "C" fn __idna_from_dns_encoding() -> c_int {
    EAI_FAIL
}
