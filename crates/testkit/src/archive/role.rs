//! Which steps of an archive are less than tidy, and how.

use super::config::Config;
use crate::{Error, Result};

/// What a step is made of, one for each number of [`Extras`](super::Extras).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Plain,
    Duplicate,
    Superseded,
    Split,
    Disjoint,
    Edge,
    LostArea,
    Unofficial,
    WithoutAssets,
    MissingAsset,
}

impl Role {
    /// The name of the extra.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Duplicate => Some("duplicates"),
            Self::Superseded => Some("superseded"),
            Self::Split => Some("split_datastrips"),
            Self::Disjoint => Some("disjoint_datastrips"),
            Self::Edge => Some("swath_edges"),
            Self::LostArea => Some("lost_areas"),
            Self::Unofficial => Some("unofficial"),
            Self::WithoutAssets => Some("without_assets"),
            Self::MissingAsset => Some("missing_assets"),
        }
    }
}

/// Which step is what, each kind evenly over the time.
pub(super) fn roles(config: &Config) -> Result<Vec<Role>> {
    let extras = config.extras;
    let mut roles = vec![Role::Plain; config.steps];
    let wanted = [
        (Role::Duplicate, extras.duplicates),
        (Role::Superseded, extras.superseded),
        (Role::Split, extras.split_datastrips),
        (Role::Edge, extras.swath_edges),
        (Role::LostArea, extras.lost_areas),
        (Role::Disjoint, extras.disjoint_datastrips),
        (Role::Unofficial, extras.unofficial),
        (Role::WithoutAssets, extras.without_assets),
        (Role::MissingAsset, extras.missing_assets),
    ];
    for (role, count) in wanted {
        for nth in 0..count {
            // spread out, then on to the next step that is free
            let first = nth.saturating_mul(config.steps) / count;
            let free = (0..config.steps)
                .map(|away| (first + away) % config.steps)
                .find(|step| roles.get(*step) == Some(&Role::Plain));
            let Some(slot) = free.and_then(|step| roles.get_mut(step)) else {
                let reason = format!("only {} steps, and none has two extras", config.steps);
                return Err(Error::option("extras", &count.to_string(), reason));
            };
            *slot = role;
        }
    }
    Ok(roles)
}
