//! Layout and drawing of the sheet of hits.

use super::*;
use unitscope_proto::v1::Position;

/// No colour of any sheet.
const PAINT: Rgb<u8> = Rgb([10, 120, 200]);
const CROP_PAINT: Rgb<u8> = Rgb([200, 20, 120]);
const INPUT: Option<(u32, u32)> = Some((64, 64));

fn png(side: (u32, u32), color: Rgb<u8>) -> Vec<u8> {
    encode(&RgbImage::from_pixel(side.0, side.1, color)).unwrap()
}

fn hit(window: (u32, u32, u32, u32)) -> Hit {
    let (top, left, bottom, right) = window;
    Hit {
        path: "rings/1.png".into(),
        score: 8.3125,
        rank: 1,
        percentile: 99.5,
        position: Some(Position::default()),
        window: Some(Window { top, left, bottom, right }),
        ..Hit::default()
    }
}

fn cell(window: (u32, u32, u32, u32)) -> Cell {
    let cell = Cell::new(&hit(window), png((128, 128), PAINT), INPUT).unwrap();
    cell.with(Some(png((16, 16), CROP_PAINT)), None).unwrap()
}

fn title() -> [String; 2] {
    ["a:7".to_string(), String::new()]
}

fn drawn(rows: &[Row]) -> (Layout, RgbImage) {
    let png = hit_sheet(rows, &title(), Shade::Dark).unwrap();
    (Layout::new(rows, &title()), image::load_from_memory(&png).unwrap().into_rgb8())
}

fn row(cells: Vec<Cell>) -> Row {
    Row { heading: "largest".into(), cells }
}

#[test]
fn the_frame_is_around_what_the_unit_sees() {
    // Of a thumbnail twice as large as the input: rows 16 … 48, columns 32 … 96.
    let (layout, sheet) = drawn(&[row(vec![cell((8, 16, 24, 48))])]);
    let (x, y) = layout.corner(layout.tops[0], 0);
    let check = |dx: u32, dy: u32, color: Rgb<u8>| {
        assert_eq!(sheet.get_pixel(x + dx, y + dy), &color, "{dx}, {dy}");
    };
    check(31, 30, PAINT);
    check(32, 30, FRAME_COLORS[0]);
    check(33, 30, FRAME_COLORS[1]);
    check(35, 30, PAINT);
    check(95, 30, FRAME_COLORS[0]);
    check(96, 30, PAINT);
    check(60, 15, PAINT);
    check(60, 16, FRAME_COLORS[0]);
    check(60, 47, FRAME_COLORS[0]);
    check(60, 48, PAINT);
}

#[test]
fn crops_lie_below_and_captions_below_them() {
    let (layout, sheet) = drawn(&[row(vec![cell((8, 16, 24, 48))])]);
    let (x, y) = layout.corner(layout.tops[0], 0);
    assert_eq!(sheet.get_pixel(x, y + 128 + INNER_GAP_PX), &CROP_PAINT);
    assert_eq!(sheet.get_pixel(x + 127, y + 128 + INNER_GAP_PX + 127), &CROP_PAINT, "16 px grow eightfold");
    let colors = Colors::of(Shade::Dark);
    let top = y + layout.caption_top();
    assert!(top >= y + 128 + INNER_GAP_PX + 128);
    let ink = |line: u32, color| {
        let from = top + line * LINE_HEIGHT_PX;
        (from..from + LINE_HEIGHT_PX).any(|y| (x..x + 100).any(|x| sheet.get_pixel(x, y) == &color))
    };
    assert!(ink(0, colors.text), "the score");
    assert!(ink(1, colors.quiet) && ink(2, colors.quiet), "percentile and class");
    assert!(top + 3 * LINE_HEIGHT_PX <= sheet.height() - MARGIN_PX, "inside the sheet");
}

