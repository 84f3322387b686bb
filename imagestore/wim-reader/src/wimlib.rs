//! wimlib behind an interface that the rest of this program cannot misuse.
//!
//! The one module with unsafe code for the library: every call into it is foreign. A handle is
//! freed once, pointers that a callback is handed are read before it returns, and strings go in
//! with a zero at their end.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::io;
use std::{mem, ptr, slice};

use thiserror::Error;
use wim_protocol::{Entry, Image, ProtocolError, Stream};
use wimlib_sys as sys;
use wimlib_sys::wimlib_tchar;

use crate::names::{Name, to_units};

/// Why an image does not read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// wimlib reports an error of its own.
    #[error("{0}")]
    Wimlib(String),
    /// The request or the answer.
    #[error("netbootd-wim: {0}")]
    Protocol(#[from] ProtocolError),
    /// The request or the answer.
    #[error("netbootd-wim: {0}")]
    Io(#[from] io::Error),
    /// The process cannot give up what it must not have.
    #[error("netbootd-wim cannot give up its rights: {0}")]
    Sandbox(String),
    /// The request speaks of what the image does not have.
    #[error("netbootd-wim: {0}")]
    Request(&'static str),
}

/// An open image file with its further parts.
#[derive(Debug)]
pub(crate) struct Wim(ptr::NonNull<sys::WIMStruct>);

/// Prepares the library, once and before the sandbox: it looks at the processor and the
/// environment. With `complains` it says on standard error what is wrong with an image.
pub fn initialize(complains: bool) -> Result<(), ReadError> {
    let flags = sys::WIMLIB_INIT_FLAG_DEFAULT_CASE_SENSITIVE | sys::WIMLIB_INIT_FLAG_DONT_ACQUIRE_PRIVILEGES;
    // SAFETY: it takes numbers, and no other thread runs.
    check(unsafe { sys::wimlib_global_init(flags.cast_signed()) })?;
    // SAFETY: as above.
    check(unsafe { sys::wimlib_set_print_errors(complains) })
}

impl Wim {
    /// Opens an image file; `parts` begins with the one that has the images.
    pub(crate) fn open(parts: &[Name], check_integrity: bool) -> Result<Self, ReadError> {
        let [first, others @ ..] = parts else { return Err(ReadError::Request("no image")) };
        let flags = if check_integrity { sys::WIMLIB_OPEN_FLAG_CHECK_INTEGRITY } else { 0 };
        let mut wim = ptr::null_mut();
        // SAFETY: the path ends with a zero, and `wim` is written to before the call returns.
        check(unsafe { sys::wimlib_open_wim(first.as_ptr(), flags.cast_signed(), &raw mut wim) })?;
        let wim = Wim(ptr::NonNull::new(wim).ok_or(ReadError::Request("no handle"))?);
        if !others.is_empty() {
            let paths: Vec<*const wimlib_tchar> = others.iter().map(|path| path.as_ptr()).collect();
            // There are at most MAX_PARTS of them.
            let count = u32::try_from(paths.len()).unwrap_or_default();
            // SAFETY: `count` paths, each with a zero at its end, which live until the call
            // returns.
            check(unsafe {
                sys::wimlib_reference_resource_files(
                    wim.0.as_ptr(),
                    paths.as_ptr(),
                    count,
                    0,
                    flags.cast_signed(),
                )
            })?;
        }
        Ok(wim)
    }

    /// The images in it.
    pub(crate) fn images(&self) -> Result<Vec<Image>, ReadError> {
        // SAFETY: a struct of numbers, for which zeros are a value.
        let mut info: sys::wimlib_wim_info = unsafe { mem::zeroed() };
        // SAFETY: the handle is open, and `info` is written to.
        check(unsafe { sys::wimlib_get_wim_info(self.0.as_ptr(), &raw mut info) })?;
        let image = |index: u32| Image {
            index,
            boot: index == info.boot_index,
            architecture: self
                .property(index, "WINDOWS/ARCH")
                .and_then(|text| String::from_utf16(&text).ok()?.trim().parse().ok())
                .unwrap_or(Image::UNKNOWN),
            name: self.property(index, "NAME").unwrap_or_default(),
            installation: self.property(index, "WINDOWS/INSTALLATIONTYPE").unwrap_or_default(),
        };
        Ok((1..=info.image_count).map(image).collect())
    }

    fn property(&self, image: u32, name: &'static str) -> Option<Vec<u16>> {
        let name = crate::from_units(&name.encode_utf16().collect::<Vec<_>>())?;
        // SAFETY: the handle is open, the name ends with a zero; the answer lives as long as the
        // handle does.
        unsafe {
            let text = sys::wimlib_get_image_property(self.0.as_ptr(), image.cast_signed(), name.as_ptr());
            units(text)
        }
    }

    /// Tells of a path, and with `recursive` of all below it. An error of `each` ends it.
    pub(crate) fn each_entry(
        &self,
        image: u32,
        path: &Name,
        recursive: bool,
        each: &mut dyn FnMut(Entry) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let mut visit = Visit { image, each, failed: None };
        let flags = if recursive { sys::WIMLIB_ITERATE_DIR_TREE_FLAG_RECURSIVE } else { 0 };
        // SAFETY: the handle is open, the path ends with a zero, and `visit` outlives the call,
        // which hands it to `on_entry` alone.
        let code = unsafe {
            sys::wimlib_iterate_dir_tree(
                self.0.as_ptr(),
                image.cast_signed(),
                path.as_ptr(),
                flags.cast_signed(),
                Some(on_entry),
                (&raw mut visit).cast(),
            )
        };
        match visit.failed {
            Some(error) => Err(error),
            None => check(code),
        }
    }

    /// Writes a file's bytes to the process's descriptor 1, and compares them with their checksum
    /// at the end.
    pub(crate) fn extract(&self, image: u32, path: &Name) -> Result<(), ReadError> {
        let target = crate::from_units(&[u16::from(b'.')]).ok_or(ReadError::Request("no target"))?;
        let paths = [path.as_ptr()];
        // SAFETY: the handle is open, both strings end with a zero, and there is one path.
        check(unsafe {
            sys::wimlib_extract_paths(
                self.0.as_ptr(),
                image.cast_signed(),
                target.as_ptr(),
                paths.as_ptr(),
                paths.len(),
                sys::WIMLIB_EXTRACT_FLAG_TO_STDOUT.cast_signed(),
            )
        })
    }

    /// Reads everything and compares it with the checksums.
    pub(crate) fn verify(&self) -> Result<(), ReadError> {
        // SAFETY: the handle is open.
        check(unsafe { sys::wimlib_verify_wim(self.0.as_ptr(), 0) })
    }
}

impl Drop for Wim {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and nobody else has it.
        unsafe { sys::wimlib_free(self.0.as_ptr()) };
    }
}

/// wimlib's decompressor of one compression and chunk size.
#[derive(Debug)]
pub(crate) struct Decompressor(ptr::NonNull<sys::wimlib_decompressor>);

impl Decompressor {
    pub(crate) fn new(compression: u32, chunk: u32) -> Result<Self, ReadError> {
        let mut made = ptr::null_mut();
        // SAFETY: two numbers, which the library checks, and a place that is written to before the
        // call returns.
        check(unsafe { sys::wimlib_create_decompressor(compression, chunk as usize, &raw mut made) })?;
        Ok(Decompressor(ptr::NonNull::new(made).ok_or(ReadError::Request("no decompressor"))?))
    }

    /// Unpacks one chunk, whose length is that of `to`.
    pub(crate) fn decompress(&mut self, from: &[u8], to: &mut [u8]) -> Result<(), ReadError> {
        // SAFETY: both buffers are as long as is said; a `to` longer than a chunk is refused.
        let code = unsafe {
            sys::wimlib_decompress(
                from.as_ptr().cast(),
                from.len(),
                to.as_mut_ptr().cast(),
                to.len(),
                self.0.as_ptr(),
            )
        };
        if code == 0 { Ok(()) } else { Err(ReadError::Request("a damaged chunk")) }
    }
}

impl Drop for Decompressor {
    fn drop(&mut self) {
        // SAFETY: it was made above, and nobody else has it.
        unsafe { sys::wimlib_free_decompressor(self.0.as_ptr()) };
    }
}

/// The state of a walk through an image.
struct Visit<'a> {
    image: u32,
    each: &'a mut dyn FnMut(Entry) -> Result<(), ReadError>,
    failed: Option<ReadError>,
}

