//! Bad specs and the paths of what is wrong with them; good specs and what is filled in.

use super::*;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use std::sync::Arc;
use unitscope_engine::plugin::ParamValue;
use unitscope_engine::spec::{Basis, Expression, Moments, Optimizer, Rule, Schedule, Transform};
use unitscope_engine::spec::{Plateau, Stop};
use unitscope_proto::v1::{expression, optimizer, parameterization, schedule, transform};

fn good() -> proto::OptimizeSpec {
    proto::OptimizeSpec { model: "tiny".to_owned(), terms: vec![term()], ..Default::default() }
}

fn term() -> proto::Term {
    proto::Term { id: "channel".to_owned(), ..Default::default() }
}

fn parse(given: &proto::OptimizeSpec) -> Result<OptimizeOrder, Vec<FieldError>> {
    let (registry, _) = Registry::load(&[], Arc::new(|_, _, _| {}));
    let model = ModelFacts { height: 32, width: 64, colors: true, channels: 3, batches: (1, 1024) };
    spec(given, &Context { model, limits: &Limits::default(), registry: &registry })
}

/// Checks that exactly these fields are wrong once `change` was made to a good spec.
fn check(change: impl FnOnce(&mut proto::OptimizeSpec), fields: &[&str]) {
    let mut given = good();
    change(&mut given);
    let errors = parse(&given).expect_err("a bad spec was accepted");
    let found: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(found, fields, "{errors:?}");
}

fn param(value: Kind) -> proto::Term {
    let fields = [("p".to_owned(), Value { kind: Some(value) })].into();
    proto::Term { params: Some(Struct { fields }), ..term() }
}

#[test]
fn defaults_are_filled_in() {
    let spec = parse(&good()).unwrap();
    let optimize = spec.optimize;
    assert_eq!((optimize.images, optimize.steps, optimize.seed, optimize.images_per_pass), (1, 512, 0, 1));
    assert_eq!(
        (optimize.height, optimize.width, optimize.parameterization.decorrelate_colors),
        (32, 64, true)
    );
    assert_eq!(optimize.transforms, Transform::standard(32, 64));
    assert_eq!(optimize.optimizer, Optimizer::DEFAULT);
    let fourier = Basis::Fourier { standard_deviation: 0.01, decay_power: 1.0 };
    assert_eq!(optimize.parameterization.basis, fourier);
    assert_eq!((optimize.terms[0].weight, &optimize.terms[0].images[..]), (1.0, &[0][..]));
}

#[test]
fn an_eighth_of_the_steps_is_clean_with_the_standard_transforms() {
    let clean = |spec| parse(&spec).unwrap().optimize.clean_steps;
    let steps = Some(100);
    assert_eq!(clean(proto::OptimizeSpec { steps, ..good() }), 12);
    let transforms = Some(proto::Transforms::default());
    assert_eq!(clean(proto::OptimizeSpec { steps, transforms, ..good() }), 0);
    assert_eq!(clean(proto::OptimizeSpec { steps, clean_steps: Some(100), ..good() }), 100);
    check(|spec| (spec.steps, spec.clean_steps) = (Some(9), Some(10)), &["clean_steps"]);
}

#[test]
fn an_empty_list_of_transforms_is_none() {
    let spec = parse(&proto::OptimizeSpec { transforms: Some(proto::Transforms::default()), ..good() });
    assert!(spec.unwrap().optimize.transforms.is_empty());
}

#[test]
fn a_pass_takes_eight_images_at_most() {
    let spec = parse(&proto::OptimizeSpec { images: Some(20), ..good() }).unwrap();
    assert_eq!(spec.optimize.images_per_pass, 8);
    assert_eq!(spec.optimize.terms[0].images.len(), 20);
}

#[test]
fn counts_and_sizes_are_bounded() {
    check(|spec| spec.images = Some(0), &["images"]);
    check(|spec| spec.images = Some(u32::MAX), &["images"]);
    check(|spec| spec.steps = Some(0), &["steps"]);
    check(|spec| spec.steps = Some(u32::MAX), &["steps"]);
    check(|spec| spec.images_per_pass = Some(0), &["images_per_pass"]);
    check(|spec| spec.size = Some(proto::ImageSize { height: 0, width: 8 }), &["size.height"]);
    check(|spec| spec.size = Some(proto::ImageSize { height: 8, width: u32::MAX }), &["size.width"]);
    check(|spec| spec.size = Some(proto::ImageSize::default()), &["size.height", "size.width"]);
}

