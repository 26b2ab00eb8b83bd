//! Large parts of the C library that the binary would carry and never run: small functions under the names by which they
//! come in, which the linker meets first (`-z muldefs`). Each says why the real one is not needed; those that are never
//! called fail if that should turn out wrong.
#![cfg(all(panic = "abort", target_feature = "crt-static", not(debug_assertions)))]
#![expect(unsafe_code, reason = "the symbols are the C library's")]

use std::ffi::CStr;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::libc::{EAI_FAIL, ENOENT, EOF, PROT_READ, PROT_WRITE, c_char, c_int, c_void, size_t};

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

/// Modules of the name service beside those that the C library has built in, hosts files and DNS: a shared library of the
/// machine would have to be loaded into a static program, which works with the C library of the very same release only,
/// and is not there in an initramfs. "Not available" is what a module answers that cannot be loaded, and the name service
/// goes on to the next one. Brings the whole dynamic loader.
#[unsafe(no_mangle)]
extern "C" fn __libc_dlopen_mode() -> *mut c_void {
    ptr::null_mut()
}

/// A function of a library that was loaded.
#[unsafe(no_mangle)]
extern "C" fn __libc_dlsym() -> *mut c_void {
    ptr::null_mut()
}

/// The end of a library that was loaded.
#[unsafe(no_mangle)]
extern "C" fn __libc_dlclose() -> c_int {
    EOF
}

/// By this the standard library looks for functions that newer C libraries have. A static program has no table of symbols
/// to find any in.
#[unsafe(no_mangle)]
extern "C" fn dlsym() -> *mut c_void {
    ptr::null_mut()
}

/// Where the loader would look for libraries, worked out at every start.
#[unsafe(no_mangle)]
extern "C" fn _dl_init_paths() {}

/// What a library may change that asks for stacks with code on them: how they are to be protected then.
#[unsafe(no_mangle)]
static __stack_prot: AtomicI32 = AtomicI32::new(PROT_READ | PROT_WRITE);

/// Takes `LD_LIBRARY_PATH` and its kin from the environment of a set-user-id program, which this is not.
#[unsafe(no_mangle)]
extern "C" fn __unsetenv() -> c_int {
    EOF
}

/// Counts calls for a profiler of shared libraries.
#[unsafe(no_mangle)]
extern "C" fn _dl_mcount_wrapper_check() {}

/// The unwinder's index of the tables that the binary does not carry.
#[unsafe(no_mangle)]
extern "C" fn _dl_find_object() -> c_int {
    EOF
}

/// What the functions of the name service answer that `link/never-run.ld` lists: not available.
#[unsafe(no_mangle)]
extern "C" fn kindling_no_entry() -> c_int {
    EOF
}

/// The number of a service by its name: addresses come with numbers.
#[unsafe(no_mangle)]
extern "C" fn __getservbyname_r() -> c_int {
    ENOENT
}

/// Whether a daemon that remembers names is to be asked: above 0 not, and the more often that was so, the sooner again.
#[unsafe(no_mangle)]
static __nss_not_use_nscd_hosts: AtomicI32 = AtomicI32::new(1);

/// That daemon, for `getaddrinfo`: there is none. It can say nothing that the name service does not.
#[unsafe(no_mangle)]
extern "C" fn __nscd_getai() -> c_int {
    __nss_not_use_nscd_hosts.store(1, Ordering::Relaxed);
    EOF
}

/// The same for `gethostbyname2`.
#[unsafe(no_mangle)]
extern "C" fn __nscd_gethostbyname2_r() -> c_int {
    __nss_not_use_nscd_hosts.store(1, Ordering::Relaxed);
    EOF
}

/// When the daemon saw that the machine's addresses changed: what is known of them is asked for anew.
#[unsafe(no_mangle)]
extern "C" fn __nscd_get_nl_timestamp() -> u32 {
    0
}

/// A list of the network interfaces, which `if_nameindex` and `getifaddrs` make: nobody calls them. The number of an
/// interface by its name is found another way.
#[unsafe(no_mangle)]
extern "C" fn __netlink_open() -> c_int {
    EOF
}

/// A part of it.
#[unsafe(no_mangle)]
extern "C" fn __netlink_request() -> c_int {
    EOF
}

/// Its end.
#[unsafe(no_mangle)]
extern "C" fn __netlink_close() {}

/// Its end.
#[unsafe(no_mangle)]
extern "C" fn __netlink_free_handle() {}

/// The functions of a wide stream, of which every stream knows the table, and takes it when it becomes one.
#[unsafe(no_mangle)]
static _IO_wfile_jumps: [usize; 21] = [0; 21];

/// The same for a file in memory.
#[unsafe(no_mangle)]
static _IO_wfile_jumps_mmap: [usize; 21] = [0; 21];

/// The same for a file that may come to be there.
#[unsafe(no_mangle)]
static _IO_wfile_jumps_maybe_mmap: [usize; 21] = [0; 21];

/// A wide stream's room for what is put back.
#[unsafe(no_mangle)]
extern "C" fn _IO_free_wbackup_area() {
    std::process::abort()
}

/// A wide stream's buffer.
#[unsafe(no_mangle)]
extern "C" fn _IO_wsetb() {
    std::process::abort()
}

/// What a wide stream still has to write when it is closed.
#[unsafe(no_mangle)]
extern "C" fn _IO_wdo_write() -> c_int {
    EOF
}
