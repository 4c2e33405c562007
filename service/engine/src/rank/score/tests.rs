//! Tests of the pass on the demo model, with a feed that lives in memory.

use super::*;
use crate::rank::reading::Reducer;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicUsize;

/// Gives files in turn, and keeps what comes back.
struct Memory {
    files: Vec<Vec<u8>>,
    next: AtomicUsize,
    /// By tag: the numbers of each reading.
    scored: Mutex<BTreeMap<u32, Vec<Column>>>,
    broken: Mutex<Vec<u32>>,
    /// Cancels once so many have their scores.
    enough: usize,
    /// Fails once so many have their scores.
    full: usize,
}

impl Memory {
    fn new(files: Vec<Vec<u8>>) -> Self {
        Self {
            files,
            next: AtomicUsize::new(0),
            scored: Mutex::default(),
            broken: Mutex::default(),
            enough: usize::MAX,
            full: usize::MAX,
        }
    }

    fn count(&self) -> usize {
        self.scored.lock().unwrap().len()
    }
}

impl Feed for Memory {
    fn next(&self) -> Option<Item> {
        let tag = self.next.fetch_add(1, Ordering::Relaxed);
        self.files.get(tag).map(|file| Item { tag: tag as u32, file: file.clone() })
    }

    fn broken(&self, tag: u32, _: DecodeError) {
        self.broken.lock().unwrap().push(tag);
    }

    fn scored(&self, scored: &Scored) -> Result<(), String> {
        if self.count() >= self.full {
            return Err("the disk is full".to_owned());
        }
        for (place, tag) in scored.tags.iter().enumerate() {
            let own = |column: &Column| {
                let part = |all: usize| all / scored.tags.len();
                let (scores, positions) = (part(column.scores.len()), part(column.positions.len()));
                Column {
                    scores: column.scores[place * scores..][..scores].to_vec(),
                    positions: column.positions[place * positions..][..positions].to_vec(),
                }
            };
            self.scored.lock().unwrap().insert(*tag, scored.columns.iter().map(own).collect());
        }
        Ok(())
    }

    fn cancelled(&self) -> bool {
        self.count() >= self.enough
    }
}

fn demo() -> Arc<Model> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/models/demo");
    Arc::new(Model::load(&folder, &crate::model::Reader::default()).unwrap())
}

/// Pictures of the model's size that all differ.
fn files(count: u32, side: u32) -> Vec<Vec<u8>> {
    let file = |seed: u32| {
        let pixel = |x: u32, y: u32| {
            image::Rgb([x * 7 + seed * 13, y * 5 + seed, x * y + seed * 29].map(|v| v as u8))
        };
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::RgbImage::from_fn(side, side, pixel).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    };
    (0..count).map(file).collect()
}

/// A picture `[1, 3, h, w]` in 0 … 1 as the manifest says.
fn normalized(picture: &tch::Tensor, input: &Input) -> tch::Tensor {
    let [low, high] = input.range;
    let column = |values: &[f32]| tch::Tensor::from_slice(values).reshape([1, 3, 1, 1]);
    (picture * f64::from(high - low) + f64::from(low) - column(&input.mean)) / column(&input.std)
}

fn reading(layer: &str, reducer: Reducer) -> Reading {
    Reading { layer: layer.to_owned(), reducer, direction: None }
}

