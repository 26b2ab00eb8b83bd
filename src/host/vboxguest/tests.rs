//! A double of the host's service, made from the same sources; no real one was asked.

use kindling_config_spec::order::OrderedMap;

use super::*;

/// A service in memory.
#[derive(Default)]
struct Double {
    /// Name to value, NUL, flags, NUL.
    properties: OrderedMap<String, Vec<u8>>,
    read_only: bool,
    /// What each call is answered with in place of a success.
    answers: Vec<i32>,
    /// Bytes the value grows by at each look.
    grows: usize,
    breaks: bool,
}

impl Service for Double {
    fn call(&mut self, function: u32, parameters: &mut [Parameter<'_>]) -> io::Result<i32> {
        if self.breaks {
            return Err(io::Error::from_raw_os_error(nix::libc::EIO));
        }
        if let Some(status) = self.answers.pop() {
            return Ok(status);
        }
        match (function, parameters) {
            (
                GET,
                [
                    Parameter::In(name),
                    Parameter::Out(room),
                    Parameter::Wide(_),
                    Parameter::Word(size),
                ],
            ) => {
                let Some(value) = self.properties.get_mut(&text(name)) else {
                    return Ok(NOT_FOUND);
                };
                *size = u32::try_from(value.len()).unwrap();
                if room.len() < value.len() {
                    let longer = value.len() + self.grows;
                    value.resize(longer, 0);
                    return Ok(BUFFER_OVERFLOW);
                }
                room[..value.len()].copy_from_slice(value);
                Ok(0)
            }
            (DELETE, [Parameter::In(name)]) => {
                if self.read_only {
                    return Ok(PERMISSION_DENIED);
                }
                Ok(self.properties.remove(&text(name)).map_or(NOT_FOUND, |_| 0))
            }
            _ => panic!("function {function}"),
        }
    }
}

fn text(name: &[u8]) -> String {
    let (end, name) = name.split_last().unwrap();
    assert_eq!(*end, 0);
    String::from_utf8(name.to_vec()).unwrap()
}

const KEY: &str = "/Ignition/Config";

fn with(value: &[u8]) -> Double {
    Double {
        properties: [(KEY.to_owned(), value.to_vec())].into(),
        ..Double::default()
    }
}

fn asked(double: Double) -> Result<Option<Vec<u8>>, String> {
    GuestProperties(Box::new(double))
        .get(KEY)
        .map_err(|error| error.to_string())
}

#[test]
fn a_value_is_what_stands_before_its_flags() {
    assert_eq!(asked(with(b"config\0TRANSIENT\0")), Ok(Some(b"config".to_vec())));
    assert_eq!(asked(with(b"\0\0")), Ok(Some(Vec::new())));
    let long = [vec![b'x'; 100_000], b"\0\0".to_vec()].concat();
    assert_eq!(asked(with(&long)), Ok(Some(vec![b'x'; 100_000])));
    assert_eq!(asked(Double::default()), Ok(None));
}

#[test]
fn what_is_no_value_is_an_error_with_the_name() {
    let error = |double| asked(double).unwrap_err();
    let start = "cannot read guest property /Ignition/Config: ";
    assert_eq!(error(with(b"config")), format!("{start}its value has no end"));
    assert_eq!(error(with(b"")), format!("{start}its value has no end"));
    let refused = Double {
        answers: vec![-38],
        ..with(b"config\0\0")
    };
    assert_eq!(
        error(refused),
        format!("{start}VirtualBox answers with status -38")
    );
    let broken = Double {
        breaks: true,
        ..with(b"config\0\0")
    };
    assert!(error(broken).contains("Input/output error"));
}

#[test]
fn lengths_are_bounded_and_looks_counted() {
    let growing = Double {
        grows: 1,
        ..with(b"config\0\0")
    };
    assert!(
        asked(growing)
            .unwrap_err()
            .ends_with("its length changes all the time")
    );
    let huge = with(&vec![b'x'; (16 << 20) + 1]);
    assert_eq!(
        asked(huge),
        Err("guest property /Ignition/Config is larger than 16777216 bytes".to_owned())
    );
}

#[test]
fn a_property_is_deleted_once_or_twice_but_not_against_the_host() {
    let mut machine = GuestProperties(Box::new(with(b"config\0\0")));
    assert_eq!(machine.delete(KEY), Ok(()));
    assert_eq!(machine.get(KEY), Ok(None));
    assert_eq!(machine.delete(KEY), Ok(()));
    let mut machine = GuestProperties(Box::new(Double {
        read_only: true,
        ..with(b"config\0\0")
    }));
    assert_eq!(
        machine.delete(KEY).unwrap_err().to_string(),
        "cannot change guest property /Ignition/Config: the host made it read-only for the guest"
    );
}

/// The layouts of linux/vboxguest.h, whose sizes are asserted there.
#[test]
fn requests_have_the_layout_of_the_driver() {
    let version = version_request();
    assert_eq!(version.len(), 24 + 20);
    let words: Vec<u32> = (0..10).map(|at| word(&version, at * 4)).collect();
    assert_eq!(words, [40, 0x1_0001, 0, 0, 44, 0, 0x1_0000, 0x1_0000, 0, 0]);
    let connect = connect_request();
    assert_eq!(connect.len(), 24 + 132);
    assert_eq!(
        (word(&connect, 0), word(&connect, 16), word(&connect, 24)),
        (156, 28, 2)
    );
    assert_eq!(&connect[28..45], b"VBoxGuestPropSvc\0");
    let (name, mut room) = (*b"name\0", [0; 7]);
    let addresses = (name.as_ptr() as u64, room.as_mut_ptr() as u64);
    let mut parameters = [
        Parameter::In(&name),
        Parameter::Out(&mut room),
        Parameter::Wide(1 << 40),
        Parameter::Word(9),
    ];
    let mut call = call_request(77, GET, &mut parameters).unwrap();
    assert_eq!(call.len(), 40 + 4 * 16);
    let words: Vec<u32> = (0..10).map(|at| word(&call, at * 4)).collect();
    assert_eq!(words, [104, 0x1_0001, 0, 0, 104, 0, 77, 1, 30_000, 4 << 16]);
    let pointer = |at: usize| {
        (
            word(&call, at),
            word(&call, at + 4),
            u64::from_ne_bytes(call[at + 8..at + 16].try_into().unwrap()),
        )
    };
    assert_eq!(pointer(40), (5, 5, addresses.0));
    assert_eq!(pointer(56), (6, 7, addresses.1));
    assert_eq!(
        (word(&call, 72), word(&call, 76), word(&call, 80)),
        (2, 0, 1 << 8)
    );
    assert_eq!((word(&call, 88), word(&call, 92)), (1, 9));
    put(&mut call, 92, &1234_u32.to_ne_bytes());
    put(&mut call, 76, &5_u64.to_ne_bytes());
    put(&mut call, STATUS_AT, &(-41_i32).to_ne_bytes());
    take_numbers(&call, &mut parameters);
    assert!(matches!(parameters[3], Parameter::Word(1234)));
    assert!(matches!(parameters[2], Parameter::Wide(5)));
    assert_eq!(status(&call), BUFFER_OVERFLOW);
    // _IOWR('V', 0, 44 bytes) and _IOC(read and write, 'V', 7, 104).
    assert_eq!(nix::request_code_readwrite!(b'V', 0, version.len()), 0xC02C_5600);
    assert_eq!(nix::request_code_readwrite!(b'V', 7, call.len()), 0xC068_5607);
}

#[test]
fn a_node_that_is_none_is_an_error() {
    let error = |path: &str| GuestProperties::open(Path::new(path)).map(drop).unwrap_err();
    assert_eq!(error("/dev/no-such-node").kind(), io::ErrorKind::NotFound);
    assert_eq!(error("/dev/null").raw_os_error(), Some(nix::libc::ENOTTY));
}
