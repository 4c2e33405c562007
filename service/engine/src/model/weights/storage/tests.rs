//! Tensors of every type and layout from archives made in memory.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::super::Weights;
use super::*;

/// An archive of these entries, below `model`.
fn archive(entries: &[(&str, &[u8])]) -> Archive {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in entries {
        zip.start_file(format!("model/{name}"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    Archive::new(zip.finish().unwrap().into_inner()).unwrap()
}

fn stored(sizes: &[i64], strides: &[i64], offset: i64) -> StoredTensor {
    let (sizes, strides) = (sizes.to_vec(), strides.to_vec());
    StoredTensor { entry: "data".to_owned(), dtype: Dtype::F32, sizes, strides, offset }
}

/// From the entry `data`, which has the floats 0, 1, …, 999.
fn load(tensors: &[(&str, StoredTensor)]) -> Result<Weights, ModelError> {
    let floats: Vec<u8> = (0_u16..1000).flat_map(|value| f32::from(value).to_le_bytes()).collect();
    load_from(&mut archive(&[("data", &floats)]), tensors)
}

fn load_from(archive: &mut Archive, tensors: &[(&str, StoredTensor)]) -> Result<Weights, ModelError> {
    let stored = tensors.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())).collect();
    Weights::load(archive, &stored, tensors.iter().map(|(name, _)| *name))
}

#[test]
fn views_of_one_entry_share_its_memory() {
    let weights = load(&[
        ("a", stored(&[1], &[1], 7)),
        ("b", stored(&[2, 3], &[1, 2], 10)),
        ("c", stored(&[1, 1, 1, 2], &[2, 2, 2, 1], 20)),
    ]);
    let weights = weights.unwrap();
    let (a, b) = (weights.on("a", Device::Cpu).unwrap(), weights.on("b", Device::Cpu).unwrap());
    assert_eq!(b.data_ptr() as usize - a.data_ptr() as usize, 3 * size_of::<f32>());
    let floats = |tensor: &Tensor| Vec::<f32>::try_from(tensor.contiguous().view([-1])).unwrap();
    assert_eq!(floats(&a), [7.0]);
    assert_eq!(floats(&b), [10.0, 12.0, 14.0, 11.0, 13.0, 15.0]);
    assert_eq!(floats(&weights.on("c", Device::Cpu).unwrap()), [20.0, 21.0]);
}

#[test]
fn a_second_view_is_checked_as_the_first() {
    let error = load(&[("a", stored(&[1], &[1], 7)), ("b", stored(&[1], &[1], 1000))]).err().unwrap();
    assert!(error.to_string().contains("tensor `b` has 1 elements that take 4004 bytes"), "{error}");
}

#[test]
fn equal_tensors_are_one() {
    let four = || stored(&[2, 3, 1, 2], &[6, 2, 2, 1], 3);
    let weights = load(&[("a", four()), ("b", four())]).unwrap();
    let at = |name| weights.on(name, Device::Cpu).unwrap().data_ptr();
    assert_eq!(at("a"), at("b"));
}

#[test]
fn four_axes_lie_channels_last_and_hold_the_same_values() {
    // [2, 3, 2, 2], its last axis backwards in memory but one: columns before rows.
    let weights = load(&[("a", stored(&[2, 3, 2, 2], &[12, 4, 1, 2], 5))]).unwrap();
    let a = weights.on("a", Device::Cpu).unwrap();
    assert_eq!(a.stride(), [12, 1, 6, 3]);
    for (n, c, h, w) in [(0, 0, 0, 0), (0, 2, 1, 0), (1, 1, 0, 1), (1, 2, 1, 1)] {
        assert_eq!(a.double_value(&[n, c, h, w]), (5 + 12 * n + 4 * c + h + 2 * w) as f64);
    }
}

/// Three elements of a type, from the second on, with one byte too many behind them.
fn check_type(dtype: Dtype, elements: [&[u8]; 4], expected: [f64; 3], kind: Kind) {
    let mut bytes = elements.concat();
    bytes.push(0xff);
    let source = StoredTensor { dtype, ..stored(&[3], &[1], 1) };
    let four = StoredTensor { sizes: vec![1, 3, 1, 1], strides: vec![9, 1, 1, 1], ..source.clone() };
    // Out of the order of the file, and beside an entry that nobody wants.
    let mut archive = archive(&[("other", b"?"), ("data", &bytes), ("unwanted", b"!")]);
    let weights = load_from(&mut archive, &[("flat", source), ("four", four)]).unwrap();
    for name in ["flat", "four"] {
        let tensor = weights.on(name, Device::Cpu).unwrap();
        assert_eq!(tensor.kind(), kind, "{dtype:?}");
        let found = Vec::<f64>::try_from(tensor.to_kind(Kind::Double).contiguous().view([-1])).unwrap();
        assert_eq!(found, expected, "{dtype:?}, {name}");
    }
}

#[test]
fn every_type_is_read() {
    let bytes = [&[7_u8][..], &[0], &[1], &[200]];
    check_type(Dtype::U8, bytes, [0.0, 1.0, 200.0], Kind::Uint8);
    check_type(Dtype::I8, bytes, [0.0, 1.0, -56.0], Kind::Int8);
    // Any byte but 0 is true, and what operators see is 1.
    check_type(Dtype::Bool, bytes, [0.0, 1.0, 1.0], Kind::Bool);
    let two = [&[0, 0][..], &[0x00, 0x3c], &[0x80, 0xbf], &[0xff, 0x7b]];
    check_type(Dtype::I16, two, [15360.0, -16512.0, 31743.0], Kind::Int16);
    check_type(Dtype::F16, two, [1.0, -1.875, 65504.0], Kind::Float);
    let brain = [&[0, 0][..], &[0x80, 0x3f], &[0x80, 0xbf], &[0x49, 0x40]];
    check_type(Dtype::Bf16, brain, [1.0, -1.0, 3.140625], Kind::Float);
    let four = [0.0, 1.5, -2.0, 1e9_f32].map(f32::to_le_bytes);
    check_type(Dtype::F32, four.each_ref().map(|x| &x[..]), [1.5, -2.0, 1e9], Kind::Float);
    let four = [0, 1, -2, 1 << 30].map(i32::to_le_bytes);
    check_type(Dtype::I32, four.each_ref().map(|x| &x[..]), [1.0, -2.0, 1_073_741_824.0], Kind::Int);
    let eight = [0.0, 1.5, -2.0, 0.1].map(f64::to_le_bytes);
    check_type(Dtype::F64, eight.each_ref().map(|x| &x[..]), [1.5, -2.0, f64::from(0.1_f32)], Kind::Float);
    let eight = [0, 1, -2, 1 << 40].map(i64::to_le_bytes);
    check_type(Dtype::I64, eight.each_ref().map(|x| &x[..]), [1.0, -2.0, 1_099_511_627_776.0], Kind::Int64);
}

#[test]
fn one_entry_is_read_as_several_types() {
    let ints = StoredTensor { dtype: Dtype::I32, ..stored(&[1], &[1], 1) };
    let weights = load(&[("a", ints), ("b", stored(&[1], &[1], 1))]).unwrap();
    let value = |name| weights.on(name, Device::Cpu).unwrap().double_value(&[0]);
    assert_eq!((value("a"), value("b")), (f64::from(1_f32.to_bits()), 1.0));
}

#[test]
fn tensors_without_elements_and_without_axes() {
    let empty = StoredTensor { entry: "empty".to_owned(), ..stored(&[0, 5], &[5, 1], 0) };
    let empty_four = StoredTensor { entry: "empty".to_owned(), ..stored(&[0, 5, 1, 1], &[5, 1, 1, 1], 0) };
    let one = 2.5_f32.to_le_bytes();
    let mut archive = archive(&[("empty", b""), ("data", &one)]);
    let tensors = [("empty", empty), ("empty_four", empty_four), ("scalar", stored(&[], &[], 0))];
    let weights = load_from(&mut archive, &tensors).unwrap();
    assert_eq!(weights.fact("empty").unwrap().sizes, [0, 5]);
    assert_eq!(weights.fact("empty_four").unwrap().sizes, [0, 5, 1, 1]);
    assert_eq!(weights.on("scalar", Device::Cpu).unwrap().double_value(&[]), 2.5);
}

#[test]
fn an_entry_that_is_not_there_is_refused() {
    let elsewhere = StoredTensor { entry: "elsewhere".to_owned(), ..stored(&[1], &[1], 0) };
    let error = load(&[("a", elsewhere)]).err().unwrap().to_string();
    assert!(error.contains("no entry `elsewhere`, where tensor `a` should lie"), "{error}");
}
