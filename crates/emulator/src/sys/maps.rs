//! /proc/PID/maps.

use std::ffi::CStr;
use std::fs::File;
use std::io::Read;

/// Whether the `len` bytes at `start` touch a mapping of a file whose name begins with `name`, by
/// the text at `maps`. Does not allocate.
pub(crate) fn maps_file(maps: &CStr, start: u64, len: u64, name: &[u8]) -> bool {
    let Ok(file) = super::fs::open(maps, libc::O_RDONLY) else {
        return false;
    };
    let mut file = File::from(file);
    let end = start.saturating_add(len);
    let mut buffer = [0; 4096];
    let mut filled = 0;
    loop {
        match file.read(&mut buffer[filled..]) {
            Ok(0) | Err(_) => return false,
            Ok(more) => filled += more,
        }
        let mut line_start = 0;
        while let Some(line_len) = buffer[line_start..filled].iter().position(|&byte| byte == b'\n')
        {
            let line = &buffer[line_start..line_start + line_len];
            if let Some((from, to, path)) = parse(line)
                && from < end
                && start < to
                && path.starts_with(name)
            {
                return true;
            }
            line_start += line_len + 1;
        }
        buffer.copy_within(line_start..filled, 0);
        filled -= line_start;
        if filled == buffer.len() {
            // A line longer than the buffer: some other file's path.
            filled = 0;
        }
    }
}

/// `from-to perms offset dev inode   path`, in hexadecimal.
fn parse(line: &[u8]) -> Option<(u64, u64, &[u8])> {
    let line = std::str::from_utf8(line).ok()?;
    let (range, rest) = line.split_once(' ')?;
    let (from, to) = range.split_once('-')?;
    let path = rest.splitn(5, ' ').nth(4)?.trim_start();
    Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?, path.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_apart() {
        let line = b"7f00-8f00 rw-s 10000000000 00:01 1027    /memfd:vhost-accel (deleted)";
        let want: &[u8] = b"/memfd:vhost-accel (deleted)";
        assert_eq!(parse(line), Some((0x7f00, 0x8f00, want)));
        let empty: &[u8] = b"";
        assert_eq!(parse(b"7f00-8f00 rw-p 00000000 00:00 0 "), Some((0x7f00, 0x8f00, empty)));
    }

    #[test]
    fn a_mapping_of_this_program_is_found_by_any_of_its_bytes() {
        let here = lines_come_apart as fn() as usize as u64;
        let exe = std::env::current_exe().unwrap();
        let name = exe.as_os_str().as_encoded_bytes();
        assert!(maps_file(c"/proc/self/maps", here, 1, name));
        assert!(!maps_file(c"/proc/self/maps", here, 1, b"/memfd:"));
        assert!(!maps_file(c"/proc/self/maps", 0, 4096, name));
    }
}