/// # Safety
/// wimlib calls it with an entry that lives until it returns, and with the [`Visit`] of the walk.
unsafe extern "C" fn on_entry(entry: *const sys::wimlib_dir_entry, visit: *mut c_void) -> c_int {
    // SAFETY: the pointer came from `each_entry`, which waits for the walk to end.
    let visit = unsafe { &mut *visit.cast::<Visit<'_>>() };
    // SAFETY: wimlib has filled the entry in.
    let entry = unsafe { of_entry(visit.image, &*entry) };
    match (visit.each)(entry) {
        Ok(()) => 0,
        Err(error) => {
            visit.failed = Some(error);
            STOP
        }
    }
}

/// # Safety
/// The entry's pointers are null or lead to strings with a zero at their end, and as many named
/// streams follow as it says.
unsafe fn of_entry(image: u32, entry: &sys::wimlib_dir_entry) -> Entry {
    // SAFETY: the unnamed stream is always there, the named ones follow it.
    let (unnamed, named) = unsafe {
        let first = entry.streams.as_ptr();
        (&*first, slice::from_raw_parts(first.add(1), entry.num_named_streams as usize))
    };
    let resource = &unnamed.resource;
    let offset = match resource.packed() {
        1 => (resource.raw_resource_offset_in_wim, resource.offset),
        _ => (resource.offset, 0),
    };
    Entry {
        image,
        attributes: entry.attributes,
        reparse_tag: entry.reparse_tag,
        links: entry.num_links,
        link_group: entry.hard_link_group_id,
        size: resource.uncompressed_size,
        offset,
        sha1: resource.sha1_hash,
        // SAFETY: as promised above.
        path: unsafe { units(entry.full_path) }.unwrap_or_default(),
        streams: named
            .iter()
            .map(|stream| Stream {
                // SAFETY: as promised above.
                name: unsafe { units(stream.stream_name) }.unwrap_or_default(),
                size: stream.resource.uncompressed_size,
            })
            .collect(),
    }
}

/// # Safety
/// The pointer is null, or leads to a string with a zero at its end.
unsafe fn units(text: *const wimlib_tchar) -> Option<Vec<u16>> {
    if text.is_null() {
        return None;
    }
    let mut length = 0;
    // SAFETY: no place behind the zero is looked at.
    while unsafe { *text.add(length) } != 0 {
        length += 1;
    }
    // SAFETY: the string has this many characters before its zero.
    Some(to_units(unsafe { slice::from_raw_parts(text, length) }))
}

fn check(code: c_int) -> Result<(), ReadError> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: it takes any number, and gives a string that is never freed.
    let text = unsafe { units(sys::wimlib_get_error_string(code.cast_unsigned())) };
    Err(ReadError::Wimlib(String::from_utf16_lossy(&text.unwrap_or_default())))
}

/// A walk ends with any number that is not 0; wimlib's own are positive.
const STOP: c_int = -1;
