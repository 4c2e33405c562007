//! The API's messages as canonical proto JSON, both ways. Knows the descriptors, not what the messages mean.

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage};
use serde_json::Value;
use std::sync::LazyLock;
use unitscope_proto::v1::OptimizeSpec;

/// The API, and what the details of an error may hold.
static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let mut pool = DescriptorPool::decode(unitscope_proto::FILE_DESCRIPTOR_SET)
        .expect("the API's descriptors were made by the build from files that compile");
    let mut details = prost_types::FileDescriptorSet::decode(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .expect("tonic-types ships descriptors that its own tests decode");
    // The API brings google.rpc.Status and the well-known types itself, the former under another path.
    details.file.retain(|file| file.name() == "error_details.proto");
    pool.add_file_descriptor_set(details)
        .expect("google.rpc's error details import nothing but well-known types");
    pool
});

/// The canonical JSON of a message of package `unitscope.v1`; `name` is its name there.
pub fn to_json(name: &str, message: &impl Message) -> Value {
    let mut dynamic = DynamicMessage::new(descriptor(name));
    dynamic.transcode_from(message).expect("generated code and descriptors come from the same files");
    match serde_json::to_value(&dynamic) {
        Ok(value) => value,
        Err(_) => {
            // Only an `Any` of a type that this client does not know has no JSON: leave the details of the error out.
            strip_error_details(&mut dynamic);
            serde_json::to_value(&dynamic).unwrap_or(Value::Null)
        }
    }
}

/// Prints a JSON value to stdout, indented.
pub fn print(value: &Value) {
    println!("{value:#}");
}

/// A message's JSON without the bytes of artifacts, which are in files by then; their names and digests stay.
pub fn without_bytes(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.remove("inlineData");
            fields.values_mut().for_each(|field| *field = without_bytes(field.take()));
        }
        Value::Array(list) => list.iter_mut().for_each(|item| *item = without_bytes(item.take())),
        _ => {}
    }
    value
}

/// Reads a spec; a field that OptimizeSpec does not have is an error, which names it, the line and the column.
pub fn parse_spec(text: &str) -> Result<OptimizeSpec, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let dynamic = DynamicMessage::deserialize(descriptor("OptimizeSpec"), &mut deserializer)?;
    deserializer.end()?;
    Ok(transcode(&dynamic))
}

/// Reads a message of package `unitscope.v1` from a JSON value.
pub fn from_json<M: Message + Default>(name: &str, value: &Value) -> Result<M, serde_json::Error> {
    Ok(transcode(&DynamicMessage::deserialize(descriptor(name), value)?))
}

fn transcode<M: Message + Default>(dynamic: &DynamicMessage) -> M {
    dynamic.transcode_to().expect("generated code and descriptors come from the same files")
}

fn descriptor(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(&format!("unitscope.v1.{name}")).expect("callers name messages of the API")
}

fn strip_error_details(message: &mut DynamicMessage) {
    let fields: Vec<_> = message.fields().map(|(field, _)| field).collect();
    for field in fields {
        let value = message.get_field_mut(&field);
        match value {
            prost_reflect::Value::Message(inner) if inner.descriptor().full_name() == "google.rpc.Status" => {
                inner.clear_field_by_name("details");
            }
            prost_reflect::Value::List(list) => {
                list.iter_mut()
                    .filter_map(prost_reflect::Value::as_message_mut)
                    .for_each(strip_error_details);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unitscope_proto::v1::{Job, ListJobsResponse, Term};

    #[test]
    fn a_spec_survives_the_round_trip() {
        let text = r#"{"model":"demo","images":2,"terms":[{"id":"channel","weight":0.5,"params":{"layer":"a","channel":3},"images":[1]}],
            "seed":"18446744073709551615","size":{"height":8,"width":9},"parameterization":{"pixel":{}},
            "transforms":{"transforms":[{"jitter":{"pixels":4}}]},"optimizer":{"adam":{"learningRate":0.1}},"snapshotSteps":[1,2]}"#;
        let spec = parse_spec(text).unwrap();
        assert_eq!(spec.seed, Some(u64::MAX));
        assert_eq!(parse_spec(&to_json("OptimizeSpec", &spec).to_string()).unwrap(), spec);
        assert_eq!(
            to_json("OptimizeSpec", &spec),
            serde_json::from_str::<Value>(text).unwrap_or_default().normal()
        );
    }

    /// Doubles print with a fraction.
    trait Normal {
        fn normal(self) -> Value;
    }
    impl Normal for Value {
        fn normal(mut self) -> Value {
            self["terms"][0]["params"]["channel"] = 3.0.into();
            self
        }
    }

    #[test]
    fn bytes_of_artifacts_are_left_out_wherever_they_are() {
        let value =
            serde_json::json!({"a": [{"inlineData": "AA==", "name": "n"}], "inlineData": "AA==", "b": 1});
        assert_eq!(without_bytes(value), serde_json::json!({"a": [{"name": "n"}], "b": 1}));
    }

    #[test]
    fn an_unknown_field_is_named() {
        let error = parse_spec("{\"model\": \"demo\",\n \"stepz\": 3}").unwrap_err().to_string();
        assert!(error.contains("stepz") && error.contains("line 2"), "{error}");
        assert!(parse_spec("{} trailing").is_err());
        assert!(from_json::<Term>("Term", &serde_json::json!({"idd": 1})).is_err());
    }

    #[test]
    fn details_of_errors_have_json_or_are_left_out() {
        let any = |url: &str| prost_types::Any { type_url: url.to_string(), value: Vec::new() };
        let job = |url: &str| Job {
            error: Some(tonic_types::Status { code: 13, message: "no".into(), details: vec![any(url)] }),
            ..Job::default()
        };
        let known = to_json("Job", &job("type.googleapis.com/google.rpc.ErrorInfo"));
        assert!(known["error"]["details"][0]["@type"].is_string(), "{known}");
        let jobs = vec![job("type.googleapis.com/nobody.Knows")];
        let unknown = to_json("ListJobsResponse", &ListJobsResponse { jobs, ..ListJobsResponse::default() });
        assert_eq!(unknown["jobs"][0]["error"], serde_json::json!({"code": 13, "message": "no"}));
    }
}
