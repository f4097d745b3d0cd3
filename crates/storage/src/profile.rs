//! The `AWS_*` variables and the shared files of the AWS tools.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::{Credentials, Error, Options, Result};

type Section = BTreeMap<String, String>;

/// [`Options::from_env`] over any source of variables. Empty variables count as absent.
pub(crate) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Options> {
    let get = |name: &str| variable(name).filter(|value| !value.is_empty());
    let mut options = Options {
        endpoint: get("AWS_ENDPOINT_URL_S3").or_else(|| get("AWS_ENDPOINT_URL")),
        region: get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION")),
        requester_pays: is_true(get("AWS_REQUEST_PAYER")),
        ..Options::default()
    };
    if is_true(get("AWS_NO_SIGN_REQUEST")) || is_true(get("AWS_SKIP_SIGNATURE")) {
        options.credentials = Some(Credentials::Anonymous);
    } else if get("AWS_ACCESS_KEY_ID").is_some() || get("AWS_SECRET_ACCESS_KEY").is_some() {
        options.credentials = Some(pair(
            "environment",
            get("AWS_ACCESS_KEY_ID"),
            get("AWS_SECRET_ACCESS_KEY"),
            get("AWS_SESSION_TOKEN"),
        )?);
    }
    if options.credentials.is_none() {
        apply_profile(&mut options, &get)?;
    }
    let ambient = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"];
    if options.credentials.is_none()
        && (ambient.iter().any(|name| get(name).is_some())
            || get("AWS_CONTAINER_CREDENTIALS_FULL_URI").is_some())
    {
        options.credentials = Some(Credentials::Ambient);
    }
    Ok(options)
}

fn is_true(value: Option<String>) -> bool {
    value.is_some_and(|value| {
        matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "requester")
    })
}

fn pair(
    place: &str,
    id: Option<String>,
    secret: Option<String>,
    session_token: Option<String>,
) -> Result<Credentials> {
    match (id, secret) {
        (Some(access_key_id), Some(secret_access_key)) => {
            Ok(Credentials::Keys { access_key_id, secret_access_key, session_token })
        }
        (id, _) => Err(Error::BadOption {
            reason: format!(
                "the {place} has {} without the other half of the key pair",
                if id.is_some() { "an access key id" } else { "a secret access key" }
            ),
        }),
    }
}

/// Fills what the variables left open from the profile; a profile asked for by name must exist.
fn apply_profile(options: &mut Options, get: &impl Fn(&str) -> Option<String>) -> Result<()> {
    let name = get("AWS_PROFILE").or_else(|| get("AWS_DEFAULT_PROFILE"));
    let home = get("HOME").map(PathBuf::from);
    let file = |variable: &str, rest: &str| {
        get(variable).map(PathBuf::from).or_else(|| home.as_ref().map(|home| home.join(rest)))
    };
    let wanted = name.as_deref().unwrap_or("default");
    let credentials = section(file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"), wanted);
    let config = section(file("AWS_CONFIG_FILE", ".aws/config"), wanted);
    if let (Some(name), None, None) = (&name, &credentials, &config) {
        return Err(Error::BadOption {
            reason: format!("profile {name:?} is in neither of the shared aws files"),
        });
    }
    let mut merged = config.unwrap_or_default();
    merged.extend(credentials.unwrap_or_default());
    let mut take = |key: &str| merged.remove(key).filter(|value| !value.is_empty());
    options.endpoint = options.endpoint.take().or_else(|| take("endpoint_url"));
    options.region = options.region.take().or_else(|| take("region"));
    let (id, secret) = (take("aws_access_key_id"), take("aws_secret_access_key"));
    if id.is_some() || secret.is_some() {
        let place = format!("profile {wanted:?}");
        options.credentials = Some(pair(&place, id, secret, take("aws_session_token"))?);
    }
    Ok(())
}

/// One section of an INI file: `[name]`, or `[profile name]` as the config file writes it.
fn section(file: Option<PathBuf>, wanted: &str) -> Option<Section> {
    let text = std::fs::read_to_string(file?).ok()?;
    let mut found: Option<Section> = None;
    let mut inside = false;
    for line in text.lines() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let header = header.trim();
            let name = header.strip_prefix("profile ").map_or(header, str::trim);
            inside = name == wanted;
            if inside {
                found.get_or_insert_default();
            }
        } else if let (true, Some((key, value))) = (inside, line.split_once('='))
            && !line.starts_with(['#', ';'])
        {
            let key = key.trim().to_ascii_lowercase();
            found.get_or_insert_default().insert(key, value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Result<Options> {
        from_variables(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn variables_come_first() {
        let options = from(&[
            ("AWS_ENDPOINT_URL", "http://a"),
            ("AWS_ENDPOINT_URL_S3", "http://b"),
            ("AWS_DEFAULT_REGION", "default"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REQUEST_PAYER", "requester"),
        ])
        .unwrap();
        assert!(options.requester_pays);
        assert_eq!(options.endpoint.as_deref(), Some("http://b"));
        assert_eq!(options.region.as_deref(), Some("default"));
        assert_eq!(options.credentials, Some(Credentials::keys("id", "secret")));
        assert!(!format!("{options:?}").contains("secret\""), "a secret in debug output");
    }

    #[test]
    fn half_a_pair_is_an_error() {
        assert_eq!(from(&[("AWS_ACCESS_KEY_ID", "id")]).unwrap_err().code(), "CF-STO-012");
    }

    #[test]
    fn nothing_set_is_nothing_read() {
        let options = from(&[]).unwrap();
        assert!(options.credentials.is_none() && options.endpoint.is_none());
    }

    #[test]
    fn a_profile_fills_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let credentials = dir.path().join("credentials");
        let config = dir.path().join("config");
        std::fs::write(
            &credentials,
            "[default]\naws_access_key_id=x\naws_secret_access_key=y\n\
             [cdse]\n# a comment = with a sign\naws_access_key_id = id\n\
             aws_secret_access_key = a=b\n",
        )
        .unwrap();
        std::fs::write(&config, "[profile cdse]\nendpoint_url = https://e\nregion=default\n")
            .unwrap();
        let base = [
            ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().unwrap()),
            ("AWS_CONFIG_FILE", config.to_str().unwrap()),
        ];
        let options = from(&[base[0], base[1], ("AWS_PROFILE", "cdse")]).unwrap();
        assert_eq!(options.credentials, Some(Credentials::keys("id", "a=b")));
        assert_eq!(options.endpoint.as_deref(), Some("https://e"));
        assert_eq!(from(&base).unwrap().credentials, Some(Credentials::keys("x", "y")));
        let missing = from(&[base[0], base[1], ("AWS_PROFILE", "other")]).unwrap_err();
        assert!(missing.to_string().contains("other"));
    }
}
