//! Endpoints: contiguous parts of a cube, divided between calendar months.

use std::ops::Range;

use arrow_flight::{FlightEndpoint, Ticket};
use chrono::{DateTime, Datelike, Utc};
use cubeflight_catalog::TimeStep;
use cubeflight_engine::Resolved;
use cubeflight_plan::{CostModel, PlannedColumn, PlannedStep};
use cubeflight_proto::v1::ticket::Content;
use cubeflight_sentinel2::CubeRequest;
use serde_json::json;
use tonic::Status;

use crate::CubeFlight;
use crate::caller::Caller;
use crate::locations::preferred;
use crate::ticket::{CubePart, cube_ticket};

/// Endpoints that a request may ask for.
pub(crate) const MAX_ENDPOINTS: u32 = 64;

impl CubeFlight {
    /// The endpoints of a cube, at most `most` of them as long as their tickets are not too long. A
    /// cube without steps has one.
    pub(crate) async fn endpoints(
        &self,
        caller: &Caller,
        request: &CubeRequest,
        resolved: &Resolved,
        most: usize,
    ) -> Result<Vec<FlightEndpoint>, Status> {
        let steps: Vec<(DateTime<Utc>, u64)> =
            resolved.plan.steps.iter().map(|step| (step.time, cost_of(step))).collect();
        let replicas = self.locations().all().await;
        let mut endpoints = Vec::new();
        for slice in slices(&steps, most) {
            self.endpoint(caller, request, resolved, slice, &replicas, &mut endpoints)?;
        }
        Ok(endpoints)
    }

    /// Adds the endpoint of some steps, or two where its ticket would be too long.
    fn endpoint(
        &self,
        caller: &Caller,
        request: &CubeRequest,
        resolved: &Resolved,
        slice: Range<usize>,
        replicas: &[String],
        endpoints: &mut Vec<FlightEndpoint>,
    ) -> Result<(), Status> {
        let steps: &[TimeStep] = resolved.steps.get(slice.clone()).unwrap_or_default();
        let part = CubePart {
            request: request.clone(),
            steps: steps.to_vec(),
            // so that its part is read as it was planned with all others
            cost: CostModel { gap: resolved.plan.gap, ..resolved.cost },
            first_step: slice.start,
            total_steps: resolved.steps.len(),
            row_blocks: u32::from(resolved.plan.layout.blocks),
        };
        let sealed = self.sealer().seal(&caller.tenant, Content::Cube(cube_ticket(&part)));
        let (ticket, expires) = match sealed {
            Err(_) if slice.len() > 1 => {
                let middle = slice.start + slice.len() / 2;
                let halves = [slice.start..middle, middle..slice.end];
                return halves.into_iter().try_for_each(|half| {
                    self.endpoint(caller, request, resolved, half, replicas, endpoints)
                });
            }
            sealed => sealed?,
        };
        let first = steps.first().map_or(DateTime::UNIX_EPOCH, |step| step.time);
        let mut endpoint = FlightEndpoint::new()
            .with_ticket(Ticket::new(ticket))
            .with_expiration_time(timestamp(expires))
            .with_app_metadata(
                json!({ "firstStep": slice.start, "steps": slice.len() }).to_string(),
            );
        for uri in preferred(replicas, request.level.collection(), request.tile, first) {
            endpoint = endpoint.with_location(uri);
        }
        endpoints.push(endpoint);
        Ok(())
    }
}

pub(crate) fn timestamp(time: DateTime<Utc>) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.timestamp(), nanos: 0 }
}

/// What a step costs, about: the bytes that are read, which is what decoding takes as well.
fn cost_of(step: &PlannedStep) -> u64 {
    let bytes = |column: &PlannedColumn| match column {
        PlannedColumn::Read(read) => {
            let ranges = read.groups.iter().flat_map(|group| &group.ranges);
            ranges.map(|range| range.end - range.start).sum()
        }
        PlannedColumn::Scan(file) => file.size.unwrap_or(1),
        PlannedColumn::Fault(_) => 0,
    };
    step.planned().map(bytes).sum::<u64>().max(1)
}

/// Steps in ascending time as contiguous parts, at most `most`, that begin with a calendar month; the
/// most expensive one is as cheap as it can be.
fn slices(steps: &[(DateTime<Utc>, u64)], most: usize) -> Vec<Range<usize>> {
    let mut months: Vec<(Range<usize>, u64)> = Vec::new();
    let month = |time: DateTime<Utc>| (time.year(), time.month());
    for (position, (time, cost)) in steps.iter().enumerate() {
        let begins = position == 0
            || steps.get(position - 1).is_none_or(|(before, _)| month(*before) != month(*time));
        match months.last_mut() {
            Some((range, sum)) if !begins => {
                range.end = position + 1;
                *sum = sum.saturating_add(*cost);
            }
            _ => months.push((position..position + 1, *cost)),
        }
    }
    let mut low = months.iter().map(|(_, cost)| *cost).max().unwrap_or_default();
    let mut high = months.iter().fold(0u64, |sum, (_, cost)| sum.saturating_add(*cost));
    // the smallest limit under which they are enough
    while low < high {
        let middle = low + (high - low) / 2;
        match merged(&months, middle).len() <= most.max(1) {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    match merged(&months, high) {
        parts if parts.is_empty() => vec![Range::default()],
        parts => parts,
    }
}

/// Neighbours together as long as they cost no more than a limit.
fn merged(months: &[(Range<usize>, u64)], limit: u64) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut sum = 0u64;
    for (range, cost) in months {
        match parts.last_mut() {
            Some(part) if sum.saturating_add(*cost) <= limit => {
                part.end = range.end;
                sum = sum.saturating_add(*cost);
            }
            _ => {
                parts.push(range.clone());
                sum = *cost;
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(day: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + chrono::TimeDelta::days(day)
    }

    #[test]
    fn months_are_merged_until_they_are_few_enough() {
        let year: Vec<_> = (0..365).step_by(5).map(|day| (at(day), 10)).collect();
        assert_eq!(slices(&year, 1), std::slice::from_ref(&(0..73)));
        assert_eq!(slices(&year, 64).len(), 12);
        assert_eq!(slices(&year, 4), [0..18, 18..37, 37..55, 55..73]);
        assert_eq!(slices(&[], 3), std::slice::from_ref(&(0..0)));
        // an expensive month stands alone
        let heavy: Vec<_> =
            [(5, 10), (40, 1_000), (70, 10), (100, 10)].map(|(d, c)| (at(d), c)).into();
        assert_eq!(slices(&heavy, 3), [0..1, 1..2, 2..4]);
    }

    proptest! {
        #[test]
        fn parts_follow_each_other_and_divide_no_month(
            days in prop::collection::btree_set(0i64..2_000, 0..80),
            costs in prop::collection::vec(1u64..1_000_000, 80),
            most in 0usize..20,
        ) {
            let steps: Vec<_> = days.into_iter().map(at).zip(costs).collect();
            let parts = slices(&steps, most);
            prop_assert!(parts.len() <= most.max(1));
            let mut next = 0;
            for part in &parts {
                prop_assert_eq!(part.start, next);
                next = part.end;
                let month = |position: usize| {
                    let (time, _) = steps[position];
                    (time.year(), time.month())
                };
                if part.start > 0 {
                    prop_assert_ne!(month(part.start - 1), month(part.start));
                }
            }
            prop_assert_eq!(next, steps.len());
        }
    }
}
