//! What goes wrong on purpose, and when.

use std::sync::Mutex;
use std::time::Duration;

use super::pace::lock;

/// What a request meets. All faults come after the signature and the limits have been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It is answered with an error and not carried out.
    Status {
        /// 400 to 599.
        status: u16,
        /// Seconds in `Retry-After`, if any.
        retry_after: Option<u32>,
    },
    /// The connection is reset (RST) in the body; a request whose response has no body is carried
    /// out and never answered.
    Reset {
        /// Bytes of the body that are sent before; half of it if not said.
        bytes: Option<u64>,
    },
    /// The body ends before its `Content-Length`, the connection is closed in good order; a request
    /// whose response has no body is carried out and never answered.
    Short {
        /// Bytes of the body that are sent before; half of it if not said.
        bytes: Option<u64>,
    },
    /// It is carried out, and then nothing comes: until the client leaves, the server stops or the
    /// time is over, when the connection is closed.
    Hang {
        /// The time.
        at_most: Duration,
    },
    /// GetObject and HeadObject answer from the state before the last write or delete of the key
    /// through this server: old bytes with the old ETag, or 404. Without such a write, nothing.
    Stale,
}

impl Fault {
    /// Name in the log and in the text form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Reset { .. } => "reset",
            Self::Short { .. } => "short",
            Self::Hang { .. } => "hang",
            Self::Stale => "stale",
        }
    }
}

/// One fault and the requests that it hits.
///
/// A rule looks at the requests of its method and key. It lets the first [`after`](Self::after)
/// pass; of the others it hits each [`nth`](Self::nth) or a random [`share`](Self::share), and with
/// it those that follow in a [`burst`](Self::burst), until it has hit [`count`](Self::count).
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// What happens.
    pub fault: Fault,
    /// Only requests of this HTTP method.
    pub method: Option<String>,
    /// Only keys (prefixes of listings) that contain this.
    pub key_contains: Option<String>,
    /// Requests that pass first.
    pub after: u64,
    /// Every so many-th request: with 3 the third, the sixth ... Takes the place of `share`.
    pub nth: Option<u64>,
    /// Share of the requests, 0 to 1; which ones follows from the seed.
    pub share: f64,
    /// Requests in a row.
    pub burst: u64,
    /// Requests hit at most.
    pub count: Option<u64>,
}

impl Rule {
    /// The fault hits every request.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            method: None,
            key_contains: None,
            after: 0,
            nth: None,
            share: 1.0,
            burst: 1,
            count: None,
        }
    }

    fn concerns(&self, method: &str, key: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.key_contains.as_ref().is_none_or(|part| key.contains(part.as_str()))
    }
}

/// A script of faults. The first rule that hits a request decides; later ones do not count it.
///
/// The n-th request that a rule looks at is hit or not whatever the others are: with requests side
/// by side, only which of them is the n-th depends on timing.
///
/// Text form ([`FromStr`](std::str::FromStr)): rules separated by `;` or line ends, words by
/// blanks, `#` begins a comment. A rule is a status or `reset`, `short`, `hang`, `stale`, followed
/// by conditions; `seed=N` stands alone:
///
/// ```text
/// seed=7
/// 503 share=0.05 burst=3 retry-after=1
/// reset nth=10 bytes=1000 key=B08 method=GET
/// short after=20 count=2
/// hang count=1 seconds=30
/// stale key=index/
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    /// Chooses among the requests of [`Rule::share`].
    pub seed: u64,
    /// The rules, the first match first.
    pub rules: Vec<Rule>,
}

impl Faults {
    /// One rule.
    #[must_use]
    pub fn one(rule: Rule) -> Self {
        Self { seed: 0, rules: vec![rule] }
    }
}

/// What a rule has seen.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    requests: u64,
    hits: u64,
    burst_left: u64,
}

/// The script and how far it has come.
#[derive(Debug)]
pub(crate) struct Script(Mutex<(Faults, Vec<Seen>)>);

impl Script {
    pub(crate) fn new(faults: Faults) -> Self {
        let seen = vec![Seen::default(); faults.rules.len()];
        Self(Mutex::new((faults, seen)))
    }

    /// Starts another script.
    pub(crate) fn replace(&self, faults: Faults) {
        let seen = vec![Seen::default(); faults.rules.len()];
        *lock(&self.0) = (faults, seen);
    }

