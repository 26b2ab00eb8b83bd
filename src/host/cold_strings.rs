//! String functions that only the C library calls: its resolver, its messages, its start.
//!
//! It has up to six variants of each, for the processors there are, of up to 9 kB. On short strings, now and then, the plainest
//! loop will do. What Rust code calls (`memcpy`, `memmove`, `memset`, `memcmp`, `memchr`, `strlen`) stays the C library's.
#![cfg(any(
    test,
    all(panic = "abort", target_feature = "crt-static", not(debug_assertions))
))]
#![expect(
    unsafe_code,
    reason = "the symbols are the C library's, and so are the strings"
)]

use std::ffi::{c_char, c_int};
use std::ptr;

use nix::libc::size_t;

/// The bytes of a string, at most `most`, without the one at its end.
///
/// # Safety
/// `text` is a string of the C library's, which ends with a zero byte or has `most` bytes, and stays as it is for `'a`.
unsafe fn bytes<'a>(text: *const c_char, most: usize) -> &'a [u8] {
    let mut len = 0;
    // SAFETY: no byte behind the first zero is read, nor any behind `most`.
    unsafe {
        while len < most && *text.add(len) != 0 {
            len += 1;
        }
        std::slice::from_raw_parts(text.cast(), len)
    }
}

/// Where a byte is, as the C library tells it; null for none.
fn place(found: Option<&u8>) -> *mut c_char {
    found.map_or(ptr::null_mut(), |byte| ptr::from_ref(byte).cast_mut().cast())
}

/// The byte that an `int` stands for: by the C library's rules the rest of it does not count.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "so says the C standard"
)]
fn letter(c: c_int) -> u8 {
    c as u8
}

#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn strcmp(a: *const c_char, b: *const c_char) -> c_int {
    // SAFETY: the caller gives two strings.
    unsafe { strncmp(a, b, usize::MAX) }
}

#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn strncmp(a: *const c_char, b: *const c_char, most: size_t) -> c_int {
    // SAFETY: the caller gives two strings, or as many bytes as count.
    let (a, b) = unsafe { (bytes(a, most), bytes(b, most)) };
    a.cmp(b) as c_int
}

#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn __strcasecmp(a: *const c_char, b: *const c_char) -> c_int {
    // SAFETY: the caller gives two strings.
    unsafe { __strncasecmp(a, b, usize::MAX) }
}

/// In the locale "C", in which a program starts, ASCII letters have cases. Nothing calls `setlocale`.
#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn __strncasecmp(a: *const c_char, b: *const c_char, most: size_t) -> c_int {
    // SAFETY: the caller gives two strings, or as many bytes as count.
    let (a, b) = unsafe { (bytes(a, most), bytes(b, most)) };
    let (a, b) = [a, b].map(|text| text.iter().map(u8::to_ascii_lowercase)).into();
    a.cmp(b) as c_int
}

#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn strcpy(to: *mut c_char, from: *const c_char) -> *mut c_char {
    // SAFETY: the caller gives a string, and room for it.
    unsafe { __stpcpy(to, from) };
    to
}

#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn __stpcpy(to: *mut c_char, from: *const c_char) -> *mut c_char {
    // SAFETY: the caller gives a string, and room for it and its end elsewhere.
    unsafe {
        let len = bytes(from, usize::MAX).len();
        ptr::copy_nonoverlapping(from, to, len + 1);
        to.add(len)
    }
}

#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn strncpy(to: *mut c_char, from: *const c_char, room: size_t) -> *mut c_char {
    // SAFETY: the caller gives a string, or as many bytes as there is room for elsewhere.
    unsafe {
        let len = bytes(from, room).len();
        ptr::copy_nonoverlapping(from, to, len);
        ptr::write_bytes(to.add(len), 0, room - len);
    }
    to
}

#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn strchr(text: *const c_char, c: c_int) -> *mut c_char {
    // SAFETY: the caller gives a string. Its end is found as well.
    unsafe {
        let found = __strchrnul(text, c);
        let is_it = letter((*found).into()) == letter(c);
        if is_it { found } else { ptr::null_mut() }
    }
}

#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn __strchrnul(text: *const c_char, c: c_int) -> *mut c_char {
    // SAFETY: the caller gives a string.
    unsafe {
        let bytes = bytes(text, usize::MAX);
        let at = bytes.iter().position(|byte| *byte == letter(c));
        text.add(at.unwrap_or(bytes.len())).cast_mut()
    }
}

