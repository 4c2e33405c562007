//! Makes the client of an S3-compatible store from settings and the usual AWS variables. It sends nothing.

use super::config::DatasetConfig;
use super::limits::{CONNECT_TIME, REQUEST_TIME, RETRIES, RETRY_TIME};
use super::remote::Remote;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use std::sync::Arc;
use tokio::runtime::Handle;

/// With any of these somebody asks; otherwise nobody does, and the address of a cloud's own keys is not tried.
const WHO: [&str; 4] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// Checks what the settings say of a store, without making its client.
///
/// # Errors
/// Which setting is wrong.
pub(super) fn check(config: &DatasetConfig) -> Result<(), String> {
    if config.access_key_id.is_some() != config.secret_access_key.is_some() {
        return Err(
            "of `access_key_id` and `secret_access_key` only one is set; set both, or none".to_owned()
        );
    }
    let Some(endpoint) = &config.endpoint else { return Ok(()) };
    if endpoint.contains('@') {
        // It is not repeated: it may hold a password.
        return Err(
            "its endpoint holds `@`; keys belong into `access_key_id` and `secret_access_key`".to_owned()
        );
    }
    match endpoint.split_once("://") {
        Some(("https", _)) => Ok(()),
        Some(("http", _)) if config.allow_http => Ok(()),
        Some(("http", _)) => Err(format!(
            "endpoint `{endpoint}` is not encrypted; set `allow_http = true` if that is right, or use https"
        )),
        _ => Err(format!("endpoint `{endpoint}` is no address; write one such as `https://s3.example.org`")),
    }
}

/// # Errors
/// Why there is no such client.
pub(super) fn connect(
    config: &DatasetConfig,
    bucket: &str,
    prefix: &str,
    runtime: &Handle,
) -> Result<Remote, String> {
    // The sum of its waits is a few seconds.
    let backoff = BackoffConfig::default();
    let retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_TIME, backoff };
    let client = ClientOptions::new().with_connect_timeout(CONNECT_TIME).with_timeout(REQUEST_TIME);
    let mut builder =
        AmazonS3Builder::from_env().with_client_options(client).with_retry(retry).with_bucket_name(bucket);
    // What is set here replaces the variable; an allowance of the environment stands.
    let mut allow_http = config.allow_http;
    if let Some(allowed) = std::env::var_os("AWS_ALLOW_HTTP") {
        allow_http |= allowed == "true" || allowed == "1";
    }
    builder = builder.with_allow_http(allow_http);
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(region) = &config.region {
        builder = builder.with_region(region);
    }
    if let (Some(id), Some(secret)) = (&config.access_key_id, &config.secret_access_key) {
        builder = builder.with_access_key_id(id.reveal()).with_secret_access_key(secret.reveal());
        // A token of the environment belongs to the keys of the environment.
        if std::env::var_os("AWS_SESSION_TOKEN").is_some() {
            builder = builder.with_token("");
        }
    } else if WHO.iter().all(|name| std::env::var_os(name).is_none()) {
        builder = builder.with_skip_signature(true);
    }
    if builder.get_config_value(&AmazonS3ConfigKey::Region).is_none() {
        builder = builder.with_region("us-east-1");
    }
    let store = builder.build().map_err(|error| format!("the store's client cannot be made: {error}"))?;
    let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
    Ok(Remote { store: Arc::new(store), bucket, prefix, runtime: runtime.clone() })
}

#[cfg(test)]
mod tests {
    use super::super::config::Secret;
    use super::*;

    #[test]
    fn settings_that_contradict_are_named() {
        let at = || DatasetConfig::at("s3://b");
        check_error(DatasetConfig { access_key_id: Some(Secret::new("a")), ..at() }, "only one is set");
        check_error(DatasetConfig { endpoint: Some("http://a".to_owned()), ..at() }, "is not encrypted");
        check_error(DatasetConfig { endpoint: Some("a:9000".to_owned()), ..at() }, "is no address");
        let error = check_error(
            DatasetConfig { endpoint: Some("http://u:hunter2@a".to_owned()), ..at() },
            "holds `@`",
        );
        assert!(!error.contains("hunter2"));
        assert_eq!(
            check(&DatasetConfig { endpoint: Some("http://a".to_owned()), allow_http: true, ..at() }),
            Ok(())
        );
    }

    fn check_error(config: DatasetConfig, expected: &str) -> String {
        let error = check(&config).unwrap_err();
        assert!(error.contains(expected), "{error}");
        error
    }
}
