//! Holds the card's words, its page and its PNG to what they promise.

use super::limits::{PNG_HEIGHT, PNG_UNITS};
use super::sample::{card, hit, made, picture, statistics, unit};
use super::words::{certificate, count, number, percentile, round, share};
use super::*;
use image::ImageFormat;
use proptest::prelude::*;

#[test]
fn numbers_have_three_digits() {
    let check = |value: f64, text: &str| assert_eq!(number(value), text, "{value:?}");
    check(0.0, "0");
    check(-0.0, "0");
    check(12.34, "12.3");
    check(-1.255, "−1.25");
    check(99.96, "100");
    check(999.6, "1,000");
    check(1521.4, "1,521");
    check(999_400.0, "999,400");
    check(999_999.0, "1.00×10⁶");
    check(1_234_567.0, "1.23×10⁶");
    check(0.001_234, "0.00123");
    check(0.000_123_4, "1.23×10⁻⁴");
    check(-1e300, "−1.00×10³⁰⁰");
    check(f64::NAN, "not a number");
    check(f64::NEG_INFINITY, "−∞");
    assert_eq!([50.0, 0.25, -1200.0, 2e7].map(round), ["50", "0.25", "−1,200", "2×10⁷"]);
    assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    assert_eq!(
        [100.0, 99.96, 99.25, 0.04, 0.0, 50.0].map(percentile),
        ["100", "above 99.9", "99.2", "below 0.1", "0", "50"]
    );
    assert_eq!([0.9996, 1.0, 0.625].map(share), ["above 99.9 %", "100 %", "62.5 %"]);
}

#[test]
fn certificates_say_what_was_compared() {
    let statistics = statistics(-3.0, 12.3);
    let check = |aim, score: f64, words: &str| {
        assert_eq!(certificate(&made(aim, "it", score, &statistics), &statistics), words, "{score}");
    };
    check(Aim::Maximize, 12.4, "higher than all 1,000 images of the dataset (largest: 12.3)");
    check(Aim::Diverse, 99.0, "higher than all 1,000 images of the dataset (largest: 12.3)");
    check(Aim::Maximize, 12.3, "does not exceed the largest image (12.3): percentile 97.2");
    check(Aim::Minimize, -3.5, "lower than all 1,000 images of the dataset (smallest: −3.00)");
    check(Aim::Minimize, -3.0, "does not fall below the smallest image (−3.00): percentile 97.2");
    check(Aim::Maximize, -4.0, "lower than all 1,000 images of the dataset (smallest: −3.00)");
    check(Aim::Maximize, f64::NAN, "its score is not a number, so it is compared with nothing");
    let none = Statistics::default();
    assert_eq!(Certificate::of(5.0, &none), Certificate::Within);
    let words = certificate(&made(Aim::Maximize, "it", 5.0, &none), &none);
    assert_eq!(words, "no image of the dataset has a score to compare it with");
}

/// Two units of classes, whose largest images are of these.
#[test]
fn class_units_are_counted_over_the_card() {
    let of_class = |name: &str, label: Option<&str>, classes: &[&str]| {
        let mut unit = unit(name);
        unit.label = label.map(str::to_owned);
        for group in unit.groups.iter_mut().filter(|group| group.place == Place::Largest) {
            group.hits = classes
                .iter()
                .map(|class| Hit { class: Some((*class).to_owned()), ..hit(1, 12.3, 99.9) })
                .collect();
        }
        unit
    };
    let cat = || of_class("fc:0", Some("cat"), &["cat", "cat", "dog"]);
    let dog = || of_class("fc:1", Some("Hot dog"), &["hot_dog"]);
    let words = "3 of the 4 largest images of 2 units are of the unit's class";
    let says = |units: Vec<UnitCard>| html(&card(units)).replace("&#39;", "'").contains(words);
    assert!(says(vec![cat(), dog()]));
    assert!(says(vec![cat(), dog(), of_class("block:3", None, &["cat"])]));
    assert!(!says(vec![cat()]));
}

/// The page of one unit, after a change.
fn page(change: impl FnOnce(&mut UnitCard)) -> String {
    let mut unit = unit("fc:1");
    change(&mut unit);
    html(&card(vec![unit]))
}

/// The text of each element of a kind, up to its first `>`.
fn tags<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let open = format!("<{name}");
    page.match_indices(&open).map(|(at, _)| &page[at..at + page[at..].find('>').expect("it ends")]).collect()
}