#[test]
fn products_are_bounded() {
    check(|spec| (spec.steps, spec.images) = (Some(100_000), Some(128)), &["steps"]);
    let size = Some(proto::ImageSize { height: 2048, width: 2048 });
    check(|spec| (spec.images, spec.size) = (Some(9), size), &["size"]);
    check(|spec| (spec.images, spec.snapshot_steps) = (Some(128), (1..=64).collect()), &["snapshot_steps"]);
}

#[test]
fn snapshots_rise_within_the_steps() {
    check(|spec| spec.snapshot_steps = vec![0], &["snapshot_steps[0]"]);
    check(|spec| spec.snapshot_steps = vec![5, 5], &["snapshot_steps[1]"]);
    check(|spec| spec.snapshot_steps = vec![1, 513], &["snapshot_steps[1]"]);
    check(|spec| spec.snapshot_steps = (1..=65).collect(), &["snapshot_steps"]);
}

#[test]
fn terms_are_checked() {
    check(|spec| spec.terms.clear(), &["terms"]);
    check(|spec| spec.terms = vec![term(); 257], &["terms"]);
    check(|spec| spec.terms[0].id.clear(), &["terms[0].id"]);
    for weight in [0.0, f64::NAN, f64::INFINITY] {
        check(|spec| spec.terms[0].weight = Some(weight), &["terms[0].weight"]);
    }
    check(|spec| spec.terms[0].images = vec![1], &["terms[0].images[0]"]);
    check(|spec| (spec.images, spec.terms[0].images) = (Some(4), vec![2, 1]), &["terms[0].images[1]"]);
}

#[test]
fn parameters_are_values() {
    let path = &["terms[1].params.p"];
    check(|spec| spec.terms.push(param(Kind::NullValue(0))), path);
    check(|spec| spec.terms.push(param(Kind::StructValue(Struct::default()))), path);
    check(|spec| spec.terms.push(param(Kind::NumberValue(f64::NAN))), path);
    let list = |kind| Kind::ListValue(ListValue { values: vec![Value { kind: Some(kind) }] });
    check(|spec| spec.terms.push(param(list(Kind::StringValue("x".to_owned())))), path);
    check(
        |spec| {
            spec.terms.push(param(Kind::ListValue(ListValue { values: vec![Value { kind: None }; 4097] })))
        },
        path,
    );
    let spec = proto::OptimizeSpec { terms: vec![param(list(Kind::NumberValue(2.0)))], ..good() };
    let params = &parse(&spec).unwrap().optimize.terms[0].params;
    assert_eq!(params["p"], ParamValue::FloatList(vec![2.0]));
}

#[test]
fn transforms_are_checked() {
    let check = |kind: Option<transform::Kind>, field: &str| {
        let transforms = vec![proto::Transform { kind }];
        check(|spec| spec.transforms = Some(proto::Transforms { transforms }), &[field]);
    };
    check(None, "transforms.transforms[0]");
    check(Some(transform::Kind::Pad(transform::Pad { pixels: 513 })), "transforms.transforms[0].pad.pixels");
    check(
        Some(transform::Kind::Jitter(transform::Jitter { pixels: 513 })),
        "transforms.transforms[0].jitter.pixels",
    );
    let scale = |min, max| Some(transform::Kind::RandomScale(transform::RandomScale { min, max }));
    check(scale(0.1, 1.0), "transforms.transforms[0].random_scale.min");
    check(scale(1.2, 1.1), "transforms.transforms[0].random_scale.max");
    check(scale(1.0, f64::NAN), "transforms.transforms[0].random_scale.max");
    let crop = |min, max| Some(transform::Kind::RandomCrop(transform::RandomCrop { min, max }));
    check(crop(0.01, 0.5), "transforms.transforms[0].random_crop.min");
    check(crop(0.5, 0.4), "transforms.transforms[0].random_crop.max");
    let flip = transform::RandomFlip { probability: Some(1.5) };
    check(Some(transform::Kind::RandomFlip(flip)), "transforms.transforms[0].random_flip.probability");
    let colors = transform::ColorShift { shift: Some(1.5), scale: None };
    check(Some(transform::Kind::ColorShift(colors)), "transforms.transforms[0].color_shift.shift");
    let noise = transform::Noise { standard_deviation: f64::NAN };
    check(Some(transform::Kind::Noise(noise)), "transforms.transforms[0].noise.standard_deviation");
    let rotate = transform::RandomRotate { degrees: -1.0 };
    check(Some(transform::Kind::RandomRotate(rotate)), "transforms.transforms[0].random_rotate.degrees");
}

