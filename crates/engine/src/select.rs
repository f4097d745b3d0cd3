//! The steps of a cube that a request wants.

use chrono::{DateTime, TimeDelta, Utc};
use cubeflight_catalog::Steps;
use cubeflight_sentinel2::{CubeRequest, GroupBy, TimeRange};

use crate::{Error, Result};

/// The period whose products can be in the steps that are wanted; `None` where there is none.
///
/// The steps in it are the same as in the whole period: a step has the products of one datatake start,
/// or those of one solar day.
pub(crate) fn period(request: &CubeRequest) -> Option<TimeRange> {
    let times = &request.delivery.times;
    let (Some(first), Some(last)) = (times.first(), times.last()) else {
        return Some(request.time);
    };
    let around = match request.group_by {
        GroupBy::Datatake => TimeDelta::zero(),
        GroupBy::SolarDay => TimeDelta::days(1),
    };
    let first = first.checked_sub_signed(around).unwrap_or(*first);
    let last = last.checked_add_signed(around).unwrap_or(*last);
    let start = request.time.start.map_or(first, |start| start.max(first));
    let end = request.time.end.map_or(last, |end| end.min(last));
    TimeRange::new(Some(start), Some(end)).ok()
}

/// Leaves the steps of these times; of none all of them.
///
/// # Errors
/// A time that no step has.
pub(crate) fn select(steps: &mut Steps, times: &[DateTime<Utc>]) -> Result<()> {
    if times.is_empty() {
        return Ok(());
    }
    steps.steps.retain(|step| times.binary_search(&step.time).is_ok());
    let has =
        |time: &DateTime<Utc>| steps.steps.binary_search_by_key(time, |step| step.time).is_ok();
    let unknown: Vec<_> = times.iter().filter(|time| !has(time)).copied().collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Error::UnknownTimes { times: unknown })
}

#[cfg(test)]
mod tests {
    use cubeflight_catalog::TimeStep;

    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn steps() -> Steps {
        let times = ["2021-01-03T10:14:11Z", "2021-01-05T10:04:01Z", "2021-01-08T10:13:59Z"];
        let step = |text| TimeStep { time: time(text), parts: Vec::new() };
        Steps { steps: times.map(step).to_vec(), omitted: Vec::new() }
    }

    #[test]
    fn steps_are_those_listed() {
        let selected = |times: &[&str]| {
            let times: Vec<_> = times.iter().map(|text| time(text)).collect();
            let mut steps = steps();
            select(&mut steps, &times).map(|()| {
                let times = steps.steps.iter().map(|step| step.time.format("%d").to_string());
                times.collect::<Vec<_>>().join(" ")
            })
        };
        assert_eq!(selected(&[]).unwrap(), "03 05 08");
        assert_eq!(selected(&["2021-01-05T10:04:01Z"]).unwrap(), "05");
        assert_eq!(selected(&["2021-01-03T10:14:11Z", "2021-01-08T10:13:59Z"]).unwrap(), "03 08");
        // a second, or less, beside a step
        for wrong in ["2021-01-05T10:04:02Z", "2021-01-05T10:04:01.5Z"] {
            let error = selected(&["2021-01-03T10:14:11Z", wrong]).unwrap_err();
            assert_eq!(error.code(), "CF-ENG-004");
            assert!(error.to_string().contains(wrong.trim_end_matches("5Z")), "{error}");
            assert!(!error.to_string().contains("10:14:11"), "{error}");
        }
    }

    #[test]
    fn many_unknown_times_make_no_long_text() {
        let first = time("2021-02-01T00:00:00Z");
        let times: Vec<_> = (0..3000).map(|n| first + TimeDelta::seconds(n)).collect();
        let error = select(&mut steps(), &times).unwrap_err().to_string();
        assert!(error.len() < 300 && error.contains("2021-02-01T00:00:02Z"), "{error}");
        assert!(error.contains("2997 more"), "{error}");
    }
}
