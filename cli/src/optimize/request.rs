//! Builds the spec from the flags, and leads the server's field paths back to them. Knows no parameter's schema.

use super::args::{OptimizeArgs, TransformSet, WantedArgs};
use super::magnitude;
use super::objective::Maximized;
use super::starts::{elimination, pictures_each};
use super::stop::stop;
use crate::failure::Failure;
use crate::json;
use crate::notation::call::{Call, protobuf_value};
use crate::notation::unit::Position;
use crate::units::Wanted;
use prost_types::Struct;
use serde_json::{Value, json};
use std::path::Path;
use unitscope_proto::v1::optimizer::{Adam, Kind};
use unitscope_proto::v1::parameterization::Kind as Basis;
use unitscope_proto::v1::{
    OptimizeSpec, Optimizer, Parameterization, ReferenceImage, Schedule, Term, Transform, Transforms,
};

/// A spec, and the argument that each of its terms came from.
pub struct Request {
    /// What is sent.
    pub spec: OptimizeSpec,
    arguments: Vec<String>,
    from_flags: bool,
    /// The optimizer was given by its learning rate alone.
    short_rate: bool,
}

impl Request {
    /// Of a spec file.
    pub fn from_spec(spec: OptimizeSpec) -> Request {
        Request { spec, arguments: Vec::new(), from_flags: false, short_rate: false }
    }

    /// Of the flags, with the units that they name, or the expression whose terms come first.
    pub fn from_flags(
        args: &OptimizeArgs,
        wanted: Vec<Wanted>,
        objective: Option<Maximized>,
    ) -> Result<Request, Failure> {
        let args = &args.wanted;
        let mut terms = Terms::default();
        for target in &wanted {
            terms.add_target(target, args)?;
        }
        let objective = objective.map(|maximized| terms.add_maximized(maximized));
        let picture_count = if wanted.is_empty() { pictures_each(args) } else { terms.pictures };
        for call in &args.terms {
            let term =
                call.term().map_err(|error| Failure::Usage(format!("--term {}: {error}", call.text)))?;
            terms.add(term, format!("--term '{}'", call.text));
        }
        if terms.list.is_empty() {
            return Err(Failure::Usage(
                "nothing to make a picture for; give --unit LAYER:CHANNEL, --layer LAYER, --objective 'EXPR' or --term 'OBJECTIVE(…)'".into(),
            ));
        }
        for term in &mut terms.list {
            if term.images.len() == picture_count as usize {
                term.images.clear();
            }
        }
        let (references, start) = references(args)?;
        let spec = OptimizeSpec {
            model: args.model.clone(),
            images: Some(picture_count),
            terms: terms.list,
            steps: args.steps,
            seed: args.seed,
            size: args.size.map(Into::into),
            parameterization: args.parameterization.as_ref().map(parameterization).transpose()?,
            views_per_step: args.views,
            transforms: transforms(args)?,
            clean_steps: args.clean_steps,
            optimizer: optimizer(args)?,
            stop: stop(&args.stops)?,
            elimination: elimination(args)?,
            snapshot_steps: args.snapshots.clone(),
            return_tensors: args.tensors,
            images_per_pass: args.images_per_pass,
            redirect: args.no_redirect.then_some(false),
            smooth_max_pools: args.smooth_pools.then_some(true),
            objective,
            references,
            start,
            labels: labels(args, &wanted, picture_count)?,
        };
        let short_rate = args.learning_rate.is_some();
        Ok(Request { spec, arguments: terms.arguments, from_flags: true, short_rate })
    }

    /// The argument that the field at this path was made from.
    pub fn argument(&self, field: &str) -> Option<String> {
        let field = field.strip_prefix("spec.").unwrap_or(field);
        if let Some(rest) = field.strip_prefix("terms[") {
            return self.arguments.get(rest.split(']').next()?.parse::<usize>().ok()?).cloned();
        }
        let flag = match field.split(['.', '[']).next()? {
            _ if !self.from_flags => return None,
            "model" => "--model",
            "images" if self.spec.elimination.is_some() => "--starts",
            "images" => "--copies",
            "steps" => "--steps",
            "seed" => "--seed",
            "size" => "--size",
            "parameterization" => "--parameterization",
            "transforms" => "--transform",
            "views_per_step" => "--views",
            "clean_steps" => "--clean-steps",
            "optimizer" if field.starts_with("optimizer.schedule") => "--schedule",
            "optimizer" if self.short_rate => "--learning-rate",
            "optimizer" => "--optimizer",
            "stop" => "--stop",
            "elimination" if field.starts_with("elimination.steps") => "--eliminate",
            "elimination" => "--starts",
            "snapshot_steps" => "--snapshots",
            "images_per_pass" => "--images-per-pass",
            "redirect" => "--no-redirect",
            "smooth_max_pools" => "--smooth-pools",
            "references" => "--reference",
            "start" => "--start",
            "labels" => "--label",
            "objective" => "--objective",
            _ => return None,
        };
        Some(flag.to_string())
    }
}

