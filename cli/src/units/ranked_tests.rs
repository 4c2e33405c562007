//! From units and directions to what a ranking takes.

use super::*;
use unitscope_proto::v1::Layer;

fn model() -> Model {
    let layer = |path: &str, shape: &[i64], axes: &[&str]| Layer {
        path: path.into(),
        units: shape[0] as u64,
        shape: shape.to_vec(),
        axes: axes.iter().map(ToString::to_string).collect(),
        ..Layer::default()
    };
    Model {
        name: "m".into(),
        labels: vec!["stripes".into(), "rings".into()],
        layers: vec![
            layer("conv", &[3, 5, 8], &["channel", "height", "width"]),
            layer("norm", &[17, 4], &["token", "channel"]),
            layer("fc", &[2], &["channel"]),
        ],
        ..Model::default()
    }
}

fn of_unit(text: &str, model: Option<&Model>) -> Result<Vec<Ranked>, Failure> {
    expand(&[text.parse().unwrap()], model)?.into_iter().map(|wanted| channel(wanted, model)).collect()
}

fn check_unit(text: &str, channels: &[u32], place: Option<(u32, u32)>, label: &str) {
    let model = model();
    let ranked = of_unit(text, Some(&model)).unwrap_or_else(|failure| panic!("{text}: {failure}"));
    assert_eq!(ranked[0].unit.label, label, "{text}");
    for (ranked, number) in ranked.iter().zip(channels) {
        assert_eq!(ranked.unit.what, Some(What::Channel(*number)), "{text}");
        let position = place.map(|(row, column)| v1::Position { row, column });
        assert_eq!(ranked.unit.position, position, "{text}");
    }
    assert_eq!(ranked.len(), channels.len(), "{text}");
}

fn says<T>(result: Result<T, Failure>, part: &str) {
    let text = result.err().unwrap_or_else(|| panic!("{part}: accepted")).to_string();
    assert!(text.contains(part), "{part}: {text}");
}

#[test]
fn units_are_channels_with_labels_and_positions() {
    check_unit("conv:2", &[2], None, "conv:2");
    check_unit("conv:0-1@3,4", &[0, 1], Some((3, 4)), "conv:0@3,4");
    check_unit("conv:all", &[0, 1, 2], None, "conv:0");
    check_unit("conv:pre:1@center", &[1], Some((2, 4)), "conv:pre:1@center");
    check_unit("fc:rings", &[1], None, "fc:rings");
    let long = format!("{}:1", "a".repeat(200));
    check_unit(&long, &[1], None, "");
}

#[test]
fn tokens_are_named_by_place_or_patch() {
    let mut model = model();
    model.layers[1].tokens = Some(v1::TokenGrid { prefix: 1, rows: 2, columns: 8 });
    let check = |text: &str, position: Option<(u32, u32)>, token: Option<u32>, class_token: bool| {
        let unit = of_unit(text, Some(&model)).unwrap().remove(0).unit;
        let position = position.map(|(row, column)| v1::Position { row, column });
        assert_eq!((unit.position, unit.token, unit.class_token), (position, token, class_token), "{text}");
    };
    check("norm:1@5", None, Some(5), false);
    check("norm:1@cls", None, None, true);
    check("norm:1@1,3", Some((1, 3)), None, false);
    check("norm:1@center", Some((1, 4)), None, false);
    check("norm:1", None, None, false);
}

#[test]
fn what_has_no_middle_says_so() {
    let model = model();
    says(
        of_unit("norm:1@center", Some(&model)),
        "--unit norm:1@center: layer `norm` has no rows and columns",
    );
    says(of_unit("x:1@center", Some(&model)), "model `m` has no layer `x`");
    says(of_unit("conv:4294967296", None), "channel 4294967296 is more than 4294967295");
}

fn check_direction(text: &str, channels: &[u32], weights: &[f32], place: Option<(u32, u32)>) {
    let model = model();
    let parsed: Direction = text.parse().unwrap();
    let ranked = direction(&parsed, Some(&model)).unwrap_or_else(|failure| panic!("{text}: {failure}"));
    let sum = v1::Direction { weights: weights.to_vec(), channels: channels.to_vec() };
    assert_eq!(ranked.unit.what, Some(What::Direction(sum)), "{text}");
    assert_eq!(ranked.unit.position, place.map(|(row, column)| v1::Position { row, column }), "{text}");
    assert_eq!((ranked.unit.label.as_str(), ranked.argument), (text, format!("--direction {text}")));
}

#[test]
fn directions_name_their_channels() {
    check_direction("conv:2=0.5,0=-1", &[2, 0], &[0.5, -1.0], None);
    check_direction("conv:2=1@center", &[2], &[1.0], Some((2, 4)));
    check_direction("fc:rings=1,stripes=-1", &[1, 0], &[1.0, -1.0], None);
    let model = model();
    let wrong: Direction = "fc:dots=1".parse().unwrap();
    says(direction(&wrong, Some(&model)), "--direction fc:dots=1: --unit fc:dots: model `m` has no class");
}

#[test]
fn a_file_has_a_weight_for_each_channel() {
    let folder = tempfile::tempdir().unwrap();
    let of = |text: &str| {
        let path = folder.path().join("w.json");
        std::fs::write(&path, text).unwrap();
        let parsed: Direction = format!("conv:{}", path.display()).parse().unwrap();
        direction(&parsed, None)
    };
    let sum = v1::Direction { weights: vec![0.5, 0.0, -1.0], channels: Vec::new() };
    assert_eq!(
        of("[0.5, 0, -1]").unwrap_or_else(|failure| panic!("{failure}")).unit.what,
        Some(What::Direction(sum))
    );
    says(of("{\"a\": 1}"), "is not a JSON list of numbers");
    says(direction(&"conv:/no/such.json".parse().unwrap(), None), "/no/such.json cannot be read");
}

#[test]
fn only_what_needs_the_model_asks_for_it() {
    let check = |text: &str, tells| assert_eq!(direction_tells(&text.parse().unwrap()), tells, "{text}");
    check("a:1=2", true);
    check("a:1=2@3,4", true);
    check("a:w.json", true);
    check("a:1=2@center", false);
    check("a:rings=2", false);
}
