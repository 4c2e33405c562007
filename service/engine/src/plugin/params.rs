//! Checks a request's parameters against a term's schema, fills in defaults, and lays them out as the header asks.

use std::collections::BTreeMap;

use unitscope_sdk::abi::{
    US_TYPE_BOOL, US_TYPE_CLASS, US_TYPE_ENUM, US_TYPE_F64, US_TYPE_F64_LIST, US_TYPE_I64, US_TYPE_I64_LIST,
    US_TYPE_LAYER, US_TYPE_STR, us_list, us_str, us_value, us_value_v,
};

use super::class;
use super::error::TermError;
use super::info::{ParamInfo, ParamKind, ParamValue, TermInfo};
use super::limits::{LIST_ELEMENTS, STRING_BYTES};

/// The values of a term's parameters in the order of its schema; none where an optional one is left out. Classes become numbers, by the
/// model's labels.
///
/// # Errors
/// [`TermError::Parameter`] for the first name that the schema does not have, else for the first value that breaks its rules.
pub(super) fn resolve(
    info: &TermInfo,
    given: &BTreeMap<String, ParamValue>,
    labels: &[String],
) -> Result<Vec<Option<ParamValue>>, TermError> {
    let error = |parameter: &str, reason: String| TermError::Parameter {
        term: info.id.clone(),
        parameter: parameter.to_owned(),
        reason,
    };
    for name in given.keys() {
        if info.params.iter().all(|param| param.name != *name) {
            return Err(error(name, unknown(name, info)));
        }
    }
    let resolve = |param: &ParamInfo| match given.get(&param.name) {
        Some(value) if param.kind == ParamKind::Class => {
            check(param, value.clone()).and_then(|value| class::number(value, labels)).map(Some)
        }
        Some(value) => check(param, value.clone()).map(Some),
        None if param.default.is_some() => Ok(param.default.clone()),
        None if param.required => Err(format!("is required and missing; give {}", expected(param))),
        None => Ok(None),
    };
    info.params.iter().map(|param| resolve(param).map_err(|reason| error(&param.name, reason))).collect()
}

fn unknown(name: &str, info: &TermInfo) -> String {
    let names: Vec<&str> = info.params.iter().map(|param| param.name.as_str()).collect();
    let near = near(name, names.iter().copied());
    let all =
        if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
    match near.first() {
        Some(near) => format!("there is no such parameter; did you mean `{near}`? {all}"),
        None => format!("there is no such parameter; {all}"),
    }
}

/// A value that follows its parameter's rules; integral floats become integers where integers are asked for.
pub(super) fn check(param: &ParamInfo, value: ParamValue) -> Result<ParamValue, String> {
    let got = describe(&value);
    let wrong = || format!("got {got}, expected {}", expected(param));
    let value = match (param.kind, value) {
        (ParamKind::Bool, value @ ParamValue::Bool(_)) => value,
        (ParamKind::Int, value) => ParamValue::Int(integer(&value).ok_or_else(wrong)?),
        (ParamKind::Float, ParamValue::Float(value)) => ParamValue::Float(value),
        (ParamKind::Float, ParamValue::Int(value)) => ParamValue::Float(value as f64),
        (
            ParamKind::String | ParamKind::Enum | ParamKind::Layer | ParamKind::Class,
            ParamValue::String(value),
        ) => ParamValue::String(value),
        (ParamKind::Class, value) => ParamValue::Int(integer(&value).ok_or_else(wrong)?),
        (ParamKind::IntList, ParamValue::IntList(values)) => ParamValue::IntList(values),
        (ParamKind::IntList, ParamValue::FloatList(values)) => {
            let values: Option<Vec<i64>> =
                values.into_iter().map(|value| integer(&ParamValue::Float(value))).collect();
            ParamValue::IntList(values.ok_or_else(wrong)?)
        }
        (ParamKind::FloatList, ParamValue::FloatList(values)) => ParamValue::FloatList(values),
        (ParamKind::FloatList, ParamValue::IntList(values)) => {
            ParamValue::FloatList(values.into_iter().map(|value| value as f64).collect())
        }
        _ => return Err(wrong()),
    };
    check_range(param, &value).map_err(|()| wrong())?;
    Ok(value)
}

/// The integer that a number is, exactly. JSON and protobuf's `Value` know floats only.
fn integer(value: &ParamValue) -> Option<i64> {
    match *value {
        ParamValue::Int(value) => Some(value),
        // Above 2^53 a float no longer tells neighbouring integers apart.
        ParamValue::Float(value) if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 => {
            Some(value as i64)
        }
        _ => None,
    }
}