/// Every image's numbers are those of the network and of the reducer, whatever the number of threads, and the same to the bit.
#[test]
fn scores_are_the_networks_whatever_the_threads() {
    let model = demo();
    let input = model.manifest().input.clone();
    let mut files = files(40, input.height);
    files[7] = b"no picture".to_vec();
    let readings =
        [reading("block4", Reducer::Max), reading("block4", Reducer::Mean), reading("logits", Reducer::Max)];
    let scorer = Scorer::new(&model, &readings, Device::Cpu).unwrap();
    let run = |workers| {
        let feed = Memory::new(files.clone());
        scorer.run(&feed, workers).unwrap();
        assert_eq!(*feed.broken.lock().unwrap(), [7]);
        feed.scored.into_inner().unwrap()
    };
    let one = run(1);
    assert_eq!(one.len(), 39);
    assert_eq!(one, run(3));
    let layers: Vec<String> = ["block4", "logits"].map(str::to_owned).to_vec();
    let program = model.program(&layers, model.size(), Device::Cpu).unwrap();
    for (tag, columns) in one {
        let picture = image::load_from_memory(&files[tag as usize]).unwrap().to_rgb8().into_raw();
        let size = [1, i64::from(input.height), i64::from(input.width), 3];
        let picture =
            tch::Tensor::from_slice(&picture).reshape(size).permute([0, 3, 1, 2]).to_kind(tch::Kind::Float)
                / 255.0;
        let found = tch::no_grad(|| program.run(&normalized(&picture, &input)).unwrap());
        let close = |scores: &[f32], expected: tch::Tensor| {
            let expected = Vec::<f32>::try_from(expected.contiguous().reshape([-1])).unwrap();
            let scale = expected.iter().fold(0.0_f32, |scale, value| scale.max(value.abs()));
            assert_eq!(scores.len(), expected.len());
            for (score, expected) in scores.iter().zip(&expected) {
                assert!((score - expected).abs() <= 1e-5 * scale, "image {tag}: {score} is not {expected}");
            }
        };
        let flat = found[0].flatten(2, 3);
        close(&columns[0].scores, flat.amax([2], false));
        close(&columns[1].scores, flat.mean_dim([2].as_slice(), false, tch::Kind::Float));
        close(&columns[2].scores, found[1].shallow_clone());
        let places: Vec<i64> = columns[0].positions.iter().map(|place| i64::from(*place)).collect();
        let there =
            flat.gather(2, &tch::Tensor::from_slice(&places).reshape([1, -1, 1]), false).reshape([-1]);
        close(&columns[0].scores, there);
        assert!(columns[2].positions.is_empty());
    }
}

/// To the bit: rows of one table may come from passes that read different layers.
#[test]
fn scores_do_not_depend_on_the_layers_that_are_read_beside() {
    let model = demo();
    let files = files(3, model.manifest().input.height);
    let score = |readings: &[Reading]| {
        let feed = Memory::new(files.clone());
        Scorer::new(&model, readings, Device::Cpu).unwrap().run(&feed, 1).unwrap();
        feed.scored.into_inner().unwrap()
    };
    let all: Vec<Reading> = model.layers().iter().map(|layer| reading(&layer.path, Reducer::Max)).collect();
    let alone: Vec<_> = all.iter().map(|one| score(std::slice::from_ref(one))).collect();
    // Every layer, and every second and third: then memory of a layer that is not read comes to be that of one that is.
    for step in 1..=3 {
        let some: Vec<usize> = (0..all.len()).step_by(step).collect();
        let readings: Vec<Reading> = some.iter().map(|place| all[*place].clone()).collect();
        for (tag, columns) in score(&readings) {
            for (column, place) in columns.iter().zip(&some) {
                let layer = &all[*place].layer;
                assert_eq!(*column, alone[*place][&tag][0], "image {tag}, {layer}, every {step}");
            }
        }
    }
}

#[test]
fn a_pass_ends_when_it_shall() {
    let model = demo();
    let scorer = Scorer::new(&model, &[reading("block3", Reducer::Max)], Device::Cpu).unwrap();
    let batch = scorer.shape()[0] as usize;
    let files = files(5 * batch as u32, 64);
    let mut feed = Memory::new(files.clone());
    feed.enough = 1;
    scorer.run(&feed, 1).unwrap();
    assert_eq!(feed.count(), batch);
    let mut feed = Memory::new(files);
    feed.full = 2 * batch;
    let error = scorer.run(&feed, 2).unwrap_err();
    assert_eq!(error.to_string(), "the disk is full");
}

#[test]
fn nothing_to_score_is_no_error() {
    let scorer = Scorer::new(&demo(), &[reading("block3", Reducer::Max)], Device::Cpu).unwrap();
    let feed = Memory::new(Vec::new());
    scorer.run(&feed, 2).unwrap();
    assert_eq!(feed.count(), 0);
}

#[test]
fn wrong_readings_are_refused() {
    let refused = |reading: Reading| match Scorer::new(&demo(), &[reading], Device::Cpu) {
        Ok(_) => panic!("it was taken"),
        Err(error) => error.to_string(),
    };
    assert!(refused(reading("nowhere", Reducer::Max)).contains("nowhere"));
    assert!(refused(reading("block3", Reducer::At { row: 900, column: 0 })).contains("900,0"));
    let direction = Reading { direction: Some(vec![1.0]), ..reading("block3", Reducer::Max) };
    assert!(refused(direction).contains("1 weights"));
}
