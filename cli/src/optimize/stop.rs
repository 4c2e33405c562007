//! The ends beside the number of steps, from `--stop`. Knows no number's range: the server checks them.

use crate::failure::Failure;
use crate::json;
use crate::notation::call::Call;
use serde_json::{Map, Value};
use unitscope_proto::v1::Stop;

/// `plateau(window=64, tolerance=0.005)`, `target(value=12)` and `seconds(value=60)`, each at most once; none where there are no calls.
pub fn stop(calls: &[Call]) -> Result<Option<Stop>, Failure> {
    let mut fields = Map::new();
    for call in calls {
        let wrong = |reason: &str| Failure::Usage(format!("--stop '{}': {reason}", call.text));
        let value = value(call).map_err(|reason| wrong(&reason))?;
        // Read by itself, so that a message names the call that is wrong.
        let one = Value::Object(Map::from_iter([(call.name.clone(), value.clone())]));
        json::from_json::<Stop>("Stop", &one).map_err(|error| wrong(&error.to_string()))?;
        if fields.insert(call.name.clone(), value).is_some() {
            return Err(wrong(&format!("`{}` is given twice; give each kind of stop once", call.name)));
        }
    }
    if fields.is_empty() {
        return Ok(None);
    }
    let stop = json::from_json("Stop", &Value::Object(fields));
    stop.map(Some).map_err(|error| Failure::Usage(format!("--stop: {error}")))
}

/// What the API's field of this name holds.
fn value(call: &Call) -> Result<Value, String> {
    match (call.name.as_str(), &call.arguments[..]) {
        ("plateau", arguments) => Ok(Value::Object(arguments.iter().cloned().collect())),
        ("target" | "seconds", [(key, value)]) if key == "value" => Ok(value.clone()),
        (kind @ ("target" | "seconds"), _) => {
            Err(format!("`{kind}` takes exactly one number, its value, such as `{kind}(value=60)`"))
        }
        (kind, _) => Err(format!(
            "there is no stop `{kind}`; there are `plateau`, `target(value=…)` and `seconds(value=…)`"
        )),
    }
}
