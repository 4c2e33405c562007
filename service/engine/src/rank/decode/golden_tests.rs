//! Views and decoded files against torchvision's and Pillow's pixels, which `tests/fixtures/resize.py` writes and explains.

use super::{Preprocessing, decode, view_of};
use image::RgbImage;
use serde_json::Value;

/// Grey levels between two bilinear filters in whole numbers: Pillow convolves rows first, `fast_image_resize` columns.
const RESIZE_LEVELS: u8 = 1;
/// Grey levels between two decoders of the same lossy data; 2 were measured, on x86-64 with AVX2.
const LOSSY_LEVELS: u8 = 3;

/// The cases of a file, of which there is at least one.
pub(super) fn cases(name: &str) -> Vec<Value> {
    let path = format!("{}/../../tests/fixtures/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let all: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(!all.is_empty(), "{name}");
    all
}

pub(super) fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

pub(super) fn bytes(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap().as_bytes().chunks_exact(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A picture by its formula.
fn formula(height: u32, width: u32, shift: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let level = (3 * x * x + 5 * y * y + 7 * x * y) >> shift;
        image::Rgb([0, 1, 2].map(|channel| ((level + 85 * channel) % 256) as u8))
    })
}

/// The largest difference, and the mean one.
fn difference(found: &[u8], expected: &[u8]) -> (u8, f64) {
    assert_eq!(found.len(), expected.len());
    let levels = found.iter().zip(expected).map(|(found, expected)| found.abs_diff(*expected));
    let sum: u64 = levels.clone().map(u64::from).sum();
    (levels.max().unwrap_or(0), sum as f64 / found.len() as f64)
}

#[test]
fn views_are_those_of_torchvision() {
    for case in cases("resize") {
        let (height, width) = (number(&case["height"]), number(&case["width"]));
        let preprocessing = Preprocessing {
            resize: Some(number(&case["resize"])),
            height: number(&case["crop"][0]),
            width: number(&case["crop"][1]),
            gray: case["gray"].as_bool().unwrap(),
        };
        let view = view_of(formula(height, width, number(&case["shift"])), &preprocessing).unwrap();
        let (most, mean) = difference(&view.pixels, &bytes(&case["pixels"]));
        assert!(most <= RESIZE_LEVELS && mean < 0.2, "{height} x {width}, {preprocessing:?}: {most}, {mean}");
        assert_eq!(view.original, (height, width));
    }
}

#[test]
fn files_are_decoded_as_pillow_decodes_them() {
    for case in cases("decode") {
        let (name, exact) = (&case["name"], case["exact"].as_bool().unwrap());
        let picture = decode(&bytes(&case["file"])).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            (picture.height(), picture.width()),
            (number(&case["height"]), number(&case["width"])),
            "{name}"
        );
        let (most, mean) = difference(picture.as_raw(), &bytes(&case["pixels"]));
        assert!(most <= if exact { 0 } else { LOSSY_LEVELS }, "{name}: {most} levels, {mean} on average");
    }
}

/// The filter reads what the crop leaves out: a view is the middle of the whole resized picture, to the last bit.
#[test]
fn a_crop_is_a_part_of_the_whole_resized_picture() {
    let check =
        |original: (u32, u32), side: u32, (height, width): (u32, u32), (rows, columns): (u32, u32)| {
            let of = |height: u32, width: u32| {
                let preprocessing = Preprocessing { resize: Some(side), height, width, gray: false };
                view_of(formula(original.0, original.1, 3), &preprocessing).unwrap().pixels
            };
            let (whole, part) = (of(rows, columns), of(height, width));
            let (top, left) = ((rows - height) / 2, (columns - width) / 2);
            let lines = whole.chunks_exact(columns as usize * 3).skip(top as usize).take(height as usize);
            let (from, to) = (left as usize * 3, (left + width) as usize * 3);
            let expected: Vec<u8> = lines.flat_map(|line| &line[from..to]).copied().collect();
            assert!(part == expected, "{original:?} to {side}, {height} x {width}");
        };
    check((375, 500), 256, (224, 225), (256, 341));
    check((500, 375), 256, (225, 224), (341, 256));
    check((97, 131), 60, (10, 11), (60, 81));
    check((40, 57), 80, (24, 24), (80, 114));
    check((333, 1000), 64, (64, 64), (64, 192));
}