#[test]
fn magnitudes_are_checked() {
    let check_magnitude = |channels, height, columns, values: &[f32], field: &str| {
        let magnitude = proto::SpectrumMagnitude {
            channels,
            height,
            columns,
            values: values.to_vec(),
            blake3: String::new(),
        };
        let kind = parameterization::Kind::Maco(parameterization::Maco { magnitude: Some(magnitude) });
        let parameterization = proto::Parameterization { kind: Some(kind), ..Default::default() };
        let field = format!("parameterization.maco.magnitude.{field}");
        check(|spec| spec.parameterization = Some(parameterization), &[&field]);
    };
    check_magnitude(2, 2, 2, &[1.0; 8], "channels");
    check_magnitude(1, 1, 2, &[1.0; 4], "height");
    check_magnitude(1, 2, 2, &[1.0; 5], "values");
    check_magnitude(1, 4096, 2049, &[1.0; 4], "values");
    check_magnitude(1, 2, 2, &[1.0, -1.0, 0.0, 0.0], "values[1]");
    check_magnitude(1, 2, 2, &[1.0, 1.0, f32::NAN, 0.0], "values[2]");
    check_magnitude(1, 2, 2, &[0.0; 4], "values");
}

#[test]
fn a_parameterization_brings_its_optimizer() {
    let optimizer = |kind| {
        let parameterization = Some(proto::Parameterization { kind: Some(kind), ..Default::default() });
        let spec = parse(&proto::OptimizeSpec { parameterization, ..good() });
        spec.unwrap().optimize.optimizer
    };
    let maco = optimizer(parameterization::Kind::Maco(parameterization::Maco::default()));
    assert!(matches!(maco.rule, Rule::NAdam { .. }) && maco.learning_rate == 1.0, "{maco:?}");
    let cppn = optimizer(parameterization::Kind::Cppn(parameterization::Cppn::default()));
    assert!(matches!(cppn.rule, Rule::Adam(_)) && cppn.learning_rate == 0.005, "{cppn:?}");
}

#[test]
fn views_are_bounded() {
    check(|spec| spec.views_per_step = Some(0), &["views_per_step"]);
    check(|spec| spec.views_per_step = Some(33), &["views_per_step"]);
}

#[test]
fn seventeen_transforms_are_too_many() {
    let pad = proto::Transform { kind: Some(transform::Kind::Pad(transform::Pad { pixels: 1 })) };
    check(
        |spec| spec.transforms = Some(proto::Transforms { transforms: vec![pad; 17] }),
        &["transforms.transforms"],
    );
}

#[test]
fn parameterizations_are_checked() {
    let parameterized = |kind| Some(proto::Parameterization { kind: Some(kind), ..Default::default() });
    let pixel = parameterization::Pixel { standard_deviation: Some(0.0) };
    check(
        |spec| spec.parameterization = parameterized(parameterization::Kind::Pixel(pixel)),
        &["parameterization.pixel.standard_deviation"],
    );
    let laplacian = parameterization::Laplacian { standard_deviation: None, levels: Some(13) };
    check(
        |spec| spec.parameterization = parameterized(parameterization::Kind::Laplacian(laplacian)),
        &["parameterization.laplacian.levels"],
    );
    let cppn = parameterization::Cppn { layers: Some(0), channels: Some(65) };
    check(
        |spec| spec.parameterization = parameterized(parameterization::Kind::Cppn(cppn)),
        &["parameterization.cppn.layers", "parameterization.cppn.channels"],
    );
    let divisors = vec![2, 0];
    let shared = Some(parameterization::Shared { divisors, anchors: Some(9) });
    check(
        |spec| spec.parameterization = Some(proto::Parameterization { shared, ..Default::default() }),
        &["parameterization.shared.divisors[1]", "parameterization.shared.anchors"],
    );
    let maco = parameterized(parameterization::Kind::Maco(parameterization::Maco::default()));
    let alpha = proto::Parameterization { alpha: true, ..maco.unwrap_or_default() };
    check(|spec| spec.parameterization = Some(alpha), &["parameterization.alpha"]);
    let fourier = parameterization::Fourier { standard_deviation: Some(f64::NAN), decay_power: Some(4.1) };
    check(
        |spec| spec.parameterization = parameterized(parameterization::Kind::Fourier(fourier)),
        &["parameterization.fourier.standard_deviation", "parameterization.fourier.decay_power"],
    );
}