    /// What this request meets.
    pub(crate) fn next(&self, method: &str, key: &str) -> Option<Fault> {
        let mut guard = lock(&self.0);
        let (faults, seen) = &mut *guard;
        let mut salt = faults.seed;
        for (rule, seen) in faults.rules.iter().zip(seen) {
            salt = mix(salt);
            if rule.concerns(method, key) && seen.hit(rule, salt) {
                return Some(rule.fault);
            }
        }
        None
    }

    /// Whether the state of a key before a write may be asked for.
    pub(crate) fn wants_old(&self, key: &str) -> bool {
        let guard = lock(&self.0);
        let stale = |rule: &Rule| {
            rule.fault == Fault::Stale
                && rule.key_contains.as_ref().is_none_or(|part| key.contains(part.as_str()))
        };
        guard.0.rules.iter().any(stale)
    }
}

impl Seen {
    fn hit(&mut self, rule: &Rule, salt: u64) -> bool {
        self.requests += 1;
        if rule.count.is_some_and(|count| self.hits >= count) {
            return false;
        }
        let Some(number) = self.requests.checked_sub(rule.after).filter(|number| *number > 0)
        else {
            return false;
        };
        let hit = if self.burst_left > 0 {
            self.burst_left -= 1;
            true
        } else {
            let starts = match rule.nth {
                Some(nth) => number.is_multiple_of(nth.max(1)),
                None => unit(mix(salt.wrapping_add(number))) < rule.share,
            };
            if starts {
                self.burst_left = rule.burst.saturating_sub(1);
            }
            starts
        };
        self.hits += u64::from(hit);
        hit
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): well mixed from any seed.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// A number from 0 (included) to 1 (excluded).
fn unit(random: u64) -> f64 {
    let high = u32::try_from(random >> 32).unwrap_or(u32::MAX);
    f64::from(high) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Fault = Fault::Status { status: 503, retry_after: None };

    fn hits(faults: Faults, requests: usize) -> Vec<usize> {
        let script = Script::new(faults);
        (1..=requests).filter(|_| script.next("GET", "a/B08.jp2").is_some()).collect()
    }

    #[test]
    fn rules_choose_by_number() {
        let rule = Rule::new(BUSY);
        assert_eq!(hits(Faults::one(rule.clone()), 3), [1, 2, 3]);
        let nth = Rule { nth: Some(3), ..rule.clone() };
        assert_eq!(hits(Faults::one(nth.clone()), 10), [3, 6, 9]);
        assert_eq!(hits(Faults::one(Rule { after: 2, ..nth.clone() }), 10), [5, 8]);
        let burst = Rule { burst: 2, ..nth.clone() };
        assert_eq!(hits(Faults::one(burst.clone()), 10), [3, 4, 6, 7, 9, 10]);
        assert_eq!(hits(Faults::one(Rule { count: Some(3), ..burst }), 10), [3, 4, 6]);
        assert_eq!(hits(Faults::one(Rule { after: 1, count: Some(2), ..rule }), 9), [2, 3]);
    }

    #[test]
    fn rules_choose_by_key_and_method() {
        let key = |part: &str| Rule { key_contains: Some(part.into()), ..Rule::new(BUSY) };
        assert_eq!(hits(Faults::one(key("B08")), 2), [1, 2]);
        assert!(hits(Faults::one(key("B11")), 2).is_empty());
        let put = Rule { method: Some("put".into()), ..Rule::new(BUSY) };
        let script = Script::new(Faults::one(put));
        assert_eq!((script.next("GET", "a"), script.next("PUT", "a")), (None, Some(BUSY)));
        script.replace(Faults::default());
        assert_eq!(script.next("PUT", "a"), None);
    }

    #[test]
    fn the_first_rule_that_hits_decides() {
        let first = Rule { count: Some(1), ..Rule::new(Fault::Stale) };
        let script = Script::new(Faults { seed: 0, rules: vec![first, Rule::new(BUSY)] });
        assert_eq!(script.next("GET", "a"), Some(Fault::Stale));
        assert_eq!(script.next("GET", "a"), Some(BUSY));
    }

    #[test]
    fn a_share_follows_from_the_seed() {
        let faults = |seed| Faults { seed, ..Faults::one(Rule { share: 0.1, ..Rule::new(BUSY) }) };
        let one = hits(faults(1), 10_000);
        assert_eq!(one, hits(faults(1), 10_000));
        assert_ne!(one, hits(faults(2), 10_000));
        assert!((900..1_100).contains(&one.len()), "{}", one.len());
        assert!(hits(Faults::one(Rule { share: 0.0, ..Rule::new(BUSY) }), 100).is_empty());
    }
}
