//! The name under which programs that are linked with the library look for it.

fn main() {
    // One until an incompatible change of the interface; the Makefile installs it under this name.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libvhost_accel.so.0");
    println!("cargo::rerun-if-changed=build.rs");
}
