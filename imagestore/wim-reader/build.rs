//! Names the system libraries that wimlib calls on Windows; its own build names none.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_CFG_WINDOWS").is_some() {
        for library in ["advapi32", "ntdll", "user32", "ole32"] {
            println!("cargo::rustc-link-arg=-l{library}");
        }
    }
}