#[test]
fn a_page_loads_nothing_and_runs_nothing() {
    let page = page(|_| ());
    assert!(page.contains("default-src 'none'; style-src 'unsafe-inline'; img-src data:"));
    let lower = page.to_lowercase();
    for bad in
        ["<script", "http://", "https://", "<link", "@import", "url(", "<iframe", "javascript:", "onload"]
    {
        assert!(!lower.contains(bad), "{bad}");
    }
    for image in tags(&page, "img") {
        assert!(image.contains(r#"src="data:image/png;base64,"#), "{image}");
    }
}

#[test]
fn every_picture_has_its_words() {
    let page = page(|_| ());
    let images = tags(&page, "img");
    // Four real images with a crop each, and three optimized ones.
    assert_eq!(images.len(), 4 * 2 + 3);
    for image in &images {
        let alt = image.split("alt=\"").nth(1).expect("it has an alt").trim_end_matches('"');
        assert!(alt.len() > 20, "{image}");
    }
    let with = |words: &str| images.iter().filter(|image| image.contains(words)).count();
    assert_eq!(with("rank 1 of 1,000, class goldfish, activation 12.3, percentile above 99.9"), 1);
    assert_eq!(with("rank 1,000 of 1,000, class goldfish, activation 0, percentile 0"), 1);
    assert_eq!(with("Maximizes, optimized, activation 41.5, higher than all 1,000 images"), 1);
    assert_eq!(with("the whole image, with a frame"), 4);
}

#[test]
fn a_frame_lies_where_the_window_is() {
    let framed = page(|_| ());
    assert_eq!(framed.matches("top:25.00%;left:25.00%;width:25.00%;height:50.00%").count(), 4);
    let whole = page(|unit| {
        for group in &mut unit.groups {
            group.hits.iter_mut().for_each(|hit| hit.window = Some([0.0, 0.0, 1.0, 1.0]));
        }
    });
    assert_eq!(whole.matches("class=\"frame\"").count(), 0, "a frame around everything says nothing");
    assert_eq!(tags(&whole, "img").len(), 4 + 3, "a crop of everything is the image itself");
}

#[test]
fn hostile_words_stay_words() {
    let bad = "</style><script>alert('1')</script>\"><img src=x onerror=y>&\u{202E}\u{0}\u{1B}";
    let mut hostile = unit(bad);
    hostile.label = Some(bad.to_owned());
    hostile.reading = bad.to_owned();
    hostile.top_class = Some(TopClass { class: bad.to_owned(), agreeing: 1, of: 2 });
    hostile.statistics.class_means[0].0 = bad.to_owned();
    hostile.optimized[0].title = bad.to_owned();
    for group in &mut hostile.groups {
        (group.title, group.note) = (bad.to_owned(), bad.to_owned());
        for hit in &mut group.hits {
            (hit.path, hit.class) = (bad.to_owned(), Some(bad.to_owned()));
        }
    }
    let mut card = card(vec![hostile, unit("fc:2")]);
    card.title = bad.to_owned();
    card.provenance.push((bad.to_owned(), bad.to_owned()));
    (card.model, card.dataset, card.create_time) = (bad.to_owned(), bad.to_owned(), bad.to_owned());
    let page = html(&card);
    assert!(!page.contains("<script") && !page.contains("<img src=x") && !page.contains("alert('1')"));
    assert!(!page.contains(['\u{202E}', '\u{0}', '\u{1B}']));
    assert_eq!(page.matches("</style>").count(), 1);
    assert_eq!(tags(&page, "img").len(), 2 * 11);
    decode(&png(&card).expect("XML takes it"));
}

#[test]
fn a_page_says_what_matters_first() {
    let check = |page: String, words: &[&str]| {
        for words in words {
            assert!(page.contains(words), "{words}");
        }
    };
    check(
        page(|_| ()),
        &[
            "2 of the 2 largest are of class goldfish.",
            "2 of 3 optimized images score beyond every real image (0 to 12.3).",
            "Real and optimized images are scored alike: the unit&#39;s activation, max over positions, at the same network input size.",
            "1,000 scored, 3 could not be read",
            "<td>62.5 %</td>",
            "<td>9.23</td><td>1,234</td>",
            "val/500.jpg",
            "unitscope card --unit fc:1",
        ],
    );
    let dead = page(|unit| {
        unit.statistics = statistics(0.0, 0.0);
        unit.statistics.dead = true;
    });
    check(
        dead,
        &[
            "Never fires: the response to all 1,000 images is 0.",
            "the order of the real images means nothing",
        ],
    );
    let below = page(|unit| {
        unit.statistics = statistics(-2.5, -0.5);
        unit.statistics.dead = true;
    });
    check(below, &["Never fires: the response to all 1,000 images is 0 or less."]);
    let equal = page(|unit| unit.statistics = statistics(-2.5, -2.5));
    check(equal, &["Does not tell the images apart: the response to all 1,000 images is −2.50."]);
    let broken = page(|unit| unit.statistics.not_a_number = 4);
    check(broken, &["The response to 4 images is not a number"]);
    check(page(|unit| unit.statistics = Statistics::default()), &["No image of the dataset has a score."]);
    let missing = page(|unit| unit.optimized[0].picture = b"<svg onload='x'>".to_vec());
    check(missing, &["no picture<span class=\"hidden\">: Maximizes, optimized"]);
}

#[test]
fn many_units_have_a_table_of_contents() {
    assert!(!page(|_| ()).contains("<nav"));
    let page = html(&card((0..32).map(|channel| unit(&format!("fc:{channel}"))).collect()));
    for place in 1..=32 {
        assert!(
            page.contains(&format!("href=\"#unit-{place}\""))
                && page.contains(&format!("id=\"unit-{place}\""))
        );
    }
    let ids: Vec<&str> =
        page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().expect("it ends")).collect();
    let unique: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len(), "an id is there once");
}

