//! What the folders of an archive tell of the products below them, in two known layouts:
//! `Sentinel-2/MSI/L2A[_N0500]/YYYY/MM/DD` (CDSE) and `tiles/33/T/VN` (mirrors by tile).

use chrono::{Days, Months, NaiveDate};

use crate::{Level, MgrsTile, ProductId, TimeRange};

/// Which products are looked for; what is absent may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Processing level.
    pub level: Option<Level>,
    /// Tile.
    pub tile: Option<MgrsTile>,
    /// When the datatake starts, both ends included.
    pub time: TimeRange,
}

impl Wanted {
    /// Whether a product is one of them, as far as its id tells (which is all the way).
    pub fn matches(&self, id: &ProductId) -> bool {
        self.level.is_none_or(|level| level == id.level())
            && self.tile.is_none_or(|tile| tile == id.tile())
            && self.time.contains(id.datatake_start())
    }

    /// Whether a folder may hold such products, as far as the known layouts tell.
    pub fn may_be_below(&self, folder: &str) -> bool {
        let parts: Vec<&str> = folder.split('/').collect();
        if let Some([level, date @ ..]) = after_msi(&parts) {
            return self.level.is_none_or(|wanted| level.starts_with(&wanted.to_string()))
                && date_may_hold(date, &self.time);
        }
        if let (Some(wanted), Some(parts)) = (self.tile, after(&parts, "tiles")) {
            let (name, zone) = (wanted.to_string(), wanted.zone().to_string());
            let wanted = [zone.as_str(), name.get(2..3).unwrap_or(""), name.get(3..).unwrap_or("")];
            // some write the zone with two digits
            let mut pairs = parts.iter().map(|part| part.trim_start_matches('0')).zip(wanted);
            return pairs.all(|(part, wanted)| part == wanted);
        }
        true
    }

    /// Whether no folder below can be ruled out any more, so that looking into them one by one
    /// would gain nothing.
    pub fn is_settled(&self, folder: &str) -> bool {
        let any_time = self.time == TimeRange::default();
        if self.tile.is_some() {
            return false;
        }
        if self.level.is_none() && any_time {
            return true;
        }
        let parts: Vec<&str> = folder.split('/').collect();
        after_msi(&parts).is_some_and(|below| any_time || below.len() >= 4)
    }
}

fn after<'a, 'b>(parts: &'a [&'b str], name: &str) -> Option<&'a [&'b str]> {
    let at = parts.iter().rposition(|part| *part == name)?;
    parts.get(at + 1..)
}

/// Level and date, where the folder is one of CDSE's layout.
fn after_msi<'a, 'b>(parts: &'a [&'b str]) -> Option<&'a [&'b str]> {
    after(parts, "MSI").filter(|below| {
        below.first().is_some_and(|level| level.starts_with("L1C") || level.starts_with("L2A"))
    })
}

