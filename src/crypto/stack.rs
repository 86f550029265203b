//! What calculations leave on the stack, where nothing can zero it by name.

/// Runs `work`, and overwrites the part of the stack that it used, of so many bytes: what moves and temporaries left there
/// would otherwise come along in the unused parts of whatever is moved to the heap from there later, such as a future.
///
/// What `work` returns must not hold a secret by value.
pub(super) fn cleared<const LEN: usize, T>(work: impl FnOnce() -> T) -> T {
    let result = apart(work);
    overwrite::<LEN>();
    result
}

/// Below the frame of the caller, where `overwrite` is afterwards.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn overwrite<const LEN: usize>() {
    std::hint::black_box(&mut [0_u8; LEN]);
}

/// More than key schedules and HKDF use, in bytes. Without optimization each layer moves them once more.
pub(super) const KEYS_LEN: usize = if cfg!(debug_assertions) { 128 * 1024 } else { 16 * 1024 };
