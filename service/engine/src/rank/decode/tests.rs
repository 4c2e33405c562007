//! What the keys say, which channels are images, and where views lie.

use super::{Preprocessing, view_of};
use crate::model::{ChannelOrder, Input};
use image::{Rgb, RgbImage};

fn input(channels: ChannelOrder) -> Input {
    let count = channels.count() as usize;
    Input {
        height: 32,
        width: 48,
        resize: None,
        range: [0.0, 1.0],
        mean: vec![0.0; count],
        std: vec![1.0; count],
        channels,
    }
}

#[test]
fn models_of_colours_or_grey_take_images() {
    let check = |channels: ChannelOrder, gray: Option<bool>| {
        let found = Preprocessing::of(&input(channels)).map(|preprocessing| preprocessing.gray);
        assert_eq!(found.clone().ok(), gray, "{channels:?}: {found:?}");
    };
    check(ChannelOrder::Rgb, Some(false));
    check(ChannelOrder::Bgr, Some(false));
    check(ChannelOrder::Gray, Some(true));
    check(ChannelOrder::Other(3), Some(false));
    check(ChannelOrder::Other(4), None);
    let error = Preprocessing::of(&input(ChannelOrder::Other(12))).unwrap_err();
    assert!(error.contains("12 channels"), "{error}");
}

#[test]
fn keys_differ_where_pixels_may() {
    let base = Preprocessing { resize: Some(256), height: 224, width: 200, gray: false };
    let others = [
        base,
        Preprocessing { resize: None, ..base },
        Preprocessing { resize: Some(255), ..base },
        Preprocessing { height: 200, width: 224, ..base },
        Preprocessing { gray: true, ..base },
    ];
    let keys: std::collections::BTreeSet<String> = others.iter().map(Preprocessing::key).collect();
    assert_eq!(keys.len(), others.len(), "{keys:?}");
    assert_eq!(base.key(), "pixels 1, shorter 256, centre 224 x 200, rgb");
}

/// Columns of 0, 1, 2 … in red, rows in green.
fn ramp(height: u32, width: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, 200]))
}

#[test]
fn a_picture_of_the_input_size_stays_as_it_is() {
    let exact = Preprocessing { resize: None, height: 32, width: 48, gray: false };
    let view = view_of(ramp(32, 48), &exact).unwrap();
    assert!(view.pixels == ramp(32, 48).into_raw());
    assert_eq!((view.height, view.width, view.channels, view.original), (32, 48, 3, (32, 48)));
    assert_eq!(view.window, [0.0, 0.0, 32.0, 48.0]);
}

#[test]
fn a_view_lies_where_its_window_says() {
    let check = |original: (u32, u32), resize: u32, size: (u32, u32), window: [f32; 4], corner: [u8; 3]| {
        let preprocessing =
            Preprocessing { resize: Some(resize), height: size.0, width: size.1, gray: false };
        let view = view_of(ramp(original.0, original.1), &preprocessing).unwrap();
        assert_eq!((view.window, &view.pixels[..3]), (window, &corner[..]), "{original:?} {resize} {size:?}");
        assert_eq!(view.pixels.len(), (size.0 * size.1 * 3) as usize);
    };
    check((40, 60), 40, (20, 30), [10.0, 15.0, 30.0, 45.0], [15, 10, 200]);
    check((40, 60), 40, (20, 64), [10.0, -2.0, 30.0, 62.0], [0, 0, 0]);
    check((40, 60), 40, (44, 30), [-2.0, 15.0, 42.0, 45.0], [0, 0, 0]);
    // Two pixels of the picture become one; their mean is rounded up.
    check((80, 120), 40, (20, 30), [20.0, 30.0, 60.0, 90.0], [31, 21, 200]);
}

#[test]
fn grey_is_pillows() {
    let preprocessing = Preprocessing { resize: None, height: 1, width: 4, gray: true };
    let colors = [[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]];
    let picture = RgbImage::from_fn(4, 1, |x, _| Rgb(colors[x as usize]));
    let view = view_of(picture, &preprocessing).unwrap();
    assert_eq!((view.channels, view.pixels), (1, vec![255, 76, 150, 29]));
}
