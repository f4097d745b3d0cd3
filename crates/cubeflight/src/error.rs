//! What a command ends with when it fails.

use std::fmt;

use cubeflight_proto::errors::{Place, text};

/// A failed command: its text as it stands on stderr, and how the process ends.
#[derive(Debug)]
pub(crate) struct CliError {
    text: String,
    exit_code: u8,
}

impl CliError {
    /// A coded error: exit 1.
    pub(crate) fn coded(code: &str, error: &dyn fmt::Display) -> Self {
        Self { text: text(code, &error.to_string(), Place::default()), exit_code: 1 }
    }

    /// The command cannot do what it was asked: exit 2, as for wrong flags.
    pub(crate) fn usage(message: &str) -> Self {
        Self { text: text("CF-CLI-001", message, Place::default()), exit_code: 2 }
    }

    /// A local file could not be written, or a local resource is missing.
    pub(crate) fn write(what: &str, error: &dyn fmt::Display) -> Self {
        Self::coded("CF-CLI-002", &format!("cannot {what}: {error}"))
    }

    /// What a server answered; its text has a code already.
    pub(crate) fn server(status: &tonic::Status) -> Self {
        if status.message().starts_with("CF-") {
            return Self { text: status.message().to_owned(), exit_code: 1 };
        }
        let message = format!("server answered {}: {}", status.code(), status.message());
        Self::coded("CF-CLI-004", &message)
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

macro_rules! coded {
    ($($error:ty),+) => {
        $(impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                Self::coded(error.code(), &error)
            }
        })+
    };
}

#[cfg(feature = "demo")]
coded!(cubeflight_testkit::Error);
coded!(
    cubeflight_catalog::Error,
    cubeflight_jp2::Error,
    cubeflight_storage::Error,
    cubeflight_index::Error,
    cubeflight_proto::Error,
    cubeflight_sentinel2::Error
);

impl From<cubeflight_engine::Error> for CliError {
    fn from(error: cubeflight_engine::Error) -> Self {
        Self { text: cubeflight_flight::error_text(&error), exit_code: 1 }
    }
}

#[cfg(all(test, feature = "demo"))]
mod tests {
    use cubeflight_proto::errors::TABLE;

    #[test]
    fn the_table_has_exactly_the_codes_of_the_testkit() {
        let listed = TABLE.iter().map(|entry| entry.code);
        let listed: Vec<&str> = listed.filter(|code| code.starts_with("CF-TST-")).collect();
        assert_eq!(listed, cubeflight_testkit::Error::CODES);
    }
}
