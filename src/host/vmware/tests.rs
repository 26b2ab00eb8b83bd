//! A double of the hypervisor's end, made from the same sources; no real one was asked.

use std::cell::RefCell;
use std::rc::Rc;

use kindling_config_spec::order::OrderedMap;

use super::*;

const ID: u32 = 3;
const COOKIE: (u32, u32) = (0xDEAD_BEEF, 0x0BAD_CAFE);

/// What the host holds, and how it misbehaves.
#[derive(Default)]
struct Host {
    variables: OrderedMap<String, Vec<u8>>,
    is_open: bool,
    size: usize,
    heard: Vec<u8>,
    reply: Vec<u8>,
    at: usize,
    calls: usize,
    /// Calls that are answered by a checkpoint.
    checkpoints: Vec<usize>,
    /// The call from which on nothing succeeds.
    dies_at: Option<usize>,
    refuses_writing: bool,
    pretends_size: Option<u32>,
    has_no_reply: bool,
}

impl Host {
    fn run(&mut self) {
        let text = self.heard.clone();
        let words: Vec<&[u8]> = text.splitn(3, |byte| *byte == b' ').collect();
        let name = |word: &[u8]| String::from_utf8(word.to_vec()).unwrap();
        self.reply = match words.as_slice() {
            [b"info-get", key] => match self.variables.get(&name(key)) {
                Some(value) => [b"1 ", value.as_slice()].concat(),
                None => b"0 No value found".to_vec(),
            },
            [b"info-set", _, _] if self.refuses_writing => b"0 Disabled".to_vec(),
            [b"info-set", key, value] => {
                self.variables.insert(name(key), value.to_vec());
                b"1 ".to_vec()
            }
            _ => b"0 Unknown command".to_vec(),
        };
        self.at = 0;
    }

    /// Status and `ebx`.
    fn message(&mut self, call: u32, argument: u32) -> (u32, u32) {
        match call {
            1 => {
                self.size = argument as usize;
                self.heard.clear();
                (SUCCESS, 0)
            }
            2 => {
                self.heard.extend(argument.to_le_bytes());
                if self.heard.len() >= self.size {
                    self.heard.truncate(self.size);
                    self.run();
                }
                (SUCCESS, 0)
            }
            3 if self.has_no_reply => (SUCCESS, 0),
            3 => {
                self.at = 0;
                let size = u32::try_from(self.reply.len()).unwrap();
                (SUCCESS | MUST_RECEIVE, self.pretends_size.unwrap_or(size))
            }
            4 => {
                assert_eq!(argument, SUCCESS);
                let mut word = [0xAA; 4];
                let rest = &self.reply[self.at.min(self.reply.len())..];
                word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                self.at += 4;
                (SUCCESS, u32::from_le_bytes(word))
            }
            5 => (SUCCESS, 0),
            6 => {
                self.is_open = false;
                (SUCCESS, 0)
            }
            _ => panic!("call {call}"),
        }
    }
}

/// The port to it.
struct Double(Rc<RefCell<Host>>);

impl Port for Double {
    fn call(&mut self, asked: Registers) -> Registers {
        let mut host = self.0.borrow_mut();
        assert_eq!((asked.eax, asked.edx & 0xFFFF), (MAGIC, PORT));
        if asked.ecx == GET_VERSION {
            return Registers {
                eax: 6,
                ebx: MAGIC,
                ..asked
            };
        }
        assert_eq!(asked.ecx & 0xFFFF, MESSAGE);
        host.calls += 1;
        if host.dies_at.is_some_and(|at| host.calls >= at) {
            return Registers { ecx: 0, ..asked };
        }
        let call = asked.ecx >> 16;
        if call == 0 {
            assert_eq!(asked.ebx, RPCI);
            assert!(!host.is_open, "the channel before was closed");
            host.is_open = true;
            return Registers {
                ecx: SUCCESS << 16,
                edx: ID << 16 | PORT,
                esi: COOKIE.0,
                edi: COOKIE.1,
                ..asked
            };
        }
        assert_eq!((asked.edx >> 16, (asked.esi, asked.edi)), (ID, COOKIE));
        assert!(host.is_open);
        if host.checkpoints.contains(&host.calls) {
            return Registers {
                ecx: CHECKPOINT << 16,
                ..asked
            };
        }
        let (status, ebx) = host.message(call, asked.ebx);
        Registers {
            ecx: status << 16,
            ebx,
            ..asked
        }
    }
}

fn machine(host: Host) -> (GuestInfo, Rc<RefCell<Host>>) {
    let host = Rc::new(RefCell::new(host));
    (GuestInfo(Box::new(Double(host.clone()))), host)
}