#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn strrchr(text: *const c_char, c: c_int) -> *mut c_char {
    // SAFETY: the caller gives a string. Its end is found as well.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast(), bytes(text, usize::MAX).len() + 1) };
    place(bytes.iter().rfind(|byte| **byte == letter(c)))
}

#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn __rawmemchr(text: *const c_char, c: c_int) -> *mut c_char {
    let mut at = text;
    // SAFETY: the caller knows that the byte is there.
    unsafe {
        while letter((*at).into()) != letter(c) {
            at = at.add(1);
        }
    }
    at.cast_mut()
}

#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn __strnlen(text: *const c_char, most: size_t) -> size_t {
    // SAFETY: the caller gives a string, or as many bytes as count.
    unsafe { bytes(text, most) }.len()
}

#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn strpbrk(text: *const c_char, set: *const c_char) -> *mut c_char {
    // SAFETY: the caller gives two strings.
    let (text, set) = unsafe { (bytes(text, usize::MAX), bytes(set, usize::MAX)) };
    place(text.iter().find(|byte| set.contains(byte)))
}

#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn strstr(text: *const c_char, part: *const c_char) -> *mut c_char {
    // SAFETY: the caller gives two strings.
    unsafe {
        let (bytes, part) = (bytes(text, usize::MAX), bytes(part, usize::MAX));
        for at in 0..=bytes.len() {
            if bytes.get(at..).is_some_and(|rest| rest.starts_with(part)) {
                return text.add(at).cast_mut();
            }
        }
    }
    ptr::null_mut()
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use super::*;
    use nix::libc;
    use proptest::prelude::*;

    /// Of few letters, so that strings often have something in common.
    fn text() -> impl Strategy<Value = CString> {
        prop::collection::vec(prop::sample::select(b"aAbB.\x80\xff[".to_vec()), 0..6)
            .prop_map(|bytes| CString::new(bytes).unwrap())
    }

    fn c() -> impl Strategy<Value = c_int> {
        prop::sample::select(vec![0, 0x61, 0x41, 0x2e, 0x80, 0xff, -1, 0x161])
    }

    proptest! {
        #[test]
        fn they_are_those_of_the_c_library(a in text(), b in text(), most in 0_usize..8, c in c()) {
            let (a, b) = (a.as_ptr(), b.as_ptr());
            // SAFETY: these are strings.
            unsafe {
                prop_assert_eq!(strcmp(a, b).signum(), libc::strcmp(a, b).signum());
                prop_assert_eq!(strncmp(a, b, most).signum(), libc::strncmp(a, b, most).signum());
                prop_assert_eq!(__strcasecmp(a, b).signum(), libc::strcasecmp(a, b).signum());
                prop_assert_eq!(__strncasecmp(a, b, most).signum(), libc::strncasecmp(a, b, most).signum());
                prop_assert_eq!(strchr(a, c), libc::strchr(a, c));
                prop_assert_eq!(strrchr(a, c), libc::strrchr(a, c));
                prop_assert_eq!(strpbrk(a, b), libc::strpbrk(a, b));
                prop_assert_eq!(strstr(a, b), libc::strstr(a, b));
                prop_assert_eq!(__strnlen(a, most), libc::strnlen(a, most));
                let end = a.add(libc::strlen(a)).cast_mut();
                prop_assert_eq!(__rawmemchr(a, 0), end);
                let found = libc::strchr(a, c);
                prop_assert_eq!(__strchrnul(a, c), if found.is_null() { end } else { found });
            }
        }

        #[test]
        fn copies_are_those_of_the_c_library(from in text(), room in 0_usize..8) {
            let (mut ours, mut theirs) = ([7; 8], [7; 8]);
            // SAFETY: there is room for them.
            unsafe {
                prop_assert_eq!(strncpy(ours.as_mut_ptr(), from.as_ptr(), room), ours.as_mut_ptr());
                libc::strncpy(theirs.as_mut_ptr(), from.as_ptr(), room);
                prop_assert_eq!(ours, theirs);
                let end = ours.as_mut_ptr().add(from.as_bytes().len());
                prop_assert_eq!(__stpcpy(ours.as_mut_ptr(), from.as_ptr()), end);
                libc::strcpy(theirs.as_mut_ptr(), from.as_ptr());
                prop_assert_eq!(ours, theirs);
                prop_assert_eq!(strcpy(ours.as_mut_ptr(), from.as_ptr()), ours.as_mut_ptr());
                prop_assert_eq!(ours, theirs);
            }
        }
    }
}