fn check_range(param: &ParamInfo, value: &ParamValue) -> Result<(), ()> {
    let in_range = |value: f64| {
        value.is_finite()
            && param.min.is_none_or(|min| value >= min)
            && param.max.is_none_or(|max| value <= max)
    };
    let good = match value {
        ParamValue::Bool(_) => true,
        ParamValue::Int(value) if param.kind == ParamKind::Class && *value < 0 => false,
        ParamValue::Int(value) => in_range(*value as f64),
        ParamValue::Float(value) => in_range(*value),
        ParamValue::IntList(values) => {
            values.len() <= LIST_ELEMENTS && values.iter().all(|&value| in_range(value as f64))
        }
        ParamValue::FloatList(values) => {
            values.len() <= LIST_ELEMENTS && values.iter().copied().all(in_range)
        }
        ParamValue::String(value) => match param.kind {
            ParamKind::Enum => param.choices.contains(value),
            ParamKind::Layer | ParamKind::Class => !value.is_empty() && value.len() <= STRING_BYTES,
            _ => value.len() <= STRING_BYTES,
        },
    };
    if good { Ok(()) } else { Err(()) }
}

/// "a number from 0 to 1"
fn expected(param: &ParamInfo) -> String {
    let range = match (param.min, param.max) {
        (Some(min), Some(max)) => format!(" from {min} to {max}"),
        (Some(min), None) => format!(" of at least {min}"),
        (None, Some(max)) => format!(" of at most {max}"),
        (None, None) => String::new(),
    };
    match param.kind {
        ParamKind::Bool => "true or false".to_owned(),
        ParamKind::Int => format!("an integer{range}"),
        ParamKind::Float => format!("a finite number{range}"),
        ParamKind::String => format!("a string of at most {STRING_BYTES} bytes"),
        ParamKind::Enum => format!("one of {}", param.choices.join(", ")),
        ParamKind::Layer => "the path of a layer".to_owned(),
        ParamKind::Class => "the number of a class, counted from 0, or its label".to_owned(),
        ParamKind::IntList => format!("a list of at most {LIST_ELEMENTS} integers, each{range}"),
        ParamKind::FloatList => format!("a list of at most {LIST_ELEMENTS} finite numbers, each{range}"),
    }
}

fn describe(value: &ParamValue) -> String {
    match value {
        ParamValue::Bool(value) => value.to_string(),
        ParamValue::Int(value) => value.to_string(),
        ParamValue::Float(value) => value.to_string(),
        ParamValue::String(value) => format!("the string `{}`", value.chars().take(64).collect::<String>()),
        ParamValue::IntList(values) => format!("a list of {} integers", values.len()),
        ParamValue::FloatList(values) => format!("a list of {} numbers", values.len()),
    }
}

