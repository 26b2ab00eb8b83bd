//! Block devices, and flags of files: the one module of the disks stage that may write `unsafe`, for the ioctls.
#![expect(unsafe_code, reason = "ioctl(2) has no safe form")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use kindling_config_spec::units::{Bytes, SectorSize};
use nix::errno::Errno;
use nix::libc::{c_int, c_longlong, c_void};

/// `BLKPG_ADD_PARTITION`, linux/blkpg.h.
const ADD_PARTITION: c_int = 1;
/// `BLKPG_DEL_PARTITION`, linux/blkpg.h.
const DEL_PARTITION: c_int = 2;
/// `BLKPG_RESIZE_PARTITION`, linux/blkpg.h.
const RESIZE_PARTITION: c_int = 3;

/// `struct blkpg_partition`, linux/blkpg.h. The two names are "unused / ignored" there.
#[repr(C)]
struct PartitionArg {
    start: c_longlong,
    length: c_longlong,
    pno: c_int,
    devname: [u8; 64],
    volname: [u8; 64],
}

/// `struct blkpg_ioctl_arg`, linux/blkpg.h.
#[repr(C)]
struct Request {
    op: c_int,
    flags: c_int,
    datalen: c_int,
    data: *mut c_void,
}

mod raw {
    // linux/fs.h: BLKGETSIZE64 is declared with size_t, and the kernel stores a u64.
    nix::ioctl_read!(blkgetsize64, 0x12, 114, u64);
    // linux/fs.h declares BLKSSZGET without an argument type; the kernel stores one int.
    nix::ioctl_read_bad!(blksszget, nix::request_code_none!(0x12, 104), nix::libc::c_int);
    // linux/fs.h: BLKFLSBUF takes nothing.
    nix::ioctl_none_bad!(blkflsbuf, nix::request_code_none!(0x12, 97));
    // linux/cdrom.h: CDROM_DRIVE_STATUS takes the number of a slot as it is, and answers with a status.
    nix::ioctl_write_int_bad!(cdrom_drive_status, 0x5326);
    // linux/fs.h declares FS_IOC_GETFLAGS and FS_IOC_SETFLAGS with long; the kernel stores and reads one int.
    nix::ioctl_read_bad!(
        fs_getflags,
        nix::request_code_read!(b'f', 1, size_of::<nix::libc::c_long>()),
        nix::libc::c_int
    );
    nix::ioctl_write_ptr_bad!(
        fs_setflags,
        nix::request_code_write!(b'f', 2, size_of::<nix::libc::c_long>()),
        nix::libc::c_int
    );
    // linux/blkpg.h: BLKPG takes a pointer to struct blkpg_ioctl_arg.
    nix::ioctl_write_ptr_bad!(blkpg, nix::request_code_none!(0x12, 105), super::Request);
}

/// One change of the kernel's view of a disk's partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new partition of `size` bytes from `start`.
    Add(Bytes, Bytes),
    /// Another size for an existing partition; `start` must be the present one.
    Resize(Bytes, Bytes),
    /// The partition goes.
    Delete,
}

/// Size of the whole device.
///
/// # Errors
/// `ENOTTY` when `device` is not a block device.
///
/// Source: `BLKGETSIZE64` in linux/fs.h.
pub fn size(device: &File) -> io::Result<Bytes> {
    let mut size: u64 = 0;
    // SAFETY: `device` keeps the descriptor open for the call; the request writes one u64, and `size` is
    // one, live and exclusively borrowed.
    unsafe { raw::blkgetsize64(device.as_raw_fd(), &raw mut size) }?;
    Ok(Bytes(size))
}

