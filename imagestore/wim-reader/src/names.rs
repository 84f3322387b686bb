//! Names: UTF-16 with any halves of surrogate pairs in images and in the protocol; WTF-8 in wimlib
//! on Unix, the same UTF-16 on Windows.

#[cfg(unix)]
mod wtf8;

use wim_protocol::Units;
use wimlib_sys::wimlib_tchar;

/// A string for wimlib, with the zero at its end.
#[cfg(unix)]
pub type Name = std::borrow::Cow<'static, std::ffi::CStr>;
/// A string for wimlib, with the zero at its end.
#[cfg(windows)]
pub type Name = Vec<u16>;

/// For wimlib; None when there is a zero in it, which no name of an image has.
#[cfg(unix)]
pub fn to_units(text: &[wimlib_tchar]) -> Units {
    let bytes: Vec<u8> = text.iter().map(|byte| byte.cast_unsigned()).collect();
    wtf8::decode(&bytes)
}

/// From wimlib. Its paths have `\` on Windows.
#[cfg(windows)]
pub fn to_units(text: &[wimlib_tchar]) -> Units {
    let slash = |unit: &u16| if *unit == u16::from(b'\\') { u16::from(b'/') } else { *unit };
    text.iter().map(slash).collect()
}

/// For wimlib; None when there is a zero in it, which no name of an image has.
#[cfg(unix)]
pub fn from_units(units: &[u16]) -> Option<Name> {
    std::ffi::CString::new(wtf8::encode(units)).ok().map(Name::Owned)
}

/// For wimlib; None when there is a zero in it, which no name of an image has.
#[cfg(windows)]
pub fn from_units(units: &[u16]) -> Option<Name> {
    (!units.contains(&0)).then(|| units.iter().copied().chain([0]).collect())
}