fn decode(bytes: &[u8]) -> image::RgbaImage {
    image::load_from_memory_with_format(bytes, ImageFormat::Png).expect("it is a PNG").to_rgba8()
}

#[test]
fn a_png_shows_the_card() {
    let mut red = unit("fc:1");
    let mut bytes = std::io::Cursor::new(Vec::new());
    let filled = image::RgbImage::from_pixel(8, 8, image::Rgb([250, 0, 0]));
    filled.write_to(&mut bytes, ImageFormat::Png).expect("it is small");
    red.optimized[0].picture = bytes.into_inner();
    let pixels = decode(&png(&card(vec![red])).expect("it is small enough"));
    assert_eq!(pixels.width(), 2400);
    assert!((2000..=PNG_HEIGHT).contains(&u64::from(pixels.height())), "{}", pixels.height());
    assert!(pixels.pixels().all(|pixel| pixel.0[3] == 255), "nothing shines through");
    let of = |wanted: [u8; 3]| pixels.pixels().filter(|pixel| pixel.0[..3] == wanted).count();
    // The picture is a third of the width less gutters, twice as dense.
    assert!((500_000..550_000).contains(&of([250, 0, 0])), "{}", of([250, 0, 0]));
    assert!(
        of([0xd5, 0x5e, 0]) > 50 && of([0, 0x72, 0xb2]) > 50 && of([0, 0x9e, 0x73]) > 50,
        "marks are there"
    );
    assert!(of([0x1a, 0x1a, 0x1a]) > 20_000, "words are there");
}

#[test]
fn a_png_too_large_is_refused() {
    let units = |count: usize| card((0..count).map(|_| unit("fc:1")).collect());
    let error = png(&units(PNG_UNITS + 1)).expect_err("it is too long").to_string();
    assert_eq!(
        error,
        "the card has 17 units, and a PNG shows at most 16; ask for the HTML page or for fewer units"
    );
    let mut long = units(1);
    long.units[0].groups[0].hits = (0..400).map(|rank| hit(rank, 1.0, 50.0)).collect();
    assert!(matches!(png(&long), Err(CardError::Height { height, most: PNG_HEIGHT }) if height > PNG_HEIGHT));
    // Between: at half the density.
    long.units[0].groups[0].hits.truncate(150);
    assert_eq!(decode(&png(&long).expect("it is not too long")).width(), 1200);
}

fn any_score() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), -10.0..10.0, Just(0.0), Just(f64::NAN), Just(f64::INFINITY)]
}

prop_compose! {
    fn any_unit()(
        (low, high, mean, percentile) in (any_score(), any_score(), any_score(), any_score()),
        scores in prop::collection::vec(any_score(), 0..5),
        (count, counts) in (0..3u64, prop::collection::vec(0..u64::MAX, 0..4)),
        window in prop::option::of([any::<f32>(), any::<f32>(), any::<f32>(), any::<f32>()]),
        // Without the letters by which the chart is searched below.
        (text, size) in ("[^Nn]{0,120}", (1..90u32, 1..3u32)),
    ) -> UnitCard {
        let histogram = Histogram { low, high, counts };
        let statistics = Statistics { count, histogram, mean, ..statistics(0.0, 1.0) };
        let aims = [Aim::Maximize, Aim::Minimize, Aim::Diverse];
        let optimized = scores.iter().zip(aims.iter().cycle()).map(|(score, aim)| made(*aim, &text, *score, &statistics)).collect();
        let real = |score: &f64| Hit { window, thumbnail: picture(size.0, size.1), ..hit(1, *score, percentile) };
        let groups = [Place::Largest, Place::Band, Place::Smallest].map(|place| {
            Group { place, title: text.clone(), note: text.clone(), hits: scores.iter().map(real).collect() }
        });
        UnitCard { unit: text.clone(), label: Some(text), optimized, groups: groups.into(), statistics, ..unit("") }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_card_is_drawn(unit in any_unit()) {
        let card = card(vec![unit]);
        prop_assert!(html(&card).ends_with("</html>"));
        for width in [1136.0, 358.0] {
            let body = chart::chart(&card.units[0], width).body;
            prop_assert!(!body.contains("NaN") && !body.contains("inf"), "a place that is no number: {body}");
        }
        decode(&png(&card).expect("it is small enough"));
    }
}
