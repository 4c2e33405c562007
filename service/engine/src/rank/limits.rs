//! Every cap on what an image file may ask for, with its reason; a file is data from outside.

/// Bytes of one image file. A 16-bit PNG of a 24-megapixel camera takes about 50 MB; a JPEG of the same picture 10 MB.
pub const IMAGE_FILE_BYTES: usize = 64 << 20;
/// Pixels of one image: 8192 × 8192, above the 61 megapixels of the largest common cameras. A decoded picture takes three bytes a
/// pixel, 192 MiB, and each worker of a pass may hold one. The header alone tells, before anything is allocated.
pub const IMAGE_PIXELS: u64 = 1 << 26;
/// Bytes that a decoder may allocate: 16 for each pixel, twice what 16-bit colours with alpha need.
pub const DECODER_BYTES: u64 = IMAGE_PIXELS * 16;
/// Passes over a progressive JPEG: encoders make about ten. A small file of many would cost minutes.
pub const JPEG_SCANS: usize = 64;
/// Characters of a decoder's own words that an error repeats: they may quote the file.
pub const REASON_CHARS: usize = 200;
/// Images that go through the network together: enough to use each weight well, few enough for a core's cache and a small dataset.
pub const BATCH: u32 = 16;
/// Numbers that a batch's activations may have if all were kept (1 GiB in float32); they are not, so that each thread holds a part of that. A GoogLeNet
/// at 224 px has 10 million for each image.
pub const BATCH_ELEMENTS: u64 = 1 << 28;
/// The same of all threads together. A thread holds about a fifth of its batch's activations at once, so that a pass stays below 8 GiB.
pub const PASS_ELEMENTS: u64 = 1 << 33;
