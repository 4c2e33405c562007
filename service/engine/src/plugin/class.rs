//! A class of the model's output as requests give it, number or label, and the number that a term gets.

use super::info::ParamValue;
use super::params::near;

/// The number of a class, whose value has passed the schema. A number is checked where the model has labels, and a label needs them.
pub(super) fn number(value: ParamValue, labels: &[String]) -> Result<ParamValue, String> {
    match value {
        ParamValue::String(label) => labelled(&label, labels),
        ParamValue::Int(class) if !labels.is_empty() && class >= labels.len() as i64 => {
            let last = labels.len() - 1;
            Err(format!(
                "class {class} is out of range: the model has labels for {}, 0 to {last}",
                labels.len()
            ))
        }
        value => Ok(value),
    }
}

fn labelled(label: &str, labels: &[String]) -> Result<ParamValue, String> {
    let shown: String = label.chars().take(64).collect();
    if labels.is_empty() {
        return Err(format!("got the label `{shown}`, and the model has no labels; give the class's number"));
    }
    let numbers: Vec<usize> = (0..labels.len()).filter(|&class| labels[class] == label).collect();
    match numbers[..] {
        [class] => Ok(ParamValue::Int(class as i64)),
        [] => {
            let near: Vec<String> = near(label, labels.iter().map(String::as_str))
                .iter()
                .map(|near| format!("`{near}`"))
                .collect();
            let guess = if near.is_empty() {
                String::new()
            } else {
                format!("; did you mean {}?", near.join(" or "))
            };
            Err(format!("the model has no label `{shown}`{guess}; give a label or the class's number"))
        }
        // ImageNet has two cranes, a bird and a machine.
        [first, second, ..] => {
            Err(format!("the label `{shown}` stands for class {first} and class {second}; give the number"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: ParamValue, labels: &[&str], expected: Result<i64, &str>) {
        let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        match (number(value, &labels), expected) {
            (Ok(found), Ok(class)) => assert_eq!(found, ParamValue::Int(class)),
            (Err(error), Err(words)) => assert!(error.contains(words), "{error}"),
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn a_number_or_a_label_is_a_class() {
        let text = |label: &str| ParamValue::String(label.to_owned());
        let labels = &["rings", "crane", "stripes", "crane"];
        check(ParamValue::Int(3), labels, Ok(3));
        check(ParamValue::Int(4), labels, Err("class 4 is out of range: the model has labels for 4, 0 to 3"));
        check(ParamValue::Int(4), &[], Ok(4));
        check(text("stripes"), labels, Ok(2));
        check(text("ring"), labels, Err("no label `ring`; did you mean `rings`?"));
        check(text("zzz"), labels, Err("no label `zzz`; give a label or"));
        check(text("crane"), labels, Err("class 1 and class 3"));
        check(text("rings"), &[], Err("the model has no labels; give the class's number"));
    }
}
