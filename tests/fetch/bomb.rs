//! Packed content that is far larger than it looks, from a real server.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use kindling_config_spec::types::Resource;

use crate::server::{Reply, Server};
use crate::{at, fetcher};

/// 64 members of 16 MiB of zeros: one gibibyte in one mebibyte.
fn gzip_bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&vec![0; 16 << 20]).unwrap();
    encoder.finish().unwrap().repeat(64)
}

/// One frame of 8,192 blocks that say how often a byte comes (RFC 8878, 3.1.1.2): one gibibyte in 32 KiB.
fn zstd_bomb() -> Vec<u8> {
    const BLOCK: [u8; 4] = [0x02, 0x00, 0x10, 0x00];
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    frame.extend(BLOCK.repeat(8192));
    // The last block is of one byte.
    frame.extend([0x0b, 0x00, 0x00, 0x00]);
    frame
}

fn packed(url: &str, compression: &str) -> Resource {
    Resource {
        compression: Some(compression.to_owned()),
        ..at(url)
    }
}

/// Counts what it gets and how large the pieces are.
#[derive(Default)]
struct Measure {
    bytes: usize,
    largest: usize,
}

impl Write for Measure {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.bytes += piece.len();
        self.largest = self.largest.max(piece.len());
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_document_that_unpacks_without_end_is_refused_at_its_bound() {
    const BOUND: usize = 1 << 20;
    for (bomb, compression) in [(gzip_bomb(), "gzip"), (zstd_bomb(), "zstd")] {
        let server = Server::always(Reply::ok(bomb));
        let error = fetcher()
            .buffer(&packed(&server.url("/bomb"), compression), BOUND as u64)
            .unwrap_err();
        assert_eq!(error.code(), "resource-too-large", "{compression}");
        assert_eq!(
            error.to_string(),
            format!("{} is larger than {BOUND} bytes", server.url("/bomb"))
        );
        assert_eq!(server.seen().len(), 1, "it is not asked for again");
    }
}

#[test]
fn a_file_that_unpacks_without_end_is_refused_while_it_is_small() {
    let bomb = zstd_bomb();
    let allowed = (64 << 20) + 1_000 * bomb.len();
    let server = Server::always(Reply::ok(bomb));
    let mut measure = Measure::default();
    let error = fetcher()
        .stream(&packed(&server.url("/bomb"), "zstd"), &mut measure)
        .unwrap_err();
    assert_eq!(error.code(), "resource-grows");
    assert!(
        error
            .to_string()
            .contains("unpacks to more than a thousand times its size"),
        "{error}"
    );
    assert!(error.next().contains("verification.hash"), "{}", error.next());
    assert!(measure.largest <= 512 << 10, "{}", measure.largest);
    assert!(measure.bytes <= allowed + measure.largest, "{}", measure.bytes);
    assert_eq!(server.seen().len(), 1, "it is not asked for again");
}