/// Logical sector size: the unit of an LBA.
///
/// # Errors
/// `ENOTTY` when `device` is not a block device; `InvalidData` when the answer is no sector size.
///
/// Source: `BLKSSZGET` in linux/fs.h.
pub fn sector_size(device: &File) -> io::Result<SectorSize> {
    let mut size: c_int = 0;
    // SAFETY: `device` keeps the descriptor open for the call; the request writes one int, and `size` is
    // one, live and exclusively borrowed.
    unsafe { raw::blksszget(device.as_raw_fd(), &raw mut size) }?;
    u32::try_from(size)
        .ok()
        .and_then(SectorSize::new)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Writes back what the kernel holds of the device in memory, and forgets it: the next read comes from the device.
///
/// # Errors
/// `EACCES` without `CAP_SYS_ADMIN`, `EIO` when the device does not take what is written back.
///
/// Source: `BLKFLSBUF` in linux/fs.h; block/ioctl.c.
pub fn flush(device: &File) -> io::Result<()> {
    // SAFETY: `device` keeps the descriptor open for the call; the request takes no argument.
    unsafe { raw::blkflsbuf(device.as_raw_fd()) }?;
    Ok(())
}

/// Whether there is a readable disc in an optical drive; `None` for a device that is no such drive.
///
/// # Errors
/// `EIO` when the drive does not answer.
///
/// Source: `CDROM_DRIVE_STATUS` in linux/cdrom.h: the current slot is `CDSL_CURRENT`, the answer `CDS_DISC_OK` is 4.
/// Documentation/userspace-api/ioctl/cdrom.rst.
pub fn has_disc(device: &File) -> io::Result<Option<bool>> {
    const CURRENT_SLOT: c_int = c_int::MAX;
    const DISC_OK: c_int = 4;
    // SAFETY: `device` keeps the descriptor open for the call; the argument of the request is a number, and nothing is
    // written to memory of ours.
    match unsafe { raw::cdrom_drive_status(device.as_raw_fd(), CURRENT_SLOT) } {
        Ok(status) => Ok(Some(status == DISC_OK)),
        // What a disk, a partition, a loop device, a drive of another kind, and a file that is no device say.
        Err(Errno::ENOTTY | Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The flags of a file that `chattr` shows; `None` on a file system that has none.
///
/// # Errors
/// What the kernel answers.
///
/// Source: `FS_IOC_GETFLAGS` in linux/fs.h; ioctl_iflags(2).
pub fn file_flags(file: &File) -> io::Result<Option<i32>> {
    let mut flags: c_int = 0;
    // SAFETY: `file` keeps the descriptor open for the call; the request writes one int, and `flags` is one, live and
    // exclusively borrowed.
    match unsafe { raw::fs_getflags(file.as_raw_fd(), &raw mut flags) } {
        Ok(_) => Ok(Some(flags)),
        Err(Errno::ENOTTY | Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Sets the flags of a file.
///
/// # Errors
/// `EPERM` without `CAP_LINUX_IMMUTABLE`; else what the kernel answers.
///
/// Source: `FS_IOC_SETFLAGS` in linux/fs.h; ioctl_iflags(2).
pub fn set_file_flags(file: &File, flags: i32) -> io::Result<()> {
    // SAFETY: `file` keeps the descriptor open for the call; the request reads one int, and `flags` is one, live for it.
    unsafe { raw::fs_setflags(file.as_raw_fd(), &raw const flags) }?;
    Ok(())
}

/// Tells the kernel one change of partition `number`, so that the others stay usable meanwhile.
///
/// # Errors
/// `EBUSY` when the partition overlaps another or is in use, `EINVAL` when the disk cannot be partitioned
/// this way (device mapper), `ENXIO` when it is not there, `EOVERFLOW` when a number does not fit.
///
/// Source: `BLKPG` in linux/blkpg.h; start and length are bytes.
pub fn change_partition(disk: &File, number: u32, change: Change) -> io::Result<()> {
    let (op, start, length) = match change {
        Change::Add(start, size) => (ADD_PARTITION, start, size),
        Change::Resize(start, size) => (RESIZE_PARTITION, start, size),
        Change::Delete => (DEL_PARTITION, Bytes(0), Bytes(0)),
    };
    let overflow = |_| io::Error::from_raw_os_error(nix::libc::EOVERFLOW);
    let mut partition = PartitionArg {
        start: start.0.try_into().map_err(overflow)?,
        length: length.0.try_into().map_err(overflow)?,
        pno: number.try_into().map_err(overflow)?,
        devname: [0; 64],
        volname: [0; 64],
    };
    let request = Request {
        op,
        flags: 0,
        datalen: size_of::<PartitionArg>().try_into().map_err(overflow)?,
        data: (&raw mut partition).cast(),
    };
    // SAFETY: `disk` keeps the descriptor open for the call; `request` and the `partition` it points to are
    // live for it, have the layout of linux/blkpg.h, and the kernel only reads them.
    unsafe { raw::blkpg(disk.as_raw_fd(), &raw const request) }?;
    Ok(())
}