fn with(key: &str, value: &[u8]) -> Host {
    Host {
        variables: [(key.to_owned(), value.to_vec())].into(),
        ..Host::default()
    }
}

#[test]
fn values_of_every_length_pass_whole() {
    for length in [0, 1, 2, 3, 4, 5, 100, 65_537] {
        let value: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let (mut machine, host) = machine(with("guestinfo.a", &value));
        assert_eq!(machine.get("a"), Ok(Some(value.clone())));
        machine.set("bc", &value).unwrap();
        assert_eq!(host.borrow().variables["guestinfo.bc"], value);
        assert_eq!(machine.get("bc"), Ok(Some(value)));
        assert!(!host.borrow().is_open);
    }
}

#[test]
fn a_variable_that_is_not_there_is_none() {
    let (mut machine, _) = machine(Host::default());
    assert_eq!(machine.get("ignition.config.data"), Ok(None));
}

#[test]
fn a_refusal_names_the_variable_and_not_the_value() {
    let (mut machine, host) = machine(with("guestinfo.a", b"hush"));
    host.borrow_mut().refuses_writing = true;
    let error = machine.set("a", b"hush").unwrap_err().to_string();
    assert!(
        error.starts_with("cannot change guestinfo.a: the host does"),
        "{error}"
    );
    assert!(!error.contains("hush"));
    assert!(!host.borrow().is_open);
}

#[test]
fn a_message_begins_anew_after_a_checkpoint() {
    let (_, reference) = {
        let (mut machine, host) = machine(with("guestinfo.a", b"value"));
        machine.get("a").unwrap();
        ((), host)
    };
    let calls = reference.borrow().calls;
    for at in 2..calls {
        let (mut machine, host) = machine(with("guestinfo.a", b"value"));
        host.borrow_mut().checkpoints.push(at);
        assert_eq!(machine.get("a"), Ok(Some(b"value".to_vec())), "call {at}");
    }
    let (mut machine, host) = machine(with("guestinfo.a", b"value"));
    host.borrow_mut().checkpoints = (2..100).collect();
    assert!(matches!(machine.get("a"), Err(AccessError::Failed { .. })));
    assert!(host.borrow().calls < 10);
}

#[test]
fn a_host_that_dies_at_any_call_is_an_error() {
    let calls = {
        let (mut machine, host) = machine(with("guestinfo.a", b"value"));
        machine.get("a").unwrap();
        host.borrow().calls
    };
    for at in 1..calls {
        let (mut machine, host) = machine(with("guestinfo.a", b"value"));
        host.borrow_mut().dies_at = Some(at);
        let error = machine.get("a").unwrap_err();
        assert!(matches!(error, AccessError::Failed { .. }), "call {at}: {error}");
    }
}

#[test]
fn a_reply_is_bounded_and_must_be_one() {
    let (mut machine, host) = machine(with("guestinfo.a", b"value"));
    host.borrow_mut().pretends_size = Some(u32::MAX);
    let error = AccessError::TooLarge {
        what: "guestinfo.a".to_owned(),
        limit: 16 << 20,
    };
    assert_eq!(machine.get("a"), Err(error));
    for size in [0, 1] {
        host.borrow_mut().pretends_size = Some(size);
        let found = machine.get("a");
        assert!(
            matches!(found, Err(AccessError::Failed { .. })) || found == Ok(Some(Vec::new())),
            "{found:?}"
        );
    }
    host.borrow_mut().has_no_reply = true;
    let error = machine.get("a").unwrap_err().to_string();
    assert_eq!(error, "cannot read guestinfo.a: the host does not reply");
}

#[test]
fn only_vmware_is_vmware() {
    let name = |text: &[u8; 12]| {
        [0, 4, 8].map(|at| u32::from_le_bytes([text[at], text[at + 1], text[at + 2], text[at + 3]]))
    };
    assert!(is_vmware(1 << 31, name(b"VMwareVMware")));
    assert!(!is_vmware(!(1 << 31), name(b"VMwareVMware")));
    for other in [
        b"KVMKVMKVM\0\0\0",
        b"Microsoft Hv",
        b"TCGTCGTCGTCG",
        b"VMwareVMwarf",
    ] {
        assert!(!is_vmware(1 << 31, name(other)));
    }
    let (machine, _) = machine(Host::default());
    let mut port = machine.0;
    assert!(knock(port.as_mut()));
    struct Nobody;
    impl Port for Nobody {
        fn call(&mut self, _: Registers) -> Registers {
            Registers {
                eax: u32::MAX,
                ..Registers::default()
            }
        }
    }
    assert!(!knock(&mut Nobody));
}

/// The machine of a test is no VMware, or it is: either way the process lives on.
#[test]
fn looking_for_it_hurts_nobody() {
    drop(GuestInfo::open());
}
