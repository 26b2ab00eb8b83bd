//! A real TFTP server on loopback. It ends with the test that started it.

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};

/// Debian's `tftpd-hpa` on a port of loopback, serving one directory. It ends with the test.
pub(crate) struct Tftpd {
    process: Child,
    pub(crate) port: u16,
}

impl Tftpd {
    pub(crate) fn serving(dir: &std::path::Path, address: &str) -> Self {
        // A port that was free a moment ago.
        let port = UdpSocket::bind((address, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let listen = if address.contains(':') {
            format!("[{address}]:{port}")
        } else {
            format!("{address}:{port}")
        };
        let process = Command::new("/usr/sbin/in.tftpd")
            .args([
                "--listen",
                "--foreground",
                "--secure",
                "--user",
                "root",
                "--address",
                &listen,
            ])
            .arg(dir)
            .stdout(Stdio::null())
            .spawn()
            .expect("tftpd-hpa is installed by `make tools`");
        Self { process, port }
    }
}

impl Drop for Tftpd {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