#[test]
fn a_window_that_is_all_or_wrong_is_not_drawn() {
    let check = |window, input, expected: Option<[f64; 4]>| {
        let cell = Cell::new(&hit(window), png((8, 8), PAINT), input).unwrap();
        let cell = cell.with(Some(png((8, 8), CROP_PAINT)), None).unwrap();
        assert_eq!((cell.window, cell.crop.is_some()), (expected, expected.is_some()), "{window:?}");
    };
    check((0, 0, 32, 64), INPUT, Some([0.0, 0.0, 0.5, 1.0]));
    check((16, 48, 32, 64), INPUT, Some([0.25, 0.75, 0.5, 1.0]));
    check((0, 0, 64, 64), INPUT, None);
    check((0, 0, 65, 64), INPUT, None);
    check((5, 5, 5, 9), INPUT, None);
    check((0, 0, 8, 8), None, None);
    let whole = drawn(&[row(vec![cell((0, 0, 64, 64))])]).0;
    assert_eq!(whole.crop, 0, "no room for crops that are not there");
}

#[test]
fn frames_stay_inside_of_any_picture() {
    for side in [1, 2, 3, 7] {
        let mut picture = RgbImage::from_pixel(side, side, PAINT);
        frame(&mut picture, [0.99, 0.99, 1.0, 1.0]);
        assert_eq!(picture.get_pixel(side - 1, side - 1), &FRAME_COLORS[0]);
    }
}

#[test]
fn nine_images_stand_side_by_side_and_the_tenth_below() {
    let cells = |count| (0..count).map(|_| cell((8, 16, 24, 48))).collect();
    let rows = [row(cells(10)), row(cells(2))];
    let (layout, sheet) = drawn(&rows);
    assert_eq!(sheet.dimensions(), (layout.width, layout.height));
    assert_eq!(layout.width, 2 * MARGIN_PX + 9 * 128 + 8 * GAP_PX);
    let (first, tenth) = (layout.corner(layout.tops[0], 0), layout.corner(layout.tops[0], 9));
    assert_eq!(tenth, (first.0, first.1 + layout.row_px()));
    assert_eq!(layout.tops[1], first.1 + 2 * layout.row_px());
    for (top, index) in [(layout.tops[0], 8), (layout.tops[0], 9), (layout.tops[1], 1)] {
        let (x, y) = layout.corner(top, index);
        assert_eq!(sheet.get_pixel(x, y), &PAINT);
        assert_ne!(sheet.get_pixel(x + 128, y), &PAINT);
    }
}

#[test]
fn a_lone_image_leaves_room_for_the_title() {
    let title = ["short".to_string(), "2,000 images · 1.32 ± 0.84 · 63 % above zero".to_string()];
    let layout = Layout::new(&[row(vec![cell((8, 16, 24, 48))])], &title);
    assert_eq!(layout.width, 2 * MARGIN_PX + text::width_px(&title[1]));
    let long = ["x".repeat(1000), String::new()];
    let layout = Layout::new(&[row(vec![cell((8, 16, 24, 48))])], &long);
    assert_eq!(layout.width, 2 * MARGIN_PX + 9 * 128 + 8 * GAP_PX, "no wider than nine images");
}

#[test]
fn a_great_many_images_shrink() {
    let cell = || Cell::new(&hit((0, 0, 9, 9)), png((224, 224), PAINT), INPUT).unwrap();
    let layout = Layout::new(&[row((0..1500).map(|_| cell()).collect())], &title());
    assert!(layout.side < 224, "{layout:?}");
    assert!(u64::from(layout.width) * u64::from(layout.height) <= MAX_SHEET_PX, "{layout:?}");
    assert_eq!(drawn(&[]).1.width(), 2 * MARGIN_PX + SIDES_PX.0, "nothing is drawn too");
}

#[test]
fn captions_end_with_the_class_or_else_the_file() {
    let mut hit = hit((0, 0, 9, 9));
    let last = |hit: &Hit| Cell::new(hit, png((8, 8), PAINT), INPUT).unwrap().captions;
    assert_eq!(last(&hit), ["#1 8.31", "99.50 %", "1.png"]);
    hit.class = "rings".into();
    assert_eq!(last(&hit)[2], "rings");
    assert!(Cell::new(&hit, b"GIF".to_vec(), INPUT).is_err());
}
