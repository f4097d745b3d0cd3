//! Flags of tickets and of where they are redeemed.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use cubeflight_flight::{Issuing, Location, Locations, TicketKeys};

use crate::error::CliError;

/// Bytes of a file of keys, at most.
const MAX_KEY_FILE: u64 = 64 * 1024;

/// What tickets are and where they are redeemed.
#[derive(Debug, Clone, Args)]
pub(crate) struct TicketArgs {
    /// Keys that sign tickets: lines with a name and 64 hexadecimal digits (openssl rand -hex 32). The
    /// first signs, all verify. All replicas need the same. Default: a random key, so that tickets end
    /// with the server
    #[arg(long, value_name = "FILE", env = "CUBEFLIGHT_TICKET_KEYS")]
    ticket_keys: Option<PathBuf>,

    /// How long a ticket is valid
    #[arg(
        long,
        default_value_t = 3_600,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u32).range(1..=31_536_000),
        env = "CUBEFLIGHT_TICKET_SECONDS"
    )]
    ticket_seconds: u32,

    /// Endpoints that a cube is divided among, by calendar months, where a request does not say it
    #[arg(
        long,
        default_value_t = 1,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=64),
        env = "CUBEFLIGHT_ENDPOINTS"
    )]
    endpoints: u32,

    /// A replica, this server included, as clients reach it: grpc://host:port or grpc+tls://host:port.
    /// Repeat it, or part several by commas
    #[arg(
        long = "location",
        value_name = "URL",
        value_delimiter = ',',
        env = "CUBEFLIGHT_LOCATIONS"
    )]
    locations: Vec<Location>,

    /// A name whose addresses are those of the replicas, asked for again every ten seconds:
    /// grpc://cubeflight-headless:50051
    #[arg(long, value_name = "URL", conflicts_with = "locations", env = "CUBEFLIGHT_LOCATION_DNS")]
    location_dns: Option<Location>,
}

impl TicketArgs {
    /// Reads the keys.
    pub(crate) fn issuing(&self) -> Result<Issuing, CliError> {
        let keys = match &self.ticket_keys {
            Some(file) => self.read(file)?,
            None if self.locations.is_empty() && self.location_dns.is_none() => own_key()?,
            None => {
                return Err(CliError::usage(
                    "replicas redeem each other's tickets, so --location needs --ticket-keys",
                ));
            }
        };
        let locations = match &self.location_dns {
            Some(name) => Locations::named(name.clone()),
            None => Locations::listed(&self.locations)
                .map_err(|error| CliError::usage(&error.to_string()))?,
        };
        Ok(Issuing {
            keys,
            lifetime: Duration::from_secs(self.ticket_seconds.into()),
            endpoints: self.endpoints as usize,
            locations,
        })
    }

    fn read(&self, file: &std::path::Path) -> Result<TicketKeys, CliError> {
        let failed = |reason: &dyn std::fmt::Display| {
            CliError::usage(&format!("--ticket-keys {}: {reason}", file.display()))
        };
        let length = std::fs::metadata(file).map_err(|error| failed(&error))?.len();
        if length > MAX_KEY_FILE {
            return Err(failed(&"the file is too long"));
        }
        let text = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
        TicketKeys::parse(&text).map_err(|error| failed(&error))
    }
}

/// A key that ends with this process.
pub(crate) fn own_key() -> Result<TicketKeys, CliError> {
    TicketKeys::random().map_err(|error| CliError::usage(&error.to_string()))
}
