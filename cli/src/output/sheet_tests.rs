//! Layout and drawing of the contact sheet.

use super::*;

/// No colour of any sheet.
const PAINT: Rgb<u8> = Rgb([10, 120, 200]);

fn picture(width: u32, height: u32, is_dead: bool) -> Picture {
    let pixels = RgbImage::from_pixel(width, height, PAINT);
    Picture { pixels, label: "layer:7".into(), caption: "score 1.00".into(), is_dead }
}

fn decoded(pictures: &[Picture], columns: Option<usize>, shade: Shade) -> RgbImage {
    let png = contact_sheet(pictures, columns, "demo", shade).unwrap();
    image::load_from_memory(&png).unwrap().into_rgb8()
}

#[test]
fn grids_are_wide_and_full() {
    for (pictures, columns) in
        [(1, 1), (2, 2), (4, 4), (5, 3), (6, 3), (8, 4), (9, 3), (12, 4), (16, 4), (32, 8)]
    {
        assert_eq!(columns_for(pictures), columns, "{pictures} pictures");
    }
    for pictures in 1..400 {
        let columns = columns_for(pictures);
        let rows = pictures.div_ceil(columns);
        assert!(rows <= columns + 2 && columns <= 4 + rows * 3, "{pictures} pictures: {columns} columns");
    }
}

#[test]
fn small_pictures_grow_by_a_whole_factor_and_large_ones_shrink() {
    let check = |size, side, drawn| assert_eq!(drawn_size(size, side), drawn, "{size:?} at {side}");
    check((32, 32), SIDE_PX, (224, 224));
    check((64, 48), SIDE_PX, (256, 192));
    check((128, 128), SIDE_PX, (256, 256));
    check((150, 150), SIDE_PX, (150, 150));
    check((1, 1), SIDE_PX, (224, 224));
    check((224, 224), SIDE_PX, (224, 224));
    check((384, 100), SIDE_PX, (384, 100));
    check((768, 384), SIDE_PX, (384, 192));
    check((2000, 1), SIDE_PX, (384, 1));
    check((224, 224), 100, (100, 100));
    check((32, 32), 100, (96, 96));
    check((40, 40), 100, (80, 80));
}

#[test]
fn pictures_lie_where_the_layout_says() {
    let pictures: Vec<_> = (0..5).map(|_| picture(32, 32, false)).collect();
    let layout = Layout::new(&pictures, Some(3));
    let sheet = decoded(&pictures, Some(3), Shade::Dark);
    assert_eq!(sheet.dimensions(), (layout.width, layout.height));
    for index in 0..5 {
        let (x, y) = layout.corner(index);
        assert_eq!(sheet.get_pixel(x, y), &PAINT, "picture {index}");
        assert_eq!(sheet.get_pixel(x + 223, y + 223), &PAINT, "picture {index}");
        assert_ne!(sheet.get_pixel(x + 224, y + 223), &PAINT, "picture {index}");
        assert_eq!(sheet.get_pixel(x - 1, y), &Colors::of(Shade::Dark).background, "picture {index}");
    }
    let (x, y) = (MARGIN_PX + 2 * (224 + GAP_PX), layout.corner(3).1);
    assert_eq!(sheet.get_pixel(x, y), &Colors::of(Shade::Dark).background, "the sixth place is empty");
    assert_eq!(layout.corner(4).0 + 224 + GAP_PX, x);
}

#[test]
fn captions_stand_below_and_the_dead_are_framed() {
    let sheet = decoded(&[picture(32, 32, false), picture(32, 32, true)], None, Shade::Light);
    let colors = Colors::of(Shade::Light);
    let (x, y) = (MARGIN_PX + 224 + GAP_PX, MARGIN_PX + TITLE_PX);
    assert_eq!(sheet.get_pixel(x - 1, y), &colors.dead);
    assert_eq!(sheet.get_pixel(MARGIN_PX - 1, y), &colors.background);
    let caption = |x: u32| (x..x + 100).flat_map(|x| (y + 224 + 6..y + 224 + 38).map(move |y| (x, y)));
    assert!(caption(MARGIN_PX).any(|(x, y)| sheet.get_pixel(x, y) == &colors.text), "the label is written");
    assert!(caption(x).any(|(x, y)| sheet.get_pixel(x, y) == &colors.dead), "the dead are called so");
}

#[test]
fn a_great_many_pictures_shrink() {
    let pictures: Vec<_> = (0..1024).map(|_| picture(224, 224, false)).collect();
    let layout = Layout::new(&pictures, None);
    assert!(layout.side < SIDE_PX);
    assert!(u64::from(layout.width) * u64::from(layout.height) <= MAX_SHEET_PX, "{layout:?}");
}

#[test]
fn a_broken_png_is_an_error() {
    assert!(Picture::new(b"GIF".to_vec(), "x".into(), String::new(), false).is_err());
}