/// Checks what is wrong with an optimizer, by paths within it.
fn check_optimizer(kind: optimizer::Kind, schedule: Option<proto::Schedule>, fields: &[&str]) {
    let fields: Vec<String> = fields.iter().map(|field| format!("optimizer.{field}")).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    check(|spec| spec.optimizer = Some(proto::Optimizer { kind: Some(kind), schedule }), &fields);
}

#[test]
fn optimizers_are_checked() {
    let (beta1, beta2, epsilon) = (Some(1.0), Some(f64::NAN), Some(0.0));
    check_optimizer(
        optimizer::Kind::Adam(optimizer::Adam { learning_rate: Some(-1.0), beta1, beta2, epsilon }),
        None,
        &["adam.beta1", "adam.beta2", "adam.epsilon", "adam.learning_rate"],
    );
    let nadam = optimizer::NAdam { beta1, momentum_decay: Some(-0.1), ..Default::default() };
    check_optimizer(optimizer::Kind::Nadam(nadam), None, &["nadam.beta1", "nadam.momentum_decay"]);
    let adamw = optimizer::AdamW { weight_decay: Some(1.1), ..Default::default() };
    check_optimizer(optimizer::Kind::Adamw(adamw), None, &["adamw.weight_decay"]);
    let rmsprop = optimizer::RmsProp { decay: Some(1.0), epsilon, ..Default::default() };
    check_optimizer(optimizer::Kind::Rmsprop(rmsprop), None, &["rmsprop.decay", "rmsprop.epsilon"]);
    let sgd = optimizer::Sgd { nesterov: true, ..Default::default() };
    check_optimizer(optimizer::Kind::Sgd(sgd), None, &["sgd.nesterov"]);
    let adam = optimizer::Kind::Adam(optimizer::Adam::default());
    let cosine = schedule::Kind::Cosine(schedule::Cosine { steps: Some(0) });
    let schedule = proto::Schedule { kind: Some(cosine), warmup_steps: Some(u32::MAX) };
    check_optimizer(adam, Some(schedule), &["schedule.warmup_steps", "schedule.cosine.steps"]);
    let exponential = schedule::Kind::Exponential(schedule::Exponential { decay: None });
    let schedule = proto::Schedule { kind: Some(exponential), warmup_steps: None };
    check_optimizer(adam, Some(schedule), &["schedule.exponential.decay"]);
}

/// A number that float32 rounds to 0 or to infinity would make every picture not finite.
#[test]
fn numbers_that_float32_cannot_hold_are_refused() {
    for value in [1e-39, 1e39] {
        let adam = optimizer::Adam { learning_rate: Some(value), epsilon: Some(value), ..Default::default() };
        check_optimizer(optimizer::Kind::Adam(adam), None, &["adam.epsilon", "adam.learning_rate"]);
        let pixel = parameterization::Pixel { standard_deviation: Some(value) };
        let kind = Some(parameterization::Kind::Pixel(pixel));
        check(
            |spec| spec.parameterization = Some(proto::Parameterization { kind, ..Default::default() }),
            &["parameterization.pixel.standard_deviation"],
        );
    }
}