/// The files that terms compare with, then the one that pictures start from, and its place.
fn references(args: &WantedArgs) -> Result<(Vec<ReferenceImage>, Option<u32>), Failure> {
    let read = |flag: &str, path: &Path| match std::fs::read(path) {
        Ok(data) => Ok(ReferenceImage { data, blake3: String::new() }),
        Err(error) => Err(Failure::Usage(format!("{flag} {} cannot be read: {error}", path.display()))),
    };
    let given = args.references.iter().map(|path| read("--reference", path));
    let mut references: Vec<ReferenceImage> = given.collect::<Result<_, _>>()?;
    let Some(path) = &args.start else { return Ok((references, None)) };
    references.push(read("--start", path)?);
    Ok((references, Some(args.references.len() as u32)))
}

/// The terms so far, the argument of each, and how many pictures they ask for.
#[derive(Default)]
struct Terms {
    list: Vec<Term>,
    arguments: Vec<String>,
    pictures: u32,
}

impl Terms {
    fn add(&mut self, term: Term, argument: String) {
        self.list.push(term);
        self.arguments.push(argument);
    }

    /// The terms of an expression, which must be the first: it counts from them. Gives the expression.
    fn add_maximized(&mut self, maximized: Maximized) -> unitscope_proto::v1::Expression {
        for (term, call) in maximized.terms {
            self.add(term, format!("--objective '{call}'"));
        }
        maximized.tree
    }

    /// The objectives of one unit or layer: its copies, then their negatives.
    fn add_target(&mut self, target: &Wanted, args: &WantedArgs) -> Result<(), Failure> {
        if args.diversity.is_some() && pictures_each(args) < 2 {
            return Err(Failure::Usage(
                "--diversity needs --copies 2 or more: it pushes copies of a unit apart".into(),
            ));
        }
        for negative in [false, true].into_iter().take(if args.negative { 2 } else { 1 }) {
            let images: Vec<u32> = (self.pictures..self.pictures + pictures_each(args)).collect();
            self.pictures += pictures_each(args);
            self.add(Term { images: images.clone(), ..objective(target, negative) }, target.argument.clone());
            if let Some(weight) = args.diversity {
                let term = Term {
                    images,
                    weight: Some(weight),
                    ..term("diversity", json!({"layer": target.layer}))
                };
                self.add(term, format!("--diversity {weight} of {}", target.argument));
            }
        }
        Ok(())
    }
}

fn objective(target: &Wanted, negative: bool) -> Term {
    let Some(channel) = target.channel else {
        let weight = negative.then_some(-1.0);
        return Term { weight, ..term("layer", json!({"layer": target.layer})) };
    };
    let mut params = json!({"layer": target.layer, "channel": channel});
    // On a layer of tokens a column alone is the token; the class token is the first.
    let (row, column) = match target.position {
        Position::At(row, column) => (Some(row), Some(column)),
        Position::Token(token) => (None, Some(token)),
        Position::Class => (None, Some(0)),
        Position::Mean | Position::Center => (None, None),
    };
    for (name, index) in [("row", row), ("column", column)] {
        if let Some(index) = index {
            params[name] = index.into();
        }
    }
    match (negative, target.position) {
        (false, Position::Mean) => term("channel", params),
        (false, _) => term("unit", params),
        // The term `negative` takes a channel's mean, or a unit whose place is given; a middle is known to `unit` alone.
        // Like `negative` it reads the value before the activation where there is one: what is at 0 cannot go down.
        (true, Position::Center) => {
            let plain = target.layer.trim_end_matches(":pre");
            params["layer"] = format!("{plain}:pre?").into();
            Term { weight: Some(-1.0), ..term("unit", params) }
        }
        (true, _) => term("negative", params),
    }
}

fn term(id: &str, params: Value) -> Term {
    let fields = params.as_object().into_iter().flatten();
    let fields = fields.map(|(key, value)| (key.clone(), protobuf_value(value))).collect();
    Term { id: id.to_string(), params: Some(Struct { fields }), ..Term::default() }
}