/// Whether `YYYY`, `YYYY/MM` or `YYYY/MM/DD` meets a time. A day of grace on both sides, since an
/// archive may file by another of a product's times than the datatake's start.
fn date_may_hold(date: &[&str], time: &TimeRange) -> bool {
    let number = |at: usize| date.get(at).and_then(|part| part.parse::<u32>().ok());
    let Some(year) = date.first().and_then(|part| part.parse::<i32>().ok()) else { return true };
    let (month, day) = (number(1), number(2));
    // a folder that is no date says nothing
    let Some(first) = NaiveDate::from_ymd_opt(year, month.unwrap_or(1), day.unwrap_or(1)) else {
        return true;
    };
    let next = match (month, day) {
        (Some(_), Some(_)) => first.checked_add_days(Days::new(1)),
        (Some(_), None) => first.checked_add_months(Months::new(1)),
        (None, _) => first.checked_add_months(Months::new(12)),
    };
    let last = next.and_then(|next| next.checked_sub_days(Days::new(1))).unwrap_or(first);
    let grace = Days::new(1);
    let begins = first.checked_sub_days(grace).unwrap_or(first);
    let ends = last.checked_add_days(grace).unwrap_or(last);
    time.start.is_none_or(|start| start.date_naive() <= ends)
        && time.end.is_none_or(|end| begins <= end.date_naive())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(time: &str) -> Wanted {
        Wanted { level: Some(Level::L2A), tile: "33TVN".parse().ok(), time: time.parse().unwrap() }
    }

    #[test]
    fn dates_and_levels_prune() {
        let wanted = wanted("2021-03-05/2021-03-10");
        for (folder, holds) in [
            ("anything/at/all", true),
            ("eodata/Sentinel-2", true),
            ("eodata/Sentinel-2/MSI", true),
            ("eodata/Sentinel-2/MSI/L2A", true),
            ("eodata/Sentinel-2/MSI/L2A_N0500", true),
            ("eodata/Sentinel-2/MSI/L1C", false),
            ("Sentinel-2/MSI/L2A/2021", true),
            ("Sentinel-2/MSI/L2A/2020", false),
            ("Sentinel-2/MSI/L2A/2021/03", true),
            ("Sentinel-2/MSI/L2A/2021/02", false),
            ("Sentinel-2/MSI/L2A/2021/04", false),
            ("Sentinel-2/MSI/L2A/2021/03/03", false),
            ("Sentinel-2/MSI/L2A/2021/03/04", true),
            ("Sentinel-2/MSI/L2A/2021/03/11", true),
            ("Sentinel-2/MSI/L2A/2021/03/12", false),
            ("Sentinel-2/MSI/L2A/2021/13/45", true),
            ("Sentinel-2/MSI/L2A/misc", true),
            ("L2/tiles", true),
            ("L2/tiles/33", true),
            ("L2/tiles/34", false),
            ("L2/tiles/33/T/VN", true),
            ("L2/tiles/33/T/WN", false),
        ] {
            assert_eq!(wanted.may_be_below(folder), holds, "{folder}");
        }
        assert!(Wanted::default().may_be_below("Sentinel-2/MSI/L1C/2015/07/04"));
        assert!(Wanted::default().may_be_below("L2/tiles/34"));
    }

    #[test]
    fn zones_of_one_digit_are_written_in_two_ways() {
        let wanted = Wanted { tile: "07HFE".parse().ok(), ..Wanted::default() };
        for (folder, holds) in [
            ("tiles/7/H/FE", true),
            ("L2/tiles/07/H/FE", true),
            ("tiles/07", true),
            ("tiles/17", false),
            ("tiles/70", false),
        ] {
            assert_eq!(wanted.may_be_below(folder), holds, "{folder}");
        }
    }

    #[test]
    fn year_ends_and_open_ends() {
        let holds = |folder: &str, time: &str| wanted(time).may_be_below(folder);
        assert!(holds("MSI/L2A/2020", "2021-01-01/.."));
        assert!(!holds("MSI/L2A/2019", "2021-01-01/.."));
        assert!(holds("MSI/L2A/2020/12/31", "2021-01-01/2021-01-02"));
        assert!(holds("MSI/L2A/1999", "../.."));
    }

    #[test]
    fn settled_is_where_nothing_more_can_be_ruled_out() {
        assert!(Wanted::default().is_settled(""));
        assert!(!wanted("../..").is_settled("MSI/L2A/2021/03/04"));
        let level = Wanted { level: Some(Level::L2A), ..Wanted::default() };
        assert!(!level.is_settled("Sentinel-2/MSI") && level.is_settled("Sentinel-2/MSI/L2A"));
        let time = Wanted { time: "2021-03".parse().unwrap(), ..Wanted::default() };
        assert!(!time.is_settled("MSI/L2A/2021/03") && time.is_settled("MSI/L2A/2021/03/04"));
        assert!(!time.is_settled("some/other/layout/entirely"));
    }
}