/// The values as the header asks for them; they borrow from `values`.
pub(super) fn to_raw(params: &[ParamInfo], values: &[Option<ParamValue>]) -> Vec<us_value> {
    let value = |(param, value): (&ParamInfo, &Option<ParamValue>)| {
        let v = match value {
            None => us_value_v { i: 0 },
            Some(ParamValue::Bool(value)) => us_value_v { i: i64::from(*value) },
            Some(ParamValue::Int(value)) => us_value_v { i: *value },
            Some(ParamValue::Float(value)) => us_value_v { f: *value },
            Some(ParamValue::String(value)) => us_value_v { s: us_str::new(value) },
            Some(ParamValue::IntList(values)) => {
                us_value_v { list: us_list { ptr: values.as_ptr().cast(), len: values.len() as u64 } }
            }
            Some(ParamValue::FloatList(values)) => {
                us_value_v { list: us_list { ptr: values.as_ptr().cast(), len: values.len() as u64 } }
            }
        };
        us_value { r#type: raw_type(param.kind), is_set: u32::from(value.is_some()), v }
    };
    params.iter().zip(values).map(value).collect()
}

fn raw_type(kind: ParamKind) -> u32 {
    match kind {
        ParamKind::Bool => US_TYPE_BOOL,
        ParamKind::Int => US_TYPE_I64,
        ParamKind::Float => US_TYPE_F64,
        ParamKind::String => US_TYPE_STR,
        ParamKind::Enum => US_TYPE_ENUM,
        ParamKind::Layer => US_TYPE_LAYER,
        ParamKind::IntList => US_TYPE_I64_LIST,
        ParamKind::FloatList => US_TYPE_F64_LIST,
        ParamKind::Class => US_TYPE_CLASS,
    }
}

/// Up to three names like this one, nearest first.
pub(super) fn near<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    // Below 0.7 strsim's Jaro-Winkler matches words that share little but a letter or two.
    let mut scored: Vec<(f64, &str)> = names
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .filter(|&(score, _)| score >= 0.7)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn param(kind: ParamKind) -> ParamInfo {
        ParamInfo {
            name: "p".to_owned(),
            doc: String::new(),
            unit: String::new(),
            kind,
            default: None,
            required: false,
            min: Some(-2.0),
            max: Some(5.0),
            choices: vec!["a".to_owned(), "b".to_owned()],
        }
    }

    fn good(kind: ParamKind, value: ParamValue, becomes: ParamValue) {
        assert_eq!(check(&param(kind), value), Ok(becomes));
    }

    fn bad(kind: ParamKind, value: ParamValue, reason: &str) {
        let error = check(&param(kind), value).expect_err("a bad value");
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn values_of_the_right_type_pass() {
        good(ParamKind::Bool, ParamValue::Bool(true), ParamValue::Bool(true));
        good(ParamKind::Int, ParamValue::Float(4.0), ParamValue::Int(4));
        good(ParamKind::Float, ParamValue::Int(-2), ParamValue::Float(-2.0));
        good(ParamKind::Enum, ParamValue::String("b".to_owned()), ParamValue::String("b".to_owned()));
        good(ParamKind::IntList, ParamValue::FloatList(vec![1.0]), ParamValue::IntList(vec![1]));
        good(ParamKind::FloatList, ParamValue::IntList(vec![1]), ParamValue::FloatList(vec![1.0]));
        good(ParamKind::Class, ParamValue::Float(3.0), ParamValue::Int(3));
        good(ParamKind::Class, ParamValue::String("b".to_owned()), ParamValue::String("b".to_owned()));
    }

    #[test]
    fn other_values_are_refused_with_value_and_rule() {
        bad(ParamKind::Bool, ParamValue::Int(1), "got 1, expected true or false");
        bad(ParamKind::Int, ParamValue::Float(1.5), "got 1.5, expected an integer from -2 to 5");
        bad(ParamKind::Int, ParamValue::Float(f64::NAN), "got NaN");
        bad(ParamKind::Int, ParamValue::Int(6), "got 6");
        bad(ParamKind::Float, ParamValue::Float(f64::NAN), "finite number");
        bad(ParamKind::Float, ParamValue::Float(f64::INFINITY), "finite number");
        bad(ParamKind::Float, ParamValue::Float(-2.1), "from -2 to 5");
        bad(ParamKind::Enum, ParamValue::String("c".to_owned()), "one of a, b");
        bad(ParamKind::Layer, ParamValue::String(String::new()), "path of a layer");
        bad(ParamKind::Class, ParamValue::Int(-1), "got -1, expected the number of a class");
        bad(ParamKind::Class, ParamValue::Float(0.5), "or its label");
        bad(ParamKind::Class, ParamValue::String(String::new()), "or its label");
        bad(ParamKind::IntList, ParamValue::FloatList(vec![0.5]), "integers");
        bad(ParamKind::FloatList, ParamValue::FloatList(vec![0.5, 9.0]), "each from -2 to 5");
        bad(ParamKind::FloatList, ParamValue::IntList(vec![1; LIST_ELEMENTS + 1]), "at most");
    }

    #[test]
    fn near_misses_come_first() {
        let names = ["channel", "column", "layer", "row"];
        assert_eq!(near("chanel", names.into_iter()).first().map(String::as_str), Some("channel"));
        assert!(near("zzz", names.into_iter()).is_empty());
    }

    proptest! {
        #[test]
        fn a_number_passes_exactly_when_it_follows_the_rules(value: f64) {
            let in_range = (-2.0..=5.0).contains(&value);
            prop_assert_eq!(check(&param(ParamKind::Float), ParamValue::Float(value)).is_ok(), in_range);
            prop_assert_eq!(check(&param(ParamKind::Int), ParamValue::Float(value)).is_ok(),
                in_range && value.fract() == 0.0);
        }

        #[test]
        fn raw_values_say_what_the_values_say(ints: Vec<i64>, set: bool) {
            let values = [set.then(|| ParamValue::IntList(ints.clone()))];
            let raw = to_raw(&[param(ParamKind::IntList)], &values);
            prop_assert_eq!(raw[0].is_set == 1, set);
            if set {
                // SAFETY: the value is set, and an integer list by its type.
                prop_assert_eq!(unsafe { raw[0].v.list.len }, ints.len() as u64);
            }
        }
    }
}