#[test]
fn an_optimizers_defaults_are_filled_in() {
    let check = |given: proto::Optimizer, expected: Optimizer| {
        let spec = proto::OptimizeSpec { optimizer: Some(given), steps: Some(40), ..good() };
        assert_eq!(parse(&spec).unwrap().optimize.optimizer, expected);
    };
    let of = |kind| proto::Optimizer { kind: Some(kind), schedule: None };
    check(proto::Optimizer::default(), Optimizer::DEFAULT);
    let nadam = Rule::NAdam { moments: Moments::DEFAULT, momentum_decay: 4e-3 };
    check(of(optimizer::Kind::Nadam(Default::default())), Optimizer { rule: nadam, ..Optimizer::DEFAULT });
    let adamw = Rule::AdamW { moments: Moments::DEFAULT, weight_decay: 0.01 };
    check(of(optimizer::Kind::Adamw(Default::default())), Optimizer { rule: adamw, ..Optimizer::DEFAULT });
    let rmsprop = Rule::RmsProp { decay: 0.99, epsilon: 1e-8 };
    let expected = Optimizer { rule: rmsprop, learning_rate: 0.01, ..Optimizer::DEFAULT };
    check(of(optimizer::Kind::Rmsprop(Default::default())), expected);
    let sgd = Rule::Sgd { momentum: 0.0, nesterov: false };
    let expected = Optimizer { rule: sgd, learning_rate: 1.0, ..Optimizer::DEFAULT };
    check(of(optimizer::Kind::Sgd(Default::default())), expected);
    let cosine = schedule::Kind::Cosine(schedule::Cosine::default());
    let schedule = Some(proto::Schedule { kind: Some(cosine), warmup_steps: Some(3) });
    let expected =
        Optimizer { schedule: Schedule::Cosine { steps: 40 }, warmup_steps: 3, ..Optimizer::DEFAULT };
    check(proto::Optimizer { kind: None, schedule }, expected);
}

#[test]
fn labels_are_safe_and_different() {
    let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
    check(|spec| spec.labels = labels(&["a", "b"]), &["labels"]);
    let two = |given: &[&str], fields: &[&str]| {
        check(|spec| (spec.images, spec.labels) = (Some(2), labels(given)), fields);
    };
    two(&["a", "a"], &["labels[1]"]);
    two(&["", "../x"], &["labels[0]", "labels[1]"]);
    two(&["a\n", &"x".repeat(129)], &["labels[0]", "labels[1]"]);
}

#[test]
fn everything_wrong_is_found_at_once() {
    let change = |spec: &mut proto::OptimizeSpec| {
        (spec.images, spec.steps) = (Some(0), Some(0));
        spec.terms[0].weight = Some(0.0);
    };
    check(change, &["images", "steps", "terms[0].weight"]);
}

#[test]
fn request_ids_are_uuids() {
    let key = |id: &str| request_key(id, Some(&good()));
    assert_eq!(key(""), Ok(None));
    let lower = key("0b3f1a52-6c5e-4d0e-9a3b-2f6d1c7e8a90").unwrap().unwrap();
    assert_eq!(key("0B3F1A52-6C5E-4D0E-9A3B-2F6D1C7E8A90").unwrap().unwrap(), lower);
    for bad in ["1", "0b3f1a526c5e4d0e9a3b2f6d1c7e8a90", "0b3f1a52-6c5e-4d0e-9a3b-2f6d1c7e8a9g"] {
        assert_eq!(key(bad).unwrap_err().field, "request_id");
    }
}

fn node(kind: expression::Kind) -> proto::Expression {
    proto::Expression { kind: Some(kind) }
}

fn product(parts: Vec<proto::Expression>) -> proto::Expression {
    node(expression::Kind::Product(expression::List { parts }))
}

#[test]
fn expressions_are_checked() {
    let leaf = |place| node(expression::Kind::Term(place));
    let constant = |value| node(expression::Kind::Constant(value));
    let check =
        |given: proto::Expression, fields: &[&str]| check(|spec| spec.objective = Some(given), fields);
    check(
        product(vec![leaf(0), leaf(1), proto::Expression { kind: None }]),
        &["objective.product.parts[1].term", "objective.product.parts[2]"],
    );
    check(product(vec![]), &["objective.product"]);
    check(node(expression::Kind::Negation(Box::new(constant(f64::NAN)))), &["objective.negation.constant"]);
    let deep = (0..64).fold(leaf(0), |inner, _| node(expression::Kind::Negation(Box::new(inner))));
    check(deep, &["objective"]);
    check(product(vec![leaf(0); 1024]), &["objective"]);
    let spec = proto::OptimizeSpec { objective: Some(product(vec![leaf(0), constant(2.0)])), ..good() };
    let expected = Expression::Product(vec![Expression::Term(0), Expression::Constant(2.0)]);
    assert_eq!(parse(&spec).unwrap().optimize.objective, Some(expected));
}

