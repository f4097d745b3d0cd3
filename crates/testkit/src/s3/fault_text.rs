//! The text form of a script of faults.

use std::str::FromStr;
use std::time::Duration;

use super::fault::{Fault, Faults, Rule};
use crate::{Error, Result};

/// How long a hang lasts if not said: longer than any client waits.
const HANG: Duration = Duration::from_secs(600);

fn bad(text: &str, reason: impl Into<String>) -> Error {
    Error::option("fault", text, reason)
}

impl FromStr for Faults {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut faults = Self::default();
        let without_comments = text.lines().map(|line| line.split('#').next().unwrap_or(line));
        for rule in without_comments.flat_map(|line| line.split(';')) {
            let mut words = rule.split_whitespace();
            let Some(first) = words.next() else { continue };
            if let Some(seed) = first.strip_prefix("seed=") {
                faults.seed = number(first, seed)?;
                if let Some(word) = words.next() {
                    return Err(bad(word, "seed=N stands alone; end it with ;"));
                }
                continue;
            }
            let mut parsed = Rule::new(kind(first)?);
            for word in words {
                condition(&mut parsed, word)?;
            }
            faults.rules.push(parsed);
        }
        Ok(faults)
    }
}

fn kind(word: &str) -> Result<Fault> {
    Ok(match word {
        "reset" => Fault::Reset { bytes: None },
        "short" => Fault::Short { bytes: None },
        "hang" => Fault::Hang { at_most: HANG },
        "stale" => Fault::Stale,
        status => match status.parse() {
            Ok(status @ 400..=599) => Fault::Status { status, retry_after: None },
            _ => return Err(bad(word, "use a status from 400 to 599, reset, short, hang, stale")),
        },
    })
}

fn number<T: FromStr>(word: &str, value: &str) -> Result<T> {
    value.parse().map_err(|_| bad(word, "expected a number"))
}

fn condition(rule: &mut Rule, word: &str) -> Result<()> {
    let Some((name, value)) = word.split_once('=') else {
        return Err(bad(word, "expected name=value; end a rule with ;"));
    };
    match (name, &mut rule.fault) {
        ("key", _) => rule.key_contains = Some(value.to_owned()),
        ("method", _) => rule.method = Some(value.to_owned()),
        ("after", _) => rule.after = number(word, value)?,
        ("nth", _) => rule.nth = Some(positive(word, value)?),
        ("burst", _) => rule.burst = positive(word, value)?,
        ("count", _) => rule.count = Some(number(word, value)?),
        ("share", _) => {
            rule.share = number(word, value)?;
            if !(0.0..=1.0).contains(&rule.share) {
                return Err(bad(word, "a share is 0 to 1"));
            }
        }
        ("bytes", Fault::Reset { bytes } | Fault::Short { bytes }) => {
            *bytes = Some(number(word, value)?);
        }
        ("retry-after", Fault::Status { retry_after, .. }) => {
            *retry_after = Some(number(word, value)?);
        }
        ("seconds", Fault::Hang { at_most }) => {
            *at_most = Duration::from_secs(number::<u32>(word, value)?.into());
        }
        ("bytes" | "retry-after" | "seconds", fault) => {
            return Err(bad(word, format!("{name} is not for {}", fault.name())));
        }
        _ => {
            return Err(bad(
                word,
                "use key, method, after, nth, share, burst, count, and bytes (reset, short), \
                 retry-after (statuses), seconds (hang)",
            ));
        }
    }
    Ok(())
}

fn positive(word: &str, value: &str) -> Result<u64> {
    match number(word, value)? {
        0 => Err(bad(word, "must be at least 1")),
        number => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_word_is_understood() {
        let faults: Faults = "# a bad day\nseed=7; 503 share=0.05 burst=3 retry-after=1 # often\n\
             reset nth=10 bytes=1000 key=B08 method=GET;short after=20 count=2\n\n\
             hang count=1 seconds=30 ; stale key=index/"
            .parse()
            .unwrap();
        let status = Fault::Status { status: 503, retry_after: Some(1) };
        let expected = [
            Rule { share: 0.05, burst: 3, ..Rule::new(status) },
            Rule {
                nth: Some(10),
                key_contains: Some("B08".into()),
                method: Some("GET".into()),
                ..Rule::new(Fault::Reset { bytes: Some(1000) })
            },
            Rule { after: 20, count: Some(2), ..Rule::new(Fault::Short { bytes: None }) },
            Rule { count: Some(1), ..Rule::new(Fault::Hang { at_most: Duration::from_secs(30) }) },
            Rule { key_contains: Some("index/".into()), ..Rule::new(Fault::Stale) },
        ];
        assert_eq!(faults, Faults { seed: 7, rules: expected.into() });
        assert_eq!(" \n;# nothing".parse::<Faults>().unwrap(), Faults::default());
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, named) in [
            ("slow", "\"slow\""),
            ("200", "\"200\""),
            ("503 often", "\"often\""),
            ("503 share=2", "share=2"),
            ("503 share=NaN", "share=NaN"),
            ("503 nth=0", "nth=0"),
            ("503 bytes=9", "bytes is not for status"),
            ("hang retry-after=1", "retry-after is not for hang"),
            ("reset colour=red", "colour=red"),
            ("seed=x", "seed=x"),
            ("seed=1 503", "\"503\""),
        ] {
            let error = text.parse::<Faults>().unwrap_err();
            assert_eq!(error.code(), "CF-TST-004");
            assert!(error.to_string().contains(named), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "\\PC{0,60}") {
            let _ = text.parse::<Faults>();
        }
    }
}
