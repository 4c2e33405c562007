//! How an operator names a dataset: in the settings file or as `NAME=LOCATION`. It opens nothing.

use serde::de::{Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, de};
use std::fmt;
use std::str::FromStr;

/// Where a dataset is, and how to get there.
///
/// In a settings file it is a string, the location, or a table of these fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatasetConfig {
    /// A folder, a manifest (`.txt`, `.csv`, `.tsv`), a `.tar` or a folder of them; each a local path or `s3://bucket/prefix`.
    pub location: String,
    /// The address of an S3-compatible store, such as `http://127.0.0.1:9000`; without it AWS_ENDPOINT_URL, then Amazon's own.
    pub endpoint: Option<String>,
    /// The store's region; without it AWS_REGION, then `us-east-1`.
    pub region: Option<String>,
    /// Whether an endpoint may be `http://`, so that pictures cross the network in the clear.
    pub allow_http: bool,
    /// With `secret_access_key` who asks; without them the usual AWS variables, and without those nobody (an open bucket).
    pub access_key_id: Option<Secret>,
    /// See `access_key_id`.
    pub secret_access_key: Option<Secret>,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// A dataset as the flag `--dataset NAME=LOCATION` gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedDataset {
    /// What requests call it.
    pub name: String,
    /// Where it is.
    pub config: DatasetConfig,
}

impl FromStr for NamedDataset {
    type Err = String;

    /// # Errors
    /// One line that says what the flag looks like.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, location)) if !name.is_empty() && !location.is_empty() => {
                Ok(Self { name: name.to_owned(), config: DatasetConfig::at(location) })
            }
            _ => Err(format!(
                "`{text}` is not NAME=LOCATION; write `photos=/srv/photos` or `photos=s3://bucket/photos`"
            )),
        }
    }
}

impl DatasetConfig {
    /// A dataset of that location, with no settings of its own.
    #[must_use]
    pub fn at(location: &str) -> Self {
        Self { location: location.to_owned(), ..Self::default() }
    }
}

impl Secret {
    /// A secret of that text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The table, as the settings file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    location: String,
    endpoint: Option<String>,
    region: Option<String>,
    #[serde(default)]
    allow_http: bool,
    access_key_id: Option<Secret>,
    secret_access_key: Option<Secret>,
}

impl From<Table> for DatasetConfig {
    fn from(table: Table) -> Self {
        let Table { location, endpoint, region, allow_http, access_key_id, secret_access_key } = table;
        Self { location, endpoint, region, allow_http, access_key_id, secret_access_key }
    }
}

impl<'de> Deserialize<'de> for DatasetConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StringOrTable)
    }
}

/// Unlike an untagged enum it says which field of the table is wrong.
struct StringOrTable;

impl<'de> Visitor<'de> for StringOrTable {
    type Value = DatasetConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a location, or a table with `location`")
    }

    fn visit_str<E: de::Error>(self, location: &str) -> Result<DatasetConfig, E> {
        Ok(DatasetConfig::at(location))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<DatasetConfig, A::Error> {
        Table::deserialize(MapAccessDeserializer::new(map)).map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn read(text: &str) -> Result<BTreeMap<String, DatasetConfig>, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_string_is_the_location_and_a_table_has_more() {
        let read =
            read("a = '/a'\nb = { location = 's3://b/c', allow_http = true, access_key_id = 'id' }").unwrap();
        assert_eq!(read["a"], DatasetConfig::at("/a"));
        let key = Some(Secret::new("id"));
        let expected =
            DatasetConfig { allow_http: true, access_key_id: key, ..DatasetConfig::at("s3://b/c") };
        assert_eq!(read["b"], expected);
    }

    #[test]
    fn what_is_wrong_is_named() {
        check("a = { location = 'b', regoin = 'c' }", "unknown field `regoin`");
        check("a = { region = 'c' }", "missing field `location`");
        check("a = 5", "expected a location, or a table with `location`");
    }

    fn check(text: &str, expected: &str) {
        let error = read(text).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn the_flag_is_a_name_and_a_location() {
        let flag: NamedDataset = "a=/b=c".parse().unwrap();
        assert_eq!(flag, NamedDataset { name: "a".to_owned(), config: DatasetConfig::at("/b=c") });
        for wrong in ["a", "=b", "a=", ""] {
            assert!(wrong.parse::<NamedDataset>().unwrap_err().contains("is not NAME=LOCATION"), "{wrong}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let secret = Some(Secret::new("hunter2"));
        let config = DatasetConfig {
            secret_access_key: secret.clone(),
            access_key_id: secret,
            ..DatasetConfig::at("a")
        };
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
