#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| docbox::fuzzing::keys(data));