#[test]
fn image_weights_are_one_for_each_picture() {
    check(|spec| spec.terms[0].image_weights = vec![1.0, 1.0], &["terms[0].image_weights"]);
    check(|spec| spec.terms[0].image_weights = vec![f64::INFINITY], &["terms[0].image_weights[0]"]);
    assert_eq!(parse(&good()).unwrap().optimize.terms[0].image_weights, [1.0]);
}

#[test]
fn stops_are_checked() {
    let check = |stop: proto::Stop, fields: &[&str]| check(|spec| spec.stop = Some(stop), fields);
    let plateau = |window, tolerance| {
        let plateau = Some(proto::stop::Plateau { window, tolerance });
        proto::Stop { plateau, ..Default::default() }
    };
    check(plateau(Some(0), None), &["stop.plateau.window"]);
    check(plateau(Some(100_001), Some(f64::NAN)), &["stop.plateau.window", "stop.plateau.tolerance"]);
    check(plateau(None, Some(-0.1)), &["stop.plateau.tolerance"]);
    check(plateau(None, Some(1.1)), &["stop.plateau.tolerance"]);
    for target in [f64::NAN, f64::NEG_INFINITY] {
        check(proto::Stop { target: Some(target), ..Default::default() }, &["stop.target"]);
    }
    for seconds in [0.0, -1.0, 86_401.0, f64::NAN, f64::INFINITY] {
        check(proto::Stop { seconds: Some(seconds), ..Default::default() }, &["stop.seconds"]);
    }
}

#[test]
fn stops_defaults_are_filled_in() {
    let check = |stop: Option<proto::Stop>, expected: Stop| {
        assert_eq!(parse(&proto::OptimizeSpec { stop, ..good() }).unwrap().optimize.stop, expected);
    };
    check(None, Stop::default());
    check(Some(proto::Stop::default()), Stop::default());
    let plateau = Some(proto::stop::Plateau::default());
    let expected = Some(Plateau { window: 64, tolerance: 0.005 });
    check(Some(proto::Stop { plateau, ..Default::default() }), Stop { plateau: expected, ..Stop::default() });
    let (target, seconds) = (Some(-3.5), Some(86_400.0));
    check(Some(proto::Stop { plateau: None, target, seconds }), Stop { plateau: None, target, seconds });
}

#[test]
fn eliminations_are_checked() {
    let check = |images, starts, steps: &[u32], fields: &[&str]| {
        let elimination = proto::Elimination { starts, steps: steps.to_vec() };
        check(
            |spec| (spec.images, spec.steps, spec.elimination) = (Some(images), Some(8), Some(elimination)),
            fields,
        );
    };
    for starts in [0, 1] {
        check(4, starts, &[1], &["elimination.starts"]);
    }
    for (images, starts) in [(4, 3), (4, 8), (1, 2), (4, u32::MAX)] {
        check(images, starts, &[1], &["elimination.starts"]);
    }
    check(4, 2, &[], &["elimination.steps"]);
    check(4, 2, &[0], &["elimination.steps[0]"]);
    check(4, 2, &[7, 8], &["elimination.steps[1]"]);
    check(4, 2, &[3, 3], &["elimination.steps[1]"]);
    check(4, 3, &[4, 2], &["elimination.starts", "elimination.steps[1]"]);
    let elimination = Some(proto::Elimination { starts: 2, steps: vec![1] });
    let one = proto::OptimizeSpec { images: Some(2), steps: Some(1), elimination, ..good() };
    assert_eq!(parse(&one).unwrap_err()[0].field, "elimination.steps");
}

#[test]
fn an_elimination_is_taken_as_it_is() {
    use unitscope_engine::spec::Elimination;
    let parsed = |elimination| {
        let spec = proto::OptimizeSpec { images: Some(6), steps: Some(8), elimination, ..good() };
        parse(&spec).unwrap().optimize.elimination
    };
    let elimination = Some(proto::Elimination { starts: 3, steps: vec![1, 7] });
    assert_eq!(parsed(elimination), Some(Elimination { starts: 3, steps: vec![1, 7] }));
    assert_eq!(parsed(None), None);
}
