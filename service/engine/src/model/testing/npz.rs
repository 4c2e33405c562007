//! Reads NumPy's `.npz` (a zip of `.npy`), float32 only, and compares tensors; for tests.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use tch::Tensor;
use zip::CompressionMethod;

/// The float32 arrays of a file by name; others are left out.
pub fn read(path: &Path) -> BTreeMap<String, Tensor> {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut arrays = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index_raw(index).unwrap();
        let name = std::str::from_utf8(entry.name_raw()).unwrap().trim_end_matches(".npy").to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if entry.compression() != CompressionMethod::Stored {
            bytes = miniz_oxide::inflate::decompress_to_vec(&bytes).unwrap();
        }
        if let Some(array) = array(&bytes) {
            arrays.insert(name, array);
        }
    }
    arrays
}

/// <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>, version 1.
fn array(bytes: &[u8]) -> Option<Tensor> {
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
    if !header.contains("'descr': '<f4'") {
        return None;
    }
    assert!(header.contains("'fortran_order': False"), "{header}");
    let (_, shape) = header.split_once("'shape': (").unwrap();
    let (shape, _) = shape.split_once(')').unwrap();
    let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
    let shape: Vec<i64> = sizes.map(|size| size.parse().unwrap()).collect();
    Some(Tensor::from_data_size(&bytes[10 + length..], &shape, tch::Kind::Float))
}

/// Asserts max |a − b| ≤ 1e-4 · max |b| (issue 2, point 2).
pub fn assert_near(a: &Tensor, b: &Tensor, what: &str) {
    const TOLERANCE: f64 = 1e-4;
    assert_eq!(a.size(), b.size(), "{what}");
    let largest = |tensor: &Tensor| tensor.abs().max().double_value(&[]);
    let (difference, scale) = (largest(&(a - b)), largest(b));
    assert!(difference <= TOLERANCE * scale, "{what}: off by {difference} where values reach {scale}");
}