/// The schedule is a part of the optimizer in the API, and a flag of its own here.
fn optimizer(args: &WantedArgs) -> Result<Option<Optimizer>, Failure> {
    let given = match (&args.optimizer, args.learning_rate) {
        (Some(call), _) => Some(message("Optimizer", &call.json(), &format!("--optimizer '{}'", call.text))?),
        (None, rate) => rate.map(|rate| Optimizer {
            kind: Some(Kind::Adam(Adam { learning_rate: Some(rate), ..Adam::default() })),
            schedule: None,
        }),
    };
    let Some(call) = &args.schedule else { return Ok(given) };
    let value = with_option_beside(call, "warmup_steps");
    let schedule: Schedule = message("Schedule", &value, &format!("--schedule '{}'", call.text))?;
    Ok(Some(Optimizer { schedule: Some(schedule), ..given.unwrap_or_default() }))
}

/// What all parameterizations have stands beside the kind in the API, and reads as one of its options; `magnitude` is a path.
fn parameterization(call: &Call) -> Result<Parameterization, Failure> {
    let mut call = call.clone();
    let argument = format!("--parameterization '{}'", call.text);
    let mut take = |option: &str| {
        let place = call.arguments.iter().position(|(key, _)| key == option)?;
        Some(call.arguments.remove(place).1)
    };
    let beside = ["decorrelate_colors", "alpha"].map(|option| (option, take(option)));
    let (divisors, anchors, magnitude) = (take("shared"), take("anchors"), take("magnitude"));
    let mut value = call.json();
    for (option, given) in beside {
        if let Some(given) = given {
            value[option] = given;
        }
    }
    if let Some(divisors) = divisors {
        value["shared"]["divisors"] = divisors;
    }
    if let Some(anchors) = anchors {
        value["shared"]["anchors"] = anchors;
    }
    let mut made: Parameterization = message("Parameterization", &value, &argument)?;
    if let Some(path) = magnitude {
        let Some(Basis::Maco(maco)) = &mut made.kind else {
            return Err(Failure::Usage(format!("{argument}: `magnitude` belongs to `maco`")));
        };
        let path = path.as_str().ok_or_else(|| {
            Failure::Usage(format!(
                "{argument}: `magnitude` must be a picture or a folder of them, not `{path}`"
            ))
        })?;
        let magnitude = magnitude::of(Path::new(path));
        maco.magnitude = Some(magnitude.map_err(|error| Failure::Usage(format!("{argument}: {error}")))?);
    }
    Ok(made)
}

/// The call's JSON, where `option` stands beside the kind in the API, but reads as one of its options.
fn with_option_beside(call: &Call, option: &str) -> Value {
    let mut call = call.clone();
    let place = call.arguments.iter().position(|(key, _)| key == option);
    let given = place.map(|at| call.arguments.remove(at).1);
    let mut value = call.json();
    if let Some(given) = given {
        value[option] = given;
    }
    value
}

/// Unset means the standard list; set and empty means none.
fn transforms(args: &WantedArgs) -> Result<Option<Transforms>, Failure> {
    let parse = |call: &Call| message("Transform", &call.json(), &format!("--transform '{}'", call.text));
    let transforms = args.transform_list.iter().map(parse).collect::<Result<Vec<Transform>, _>>()?;
    let unset = transforms.is_empty() && args.transforms == TransformSet::Standard;
    Ok((!unset).then_some(Transforms { transforms }))
}

fn message<M: prost::Message + Default>(name: &str, value: &Value, argument: &str) -> Result<M, Failure> {
    json::from_json(name, value).map_err(|error| Failure::Usage(format!("{argument}: {error}")))
}

/// One for each picture: of its unit, with what tells copies and negatives apart.
fn labels(args: &WantedArgs, wanted: &[Wanted], pictures: u32) -> Result<Vec<String>, Failure> {
    let given = args.labels.len();
    if wanted.is_empty() {
        return match given {
            0 => Ok(Vec::new()),
            _ if given == pictures as usize => Ok(args.labels.clone()),
            1 if args.starts.is_some() => Ok(numbered(&args.labels[0], pictures)),
            _ => Err(Failure::Usage(format!(
                "{given} labels for {pictures} pictures; give --label once for each"
            ))),
        };
    }
    if given != 0 && given != wanted.len() {
        let units = wanted.len();
        return Err(Failure::Usage(format!(
            "{given} labels for {units} units and layers; give --label once for each"
        )));
    }
    let mut labels = Vec::new();
    for (index, target) in wanted.iter().enumerate() {
        let base = args.labels.get(index).unwrap_or(&target.label);
        for sign in ["", " negative"].into_iter().take(if args.negative { 2 } else { 1 }) {
            labels.extend(numbered(&format!("{base}{sign}"), pictures_each(args)));
        }
    }
    Ok(labels)
}

/// The label for each of so many pictures of one thing.
fn numbered(label: &str, pictures: u32) -> Vec<String> {
    match pictures {
        1 => vec![label.to_string()],
        _ => (1..=pictures).map(|number| format!("{label} #{number}")).collect(),
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
