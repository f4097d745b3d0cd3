//! Reading damaged Parquet files without ending the task.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `read`; the error is what it panicked with.
///
/// The Parquet reader asserts some of what a file's footer says (`column start and length should
/// not be negative`), so that a flipped bit panics. Nothing outlives `read` but its result.
pub(crate) fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "the parquet reader gave up".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::guarded;

    #[test]
    fn panics_become_text() {
        assert_eq!(guarded(|| 1), Ok(1));
        let number = 1;
        let panics: Result<(), String> = guarded(|| panic!("number {number}"));
        assert_eq!(panics, Err("number 1".to_owned()));
        let panics: Result<(), String> = guarded(|| panic!("plain"));
        assert_eq!(panics, Err("plain".to_owned()));
    }
}
